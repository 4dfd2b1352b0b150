"""YAML in, plain data out, with the line of every key; every mistake as `file:line: key: value; what is allowed`.

Only the plain part of YAML is read: mappings, lists, text, numbers, true/false and null. Numbers are decimal and
finite; `no`, `on`, `007` and `1_000` stay text. Anchors, tags, duplicate keys, several documents in one file and
nesting deeper than 20 are refused, so that no file can mean something other than what it looks like.
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from math import inf, isfinite
from pathlib import Path
from typing import Any, NoReturn

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

from rig.errors import ProblemList, RigError, UserError, raise_all

MAX_BYTES = 256 << 10  # hundreds of blocks; a parser written in Python takes seconds for more
MAX_DEPTH = 20
MAX_PROBLEMS = 50  # a file with more is no file of ours
MAX_DIGITS = 18  # longer ones do not fit the 64-bit fields of a session

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # escapes can write them: "\\e[31m"
MORE = "There may be more to mend behind it"

_NOT_FINITE = re.compile(r"[-+]?\.(inf|nan)", re.IGNORECASE)

Place = tuple[str | int, ...]
Problem = tuple[Place, RigError]  # where in the document, and what is wrong there
Scalar = str | int | float | bool | None


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


def read_document(path: Path, error: type[UserError]) -> Document:
    """Read `path` as plain data, without any model. Raises `error`, or a ProblemList of them."""
    document, problems = look_at_document(path, error)
    raise_all([problem for _, problem in problems])
    return document


def look_at_document(path: Path, error: type[UserError], text: str | None = None) -> tuple[Document, list[Problem]]:
    """Read `path` as plain data, with everything in it that is not allowed there, in the file's order.

    `text`: what to read instead, where it is kept in another file at `path`. Raises `error`, or a ProblemList, for what
    cannot be read to its end.
    """
    text = _read_text(path, error) if text is None else text
    builder = _Builder(path, error)
    try:
        data = builder.document(iter(YAML(typ="safe", pure=True).parse(text)))
    except (YAMLError, ValueError) as exc:
        builder.give_up(_syntax_problem(path, text, exc, error))
    if data is None and not builder.problems:
        raise error(str(path), "is empty")
    return Document(path, text, data, builder.lines), builder.problems


def _syntax_problem(path: Path, text: str, exc: Exception, error: type[UserError]) -> RigError:
    """What the parser says, with the line and with what is most often behind it."""
    if isinstance(exc, MarkedYAMLError):
        mark = exc.problem_mark or exc.context_mark
        problem = exc.problem or exc.context or str(exc)
        hint = "Indent with spaces, not tabs" if "\\t" in problem else "Compare its indentation with the lines above"
        return error(f"{path}:{mark.line + 1 if mark else 1}", f"is not YAML: {problem}", hint=f"{hint}. {MORE}")
    line = text.count("\n", 0, getattr(exc, "position", 0)) + 1
    return error(f"{path}:{line}", f"is not YAML: {str(exc).splitlines()[0]}", hint=MORE)


def problem_at(document: Document, place: Place, problem: str, error: type[UserError], **fields: str) -> RigError:
    """An error about one key of a document, for checks that a model cannot do by itself."""
    return error(_subject(document.path, document.line(place), place), problem, **fields)


def _subject(path: Path, line: int, place: Place) -> str:
    """`file:line: key`; what could upset a terminal is escaped."""
    keys = [str(part) if part != "" and str(part).isprintable() else repr(part) for part in place]
    return f"{path}:{line}" + (f": {'.'.join(keys)}" if keys else "")


def _read_text(path: Path, error: type[UserError]) -> str:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise error(str(path), "is not a file")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise error(str(path), "does not exist") from None
    except (OSError, ValueError) as exc:  # ValueError: a name that no system allows
        raise error(repr(str(path)), f"cannot be read: {getattr(exc, 'strerror', exc)}") from None
    if len(raw) > MAX_BYTES:
        raise error(str(path), "is too large", allowed=f"at most {MAX_BYTES >> 10} KiB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise error(f"{path}:{line}", "is not UTF-8", hint="Save the file as UTF-8") from None


class _Builder:
    """Plain data from YAML events, noting the line of every key and everything that is not allowed."""

    def __init__(self, path: Path, error: type[UserError]) -> None:
        self.path, self.error = path, error
        self.lines: dict[Place, int] = {(): 1}
        self.problems: list[Problem] = []

    def document(self, events: Any) -> Any:
        data, documents = None, 0
        for event in events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.note(event, (), "a second document", "one document a file")
                    break
            elif isinstance(event, ScalarEvent | MappingStartEvent | SequenceStartEvent | AliasEvent):
                data = self.node(event, events, ())
        return data

    def node(self, event: Any, events: Any, place: Place) -> Any:
        if isinstance(event, AliasEvent) or event.anchor:
            self.note(event, place, "an anchor or alias", "every value written out")
        if getattr(event, "tag", None) is not None:
            self.note(event, place, f"the tag {event.tag[:60]}", "plain values without a tag")
        if len(place) > MAX_DEPTH:
            allowed = f"at most {MAX_DEPTH} levels"
            self.give_up(self.problem(event, place[:3], "nesting this deep", allowed, hint=MORE))
        if isinstance(event, MappingStartEvent):
            return self.mapping(events, place)
        if isinstance(event, SequenceStartEvent):
            return self.sequence(events, place)
        return self.scalar(event, place) if isinstance(event, ScalarEvent) else None

    def mapping(self, events: Any, place: Place) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for event in events:
            if isinstance(event, MappingEndEvent):
                break
            key = self.key(event, events, place)
            here = (*place, key)
            if key in out:
                first = f"every key once; the first is on line {self.lines[here]}"
                self.note(event, here, "a second one", first)
            self.lines[here] = event.start_mark.line + 1
            out[key] = self.node(next(events), events, here)
        return out

    def key(self, event: Any, events: Any, place: Place) -> str:
        """The text of a key; one that is no text is noted, and read over."""
        if not isinstance(event, ScalarEvent):
            self.node(event, events, (*place, "?"))
            self.note(event, place, "a key that is not text", "a word", key="?")
            return "?"
        text = str(event.value)
        if _CONTROL.search(text):
            self.note(event, place, f"the key {text[:40]!r}", "keys without control characters", key=text)
        if event.anchor or event.tag is not None:
            self.note(event, place, f"an anchor or tag at the key {text!r}", "plain keys", key=text)
        if event.style is None and not isinstance(_plain(text), str):
            given = f"the key {text}" if text else "an empty key"
            self.note(event, place, given, f'keys are text: write "{text}"', key=text)
        return text

    def sequence(self, events: Any, place: Place) -> list[Any]:
        out: list[Any] = []
        for event in events:
            if isinstance(event, SequenceEndEvent):
                break
            here = (*place, len(out))
            self.lines[here] = event.start_mark.line + 1
            out.append(self.node(event, events, here))
        return out

    def scalar(self, event: Any, place: Place) -> Scalar:
        text = str(event.value)
        if _CONTROL.search(text):
            self.note(event, place, repr(text[:40]), "text without control characters")
        if event.style is not None:
            return text
        value = _plain(text)
        if isinstance(value, float) and not isfinite(value):
            self.note(event, place, text[:40], "a finite number")
        if isinstance(value, int) and abs(value) >= 10**MAX_DIGITS:
            self.note(event, place, text[:40], f"a number of at most {MAX_DIGITS} digits")
        return value

    def note(self, event: Any, place: Place, value: str, allowed: str, *, key: str | None = None) -> None:
        """Note a problem at `place`, or at the key `key` in it."""
        if len(self.problems) == MAX_PROBLEMS - 1:
            self.give_up(self.problem(event, place, value, allowed, hint=MORE))
        at = place if key is None else (*place, key)
        self.problems.append((at, self.problem(event, place, value, allowed)))

    def problem(self, event: Any, place: Place, value: str, allowed: str, hint: str = "") -> RigError:
        subject = _subject(self.path, event.start_mark.line + 1, place)
        return self.error(subject, "is not allowed", value=value, allowed=allowed, hint=hint)

    def give_up(self, last: RigError) -> NoReturn:
        """Tell what was found, when reading cannot go on."""
        before = [problem for _, problem in self.problems]
        raise ProblemList([*before, last]) if before else last


def _plain(text: str) -> Scalar:
    """What a scalar without quotes means."""
    if text in ("true", "false"):
        return text == "true"
    if text in ("", "~", "null"):
        return None
    if _NOT_FINITE.fullmatch(text):
        return inf
    if _INTEGER.fullmatch(text):
        # Python refuses to convert thousands of digits; so many are not allowed anyway.
        return int(text[: MAX_DIGITS + 2])
    if _FLOAT.fullmatch(text):
        return float(text) + 0.0  # -0.0 becomes 0.0
    return text
