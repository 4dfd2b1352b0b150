"""The cable test: pulses on one line at a time, and which camera each of them exposed.

    line walk, slow: 3 pulses on line 0 --> frames of HS?    5 on line 1 --> of VIS?    7 on line 2 --> of NIR?

Only the arrival of frames is looked at: with pulses so slow, it leaves no doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial

from rig.cameras.camera import Camera
from rig.clock import NS, Clock
from rig.config.rig import Rig
from rig.selftest.armed import GRAB_S, armed, frames_waiting
from rig.selftest.results import Result, judged, line_name
from rig.streams import Frame, Pulse
from rig.trigger.box import PulsePlan, RunMode, TriggerBox
from rig.trigger.trial import run_box
from rig.verify.findings import Word

WALK_PERIOD_TICKS, WALK_GROUP = 60_000, 4  # with two lines or more a pulse comes every 120 ms
EARLY_NS = NS // 50  # a pulse may be told later than its frame arrives: a USB bridge holds bytes back for 16 ms
LAST_FRAMES_NS = NS // 2  # after the last pulse


@dataclass
class Walk:
    """Frames that came while the lines were pulsed one after the other."""

    pulses: list[Pulse] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)

    def exposed(self, line: int) -> dict[str, int]:
        """How many frames each camera gave for the pulses of a line; cameras without any are not in it."""
        counts: dict[str, int] = {}
        for frame in self.frames:
            if self._line_of(frame) == line:
                counts[frame.stream] = counts.get(frame.stream, 0) + 1
        return counts

    def unpulsed(self) -> list[str]:
        """The cameras that gave frames before any pulse."""
        return sorted({frame.stream for frame in self.frames if self._line_of(frame) is None})

    def sent(self, line: int) -> int:
        """Pulses on a line."""
        return sum(pulse.lines == 1 << line for pulse in self.pulses)

    def _line_of(self, frame: Frame) -> int | None:
        """The line of the last pulse before a frame arrived. Slow pulses make that sure: 30 ms apart, or 120 ms.

        Not handled: a computer that is late by more than that. Then the counts do not fit, and the test fails.
        """
        before = [p for p in self.pulses if p.arrived_host_ns - EARLY_NS <= frame.arrived_host_ns]
        return before[-1].lines.bit_length() - 1 if before else None


def walk_plan(plan: PulsePlan) -> PulsePlan:
    """A line walk over the same lines, slow enough for every camera."""
    lines = tuple(replace(line, divisor=WALK_GROUP if i else 1) for i, line in enumerate(plan.lines))
    return replace(plan, period_ticks=max(WALK_PERIOD_TICKS, plan.period_ticks), lines=lines, mode=RunMode.WALK)


def walk_lines(
    cameras: Mapping[str, Camera],
    box: TriggerBox,
    clock: Clock,
    plan: PulsePlan,
    *,
    is_ended: Callable[[], bool] = lambda: False,
) -> Walk:
    """Arm all cameras, pulse one line after the other, and keep what comes, without its pictures.

    Blocks until the walk is through, or `is_ended()`; it is asked several times a second. Raises DeviceNotReady and
    DeviceLost; the cameras are stopped in any case.
    """
    walk = Walk()
    with armed(cameras) as all_armed:
        grab = partial(_grab_waiting, all_armed, walk)
        enough = lambda _: is_ended()  # noqa: E731
        with closing(run_box(box, clock, walk_plan(plan), enough, each_turn=grab, turn_s=GRAB_S)) as events:
            walk.pulses += (event for event in events if isinstance(event, Pulse))
        _grab_last(grab, clock)
    return walk


def _grab_waiting(cameras: Sequence[Camera], walk: Walk) -> None:
    walk.frames += frames_waiting(cameras)


def _grab_last(grab: Callable[[], None], clock: Clock) -> None:
    until_ns = clock.now_ns() + LAST_FRAMES_NS
    while clock.now_ns() < until_ns:
        clock.sleep_until(clock.now_ns() + round(GRAB_S * NS))
        grab()


def name_cameras(walk: Walk, rig: Rig, serials: Mapping[str, str]) -> list[Result]:
    """For each line the camera that exposed, held against rig.yaml. `serials`: of each camera."""
    declared = {camera.line: name for name, camera in rig.cameras.items()}
    results = [_line_result(walk, line, declared, serials) for line in sorted(declared)]
    for name in walk.unpulsed():
        text = f"{name} exposed before any pulse; is its TriggerMode On?"
        results.append(Result(f"camera {name}", Word.FAIL, None, text, "exposes on a pulse only"))
    return results


def _line_result(walk: Walk, line: int, declared: Mapping[int, str], serials: Mapping[str, str]) -> Result:
    wanted, exposed, sent = declared[line], walk.exposed(line), walk.sent(line)
    counts = " and ".join(f"{name} exposed {count} of {sent}" for name, count in sorted(exposed.items()))
    text = counts or "nobody exposed"
    if advice := _advice(walk, line, declared, serials):
        text += f"; {advice}"
    limit = f"{wanted} and no other, by rig.yaml"
    return judged(line_name(line), exposed.get(wanted, 0), text, limit, is_good=exposed == {wanted: sent} and sent > 0)


def _advice(walk: Walk, line: int, declared: Mapping[int, str], serials: Mapping[str, str]) -> str:
    """What to look at when a line did not expose its camera, or not it alone; empty when all is well."""
    wanted, exposed = declared[line], walk.exposed(line)
    others = [name for name in sorted(exposed) if name != wanted]
    cable = f"the cable of {wanted} ({serials[wanted]})"
    if not exposed:
        return f"is {cable} on it?"
    if wanted not in exposed:
        swapped = [name for other, name in declared.items() if name in others and wanted in walk.exposed(other)]
        if swapped:
            return f"are the cables of {wanted} and {swapped[0]} swapped?"
        return f"is {cable} on it, and not that of {others[0]}?"
    if others:
        return f"{' and '.join(others)} must not be on it, or ran free"
    return "" if exposed[wanted] == walk.sent(line) else f"is {cable} loose, or its exposure longer than the period?"
