"""An elicitation protocol: the model of `protocols/*.yaml`, and the steps it unrolls to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from rig.config.limits import LIMITS_IN_WORDS, REQUIRES_IN_WORDS, CheckName, Tolerances
from rig.config.model import Look, Model, look_at
from rig.config.yaml import Document, Place, problem_at
from rig.elicitation.steps import Kind, Step
from rig.errors import ProtocolError, RigError

KEY = r"^([a-z0-9]|space|return|left|right|up|down)$"
_NAME = "a name of letters, digits, - and _; at most 40"
_KEY = "a key of the keyboard: a letter, a digit, space, return, left, right, up or down"
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$", description=_NAME)]
Key = Annotated[str, Field(pattern=KEY, description=_KEY)]
Store = Literal["all", "none"] | list[str]

_ONCE = "every block and question needs a name of its own"
_STORE = "all, none, or a list of streams such as [HS, NIR]"
_SECONDS = "a length in seconds, above 0, at most 7200"
_TEXT = "the text that the participant reads"


class Clip(Model):
    """A film clip: where it lies and how it is known to be the right one."""

    file: str = Field(
        min_length=1, description="path beside the protocol, or package:NAME/PATH for one inside a Python package"
    )
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="sha256 of the file, 64 hexadecimal digits")
    title: str = Field(description="title of the film")
    licence: str = Field(description="licence of the film")


class Block(Model):
    """What all blocks share."""

    name: Name = Field(description=_NAME)
    store: Store = Field(default="all", description=_STORE)

    @field_validator("store")
    @classmethod
    def _each_once(cls, store: Store) -> Store:
        if not store:
            raise ValueError("names no stream; to keep none write none")
        if isinstance(store, list) and len(set(store)) < len(store):
            raise ValueError("names a stream twice")
        return store


class Instruction(Block):
    """Text until a key is pressed."""

    kind: Literal["instruction"] = Field(description="instruction")
    text: str = Field(min_length=1, description=_TEXT)
    key: Key = Field(default="space", description=f"the key that goes on, {_KEY}")
    max_seconds: float = Field(gt=0, le=7200, description=_SECONDS)


class Baseline(Block):
    """A neutral screen of fixed length."""

    kind: Literal["baseline"] = Field(description="baseline")
    text: str = Field(default="+", description=_TEXT)
    seconds: float = Field(gt=0, le=7200, description=_SECONDS)


class ClipBlock(Block):
    """A film clip, played once; the block is named after it."""

    kind: Literal["clip"] = Field(description="clip")
    clip: Name = Field(description="a name from clips:")


class Question(Model):
    """One question, answered by one key."""

    name: Name = Field(description=_NAME)
    text: str = Field(min_length=1, description=_TEXT)
    answers: dict[Key, str] = Field(
        min_length=2, description='two or more answers, key: label, e.g. "1": happy; both are text'
    )


class SelfReport(Block):
    """Questions after a clip."""

    kind: Literal["self-report"] = Field(description="self-report")
    questions: list[Question] = Field(min_length=1, description="a list of questions")
    max_seconds: float = Field(gt=0, le=7200, description=_SECONDS + ", for each question")


AnyBlock = Annotated[Instruction | Baseline | ClipBlock | SelfReport, Field(discriminator="kind")]


class ElicitationProtocol(Model):
    """A protocol: clips and blocks."""

    schema_version: int = Field(alias="schema", ge=1, le=1, description="1, the version of this file's layout")
    name: Name = Field(description=_NAME)
    title: str = Field(description="one line for people")
    clips: dict[Name, Clip] = Field(default_factory=dict, description="name: clip")
    tolerances: Tolerances = Field(
        default_factory=Tolerances, description=f"{LIMITS_IN_WORDS}; they go before those of rig.yaml"
    )
    requires: list[CheckName] | None = Field(default=None, min_length=1, description=REQUIRES_IN_WORDS)
    blocks: list[AnyBlock] = Field(min_length=1, description="a list of blocks, in their order")


@dataclass(frozen=True)
class ProtocolFile:
    """A protocol and the file it was read from."""

    protocol: ElicitationProtocol
    document: Document


def look_at_protocol(path: Path) -> Look[ElicitationProtocol]:
    """Read a protocol and find all that is wrong in it. Raises ProtocolError when it cannot be read to its end."""
    look = look_at(path, ElicitationProtocol, ProtocolError)
    _check_names(look)
    _check_clip_names(look)
    return look


def protocol_of(look: Look[ElicitationProtocol]) -> ProtocolFile:
    """The protocol, if nothing is wrong in its file. Raises ProtocolError, or a ProblemList of all problems in it."""
    return ProtocolFile(look.require(), look.document)


def read_protocol(path: Path) -> ProtocolFile:
    """Read a protocol. Raises ProtocolError, or a ProblemList of all problems in it, with file:line."""
    return protocol_of(look_at_protocol(path))


def _check_names(look: Look[ElicitationProtocol]) -> None:
    """Every step is told from every other by its name."""
    seen: set[str] = set()
    for place, name in _step_names(look):
        if name in seen:
            look.note(place, "is used twice", value=name, allowed=_ONCE)
        seen.add(name)


def _step_names(look: Look[ElicitationProtocol]) -> Iterator[tuple[Place, str]]:
    """Where the name of each step is written, and what it is; a question's begins with its block's."""
    for index in _indices(look, "blocks"):
        block = look.get(str, "blocks", index, "name")
        if block is not None and look.get(str, "blocks", index, "kind") != "self-report":
            yield ("blocks", index, "name"), block
        for number in _indices(look, "blocks", index, "questions"):
            question = look.get(str, "blocks", index, "questions", number, "name")
            if block is not None and question is not None:
                yield ("blocks", index, "questions", number, "name"), f"{block}-{question}"


def _indices(look: Look[ElicitationProtocol], *place: str | int) -> range:
    return range(len(look.get(list, *place) or []))


def _check_clip_names(look: Look[ElicitationProtocol]) -> None:
    clips = look.get(dict, "clips")
    for index in _indices(look, "blocks"):
        clip = look.get(str, "blocks", index, "clip")
        if clips is not None and clip is not None and clip not in clips:
            allowed = f"one of clips: {', '.join(clips) or 'none given'}"
            look.note(("blocks", index, "clip"), "is no clip of this protocol", value=clip, allowed=allowed)


def store_problems(look: Look[ElicitationProtocol], streams: Sequence[str]) -> list[RigError]:
    """Streams that a block wants to keep and the rig does not have."""
    return [
        problem_at(
            look.document,
            ("blocks", index, "store"),
            "is no stream of this rig",
            ProtocolError,
            value=str(stream),
            allowed=", ".join(streams),
        )
        for index in _indices(look, "blocks")
        for stream in look.get(list, "blocks", index, "store") or []
        if stream not in streams
    ]


def unroll(protocol: ElicitationProtocol, streams: Sequence[str], clip_seconds: dict[str, float]) -> list[Step]:
    """The steps of a session, in order. `clip_seconds`: how long each clip plays."""
    steps: list[Step] = []
    for block in protocol.blocks:
        store = tuple(streams if block.store == "all" else () if block.store == "none" else block.store)
        reason = "" if len(store) == len(streams) else f"protocol: {block.name}"
        for part in _parts(block, clip_seconds):
            steps.append(Step(index=len(steps), store=store, reason=reason, **part))
    return steps


def _part(kind: Kind, name: str, **given: Any) -> dict[str, Any]:
    return {"kind": kind, "name": name, "text": "", "keys": {}, "seconds": None, "clip": None, **given}


def _parts(block: Any, clip_seconds: dict[str, float]) -> list[dict[str, Any]]:
    """The steps of one block, as keyword arguments of Step."""
    match block:
        case Instruction():
            keys = {block.key: block.key}
            return [_part("instruction", block.name, text=block.text, keys=keys, max_seconds=block.max_seconds)]
        case Baseline():
            length = block.seconds
            return [_part("baseline", block.name, text=block.text, seconds=length, max_seconds=length + 1)]
        case ClipBlock():
            return [_part("clip", block.name, clip=block.clip, max_seconds=clip_seconds[block.clip] + 5)]
    return [
        _part("question", f"{block.name}-{q.name}", text=q.text, keys=q.answers, max_seconds=block.max_seconds)
        for q in block.questions
    ]
