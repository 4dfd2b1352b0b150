"""Plays one recorded run: what each device told, in its order, when a clock comes to the time at which it was told.

    run file --> tapes, one for each part of what a device told --> who stands for that device, on today's clock

All host times of the run are moved by one `shift_ns`, fixed once for all devices; what a device's own clock read is
never touched. Nothing is told before somebody asks for the tape on which it stands.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

from rig.clock import NS, Clock
from rig.errors import UserError
from rig.session.folder import find_runs, run_name
from rig.session.opening import reading
from rig.session.reader import runs_of
from rig.session.run import Run
from rig.session.runfile import Json
from rig.session.stopped_early import EarlyEnd, early_end

T = TypeVar("T")
REPLAYED_FROM = "replayed_from"  # among the capabilities of a device that is played: of which run


class Playback:
    """One recorded run on a clock. Times are host ns."""

    def __init__(self, path: Path, clock: Clock, shift_ns: int | None = None) -> None:
        """`path`: a run file, or the folder of a session that has one run.

        `shift_ns` is added to every recorded host time; None: the first `begin` fixes it, so that the run begins then.
        Raises UserError naming the runs when there are several, SessionError when none can be read.
        """
        self.run, self.clock = Run(*run_meant(path)), clock
        self.name = run_name(self.run.subject, self.run.session, self.run.number)
        self.words = f"replayed from {self.name}"
        self.start_host_ns = self.run.created_host_ns  # as recorded; cameras are armed after it
        self.shift_ns = 0 if shift_ns is None else shift_ns
        self.end: EarlyEnd | None = None  # once it was stopped before its recorded end
        self.has_begun, self._lock = shift_ns is not None, Lock()
        self._tapes: list[Tape[object]] = []

    def begin(self) -> None:
        """Now is when the recorded run began; a second call, or one with a shift that was given, does nothing."""
        with self._lock:
            if not self.has_begun:
                self.shift_ns = self.clock.now_ns() - self.start_host_ns
                self.has_begun = True

    def stop(self, recorded_ns: int) -> None:
        """The run, recorded up to `recorded_ns`, is to end now: no device tells anything of later.

        Where that is near it goes on to there. A second call does nothing.
        """
        if self.end is None and self.has_begun:
            self.end = early_end(self.run, self.clock.now_ns() - self.shift_ns, recorded_ns)

    def tape(self, happenings: Iterable[tuple[int, T]]) -> Tape[T]:
        """A tape of events with the recorded host ns of each, which rise; read as far as it is played.

        Reading on may raise Truncated, in a file that is damaged.
        """
        made = Tape(self, happenings)
        self._tapes.append(made)  # type: ignore[arg-type]  # a tape is only read
        return made

    def next_host_ns(self) -> int | None:
        """When a device has something to tell next, on today's clock; None: no tape is playing."""
        times = [due for tape in self._tapes if (due := tape.next_host_ns()) is not None]
        return min(times, default=None)

    def run_until(self, host_ns: int) -> None:
        """Nothing has to be done for time to pass: tapes are read when their device is asked."""

    def wait_until(self, recorded_host_ns: int) -> None:
        """Sleep on the clock until a recorded time."""
        self.clock.sleep_until(recorded_host_ns + self.shift_ns)

    def reading(self) -> AbstractContextManager[None]:
        """Turns what is wrong with the run file into one sentence about it; see rig.session.opening."""
        return reading(self.run.path, "what a device told")

    def told_of(self, device: str) -> Json:
        """Fields of DeviceInfo, and those of CameraInfo of a camera, as recorded, and that it is played."""
        told = dict.fromkeys(("kind", "vendor", "model", "serial", "version"), "") | self.run.devices.get(device, {})
        can = {**told.get("capabilities", {}), REPLAYED_FROM: self.name}
        return {**told, "simulated": True, "capabilities": can}

    def close(self) -> None:
        """Give the run's files back; a second call does nothing."""
        self.run.close()


class Tape(Generic[T]):
    """A part of what a device told."""

    def __init__(self, playback: Playback, happenings: Iterable[tuple[int, T]]) -> None:
        """`happenings`: see Playback.tape."""
        self._playback, self._happenings = playback, iter(happenings)
        self._ahead: tuple[int, T] | None = None

    def next_host_ns(self) -> int | None:
        """When its next event is due, on today's clock; None at its end, and before the playback begins."""
        if not self._playback.has_begun:
            return None
        if self._ahead is None:
            with self._playback.reading():
                self._ahead = next(self._happenings, None)
        end = self._playback.end
        if self._ahead is None or (end is not None and self._ahead[0] > end.until_ns):
            return None
        return self._ahead[0] + self._playback.shift_ns

    def next(self, until_host_ns: int | None = None) -> tuple[int, T] | None:
        """The next event and its recorded host ns, if it is due by then, on today's clock, or else by now."""
        until_ns = self._playback.clock.now_ns() if until_host_ns is None else until_host_ns
        due_ns = self.next_host_ns()
        if due_ns is None or due_ns > until_ns:
            return None
        taken, self._ahead = self._ahead, None
        return taken

    def take(self) -> list[T]:
        """Every event that is due by now, oldest first."""
        return [event for _, event in self.take_timed()]

    def take_timed(self) -> list[tuple[int, T]]:
        """The same, with the recorded host ns of each."""
        taken: list[tuple[int, T]] = []
        while (came := self.next()) is not None:
            taken.append(came)
        return taken

    def wait(self, timeout_s: float) -> None:
        """Sleep on the clock until an event is due, at most so long."""
        wait_until_due(self._playback.clock, timeout_s, self)

    def drop(self) -> None:
        """Nothing more of it is told."""
        self._happenings, self._ahead = iter(()), None


def wait_until_due(clock: Clock, timeout_s: float, *tapes: Tape[T]) -> None:
    """Sleep on the clock until one of these tapes has an event that is due, at most so long."""
    times = [due for tape in tapes if (due := tape.next_host_ns()) is not None]
    clock.sleep_until(min([*times, clock.now_ns() + round(timeout_s * NS)]))


def replayed_from(run: Run) -> str:
    """Of which run its devices were played; "" of a run that was recorded."""
    abilities = [device.get("capabilities") for device in run.devices.values() if isinstance(device, dict)]
    names = (of_one.get(REPLAYED_FROM) for of_one in abilities if isinstance(of_one, dict))
    return next((str(name) for name in names if name), "")


def run_meant(path: Path) -> list[Path]:
    """The files of the run that is meant by a path, as Playback takes it. Raises UserError, SessionError."""
    runs, unreadable = runs_of(find_runs(path))
    if path.is_file():
        runs = [files for files in runs if any(file.samefile(path) for file in files)]
        unreadable = [error for error in unreadable if error.subject.startswith(str(path))] or unreadable
    if len(runs) > 1:
        allowed = ", ".join(str(files[0]) for files in runs)
        problem = f"has {len(runs)} runs, of which one can be played at a time"
        raise UserError(str(path), problem, allowed=allowed, hint="Name one of these files")
    if not runs:
        raise unreadable[0]
    return runs[0]
