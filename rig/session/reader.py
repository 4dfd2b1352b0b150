"""Reads a session: the runs of one participant's visit, joined, with everything known about each moment of it.

    Session --- runs[0], runs[1], ...     (run.py), one file each or several (runfile.py)
       |-- streams["HS"], ["VIS"], ["NIR"], pulses, flips, answers, ...    of all runs, one after another
       |-- unreadable: why a run is missing among them
       |-- aligned(["HS", "VIS"])  -->  rows in step  (aligned.py)
       +-- at(seconds=...), at(clip=..., seconds=...)  -->  Instant        (timeline.py)

A place in a session is (run, pulse): pulse numbers start anew in each run. Where each frame of a stream lies is told by
its `run_numbers` and `pulse_numbers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import ArrayLike, NDArray

from rig.clock import NS
from rig.elicitation.steps import Step
from rig.errors import NotASession, SessionError, UserError
from rig.session import led_pairing
from rig.session.aligned import Aligned
from rig.session.events import Event, events_of
from rig.session.folder import find_runs
from rig.session.pictures import Pictures
from rig.session.run import Run, Shown, Stream
from rig.session.runfile import Json, Rows, RunFile, joined
from rig.session.timeline import Instant, Timeline, in_ns, offsets_ns, span

_BESIDE = "hs.beside(vis) lays two streams beside each other over all runs"


class JoinedStream(Shown):
    """One camera's frames over all runs, oldest first.

    stream = session.streams["HS"]
    stream.data[5], stream.data[10:20]    pictures, read when asked for
    stream.times_s, stream.pulse_numbers  when each was exposed, and by which pulse
    stream.index_at([100, 104])           where the frames of these pulses are; of several runs: run=2
    stream.beside(session.streams["VIS"]) where the other's frames of the same pulses are, over all runs
    stream.gaps                           pulses without a frame
    """

    def __init__(self, session: Session, parts: list[Stream]) -> None:
        """`parts`: the stream in each run that has it."""
        self.parts, self._session = parts, session
        self.name, self.divisor = parts[0].name, parts[0].divisor
        self.pixel_format, self.width, self.height = parts[0].pixel_format, parts[0].width, parts[0].height

    @cached_property
    def frames(self) -> Rows:
        """Frame rows, FRAME (n,)."""
        return joined(part.frames for part in self.parts)

    @cached_property
    def pulse_numbers(self) -> NDArray[np.int64]:
        """See Shown.pulse_numbers."""
        return np.concatenate([part.pulse_numbers for part in self.parts])

    @cached_property
    def run_numbers(self) -> NDArray[np.int64]:
        """The run of each frame, int64 (n,); with `pulse_numbers` its place in the session."""
        return np.repeat([part.run.number for part in self.parts], [len(part.pulse_numbers) for part in self.parts])

    @cached_property
    def times_s(self) -> NDArray[np.float64]:
        """Start of exposure of each frame, float64 (n,), s: host clock, from pulse 0 of the session as `Session.at`.

        Each is that of the frame's pulse, by the box, brought to the host clock by the clock pairs; never when the
        frame arrived. Between cameras compare pulse numbers: they are exact. NaN for an extra, and where nobody knows
        when its pulse was sent.
        """
        lines = [self._session.placed_timelines[part.run.number] for part in self.parts]
        pairs = zip(self.parts, lines, strict=True)
        return np.concatenate([line.times_s(part) + offset_ns / NS for part, (line, offset_ns) in pairs])

    @cached_property
    def data(self) -> Pictures:
        """The pictures as delivered, read when they are asked for.

        Raises SessionError when the runs have pictures of different kinds.
        """
        _refuse_mixed(self.parts)
        return Pictures(self.name, [piece for part in self.parts for piece in part.parts])

    @cached_property
    def gaps(self) -> Rows:
        """Pulses without a frame, GAP (n,)."""
        return joined(part.gaps for part in self.parts)

    @cached_property
    def extras(self) -> Rows:
        """Frames without a pulse, EXTRA (n,); `frame_index` counts within the run."""
        return joined(part.extras for part in self.parts)

    @cached_property
    def gap_run_numbers(self) -> NDArray[np.int64]:
        """The run of each row of `gaps`, int64 (n,)."""
        return np.repeat([part.run.number for part in self.parts], [len(part.gaps) for part in self.parts])

    @cached_property
    def extra_run_numbers(self) -> NDArray[np.int64]:
        """The run of each row of `extras`, int64 (n,)."""
        return np.repeat([part.run.number for part in self.parts], [len(part.extras) for part in self.parts])

    def beside(self, other: JoinedStream) -> NDArray[np.int64]:
        """Lays `other`, a stream of the same session, beside this one, over all runs.

        Of each frame of this stream the index of the other's frame of the same run and pulse, int64 (n,); -1: none.
        """
        return np.concatenate([other.index_at(part.pulse_numbers, run=part.run.number) for part in self.parts])

    def index_at(self, pulses: ArrayLike, *, run: int | None = None) -> NDArray[np.int64]:
        """Index (over all runs) of the frame of each of `pulses` in run `run`, int64 of the same shape; -1: none.

        Raises UserError for a run that there is not, and without `run` when the session has several: pulse numbers
        start anew in each.
        """
        number = self._session.only_run(f"stream {self.name}") if run is None else self._session.run(run).number
        start = 0
        for part in self.parts:
            if part.run.number == number:
                found = part.index_at(pulses)
                return np.where(found < 0, -1, start + found)
            start += len(part.pulse_numbers)
        return np.full(np.shape(pulses), -1, np.int64)  # the run has no such camera

    def frame_of(self, pulse: int, *, run: int | None = None) -> int | None:
        """Index (over all runs) of the frame of `pulse` in run number `run`; None when there is none.

        Raises UserError as `index_at` does.
        """
        index = int(self.index_at(pulse, run=run))
        return None if index < 0 else index


class Session:
    """All runs of one session, open for reading; closed by `close` or at the end of a `with` statement.

    `clips`: where film clips lie, when not beside the protocol. `by_leds`: whether frames whose own evidence is weaker
    go by the sync LEDs, where verify read them. A run that cannot be read does not keep the others from
    being read: `runs` are the good ones, `unreadable` holds an error for each bad file. Raises a SessionError when no
    run can be read.
    """

    def __init__(self, path: Path, *, clips: Path | None = None, by_leds: bool = True) -> None:
        self.path, self.clips, self._by_leds = path, clips, by_leds
        self.runs: list[Run] = []
        groups, self.unreadable = runs_of(find_runs(path))
        with ExitStack() as undo:
            undo.callback(self.close)
            for files in groups:
                self._open(files)
            if not self.runs:
                raise self.unreadable[0]
            _refuse_twins(self.runs)
            undo.pop_all()

    def _open(self, files: list[Path]) -> None:
        try:
            self.runs.append(self._paired(Run(*files)))
        except SessionError as exc:
            self.unreadable.append(exc)

    def _paired(self, run: Run) -> Run:
        try:
            run.by_leds = led_pairing.load(run) if self._by_leds else {}
        except SessionError:
            run.close()
            raise
        return run

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the files back; a second call does nothing."""
        for run in self.runs:
            run.close()

    def run(self, number: int) -> Run:
        """Run `number` (from 1). Raises UserError naming the runs there are."""
        for run in self.runs:
            if run.number == number:
                return run
        raise UserError("run", "does not exist", value=str(number), allowed=self._run_numbers)

    def only_run(self, asked: str) -> int:
        """The number of the only run. Raises UserError, about what was `asked`, when there are several."""
        if len(self.runs) > 1:
            problem = "needs run=NUMBER: pulse numbers start anew in each run"
            raise UserError(asked, problem, allowed=f"runs {self._run_numbers}", hint=_BESIDE)
        return self.runs[0].number

    @property
    def _run_numbers(self) -> str:
        return ", ".join(str(run.number) for run in self.runs)

    @cached_property
    def streams(self) -> dict[str, JoinedStream]:
        """Streams by name, in the rig's order."""
        names = {name: None for run in self.runs for name in run.streams}
        return {name: JoinedStream(self, [r.streams[name] for r in self.runs if name in r.streams]) for name in names}

    @cached_property
    def placed_timelines(self) -> dict[int, tuple[Timeline, int]]:
        """By run number: its timeline, and how long after pulse 0 of the session its own pulse 0 was sent, ns."""
        lines = zip(self.timelines, offsets_ns(self.timelines), strict=True)
        return {line.run.number: (line, offset_ns) for line, offset_ns in lines}

    @cached_property
    def pulses(self) -> Rows:
        """Pulses of all runs, PULSE (n,)."""
        return joined(run.pulses for run in self.runs)

    @cached_property
    def edges(self) -> Rows:
        """Edges at the box's inputs, all runs, EDGE (n,)."""
        return joined(run.edges for run in self.runs)

    @cached_property
    def flips(self) -> Rows:
        """Refreshes of the participant's screen, all runs, FLIP (n,)."""
        return joined(run.flips for run in self.runs)

    @cached_property
    def trials(self) -> Rows:
        """Steps with onset and end, all runs, TRIAL (n,)."""
        return joined(run.trials for run in self.runs)

    @cached_property
    def not_stored(self) -> Rows:
        """Pulses not stored on purpose, all runs, NOT_STORED (n,)."""
        return joined(run.not_stored for run in self.runs)

    @cached_property
    def clock_pairs(self) -> Rows:
        """Other clocks read against the host clock, all runs, CLOCK_PAIR (n,)."""
        return joined(run.clock_pairs for run in self.runs)

    @property
    def answers(self) -> list[Json]:
        """What the participant answered, all runs."""
        return [answer for run in self.runs for answer in run.answers]

    @property
    def log(self) -> list[Json]:
        """What the recorder noted, all runs."""
        return [entry for run in self.runs for entry in run.log]

    @cached_property
    def events(self) -> list[Event]:
        """What happened, all runs, by onset in s from pulse 0 of the session; see rig.session.events."""
        return events_of(self)

    @property
    def steps(self) -> list[Step]:
        """The steps that the screen was to show (of the first run; a resumed run has the same)."""
        return self.runs[0].steps

    @property
    def subject(self) -> str:
        """The participant's pseudonym."""
        return self.runs[0].subject

    @cached_property
    def identity(self) -> str:
        """Which session it is: the same for whoever opens it again, also after a restart; a copy has another one."""
        folder = self.runs[0].path.parent.stat()
        own = (folder.st_dev, folder.st_ino, self.subject, self.runs[0].session, self.runs[0].run_id)
        return xxhash.xxh3_64_hexdigest(repr(own).encode())

    @property
    def is_simulated(self) -> bool:
        """Whether any device of any run was simulated."""
        return any(run.is_simulated for run in self.runs)

    @property
    def simulated_devices(self) -> list[str]:
        """Names of the devices that said so of themselves, in any run; sorted."""
        devices = [item for run in self.runs for item in run.devices.items()]
        return sorted({name for name, device in devices if isinstance(device, dict) and device.get("simulated")})

    @cached_property
    def timelines(self) -> list[Timeline]:
        """One timeline a run."""
        return [Timeline(run, clips=self.clips) for run in self.runs]

    def aligned(self, streams: Sequence[str]) -> Aligned:
        """Several streams in step, their pictures read when asked for: see rig.session.aligned.

        Row k of each is the frame of the same pulse; rows are the pulses that all of the named streams were sent.
        Raises UserError naming the streams there are, SessionError as JoinedStream.data does.
        """
        return Aligned(self, streams)

    def at(self, *, seconds: float, clip: str | None = None) -> Instant:
        """What every camera and the screen showed at one moment.

        `seconds`: host clock, from pulse 0 of the first run; with `clip`, the name of a step that played a film,
        from the flip that showed its frame 0 (in the last run that did). Raises UserError naming what is allowed.
        """
        line, host_ns = self.locate(seconds, clip)
        return line.at_host(host_ns)

    def locate(self, seconds: float, clip: str | None = None) -> tuple[Timeline, int]:
        """The run and the host ns of one moment; as `at`, without looking at what was seen then."""
        if not np.isfinite(seconds):
            raise UserError("--at", "is not allowed", value=str(seconds), allowed="a number of seconds")
        return self._locate_s(seconds) if clip is None else self._locate_in_clip(clip, seconds)

    def _locate_s(self, seconds: float) -> tuple[Timeline, int]:
        after_ns = in_ns(seconds)
        lines = [(line, offset_ns) for line, offset_ns in self.placed_timelines.values() if line.length_ns]
        if not lines:
            raise nothing_to_show(self.path)
        for line, offset_ns in lines:
            if 0 <= after_ns - offset_ns <= line.length_ns:
                return line, line.start_host_ns + after_ns - offset_ns
        allowed = " or ".join(f"{span(begin, begin + line.length_ns)} (run {line.run.number})" for line, begin in lines)
        raise UserError("--at", "is outside the session", value=f"{seconds:g} s", allowed=allowed)

    def _locate_in_clip(self, clip: str, seconds: float) -> tuple[Timeline, int]:
        shown = [line for line in self.timelines if clip in line.clip_steps]
        if not shown:
            names = {name: None for line in self.timelines for name in line.clip_steps}
            allowed = ", ".join(names) or "no film was shown in this session"
            raise UserError("--clip", "was not shown", value=clip, allowed=allowed)
        return shown[-1], shown[-1].host_at_clip(clip, seconds)


def runs_of(paths: list[Path]) -> tuple[list[list[Path]], list[SessionError]]:
    """The files of each run, in order, one that continues another behind it; and why some files cannot be read."""
    runs: list[list[Path]] = []
    unreadable: list[SessionError] = []
    last_number, last_id = 0, 0  # of the file before
    for path in paths:
        try:
            with RunFile(path) as file:
                # Files in between may be missing (Run.missing_files); a file that is there twice is refused as a twin.
                goes_on = last_number <= file.continues < file.number and file.run_id == last_id
                if runs and file.continues and goes_on:
                    runs[-1].append(path)
                else:
                    runs.append([path])
                last_number, last_id = file.number, file.run_id
        except SessionError as exc:
            unreadable.append(exc)
    return runs, unreadable


def nothing_to_show(path: Path) -> UserError:
    """The error about a session without a single pulse."""
    return UserError(str(path), "has no pulse to show", hint="rig info says what is in it")


def _refuse_mixed(parts: list[Stream]) -> None:
    """Raise SessionError unless the pictures of all runs are of one format and size."""
    first = parts[0]
    for part in parts:
        if (part.pixel_format, part.width, part.height) != (first.pixel_format, first.width, first.height):
            kinds = f"{_kind(part)}, and run {first.run.number} {_kind(first)}"
            hint = f"Read each run by itself: session.run({part.run.number}).streams"
            raise SessionError(f"{part.run.path}: stream {part.name}", f"has pictures {kinds}", hint=hint)


def _kind(part: Stream) -> str:
    return f"{part.width}x{part.height} {part.pixel_format.name}"


def _refuse_twins(runs: list[Run]) -> None:
    """Raise NotASession when two files are the same run: one is a copy that got into the wrong folder."""
    seen: dict[tuple[str, int], Run] = {}
    for run in runs:
        for key in (("run number", run.number), ("run id", run.run_id)):
            twin = seen.setdefault(key, run)
            if twin is not run:
                problem = f"has the same {key[0]} as {twin.path.name}: {key[1]}"
                raise NotASession(str(run.path), problem, hint="Move the one that does not belong here elsewhere")
