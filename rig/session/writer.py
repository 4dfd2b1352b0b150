"""Writes one run file so that whatever was acknowledged survives anything.

At arm every dataset is created with all its chunks allocated, HDF5 is closed and the room is reserved; from then on
the file's metadata never changes: frames and rows go to offsets known from arm, by plain writes, and a sync
acknowledges them. Only `close` lets HDF5 in again, to shrink every dataset to what was written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rig import host
from rig.errors import SessionExists, StorageError
from rig.session import layout
from rig.session.layout import Outcome, StreamSpec, Table, TextLog
from rig.streams import TEXT, Picture

Value = str | int | float | bool
GROW_STEPS = 100  # the streams' pictures are laid out in turn, a hundredth of the plan each, ordered by time
META_PER_FRAME = 32  # room for HDF5's own tables at the front of the file, bytes
HEADER_ROOM = 4 << 20  # at most so much of a header lies in no table: texts of rig and protocol, times of film frames


@dataclass
class Header:
    """What is written at arm and never changes: attributes, texts and clip tables."""

    attributes: dict[str, Value]
    streams: dict[str, dict[str, Value]]  # attributes of each stream's group
    texts: dict[str, str]  # below /config
    text_attributes: dict[str, dict[str, Value]] = field(default_factory=dict)
    clips: dict[str, tuple[dict[str, Value], NDArray[np.float64]]] = field(default_factory=dict)


@dataclass
class _Rows:
    """A table's place in the file and the rows that wait for the next flush."""

    table: Table
    offset: int
    written: int = 0
    dropped: int = 0
    pending: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.written + len(self.pending)


class SessionWriter:
    """One run file, open for recording. All methods are called by one thread; `fd` may be synced by another."""

    def __init__(
        self, path: Path, header: Header, streams: list[StreamSpec], *, seconds: float, pulses: int, edges: int
    ) -> None:
        """Create `path`, reserve all its room and sync it. Raises StorageError when the room is not there."""
        self.path = path
        self._tables = {t.path: t for t in layout.tables(streams, seconds, pulses, edges)}
        self._logs = {log.path: log for log in layout.TEXT_LOGS}
        self._tables |= {f"{p}/rows": Table(f"{p}/rows", TEXT, log.rows) for p, log in self._logs.items()}
        self._text_used = dict.fromkeys(self._logs, 0)
        self._stored: dict[str, int] = {}
        self._claim()
        arming = path.with_suffix(".arming")  # a crash while arming must not leave half a file under the run's name
        try:
            self._create(arming, header, streams)
            arming.rename(path)
            self.fd = os.open(path, os.O_RDWR)
        except OSError as exc:
            arming.unlink(missing_ok=True)
            path.unlink()
            raise StorageError(str(path), f"cannot be created: {exc}", hint="Free some room, or use --out") from exc
        self._reserve()

    def _claim(self) -> None:
        """Make the file, for its owner only. Raises SessionExists: nothing is ever overwritten."""
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, host.PRIVATE_FILE))
        except FileExistsError:
            raise SessionExists(str(self.path), "exists already") from None
        except OSError as exc:
            raise StorageError(str(self.path), f"cannot be created: {exc.strerror}") from exc

    def _create(self, path: Path, header: Header, streams: list[StreamSpec]) -> None:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, host.PRIVATE_FILE))
        with h5py.File(path, "w", libver=("v110", "v110"), meta_block_size=_meta_bytes(streams)) as file:
            _write_header(file, header)
            logs = {log.path: _allocate_bytes(file, log) for log in self._logs.values()}
            rows = {t.path: _allocate_rows(file, t) for t in self._tables.values()}
            data = _allocate_pictures(file, streams)
            self._rows = {p: _Rows(self._tables[p], _chunk_offsets(d)[0]) for p, d in rows.items()}
            self._text_offsets = {p: _chunk_offsets(d)[0] for p, d in logs.items()}
            self._frame_offsets = {p: _chunk_offsets(d) for p, d in data.items()}

    def _reserve(self) -> None:
        try:
            host.reserve(self.fd, os.fstat(self.fd).st_size)
            os.fsync(self.fd)
            host.sync_folder(self.path.parent)
            host.hold_shared(self.fd)
        except OSError as exc:
            os.close(self.fd)
            self.path.unlink()
            hint = "Free some room, or choose another disk with --out"
            raise StorageError(str(self.path), f"cannot be reserved: {exc.strerror}", hint=hint) from exc

    def capacity(self, path: str) -> int:
        """Pictures that fit into the data set at `path`."""
        return len(self._frame_offsets[path])

    def store_frame(self, path: str, index: int, pixels: Picture) -> None:
        """Write one picture, shaped as in rig.pixels, at its place. Raises StorageError; the file keeps what it had."""
        self._write(pixels.data, self._frame_offsets[path][index])
        self._stored[path] = index + 1

    def append(self, path: str, row: tuple[Any, ...]) -> None:
        """Add a row, without its `seq`, to a table; it reaches the file with the next `flush`.

        A full table drops the row and counts it: a flood of edges must not end a recording.
        """
        rows = self._rows[path]
        if rows.count >= rows.table.capacity:
            rows.dropped += 1
            return
        rows.pending.append((rows.count + 1, *row))

    def append_text(self, path: str, host_ns: int, record: Mapping[str, Any]) -> None:
        """Add a JSON record to a text log. Raises StorageError."""
        data = json.dumps(record, ensure_ascii=False).encode()
        used = self._text_used[path]
        if used + len(data) > self._logs[path].text_bytes:
            self._rows[f"{path}/rows"].dropped += 1
            return
        self._write(memoryview(data), self._text_offsets[path] + used)
        self._text_used[path] = used + len(data)
        self.append(f"{path}/rows", (len(data), used, host_ns))

    def flush(self) -> None:
        """Hand all waiting rows to the system. Raises StorageError."""
        for rows in self._rows.values():
            if rows.pending:
                data = np.array(rows.pending, rows.table.dtype).tobytes()
                self._write(memoryview(data), rows.offset + rows.written * rows.table.dtype.itemsize)
                rows.written += len(rows.pending)
                rows.pending.clear()

    def dropped(self) -> dict[str, int]:
        """Rows that a full table did not take, by table; empty when none."""
        return {path: rows.dropped for path, rows in self._rows.items() if rows.dropped}

    def close(self, outcome: Outcome) -> None:
        """Flush, sync, shrink every dataset to what was written, note the outcome, make the file read-only.

        Raises StorageError when the disk refuses; what was synced before stays readable as it is.
        """
        try:
            try:
                if outcome is not Outcome.DISK_FULL:
                    self.flush()
                os.fsync(self.fd)
                # Without HDF5's lock: a reader that has the file open must not keep it from being closed.
                with h5py.File(self.path, "r+", libver=("v110", "v110"), locking=False) as file:
                    self._shrink(file)
                    file.attrs["outcome"] = str(outcome)
            finally:
                os.close(self.fd)
            self._seal()
        except OSError as exc:
            raise StorageError(str(self.path), f"was not put in order at the end: {exc}") from exc

    def _shrink(self, file: h5py.File) -> None:
        for path in self._frame_offsets:
            file[path].resize(self._stored.get(path, 0), axis=0)
        for path, rows in self._rows.items():
            file[path].resize(rows.written, axis=0)
        for path, used in self._text_used.items():
            file[f"{path}/text"].resize(used, axis=0)

    def _seal(self) -> None:
        fd = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        host.make_read_only(self.path)

    def _write(self, data: memoryview, offset: int) -> None:
        try:
            host.write_at(self.fd, data, offset)
        except OSError as exc:
            raise StorageError(str(self.path), f"refused a write: {exc.strerror}") from exc


def reserved_bytes(streams: list[StreamSpec], *, seconds: float, pulses: int, edges: int) -> int:
    """Bytes that a SessionWriter made with the same arguments reserves on the disk, or a little more."""
    tables = layout.tables(streams, seconds, pulses, edges)
    tables += [Table(log.path, TEXT, log.rows) for log in layout.TEXT_LOGS]
    rows = sum(table.capacity * table.dtype.itemsize for table in tables)
    texts = sum(log.text_bytes for log in layout.TEXT_LOGS)
    pictures = sum((spec.capacity + layout.WALK_FRAMES) * spec.frame_bytes for spec in streams)
    return _meta_bytes(streams) + HEADER_ROOM + rows + texts + pictures


def _meta_bytes(streams: list[StreamSpec]) -> int:
    return layout.HEAD_BYTES + META_PER_FRAME * sum(spec.capacity for spec in streams)


def _write_header(file: h5py.File, header: Header) -> None:
    file.attrs.update(header.attributes)
    for name, attributes in header.streams.items():
        file.create_group(f"{layout.ACQUISITION}/{name}").attrs.update(attributes)
    for name, text in header.texts.items():
        dataset = file.create_dataset(f"{layout.CONFIG}/{name}", data=text, dtype=h5py.string_dtype())
        dataset.attrs.update(header.text_attributes.get(name, {}))
    for name, (attributes, pts_s) in header.clips.items():
        group = file.create_group(f"{layout.CONFIG}/clips/{name}")
        group.attrs.update(attributes)
        group.create_dataset("pts", data=pts_s)


def _early(chunk: tuple[int, ...], *, fill: bool) -> h5py.h5p.PropDCID:
    """Creation properties: all chunks exist from the start, zeroed only where rows are counted by zeros."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk(chunk)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_ALLOC if fill else h5py.h5d.FILL_TIME_NEVER)
    return properties


def _make(
    file: h5py.File, path: str, dtype: np.dtype[Any], shape: tuple[int, ...], chunk: tuple[int, ...], *, fill: bool
) -> h5py.Dataset:
    space = h5py.h5s.create_simple(shape, (h5py.h5s.UNLIMITED, *shape[1:]))
    links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    links.set_create_intermediate_group(True)
    kind = h5py.h5t.py_create(dtype, logical=True)
    return h5py.Dataset(h5py.h5d.create(file.id, path.encode(), kind, space, _early(chunk, fill=fill), links))


def _allocate_rows(file: h5py.File, table: Table) -> h5py.Dataset:
    size = (table.capacity,)
    return _make(file, table.path, table.dtype, size, size, fill=True)


def _allocate_bytes(file: h5py.File, log: TextLog) -> h5py.Dataset:
    size = (log.text_bytes,)
    return _make(file, f"{log.path}/text", np.dtype("u1"), size, size, fill=True)


def _allocate_pictures(file: h5py.File, streams: list[StreamSpec]) -> dict[str, h5py.Dataset]:
    """The pictures of the line walk, then of the run: the streams in turn, so that the file is ordered by time."""
    made: dict[str, h5py.Dataset] = {}
    for walk in (True, False):
        capacity = {s.name: layout.WALK_FRAMES if walk else s.capacity for s in streams}
        for spec in streams:
            shape = spec.pixel_format.shape(spec.height, spec.width)
            path = layout.data_path(spec.name, walk=walk)
            made[path] = _make(file, path, spec.pixel_format.dtype, (0, *shape), (1, *shape), fill=False)
        for step in range(1, GROW_STEPS + 1):
            for name, frames in capacity.items():
                made[layout.data_path(name, walk=walk)].resize(-(-frames * step // GROW_STEPS), axis=0)
    return made


def _chunk_offsets(dataset: h5py.Dataset) -> list[int]:
    """Where each chunk lies in the file, in bytes, in order."""
    offsets = [0] * max(1, -(-dataset.shape[0] // dataset.chunks[0]))
    dataset.id.chunk_iter(lambda c: offsets.__setitem__(c.chunk_offset[0] // dataset.chunks[0], c.byte_offset))
    return offsets
