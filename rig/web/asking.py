"""What a page asks for in an address: whole numbers, seconds and words, each checked. All raise UserError."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

from rig.errors import UserError

Query = Mapping[str, str]
MOST = 1 << 53  # whole numbers beyond are not exact in a browser


def whole(query: Query, name: str, default: int | None = None, *, least: int = -MOST, most: int = MOST) -> int:
    """A whole number from `least` to `most`; without `default` it must be there."""
    text = query.get(name)
    if text is None and default is not None:
        return default
    try:
        value = int(text or "")
    except ValueError:
        value = None
    if value is None or not least <= value <= most:
        raise _wrong(name, text, f"a whole number from {least} to {most}")
    return value


def seconds(query: Query, name: str) -> float:
    """Seconds, as a number."""
    text = query.get(name)
    try:
        value = float(text or "")
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise _wrong(name, text, "a number of seconds")
    return value


def word(query: Query, name: str, allowed: Sequence[str]) -> str:
    """One of `allowed`, the first if none is given."""
    value = query.get(name, allowed[0])
    if value not in allowed:
        raise _wrong(name, value, " or ".join(allowed))
    return value


def text(query: Query, name: str) -> str:
    """Any text, which must be there."""
    value = query.get(name)
    if value is None:
        raise _wrong(name, None, "a text")
    return value


def _wrong(name: str, value: str | None, allowed: str) -> UserError:
    if value is None:
        return UserError(name, "is missing", allowed=allowed)
    return UserError(name, "is not allowed", value=repr(value)[:80], allowed=allowed)
