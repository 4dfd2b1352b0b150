"""The objects of an open HDF5 file, by path: each is looked up once, for that takes longer than to read some rows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, TypeAlias

import h5py

Item: TypeAlias = h5py.Group | h5py.Dataset


class Objects:
    """Groups and data sets of a file that is open for reading, whose objects and attributes stay what they are.

    Rows and pictures are not kept: those of a run that is being recorded come to be. Raises whatever h5py does when
    the file is damaged.
    """

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        self._found: dict[str, Item] = {}
        self._attributes: dict[str, dict[str, Any]] = {}

    def __getitem__(self, path: str) -> Any:
        """The group or data set at a path, as h5py has it. Raises KeyError."""
        if path not in self._found:
            self._found[path] = self._file[path]
        return self._found[path]

    def __contains__(self, path: str) -> bool:
        return path in self._found or path in self._file

    def attributes(self, path: str) -> Mapping[str, Any]:
        """The attributes of an object, all of them read at the first call."""
        if path not in self._attributes:
            self._attributes[path] = dict(self[path].attrs)
        return self._attributes[path]

    @cached_property
    def paths(self) -> list[str]:
        """Of all objects, "/" first."""
        found = ["/"]
        self._file.visit(lambda name: found.append(f"/{name}"))
        return found

    @property
    def datasets(self) -> dict[str, h5py.Dataset]:
        """All data sets, by path."""
        return {path: self[path] for path in self.paths if isinstance(self[path], h5py.Dataset)}
