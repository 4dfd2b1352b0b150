"""What a run file holds, in a form that a program can read: session-file.json, a copy of which lies in every run file.

It is what the reference's tables are made of, and what `rig verify` holds a file against.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import h5py
import numpy as np

from rig.session.objects import Item, Objects

Json = dict[str, Any]

HDF5 = str(h5py.version.hdf5_version)
_WILD = {"STREAM": r"[A-Z][A-Z0-9]{0,15}", "NAME": r"[^/]+"}
_TYPES = {"integer": "iu", "number": "iuf", "true or false": "b", "text": "OSU"}  # attribute types: kinds of numpy's


@dataclass
class Differences:
    """How a file differs from the description; each entry is a path, or path and attribute, with what is wrong."""

    missing: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)  # there, but not what is described
    unknown: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.missing) + len(self.other) + len(self.unknown)


def text() -> str:
    """The description as JSON."""
    return files("rig.session").joinpath("session-file.json").read_text("utf-8")


@cache
def description() -> Json:
    """The description: schema, readme, objects by path, attributes of every object of a kind, log, rows and words."""
    return dict(json.loads(text()))


def readme() -> str:
    """A page about the file, for whoever has nothing but the file."""
    return "\n".join(description()["readme"]) + "\n"


def row_type(rows: Sequence[Mapping[str, Any]]) -> np.dtype[np.void]:
    """The dtype of described rows."""
    return np.dtype([(each["name"], each["type"], tuple(each.get("shape", ()))) for each in rows])


@cache
def _row_type_of(name: str) -> np.dtype[np.void]:
    return row_type(description()["rows"][name]["fields"])


def differences(objects: Objects, streams: Iterable[str]) -> Differences:
    """Hold an open file against the description. Raises whatever h5py does when it is damaged."""
    found = Differences()
    there = set(objects.paths)
    described: Json = description()["objects"]
    for pattern, entry in described.items():
        if "optional" not in entry:
            found.missing += [path for path in _expanded(pattern, streams) if path not in there]
    for path in objects.paths:
        entry = _entry(path, described)
        if entry is None:
            found.unknown.append(path)
        else:
            _compare(path, objects[path], objects.attributes(path), entry, found)
    return found


def _expanded(pattern: str, streams: Iterable[str]) -> list[str]:
    """The paths that a pattern stands for; what is there once for each NAME is always optional."""
    return [pattern.replace("STREAM", name) for name in streams] if "STREAM" in pattern else [pattern]


def _entry(path: str, described: Mapping[str, Json]) -> Json | None:
    """What is described of a path."""
    if path in described:
        return described[path]
    fitting = (entry for pattern, entry in described.items() if _fits(path, pattern))
    return next(fitting, None)


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile("/".join(_WILD.get(part, re.escape(part)) for part in pattern.split("/")))


def _fits(path: str, pattern: str) -> bool:
    return _regex(pattern).fullmatch(path) is not None


def _compare(path: str, item: Item, attributes: Mapping[str, Any], entry: Json, found: Differences) -> None:
    if isinstance(item, h5py.Dataset) == (entry["kind"] == "group"):
        found.other.append(f"{path} is no {entry['kind']}")
        return
    if not _is_as_described(item, entry):
        found.other.append(f"{path} has another type or shape")
    described: Json = entry.get("attributes", {})
    needed = (name for name, attribute in described.items() if "optional" not in attribute)
    found.missing += [f"{path} {name}" for name in needed if name not in attributes]
    described = described | {name: a for name, a in description()["every"].items() if entry["kind"] in a["kinds"]}
    found.unknown += [f"{path} {name}" for name in attributes if name not in described]
    for name, attribute in described.items():
        if name in attributes and np.asarray(attributes[name]).dtype.kind not in _TYPES[attribute["type"]]:
            found.other.append(f"{path} {name} is no {attribute['type']}")


def _is_as_described(item: Item, entry: Json) -> bool:
    """Whether type and axes of an object are those of its kind; which pictures a stream has, its attributes say."""
    match entry["kind"]:
        case "table":
            return bool(item.ndim == 1 and item.dtype == _row_type_of(entry["rows"]))
        case "pictures":
            return item.ndim in (2, 3, 4) and item.dtype in (np.uint8, np.uint16)
        case "bytes":
            return bool(item.ndim == 1 and item.dtype == np.uint8)
        case "text":
            return bool(item.ndim == 0 and h5py.check_string_dtype(item.dtype))
        case "array":
            return bool(item.ndim == 1 and item.dtype == np.dtype(entry["type"]))
    return True
