"""An elicitation protocol: the model of `protocols/*.yaml`, and the steps it unrolls to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from rig.config.model import Model, read_model
from rig.config.yaml import Document, problem_at
from rig.elicitation.steps import Kind, Step
from rig.errors import ProtocolError, RigError, raise_all

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
    blocks: list[AnyBlock] = Field(min_length=1, description="a list of blocks, in their order")


@dataclass(frozen=True)
class ProtocolFile:
    """A protocol and the file it was read from."""

    protocol: ElicitationProtocol
    document: Document


def read_protocol(path: Path) -> ProtocolFile:
    """Read a protocol. Raises ProtocolError, or a ProblemList of all problems in it, with file:line."""
    protocol, document = read_model(path, ElicitationProtocol, ProtocolError)
    raise_all(_problems(protocol, document))
    return ProtocolFile(protocol, document)


def _problems(protocol: ElicitationProtocol, document: Document) -> list[RigError]:
    """References and names that no single field can judge."""
    problems: list[RigError] = []
    seen: set[str] = set()
    for index, block in enumerate(protocol.blocks):
        if isinstance(block, ClipBlock) and block.clip not in protocol.clips:
            allowed = f"one of clips: {', '.join(protocol.clips) or 'none given'}"
            place = ("blocks", index, "clip")
            problems.append(
                problem_at(
                    document, place, "is no clip of this protocol", ProtocolError, value=block.clip, allowed=allowed
                )
            )
        for name in _names(block):
            if name in seen:
                place = ("blocks", index, "name")
                problems.append(problem_at(document, place, "is used twice", ProtocolError, value=name, allowed=_ONCE))
            seen.add(name)
    return problems


def _names(block: Instruction | Baseline | ClipBlock | SelfReport) -> Iterable[str]:
    if isinstance(block, SelfReport):
        return [f"{block.name}-{q.name}" for q in block.questions]
    return [block.name]


def store_problems(file: ProtocolFile, streams: Sequence[str]) -> list[RigError]:
    """Streams that a block wants to keep and the rig does not have."""
    return [
        problem_at(
            file.document,
            ("blocks", index, "store"),
            "is no stream of this rig",
            ProtocolError,
            value=stream,
            allowed=", ".join(streams),
        )
        for index, block in enumerate(file.protocol.blocks)
        for stream in (block.store if isinstance(block.store, list) else [])
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
