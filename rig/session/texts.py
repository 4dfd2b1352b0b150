"""What the texts of a run file must say before anybody works with them: plan, steps, log entries, names of streams.

A file may come from anywhere, and JSON can hold anything. Each function returns what it was given, or raises ValueError
naming the key at fault; the reader turns that into an error about the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import isfinite
from numbers import Integral
from typing import Any

Json = dict[str, Any]
Rules = Mapping[str, Callable[[object], bool]]

MOST = 1 << 20  # of a period or a group; far above what a trigger box can send
_STREAM = re.compile(r"[A-Z][A-Z0-9]{0,15}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")  # of a step; it becomes part of file names


def fitting(data: object, required: Rules, optional: Rules | None = None) -> Json:
    """An object with all `required` keys, in which these and the `optional` ones hold what they must."""
    if not isinstance(data, dict):
        raise ValueError(f"{_short(data)} is no object")
    for key in required:
        if key not in data:
            raise ValueError(f"{key} is missing")
    for key, is_right in {**required, **(optional or {})}.items():
        if key in data and not is_right(data[key]):
            raise ValueError(f"{key} cannot be {_short(data[key])}")
    return data


def plan(data: object) -> Json:
    """The pulse plan; {} when the file has none."""
    return {} if data == {} else fitting(data, {"period_ticks": _is_size, "group": _is_size}, {"lines": _is_object})


def steps(data: object) -> list[Json]:
    """The steps, each with all its fields."""
    if not isinstance(data, list):
        raise ValueError(f"{_short(data)} is no list")
    return [_step(step) for step in data]


def _step(data: object) -> Json:
    step = fitting(data, _STEP, _STEP_MAY)
    for item in step.get("items", []):
        for choice in fitting(item, _ITEM, _ITEM_MAY).get("choices", []):
            fitting(choice, dict.fromkeys(("key", "value", "label"), _is_text))
    return step


def answer(data: object) -> Json:
    """An answer of the participant, or a guess of the operator."""
    return fitting(data, _ANSWER, _ANSWER_MAY)


def log_entry(entry: Json) -> Json:
    """An entry of the recorder's log."""
    match entry.get("kind"):
        case "ended":
            fitting(entry, {"pulses_sent": _is_count}, {"postamble": _is_flag})
        case "armed":
            fitting(fitting(entry, {"baseline": _is_object})["baseline"], {}, _BASELINE)
        case "stopped":
            fitting(entry, {}, {"features": _is_object})
        case "goes_on":
            fitting(entry, {"run": _is_count})
        case "operator":
            fitting(entry, {"said": _is_text}, {"step": _is_index, "trial": _is_count})
        case "withdrawn" | "declined":
            fitting(entry, {"step": _is_index})
        case "opening" | "closing":
            fitting(entry, {"stream": _is_text, "pulses": _are_counts, "camera_ticks": _are_counts})
    return entry


def clip(data: object) -> Json:
    """The attributes of a film clip."""
    return fitting(data, {"file": _is_text, "sha256": _is_text}, {"first": _is_place, "at_s": _is_number})


def stream_names(data: object) -> list[str]:
    """The names of all streams, at least one, each once."""
    names = data if isinstance(data, list) else []
    if not names or not all(_is_text(name) and _STREAM.fullmatch(name) for name in names):
        raise ValueError(f"streams are {_short(data)}, not a list of names such as HS")
    if len(set(names)) < len(names):
        raise ValueError("streams names one twice")
    return names


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _are_counts(value: object) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(map(_is_count, value))


def _is_place(value: object) -> bool:
    """A count as HDF5 gives it, which is no int of Python."""
    return isinstance(value, Integral) and _is_count(int(value))


def _is_size(value: object) -> bool:
    return _is_count(value) and 0 < value <= MOST  # type: ignore[operator]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12 and isfinite(value)


def _is_index(value: object) -> bool:
    """An index, or -1: none."""
    return value == -1 or _is_count(value)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_delay(value: object) -> bool:
    return isinstance(value, dict) and _is_number(value.get("us")) and _is_text(value.get("origin"))


_BASELINE: Rules = {
    "ticks_hz": _is_count,
    "number_modulus": _is_count,
    "first_valid_number": _is_count,
    "delays": lambda value: isinstance(value, dict) and all(_is_delay(delay) for delay in value.values()),
    "features": _is_object,
}
_STEP: Rules = {
    "index": _is_count,
    "kind": _is_text,
    "name": lambda value: isinstance(value, str) and _NAME.fullmatch(value) is not None,
    "text": _is_text,
    "keys": _is_object,
    "seconds": lambda value: value is None or _is_number(value),
    "max_seconds": _is_number,
    "clip": lambda value: value is None or _is_text(value),
    "store": lambda value: isinstance(value, list) and all(_is_text(name) for name in value),
    "reason": _is_text,
}
_STEP_MAY: Rules = {
    "items": _is_list,
    "trial": _is_count,
    "target": _is_text,
    "least_caught": _is_count,
    "only_withdrawn": _is_flag,
    "ends_run": lambda value: isinstance(value, list) and all(_is_text(answer) for answer in value),
    "asked_before": _is_count,
    "asked_in_all": _is_count,
}
_ITEM: Rules = {"name": _is_text, "kind": _is_text, "text": _is_text, "choices": _is_list}
_ITEM_MAY: Rules = {
    **dict.fromkeys(("points", "most_letters"), _is_count),
    **dict.fromkeys(("low", "high", "dimension", "images"), _is_text),
    "may_skip": _is_flag,
}
_ANSWER: Rules = {"step": _is_count, "question": _is_text, "answer": _is_text}
_ANSWER_MAY: Rules = {
    **dict.fromkeys(("onset_host_ns", "first_key_host_ns", "confirmed_host_ns"), _is_count),
    **dict.fromkeys(("is_skipped", "is_confirmed"), _is_flag),
    "by": _is_text,
    "confidence": _is_count,
    "trial": _is_count,
    "is_right": lambda value: value is None or _is_flag(value),
}
