"""A checksum beside each table and text of a run file, and one of all its attributes: what no picture's own can tell.

HDF5 keeps checksums of its own of most of the rest, but not of what data sets hold, nor of texts in attributes. That of
the attributes is noted when the file is made: none of them changes later but the outcome, and of no two words for an
outcome is one the other with a bit flipped.
"""

from __future__ import annotations

import json

import h5py
import numpy as np
import xxhash

from rig.session import layout
from rig.session.objects import Objects

NAME = "xxh3_64"  # the attribute
NOT_SUMMED = (NAME, "outcome")  # attributes that change at the close
PIECE_BYTES = 1 << 20  # read at a time: the tables of an hour are a hundred times as long


def make_place(dataset: h5py.Dataset) -> None:
    """Keep room for a checksum that is not known yet: what grows at the close would lie behind the pictures."""
    dataset.attrs.create(NAME, 0, dtype=np.uint64)


def note(dataset: h5py.Dataset) -> None:
    """Write the checksum of what a data set holds now beside it."""
    dataset.attrs.modify(NAME, np.uint64(checksum_of(dataset)))


def note_attributes(file: h5py.File) -> None:
    """Write the checksum of all attributes of a new file into its root."""
    file.attrs.create(NAME, checksum_of_attributes(Objects(file)), dtype=np.uint64)


def noted(objects: Objects, path: str) -> int | None:
    """The checksum that stands beside a data set, or in the root of a file; None while there is none.

    That of a table or log is none in a file that was not closed.
    """
    found = objects.attributes(path).get(NAME)
    return int(found) if isinstance(found, np.integer) and found else None


def checksum_of(dataset: h5py.Dataset) -> int:
    """The checksum (xxh3_64) of the bytes of a data set with one axis, or of a text, as they lie in the file."""
    if dataset.ndim == 0:
        return xxhash.xxh3_64_intdigest(dataset[()])
    digest = xxhash.xxh3_64()
    step = max(1, PIECE_BYTES // dataset.dtype.itemsize)
    for start in range(0, dataset.shape[0], step):
        digest.update(dataset[start : start + step].tobytes())
    return digest.intdigest()


def checksum_of_attributes(objects: Objects) -> int:
    """The checksum (xxh3_64) of all attributes of a file as one JSON object, {path: {name: value}}, keys sorted."""
    held: dict[str, dict[str, object]] = {}
    for path in objects.paths:
        if found := {name: value for name, value in objects.attributes(path).items() if name not in NOT_SUMMED}:
            held[path] = found
    return xxhash.xxh3_64_intdigest(json.dumps(held, sort_keys=True, default=_plain).encode())


def _plain(value: object) -> object:
    """A number as JSON has it; of what no attribute of ours is, how it looks."""
    return value.tolist() if isinstance(value, np.number | np.bool_) else repr(value)


def has_checksum(path: str) -> bool:
    """Whether the data set at a path is to have one: all but pictures and their payloads."""
    return path != layout.HEAP and not layout.is_pictures(path)
