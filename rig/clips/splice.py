"""Puts values into the text of a YAML file, and leaves every other byte of it as it is: comments, order, quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode

Edit = tuple[int, int, str]  # from, to before which character, and what comes there

_PLAIN = re.compile(r"([A-Za-z]|[0-9]+[acdf])[A-Za-z0-9_./-]*")  # no number in any spelling, as 1e5 and 0x1f are
_WORDS = {"true", "false", "null"}  # that mean something else than their letters


def spliced(text: str, place: Sequence[str], values: Mapping[str, str]) -> str:
    """The text with `values` (key: text) in the mapping at `place`, which is there and holds a key already.

    A key that is there gets the new value, a new one comes first in the mapping.
    """
    node = YAML(typ="safe", pure=True).compose(text)
    for name in place:
        node = _value(node, name)
    line_end = "\r\n" if "\r\n" in text else "\n"
    for start, end, new in sorted(_edits(text, node, values, line_end), reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _value(node: MappingNode, name: str) -> Any:
    return next(value for key, value in node.value if key.value == name)


def _edits(text: str, node: MappingNode, values: Mapping[str, str], line_end: str) -> Iterator[Edit]:
    there = {key.value: value for key, value in node.value}
    for name in values.keys() & there.keys():
        yield _replaced(text, there[name], values[name])
    first = node.value[0][0].start_mark
    apart = ", " if node.flow_style else line_end + " " * first.column
    new = "".join(f"{name}: {spelled(value)}{apart}" for name, value in values.items() if name not in there)
    yield first.index, first.index, new


def _replaced(text: str, value: Any, new: str) -> Edit:
    """In place of a value, up to its last letter: the node of a block of text goes on to the next line."""
    start, end = value.start_mark.index, value.end_mark.index
    old = text[start:end]
    before = "" if old or text[start - 1 : start].isspace() else " "
    return start, start + len(old.rstrip()), before + spelled(new)


def spelled(value: str) -> str:
    """A text as YAML: bare where that means the same, else in quotes."""
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return f'"{"".join(map(_escaped, value))}"'


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    return letter if letter.isprintable() else f"\\U{ord(letter):08x}"
