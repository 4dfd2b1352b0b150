"""What the firmware must do, worked out without it, and measurements of what it did; for the tests and the benchmark.

Everything is compared in cycles of the chip, from the trace of its pins: a tick of the box is 8 cycles, 0.5 us.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rig.clock import NS
from rig.streams import BoxStatus, Edge, Pulse
from rig.trigger.box import (
    POSTAMBLE,
    PREAMBLE,
    BoxEvent,
    EventsLost,
    LinePlan,
    PulsePlan,
    RunBegan,
    RunEnded,
    RunMode,
    StartRefused,
    walk_pulses,
)
from rig.trigger.port import SerialBox
from tests.trigger.firmware.simavr import (
    BOOTED_NS,
    INPUT_PINS,
    LED_PINS,
    LINE_PINS,
    TICK,
    TIMED_INPUT,
    Edges,
    Simavr,
    edges_of,
    masks,
)

Event = TypeVar("Event")
Cycles = NDArray[np.int64]
PATIENCE_S = 20  # of simulated time, beyond what a run takes
PINGS_HZ = 5
CYCLES_US = 16
EVERY_PULSE, EVERY_FOURTH = LinePlan(0, 1, 2000), (LinePlan(1, 4, 4000), LinePlan(2, 4, 4000))
DEMO = PulsePlan(20_000, (EVERY_PULSE, *EVERY_FOURTH), 18_000)  # 100, 25 and 25 Hz


@contextmanager
def powered(folder: Path, **options: Any) -> Iterator[tuple[Simavr, SerialBox]]:
    """A chip with power in `folder`, and the driver's box on its port."""
    with Simavr(folder, **options) as chip:
        chip.clock.sleep_until(BOOTED_NS)
        box = SerialBox(chip.port, chip.clock)
        try:
            yield chip, box
        finally:
            box.close()


def of_kind(told: list[BoxEvent], kind: type[Event]) -> list[Event]:
    """The events of one kind, in their order."""
    return [event for event in told if isinstance(event, kind)]


def listen(chip: Simavr, box: SerialBox, *ends: type, seconds: float = PATIENCE_S) -> list[BoxEvent]:
    """What is told until one of `ends`, with pings meanwhile; without `ends`, for so many simulated seconds."""
    told: list[BoxEvent] = []
    now_ns = ping_ns = chip.clock.now_ns()
    until_ns = now_ns + round(seconds * NS)
    while now_ns < until_ns:
        if now_ns >= ping_ns:
            box.ping()
            ping_ns += NS // PINGS_HZ
        fresh = box.events(0.02)
        told += fresh
        if ends and any(isinstance(event, ends) for event in fresh):
            return told
        now_ns = chip.clock.now_ns()
    assert not ends, f"no {ends} within {seconds:g} s; {told[-3:]}"
    return told


def send(chip: Simavr, box: SerialBox, plan: PulsePlan, run_id: int) -> list[BoxEvent]:
    """A whole run, from its request to a STATUS after its end. Fails when it is refused."""
    assert plan.body_groups is not None or plan.mode is RunMode.WALK
    box.start(plan, run_id)
    length_s = (planned_pulses(plan)[-1][0] + plan.slot_ticks) / 2e6
    return listen_to_end(chip, box, seconds=length_s + PATIENCE_S)


def listen_to_end(chip: Simavr, box: SerialBox, *, seconds: float = PATIENCE_S) -> list[BoxEvent]:
    """What is told until the end of the run and a STATUS after it."""
    told = listen(chip, box, RunEnded, StartRefused, seconds=seconds)
    assert not of_kind(told, StartRefused), told[-3:]
    ended = of_kind(told, RunEnded)[0]
    while not any(status.box_ticks >= ended.box_ticks for status in of_kind(told, BoxStatus)):
        told += listen(chip, box, BoxStatus)
    return told


# ---- what the plan asks for


def planned_pulses(plan: PulsePlan) -> list[tuple[int, int]]:
    """(ticks after pulse 0, pulse number) of every pulse of a run of exact length."""
    if plan.mode is RunMode.WALK:
        count = sum(walk_pulses(line.line) for line in plan.lines)
        return [(i * plan.slot_ticks, i) for i in range(count)]
    body = plan.body_groups or 0
    if plan.mode is not RunMode.RECORD:
        return [(i * plan.period_ticks, i) for i in range(body * plan.group)]
    slots = len(PREAMBLE) + body + len(POSTAMBLE)
    places = ((slot, i, plan.pulse_in_slot(slot, i)) for slot in range(slots) for i in range(plan.group))
    return [((slot * plan.group + i) * plan.period_ticks, n) for slot, i, n in places if n is not None]


def lines_of_pulse(plan: PulsePlan, number: int) -> list[LinePlan]:
    """The lines that carry a pulse."""
    if plan.mode is not RunMode.WALK:
        return [line for line in plan.lines if number % line.divisor == 0]
    walked = [line for line in plan.lines for _ in range(walk_pulses(line.line))]
    return [walked[number]]


def planned_edges(plan: PulsePlan) -> dict[int, Cycles]:
    """By pin, the cycles after pulse 0 at which it rises and falls in turn."""
    edges: dict[int, list[int]] = {pin: [] for pin in LINE_PINS}
    for ticks, number in planned_pulses(plan):
        for line in lines_of_pulse(plan, number):
            edges[LINE_PINS[line.line]] += [ticks * TICK, (ticks + line.width_ticks) * TICK]
    return {pin: np.array(cycles, np.int64) for pin, cycles in edges.items()}


def deviations(edges: Edges, plan: PulsePlan) -> Cycles:
    """How many cycles after its planned time each edge of the trigger lines came; pulse 0 is on time by definition."""
    planned, began = planned_edges(plan), edges_of(edges, *LINE_PINS)["cycle"].astype(np.int64)[:1]
    out = []
    for pin, cycles in planned.items():
        seen = edges_of(edges, pin)
        assert len(seen) == len(cycles), f"D{pin}: {len(seen)} edges, {len(cycles)} planned"
        assert (seen["level"] == (np.arange(len(seen)) + 1) % 2).all(), f"D{pin} does not rise and fall in turn"
        out.append(seen["cycle"].astype(np.int64) - began - cycles)
    return np.concatenate(out)


def skews(edges: Edges) -> Cycles:
    """How far each rise of the slower lines is from the nearest one of line 0, cycles."""
    base = rises_of(edges, LINE_PINS[0])
    slower = np.concatenate([rises_of(edges, pin) for pin in LINE_PINS[1:]])
    at = np.clip(np.searchsorted(base, slower), 1, len(base) - 1)
    return np.minimum(np.abs(base[at] - slower), np.abs(base[at - 1] - slower))


def rises_of(edges: Edges, pin: int) -> Cycles:
    """The cycles at which a pin rose."""
    rows = edges_of(edges, pin)
    return rows["cycle"][rows["level"] == 1].astype(np.int64)


# ---- the code of the sync LEDs, from its documented polynomial


@cache
def m_sequence() -> NDArray[np.uint8]:
    """One period of LED A's bits and 20 more: x^20 + x^3 + 1 from the bits of 0xB5A3C, lowest first."""
    bits = [0xB5A3C >> i & 1 for i in range(20)]
    for k in range(2**20 - 1):
        bits.append(bits[k + 3] ^ bits[k])
    return np.array(bits, np.uint8)


@cache
def place_of_window() -> NDArray[np.int64]:
    """By the value of 20 consecutive bits, lowest first, the pulse number of the first; -1: never."""
    windows = _windows(m_sequence()[: 2**20 - 1 + 19])
    places = np.full(2**20, -1, np.int64)
    places[windows] = np.arange(len(windows))
    return places


def _windows(bits: NDArray[np.uint8]) -> Cycles:
    """The values of every 20 consecutive bits, lowest first."""
    count = len(bits) - 19
    return sum((bits[i : i + count].astype(np.int64) << i for i in range(20)), np.zeros(count, np.int64))


def numbers_by_led(seen: NDArray[np.int64]) -> Cycles:
    """Pulse numbers read from the LEDs alone (bit 0 A, 1 B1, 2 B2) at 20 or more consecutive pulses; -1: no code."""
    starts = place_of_window()[_windows((seen & 1).astype(np.uint8))]
    numbers = np.concatenate([starts, starts[-1] + np.arange(1, 20)])
    phase = numbers % 4
    gray = phase ^ phase >> 1
    return np.where(seen >> 1 == gray, numbers, -1)


def leds_at(edges: Edges, cycles: Cycles) -> NDArray[np.int64]:
    """What the LEDs showed just before each of some cycles: bit 0 A, 1 B1, 2 B2."""
    changes = masks(edges, LED_PINS)
    at = np.searchsorted(np.array([cycle for cycle, _ in changes]), cycles) - 1
    shown = np.array([mask for _, mask in changes] + [0])  # before the first change they are dark: index -1
    return shown[at]


def led_deviations(edges: Edges, plan: PulsePlan) -> Cycles:
    """How many cycles after its planned time each change of the sync code came. B1 or B2 changes after every pulse."""
    began = edges_of(edges, *LINE_PINS)["cycle"].astype(np.int64)[0]
    planned = np.array([ticks + plan.led_phase_ticks for ticks, _ in planned_pulses(plan)], np.int64) * TICK
    changes = np.array([cycle for cycle, _ in masks(edges, LED_PINS) if cycle > began], np.int64)
    return changes[: len(planned)] - began - planned


# ---- what was told, against the pins


def tick_origin(edges: Edges, told: list[BoxEvent]) -> Cycles:
    """For each pulse told, the cycle at which it was on the pins minus 8 times its ticks; the same for all."""
    seen = np.unique(np.concatenate([rises_of(edges, pin) for pin in LINE_PINS]))
    pulses = of_kind(told, Pulse)
    stamps = np.array([pulse.box_ticks for pulse in pulses], np.int64)
    return seen[[pulse.pulse_number for pulse in pulses]] - stamps * TICK


def is_told_in_full(edges: Edges, told: list[BoxEvent]) -> bool:
    """Whether every pulse on the pins was told, once, in order, and with one stamp for all lines."""
    numbers = [pulse.pulse_number for pulse in of_kind(told, Pulse)]
    sent = len(np.unique(np.concatenate([rises_of(edges, pin) for pin in LINE_PINS])))
    return numbers == list(range(sent)) and len(set(tick_origin(edges, told).tolist())) == 1


def lateness(edges: Edges, told: list[BoxEvent], origin: int, number: int) -> Cycles:
    """How late each change of an input was stamped, cycles. Fails when one was missed, doubled or told wrongly."""
    mine = [edge for edge in of_kind(told, Edge) if edge.input == number]
    stamps = np.array([edge.box_ticks for edge in mine], np.int64) * TICK + origin
    seen = edges_of(edges, INPUT_PINS[number])
    cycles = seen["cycle"].astype(np.int64)
    at = np.searchsorted(cycles, stamps + TICK, "right") - 1
    assert (np.diff(at) == 1).all(), f"input {number}: a change was missed or doubled"
    assert [edge.level for edge in mine] == seen["level"][at].tolist()
    return stamps - cycles[at]


def missed_counts(edges: Edges, status: BoxStatus, origin: int, resolution_us: int = 150) -> list[int]:
    """By input, how many rises the box had not counted at a STATUS, those within its resolution apart."""
    now = status.box_ticks * TICK + origin
    missed = []
    for number, pin in enumerate(INPUT_PINS):
        rises = rises_of(edges, pin)
        least, most = ((rises <= limit).sum() for limit in (now - resolution_us * CYCLES_US, now))
        counted = status.input_rises[number]
        missed.append(0 if least <= counted <= most else int(least - counted))
    return missed


@dataclass(frozen=True)
class FullLoad:
    """A recording run with all inputs busy and pings, measured on every edge. Cycles are of 62.5 ns."""

    pulses: int
    edges: int
    events: int
    lost: int
    late: int
    dropped: int
    deepest_queue: int
    overruns: int
    statuses: int
    skew_cycles: int
    jitter_cycles: int
    drift_cycles: int
    stamp_error_cycles: int
    led_late_cycles: tuple[int, int]
    wrong_by_led: int
    timed_late_us: tuple[float, float]
    polled_late_us: tuple[float, float, float]  # median, p99, most
    missed_inputs: int
    ram_untouched: int


def full_load(chip: Simavr, box: SerialBox, plan: PulsePlan, run_id: int) -> FullLoad:
    """Send a run and measure it. The chip's inputs must be busy."""
    told = send(chip, box, plan, run_id)
    edges, report = chip.edges(), chip.report()
    off, origins = deviations(edges, plan), tick_origin(edges, told)
    pulses, statuses = of_kind(told, Pulse), of_kind(told, BoxStatus)
    assert is_told_in_full(edges, told), "a pulse was not told, or with a wrong number or stamp"
    origin = int(origins[0])
    late = {number: lateness(edges, told, origin, number) / CYCLES_US for number in range(len(INPUT_PINS))}
    polled = np.concatenate([us for number, us in late.items() if number != TIMED_INPUT])
    shown = leds_at(edges, rises_of(edges, LINE_PINS[0]))
    leds = led_deviations(edges, plan)
    return FullLoad(
        pulses=len(pulses),
        edges=len(off),
        events=len(pulses) + sum(map(len, late.values())),
        lost=sum(lost.count for lost in of_kind(told, EventsLost)),
        late=statuses[-1].edges_late,
        dropped=statuses[-1].events_dropped,
        deepest_queue=statuses[-1].deepest_queue,
        overruns=report["overruns"],
        statuses=len(statuses),
        skew_cycles=int(skews(edges).max()),
        jitter_cycles=int(off.max() - off.min()),
        drift_cycles=int(abs(off[-1])),
        stamp_error_cycles=int(np.abs(origins - origin).max()),
        led_late_cycles=(int(leds.min()), int(leds.max())),
        wrong_by_led=int((numbers_by_led(shown) != np.arange(len(shown))).sum()),
        timed_late_us=(float(late[TIMED_INPUT].min()), float(late[TIMED_INPUT].max())),
        polled_late_us=(float(np.median(polled)), float(np.percentile(polled, 99)), float(polled.max())),
        missed_inputs=sum(map(abs, missed_counts(edges, statuses[-1], origin))),
        ram_untouched=report["ram_untouched"],
    )


# ---- stopping


def stop_after(chip: Simavr, box: SerialBox, plan: PulsePlan, run_id: int, seconds: float) -> list[BoxEvent]:
    """Start a run without an end, stop it after so long, and listen to its end."""
    box.start(plan, run_id)
    told = listen(chip, box, RunBegan) + listen(chip, box, seconds=seconds)
    box.stop()
    return told + listen_to_end(chip, box)


def run_beside(chip: Simavr, box: SerialBox, plan: PulsePlan, run_id: int, damage: list[bytes]) -> list[BoxEvent]:
    """A run during which bad frames arrive at the box without a pause, between those of the driver."""
    box.start(plan, run_id)
    told = listen(chip, box, RunBegan)
    while damage:
        burst, damage = damage[:20], damage[20:]
        box._port.write(b"".join(burst))
        told += listen(chip, box, seconds=sum(map(len, burst)) * 10 / 115_200)
    box.stop()
    return told + listen_to_end(chip, box)


def is_group_aligned(edges: Edges, plan: PulsePlan) -> bool:
    """Whether whole groups were sent, framed by preamble and postamble, with every edge where it belongs."""
    sent = len(rises_of(edges, LINE_PINS[0]))
    body, rest = divmod(sent, plan.group)
    if rest or body < sum(PREAMBLE) + sum(POSTAMBLE):
        return False
    whole = replace(plan, body_groups=body - sum(PREAMBLE) - sum(POSTAMBLE))
    return not deviations(edges, whole).any()
