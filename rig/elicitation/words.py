"""Names, keys and lengths as protocols write them, each with the words that say what is allowed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

GOES_ON = "space"  # the key that goes on where a protocol names no other
WITHDRAWAL_KEYS = {"keep": "1", "delete": "2"}  # of the answers that who withdrew can give
KEY = r"^([a-z0-9]|space|return|left|right|up|down)$"
NAME_IN_WORDS = "a name of letters, digits, - and _; at most 40"
KEY_IN_WORDS = "a key of the keyboard: a letter, a digit, space, return, left, right, up or down"
SECONDS = "a length in seconds, above 0, at most 7200"
TEXT = "the text that the participant reads: a text, or language: text for each language"
ANSWERS = 'two or more answers, key: label, e.g. "1": happy; a label is a text, language: text, or value and text'

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$", description=NAME_IN_WORDS)]
Key = Annotated[str, Field(pattern=KEY, description=KEY_IN_WORDS)]
Seconds = Annotated[float, Field(gt=0, le=7200)]
