"""What a run is going to be, known before anything is armed: its steps, its pulses, and the room it needs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil

from rig.config.rig import TICK_NS, Rig
from rig.elicitation.steps import Step
from rig.pixels import FORMATS
from rig.session.layout import Room, StreamSpec
from rig.trigger.box import POSTAMBLE, PREAMBLE, TICKS_HZ, LinePlan, PulsePlan, RunMode

PULSE_ROOM = 200  # pulses reserved beyond the plan
EDGE_ROOM, EDGE_HEADROOM = 10_000, 1.25  # edges reserved beyond the plan: so many, and so many times as many
MARKER_EDGES = 20.0  # a second, from whatever is wired to the marker
MARGIN_S = 5.0  # from the start of the pulses to the first step, and from the last one to their end
STEP_MARGIN_S = 1.0  # from one step to the next: a film is made ready


@dataclass(frozen=True)
class RunPlan:
    """The plan of one run."""

    steps: tuple[Step, ...]
    pulses: PulsePlan
    lines: dict[str, LinePlan]  # by stream
    streams: tuple[StreamSpec, ...]
    edges_per_s: float  # at the box's inputs, by what is wired to them
    seconds: float  # longest possible length
    group_s: float  # one slowest period
    inputs: dict[int, str] = field(default_factory=dict)  # streams by the box input of their ExposureActive line

    @property
    def names(self) -> tuple[str, ...]:
        """The streams, in the order of rig.yaml."""
        return tuple(self.lines)

    @property
    def walk(self) -> PulsePlan:
        """The line walk that goes before."""
        return replace(self.pulses, mode=RunMode.WALK, body_groups=None)

    @property
    def pulse_rows(self) -> int:
        """Pulses to reserve room for, some beyond the plan."""
        return round(self.seconds * TICKS_HZ / self.pulses.period_ticks) + PULSE_ROOM

    @property
    def edge_rows(self) -> int:
        """Edges to reserve room for; contacts that bounce, or noise, may bring some more than planned."""
        return ceil(self.seconds * EDGE_HEADROOM * self.edges_per_s) + EDGE_ROOM

    @property
    def room(self) -> Room:
        """The room that its file needs."""
        return Room(self.streams, self.seconds, self.pulse_rows, self.edge_rows)


def edges_per_s(rig: Rig) -> float:
    """The most edges a second that what is wired to the box's inputs brings by itself, two for each exposure."""
    of_cameras = (2 * rig.box.rate_hz / c.divisor for name, c in rig.cameras.items() if name in rig.box.inputs)
    photodiode = rig.screen.refresh_hz if "photodiode" in rig.box.inputs else 0.0
    return sum(of_cameras) + photodiode + (MARKER_EDGES if "marker" in rig.box.inputs else 0.0)


def pulse_plan(rig: Rig) -> tuple[PulsePlan, dict[str, LinePlan]]:
    """What the box is asked to send for this rig, until it is stopped."""
    lines = {
        name: LinePlan(c.line, c.divisor, round(c.pulse_width_us * 1000 / TICK_NS)) for name, c in rig.cameras.items()
    }
    led_phase = round(rig.box.led_phase_us * 1000 / TICK_NS)
    return PulsePlan(rig.box.period_ticks, tuple(lines.values()), led_phase), lines


def plan_run(rig: Rig, steps: list[Step]) -> RunPlan:
    """Plan a run of these steps: reserved is what the longest possible course of them needs."""
    group_s = rig.group * rig.box.period_ticks / TICKS_HZ
    ends_s = (len(PREAMBLE) + len(POSTAMBLE)) * group_s + MARGIN_S
    pulses, lines = pulse_plan(rig)
    specs = []
    for name, camera in rig.cameras.items():
        kept_s = ends_s + sum(step.max_seconds + STEP_MARGIN_S for step in steps if name in step.store)
        frames = ceil(kept_s * rig.box.rate_hz / camera.divisor) + 1
        specs.append(StreamSpec(name, camera.height, camera.width, frames, FORMATS[camera.pixel_format]))
    seconds = ends_s + sum(step.max_seconds + STEP_MARGIN_S for step in steps)
    inputs = {number: name for name, number in rig.box.inputs.items() if name in rig.cameras}
    return RunPlan(tuple(steps), pulses, lines, tuple(specs), edges_per_s(rig), seconds, group_s, inputs)
