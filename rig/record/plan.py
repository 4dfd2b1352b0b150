"""What a run is going to be, known before anything is armed: its steps, its pulses, and the room it needs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from math import ceil

from rig.config.rig import TICK_NS, Rig
from rig.config.rules import buffers_of
from rig.elicitation.course import Course, Pay
from rig.elicitation.steps import Item, Step
from rig.errors import StorageError
from rig.pixels import FORMATS
from rig.record.watch import BOX
from rig.session import layout
from rig.session.arming import reserved_bytes
from rig.session.layout import Room, StreamSpec, spelled_size
from rig.trigger.box import POSTAMBLE, PREAMBLE, TICKS_HZ, LinePlan, PulsePlan, RunMode

PULSE_ROOM = 200  # pulses reserved beyond the plan
EDGE_ROOM, EDGE_HEADROOM = 10_000, 1.25  # edges reserved beyond the plan: so many, and so many times as many
MARKER_EDGES = 20.0  # a second, from whatever is wired to the marker
MOST_ESCAPED = 6  # bytes of a letter in JSON at most, as in \u0007; in UTF-8 one takes 4
SPARE_ANSWERS, SPARE_STEPS = 5, 40  # rows left of answers and of steps at which the next file is made
STEP_MARGIN_S = 1.0  # from one step to the next: a film is made ready
LEAD_S = 10.0  # so long before a file is full the next one is made; a disk that is slow may take seconds for it
MARGIN_S = 2 * LEAD_S  # beyond the plan, so that no session which keeps to it needs a further file
NEXT_S, LEAST_NEXT_S = 600.0, 30.0  # length of a further file, and where the disk has no room for that, at least
LEAST_FREE_BYTES = 32 << 20  # a file system that is full to the last byte may refuse even what was reserved


@dataclass(frozen=True)
class Lead:
    """How a participant is led through the steps, and from where on, when an earlier run of the session was cut."""

    is_waiting: bool = False  # the first step waits for the operator's start
    pay: Pay | None = None
    otherwise: str = "keep"  # or delete: what becomes of the session of who withdraws and does not say
    resumes: int = 0  # number of the run that was cut; 0: none
    first: int = 0  # step to begin with
    caught: int = 0  # guesses that were right in earlier runs
    is_withdrawn: bool = False  # in an earlier run


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
    buffers: dict[str, int] = field(default_factory=dict)  # frames that each camera's buffers hold
    lead: Lead = field(default_factory=Lead)

    @property
    def course(self) -> Course:
        """The way through the steps, from its beginning."""
        return Course(self.steps, first=self.lead.first, caught=self.lead.caught, pay=self.lead.pay)

    @property
    def names(self) -> tuple[str, ...]:
        """The streams, in the order of rig.yaml."""
        return tuple(self.lines)

    @property
    def walk(self) -> PulsePlan:
        """The line walk that goes before."""
        return replace(self.pulses, mode=RunMode.WALK, body_groups=None)

    @property
    def rate_hz(self) -> float:
        """Pulses a second."""
        return TICKS_HZ / self.pulses.period_ticks

    @property
    def periods_s(self) -> dict[str, float]:
        """From one pulse to the next, for each stream and the box."""
        return {name: line.divisor / self.rate_hz for name, line in self.lines.items()} | {BOX: 1 / self.rate_hz}

    @property
    def room(self) -> Room:
        """The room that its file needs."""
        return self._room(self.streams, self.seconds)

    def _room(self, streams: tuple[StreamSpec, ...], seconds: float) -> Room:
        """Some pulses more than planned; contacts that bounce, or noise, may bring some more edges, too."""
        pulses = round(seconds * self.rate_hz) + PULSE_ROOM
        edges = ceil(seconds * EDGE_HEADROOM * self.edges_per_s) + EDGE_ROOM
        return Room(streams, seconds, pulses, edges, len(self.steps), *self._answers)

    @property
    def _answers(self) -> tuple[int, int]:
        """Answers beyond one a step, and bytes of all their texts; twice more the page with most of them.

        A guess is an answer, too. When a trial comes once more, so do its answers: `least` makes the next file then.
        """
        guesses = len({step.trial for step in self.steps})
        rows = [len(step.items) for step in self.steps]
        sizes = [_answer_bytes(step) for step in self.steps]
        return sum(rows) + guesses + 2 * max(rows, default=0), sum(sizes) + 2 * max(sizes, default=0)

    def frames(self, stream: str, seconds: float) -> int:
        """Frames of a stream within so many seconds."""
        return ceil(seconds * self.rate_hz / self.lines[stream].divisor)

    @property
    def least(self) -> dict[str, int]:
        """Rows left in a table, or bytes in the text of a log, at which the next file is made: those of LEAD_S.

        Tables that only a flood can fill, as that of the edges, are no reason for another file. Those of steps and
        answers have room for the whole plan, and some more; trials that come once more take that.
        """
        rows = {path: ceil(LEAD_S * count) for path, count in layout.ROWS_A_SECOND.items()}
        rows |= {f"{layout.LOG}/rows": layout.LOG_ROWS // 4, f"{layout.LOG}/text": layout.LOG_BYTES // 2}
        rows |= {layout.frames_path(name): self.frames(name, LEAD_S) for name in self.names}
        rows |= {layout.TRIALS: SPARE_STEPS, layout.NOT_STORED_ROWS: SPARE_STEPS * len(self.names)}
        rows |= {f"{layout.ANSWERS}/rows": SPARE_ANSWERS + max((len(step.items) for step in self.steps), default=0)}
        rows |= {f"{layout.ANSWERS}/text": max(map(_answer_bytes, self.steps), default=0)}
        return rows | {layout.PULSES: ceil(LEAD_S * self.rate_hz)}

    def next_room(self, free_bytes: int) -> Room:
        """The room of a further file: NEXT_S long, or what half of what is free on the disk allows.

        Raises StorageError when that is less than LEAST_NEXT_S.
        """
        needed = self.next_bytes(NEXT_S)
        at_all = self.next_bytes(0)
        seconds = min(NEXT_S, (free_bytes / 2 - at_all) * NEXT_S / (needed - at_all))
        if seconds < LEAST_NEXT_S:
            problem, value = "has too little room for a further file", f"{spelled_size(free_bytes)} free"
            raise StorageError("disk", problem, value=value, allowed=f"{spelled_size(self.low_bytes)} at least")
        return self._next_room(seconds)

    def next_bytes(self, seconds: float) -> int:
        """Bytes that a further file of this length takes."""
        return reserved_bytes(self._next_room(seconds))

    def _next_room(self, seconds: float) -> Room:
        """Room for all frames of all streams: nobody knows what is kept in a session that outlasts its plan."""
        streams = tuple(replace(spec, capacity=self.frames(spec.name, seconds) + 1, due=0) for spec in self.streams)
        return self._room(streams, seconds)

    @property
    def low_bytes(self) -> int:
        """Bytes that must be free for a further file to be made."""
        return 2 * self.next_bytes(LEAST_NEXT_S)


def _answer_bytes(step: Step) -> int:
    """Bytes of the longest answers to a step, in the log of answers."""
    labels = max((_written(label) for label in step.keys.values()), default=0)
    return _written(step.name) + labels + sum(_written(item.name) + _longest(item) for item in step.items)


def _longest(item: Item) -> int:
    return MOST_ESCAPED * item.most_letters + max((_written(choice.value) for choice in item.choices), default=0)


def _written(text: str) -> int:
    return len(json.dumps(text))


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


def plan_run(rig: Rig, steps: list[Step], lead: Lead | None = None) -> RunPlan:
    """Plan a run of these steps: reserved is what the longest possible course of those still to come needs."""
    lead = lead or Lead()
    to_come = steps[lead.first :]
    group_s = rig.group * rig.box.period_ticks / TICKS_HZ
    ends_s = (len(PREAMBLE) + len(POSTAMBLE)) * group_s + MARGIN_S
    pulses, lines = pulse_plan(rig)
    seconds = ends_s + sum(step.max_seconds + STEP_MARGIN_S for step in to_come)
    specs = []
    for name, camera in rig.cameras.items():
        kept_s = ends_s + sum(step.max_seconds + STEP_MARGIN_S for step in to_come if name in step.store)
        frames, due = (ceil(length * rig.box.rate_hz / camera.divisor) + 1 for length in (kept_s, seconds))
        form, is_compressed = FORMATS[camera.pixel_format], camera.compression != "none"
        specs.append(StreamSpec(name, camera.height, camera.width, frames, form, is_compressed=is_compressed, due=due))
    inputs = {number: name for name, number in rig.box.inputs.items() if name in rig.cameras}
    buffers = {name: buffers_of(rig.box.rate_hz, camera.divisor) for name, camera in rig.cameras.items()}
    return RunPlan(tuple(steps), pulses, lines, tuple(specs), edges_per_s(rig), seconds, group_s, inputs, buffers, lead)
