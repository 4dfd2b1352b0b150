"""The core driven by threads in real time gives what it gives driven by one thread in virtual time."""

from __future__ import annotations

import errno
import json
import re
import threading
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from rig import host
from rig.errors import StorageError
from rig.record.states import RunState
from rig.record.storage import StorageThreads
from rig.session import closing
from rig.session.layout import Outcome
from rig.session.run import Run
from rig.session.writer import SessionWriter
from rig.sim.camera import SimulatedCamera
from rig.sim.world import World
from rig.trigger.wire import Cause
from rig.verify.verdict import verify_run
from tests.full_disk import fill_disk_after
from tests.rigs import record, write_film_protocol, write_protocol, write_rig

FAULTS = "lost_frames: 5, lost_pulses: 4, ghost_frames: 3, last_pulse: 250"
STREAMS = ("HS", "VIS", "NIR")
ENDS_WITHIN_S = 30


def test_threads_and_one_thread_give_equal_frames_rows_gaps_and_verdict(tmp_path):
    rig = write_rig(tmp_path, seed=3, faults=FAULTS)
    protocol = write_film_protocol(tmp_path)
    by_threads = record(tmp_path, rig, protocol, virtual=False)
    by_one = record(tmp_path, rig, protocol, virtual=True)

    with h5py.File(by_threads.path) as real, h5py.File(by_one.path) as virtual:
        for stream in STREAMS:
            _compare_stream(real, virtual, stream)
        assert _answers(real) == _answers(virtual)
        assert len(_answers(real)) == 1
        np.testing.assert_array_equal(real["/intervals/trials"]["step"], virtual["/intervals/trials"]["step"])
        assert _films(real) == _films(virtual)
    assert _verdict(by_threads.path) == _verdict(by_one.path)


def _compare_stream(real: h5py.File, virtual: h5py.File, stream: str) -> None:
    """Equal up to where the shorter one's postamble begins: how long the screen took is not the same to the pulse."""
    group, walk = f"/acquisition/{stream}", f"/line_walk/{stream}"
    body = min(len(real[f"{group}/frames"]), len(virtual[f"{group}/frames"])) - 12
    assert body > 30
    for name in ("epoch", "evidence", "frame_number", "pulse_number", "counter", "exposure_us", "status"):
        np.testing.assert_array_equal(real[f"{group}/frames"][name][:body], virtual[f"{group}/frames"][name][:body])
    np.testing.assert_array_equal(_marks(real[f"{group}/data"][:body]), _marks(virtual[f"{group}/data"][:body]))
    np.testing.assert_array_equal(_marks(real[f"{walk}/data"][:]), _marks(virtual[f"{walk}/data"][:]))
    np.testing.assert_array_equal(real[f"{group}/gaps"], virtual[f"{group}/gaps"])
    for name in ("epoch", "frame_index", "frame_number", "after_pulse"):
        np.testing.assert_array_equal(real[f"{group}/extras"][name], virtual[f"{group}/extras"][name])


def _marks(pictures: np.ndarray) -> np.ndarray:
    """The burnt-in number and the sync LEDs; the face between them moves with time, which is never the same twice."""
    leds = [pictures[:, -12:-4, left : left + 8] for left in (4, 20, 36)]
    return np.concatenate([part.reshape(len(pictures), -1) for part in (pictures[:, :20, :96], *leds)], axis=1)


def _answers(run: h5py.File) -> list[tuple[str, str]]:
    rows, text = run["/stimulus/answers/rows"][:], bytes(run["/stimulus/answers/text"][:])
    told = [json.loads(text[row["offset"] : row["offset"] + row["length"]]) for row in rows]
    return [(answer["question"], answer["answer"]) for answer in told]


def _films(run: h5py.File) -> list[int]:
    shown = run["/stimulus/presentation/flips"]["film_frame"][:]
    return sorted(set(shown.tolist()))


def _verdict(path) -> list[tuple[str, str, str]]:
    """Every check's word; how long the disk took and how late flips were is the machine's, not the session's."""
    telemetry = {"acknowledged", "late flips", "box rate", "host clock", "disk"}
    with Run(path) as run:
        findings = verify_run(run).findings
    return [(f.check, f.stream, str(f.word)) for f in findings if f.check not in telemetry]


@pytest.mark.parametrize("virtual", [True, False])
def test_a_full_disk_keeps_what_was_written_and_says_so(tmp_path, monkeypatch, virtual):
    fill_disk_after(monkeypatch, 4_000_000)
    protocol = write_protocol(tmp_path, ("still", 8, "all"))
    recorded = record(tmp_path, write_rig(tmp_path), protocol, virtual=virtual)
    assert recorded.outcome is Outcome.DISK_FULL
    assert "No space left" in recorded.alarms[0]
    with h5py.File(recorded.path) as run:
        assert run.attrs["outcome"] == "disk_full"
        assert 300 < len(run["/acquisition/HS/data"]) < 600
        assert len(run["/acquisition/HS/data"]) >= len(run["/acquisition/HS/frames"])


def is_of_run(fd: int) -> bool:
    """Whether this is the file of the run, not the one of the channel."""
    return Path(f"/proc/self/fd/{fd}").readlink().suffix == ".h5"


@pytest.mark.parametrize("virtual", [True, False])
@pytest.mark.parametrize("is_disk", [True, False])
def test_a_sync_that_fails_ends_the_run_in_order_and_nothing_is_acknowledged_by_it(
    tmp_path, monkeypatch, virtual, is_disk
):
    real, syncs, is_under_way = host.sync_data, [0], [False]

    def sync_data(fd):
        syncs[0] += is_under_way[0] and is_of_run(fd)
        if syncs[0] == 2 and is_of_run(fd):
            raise OSError(errno.EIO, "Input/output error") if is_disk else IndexError("planted")
        real(fd)

    def on_status(status):
        is_under_way[0] |= status.state is RunState.RECORDING and status.counts["HS"].arrived > 100

    monkeypatch.setattr(host, "sync_data", sync_data)
    protocol = write_protocol(tmp_path, ("still", 8, "all"))
    recorded = record(tmp_path, write_rig(tmp_path), protocol, virtual=virtual, on_status=on_status)
    assert recorded.outcome is (Outcome.DISK_FULL if is_disk else Outcome.FAILED)
    said = "disk: .*: was not written: Input/output error" if is_disk else "recorder: .*by a fault of this program"
    assert re.match(said, recorded.alarms[0])
    with Run(recorded.path) as run:
        assert str(run.outcome) == str(recorded.outcome)
        acknowledged = int(run.syncs["frames"].sum())
        assert 0 < acknowledged < sum(len(stream.frames) for stream in run.streams.values())


@pytest.mark.parametrize("virtual", [True, False])
def test_a_close_that_fails_says_so_and_leaves_every_frame_readable(tmp_path, monkeypatch, virtual):
    def refuse(path, pages, size):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(closing, "commit", refuse)
    protocol = write_protocol(tmp_path, ("still", 1, "all"))
    recorded = record(tmp_path, write_rig(tmp_path), protocol, virtual=virtual)
    assert recorded.outcome is Outcome.CLOSE_FAILED
    assert "Input/output error" in recorded.alarms[-1]
    with Run(recorded.path) as run:
        assert str(run.outcome) == "incomplete"
        pulses = run.streams["HS"].pulse_numbers.tolist()
    assert len(pulses) > 120
    assert pulses == list(range(len(pulses)))


def test_a_box_that_restarts_in_mid_run_is_told_by_the_recorder_and_found_by_verify(tmp_path, monkeypatch):
    make = World.__init__

    def with_brown_out(self, rig, start_host_ns, truth):
        make(self, rig, start_host_ns, truth)
        moment = start_host_ns + 4_000_000_000
        self._at(moment, lambda: self.box.reset(moment, Cause.BROWN_OUT))

    monkeypatch.setattr(World, "__init__", with_brown_out)
    recorded = record(tmp_path, write_rig(tmp_path), write_protocol(tmp_path, ("still", 5, "all")))
    assert recorded.outcome is Outcome.DEVICE_LOST
    with Run(recorded.path) as run:
        words = {f.check: f for f in verify_run(run).findings}
    assert str(words["box"].word) == "FAIL"
    assert "brown out" in words["box"].text
    assert 150 < recorded.counts["HS"].stored < 350


def test_a_fault_in_the_writer_itself_ends_in_order_and_says_so(tmp_path, monkeypatch):
    flush, calls = SessionWriter.flush, [0]

    def faulty(self):
        calls[0] += 1
        if calls[0] == 12:
            raise OverflowError("a row that does not fit")
        flush(self)

    monkeypatch.setattr(SessionWriter, "flush", faulty)
    recorded = record(tmp_path, write_rig(tmp_path), write_protocol(tmp_path, ("still", 30, "all")), virtual=False)
    assert recorded.outcome is Outcome.FAILED
    assert "by a fault of this program" in recorded.alarms[0]
    with Run(recorded.path) as run:
        assert str(run.outcome) == "failed"
        assert "OverflowError: a row that does not fit" in [entry.get("cause") for entry in run.log]
        assert len(run.streams["HS"].frames) > 50


def test_frames_that_wait_in_the_driver_at_the_end_are_not_thrown_away(tmp_path, monkeypatch):
    """The grab thread of HS sleeps for 1.2 s when the postamble comes; the pool of 4 s holds what it misses."""
    grab, slept = SimulatedCamera.grab, [False]

    def late(self, timeout_s):
        frame = grab(self, timeout_s)
        if frame is not None and frame.epoch == 1 and frame.frame_number == 110 and self.name == "HS":
            slept[0] = True
            time.sleep(1.2)
        return frame

    monkeypatch.setattr(SimulatedCamera, "grab", late)
    recorded = record(tmp_path, write_rig(tmp_path), write_protocol(tmp_path, ("still", 1, "all")), virtual=False)
    assert slept[0]
    assert {name: counts.lost for name, counts in recorded.counts.items()} == dict.fromkeys(STREAMS, 0)
    assert recorded.outcome is Outcome.FINISHED


def test_rows_reach_the_file_while_a_sync_takes_long_and_every_stored_frame_is_acknowledged(tmp_path, monkeypatch):
    """A disk on which a sync takes until two flushes have begun and ended beside it, or the file is closed."""
    flushes, beside, closing = [0], [], threading.Event()
    until = time.monotonic() + ENDS_WITHIN_S
    sync_data, flush, close = host.sync_data, SessionWriter.flush, StorageThreads._close

    def slow(fd):
        if not is_of_run(fd):
            sync_data(fd)
            return
        begun = flushes[0]
        while flushes[0] < begun + 3 and time.monotonic() < until and not closing.wait(0.01):
            pass
        beside.append(flushes[0] - begun)
        sync_data(fd)

    def counted(self):
        flush(self)
        flushes[0] += 1

    def closed(self, action):
        closing.set()
        close(self, action)

    monkeypatch.setattr(host, "sync_data", slow)
    monkeypatch.setattr(SessionWriter, "flush", counted)
    monkeypatch.setattr(StorageThreads, "_close", closed)
    recorded = record(tmp_path, write_rig(tmp_path), write_protocol(tmp_path, ("still", 3, "all")), virtual=False)
    assert len(beside) > 2
    assert min(beside[:-2]) >= 3  # the close cuts one short, and makes one itself
    with Run(recorded.path) as run:
        stored = sum(len(stream.frames) for stream in run.streams.values())
        acknowledged = int(run.syncs["frames"].sum())
    assert acknowledged == stored + 15  # of the line walk


def test_a_disk_too_small_is_refused_before_anything_is_armed(tmp_path, monkeypatch):
    def no_room(fd, size):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(host, "reserve", no_room)
    with pytest.raises(StorageError, match="cannot be reserved: No space left on device"):
        record(tmp_path, write_rig(tmp_path), write_protocol(tmp_path, ("still", 1, "all")))
    assert list((tmp_path / "sessions/sub-001").iterdir()) == []  # the number is free again
