"""Many pictures as one array that is not in memory: indexed as an array is, read when they are asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, NoReturn, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from rig import host
from rig.errors import UserError
from rig.streams import Picture

Index = Any  # as of an array: a number, a slice, a list or a mask, `...`, or a tuple of them


class LazyPictures(ABC):
    """Pictures of one kind behind one another, `shape` (n, ...) of `dtype`, n along the first axis.

    `data[5]`, `data[10:20]`, `data[[3, 7]]`, `data[mask]` choose pictures, and what follows chooses within each of
    them: `data[3:5, 10:20, ::2]`. One list or mask at most is among the indices. What is read is new and in memory.
    """

    name: str  # for errors
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @abstractmethod
    def read(self, index: int) -> Picture:
        """Picture `index`, newly read. Raises IndexError outside the pictures."""

    def _fill(self, out: NDArray[Any], first: int) -> None:
        """Read the pictures from `first` on into `out` (k, ...)."""
        for number, picture in enumerate(out, first):
            picture[...] = self.read(number)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape, dtype=object))

    @property
    def nbytes(self) -> int:
        """What all of them would take in memory, bytes."""
        return self.size * self.dtype.itemsize

    @property
    def chunks(self) -> tuple[int, ...]:
        """The shape of what is read at once: one picture, however little of it is wanted."""
        return (1, *self.shape[1:])

    def __repr__(self) -> str:
        return f"<{self.name}: {self.shape} {self.dtype}, {self.nbytes / 1e6:.1f} MB that are not in memory>"

    def __reduce__(self) -> NoReturn:
        """Raises TypeError: an open session does not leave its process."""
        problem = f"{self.name} cannot be sent to another process: let threads compute, dask's own scheduler"
        raise TypeError(f"{problem}, or open the session in each process")

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Picture]:
        return map(self.read, range(len(self)))

    def __getitem__(self, index: Index) -> Picture:
        """One picture, or several (n, ...), or parts of them, in memory. Raises IndexError, and what `read` raises."""
        first, rest = _split(index, self.ndim)
        if isinstance(first, SupportsIndex) and not isinstance(first, np.ndarray):
            return np.asarray(self.read(int(first))[rest])
        wanted = np.arange(len(self))[first]
        if wanted.ndim != 1:
            raise IndexError(f"pictures are chosen by a number, a slice, a list or a mask, not by {first!r}")
        like = np.empty(self.shape[1:], self.dtype)[rest]
        found = np.empty((len(wanted), *like.shape), self.dtype)
        if _is_all_of(rest, self.shape[1:]) and (np.diff(wanted) == 1).all():
            self._fill(found, int(wanted[0]) if len(wanted) else 0)
        else:
            for out, number in zip(found, wanted.tolist(), strict=True):
                out[...] = self.read(number)[rest]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: FBT001
        """All of them in memory, as numpy.asarray asks for.

        Raises UserError when they would take more than half of the memory that is free, ValueError for copy=False.
        """
        if copy is False:
            raise ValueError(f"{self.name} lies in a file: without a copy there is data.mapped")
        self._require_memory()
        return self[:].astype(dtype or self.dtype, copy=False)

    def _require_memory(self) -> None:
        """Raises UserError when all of them would take more than half of the memory that is free."""
        free_bytes = host.free_memory_bytes()
        if free_bytes is not None and self.nbytes > free_bytes // 2:
            problem = "is not read whole: it would take more than half of the memory that is free"
            value, allowed = f"{self.nbytes / 1e9:.2f} GB", f"up to {free_bytes / 2e9:.2f} GB"
            hint = "Take data[first:last], or dask.array.from_array(data)"
            raise UserError(self.name, problem, value=value, allowed=allowed, hint=hint)


def _is_all_of(index: tuple[Any, ...], shape: tuple[int, ...]) -> bool:
    """Whether an index chooses everything, in order."""
    parts = zip(index, shape, strict=True)
    return all(isinstance(part, slice) and part.indices(length) == (0, length, 1) for part, length in parts)


def _split(index: Index, ndim: int) -> tuple[Any, tuple[Any, ...]]:
    """What chooses pictures, and what chooses within each. Raises IndexError."""
    parts = list(index) if isinstance(index, tuple) else [index]
    dots = [place for place, part in enumerate(parts) if part is Ellipsis]
    if len(dots) > 1 or None in [part for part in parts if not isinstance(part, np.ndarray)]:
        raise IndexError(f"is no index of {ndim} axes: {index!r}")
    place = dots[0] if dots else len(parts)
    parts[place : place + 1] = [slice(None)] * (ndim - len(parts) + bool(dots))
    if sum(isinstance(part, list | np.ndarray) and np.ndim(part) > 0 for part in parts) > 1:
        raise IndexError(f"one list or mask at most is among the indices, not {index!r}")
    return parts[0], tuple(parts[1:])
