"""Puts film, screen, trigger pulses and camera frames of one run on one time axis, and looks up a moment on it.

    film time --pts--> film frame --flips--> host ns <--clock pairs--> box ticks <--pulses--> pulse --frames--> pictures

The cameras are tied to each other by pulse numbers alone; the host clock only joins the screen to the pulses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from rig.clock import NS, ClockMap, RoundTrips, map_clock, straight_map
from rig.errors import ClipError, RigError, UserError
from rig.session.presented import ScreenEnd, screen_end
from rig.session.pulses import PulseTimes, pulse_times
from rig.streams import NO_PULSE, GapCause, Picture

if TYPE_CHECKING:
    from rig.elicitation.steps import Step
    from rig.session.run import Run, Stream
from rig.session.runfile import Rows

NOT_STORED_ON_PURPOSE = "not stored on purpose: "  # and then what a protocol or a person says
TICK_NS = 500  # nominal length of a box tick
PING_BYTES, PONG_BYTES = 6, 14  # on the wire: before the box stamps the request, after it stamps the answer
LINE_BITS = 10  # on a serial line, for each byte


@dataclass(frozen=True)
class View:
    """What one camera saw at an instant: a picture, or the reason why there is none."""

    stream: str
    pulse: int  # the stream's own pulse at or before the instant
    frame_index: int | None
    picture: Picture | None  # uint8 (height, width), of a colour camera (height, width, 3); see Stream.shown
    age_ms: float | None  # from its start of exposure to the instant; None: nobody knows when that pulse was sent
    reason: str  # empty when there is a picture


@dataclass(frozen=True)
class FilmView:
    """What the screen showed at an instant: the last flip at or before it, and the film frame of that flip.

    Once the window or the recorder was gone nobody knows: then there is no step, and `reason` says so.
    """

    step: Step | None
    clip: str | None
    film_frame: int  # -1: no film
    flip_host_ns: int  # -1: no flip before the instant, or nobody knows which
    picture: Picture | None  # uint8 (height, width, 3)
    reason: str  # empty when there is a picture


@dataclass(frozen=True)
class Instant:
    """One moment of a session. `pulse`: the latest base pulse whose exposure began at or before it."""

    run: int
    pulse: int
    host_ns: int
    seconds: float  # from pulse 0 of the run
    views: dict[str, View]
    film: FilmView


class Timeline:
    """The time axis of one run. `clips`: where film clips lie, when not beside the protocol."""

    def __init__(self, run: Run, *, clips: Path | None = None) -> None:
        self.run, self._clips = run, clips
        self._films: dict[str, Path] = {}

    @cached_property
    def box_to_host(self) -> ClockMap:
        """Box ticks to host ns. With fewer than two clock pairs, the nominal rate from what there is."""
        return map_box(self.run)

    @cached_property
    def _pulses(self) -> PulseTimes:
        return pulse_times(self.run)

    @property
    def pulse_numbers(self) -> NDArray[np.int64]:
        """Pulses whose time is known, rising, int64 (pulses,): told of by the box, or certain by its plan."""
        return self._pulses.numbers

    @cached_property
    def exposed_host_ns(self) -> NDArray[np.int64]:
        """Start of exposure of each of `pulse_numbers` on the base stream, int64 (pulses,), host clock."""
        return self.box_to_host(self._pulses.box_ticks) + _delay_ns(self.run.base)

    def times_s(self, stream: Stream) -> NDArray[np.float64]:
        """Start of exposure of each frame of a stream, float64 (n,), s after `start_host_ns`; NaN where unknown."""
        places = np.searchsorted(self.pulse_numbers, stream.pulse_numbers).clip(max=max(0, len(self.pulse_numbers) - 1))
        if not len(self.pulse_numbers):
            return np.full(len(places), np.nan)
        # The delay of the base stream is in `exposed_host_ns`, and each stream has its own.
        after_ns = self.exposed_host_ns[places] - self.start_host_ns + _delay_ns(stream) - _delay_ns(self.run.base)
        return np.where(self.pulse_numbers[places] == stream.pulse_numbers, after_ns / NS, np.nan)

    @property
    def start_host_ns(self) -> int:
        """Start of exposure of the first pulse; when the run was made, if no pulse is known."""
        return int(self.exposed_host_ns[0]) if len(self.exposed_host_ns) else self.run.created_host_ns

    @property
    def _period_ns(self) -> int:
        return int(self.run.plan.get("period_ticks", 0)) * TICK_NS

    @property
    def length_ns(self) -> int:
        """From the first pulse to one base period after the last; 0 without pulses."""
        if len(self.pulse_numbers) == 0:
            return 0
        return int(self.exposed_host_ns[-1] - self.exposed_host_ns[0]) + self._period_ns

    @property
    def length_s(self) -> float:
        """The same in s."""
        return self.length_ns / NS

    @cached_property
    def clip_steps(self) -> dict[str, Step]:
        """Steps that played a film and showed its frame 0, by name."""
        begun = set(self.run.flips["step"][self.run.flips["film_frame"] == 0].tolist())
        return {step.name: step for step in self.run.steps if step.clip is not None and step.index in begun}

    def pulse_at(self, host_ns: int) -> int:
        """The latest known pulse whose exposure began at or before `host_ns`; NO_PULSE before the first."""
        place = int(np.searchsorted(self.exposed_host_ns, host_ns, side="right")) - 1
        return NO_PULSE if place < 0 else int(self.pulse_numbers[place])

    def _refuse_in_hole(self, host_ns: int) -> None:
        """Raise UserError where pulses may have been sent of which neither the box nor its plan tells."""
        place = int(np.searchsorted(self.exposed_host_ns, host_ns, side="right")) - 1
        around = self.pulse_numbers[place : place + 2]
        if len(around) == 2 and around[1] != around[0] + 1 and host_ns >= self.exposed_host_ns[place] + self._period_ns:
            problem = f"lies where the box's messages were lost, between pulses {around[0]} and {around[1]}"
            raise UserError("instant", problem, allowed="a moment at which it is known which pulse was the last")

    def at_clip(self, name: str, seconds: float) -> Instant:
        """The instant `seconds` after the flip that showed frame 0 of the step `name`. Raises UserError.

        The clip lasts until the flip that takes its last picture from the screen.
        """
        return self.at_host(self.host_at_clip(name, seconds))

    def host_at_clip(self, name: str, seconds: float) -> int:
        """The same in host ns alone."""
        flips = self.run.film_flips(self.clip_steps[name])
        first = int(flips["host_ns"][flips["film_frame"] == 0][0])
        length_ns, after_ns = self._taken_off_host_ns(int(flips["host_ns"][-1])) - first, in_ns(seconds)
        if not 0 <= after_ns < length_ns:
            value, allowed = f"{seconds:g} s of {name}", span(0, length_ns - 1)
            raise UserError("--at", "is outside the clip", value=value, allowed=allowed)
        return first + after_ns

    def _taken_off_host_ns(self, flip_host_ns: int) -> int:
        """When the picture of a flip left the screen: at the next flip; right after its own, if none was recorded."""
        later = self.run.flips["host_ns"][self.run.flips["host_ns"] > flip_host_ns]
        return int(later.min()) if len(later) else flip_host_ns + 1

    def at_pulse(self, pulse: int) -> Instant:
        """The instant at which the exposure of `pulse` began. Raises UserError when nothing says it was sent."""
        places = np.flatnonzero(self.pulse_numbers == pulse)
        if len(places) == 0:
            allowed = f"0 to {self.pulse_numbers[-1]}" if len(self.pulse_numbers) else "no pulse was recorded"
            raise UserError("pulse", "was never sent, or nobody knows when", value=str(pulse), allowed=allowed)
        return self.at_host(int(self.exposed_host_ns[places[0]]))

    def at_host(self, host_ns: int) -> Instant:
        """The instant at `host_ns`. Raises UserError outside the pulses of this run, and where they are not known."""
        return replace(self.cameras_at(host_ns), film=self._film(host_ns))

    def cameras_at(self, host_ns: int) -> Instant:
        """The same without the film's picture, which takes long to find: for who decodes the film from end to end."""
        pulse = self.pulse_at(host_ns)
        if pulse == NO_PULSE or host_ns > self.start_host_ns + self.length_ns:
            allowed = f"the cameras ran for {self.length_s:.3f} s"
            raise UserError("instant", "lies where no camera was triggered", allowed=allowed)
        self._refuse_in_hole(host_ns)
        views = {name: self._view(stream, pulse, host_ns) for name, stream in self.run.streams.items()}
        seconds = (host_ns - self.start_host_ns) / NS
        return Instant(self.run.number, pulse, host_ns, seconds, views, self.on_screen(host_ns))

    def _view(self, stream: Stream, pulse: int, host_ns: int) -> View:
        own = pulse - pulse % stream.divisor
        exposed = self.exposed_by(stream, own)
        age_ms = None if exposed is None else (host_ns - exposed) / 1e6
        index = stream.frame_of(own)
        if index is None:
            return View(stream.name, own, None, None, age_ms, why_no_frame(stream, own))
        try:
            return View(stream.name, own, index, stream.shown(index), age_ms, "")
        except RigError as exc:
            return View(stream.name, own, index, None, age_ms, exc.problem)

    def exposed_by(self, stream: Stream, pulse: int) -> int | None:
        """Start of the exposure that a pulse made on a stream, host ns; None: nobody knows when it was sent."""
        ticks = self._pulses.ticks_of(pulse)
        return None if ticks is None else int(self.box_to_host(ticks)) + _delay_ns(stream)

    def _film(self, host_ns: int) -> FilmView:
        shown = self.on_screen(host_ns)
        if shown.clip is None:
            return shown
        picture, reason = self._film_picture(shown.clip, shown.film_frame)
        return replace(shown, picture=picture, reason=reason)

    @cached_property
    def _flips_host_ns(self) -> NDArray[np.int64]:
        return np.ascontiguousarray(self.run.flips["host_ns"])

    @cached_property
    def _screen_end(self) -> ScreenEnd | None:
        return screen_end(self.run)

    def on_screen(self, host_ns: int) -> FilmView:
        """What the screen showed, without the film's picture; there is one where `reason` is empty."""
        place = int(np.searchsorted(self._flips_host_ns, host_ns, side="right")) - 1
        if place < 0:
            return FilmView(None, None, -1, -1, None, "no flip before this moment")
        if self._screen_end and host_ns >= self._screen_end.host_ns:
            return FilmView(None, None, -1, -1, None, f"{self._screen_end.why}: what was on the screen is not known")
        flip = self.run.flips[place]
        number, flip_host_ns = int(flip["film_frame"]), int(flip["host_ns"])
        known = 0 <= flip["step"] < len(self.run.steps)
        step = self.run.steps[int(flip["step"])] if known else None
        if step is None or step.clip is None or number < 0:
            reason = f"no film on the screen: {step.kind} {step.name}" if step else "no film on the screen"
            return FilmView(step, None, -1, flip_host_ns, None, reason)
        return FilmView(step, step.clip, number, flip_host_ns, None, "")

    def _film_picture(self, clip: str, number: int) -> tuple[Picture | None, str]:
        """The film's picture, from a file with the right sha256; else why not. A session holds no film."""
        from rig.clips.decode import picture

        try:
            known = self.run.clip(clip)
            first = int(known.get("first", 0))  # earlier versions played whole files alone
            return picture(self.film_path(clip), number, first, known["jump_s"]), ""
        except (RigError, IndexError) as exc:
            return None, f"film not here: {exc}"

    def film_path(self, clip: str) -> Path:
        """The film of a clip, looked for once; its sha256 is the session's. Raises ClipError."""
        if clip not in self._films:
            known = self.run.clip(clip)
            self._films[clip] = find_film(clip, str(known["file"]), str(known["sha256"]), self._film_folders())
        return self._films[clip]

    def _film_folders(self) -> list[Path]:
        """Where films are looked for: `--clips` first, then beside the protocol."""
        protocol = Path(str(self.run.attributes("/config/protocol").get("path", ".")))
        return [*([self._clips] if self._clips else []), protocol.parent]


def find_film(clip: str, file: str, sha256: str, folders: list[Path]) -> Path:
    """The film of a clip in the first folder that has it with this sha256. Not decoded, but read to its end.

    A file in a subfolder is also looked for by its bare name. Raises the ClipError that says most.
    """
    from rig.clips import manifest

    errors: list[ClipError] = []
    names = [file] if file.startswith("package:") else list(dict.fromkeys([file, Path(file).name]))
    for folder in folders:
        for name in names:
            try:
                return manifest.find_film(clip, name, sha256, folder)
            except ClipError as exc:
                errors.append(exc)
    raise next((exc for exc in errors if exc.problem != "does not exist"), errors[0])


def _delay_ns(stream: Stream) -> int:
    """From the trigger to the start of exposure, as the camera said when armed."""
    return round(stream.start_delay_us * 1000)


def fit_box(pairs: Rows, pulses: Rows, *, baud: int) -> ClockMap:
    """Box ticks to host ns, from the fastest round trips of each minute, without their time on the line of `baud`.

    With fewer than two clock pairs it is the nominal rate through the pair, or through the pulse whose message came
    soonest: good for a look, not for judging the screen.
    """
    trips = _round_trips(pairs, baud)
    if len(np.unique(trips.received)) >= 2:
        return map_clock(trips, TICK_NS)
    if len(trips.received) >= 1:
        middle = trips.sent_host_ns[0] + round(float(trips.middles_ns[0]))
        return straight_map(int(trips.received[0]), int(middle), TICK_NS, pairs=1)
    return _from_pulses(pulses)


# Fitted once for all who ask; it does not keep a run from being closed and forgotten.
_BOXES: WeakKeyDictionary[Run, ClockMap] = WeakKeyDictionary()


def map_box(run: Run) -> ClockMap:
    """Box ticks of a run to host ns, as `fit_box`."""
    if run not in _BOXES:
        _BOXES[run] = fit_box(run.clock_pairs, run.pulse_columns("box_ticks", "arrived_host_ns"), baud=box_baud(run))
    return _BOXES[run]


def box_baud(run: Run) -> int:
    """The rate of the box's serial line, as it said itself; 0: none, or it did not say."""
    box = run.devices.get("box")
    abilities = box.get("capabilities") if isinstance(box, dict) else None
    baud = abilities.get("baud", 0) if isinstance(abilities, dict) else 0
    return baud if isinstance(baud, int) and baud > 0 else 0


def _round_trips(pairs: Rows, baud: int) -> RoundTrips:
    """The pings of the box; off their host times goes how long their bytes took on the line."""
    box = pairs[pairs["clock"] == b"box"]
    there, back = (size * LINE_BITS * NS // baud if baud else 0 for size in (PING_BYTES, PONG_BYTES))
    sent = np.asarray(box["host_before_ns"], np.int64) + there
    heard = np.asarray(box["host_after_ns"], np.int64) - back
    return RoundTrips(np.asarray(box["reading"], np.int64), np.asarray(box["reading_end"], np.int64), sent, heard)


def _from_pulses(pulses: Rows) -> ClockMap:
    if len(pulses) == 0:
        return straight_map(0, 0, TICK_NS)
    ticks, arrived = np.asarray(pulses["box_ticks"], np.int64), np.asarray(pulses["arrived_host_ns"], np.int64)
    soonest = int(np.argmin(arrived - ticks * TICK_NS))
    return straight_map(int(ticks[soonest]), int(arrived[soonest]), TICK_NS)


def why_no_frame(stream: Stream, pulse: int) -> str:
    """Why `stream` has no frame of `pulse`, from the run's own rows."""
    for row in _rows_with(stream.run.not_stored, pulse):
        if row["stream"] == stream.name.encode():
            return f"{NOT_STORED_ON_PURPOSE}{row['reason'].decode('utf-8', 'replace')}"
    for row in _rows_with(stream.gaps, pulse):
        cause = why_gap(int(row["cause"]))
        return f"no frame: gap at pulses {row['first_pulse']} to {row['last_pulse']}, {cause}"
    return "no frame, and no row says why" if len(stream.pulse_numbers) else "no frame was stored"


def _rows_with(rows: Rows, pulse: int) -> Rows:
    """Rows whose pulses, first to last (-1: no end), hold this one."""
    first, last = rows["first_pulse"], rows["last_pulse"]
    return np.asarray(rows[(first <= pulse) & ((pulse <= last) | (last < 0))])


def why_gap(number: int) -> str:
    """A GapCause in words; any other number a file may hold."""
    known = number in {int(cause) for cause in GapCause}
    return GapCause(number).name.lower().replace("_", " ") if known else f"unknown cause {number}"


def in_ns(seconds: float) -> int:
    """Any finite number of seconds in ns, exactly."""
    return round(Fraction(seconds) * NS)


def span(first_ns: int, last_ns: int) -> str:
    """`1.234 to 5.678 s`, rounded inwards: both may be asked for."""
    return f"{-(-first_ns // 10**6) / 1000:.3f} to {last_ns // 10**6 / 1000:.3f} s"


def offsets_ns(lines: list[Timeline]) -> list[int]:
    """Pulse 0 of each run after pulse 0 of the first, ns.

    By the host clock; across a restart of the machine, which sets it anew, by UTC.
    """
    starts, runs = [line.start_host_ns for line in lines], [line.run for line in lines]
    offsets = []
    for run, start in zip(runs, starts, strict=True):
        by_host = run.created_host_ns - runs[0].created_host_ns
        by_utc = (_utc_ns(run) - _utc_ns(runs[0])) if run is not runs[0] else 0
        # Clocks of one boot agree within what a time service may step; anything more is another boot.
        between = by_host if abs(by_host - by_utc) < 5 * NS else by_utc
        offsets.append(between + (start - run.created_host_ns) - (starts[0] - runs[0].created_host_ns))
    return offsets


def _utc_ns(run: Run) -> int:
    try:
        return round(datetime.fromisoformat(run.created_utc).timestamp()) * NS
    except (ValueError, OverflowError, OSError):  # no date, or one that no calendar has
        return 0
