"""The core driven by threads in real time gives what it gives driven by one thread in virtual time."""

from __future__ import annotations

import errno
import json
import re
import threading
import time
from collections import deque
from pathlib import Path

import h5py
import numpy as np
import pytest

from rig import host
from rig.cameras.camera import AtStop, Baseline
from rig.clock import NS, HostClock
from rig.errors import StorageError
from rig.record import threads
from rig.record.messages import ArmCamera, Armed, Event, StopCamera, Stopped, StopRequested
from rig.record.storage import Storage, StorageThreads
from rig.record.telemetry import Telemetry
from rig.session import closing
from rig.session.layout import Outcome
from rig.session.run import Run
from rig.session.writer import SessionWriter
from rig.sim.world import World
from rig.stimulus.screen import StepEnded
from rig.streams import Evidence, Frame, Status
from rig.trigger.wire import Cause
from rig.verify.findings import Word
from rig.verify.verdict import verify_run
from tests.full_disk import fill_disk_after
from tests.rigs import record, write_film_protocol, write_protocol, write_rig

FAULTS = "lost_frames: 5, lost_pulses: 4, ghost_frames: 3, last_pulse: 250"
STREAMS = ("HS", "VIS", "NIR")
ENDS_WITHIN_S = 30
SESSIONS = 3


def test_threads_and_one_thread_give_equal_frames_rows_gaps_and_verdict(tmp_path):
    """In the first of some sessions in which this computer does not stand still: what comes of that, others test."""
    unlike = []
    for number in range(SESSIONS):
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            _assert_alike(folder)
            return
        except AssertionError as error:
            unlike.append(error)
    raise ExceptionGroup("in no session", unlike)


def _assert_alike(tmp_path):
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
    for name in ("epoch", "frame_number", "pulse_number", "counter", "exposure_us", "status"):
        np.testing.assert_array_equal(real[f"{group}/frames"][name][:body], virtual[f"{group}/frames"][name][:body])
    # A computer that is held up may not confirm a counter any more: then the camera's timestamps alone have to do.
    evidence = real[f"{group}/frames"]["evidence"][:body]
    assert (evidence >= Evidence.TIMESTAMPS).all()
    assert (evidence <= virtual[f"{group}/frames"]["evidence"][:body]).all()
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
    """Every check's word; how long the disk took and how late flips and frames came is the machine's alone."""
    telemetry, by_arrival = {"acknowledged", "late flips", "box rate", "host clock", "disk"}, {"free run", "sync LEDs"}
    with Run(path) as run:
        findings = verify_run(run).findings
    assert {f.word for f in findings if f.check in by_arrival} <= {Word.PASS, Word.NOT_MEASURED}
    return [(f.check, f.stream, str(f.word)) for f in findings if f.check not in telemetry | by_arrival]


@pytest.mark.parametrize("virtual", [True, False])
def test_a_full_disk_keeps_what_was_written_and_says_so(tmp_path, monkeypatch, virtual):
    fill_disk_after(monkeypatch, 2_500_000)
    protocol = write_protocol(tmp_path, ("still", 5, "all"))
    recorded = record(tmp_path, write_rig(tmp_path), protocol, virtual=virtual)
    assert recorded.outcome is Outcome.DISK_FULL
    assert any("No space left" in alarm for alarm in recorded.alarms)
    with h5py.File(recorded.path) as run:
        assert run.attrs["outcome"] == "disk_full"
        assert 150 < len(run["/acquisition/HS/data"]) < 400
        assert len(run["/acquisition/HS/data"]) >= len(run["/acquisition/HS/frames"])


def is_of_run(fd: int) -> bool:
    """Whether this is the file of the run, not the one of the channel."""
    return Path(f"/proc/self/fd/{fd}").readlink().suffix == ".h5"


@pytest.mark.parametrize("virtual", [True, False])
@pytest.mark.parametrize("is_disk", [True, False])
def test_a_sync_that_fails_ends_the_run_in_order_and_nothing_is_acknowledged_by_it(
    tmp_path, monkeypatch, virtual, is_disk
):
    """It is the first that would acknowledge frames after one that has."""
    real, take_ticket, note_sync = host.sync_data, Storage.take_ticket, Storage.note_sync
    asked, acknowledged, failed = [0], [0], []

    def taken(storage):
        ticket = take_ticket(storage)
        asked[0] = ticket.frames
        return ticket

    def noted(storage, synced):
        note_sync(storage, synced)
        acknowledged[0] += synced.frames

    def sync_data(fd):
        if asked[0] and acknowledged[0] and not failed and is_of_run(fd):
            failed.append(asked[0])
            raise OSError(errno.EIO, "Input/output error") if is_disk else IndexError("planted")
        real(fd)

    monkeypatch.setattr(Storage, "take_ticket", taken)
    monkeypatch.setattr(Storage, "note_sync", noted)
    monkeypatch.setattr(host, "sync_data", sync_data)
    protocol = write_protocol(tmp_path, ("still", 8, "all"))
    recorded = record(tmp_path, write_rig(tmp_path), protocol, virtual=virtual)
    assert recorded.outcome is (Outcome.DISK_FULL if is_disk else Outcome.FAILED)
    said = "disk: .*: was not written: Input/output error" if is_disk else "recorder: .*by a fault of this program"
    assert [alarm for alarm in recorded.alarms if re.match(said, alarm)] != []
    with Run(recorded.path) as run:
        assert str(run.outcome) == str(recorded.outcome)
        stored = sum(len(stream.frames) for of in (run.streams, run.walk_streams) for stream in of.values())
        assert 0 < int(run.syncs["frames"].sum()) <= acknowledged[0] <= stored - failed[0]


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
    flush, append, written, waiting = SessionWriter.flush, SessionWriter.append, [0], [0]

    def counted(self, path, row):
        waiting[0] += path == "/acquisition/HS/frames"
        append(self, path, row)

    def faulty(self):
        if written[0] > 50:
            written[0] = 0
            raise OverflowError("a row that does not fit")
        flush(self)
        written[0] += waiting[0]
        waiting[0] = 0

    monkeypatch.setattr(SessionWriter, "append", counted)
    monkeypatch.setattr(SessionWriter, "flush", faulty)
    recorded = record(tmp_path, write_rig(tmp_path), write_protocol(tmp_path, ("still", 30, "all")), virtual=False)
    assert recorded.outcome is Outcome.FAILED
    assert any("by a fault of this program" in alarm for alarm in recorded.alarms)
    with Run(recorded.path) as run:
        assert str(run.outcome) == "failed"
        assert "OverflowError: a row that does not fit" in [entry.get("cause") for entry in run.log]
        assert len(run.streams["HS"].frames) > 50


class WaitingFrames:
    """Stands for a camera in whose driver frames wait: so many are taken at once, the others not before it stops."""

    name = "HS"

    def __init__(self, taken: int) -> None:
        self._numbers, self._taken = deque(range(taken + 40)), taken
        self.is_quiet = threading.Event()  # nobody is given a frame any more

    def arm(self, epoch: int) -> Baseline:
        return Baseline(epoch, 0, NS, -1, "", {})

    def grab(self, timeout_s: float) -> Frame | None:
        if timeout_s and self._taken == 0:
            self.is_quiet.set()
            time.sleep(timeout_s)
            return None
        self._taken -= self._taken > 0
        if not self._numbers:
            return None
        number = self._numbers.popleft()
        return Frame("HS", 1, number, 0, -1, 4000.0, 0, Status.OK, "", 0, np.zeros((64, 96), np.uint8), number)

    def stop(self) -> AtStop:
        return AtStop({})


def test_frames_that_wait_in_the_driver_at_the_end_are_not_thrown_away():
    """A busy grab thread comes to them only when the camera is to be stopped: they are told before that is."""
    camera, told = WaitingFrames(taken=3), list[Event]()
    worker = threads._CameraWorker(camera, HostClock(), Telemetry(HostClock(), {"HS": 400}, lambda: -1), told.append)
    worker.commands.put(ArmCamera("HS", 1))
    worker.start()
    try:
        assert camera.is_quiet.wait(ENDS_WITHIN_S)
        worker.commands.put(StopCamera("HS"))
    finally:
        worker.join()
    armed, *frames, stopped = told
    assert isinstance(armed, Armed)
    assert [frame.frame_number for frame in frames if isinstance(frame, Frame)] == list(range(43))
    assert isinstance(stopped, Stopped)


class StoppedStep:
    """Stands for a recorded session in which a stop at host ns 10 ended a step at 20; at 30 more was said."""

    def events(self, timeout_s: float) -> list[Event]:
        return [StepEnded(0, 20, "stopped")]

    def said(self, until_host_ns: int) -> list[Event]:
        return [StopRequested()] if 10 <= until_host_ns < 30 else []


def test_what_the_recorded_operator_said_before_a_step_ended_is_told_first_whatever_holds_their_thread_up():
    told = list[Event]()
    operator = threads._OperatorWorker(StoppedStep(), HostClock(), told.append)  # never begins
    threads._ScreenWorker(StoppedStep(), told.append, operator.tell_said).turn()
    assert [type(event) for event in told] == [StopRequested, StepEnded]


def test_rows_reach_the_file_while_a_sync_takes_long_and_every_stored_frame_is_acknowledged(tmp_path, monkeypatch):
    """A disk on which a sync takes until two flushes have begun and ended beside it, or the file is closed."""
    flushes, beside, closing = [0], [], threading.Event()
    sync_data, flush, close = host.sync_data, SessionWriter.flush, StorageThreads._close

    def slow(fd):
        if not is_of_run(fd):
            sync_data(fd)
            return
        begun, until = flushes[0], time.monotonic() + ENDS_WITHIN_S
        while flushes[0] < begun + 3 and time.monotonic() < until and not closing.wait(0.01):
            pass
        if not closing.is_set():  # the close cuts one short, and makes some itself
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
    recorded = record(tmp_path, write_rig(tmp_path), write_protocol(tmp_path, ("still", 1, "all")), virtual=False)
    assert beside
    assert min(beside) >= 3
    with Run(recorded.path) as run:
        stored = sum(len(stream.frames) for of in (run.streams, run.walk_streams) for stream in of.values())
        assert int(run.syncs["frames"].sum()) == stored


def test_a_disk_too_small_is_refused_before_anything_is_armed(tmp_path, monkeypatch):
    def no_room(fd, size):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(host, "reserve", no_room)
    with pytest.raises(StorageError, match="cannot be reserved: No space left on device"):
        record(tmp_path, write_rig(tmp_path), write_protocol(tmp_path, ("still", 1, "all")))
    assert list((tmp_path / "sessions/sub-001").iterdir()) == []  # the number is free again
