"""The loop-back test: each pulse of one line comes back at an input as one edge, always equally late.

    line 0 --pulses--> wire --edges--> free input

How long the way is, how much it varies, and whether anything got lost on it is held against what the box promises.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from math import ceil

from rig.clock import Clock
from rig.errors import DeviceNotReady, UserError
from rig.selftest.results import Result, input_name, judged, line_name
from rig.streams import ClockPair, DeviceInfo, Edge, Pulse
from rig.trigger.box import POLLED_US, TICKS_HZ, BoxEvent, PulsePlan, TriggerBox
from rig.trigger.tally import Tally, rate_bounds, ticks_hz, timed_input
from rig.trigger.trial import run_box
from rig.verify.findings import Word

WIDTH_TICKS = 600  # an input that is polled needs 250 us
RATE_PPM = 5000  # a ceramic resonator, as an Uno has, is good to 0.5 %
TIMED_US, TIMED_JITTER_US = 2.0, 1.0  # a stamp of the hardware is good to a tick of 0.5 us, at either end
EARLY_TICKS = 20
_ORIGINS = {"timed": "the hardware stamps this input to a tick of 0.5 us", "polled": "the firmware polls this input"}


@dataclass
class LoopBack:
    """What was sent on one line and came back at one input."""

    wire: str  # where it is, in words
    line: int
    input: int
    is_timed: bool  # the input is stamped by hardware, not polled
    tick_hz: int
    tally: Tally
    others: list[str] = field(default_factory=list)  # what rig.yaml has at the input
    pulses_ticks: list[int] = field(default_factory=list)  # when each pulse went out on the line
    edges_ticks: list[int] = field(default_factory=list)  # when each rising edge came in
    pairs: list[ClockPair] = field(default_factory=list)

    def take(self, event: BoxEvent) -> None:
        """Keep what belongs to the line and the input."""
        match event:
            case Pulse() if event.lines >> self.line & 1:
                self.pulses_ticks.append(event.box_ticks)
            case Edge(level=1) if event.input == self.input:
                self.edges_ticks.append(event.box_ticks)
            case ClockPair():
                self.pairs.append(event)

    @property
    def latencies_us(self) -> list[float]:
        """Of each edge after the last pulse before it, us of the box's clock. A stamp may be a tick early."""
        before = [bisect_right(self.pulses_ticks, ticks + EARLY_TICKS) - 1 for ticks in self.edges_ticks]
        pairs = zip(self.edges_ticks, before, strict=True)
        return [(ticks - self.pulses_ticks[i]) * 1e6 / self.tick_hz for ticks, i in pairs if i >= 0]


def loop_back(
    box: TriggerBox,
    clock: Clock,
    plan: PulsePlan,
    *,
    seconds: float,
    input_number: int | None = None,
    signals: Mapping[str, int] | None = None,
    is_ended: Callable[[], bool] = lambda: False,
) -> list[Result]:
    """Send `plan` for `seconds` with its first line wired to an input, and judge what comes back. Blocks.

    `input_number` None: the input that the hardware stamps. `signals`: what else is wired to which input. The run is
    ended in order before its time when `is_ended()`. Raises UserError for an input that the box has not,
    DeviceNotReady and DeviceLost.
    """
    info = box.describe()
    number = _require_input(info, input_number)
    plan = _bearable(plan, info)
    line = min(plan.lines, key=lambda planned: planned.line).line
    looped = LoopBack(
        f"{line_name(line)} and {input_name(number)}",
        line,
        number,
        is_timed=number == timed_input(info),
        tick_hz=ticks_hz(info),
        tally=Tally(plan.period_ticks, timed_input(info)),
        others=[name for name, wired in (signals or {}).items() if wired == number],
    )
    with closing(run_box(box, clock, plan, lambda sent_s: is_ended() or sent_s >= seconds)) as events:
        for event in events:
            looped.tally.take(event)
            looped.take(event)
    return judge(looped)


def _require_input(info: DeviceInfo, number: int | None) -> int:
    """The input that is named, else the timed one, else the last; of a box that declares none, one must be named."""
    inputs = info.declared("inputs")
    if inputs == 0:
        raise DeviceNotReady(
            f"trigger box {info.model}, serial {info.serial}", "has no input that a wire could lead to"
        )
    if inputs is None and number is None:
        raise UserError("--input", "is needed, as the box does not declare its inputs")
    if number is None:
        return (inputs or 0) - 1
    if number < 0 or (inputs is not None and number >= inputs):
        allowed = "0 or more" if inputs is None else f"0 to {inputs - 1}"
        raise UserError("--input", "is not allowed", value=str(number), allowed=allowed)
    return number


def _bearable(plan: PulsePlan, info: DeviceInfo) -> PulsePlan:
    """The plan with pulses that a polled input sees, and no faster than the box can tell a pulse and its two edges."""
    most_per_s = info.declared("events_per_s")
    period = max(plan.period_ticks, ceil(3 * TICKS_HZ / most_per_s) if most_per_s else 0)
    lines = tuple(replace(line, width_ticks=WIDTH_TICKS) for line in plan.lines)
    return replace(plan, period_ticks=period, lines=lines, led_phase_ticks=period // 2)


def judge(looped: LoopBack) -> list[Result]:
    """Every line of the self-test, from what was heard."""
    return [
        _wire(looped),
        _latency(looped),
        _jitter(looped),
        _on_plan(looped),
        _rate(looped),
        _lost(looped),
        _late(looped),
    ]


def _wire(looped: LoopBack) -> Result:
    name, limit = "loop-back wire", "one edge for each pulse"
    sent, rises = len(looped.pulses_ticks), looped.tally.rises[looped.input].count
    if not rises:
        text = f"nothing came back: connect {looped.wire.replace(' and ', ' with ')} by a wire, and nothing else there"
        text += f"; {looped.others[0]} is wired there, take it off for this test" if looped.others else ""
        return judged(name, 0, text, limit, is_good=False)
    return judged(
        name, rises, f"{sent} pulses sent, {rises} edges seen between {looped.wire}", limit, is_good=sent == rises
    )


def _latency(looped: LoopBack) -> Result:
    name, latencies = "edge after pulse", looped.latencies_us
    low, high, origin = (-TIMED_US, TIMED_US, "timed") if looped.is_timed else (0.0, POLLED_US, "polled")
    limit = f"{low:g} to {high:g} us: {_ORIGINS[origin]}"
    if not latencies:
        return Result(name, Word.NOT_MEASURED, None, "no edges", limit)
    is_good = low <= min(latencies) and max(latencies) <= high
    return judged(name, max(latencies), f"{min(latencies):g} to {max(latencies):g} us", limit, is_good=is_good)


def _jitter(looped: LoopBack) -> Result:
    """Of the edges that the pulses made: the box stamps a pulse as it planned it, only a timed edge is measured."""
    name, timed = "jitter of the edges", looped.tally.timed
    limit = f"{TIMED_JITTER_US:g} us: {_ORIGINS['timed']}"
    if not looped.is_timed:
        return Result(name, Word.NOT_MEASURED, None, f"no timed edge: {input_name(looped.input)} is polled", limit)
    if timed.spread_ticks is None:
        return Result(name, Word.NOT_MEASURED, None, "no timed edge", limit)
    jitter_us = timed.spread_ticks * 1e6 / looped.tick_hz
    text = f"{jitter_us:g} us peak to peak over {timed.count} timed edges"
    return judged(name, jitter_us, text, limit, is_good=jitter_us <= TIMED_JITTER_US)


def _on_plan(looped: LoopBack) -> Result:
    name, limit = "pulses on plan", "0 ticks; our firmware stamps a pulse as it planned it: no measurement"
    off_ticks = looped.tally.plan.spread_ticks
    if off_ticks is None:
        return Result(name, Word.NOT_MEASURED, None, "fewer than two pulses were told", limit)
    text = f"{off_ticks} ticks off plan over {looped.tally.plan.count} pulses, by the box's own word"
    return judged(name, off_ticks, text, limit, is_good=off_ticks == 0)


def _rate(looped: LoopBack) -> Result:
    name, limit = "rate against the computer", f"{RATE_PPM} ppm either way: a ceramic resonator, 0.5 %"
    try:
        bounds = rate_bounds(looped.pairs, looped.tick_hz)
    except ValueError as error:
        return Result(name, Word.NOT_MEASURED, None, str(error), limit)
    text = f"{bounds.ppm:+.0f} ppm, sure to {bounds.plus_minus_ppm:.0f} ppm ({len(looped.pairs)} clock pairs)"
    if bounds.low_ppm < -RATE_PPM < bounds.high_ppm or bounds.low_ppm < RATE_PPM < bounds.high_ppm:
        return Result(name, Word.NOT_MEASURED, bounds.ppm, f"{text}; not sure enough, take more --seconds", limit)
    return judged(name, bounds.ppm, text, limit, is_good=abs(bounds.ppm) <= RATE_PPM)


def _lost(looped: LoopBack) -> Result:
    lost, sent = looped.tally.events_lost, looped.tally.pulses_sent
    text = (
        f"{lost} lost on the way; the box sent {sent} pulses, and told of them up to number {looped.tally.pulses - 1}"
    )
    return judged(
        "events", lost, text, "none lost, and all pulses told", is_good=lost == 0 and sent == looped.tally.pulses
    )


def _late(looped: LoopBack) -> Result:
    name, limit = "late edges", "0: the box counts outputs that it switched later than planned"
    status = looped.tally.status
    if status is None:
        return Result(name, Word.NOT_MEASURED, None, "the box did not report", limit)
    text = f"{status.edges_late} late, at most {status.deepest_queue} events waited, {status.bad_frames} bad requests"
    return judged(name, status.edges_late, text, limit, is_good=status.edges_late == 0)
