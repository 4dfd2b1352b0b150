"""Several streams in step: row k of each is the frame of the same pulse.

    aligned = session.aligned(["HS", "VIS", "NIR"])
    aligned.pulse_numbers, aligned.run_numbers, aligned.times_s     (n,) each
    aligned["HS"][10:20], aligned["HS"].mask[10:20]                 pictures, and which of them there are not
    aligned["HS"].masked[10:20], aligned["HS"].mapped(slice(10, 20))    the same masked, or where they lie in the file

A row is a pulse that all of the streams were sent: a multiple of all their divisors. So a row that lacks a frame always
means that it was lost or not stored, and none is ever shown twice. Of HS alone that is every pulse; beside VIS, every
fourth. All HS frames beside the VIS frames that there are: `hs.beside(vis)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from math import lcm
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rig.clock import NS
from rig.errors import UserError
from rig.session.lazy import Index, LazyPictures
from rig.streams import Picture

if TYPE_CHECKING:
    from rig.session.reader import JoinedStream, Session
    from rig.session.timeline import Timeline

NO_FRAME = -1  # index of a row without a frame


class AlignedPictures(LazyPictures):
    """The pictures of one stream, a row for each pulse of `Aligned`, read when they are asked for.

    A row without a frame is masked: its picture is all 0. So `masked` gives arrays that say so, and all of them at
    once, as numpy.asarray asks for, are refused while there is such a row.
    """

    def __init__(self, stream: JoinedStream, frame_indices: NDArray[np.int64]) -> None:
        """`frame_indices`: of each row's frame in `stream`, int64 (n,); NO_FRAME: none."""
        self.name, self._pictures, self.frame_indices = f"stream {stream.name}", stream.data, frame_indices
        self.shape, self.dtype = (len(frame_indices), *self._pictures.shape[1:]), self._pictures.dtype

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """Whether a row has no frame, bool (n,)."""
        return np.asarray(self.frame_indices == NO_FRAME)

    @property
    def masked(self) -> Masked:
        """The same rows as masked arrays: `masked[10:20]`."""
        return Masked(self)

    def read(self, index: int) -> Picture:
        """Picture of row `index`, newly read; 0 where the row is masked. Raises as JoinedStream.data does."""
        frame = int(self.frame_indices[range(len(self))[index]])
        return np.zeros(self.shape[1:], self.dtype) if frame == NO_FRAME else self._pictures.read(frame)

    def mapped(self, index: int | slice) -> Picture:
        """Row `index`, or of a slice all of its rows (k, ...), where they lie in the file: see Pictures.mapped.

        Raises UserError as well for a row without a frame, and when not always as many frames lie between two rows.
        """
        if not isinstance(index, slice):
            row = range(len(self))[index]
            return np.asarray(self.mapped(slice(row, row + 1))[0])
        frames = self.frame_indices[index]
        if (frames == NO_FRAME).any():
            self._refuse_masked("lie nowhere in the file", frames)
        apart = np.diff(frames)
        if (apart != apart[:1]).any():
            hint = "Map them apart, or copy them: data[first:last]"
            raise UserError(self.name, "has other frames between some of these rows, but not between all", hint=hint)
        if not len(frames):
            return self._pictures.mapped(slice(0, 0))
        step = int(apart[0]) if len(apart) else 1
        end = int(frames[-1]) + step
        return self._pictures.mapped(slice(int(frames[0]), end if end >= 0 else None, step))

    def _refuse_masked(self, which: str, frames: NDArray[np.int64]) -> NoReturn:
        value = f"{(frames == NO_FRAME).sum()} of {len(frames)} rows"
        hint = "Take data.masked[first:last], or the rows that have one: data[~data.mask]"
        raise UserError(self.name, f"have no frame, and {which}", value=value, hint=hint)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: FBT001
        """As LazyPictures. Raises UserError for a row without a frame too, lest it be taken for a black picture."""
        if self.mask.any():
            self._refuse_masked("would be black pictures", self.frame_indices)
        return super().__array__(dtype, copy)

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """See Pictures."""
        return type(self).__name__, self._pictures.__dask_tokenize__(), self.frame_indices


class Masked(LazyPictures):
    """Rows of AlignedPictures as numpy.ma.MaskedArray: all elements of a row without a frame are masked."""

    def __init__(self, pictures: AlignedPictures) -> None:
        self._pictures = pictures
        self.name, self.shape, self.dtype = pictures.name, pictures.shape, pictures.dtype

    def read(self, index: int) -> np.ma.MaskedArray[Any, Any]:
        """Picture of row `index`, newly read. Raises as JoinedStream.data does."""
        return self[range(len(self))[index]]

    def __getitem__(self, index: Index) -> np.ma.MaskedArray[Any, Any]:
        """Read as `AlignedPictures[index]` does."""
        found, first = self._pictures[index], index[0] if isinstance(index, tuple) and index else index
        mask = self._pictures.mask[() if first is Ellipsis else first]
        spread = np.reshape(mask, np.shape(mask) + (1,) * (found.ndim - np.ndim(mask)))
        return np.ma.MaskedArray(found, np.broadcast_to(spread, found.shape).copy())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: FBT001
        """As AlignedPictures: a plain array knows of no mask."""
        return self._pictures.__array__(dtype, copy)

    def __array_function__(
        self, function: Callable[..., Any], _: object, arguments: tuple[Any, ...], named: Mapping[str, Any]
    ) -> Any:
        """A function of numpy, of all rows at once; and what tells dask that masks are to stay. Raises UserError."""
        self._require_memory()
        return function(*(one[:] if one is self else one for one in arguments), **named)

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """See Pictures."""
        return type(self).__name__, self._pictures.__dask_tokenize__()


class Aligned(Mapping[str, AlignedPictures]):
    """Streams by name, in the order asked for, their rows in step; len(pulse_numbers) is the number of rows."""

    def __init__(self, session: Session, names: Sequence[str]) -> None:
        """Raises UserError for no name, one twice, or one that the session lacks; SessionError as `data` does."""
        _require_streams(session, names)
        streams = [session.streams[name] for name in names]
        every = lcm(*(part.divisor for stream in streams for part in stream.parts))
        lines = session.placed_timelines.values()
        rows = [_pulses(line, names, every) for line, _ in lines]
        self.pulse_numbers: NDArray[np.int64] = np.concatenate(rows)  # (n,); they start anew in each run
        numbers = [line.run.number for line, _ in lines]
        self.run_numbers: NDArray[np.int64] = np.repeat(numbers, [len(row) for row in rows])  # (n,)
        # Start of exposure of the fastest camera, (n,), s from pulse 0 of the session; NaN: nobody knows when.
        self.times_s: NDArray[np.float64] = np.concatenate(
            [_times_s(line, row) + offset_ns / NS for (line, offset_ns), row in zip(lines, rows, strict=True)]
        )
        self._streams = {stream.name: AlignedPictures(stream, _indices(stream, numbers, rows)) for stream in streams}

    def __getitem__(self, name: str) -> AlignedPictures:
        return self._streams[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._streams)

    def __len__(self) -> int:
        return len(self._streams)


def _require_streams(session: Session, names: Sequence[str]) -> None:
    there = ", ".join(session.streams)
    for name in names:
        if name not in session.streams:
            raise UserError("aligned", "names a stream that is not there", value=name, allowed=there)
    if not names or len(set(names)) < len(names) or isinstance(names, str):
        raise UserError("aligned", "needs a list of streams, each once", value=repr(names), allowed=there)


def _pulses(line: Timeline, names: Sequence[str], every: int) -> NDArray[np.int64]:
    """Pulses of a run that all of the streams were sent, rising: those that are known, or have a frame."""
    seen = [line.run.streams[name].pulse_numbers for name in names if name in line.run.streams]
    known = np.unique(np.concatenate([line.pulse_numbers, *seen]))
    return np.asarray(known[(known >= 0) & (known % every == 0)])


def _times_s(line: Timeline, pulses: NDArray[np.int64]) -> NDArray[np.float64]:
    """When the base stream's exposure of each pulse began, s after that of pulse 0; NaN where unknown."""
    found = np.full(len(pulses), np.nan)
    is_known = np.isin(pulses, line.pulse_numbers)
    places = np.searchsorted(line.pulse_numbers, pulses[is_known])
    found[is_known] = (line.exposed_host_ns[places] - line.start_host_ns) / NS
    return found


def _indices(stream: JoinedStream, runs: list[int], pulses: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([stream.index_at(row, run=run) for run, row in zip(runs, pulses, strict=True)])
