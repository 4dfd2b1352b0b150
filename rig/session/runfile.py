"""Reads one run file as it lies on the disk: attributes, rows, texts and pictures, closed in order or left by a crash.

Rows count as written while their `seq` is their index + 1; nothing behind the first other row is shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

from rig import host
from rig.errors import NotASession
from rig.session import checksums, layout, texts
from rig.session.description import Differences, differences
from rig.session.folder import SUBJECT, misplaced
from rig.session.layout import SCHEMA, Outcome
from rig.session.objects import Objects
from rig.session.opening import FOREIGN, open_file, reading
from rig.session.packed import ChunkPictures, HeapPictures, PackedPictures, is_compressed, packed_rows
from rig.streams import TEXT

Rows = NDArray[np.void]
Row = TypeVar("Row", bound=np.generic)
Json = texts.Json
ROWS_AT_ONCE = 1 << 16


class RunFile:
    """One file, open for reading; closed by `close` or at the end of a `with` statement.

    Raises NotASession, or Truncated when its end is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._config: dict[str, str] = {}
        self._file = open_file(path)
        self._objects = Objects(self._file)
        with ExitStack() as undo:
            undo.callback(self._file.close)
            self._read_attributes()
            undo.pop_all()

    def _read_attributes(self) -> None:
        self.head = found = self.attributes("/")
        if "schema" not in found:
            raise NotASession(str(self.path), "is HDF5, but no run of a session", hint="rig verify --help")
        self.schema = self.number_of("schema")
        if self.schema != SCHEMA:
            allowed = f"this version reads schema {SCHEMA}"
            raise NotASession(str(self.path), f"has schema {self.schema}", allowed=allowed, hint="Update rig")
        self.subject = str(found.get("subject", ""))
        if not SUBJECT.fullmatch(self.subject):
            allowed = "letters and digits, at most 64"
            raise NotASession(str(self.path), "is no subject", value=repr(self.subject)[:80], allowed=allowed)
        self.session, self.number, self.run_id = (self.number_of(key) for key in ("session", "run", "run_id"))
        self.continues = self.number_of("continues")
        self.created_host_ns = self.number_of("created_host_ns")
        with reading(self.path, "its outcome and streams"):
            self.outcome = Outcome(str(found.get("outcome", Outcome.INCOMPLETE)))
            self.stream_names = texts.stream_names(json.loads(str(found["streams"])))

    def __enter__(self) -> RunFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back; a second call does nothing."""
        self.__dict__.pop("mapping", None)
        self._file.close()

    def number_of(self, name: str) -> int:
        """An attribute of the file that is a whole number. Raises NotASession."""
        return number_in(self.head, name, self.path)

    @property
    def misplaced(self) -> str:
        """How the names of file and folders contradict whose run this is; empty when none does."""
        return misplaced(self.path, self.subject, self.session, self.number)

    @cached_property
    def is_being_recorded(self) -> bool:
        """Whether a recorder held the file when this was first asked."""
        return self.outcome is Outcome.INCOMPLETE and host.is_held(self.path)

    def attributes(self, path: str) -> Json:
        """The attributes of an object in the file. Raises Truncated when they cannot be read."""
        with reading(self.path, path):
            return dict(self._objects.attributes(path))

    def differences(self) -> Differences:
        """How it differs from the description of a run file. Raises Truncated when that cannot be told."""
        with reading(self.path, "what is in it"):
            return differences(self._objects, self.stream_names)

    def tables(self) -> dict[str, h5py.Dataset]:
        """Every table of the file, those of text logs included, by path; rows not written yet are in it."""
        with reading(self.path, "its tables"):
            return {path: one for path, one in self._objects.datasets.items() if "seq" in (one.dtype.names or ())}

    @cached_property
    def checksums(self) -> dict[str, tuple[int, int | None]]:
        """The checksum of what is there, and the one that was noted for it, if any.

        Of each table and text by its path, and of all attributes by that word.
        """
        with reading(self.path, "its tables and texts"):
            own = self._objects
            summed = {path: one for path, one in own.datasets.items() if checksums.has_checksum(path)}
            sums = {path: (checksums.checksum_of(one), checksums.noted(own, path)) for path, one in summed.items()}
            return {"attributes": (checksums.checksum_of_attributes(own), checksums.noted(own, "/")), **sums}

    def table(self, path: str, dtype: np.dtype[np.void]) -> Rows:
        """The written rows of a table, (n,) of `dtype`."""
        return layout.written(self.reserved(path, dtype))

    def columns(self, path: str, dtype: np.dtype[np.void], names: Sequence[str]) -> Rows:
        """Some fields of the written rows of a table of `dtype`, (n,); a third of the memory, for a long run."""
        with reading(self.path, path):
            dataset = self._table(path, dtype)
            found = np.zeros(len(dataset), [(name, dtype[name]) for name in names])
            numbers = np.zeros(len(dataset), [("seq", dtype["seq"])])
            for first in range(0, len(dataset), ROWS_AT_ONCE):
                rows = dataset[first : first + ROWS_AT_ONCE]
                numbers["seq"][first : first + ROWS_AT_ONCE] = rows["seq"]
                for name in names:
                    found[name][first : first + ROWS_AT_ONCE] = rows[name]
            return found[: len(layout.written(numbers))]

    def reserved(self, path: str, dtype: np.dtype[np.void]) -> Rows:
        """All rows of a table, those not written included. Raises NotASession when they have another layout."""
        with reading(self.path, path):
            return np.asarray(self._table(path, dtype)[:])

    def _table(self, path: str, dtype: np.dtype[np.void]) -> h5py.Dataset:
        dataset = self._objects[path]
        if dataset.dtype == dtype and dataset.ndim == 1:
            return dataset
        raise NotASession(f"{self.path}: {path}", "has another layout than a session")

    @cached_property
    def mapping(self) -> NDArray[np.uint8]:
        """The bytes of the file, in the memory as they are asked for; read-only."""
        return np.asarray(np.memmap(self.path, np.uint8, "r"))

    def pictures(self, path: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> h5py.Dataset | PackedPictures:
        """The pictures of this shape and type at a path. Raises NotASession when it is something else."""
        with reading(self.path, path):
            dataset = self._objects[path]
            if dataset.dtype == dtype and dataset.ndim == 1 + len(shape) and dataset.shape[1:] == shape:
                return self._unpacking(path, dataset)
        raise NotASession(f"{self.path}: {path}", "has another layout than a session")

    def _unpacking(self, path: str, dataset: h5py.Dataset) -> h5py.Dataset | PackedPictures:
        """The pictures of a data set, also when they are compressed, also before the file is closed."""
        if not is_compressed(dataset):
            return dataset
        if layout.HEAP not in self._objects:
            return ChunkPictures(dataset)
        return HeapPictures(dataset, self._packed[path], self._objects[layout.HEAP])

    @cached_property
    def _packed(self) -> dict[str, Rows]:
        """The PACKED rows of each compressed data set, of a file that is not closed."""
        return packed_rows(self._file)

    def texts(self, path: str) -> list[Json]:
        """A log's JSON objects with their `host_ns`, up to the first that was not written whole."""
        rows = self.table(f"{path}/rows", TEXT)
        with reading(self.path, path):
            end = int((rows["offset"] + rows["length"]).max()) if len(rows) else 0
            text = np.asarray(self._objects[f"{path}/text"][:end], np.uint8).tobytes()
        found: list[Json] = []
        for row in rows:
            try:
                entry = json.loads(text[int(row["offset"]) :][: int(row["length"])])
            except (ValueError, RecursionError):
                break
            if not isinstance(entry, dict):
                break
            found.append({**entry, "host_ns": int(row["host_ns"])})
        return found

    def config(self, name: str) -> str:
        """A text of /config: rig, protocol, steps, devices, versions or plan; "" when it is missing."""
        if name not in self._config:  # every check asks for some
            with reading(self.path, f"{layout.CONFIG}/{name}"):
                is_there = name in self._objects[layout.CONFIG]
                self._config[name] = str(self._objects[f"{layout.CONFIG}/{name}"].asstr()[()]) if is_there else ""
        return self._config[name]

    def config_names(self, group: str) -> list[str]:
        """Names of the texts in a group below /config; none without it."""
        path = f"{layout.CONFIG}/{group}"
        with reading(self.path, path):
            return sorted(self._objects[path]) if path in self._objects else []

    def array(self, path: str) -> NDArray[Any]:
        """A whole dataset that is no table."""
        with reading(self.path, path):
            return np.asarray(self._objects[path][:])


def joined(parts: Iterable[NDArray[Row]]) -> NDArray[Row]:
    """Rows one after another; those of a single part are not copied, for they may be most of what is in memory."""
    first, *others = parts
    return np.concatenate([first, *others]) if others else first


def number_in(attributes: Json, name: str, path: Path) -> int:
    """A whole number among attributes. Raises NotASession."""
    value = attributes.get(name)
    if isinstance(value, int | np.integer):
        return int(value)
    raise NotASession(str(path), f"lacks the number {name}", hint=FOREIGN)
