"""YAML in, a checked model out; every mistake as `file:line: key: value: what is allowed`, all of them at once.

Only the plain part of YAML is read: mappings, lists, text, numbers, true/false and null. Numbers are decimal and
finite; `no`, `on`, `007` and `1_000` stay text. Anchors, tags, duplicate keys, several documents in one file and
nesting deeper than 20 are refused, so that no file can mean something other than what it looks like.
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from rig.errors import RigError, UserError, raise_all

MAX_BYTES = 4 << 20
MAX_DEPTH = 20
MAX_DIGITS = 18  # longer ones do not fit the 64-bit fields of a session

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|nan)", re.IGNORECASE)

Place = tuple[str | int, ...]
ModelT = TypeVar("ModelT", bound="Model")


class Model(BaseModel):
    """A part of a file: frozen, no unknown keys, no number taken from text."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Document:
    """A file as it was read: plain data, its text, and the line of every key."""

    path: Path
    text: str
    data: Any
    lines: dict[Place, int] = field(repr=False)

    def line(self, place: Place) -> int:
        """The line of a key, or of the nearest key around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read_model(path: Path, model: type[ModelT], error: type[UserError]) -> tuple[ModelT, Document]:
    """Read `path` into `model`. Raises `error`, or a ProblemList of them, naming file, line, key, value, allowed."""
    document = read_document(path, error)
    try:
        return model.model_validate(document.data), document
    except ValidationError as exc:
        raise_all([_problem(document, model, dict(e), error) for e in exc.errors()])
        raise  # pydantic never reports zero errors


def read_document(path: Path, error: type[UserError]) -> Document:
    """Read `path` as plain data, without any model."""
    text = _read_text(path, error)
    builder = _Builder(path, error)
    try:
        data = builder.document(iter(YAML(typ="safe", pure=True).parse(text)))
    except MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = mark.line + 1 if mark else 1
        raise error(f"{path}:{line}", f"is not YAML: {exc.problem or exc.context or exc}") from None
    except (YAMLError, ValueError) as exc:
        raise error(str(path), f"is not YAML: {str(exc).splitlines()[0]}") from None
    return Document(path, text, data, builder.lines)


def problem_at(document: Document, place: Place, problem: str, error: type[UserError], **fields: str) -> RigError:
    """An error about one key of a document, for checks that a model cannot do by itself."""
    key = ".".join(map(str, place))
    return error(f"{document.path}:{document.line(place)}: {key}", problem, **fields)


def _read_text(path: Path, error: type[UserError]) -> str:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise error(str(path), "is not a file")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise error(str(path), "does not exist") from None
    except OSError as exc:
        raise error(str(path), f"cannot be read: {exc.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise error(str(path), "is too large", allowed=f"at most {MAX_BYTES >> 20} MiB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise error(f"{path}:{line}", "is not UTF-8", hint="Save the file as UTF-8") from None


class _Builder:
    """Plain data from YAML events, noting the line of every key."""

    def __init__(self, path: Path, error: type[UserError]) -> None:
        self.path, self.error = path, error
        self.lines: dict[Place, int] = {(): 1}

    def document(self, events: Any) -> Any:
        data, documents = None, 0
        for event in events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.refuse(event, "a second document", "one document a file")
            elif isinstance(event, ScalarEvent | MappingStartEvent | SequenceStartEvent | AliasEvent):
                data = self.node(event, events, ())
        if data is None:
            raise self.error(str(self.path), "is empty")
        return data

    def node(self, event: Any, events: Any, place: Place) -> Any:
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None):
            self.refuse(event, "an anchor or alias", "every value written out")
        if getattr(event, "tag", None) not in (None, "!"):
            self.refuse(event, f"the tag {event.tag}", "plain values")
        if len(place) > MAX_DEPTH:
            self.refuse(event, "nesting", f"at most {MAX_DEPTH} levels")
        if isinstance(event, MappingStartEvent):
            return self.mapping(events, place)
        if isinstance(event, SequenceStartEvent):
            return self.sequence(events, place)
        return self.scalar(event)

    def mapping(self, events: Any, place: Place) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for event in events:
            if isinstance(event, MappingEndEvent):
                break
            if not isinstance(event, ScalarEvent):
                self.refuse(event, "a key that is not text", "a word")
            key = str(event.value)
            if event.style is None and not isinstance(self.scalar(event), str):
                self.refuse(event, f"the key {key}", f'keys are text: write "{key}"')
            if key in out:
                self.refuse(event, f"the key {key!r} twice", "every key once")
            self.lines[(*place, key)] = event.start_mark.line + 1
            out[key] = self.node(next(events), events, (*place, key))
        return out

    def sequence(self, events: Any, place: Place) -> list[Any]:
        out: list[Any] = []
        for event in events:
            if isinstance(event, SequenceEndEvent):
                break
            here = (*place, len(out))
            self.lines[here] = event.start_mark.line + 1
            out.append(self.node(event, events, here))
        return out

    def scalar(self, event: Any) -> str | int | float | bool | None:
        text = str(event.value)
        if event.style is not None:
            return text
        if text in ("true", "false"):
            return text == "true"
        if text in ("", "~", "null"):
            return None
        if _NOT_FINITE.fullmatch(text) or (len(text) > MAX_DIGITS and _INTEGER.fullmatch(text)):
            self.refuse(event, text[:40], "a finite number")
        if _INTEGER.fullmatch(text):
            return int(text)
        return self.number(event, text) if _FLOAT.fullmatch(text) else text

    def number(self, event: Any, text: str) -> float:
        value = float(text)
        if value in (float("inf"), float("-inf")):
            self.refuse(event, text[:40], "a finite number")
        return value

    def refuse(self, event: Any, value: str, allowed: str) -> NoReturn:
        raise self.error(f"{self.path}:{event.start_mark.line + 1}", "is not allowed", value=value, allowed=allowed)


def _problem(document: Document, model: type[Model], found: dict[str, Any], error: type[UserError]) -> RigError:
    """One of pydantic's errors in our words: the field's own description says what is allowed."""
    place, described = _follow(model, found["loc"])
    kind, value = str(found["type"]), _short(found["input"])
    if kind == "missing":
        return problem_at(document, place, "is missing", error, allowed=described)
    if kind == "extra_forbidden":
        _, around = _follow(model, found["loc"][:-1])
        return problem_at(document, place, "is an unknown key", error, allowed=around)
    if kind == "value_error":
        return problem_at(document, place, str(found["ctx"]["error"]), error, value=value)
    allowed = described or str(found["msg"])
    return problem_at(document, place, "is not allowed", error, value=value, allowed=allowed)


def _short(value: object) -> str:
    text = repr(value) if isinstance(value, str) else "null" if value is None else str(value)
    text = text.lower() if isinstance(value, bool) else text
    return text if len(text) <= 60 else text[:57] + "..."


def _follow(model: Any, location: tuple[str | int, ...]) -> tuple[Place, str]:
    """Follow pydantic's location through the models: the keys as written, and what is allowed at the end."""
    place: list[str | int] = []
    described = _keys(model)
    for part in location:
        if part == "[key]":
            continue
        chosen = _variant(model, part)
        if chosen is not None:  # the tag of a union is not a key in the file
            model, described = chosen, _keys(chosen)
            continue
        place.append(part)
        fields = getattr(model, "model_fields", {})
        info = fields.get(part)
        annotation = info.annotation if info else _inner(model)
        described = (info.description or "") if info else _keys(annotation)
        model = annotation
    return tuple(place), described


def _keys(model: Any) -> str:
    fields = getattr(model, "model_fields", None)
    return f"the keys here are {', '.join(fields)}" if fields else ""


def _inner(annotation: Any) -> Any:
    """What a dict or a list holds."""
    arguments = [a for a in get_args(annotation) if a is not type(None)]
    return arguments[-1] if arguments else None


def _variant(annotation: Any, part: str | int) -> Any:
    """The member of a tagged union that `part` names, else None."""
    for member in _members(annotation):
        kind = getattr(member, "model_fields", {}).get("kind")
        if kind is not None and part in get_args(kind.annotation):
            return member
    return None


def _members(annotation: Any) -> list[Any]:
    found: list[Any] = []
    for argument in get_args(annotation):
        found += [argument] if hasattr(argument, "model_fields") else _members(argument)
    return found
