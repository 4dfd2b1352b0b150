"""The file's promise: nothing but plain writes while it is recorded, and any HDF5 reader can open it at any moment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from rig import host
from rig.errors import SessionExists
from rig.session.arming import HEADER_ROOM, Header, reserved_bytes
from rig.session.layout import LOG, Outcome, Room, StreamSpec
from rig.session.writer import SessionWriter

ROOM = Room((StreamSpec("HS", 64, 96, 200), StreamSpec("VIS", 64, 96, 50)), seconds=2, pulses=300, edges=1400)
HEADER = Header({"schema": 1, "outcome": "incomplete"}, {"HS": {"divisor": 1}}, {"rig": "name: ü\n"})
FRAMES, GAPS = "/acquisition/HS/frames", "/acquisition/HS/gaps"
DATA = "/acquisition/HS/data"


@pytest.fixture
def writer(tmp_path):
    made = SessionWriter(tmp_path / "run.h5", HEADER, ROOM)
    yield made
    try:
        os.close(made.fd)
    except OSError:
        pass  # the test has closed it


def picture(number: int) -> np.ndarray:
    return np.full((64, 96), number, np.uint8)


def store(writer: SessionWriter, numbers: range) -> None:
    for n in numbers:
        writer.store_frame(DATA, n, picture(n))
        writer.append(FRAMES, (1, 4, 0, n, n, n, n, 0.0, 0, n, n))


def h5dump(path: Path, dataset: str) -> str:
    """Another reader than ours, and than h5py."""
    assert shutil.which("h5dump"), "hdf5-tools is part of the set-up"
    command = ["h5dump", "-d", dataset, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_an_open_run_is_read_by_any_hdf5_reader_and_shows_what_was_flushed(writer):
    store(writer, range(40))
    writer.flush()
    with h5py.File(writer.path) as run:
        assert run[DATA].shape == (200, 64, 96)
        assert run[FRAMES]["seq"].tolist() == [*range(1, 41), *[0] * 160]
        assert [int(run[DATA][i, 0, 0]) for i in (0, 39, 40)] == [0, 39, 0]
    assert "(200, 64, 96)" not in h5dump(writer.path, GAPS)
    assert "39" in h5dump(writer.path, FRAMES)


def test_rows_wait_for_the_flush_and_pictures_do_not(writer):
    store(writer, range(3))
    with h5py.File(writer.path) as run:
        assert int(run[DATA][2, 0, 0]) == 2
        assert not run[FRAMES]["seq"].any()


def test_what_is_on_the_disk_leaves_the_memory_of_the_system_but_rows_that_are_still_added_to(writer, monkeypatch):
    """Rows share pages with those that follow: these would have to be read back."""
    dropped = []
    monkeypatch.setattr(host, "forget", lambda fd, start=0: dropped.append((fd, start)))
    store(writer, range(40))
    writer.flush()
    assert dropped == []
    writer.sync()
    with h5py.File(writer.path) as run:
        pictures = [run[f"/{room}/HS/data"].id.get_chunk_info(0).byte_offset for room in ("acquisition", "line_walk")]
        rows = [run[path].id.get_chunk_info(0).byte_offset for path in (FRAMES, GAPS, f"{LOG}/text")]
    assert dropped == [(writer.fd, min(pictures))]
    assert max(rows) < min(pictures)


def test_the_files_metadata_never_changes_while_recording(writer):
    """Only bytes inside the pictures, rows and texts that were reserved at arm may change."""
    before = writer.path.read_bytes()
    store(writer, range(40))
    writer.append_text(LOG, 5, {"kind": "note", "text": "ü"})
    writer.flush()
    after = writer.path.read_bytes()
    assert len(before) == len(after)
    changed = np.flatnonzero(np.frombuffer(before, np.uint8) != np.frombuffer(after, np.uint8))
    allowed = np.zeros(len(before), bool)
    with h5py.File(writer.path) as run:
        for path in (DATA, FRAMES, f"{LOG}/rows", f"{LOG}/text"):
            run[path].id.chunk_iter(lambda c: allowed.__setitem__(slice(c.byte_offset, c.byte_offset + c.size), True))
    assert len(changed) > 40 * 64 * 96 * 0.9
    assert allowed[changed].all()


def test_a_closed_run_is_as_long_as_what_was_written_read_only_and_says_how_it_ended(writer):
    store(writer, range(40))
    writer.append_text(LOG, 5, {"kind": "note", "text": "ü"})
    writer.close(Outcome.FINISHED)
    with h5py.File(writer.path) as run:
        assert run[DATA].shape == (40, 64, 96)
        assert run[FRAMES].shape == (40,)
        assert run[GAPS].shape == (0,)
        assert json.loads(bytes(run[f"{LOG}/text"][:])) == {"kind": "note", "text": "ü"}
        assert run.attrs["outcome"] == "finished"
        assert run["/config/rig"][()].decode() == "name: ü\n"
        assert all((run[DATA][i] == i).all() for i in range(40))
    assert writer.path.stat().st_mode & 0o777 == 0o400
    assert writer.path.stat().st_size < 4 * 10**6 + 40 * 64 * 96 * 2 + 5 * 10**6


def test_a_reader_that_has_the_file_open_does_not_keep_it_from_being_closed(writer):
    store(writer, range(4))
    writer.flush()
    reading = f"import h5py, sys; run = h5py.File({str(writer.path)!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", reading], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == b"open\n"
        writer.close(Outcome.STOPPED)
        reader.communicate()
    with h5py.File(writer.path) as run:
        assert run.attrs["outcome"] == "stopped"


def test_the_room_is_reserved_at_arm_and_given_back_at_the_end(writer):
    reserved = writer.path.stat().st_blocks * 512
    assert reserved >= (200 + 50) * 64 * 96
    store(writer, range(4))
    writer.close(Outcome.FINISHED)
    assert writer.path.stat().st_blocks * 512 < reserved


def test_a_full_table_drops_and_counts_instead_of_failing(writer):
    for _ in range(205):
        writer.append(GAPS, (1, 0, 0, 1, 0))
    writer.flush()
    assert writer.dropped() == {GAPS: 5}


def test_nothing_is_ever_overwritten(writer):
    before = writer.path.read_bytes()
    with pytest.raises(SessionExists):
        SessionWriter(writer.path, HEADER, ROOM)
    assert writer.path.read_bytes() == before


def test_a_recorder_keeps_others_from_writing(writer):
    assert host.is_held(writer.path)
    writer.close(Outcome.FINISHED)
    assert not host.is_held(writer.path)


@pytest.mark.parametrize("text_bytes", [0, 250_000])
def test_what_is_said_to_be_reserved_is_enough_and_not_much_more(tmp_path, text_bytes):
    texts = {"rig": "x" * text_bytes, "protocol": "x" * text_bytes}
    clips = {"film": ({"file": "f"}, np.zeros(text_bytes))}
    made = SessionWriter(tmp_path / "run.h5", Header({}, {}, texts, {}, clips), ROOM)
    try:
        taken = sum(path.stat().st_blocks for path in tmp_path.iterdir()) * 512
    finally:
        os.close(made.fd)
    assert taken <= reserved_bytes(ROOM) <= taken + HEADER_ROOM
