"""What a participant reads: written once for everybody, or once for each language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any
from unicodedata import category

from pydantic import Field

from rig.config.model import Look, Model
from rig.config.yaml import Place
from rig.errors import UserError

_LANGUAGE = "a language as a tag of BCP 47, such as en, ar or pt-BR"
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", description=_LANGUAGE)]
_Line = Annotated[str, Field(min_length=1)]
Text = _Line | Annotated[dict[Language, _Line], Field(min_length=1)]


class Label(Model):
    """An answer whose stored value is not what the participant reads."""

    value: str = Field(min_length=1, max_length=200, description="what is stored, the same in every language")
    text: Text = Field(description="what the participant reads")


AnswerText = Text | Label

FILLED = ("caught", "pay")  # what the program knows, and writes for {caught} and {pay} in a text
_BRACES = re.compile(r"\{[^{}]*\}?|\}")  # with what stands in them, also when one of the two is missing
_LONGEST = 40  # letters of what is told of them

# Keys with a text below blocks: and withdrawal:.
_TEXTS = ("text", "low", "high", "break_text", "question", "keep", "delete")


def said(text: Text, language: str) -> str:
    """The text in one language; one that is written once is the same in all."""
    return text if isinstance(text, str) else text[language]


def value_of(answer: AnswerText, default: str) -> str:
    """What is stored when this answer is chosen: its value, or its text in the protocol's default language."""
    return answer.value if isinstance(answer, Label) else said(answer, default)


def label_of(answer: AnswerText, language: str) -> str:
    """What the participant reads of an answer."""
    return said(answer.text if isinstance(answer, Label) else answer, language)


def require_language(language: str, languages: list[str]) -> str:
    """The language to speak; "" is the default, the first one. Raises UserError for one that the protocol lacks."""
    if language and language not in languages:
        allowed = f"one of {', '.join(languages)}"
        raise UserError("--language", "is no language of this protocol", value=language, allowed=allowed)
    return language or languages[0]


def every_text(look: Look[Any]) -> Iterator[tuple[Place, str, str]]:
    """Where each text is written that a participant reads, its language ("": all of them), and the text itself."""
    for place, text in _written(look):
        if isinstance(text, str):
            yield place, "", text
        elif isinstance(text, dict):
            yield from (((*place, each), each, line) for each, line in text.items() if isinstance(line, str))


def check_texts(look: Look[Any], languages: list[str]) -> None:
    """Note every text that lacks a language of the protocol, is in one that it does not name, or cannot be read."""
    _check_words(look)
    for place, text in _written(look):
        if not isinstance(text, dict) or look.get(dict, *place) is None or not languages:
            continue
        if lacking := [language for language in languages if language not in text]:
            look.note(place, "is lacking", value=", ".join(lacking), allowed=f"all of {', '.join(languages)}")
        for other in text:
            if other not in languages:
                allowed = f"one of languages: {', '.join(languages)}"
                look.note((*place, other), "is no language of this protocol", value=other, allowed=allowed)


def _check_words(look: Look[Any]) -> None:
    for place, _, text in every_text(look):
        if text and not any(category(letter)[0] not in "ZC" for letter in text):
            look.note(place, "shows nothing", value=ascii(text), allowed="a text of letters that can be seen")
        filled = [f"{{{name}}}" for name in FILLED]
        for found in _BRACES.findall(text):
            if found not in filled:
                look.note(
                    place,
                    "cannot be filled in",
                    value=found[:_LONGEST],
                    allowed=f"{' or '.join(filled)}, just so, or no braces",
                )


def _written(look: Look[Any]) -> Iterator[tuple[Place, Any]]:
    for part in ("blocks", "withdrawal", "statements"):
        yield from _below(look.get(object, part), (part,))


def _below(data: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    """The texts in plain data, by the keys that they stand under."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in inner:
        here = (*place, key)
        is_answer = place[-1] == "answers" and not (isinstance(value, dict) and "text" in value)
        if key in _TEXTS or place[-1] == "statements" or is_answer:
            yield here, value
        else:
            yield from _below(value, here)
