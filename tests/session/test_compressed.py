"""A run file with compressed streams: bytes appended while recorded, ordinary HDF5 chunks once it is closed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from errno import ENOSPC
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest
import xxhash

from rig import host
from rig.errors import ChecksumError, StorageError
from rig.pixels import FORMATS
from rig.session import closing, journal
from rig.session.arming import HEADER_ROOM, JOURNAL_PER_FRAME, Header, reserved_bytes
from rig.session.layout import HEAP, LOG, Outcome, Room, StreamSpec, data_path, frames_path, packed_path
from rig.session.overlay import Overlay
from rig.session.packed import in_order
from rig.session.packing import LEAST_BYTES, pack, room_for
from rig.session.pictures import Part, Pictures
from rig.session.rewriting import copy_of
from rig.session.runfile import RunFile
from rig.session.writer import SessionWriter
from rig.streams import FRAME

STREAMS = (
    StreamSpec("HS", 64, 96, 200, is_compressed=True),
    StreamSpec("VIS", 64, 96, 50),
    StreamSpec("NIR", 64, 96, 50, FORMATS["Mono12"], is_compressed=True),
)
ROOM = Room(STREAMS, seconds=2, pulses=300, edges=1400)
ATTRIBUTES = {"schema": 1, "outcome": "incomplete", "subject": "001", "session": 1, "run": 1, "run_id": 7}
HEADER = Header({**ATTRIBUTES, "continues": 0, "created_host_ns": 5, "streams": '["HS", "VIS", "NIR"]'}, {}, {})
HS, NIR = data_path("HS"), data_path("NIR")
Pixels = dict[str, list[np.ndarray]]


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SessionWriter]:
    made = SessionWriter(tmp_path / "run.h5", HEADER, ROOM)
    yield made
    try:
        os.close(made.fd)
    except OSError:
        pass  # the test has closed it


def picture(spec: StreamSpec, number: int) -> np.ndarray:
    """Of three kinds in turn: what nothing compresses, what is nearly nothing when compressed, and as of a camera."""
    draw = np.random.default_rng((number, spec.width, len(spec.name)))
    dtype = spec.pixel_format.dtype
    kinds = {
        0: draw.integers(0, np.iinfo(dtype).max, spec.shape, dtype, endpoint=True),
        1: np.full(spec.shape, number, dtype),
    }
    return kinds.get(number % 3, (100 + draw.normal(0, 3, spec.shape)).astype(dtype))


def store(writer: SessionWriter, pulses: range) -> Pixels:
    """Write the frames of these pulses as a recorder does; what was written, by stream."""
    written: Pixels = {spec.name: [] for spec in STREAMS}
    for pulse in pulses:
        for spec in STREAMS:
            if spec.name == "HS" or pulse % 4 == 0:
                divisor = 1 if spec.name == "HS" else 4
                put(writer, spec, pulse // divisor, written)
    writer.flush()
    return written


def put(writer: SessionWriter, spec: StreamSpec, index: int, written: Pixels) -> None:
    pixels, path = picture(spec, index), data_path(spec.name)
    if spec.is_compressed:
        out = np.empty(room_for(pixels.shape, pixels.dtype), np.uint8)
        writer.store_packed(path, index, pack(pixels, out))
    else:
        writer.store_frame(path, index, pixels)
    checksum = xxhash.xxh3_64_intdigest(pixels.tobytes())
    writer.append(frames_path(spec.name), (1, 4, 0, index, index, index, index, 0.0, 0, index, checksum))
    written[spec.name].append(pixels)


def read(path: Path) -> Pixels:
    """All pictures of a file by the reader of this program, compared with their checksums."""
    found: Pixels = {}
    with RunFile(path) as file:
        for spec in STREAMS:
            data = file.pictures(data_path(spec.name), spec.shape, spec.pixel_format.dtype)
            rows = file.table(frames_path(spec.name), FRAME)[: data.shape[0]]
            found[spec.name] = list(Pictures(spec.name, [Part(file, data, rows["pulse_number"], rows["checksum"])]))
    return found


def read_plainly(path: Path) -> Pixels:
    """All pictures of a closed file by h5py and the filter of hdf5plugin."""
    with h5py.File(path) as file:
        return {spec.name: list(file[data_path(spec.name)][:]) for spec in STREAMS}


def assert_equal(found: Pixels, written: Pixels) -> None:
    assert {name: len(pixels) for name, pixels in found.items()} == {n: len(p) for n, p in written.items()}
    for name, pixels in written.items():
        for index, wanted in enumerate(pixels):
            np.testing.assert_array_equal(found[name][index], wanted, err_msg=f"{name} {index}")


def test_while_it_is_recorded_all_that_was_flushed_is_read(writer):
    written = store(writer, range(40))
    assert_equal(read(writer.path), written)
    with h5py.File(writer.path) as file:
        assert file[HS].shape == (0, 64, 96)
        row = file[packed_path(HS)][1]
        assert row.tolist()[:2] == (2, LEAST_BYTES)
        assert row["offset"] >= 64 * 96


def test_a_closed_file_is_read_by_any_hdf5_with_the_filter(writer):
    written = store(writer, range(150))
    writer.close(Outcome.FINISHED)
    assert_equal(read_plainly(writer.path), written)
    assert_equal(read(writer.path), written)
    with h5py.File(writer.path) as file:
        assert HEAP not in file
        assert packed_path(HS) not in file
        assert file.attrs["outcome"] == "finished"
    assert writer.path.stat().st_mode & 0o777 == 0o400


def test_h5dump_reads_a_closed_file_with_the_plugin(writer):
    """Another HDF5 than that of h5py, in a process of its own."""
    written = store(writer, range(40))
    writer.close(Outcome.FINISHED)
    command = ["h5dump", "-d", HS, "-s", "37,0,0", "-c", "1,1,96", "-y", "-w", "65535", str(writer.path)]
    plugins = {"HDF5_PLUGIN_PATH": hdf5plugin.PLUGIN_PATH}
    said = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **plugins}).stdout
    values = re.search(r"DATA \{([0-9,\s]+)\}", said)
    assert values is not None, said
    assert [int(value) for value in values[1].split(",")] == written["HS"][37][0].tolist()


def test_no_payload_is_copied_at_the_close(writer, monkeypatch):
    """What reaches the file at the close is none of the heap's bytes."""
    written = store(writer, range(150))
    with h5py.File(writer.path) as file:
        start = file[HEAP].id.get_offset()
    told: list[int] = []
    write_at = host.write_at

    def noted(fd: int, data: memoryview, offset: int) -> None:
        if Path(f"/proc/self/fd/{fd}").readlink() == writer.path:
            told.append(offset)
        write_at(fd, data, offset)

    monkeypatch.setattr(host, "write_at", noted)
    writer.close(Outcome.FINISHED)
    assert told
    assert max(told) < start
    assert_equal(read_plainly(writer.path), written)


def test_a_closed_file_ends_with_its_last_payload(writer):
    store(writer, range(150))
    with h5py.File(writer.path) as file:
        start = file[HEAP].id.get_offset()
        last = file[packed_path(HS)][149]
    end = start + int(last["offset"]) + int(last["length"])
    writer.close(Outcome.FINISHED)
    assert writer.path.stat().st_size <= end + 4096


def test_the_files_metadata_never_changes_while_recording(writer):
    before = writer.path.read_bytes()
    store(writer, range(40))
    writer.append_text(LOG, 5, {"kind": "note"})
    writer.flush()
    after = writer.path.read_bytes()
    changed = np.flatnonzero(np.frombuffer(before, np.uint8) != np.frombuffer(after, np.uint8))
    allowed = np.zeros(len(before), bool)
    with h5py.File(writer.path) as file:
        allowed[file[HEAP].id.get_offset() :] = True
        tables = [frames_path(spec.name) for spec in STREAMS] + [packed_path(HS), packed_path(NIR)]
        for path in [*tables, data_path("VIS"), f"{LOG}/rows", f"{LOG}/text"]:
            file[path].id.chunk_iter(lambda c: allowed.__setitem__(slice(c.byte_offset, c.byte_offset + c.size), True))
    assert len(changed) > 1000
    assert allowed[changed].all()


def test_a_run_in_which_nothing_was_stored_is_closed(writer):
    writer.close(Outcome.STOPPED)
    assert_equal(read_plainly(writer.path), {spec.name: [] for spec in STREAMS})


def test_what_is_said_to_be_reserved_is_enough_also_for_pictures_that_nothing_compresses(tmp_path, writer):
    taken = sum(path.stat().st_blocks for path in tmp_path.iterdir()) * 512
    assert taken <= reserved_bytes(ROOM) <= taken + HEADER_ROOM
    assert taken > 200 * STREAMS[0].frame_bytes + 50 * STREAMS[2].frame_bytes


def test_the_journal_of_the_close_has_room_in_what_was_reserved(writer, monkeypatch):
    pages: list[int] = []
    commit = closing.commit

    def counted(path: Path, changed: dict[int, bytes], size: int) -> None:
        pages.append(len(changed))
        commit(path, changed, size)

    monkeypatch.setattr(closing, "commit", counted)
    store(writer, range(150))
    reserved = journal.part_of(writer.path).stat().st_blocks * 512
    writer.close(Outcome.FINISHED)
    assert pages[0] * (4096 + 8) < reserved
    assert JOURNAL_PER_FRAME >= 16 + 57  # a compressed picture's place, and what was measured for a raw one


def test_rows_behind_a_missing_one_are_not_adopted(writer):
    """As a power cut leaves them that kept a later block of another table."""
    written = store(writer, range(40))
    kept = copy_without_row(writer, HS, 20)
    closing.change(kept, lambda _: None)
    with h5py.File(kept) as file:
        count, others = len(file[HS]), len(file[NIR])
        assert count == 20
        assert others == 5  # the sixth lies behind HS 20
        for index in range(count):
            np.testing.assert_array_equal(file[HS][index], written["HS"][index])
        for index in range(others):
            np.testing.assert_array_equal(file[NIR][index], written["NIR"][index])


def copy_without_row(writer: SessionWriter, path: str, index: int) -> Path:
    """A copy of the file in which one PACKED row was never written."""
    kept = writer.path.with_name("kept.h5")
    shutil.copy(writer.path, kept)
    with h5py.File(kept, "r+") as file:
        row = file[packed_path(path)][index]
        row["seq"] = 0
        file[packed_path(path)][index] = row
    return kept


def test_a_row_that_is_torn_ends_what_is_adopted(writer):
    store(writer, range(40))
    with h5py.File(writer.path, locking=False) as file:
        rows = file[packed_path(HS)][:40]
    assert len(in_order([rows])) < 40  # NIR's payloads lie between
    whole = np.zeros(3, rows.dtype)
    whole["length"], whole["offset"] = (5, 6, 7), (0, 5, 11)
    assert in_order([whole])["index"].tolist() == [0, 1, 2]
    for field, torn in (("offset", 0), ("length", 0), ("length", 9)):
        bad = whole.copy()
        bad[field][1] = torn
        assert len(in_order([bad])) < 3, field


def expect_elsewhere(self: Overlay, at: int, length: int) -> None:
    """So it is with an HDF5 that gives a chunk another place than its payload's."""
    self._expected = at + 1, length


def test_where_hdf5_chooses_other_places_the_file_is_rewritten_and_as_good(writer, monkeypatch):
    written = store(writer, range(150))
    monkeypatch.setattr(Overlay, "expect", expect_elsewhere)
    writer.append_text(LOG, 5, {"kind": "note"})
    writer.close(Outcome.FINISHED)
    assert_equal(read_plainly(writer.path), written)
    assert_equal(read(writer.path), written)
    with h5py.File(writer.path) as file:
        assert HEAP not in file
        assert dict(file.attrs).keys() >= HEADER.attributes.keys()
        assert len(file[f"{LOG}/rows"]) == 1
    assert list(writer.path.parent.iterdir()) == [writer.path]
    assert writer.path.stat().st_mode & 0o777 == 0o400


def test_a_file_that_can_neither_be_adopted_nor_rewritten_stays_as_it_is(writer, monkeypatch):
    written = store(writer, range(40))
    monkeypatch.setattr(Overlay, "expect", expect_elsewhere)

    def full(_old: Path, _new: Path) -> None:
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(host, "rename", full)
    with pytest.raises(StorageError, match="No space left"):
        writer.close(Outcome.FINISHED)
    assert not copy_of(writer.path).exists()
    assert_equal(read(writer.path), written)


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_flipped_bit_is_told_with_stream_and_pulse_wherever_it_is(writer, is_closed):
    store(writer, range(40))
    with h5py.File(writer.path) as file:
        start = file[HEAP].id.get_offset()
        rows = file[packed_path(HS)][:40]
    if is_closed:
        writer.close(Outcome.FINISHED)
        host.make_private(writer.path)
    draw = np.random.default_rng(3)
    told = 0
    for _ in range(100):
        index = int(draw.integers(40))
        place = start + int(rows["offset"][index]) + int(draw.integers(int(rows["length"][index])))
        told += tell_flipped(writer.path, place, 1 << int(draw.integers(8)), index)
    assert told > 65  # the rest is in zeros that fill a small payload up, and changes no picture


def tell_flipped(path: Path, place: int, bit: int, index: int) -> bool:
    """Whether a bit flipped at a place of the file is told of; if not, the picture must be as it was."""
    fd = os.open(path, os.O_RDWR)
    byte = host.read_at(fd, 1, place)
    host.write_at(fd, bytes([byte[0] ^ bit]), place)
    try:
        with RunFile(path) as file:
            data = file.pictures(HS, STREAMS[0].shape, np.dtype("u1"))
            rows = file.table(frames_path("HS"), FRAME)
            found = Pictures("HS", [Part(file, data, rows["pulse_number"], rows["checksum"])])[index]
        np.testing.assert_array_equal(found, picture(STREAMS[0], index))
        return False
    except ChecksumError as error:
        assert f"frame {index} (pulse {index})" in str(error)
        return True
    finally:
        host.write_at(fd, byte, place)
        os.close(fd)
