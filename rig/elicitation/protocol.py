"""An elicitation protocol: the model of `protocols/*.yaml`, and how a file is read into it.

p.yaml ----------> every key by itself --> rules about several keys (rules.py) --> ProtocolFile
statements.yaml --^
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import pardir
from os.path import normpath
from pathlib import Path
from stat import S_ISREG
from typing import Annotated, Any, Literal

from pydantic import Field

from rig.config.find import look_up
from rig.config.limits import LIMITS_IN_WORDS, REQUIRES_IN_WORDS, CheckName, Tolerances
from rig.config.model import Look, Model, look_at
from rig.config.yaml import Document, Place, problem_at
from rig.elicitation.blocks import AnyBlock, Clip, Trials
from rig.elicitation.course import Pay
from rig.elicitation.order import Order
from rig.elicitation.places import block_places, languages
from rig.elicitation.rules import check_cap, check_rules
from rig.elicitation.texts import Language, Text, check_texts, every_text
from rig.elicitation.words import NAME_IN_WORDS, Key, Name
from rig.errors import ProblemList, ProtocolError, RigError, UserError

_HOLD_KEY = r"^([a-z0-9]|space|return|left|right|up|down|escape)$"


class Withdrawal(Model):
    """How a participant breaks off, and what becomes of the recordings then."""

    key: str = Field(
        default="escape", pattern=_HOLD_KEY, description="the key that is held for 1 s, as elsewhere or escape"
    )
    text: Text | None = Field(default=None, description="what is read by who withdrew, after the debrief")
    ask: bool = Field(
        default=False, description="whether it is asked then what becomes of the recordings, true or false"
    )
    question: Text | None = Field(default=None, description="how that is asked")
    keep: Text | None = Field(default=None, description="the answer that keeps them, given by the key 1")
    delete: Text | None = Field(default=None, description="the answer that deletes them, given by the key 2")
    otherwise: Literal["keep", "delete"] = Field(
        default="keep", description="keep or delete, where it is not asked or not answered"
    )


class Stakes(Model):
    """What depends on the feelings being hidden."""

    kind: Literal["none", "penalty", "pay"] = Field(default="none", description="none, penalty or pay")
    start: float = Field(default=0, ge=0, description="pay before the first trial, in units, 0 or more")
    each: float = Field(default=0, description="what each right guess of the operator adds, in units; below 0: takes")
    unit: str = Field(default="", max_length=20, description="unit of the pay, such as EUR; at most 20 letters")

    @property
    def pay(self) -> Pay | None:
        """What a participant is paid; None: nothing."""
        return Pay(self.start, self.each, self.unit) if self.kind == "pay" else None


class Operator(Model):
    """What the operator sees and says."""

    blind: bool = Field(default=True, description="whether the operator is told nothing about the clips, true or false")
    guesses: dict[Key, Annotated[str, Field(min_length=1, max_length=200)]] = Field(
        default_factory=dict, description="what can be guessed, key: target, e.g. p: positive"
    )


class ElicitationProtocol(Model):
    """A protocol: clips and blocks."""

    schema_version: int = Field(alias="schema", ge=1, le=1, description="1, the version of this file's layout")
    name: Name = Field(description=NAME_IN_WORDS)
    title: str = Field(description="one line for people")
    languages: list[Language] = Field(
        default=["en"], min_length=1, description="a list of languages, such as [en, ar]; the first is the default"
    )
    variants: list[Name] = Field(
        default_factory=list, description="a list of names of groups; a participant's row says which of them it is"
    )
    window: bool = Field(
        default=True,
        description="whether a window is opened for the participant, true or false; false only where nothing is shown: "
        "all blocks are baselines and wash-outs of fixed length without text, and markers",
    )
    clips: dict[Name, Clip] = Field(default_factory=dict, description="name: clip")
    order: Order = Field(default_factory=Order, description="keys and values: the order of the clips of all trials")
    withdrawal: Withdrawal = Field(default_factory=Withdrawal, description="keys and values: how one breaks off")
    stakes: Stakes = Field(default_factory=Stakes, description="keys and values: what depends on hiding feelings")
    operator: Operator = Field(default_factory=Operator, description="keys and values: what the operator sees and says")
    tolerances: Tolerances = Field(
        default_factory=Tolerances, description=f"{LIMITS_IN_WORDS}; they go before those of rig.yaml"
    )
    requires: list[CheckName] | None = Field(default=None, min_length=1, description=REQUIRES_IN_WORDS)
    blocks: list[AnyBlock] = Field(min_length=1, description="a list of blocks, in their order")


class StatementsFile(Model):
    """A file of statements beside a protocol."""

    statements: list[Text] = Field(min_length=1, description="a list of texts, each judged on the scale")


@dataclass(frozen=True)
class ProtocolFile:
    """A protocol and the file it was read from."""

    protocol: ElicitationProtocol
    document: Document


def look_at_protocol(path: Path) -> Look[ElicitationProtocol]:
    """Read a protocol and find all that is wrong in it. Raises ProtocolError when it cannot be read to its end.

    Statements in a file beside it are read, too: the model holds them as if they were written in the protocol.
    """
    look = look_at(path, ElicitationProtocol, ProtocolError)
    check_rules(look)
    files = {place: _read_statements(look, place) for place in _statements_places(look)}
    look.found += [((*place, "statements_file"), problem) for place in files for problem in files[place][1]]
    statements = {place: read.model.statements for place, (read, _) in files.items() if read and read.model}
    for place, texts in statements.items():
        check_cap(look, place, len(texts))
    if look.model is not None:
        look.model = _with_statements(look.model, statements)
    return look


def protocol_of(look: Look[ElicitationProtocol]) -> ProtocolFile:
    """The protocol, if nothing is wrong in its file. Raises ProtocolError, or a ProblemList of all problems in it."""
    return ProtocolFile(look.require(), look.document)


def read_protocol(path: Path) -> ProtocolFile:
    """Read a protocol. Raises ProtocolError, or a ProblemList of all problems in it, with file:line."""
    return protocol_of(look_at_protocol(path))


def texts_of(look: Look[ElicitationProtocol]) -> list[tuple[str, str]]:
    """Every text that a participant reads, with where it is written: `file:line`."""
    looks: list[Look[Any]] = [look, *filter(None, (_read_statements(look, p)[0] for p in _statements_places(look)))]
    return [
        (f"{each.document.path}:{each.document.line(place)}", text)
        for each in looks
        for place, _, text in every_text(each)
    ]


def _statements_places(look: Look[ElicitationProtocol]) -> list[Place]:
    return [place for place in block_places(look) if look.get(str, *place, "statements_file") is not None]


def _read_statements(
    look: Look[ElicitationProtocol], place: Place
) -> tuple[Look[StatementsFile] | None, list[RigError]]:
    """The file of statements that the block at `place` names, if it can be read, and what is wrong in it."""
    name = str(look.get(str, *place, "statements_file"))
    beside = look.document.path.parent / name
    if problem := _why_not_beside(look.document.path.parent, name):
        where, allowed = (*place, "statements_file"), "a file beside the protocol, or in a folder there"
        return None, [problem_at(look.document, where, problem, ProtocolError, value=name, allowed=allowed)]
    try:
        read = look_at(beside, StatementsFile, ProtocolError)
    except ProblemList as several:
        return None, several.problems
    except UserError as error:
        return None, [error]
    check_texts(read, languages(look))
    return read, read.problems


def _why_not_beside(folder: Path, name: str) -> str:
    """Why a file that a protocol in `folder` names is not read; empty when it is. Nothing outside is ever looked at."""
    inside = Path(normpath(name))
    if inside.is_absolute() or inside.parts[:1] == (pardir,):
        return "lies outside of the protocol's folder"
    try:
        found = look_up("", folder / name, ProtocolError)
    except ProtocolError as error:
        return error.problem
    return "does not exist" if found is None else "" if S_ISREG(found.st_mode) else "is not a file"


def _with_statements(protocol: ElicitationProtocol, statements: dict[Place, list[Text]]) -> ElicitationProtocol:
    """The protocol, each block of it with the statements that stand in its file."""
    return protocol.model_copy(update={"blocks": _filled(protocol.blocks, ("blocks",), statements)})


def _filled(blocks: Sequence[Any], at: Place, statements: dict[Place, list[Text]]) -> list[Any]:
    filled = []
    for index, block in enumerate(blocks):
        if isinstance(block, Trials):
            block = block.model_copy(update={"each": _filled(block.each, (*at, index, "each"), statements)})
        elif (*at, index) in statements:
            block = block.model_copy(update={"statements": statements[(*at, index)]})
        filled.append(block)
    return filled


def store_problems(look: Look[ElicitationProtocol], streams: Sequence[str]) -> list[RigError]:
    """Streams that a block wants to keep and the rig does not have."""
    return [
        problem_at(
            look.document,
            (*place, "store"),
            "is no stream of this rig",
            ProtocolError,
            value=str(stream),
            allowed=", ".join(streams),
        )
        for place in block_places(look)
        for stream in look.get(list, *place, "store") or []
        if stream not in streams
    ]
