"""Where in a protocol's file its blocks and questions stand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rig.config.model import Look
from rig.config.yaml import Place


def indices(look: Look[Any], *place: str | int) -> range:
    """Of the list at a place."""
    return range(len(look.get(list, *place) or []))


def words(look: Look[Any], *place: str | int) -> list[tuple[int, str]]:
    """The texts in the list at a place, each with its index; without what is wrong there."""
    found = enumerate(look.get(list, *place) or [])
    return [(index, word) for index, word in found if isinstance(word, str) and (*place, index) not in look.unsound]


def languages(look: Look[Any]) -> list[str]:
    """The languages of a protocol; none while one of them is wrong."""
    found = [word for _, word in words(look, "languages")]
    return found if len(found) == len(look.get(list, "languages") or []) else []


def block_places(look: Look[Any]) -> Iterator[Place]:
    """All blocks, those inside of trials after the trials themselves."""
    for index in indices(look, "blocks"):
        yield ("blocks", index)
        yield from (("blocks", index, "each", inner) for inner in indices(look, "blocks", index, "each"))


def kinds(look: Look[Any]) -> Iterator[tuple[Place, str]]:
    """All blocks whose kind is known, with it."""
    for place in block_places(look):
        kind = look.get(str, *place, "kind")
        if kind is not None:
            yield place, kind


def question_places(look: Look[Any], block: Place) -> Iterator[Place]:
    """The questions of a block."""
    return ((*block, "questions", number) for number in indices(look, *block, "questions"))
