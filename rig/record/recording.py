"""One recording from its files to its end: rig, protocol and clips in, a run file out, and what can be said of it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from rig import host, wiring
from rig.children import working_folder
from rig.clips.manifest import FilmClip, find_clips
from rig.clock import NS, Clock, Reading, read_raw, read_utc
from rig.config.rig import RigFile
from rig.elicitation.protocol import ProtocolFile, unroll
from rig.errors import StorageError, raise_all
from rig.record.abilities import beyond_box
from rig.record.camera_rules import camera_infos, unfit_cameras
from rig.record.header import Subject, header
from rig.record.keeping import Counts
from rig.record.messages import Event, Mishap
from rig.record.packers import kinds
from rig.record.plan import RunPlan, plan_run
from rig.record.run import Run
from rig.record.states import RunState
from rig.record.storage import Storage
from rig.record.telemetry import Telemetry
from rig.record.threads import ThreadedRecorder
from rig.record.virtual import VirtualRecorder
from rig.session.files import RunFiles
from rig.session.folder import SessionFolder, beside, new_session, write_private
from rig.session.layout import Outcome
from rig.stimulus.screen import StepBegan
from rig.streams import ClockPair, DeviceInfo, Frame
from rig.trigger.box import RunEnded

UTC_EVERY_S = 10
FIRST_RUN = 1


@dataclass(frozen=True)
class Request:
    """What the user asked for."""

    rig: RigFile
    protocol: ProtocolFile
    subject: str
    out: Path
    session: int | None = None
    scripted: bool = False
    virtual: bool = False


@dataclass(frozen=True)
class Status:
    """How a recording stands; for one status line a second."""

    seconds: float
    state: RunState
    step: str  # name of what is on the screen; empty before and after
    step_number: int  # from 1; 0 before
    steps: int
    counts: dict[str, Counts]
    stored_bytes: int
    free_bytes: int  # on the session's disk; -1: the system did not tell
    alarms: tuple[str, ...]  # without those of what is over
    is_simulated: bool  # any device of it


@dataclass(frozen=True)
class Recorded:
    """What came of it."""

    path: Path  # the run file
    outcome: Outcome
    counts: dict[str, Counts]
    alarms: tuple[str, ...]
    slowest_ms: float | None  # longest from grab to acknowledged; None in virtual time, or when not all frames were
    logs: tuple[Path, ...] = ()  # of child processes, when it did not end in order
    is_given_up: bool = False  # stopped before the first frame, and nothing of it was kept


@dataclass(frozen=True)
class _Job:
    """What a recording works with, once everything is found and open."""

    subject: Subject
    plan: RunPlan
    clips: dict[str, FilmClip]
    devices: wiring.Devices
    clock: Clock
    virtual: wiring.Virtual | None
    folder: Path | None  # where child processes write their logs

    @cached_property
    def infos(self) -> dict[str, DeviceInfo]:
        """Who each device says it is."""
        cameras = {name: camera.describe() for name, camera in self.devices.cameras.items()}
        return {**cameras, "box": self.devices.box.describe(), "screen": self.devices.screen.describe()}

    @property
    def is_simulated(self) -> bool:
        """Whether any device says that it is simulated."""
        return any(info.simulated for info in self.infos.values())


class Recording:
    """A recording. `stop` and `abort` may be called from a signal handler."""

    def __init__(self, request: Request, on_status: Callable[[Status], None]) -> None:
        self._request, self._on_status = request, on_status
        self._recorder: ThreadedRecorder | VirtualRecorder | None = None
        self._is_interrupted = False

    def stop(self) -> None:
        """End it in order; however often it is called.

        Before anything is recorded it raises KeyboardInterrupt, once: there is nothing to put in order.
        """
        if self._recorder is not None:
            self._recorder.stop()
        elif not self._is_interrupted:
            self._is_interrupted = True
            raise KeyboardInterrupt

    def abort(self) -> None:
        """End it at once; the file is closed, too. Before anything is recorded it raises KeyboardInterrupt."""
        if self._recorder is None:
            raise KeyboardInterrupt
        self._recorder.abort()

    def record(self) -> Recorded:
        """Run it to its end; blocks. Raises UserError, DeviceError or StorageError; what was recorded is kept."""
        request = self._request
        clips = find_clips(request.protocol)
        seconds = {name: clip.seconds for name, clip in clips.items()}
        steps = unroll(request.protocol.protocol, list(request.rig.rig.cameras), seconds)
        folder = new_session(request.out, request.subject, request.session)
        subject = Subject(folder, FIRST_RUN, 1 + secrets.randbelow(2**32 - 2))
        try:
            with _opened(request, clips, beside(folder.run_path(FIRST_RUN), "truth.jsonl")) as opened:
                job = _Job(subject, plan_run(request.rig.rig, steps), clips, *opened)
                recorded = self._record(job)
                if not recorded.outcome.is_orderly and job.folder is not None:
                    return _with_logs(recorded, job.folder)
                return recorded
        finally:
            _drop_if_empty(folder)

    def _record(self, job: _Job) -> Recorded:
        rig = self._request.rig
        raise_all([*beyond_box(rig, job.infos["box"]), *unfit_cameras(rig, camera_infos(job.infos))])
        path = job.subject.folder.run_path(job.subject.run)
        writer = _create(self._request, job)
        cameras = job.devices.cameras

        telemetry = Telemetry(job.clock, job.plan.buffers, partial(host.free_bytes, path.parent))

        def release(frame: Frame) -> None:
            telemetry.gave(frame)
            cameras[frame.stream].release(frame)

        storage = Storage(writer, release, telemetry, kinds(job.plan))
        run = Run(job.plan, walk_id=job.subject.run_id ^ 1, run_id=job.subject.run_id, box_name=job.devices.box.name)
        observer = _Observer(run, job, storage, self._on_status)
        if job.virtual is not None:
            self._recorder = VirtualRecorder(run, job.virtual, storage)
        else:
            self._recorder = ThreadedRecorder(run, job.devices, storage, job.clock)
        observer.tell = self._recorder.tell
        try:
            self._recorder.record(observer.on_event, observer.on_second)
        except StorageError as error:  # all frames are in the file; readers see a run that was never closed
            run.outcome = Outcome.CLOSE_FAILED
            run.alarms.append(f"disk: {error}")
        is_given_up = run.outcome is Outcome.STOPPED and not any(c.arrived for c in run.counts.values())
        if is_given_up:
            for written in writer.paths:  # the number is free again
                written.unlink(missing_ok=True)
        slowest_ms = storage.slowest_ms if job.virtual is None else None
        return Recorded(path, run.outcome, run.counts, tuple(run.alarms), slowest_ms, is_given_up=is_given_up)


class _Observer:
    """Sees what the core sees: keeps the status and the participant informed."""

    def __init__(self, run: Run, job: _Job, storage: Storage, on_status: Callable[[Status], None]) -> None:
        self.tell: Callable[[Event], None] = lambda _: None
        self._run, self._job, self._storage, self._on_status = run, job, storage, on_status
        self._began_ns = job.clock.now_ns()
        self._seconds = 0

    def on_event(self, event: Event) -> None:
        """Look at an event before the core takes it."""
        if isinstance(event, RunEnded):
            self._read_clocks()
        elif isinstance(event, StepBegan):
            self._beside("the scripted participant", self._job.devices.on_step, self._job.plan.steps[event.step])

    def on_second(self) -> None:
        """Show the status; now and then read the other clocks of this machine."""
        if self._seconds % UTC_EVERY_S == 0:
            self._read_clocks()
        self._seconds += 1
        if not self._beside("the status", lambda: self._on_status(self._status())):
            self._on_status = lambda _: None

    def _beside(self, what: str, work: Callable[..., None], *of: object) -> bool:
        """Do what is not recording itself: if it goes wrong it is noted, and the run goes on."""
        try:
            work(*of)
        except Exception as exc:
            self.tell(Mishap(f"{what}: {exc}"))
            return False
        return True

    def _read_clocks(self) -> None:
        """Read this machine's other clocks against the host clock; virtual time has none."""
        if self._job.virtual is None:
            self.tell(_pair("utc", read_utc(self._job.clock)))
            self.tell(_pair("raw", read_raw(self._job.clock)))

    def _status(self) -> Status:
        run, steps = self._run, self._job.plan.steps
        showing = steps[run.step_index].name if 0 <= run.step_index < len(steps) else ""
        return Status(
            seconds=(self._job.clock.now_ns() - self._began_ns) / NS,
            state=run.state,
            step=showing,
            step_number=min(run.step_index + 1, len(steps)),
            steps=len(steps),
            counts=run.counts,
            stored_bytes=self._storage.stored_bytes,
            free_bytes=self._storage.telemetry.free_bytes,
            alarms=tuple(run.standing_alarms),
            is_simulated=self._job.is_simulated,
        )


def _pair(clock: str, reading: Reading) -> ClockPair:
    value = reading.reading_ns
    return ClockPair(clock, value, value, reading.host_before_ns, reading.host_after_ns)


def _create(request: Request, job: _Job) -> RunFiles:
    """Make the run file; all its room is reserved when this returns."""
    head = header(job.subject, request.rig, request.protocol, job.clips, job.plan, job.infos, job.clock.now_ns())
    plan, path_of = job.plan, job.subject.folder.run_path
    return RunFiles(path_of, head, plan.room, least=plan.least, next_room=plan.next_room)


@contextmanager
def _opened(
    request: Request, clips: dict[str, FilmClip], truth: Path
) -> Iterator[tuple[wiring.Devices, Clock, wiring.Virtual | None, Path | None]]:
    """The rig's devices, open; on an error the folder with their logs is left for looking at."""
    rig = request.rig.rig
    if request.virtual:
        virtual = wiring.open_virtual(rig, clips, truth=truth, scripted=request.scripted)
        try:
            yield virtual.devices, virtual.clock, virtual, None
        finally:
            virtual.devices.close()
        return
    with working_folder() as folder:
        devices, clock = wiring.open_devices(rig, clips, folder, truth=truth, scripted=request.scripted)
        try:
            yield devices, clock, None, folder
        finally:
            devices.close()


def _with_logs(recorded: Recorded, folder: Path) -> Recorded:
    """What the child processes printed, kept beside a run that did not end in order; a full disk is one more alarm."""
    kept, refused = [], []
    for log in sorted(folder.glob("*.log")):
        try:
            write_private(copy := beside(recorded.path, log.name), log.read_bytes())
            kept.append(copy)
        except StorageError as error:
            refused.append(f"disk: {error}")
    return replace(recorded, alarms=(*recorded.alarms, *refused), logs=tuple(kept))


def _drop_if_empty(folder: SessionFolder) -> None:
    """A session in which nothing was recorded keeps no number."""
    with suppress(OSError):  # it holds something, or is not there any more
        folder.path.rmdir()
