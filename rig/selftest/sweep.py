"""The LED sweep: all cameras take pictures of LED A, which blinks with a period of its own, in steps of 50 us.

    pulses  |         |         |         |         |       the box sends them as in a recording
    LED A   |'''''|_____|'''''|_____|'''''|_____|'''''|     each pulse comes at another phase of it

The period is chosen so that the phases of one run lie evenly and at most about 50 us apart for every camera, and those
of few pictures evenly as well: they jump about, so that lamps which slowly get brighter do not look like a ramp.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from math import ceil

import numpy as np
from numpy.typing import NDArray

from rig.cameras.camera import Baseline, Camera
from rig.clock import NS, Clock
from rig.selftest.armed import GRAB_S, frames_waiting
from rig.selftest.blinking import FIND_FRAMES, LedLevels, Watched
from rig.streams import NO_COUNTER, ClockPair, Frame, Status
from rig.trigger.box import TICKS_HZ, BoxEvent, LinePlan, PulsePlan, RunEnded, RunMode, TriggerBox
from rig.trigger.tally import rate_bounds, ticks_hz
from rig.trigger.trial import run_box

STEP_TICKS, STEP_US = 100, 50.0
FEWEST_STEPS, MOST_STEPS = 120, 1310  # of a period of the LED; the box takes up to 131070 ticks
CLEAR = 0.2  # so much longer than an exposure half a period of the LED is, as the ramps meet where they are equal
CHOICE = 1.3  # so many times the shortest fitting period, longer ones are looked at
LONGEST_S = 60.0  # a rig that is very slow is swept in larger steps
LAST_FRAMES_NS = NS // 2  # after the last pulse

Values = NDArray[np.float64]


@dataclass(frozen=True)
class SweepPlan:
    """What the box is asked to send."""

    pulses: PulsePlan
    lines: dict[str, LinePlan]  # by stream
    groups: int  # of pulses, after which it is enough

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return self.groups * self.pulses.slot_ticks / TICKS_HZ

    def turns(self, stream: str, frames: NDArray[np.int64]) -> Values:
        """Phases of the LED, in periods of it, 0 to 1, at the pulses of a camera's frames, counted from 0."""
        ticks = frames * (self.lines[stream].divisor * self.pulses.period_ticks)
        return np.asarray(ticks % self.pulses.test_period_ticks / self.pulses.test_period_ticks)

    @property
    def period_us(self) -> float:
        """Of the LED, by the box's clock."""
        return self.pulses.test_period_ticks * 1e6 / TICKS_HZ


def plan_sweep(pulses: PulsePlan, lines: dict[str, LinePlan], exposures_us: Mapping[str, float]) -> SweepPlan:
    """The sweep for cameras that expose so long, each by its stream; `pulses` and `lines` as in a recording."""
    least = _least_steps(list(exposures_us.values()))
    most_groups = ceil(LONGEST_S * TICKS_HZ / pulses.slot_ticks)

    def swept(steps: int) -> SweepPlan:
        groups = max(FIND_FRAMES, min(steps, most_groups))
        asked = replace(pulses, mode=RunMode.TEST_FREE, test_period_ticks=steps * STEP_TICKS)
        return SweepPlan(asked, lines, groups)

    choice = range(least, min(MOST_STEPS, ceil(CHOICE * least)) + 1)
    return min((swept(steps) for steps in choice), key=_unevenness)


def _least_steps(exposures_us: list[float]) -> int:
    """The shortest period, in steps, of which half is longer than every exposure; else the one that does best.

    In a longer exposure the LED blinks more than once, and it shows the less of its swing.
    """
    wanted = max(FEWEST_STEPS, ceil(2 * (1 + CLEAR) * max(exposures_us) / STEP_US))
    if wanted <= MOST_STEPS:
        return wanted
    steps = range(FEWEST_STEPS, MOST_STEPS + 1)
    clear = {each: min(_clear_of_halves(length_us, each * STEP_US) for length_us in exposures_us) for each in steps}
    return max(steps, key=lambda each: clear[each])


def _clear_of_halves(length_us: float, period_us: float) -> float:
    """How far an exposure is from the nearest multiple of half a period, as a share of it."""
    over_us = length_us % (period_us / 2)
    return min(over_us, period_us / 2 - over_us) / length_us


def _unevenness(plan: SweepPlan) -> tuple[bool, float]:
    """How bad it is: whether steps are much larger than wanted, then the largest one of few pictures, in periods."""
    gaps, first_gaps = [], []
    for stream, line in plan.lines.items():
        frames = np.arange(plan.groups * plan.pulses.group // line.divisor)
        gaps.append(_largest_gap(plan.turns(stream, frames)))
        first_gaps.append(_largest_gap(plan.turns(stream, frames[:FIND_FRAMES])))
    even = plan.period_us / plan.groups
    return max(gaps) * plan.period_us > 2 * max(STEP_US, even), max(first_gaps)


def _largest_gap(turns: Values) -> float:
    ordered = np.sort(turns)
    return float(np.diff(np.r_[ordered, ordered[0] + 1]).max())


@dataclass
class Swept:
    """What one camera did in a sweep."""

    baseline: Baseline
    watched: Watched
    frames: list[int] = field(default_factory=list)  # of which pictures are kept, counted from its first one
    exposed: int = 0  # from its first frame to its last, by its own count
    exposure_us: float = 0.0  # as its last frame told; 0: it does not say
    _last: Frame | None = None

    def count(self, frame: Frame) -> int:
        """The place of a frame among all exposures: by the trigger counter if it counts edges, else by its number."""
        last, base = self._last, self.baseline
        if last is None:
            self.exposed = 1
        elif base.counter_source.startswith("Line") and NO_COUNTER not in (frame.counter, last.counter):
            self.exposed += frame.counter - last.counter
        else:
            self.exposed += 1 + base.numbers_skipped(base.number_after(last.frame_number), frame.frame_number)
        self._last, self.exposure_us = replace(frame, pixels=frame.pixels[:0]), frame.exposure_us
        return self.exposed - 1

    @property
    def levels(self) -> LedLevels | None:
        """Brightness of the LED in the pictures of `frames`; None when no LED was found."""
        if not self.watched.is_found:
            return None
        return LedLevels(np.stack(self.watched.levels), self.watched.places)


@dataclass
class Sweep:
    """A sweep that was made."""

    plan: SweepPlan
    swept: dict[str, Swept]  # by stream
    tick_hz: int = TICKS_HZ  # of the box's clock, nominally
    pulses_sent: int = 0
    pairs: list[ClockPair] = field(default_factory=list)

    @property
    def period_us(self) -> float:
        """Of the LED, by the host's clock as far as it tells; the box's own may be off by half a percent."""
        try:
            return self.plan.period_us / (1 + rate_bounds(self.pairs, self.tick_hz).ppm * 1e-6)
        except ValueError:  # too few readings
            return self.plan.period_us

    def sent(self, stream: str) -> int:
        """Pulses on a camera's line."""
        return -(-self.pulses_sent // self.plan.lines[stream].divisor)

    def hear(self, event: BoxEvent) -> None:
        """Take what the box tells."""
        if isinstance(event, RunEnded):
            self.pulses_sent = event.pulses_sent
        elif isinstance(event, ClockPair):
            self.pairs.append(event)

    def take(self, frame: Frame) -> None:
        """Take a frame, whose picture may be overwritten afterwards."""
        swept = self.swept[frame.stream]
        place = swept.count(frame)
        if frame.status is not Status.OK:
            return
        swept.watched.take(frame.pixels)
        swept.frames.append(place)
        if not swept.watched.is_found and len(swept.frames) == FIND_FRAMES:
            swept.watched.look(self.plan.turns(frame.stream, np.array(swept.frames)))
            if not swept.watched.is_found:  # looked for anew in what comes
                swept.watched.blocks.clear()
                swept.frames.clear()


def make_sweep(
    cameras: Mapping[str, Camera],
    pictures: Mapping[str, Watched],
    box: TriggerBox,
    clock: Clock,
    plan: SweepPlan,
    *,
    is_ended: Callable[[], bool] = lambda: False,
) -> Sweep:
    """Arm all cameras, send the sweep, and keep what it shows of the LED. `pictures`: how each camera's are, empty yet.

    Blocks as long as the plan says, or until `is_ended()`; it is asked several times a second. Raises DeviceNotReady
    and DeviceLost; the cameras are stopped in any case.
    """
    with ExitStack() as stack:
        sweep = Sweep(plan, {}, ticks_hz(box.describe()))
        for name, camera in cameras.items():
            sweep.swept[name] = Swept(camera.arm(0), pictures[name])
            stack.callback(camera.stop)
        grab = partial(_grab_waiting, list(cameras.values()), sweep)
        enough = lambda seconds: is_ended() or seconds >= plan.seconds  # noqa: E731
        with closing(run_box(box, clock, plan.pulses, enough, each_turn=grab, turn_s=GRAB_S)) as events:
            for event in events:
                sweep.hear(event)
        until_ns = clock.now_ns() + LAST_FRAMES_NS
        while clock.now_ns() < until_ns:
            clock.sleep_until(clock.now_ns() + round(GRAB_S * NS))
            grab()
    return sweep


def _grab_waiting(cameras: list[Camera], sweep: Sweep) -> None:
    for frame in frames_waiting(cameras):
        sweep.take(frame)
