"""Frames wait in their cameras' own buffers while the disk takes none: told in time, and lost only by number."""

from __future__ import annotations

from types import SimpleNamespace

import h5py
import numpy as np

from rig import host
from rig.clock import NS
from rig.config.rig import read_rig
from rig.elicitation.protocol import read_protocol
from rig.record.messages import ReleaseFrame, StoreFrame
from rig.record.recording import Recording, Request
from rig.record.storage import Storage
from rig.session import packing
from rig.session.folder import beside
from rig.session.layout import Outcome
from rig.session.run import Run
from rig.sim.camera import SimulatedCamera
from rig.sim.faults import Fault, read_truth
from rig.streams import Frame, GapCause
from rig.verify.verdict import verify_run
from tests.record.blocking import STREAMS, BlockedWrite, HeldFrames, lost, overruns
from tests.record.test_compressed import compressing
from tests.rigs import record, write_protocol, write_rig

FRAME_BYTES = 96 * 64
BUFFERS = {"HS": 400, "VIS": 100, "NIR": 100}  # 4 s


class StalledWriter:
    """For so long after so many pictures it does nothing of what is asked, and then all of it, in virtual time."""

    def __init__(self, monkeypatch, *, after: int, seconds: float) -> None:
        self.after, self.seconds = after, seconds
        self.until: int | None = None
        self.waiting: list[object] = []
        self.most_pictures = self.most_actions = 0
        self._do, self._flush = Storage.do, Storage.flush
        monkeypatch.setattr(Storage, "do", lambda storage, action: self.do(storage, action))
        monkeypatch.setattr(Storage, "flush", lambda storage: self.flush(storage))

    def do(self, storage: Storage, action: object) -> None:
        if isinstance(action, StoreFrame) and "acquisition" in action.path:
            self.after -= 1
        now = storage.telemetry._clock.now_ns()
        if self.after == 0 and self.until is None:
            self.until = now + round(self.seconds * NS)
        if self.until is not None and now < self.until:
            self.waiting.append(action)
            pictures = sum(isinstance(a, StoreFrame | ReleaseFrame) for a in self.waiting)
            self.most_pictures = max(self.most_pictures, pictures)
            self.most_actions = max(self.most_actions, len(self.waiting))
        else:
            self._catch_up(storage)
            self._do(storage, action)

    def flush(self, storage: Storage) -> None:
        if self.until is None or storage.telemetry._clock.now_ns() >= self.until:
            self._catch_up(storage)
            self._flush(storage)

    def _catch_up(self, storage: Storage) -> None:
        while self.waiting:
            self._do(storage, self.waiting.pop(0))


def words(path) -> dict[tuple[str, str], str]:
    with Run(path) as run:
        return {(f.check, f.stream): str(f.word) for f in verify_run(run).findings}


def test_a_writer_that_stalls_for_two_seconds_loses_nothing(tmp_path, monkeypatch):
    stalled = StalledWriter(monkeypatch, after=150, seconds=2)
    recorded = record(tmp_path, write_rig(tmp_path), write_protocol(tmp_path, ("still", 8, "all")))
    assert stalled.most_pictures > 250  # 150 a second
    assert recorded.outcome is Outcome.FINISHED
    assert {name: counts.lost for name, counts in recorded.counts.items()} == dict.fromkeys(STREAMS, 0)
    assert read_truth(beside(recorded.path, "truth.jsonl")) == []
    failed = {check for (check, _), word in words(recorded.path).items() if word == "FAIL"}
    assert failed == {"acknowledged"}  # a frame that waited for two seconds was not on the disk within two


def test_a_stall_longer_than_the_buffers_is_alarmed_before_and_loses_exactly_what_is_numbered(tmp_path, monkeypatch):
    stalled = StalledWriter(monkeypatch, after=150, seconds=5)
    recorded = record(tmp_path, write_rig(tmp_path), write_protocol(tmp_path, ("still", 12, "all")))
    truth = read_truth(beside(recorded.path, "truth.jsonl"))
    assert {t.fault for t in truth} == {Fault.OVERRUN}
    assert 90 < sum(t.stream == "HS" for t in truth) < 110  # of 500 frames, 400 had a buffer
    assert recorded.outcome is Outcome.FINISHED  # it went on
    with h5py.File(recorded.path) as run:
        assert lost(run) == {(t.stream, t.pulse) for t in truth}
        for stream in STREAMS:
            causes = run[f"/acquisition/{stream}/gaps"]["cause"]
            assert set(causes.tolist()) == {GapCause.LOST_AFTER_EXPOSURE}
    told = [i for i, a in enumerate(recorded.alarms) if "of frames wait to be written" in a]
    first_loss = next(i for i, alarm in enumerate(recorded.alarms) if "overruns" in alarm or "being lost" in alarm)
    assert len(told) == len(STREAMS)  # one for each stream, however long it stands
    assert max(told) < first_loss
    assert "the disk took 0.0 MB in the last second" in recorded.alarms[told[0]]
    failed = {check for (check, stream), word in words(recorded.path).items() if word == "FAIL"}
    assert failed == {"frames", "acknowledged"}
    # Rows come on, and no more than the box, the screen and the cameras send: pulses, flips, and some reports.
    assert 1_500 < stalled.most_actions <= 2 * sum(BUFFERS.values()) + 5 * (100 + 60 + 30)
    assert stalled.most_pictures <= sum(BUFFERS.values())


def test_the_alarm_of_waiting_frames_is_taken_back_when_they_are_written(tmp_path, monkeypatch):
    StalledWriter(monkeypatch, after=150, seconds=3)
    standing: list[tuple[str, ...]] = []
    files = write_rig(tmp_path), write_protocol(tmp_path, ("still", 9, "all"))
    request = Request(read_rig(files[0]), read_protocol(files[1]), "001", tmp_path / "sessions", virtual=True)
    recorded = Recording(request, lambda status: standing.append(status.alarms)).record()
    assert any("HS: 2." in alarm for alarms in standing for alarm in alarms)
    assert not [alarm for alarm in standing[-1] if "wait to be written" in alarm]
    with Run(recorded.path) as run:
        notes = [entry["text"] for entry in run.log if entry["kind"] == "note"]
    told = sorted(text for text in notes if "that waited" in text)
    assert told == [f"{stream}: the frames that waited are written" for stream in sorted(STREAMS)]


def test_a_blocked_write_stalls_no_grab_thread_and_every_loss_has_its_number(tmp_path, monkeypatch):
    """In real time, until the frames that were grabbed meanwhile fill all buffers and others find none."""
    held, path = HeldFrames(monkeypatch), tmp_path / "sessions/sub-001/ses-01/sub-001_ses-01_run-01_session.h5"

    def is_full() -> bool:
        return held.counts == BUFFERS and {stream for stream, _ in overruns(path)} == set(STREAMS)

    blocked = BlockedWrite(monkeypatch, after=200, until=is_full)
    recorded = record(tmp_path, write_rig(tmp_path), write_protocol(tmp_path, ("still", 6, "all")), virtual=False)
    assert blocked.is_over
    assert recorded.outcome is Outcome.FINISHED
    with h5py.File(path) as run:
        assert lost(run) == overruns(path)
        rows = run["/telemetry/queues"][:]
        assert {stream: rows["deepest"][rows["stream"] == stream.encode()].max() for stream in STREAMS} == BUFFERS
        assert run["/telemetry/disk"]["longest_write_ns"].max() >= blocked.lasted_ns
    assert "disk: frames were not acknowledged within 2 s" in recorded.alarms


def test_a_picture_is_handed_to_the_system_from_the_cameras_own_memory(tmp_path, monkeypatch):
    """Between a camera's buffer and the system's cache there is no copy of a picture: it is the same memory."""
    grab, write = SimulatedCamera.grab, host.write_at
    delivered: list[int] = []
    handed: list[int] = []

    def address(data: object) -> int:
        return np.frombuffer(data, np.uint8).__array_interface__["data"][0]

    def noted(self, timeout_s):
        came = grab(self, timeout_s)
        if came is not None and hasattr(came, "pixels"):
            delivered.append(address(came.pixels.data.cast("B")))
        return came

    def watched(fd, data, offset):
        if memoryview(data).nbytes == FRAME_BYTES:
            handed.append(address(data))
        write(fd, data, offset)

    monkeypatch.setattr(SimulatedCamera, "grab", noted)
    monkeypatch.setattr(host, "write_at", watched)
    recorded = record(tmp_path, write_rig(tmp_path), write_protocol(tmp_path, ("still", 1, "all")))
    assert sum(c.stored for c in recorded.counts.values()) > 150
    assert len(handed) >= sum(c.stored for c in recorded.counts.values())
    assert sorted(handed) == sorted(delivered)


def test_a_picture_that_is_compressed_is_copied_by_the_packer_alone(tmp_path, monkeypatch):
    """The packer reads the camera's own memory, and what it made is handed to the system from where it made it."""
    grab, write, library = SimulatedCamera.grab, host.write_at, packing._library()
    delivered: list[int] = []
    packed: list[tuple[int, int]] = []
    written: set[int] = set()

    def noted(self, timeout_s):
        came = grab(self, timeout_s)
        if isinstance(came, Frame) and came.epoch > 0:  # the line walk is never compressed
            delivered.append(came.pixels.ctypes.data)
        return came

    def compress(source, to, *sizes):
        packed.append((source, to))
        return library.compress(source, to, *sizes)

    def watched(fd, data, offset):
        written.add(np.frombuffer(data, np.uint8).ctypes.data)
        write(fd, data, offset)

    watching = SimpleNamespace(compress=compress, bound=library.bound, block=library.block)
    monkeypatch.setattr(SimulatedCamera, "grab", noted)
    monkeypatch.setattr(packing, "_library", lambda: watching)
    monkeypatch.setattr(host, "write_at", watched)
    rig = compressing(write_rig(tmp_path), *STREAMS)
    recorded = record(tmp_path, rig, write_protocol(tmp_path, ("still", 1, "all")))
    assert sum(c.stored for c in recorded.counts.values()) == len(packed) > 150
    assert sorted(source for source, _ in packed) == sorted(delivered)
    assert {to - packing._HEAD.size for _, to in packed} <= written
