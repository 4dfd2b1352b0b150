"""How the stimulus process and its parent write what happened on the screen: one list per event, in a line of JSON."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from rig import errors
from rig.errors import RigError
from rig.stimulus.screen import MakingReady, ScreenEvent, ScreenNote, StepBegan, StepEnded, Withdrawn
from rig.streams import Answer, ClockPair, Flip

_KINDS: dict[str, type[ScreenEvent]] = {
    kind.__name__: kind for kind in (StepBegan, StepEnded, Flip, Answer, ClockPair, Withdrawn, ScreenNote, MakingReady)
}
_ERROR_FIELDS = ("subject", "problem", "value", "allowed", "hint")


def pack(event: ScreenEvent) -> list[Any]:
    """The event's kind, then its fields in their order."""
    return [type(event).__name__, *(getattr(event, f.name) for f in fields(event))]


def unpack(packed: list[Any]) -> ScreenEvent:
    """The event that `pack` wrote."""
    kind, *values = packed
    return _KINDS[kind](*values)


def pack_error(error: RigError) -> dict[str, str]:
    """An error of ours as plain data."""
    return {"type": type(error).__name__, **{name: getattr(error, name) for name in _ERROR_FIELDS}}


def unpack_error(packed: dict[str, str]) -> RigError:
    """The error that `pack_error` wrote."""
    kind: type[RigError] = getattr(errors, packed["type"])
    subject, problem, *rest = (packed[name] for name in _ERROR_FIELDS)
    return kind(subject, problem, **dict(zip(_ERROR_FIELDS[2:], rest, strict=True)))
