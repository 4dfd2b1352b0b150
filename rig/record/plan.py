"""What a run is going to be, known before anything is armed: its steps, its pulses, and the room it needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from rig.config.rig import TICK_NS, Rig
from rig.elicitation.steps import Step
from rig.session.layout import StreamSpec
from rig.trigger.box import POSTAMBLE, PREAMBLE, TICKS_HZ, LinePlan, PulsePlan

MARGIN_S = 5.0  # between steps, and from the last one to the end of the pulses


@dataclass(frozen=True)
class RunPlan:
    """The plan of one run."""

    steps: tuple[Step, ...]
    pulses: PulsePlan
    lines: dict[str, LinePlan]  # by stream
    streams: tuple[StreamSpec, ...]
    seconds: float  # longest possible length
    group_s: float  # one slowest period

    @property
    def names(self) -> tuple[str, ...]:
        """The streams, in the order of rig.yaml."""
        return tuple(self.lines)

    @property
    def walk(self) -> PulsePlan:
        """The line walk that goes before."""
        return replace(self.pulses, walk=True, body_groups=None)

    @property
    def data_bytes(self) -> int:
        """Bytes of all pictures that may be stored."""
        return sum(spec.capacity * spec.frame_bytes for spec in self.streams)


def pulse_plan(rig: Rig, body_groups: int | None) -> tuple[PulsePlan, dict[str, LinePlan]]:
    """What the box is asked to send for this rig."""
    lines = {
        name: LinePlan(c.line, c.divisor, round(c.pulse_width_us * 1000 / TICK_NS)) for name, c in rig.cameras.items()
    }
    led_phase = round(rig.box.led_phase_us * 1000 / TICK_NS)
    return PulsePlan(rig.box.period_ticks, tuple(lines.values()), led_phase, body_groups=body_groups), lines


def plan_run(rig: Rig, steps: list[Step]) -> RunPlan:
    """Plan a run of these steps.

    When every step has a fixed length the box is given an exact number of groups and ends by itself; the screen is
    then no part of when the recording ends.
    """
    group_s = rig.group * rig.box.period_ticks / TICKS_HZ
    is_fixed = all(step.seconds is not None for step in steps)
    longest = sum(step.max_seconds for step in steps) + MARGIN_S
    body = ceil(sum(step.seconds or 0 for step in steps) / group_s) if is_fixed else None
    ends = (len(PREAMBLE) + len(POSTAMBLE)) * group_s
    pulses, lines = pulse_plan(rig, body)
    specs = []
    for name, camera in rig.cameras.items():
        kept = sum(step.max_seconds for step in steps if name in step.store) + MARGIN_S + ends
        frames = ceil(kept * rig.box.rate_hz / camera.divisor) + 1
        specs.append(StreamSpec(name, camera.height, camera.width, frames))
    return RunPlan(tuple(steps), pulses, lines, tuple(specs), longest + ends, group_s)
