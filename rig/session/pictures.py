"""Reads the pictures of one stream, and compares each with the checksum taken when it arrived."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import h5py
import numpy as np
import xxhash
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from rig import host
from rig.errors import ChecksumError, SessionError, UserError
from rig.session.lazy import LazyPictures
from rig.session.opening import reading
from rig.session.packed import PackedPictures
from rig.session.packing import DamagedPayload
from rig.session.runfile import RunFile
from rig.streams import Picture


@dataclass(frozen=True)
class Part:
    """What one file of a run holds of a stream: its pictures and their rows."""

    file: RunFile
    pictures: h5py.Dataset | PackedPictures
    pulse_numbers: NDArray[np.int64]  # of each picture, as the file tells it, (n,)
    checksums: NDArray[np.uint64]  # taken of each when it arrived, (n,)

    def __len__(self) -> int:
        """Pictures that have a row."""
        return len(self.checksums)

    def read(self, place: int) -> Picture:
        """Picture `place`, newly read, not compared with its checksum."""
        picture: Picture = self.pictures[place]
        return picture

    def mapped(self, places: range) -> Picture:
        """Pictures `places` (k, ...) as they lie in the file: a view that cannot be written to.

        Raises UserError for what is compressed, and where the distance from one to the next is not always the same.
        """
        subject = f"{self.file.path}: {self.pictures.name}"
        if isinstance(self.pictures, PackedPictures):
            hint = "Read them: data[i] unpacks one at a time"
            raise UserError(subject, "is compressed, and cannot be mapped", hint=hint)
        shape, dtype = self.pictures.shape[1:], self.pictures.dtype
        offsets, size = self._offsets[list(places)], int(np.prod(shape)) * dtype.itemsize
        apart = np.diff(offsets)
        is_even = apart == apart[:1]
        if not is_even.all():
            problem = f"has something between pictures {places[int(np.argmin(is_even))]} and those after it"
            raise UserError(subject, problem, hint="Map them apart, or copy them: data[first:last]")
        if offsets.max() + size > len(self.file.mapping):
            raise ValueError("pictures end behind the file")
        one: Picture = self.file.mapping[offsets[0] : offsets[0] + size].view(dtype).reshape(shape)
        strides = (int(apart[0]) if len(apart) else size, *one.strides)
        return as_strided(one, (len(places), *shape), strides, writeable=False)

    def fill(self, out: NDArray[Any], first: int) -> NDArray[np.bool_]:
        """See Pictures.fill. May be called from several threads."""
        if self._is_plain:
            with host.opened(self.file.path) as fd:
                return self._each(out, first, lambda picture, place: self._read_plain(fd, picture, place))
        return self._each(out, first, self._copy)

    def _each(self, out: NDArray[Any], first: int, read: Callable[[Picture, int], bool]) -> NDArray[np.bool_]:
        sums = self.checksums[first : first + len(out)].tolist()
        return np.array(
            [read(picture, first + n) and _digest(picture) == sums[n] for n, picture in enumerate(out)], bool
        )

    def _read_plain(self, fd: int, out: Picture, place: int) -> bool:
        """Read a picture past HDF5, whose lock lets one thread through at a time; False when it cannot be read."""
        try:
            return host.read_into(fd, out.reshape(-1).view(np.uint8).data, int(self._offsets[place]))
        except OSError:  # a bad place of the disk
            return False

    def _copy(self, out: Picture, place: int) -> bool:
        try:
            with reading(self.file.path, "a picture"):
                out[...] = self.read(place)
        except (SessionError, DamagedPayload):
            return False
        return True

    @cached_property
    def _is_plain(self) -> bool:
        """Whether each picture lies in one piece in the file, as it was delivered."""
        if isinstance(self.pictures, PackedPictures):
            return False
        try:
            with reading(self.file.path, "where its pictures lie"):
                is_whole = self.pictures.chunks == (1, *self.pictures.shape[1:])
                has_no_filter = self.pictures.id.get_create_plist().get_nfilters() == 0
                return is_whole and has_no_filter and bool((self._offsets > 0).all())
        except SessionError:  # each picture says for itself whether it can be read
            return False

    @cached_property
    def _offsets(self) -> NDArray[np.int64]:
        """Where each picture lies in the file, in bytes."""
        assert isinstance(self.pictures, h5py.Dataset)  # what is compressed is not mapped
        found = np.zeros(self.pictures.shape[0], np.int64)
        self.pictures.id.chunk_iter(lambda chunk: found.__setitem__(chunk.chunk_offset[0], chunk.byte_offset))
        return found


class Pictures(LazyPictures):
    """The pictures of a stream, read from its files when they are asked for, as its camera delivered them.

    `shape` is (n, ...) and `dtype` as in rig.pixels: uint8 (n, height, width) for Mono8. It is indexed as an array is,
    see LazyPictures; each picture that is read is compared with its checksum: ChecksumError names the first that is
    damaged.
    """

    def __init__(self, stream: str, parts: Sequence[Part]) -> None:
        self.name, self._stream, self._parts = f"stream {stream}", stream, parts
        self._starts = [0, *accumulate(len(part) for part in parts)]
        self.shape = (self._starts[-1], *parts[0].pictures.shape[1:])
        self.dtype = parts[0].pictures.dtype

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """What dask names it by, who would else copy all that it holds: its files and rows do not change."""
        files = [(part.file.run_id, part.file.number, str(part.file.path)) for part in self._parts]
        return type(self).__name__, self._stream, self.shape, str(self.dtype), files

    def _fill(self, out: NDArray[Any], first: int) -> None:
        for place in np.flatnonzero(~self.fill(out, first)).tolist():
            out[place] = self.read(first + place)  # says what is wrong with it

    def read(self, index: int, *, check_sums: bool = True) -> Picture:
        """Picture `index` as delivered, newly read; with `check_sums` compared with its checksum.

        Raises IndexError outside the stream, ChecksumError naming stream, index and pulse, Truncated.
        """
        part, place = self._place(range(len(self))[index])
        with reading(part.file.path, f"picture {index} of {self._stream}"):
            try:
                picture = part.read(place)
            except DamagedPayload:
                raise self._damage(part, place) from None
        if check_sums and _digest(picture) != int(part.checksums[place]):
            raise self._damage(part, place)
        return picture

    def fill(self, out: NDArray[Any], first: int) -> NDArray[np.bool_]:
        """Read the pictures from `first` on into `out` (k, ...): whether each is there and equals its checksum, (k,).

        What is told to be bad may hold anything. For looking at all of them: quicker than one by one, and several
        threads may do it at once. Raises nothing because of a damaged picture.
        """
        is_good = np.zeros(len(out), bool)
        done = 0
        while done < len(out):
            part, place = self._place(range(len(self))[first + done])
            count = min(len(out) - done, len(part) - place)
            is_good[done : done + count] = part.fill(out[done : done + count], place)
            done += count
        return is_good

    def mapped(self, index: int | slice) -> Picture:
        """Picture `index` where it lies in the file: not copied, not compared with its checksum, never to be written.

        Of a slice all of its pictures, (k, ...), as one array. It stays good after the session is closed, and keeps the
        file open for as long as it is held. Raises IndexError, Truncated, UserError for a compressed stream, and when
        the pictures lie in several files or something lies between them: the pictures up to there can be mapped.
        """
        if not isinstance(index, slice):
            return np.asarray(self.mapped(slice(range(len(self))[index], range(len(self))[index] + 1))[0])
        wanted = range(len(self))[index]
        if not wanted:
            return np.empty((0, *self.shape[1:]), self.dtype)
        part, place = self._place(wanted[0])
        if part is not self._place(wanted[-1])[0]:
            raise UserError(self.name, "lies in several files here", value=f"pictures {wanted[0]} to {wanted[-1]}")
        step = wanted.step
        with reading(part.file.path, f"pictures {wanted[0]} to {wanted[-1]} of {self._stream}"):
            return part.mapped(range(place, place + len(wanted) * step, step))

    def _place(self, index: int) -> tuple[Part, int]:
        """The part that holds picture `index`, and its place in there."""
        number = bisect_right(self._starts, index) - 1
        return self._parts[number], index - self._starts[number]

    def _damage(self, part: Part, place: int) -> ChecksumError:
        pulse = int(part.pulse_numbers[place])
        problem = f"frame {place} (pulse {pulse}) differs from what the camera delivered"
        hint = "The other frames are read one by one and may be good: rig verify counts them"
        return ChecksumError(f"{part.file.path}: stream {self._stream}", problem, hint=hint)


def _digest(picture: Picture) -> int:
    """The checksum of a picture's bytes, as it was taken when it arrived."""
    return xxhash.xxh3_64_intdigest(np.ascontiguousarray(picture).data)
