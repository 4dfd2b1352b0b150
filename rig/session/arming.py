"""Makes a run file at arm: every dataset with all its chunks allocated, every place in it known, all its room reserved.

HDF5 closes the file before anything is recorded. From then on its metadata never changes, so that it opens at every
moment, whatever happens (docs/decisions/0008).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import join
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rig import host
from rig.errors import SessionExists, StorageError
from rig.session import checksums, journal, layout, packing
from rig.session.layout import Room, StreamSpec, Table, TextLog
from rig.session.overlay import PAGE
from rig.streams import TEXT

Value = str | int | float | bool
GROW_STEPS = 100  # the streams' pictures are laid out in turn, a hundredth of the plan each, ordered by time
META_PER_FRAME = 32  # room for HDF5's own tables at the front of the file, bytes
HEADER_ROOM = 4 << 20  # at most so much of a header lies in no table: texts of rig and protocol, times of film frames
JOURNAL_BYTES, JOURNAL_PER_FRAME = 2 << 20, 80  # room for the journal; measured: up to 57 bytes a frame
PLACEHOLDER_BYTES = 16
LIBVER = ("v110", "v110")  # of the HDF5 format: what readers of 2018 and later know
NO_ROOM = "Free some room, or choose another disk with --out"


@dataclass
class Header:
    """What is written at arm and never changes: attributes, texts and clip tables."""

    attributes: dict[str, Value]
    streams: dict[str, dict[str, Value]]  # attributes of each stream's group
    texts: dict[str, str]  # below /config, unless their name begins with a slash
    text_attributes: dict[str, dict[str, Value]] = field(default_factory=dict)
    clips: dict[str, tuple[dict[str, Value], NDArray[np.float64]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Places:
    """Where everything lies in an armed file, by the path of its dataset; offsets in bytes."""

    tables: dict[str, Table]
    logs: dict[str, TextLog]
    rows: dict[str, int]
    texts: dict[str, int]  # by the path of the log
    pictures: dict[str, list[int]]  # of the streams that are not compressed
    compressed: tuple[str, ...]  # the pictures of the streams that are
    heap: int  # where their payloads begin; 0 without any

    @property
    def pictures_from(self) -> int:
        """Where the first picture of the file lies, those of the line walk included; all behind it are pictures."""
        return min(offsets[0] for offsets in self.pictures.values())


def arming_of(path: Path) -> Path:
    """Where a run file lies while it is made: what is not whole must not lie under the name of a run."""
    return path.with_suffix(".arming")


def arm(path: Path, header: Header, room: Room) -> tuple[int, Places]:
    """Make `path`, reserve all its room, sync it; returns it open for writing, and held against other writers.

    Raises SessionExists, for nothing is ever overwritten, and StorageError when the disk refuses.
    """
    arming = arming_of(path)
    fd = _claim(arming, path)
    with ExitStack() as undo:
        undo.callback(_undo, arming, path, journal.part_of(path))
        undo.callback(os.close, fd)
        places = _make_whole(fd, arming, path, header, room)
        undo.pop_all()
    return fd, places


def _make_whole(fd: int, arming: Path, path: Path, header: Header, room: Room) -> Places:
    """Fill the file, reserve its room and that of its journal, and give it its name. Raises StorageError."""
    try:
        places = _create(arming, header, room)
    except OSError as exc:
        raise StorageError(str(path), f"cannot be created: {exc}", hint=NO_ROOM) from exc
    try:
        host.reserve(fd, os.fstat(fd).st_size)
        host.sync_file(fd)
        journal.reserve(path, _journal_bytes(room))
        host.rename(arming, path)
        host.sync_folder(path.parent)
    except OSError as exc:
        raise StorageError(str(path), f"cannot be reserved: {exc.strerror}", hint=NO_ROOM) from exc
    return places


def _claim(arming: Path, path: Path) -> int:
    """Make the file, for its owner only, and hold it: from now on nobody takes it for what a crash has left.

    Who has it may give it the name of the run, unless that is taken.
    """
    try:
        fd = os.open(arming, os.O_CREAT | os.O_EXCL | os.O_RDWR, host.PRIVATE_FILE)
        host.hold_shared(fd)
    except FileExistsError:
        problem, hint = "is being made, or was left so by a crash", "If no recorder runs: rig recover removes it"
        raise SessionExists(str(path), problem, hint=hint) from None
    except OSError as exc:
        raise StorageError(str(path), f"cannot be created: {exc.strerror}") from exc
    if path.exists():
        os.close(fd)
        _undo(arming)
        raise SessionExists(str(path), "exists already")
    return fd


def _undo(*paths: Path) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()


def _create(path: Path, header: Header, room: Room) -> Places:
    logs = layout.text_logs(room)
    tables = {t.path: t for t in (*layout.tables(room), *map(_rows_of, logs))}
    with h5py.File(path, "w", libver=LIBVER, locking=False, meta_block_size=_meta_bytes(room)) as file:
        _write_header(file, header)
        rows = {t.path: _allocate_rows(file, t) for t in tables.values()}
        texts = _allocate_texts(file, logs, max(map(_end, rows.values())))
        pictures = _allocate_pictures(file, room.streams)
        compressed = [spec for spec in room.streams if spec.is_compressed]
        return Places(
            tables,
            {log.path: log for log in logs},
            {p: _chunk_offsets(d)[0] for p, d in rows.items()},
            {p: _chunk_offsets(d)[0] for p, d in texts.items()},
            {p: _chunk_offsets(d) for p, d in pictures.items()},
            tuple(layout.data_path(spec.name) for spec in compressed),
            _allocate_heap(file, compressed) if compressed else 0,
        )


def reserved_bytes(room: Room) -> int:
    """Bytes that `arm` reserves on the disk, or a little more."""
    logs = layout.text_logs(room)
    tables = [*layout.tables(room), *map(_rows_of, logs)]
    rows = sum(table.capacity * table.dtype.itemsize for table in tables)
    texts = sum(log.text_bytes for log in logs)
    pictures = sum((spec.capacity + layout.WALK_FRAMES) * spec.frame_bytes for spec in room.streams)
    return _meta_bytes(room) + _journal_bytes(room) + HEADER_ROOM + rows + texts + pictures


def _rows_of(log: TextLog) -> Table:
    """The table that tells where each entry of a text log lies."""
    return Table(f"{log.path}/rows", TEXT, log.rows)


def _meta_bytes(room: Room) -> int:
    return layout.HEAD_BYTES + META_PER_FRAME * room.frames


def _journal_bytes(room: Room) -> int:
    return JOURNAL_BYTES + JOURNAL_PER_FRAME * room.frames


def _write_header(file: h5py.File, header: Header) -> None:
    file.attrs.update(header.attributes)
    for name, attributes in header.streams.items():
        file.create_group(f"{layout.ACQUISITION}/{name}").attrs.update(attributes)
    for name, text in header.texts.items():
        dataset = file.create_dataset(join(layout.CONFIG, name), data=text, dtype=h5py.string_dtype())
        dataset.attrs.update(header.text_attributes.get(name, {}))
        checksums.note(dataset)
    for name, (attributes, pts_s) in header.clips.items():
        group = file.create_group(f"{layout.CONFIG}/clips/{name}")
        group.attrs.update(attributes)
        checksums.note(group.create_dataset("pts", data=pts_s))
    checksums.note_attributes(file)


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
    return _make_summed(file, table.path, table.dtype, table.capacity)


def _make_summed(file: h5py.File, path: str, dtype: np.dtype[Any], size: int) -> h5py.Dataset:
    """A data set in one piece, that gets its checksum at the close."""
    made = _make(file, path, dtype, (size,), (size,), fill=True)
    checksums.make_place(made)
    return made


def _allocate_texts(file: h5py.File, logs: Sequence[TextLog], start: int) -> dict[str, h5py.Dataset]:
    """The text logs, from `start` on; the last one is so long that the pictures behind it begin with a page.

    The system copies a picture that lies on whole pages a little quicker.
    """
    made: dict[str, h5py.Dataset] = {}
    for log in logs:
        rest = -(start + log.text_bytes) % PAGE if log is logs[-1] else 0
        made[log.path] = _make_summed(file, f"{log.path}/text", np.dtype("u1"), log.text_bytes + rest)
        start = _end(made[log.path])
    return made


def _end(table: h5py.Dataset) -> int:
    """Where a data set of one chunk ends in the file, in bytes."""
    return _chunk_offsets(table)[0] + int(table.size * table.dtype.itemsize)


def _allocate_pictures(file: h5py.File, streams: tuple[StreamSpec, ...]) -> dict[str, h5py.Dataset]:
    """The pictures of the line walk, then of the run: the streams in turn, so that the file is ordered by time."""
    made: dict[str, h5py.Dataset] = {}
    for walk in (True, False):
        raw = [spec for spec in streams if walk or not spec.is_compressed]
        capacity = {s.name: layout.WALK_FRAMES if walk else s.capacity for s in raw}
        for spec in raw:
            path = layout.data_path(spec.name, walk=walk)
            made[path] = _make(file, path, spec.pixel_format.dtype, (0, *spec.shape), (1, *spec.shape), fill=False)
        for step in range(1, GROW_STEPS + 1):
            for name, frames in capacity.items():
                made[layout.data_path(name, walk=walk)].resize(-(-frames * step // GROW_STEPS), axis=0)
    return made


def _allocate_heap(file: h5py.File, compressed: list[StreamSpec]) -> int:
    """The data sets of compressed pictures, and last in the file room for payloads; returns where that begins.

    A payload is never longer than its picture. What becomes of it all at the end is in adopting.py.
    """
    packing.register()
    for spec in compressed:
        _make_indexed(file, spec)
    size = sum(spec.capacity * spec.frame_bytes for spec in compressed)
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    space = h5py.h5s.create_simple((size,))
    heap = h5py.h5d.create(file.id, layout.HEAP.encode(), h5py.h5t.NATIVE_UINT8, space, properties)
    return int(heap.get_offset())


def _make_indexed(file: h5py.File, spec: StreamSpec) -> None:
    """A data set of no pictures, with the whole table of their places: writing the last one allocates it."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((1, *spec.shape))
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    properties.set_filter(packing.FILTER, h5py.h5z.FLAG_OPTIONAL, packing.OPTIONS)
    space = h5py.h5s.create_simple((spec.capacity, *spec.shape))
    kind = h5py.h5t.py_create(spec.pixel_format.dtype, logical=True)
    data = h5py.h5d.create(file.id, layout.data_path(spec.name).encode(), kind, space, properties)
    data.write_direct_chunk(layout.chunk_of(spec.capacity - 1, spec.shape), bytes(PLACEHOLDER_BYTES))
    data.set_extent((0, *spec.shape))


def _chunk_offsets(dataset: h5py.Dataset) -> list[int]:
    """Where each chunk lies in the file, in bytes, in order."""
    rows = dataset.chunks[0]  # h5py asks the file each time
    offsets = [0] * max(1, -(-dataset.shape[0] // rows))
    dataset.id.chunk_iter(lambda c: offsets.__setitem__(c.chunk_offset[0] // rows, c.byte_offset))
    return offsets
