"""One recording from its files to its end: rig, protocol and clips in, a run file out, and what can be said of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from rig import host, wiring
from rig.children import working_folder
from rig.clips.manifest import FilmClip
from rig.clock import Clock
from rig.errors import StorageError, raise_all
from rig.private import write_private
from rig.record.abilities import beyond_box
from rig.record.booking import Booking
from rig.record.camera_rules import camera_infos, unfit_cameras
from rig.record.header import header
from rig.record.keeping import Counts
from rig.record.messages import Event
from rig.record.observer import Observer, Status
from rig.record.packers import kinds
from rig.record.preparing import Prepared, Request, prepared
from rig.record.replaying import RecordedOperator
from rig.record.run import Run
from rig.record.storage import Storage
from rig.record.telemetry import Telemetry
from rig.record.telling import Rules, Telling, hidden_words
from rig.record.threads import ThreadedRecorder
from rig.record.virtual import VirtualRecorder
from rig.session.files import RunFiles
from rig.session.folder import beside
from rig.session.layout import Outcome
from rig.streams import DeviceInfo, Frame

__all__ = ["Recorded", "Recording", "Request", "Status"]


OWED = "owed"  # who withdrew was to be asked, and could not be


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
    withdrawal: str = ""  # what becomes of the session of a participant who withdrew: keep, delete, or OWED


@dataclass(frozen=True)
class _Job:
    """What a recording works with, once everything is found and open."""

    found: Prepared
    booking: Booking
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

    def say(self, event: Event) -> None:
        """From any thread: what the operator says. Before anything is recorded it is nothing to anybody."""
        if self._recorder is not None:
            self._recorder.tell(event)

    def record(self) -> Recorded:
        """Run it to its end; blocks. Raises UserError, DeviceError or StorageError; what was recorded is kept."""
        with prepared(self._request) as found:
            booking = Booking(found.ledger, found.place, found.plan.steps, found.plan.lead.first)
            outcome, is_withdrawn, problems = Outcome.FAILED, False, list[str]()
            try:
                recorded = self._with_devices(found, booking)
                outcome, is_withdrawn = recorded.outcome, bool(recorded.withdrawal)
            finally:
                problems += booking.close(outcome, is_withdrawn=is_withdrawn)
            return replace(recorded, alarms=(*recorded.alarms, *problems))

    def _with_devices(self, found: Prepared, booking: Booking) -> Recorded:
        subject = found.subject
        with _opened(self._request, found.clips, beside(subject.folder.run_path(subject.run), "truth.jsonl")) as opened:
            job = _Job(found, booking, *opened)
            recorded = self._record(job)
            if not recorded.outcome.is_orderly and job.folder is not None:
                return _with_logs(recorded, job.folder)
            return recorded

    def _record(self, job: _Job) -> Recorded:
        rig, subject, plan = self._request.rig, job.found.subject, job.found.plan
        raise_all([*beyond_box(rig, job.infos["box"]), *unfit_cameras(rig, camera_infos(job.infos))])
        with ExitStack() as opened:
            telling = self._open_channel(job, opened)
            path = subject.folder.run_path(subject.run)
            writer = _create(self._request, job)
            cameras = job.devices.cameras
            telemetry = Telemetry(job.clock, plan.buffers, partial(host.free_bytes, path.parent))

            def release(frame: Frame) -> None:
                telemetry.gave(frame)
                cameras[frame.stream].release(frame)

            storage = Storage(writer, release, telemetry, kinds(plan))
            run = Run(plan, walk_id=subject.run_id ^ 1, run_id=subject.run_id, box_name=job.devices.box.name)
            self._run_to_end(job, run, storage, telling)
            return _recorded(job, run, storage, path)

    def _open_channel(self, job: _Job, opened: ExitStack) -> Telling | None:
        """The channel to the operator's terminal; nobody can follow virtual time."""
        if job.virtual is not None:
            return None
        protocol, steps = self._request.protocol.protocol, job.found.plan.steps
        clips = {name: clip.model_dump(mode="json") for name, clip in protocol.clips.items()}
        operator = protocol.operator
        hidden = hidden_words(clips, steps) if operator.blind else ()
        rules = Rules(operator.blind, operator.guesses, hidden, is_played=job.devices.playback is not None)
        telling = Telling(job.found.subject.folder.path, rules, steps, self.say, job.clock)
        opened.callback(telling.close)
        return telling

    def _run_to_end(self, job: _Job, run: Run, storage: Storage, telling: Telling | None) -> None:
        observer = Observer(
            run, job.found.plan.steps, storage, job.clock,
            is_virtual=job.virtual is not None, is_simulated=job.is_simulated,
            on_status=self._on_status, on_step=job.devices.on_step, booking=job.booking, telling=telling,
        )  # fmt: skip
        operator = RecordedOperator(job.devices.playback) if job.devices.playback else None
        if job.virtual is not None:
            recorder: ThreadedRecorder | VirtualRecorder = VirtualRecorder(run, job.virtual, storage, operator)
        else:
            recorder = ThreadedRecorder(run, job.devices, storage, job.clock, operator)
        observer.tell = recorder.tell
        self._recorder = recorder
        try:
            recorder.record(observer.on_event, observer.on_second)
        except StorageError as error:  # all frames are in the file; readers see a run that was never closed
            run.outcome = Outcome.CLOSE_FAILED
            run.alarms.append(f"disk: {error}")
        observer.ended()


def _recorded(job: _Job, run: Run, storage: Storage, path: Path) -> Recorded:
    """What came of it; a session that was stopped before anything was recorded is none."""
    is_given_up = run.outcome is Outcome.STOPPED and not any(c.arrived for c in run.counts.values())
    if is_given_up:
        for written in storage.writer.paths:  # the number is free again
            written.unlink(missing_ok=True)
    return Recorded(
        path, run.outcome, run.counts, tuple(run.alarms),
        storage.slowest_ms if job.virtual is None else None,
        is_given_up=is_given_up, withdrawal=_withdrawal(run),
    )  # fmt: skip


def _withdrawal(run: Run) -> str:
    """What becomes of the session: a window or a disk that failed is no answer of the participant's."""
    return OWED if run.steps.owes_choice and not run.outcome.is_orderly else run.steps.withdrawal


def _create(request: Request, job: _Job) -> RunFiles:
    """Make the run file; all its room is reserved when this returns."""
    found, made_ns = job.found, job.clock.now_ns()
    head = header(found.subject, request.rig, request.protocol, found.clips, found.plan, job.infos, made_ns)
    plan, path_of = found.plan, found.subject.folder.run_path
    return RunFiles(path_of, head, plan.room, least=plan.least, next_room=plan.next_room)


@contextmanager
def _opened(
    request: Request, clips: dict[str, FilmClip], truth: Path
) -> Iterator[tuple[wiring.Devices, Clock, wiring.Virtual | None, Path | None]]:
    """The rig's devices, open; on an error the folder with their logs is left for looking at."""
    rig, protocol = request.rig.rig, request.protocol.protocol
    if request.virtual:
        virtual = wiring.open_virtual(rig, clips, truth=truth, scripted=request.scripted, has_window=protocol.window)
        try:
            yield virtual.devices, virtual.clock, virtual, None
        finally:
            virtual.devices.close()
        return
    with working_folder() as folder:
        devices, clock = wiring.open_devices(
            rig, clips, folder,
            truth=truth, scripted=request.scripted, withdrawal_key=protocol.withdrawal.key, has_window=protocol.window,
        )  # fmt: skip
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
