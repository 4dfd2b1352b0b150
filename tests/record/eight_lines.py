"""A trigger box of another make on the wires of the simulated world: eight lines, and no wire format of ours.

EightLines     what is in the world: pulses, trigger lines, sync LEDs, on the world's time
OtherBox       its driver behind the seam; told by calls, where a real one would have bytes
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from itertools import count
from typing import ClassVar

from rig.clock import Clock
from rig.sim.leds import DARK, codes
from rig.streams import BoxStatus, ClockPair, DeviceInfo, Pulse
from rig.trigger.box import (
    POSTAMBLE,
    PREAMBLE,
    TICKS_HZ,
    BoxEvent,
    PulsePlan,
    RunBegan,
    RunEnded,
    RunMode,
    TriggerBox,
    walk_pulses,
)

LINES, TICK_NS, FIRST_NS = 8, 1_000_000_000 // TICKS_HZ, 2_000_000
CAPABILITIES: dict[str, str | int | float | bool] = {"lines": LINES, "inputs": 0, "group_pulses": 255}


class EightLines:
    """Stands in for the world's own box; `latest` is the one that the driver finds. Times are host ns."""

    latest: ClassVar[EightLines]

    def __init__(
        self,
        on_lines: Callable[[int, int, int, bool], None],
        *,
        on_leds: Callable[[int, int], None],
        start_host_ns: int,
        **_: object,
    ) -> None:
        EightLines.latest = self
        self.told: list[BoxEvent] = []
        self._on_lines, self._on_leds, self._start_ns = on_lines, on_leds, start_host_ns
        self._due: list[tuple[int, int, Callable[[int], None]]] = []
        self._order, self._must_stop, self._sent = count(), False, 0

    def ticks_at(self, host_ns: int) -> int:
        return (host_ns - self._start_ns) // TICK_NS

    @property
    def is_telling(self) -> bool:
        return bool(self.told)

    def next_host_ns(self) -> int | None:
        return self._due[0][0] if self._due else None

    def run_until(self, host_ns: int) -> None:
        while self._due and self._due[0][0] <= host_ns:
            at, _, act = heapq.heappop(self._due)
            act(at)

    def begin(self, plan: PulsePlan, run_id: int, host_ns: int) -> None:
        self._must_stop, self._sent = False, 0
        self._plan, self._run_id, self._codes = plan, run_id, codes()
        self._slots = self._walk() if plan.mode is RunMode.WALK else self._record()
        self.told.append(RunBegan(run_id, self.ticks_at(host_ns), host_ns))
        if plan.mode is RunMode.RECORD:
            self._on_leds(host_ns, next(self._codes))
        self._at(host_ns + FIRST_NS, self._slot)

    def stop(self) -> None:
        self._must_stop = True

    def _at(self, host_ns: int, act: Callable[[int], None]) -> None:
        heapq.heappush(self._due, (host_ns, next(self._order), act))

    def _walk(self) -> Iterator[tuple[int, ...]]:
        for line in sorted(plan.line for plan in self._plan.lines):
            yield from [(1 << line,)] * walk_pulses(line)

    def _record(self) -> Iterator[tuple[int, ...]]:
        lines = self._plan.lines
        group = tuple(sum(1 << p.line for p in lines if i % p.divisor == 0) for i in range(self._plan.group))
        yield from (group if sends else () for sends in PREAMBLE)
        while not self._must_stop:
            yield group
        yield from (group if sends else () for sends in POSTAMBLE)

    def _slot(self, now: int) -> None:
        pulses = next(self._slots, None)
        if pulses is None:
            self._end(now)
            return
        for i, lines in enumerate(pulses):
            self._at(now + i * self._plan.period_ticks * TICK_NS, lambda at, lines=lines: self._pulse(lines, at))
        self._at(now + self._plan.slot_ticks * TICK_NS, self._slot)

    def _pulse(self, lines: int, now: int) -> None:
        number, self._sent = self._sent, self._sent + 1
        self.told.append(Pulse(self._run_id, number, lines, self.ticks_at(now), now))
        self._on_lines(now, lines, number, self._plan.mode is RunMode.WALK)
        if self._plan.mode is RunMode.RECORD:
            mask = next(self._codes)
            self._at(now + self._plan.led_phase_ticks * TICK_NS, lambda at: self._on_leds(at, mask))

    def _end(self, now: int) -> None:
        self._on_leds(now, DARK)
        ticks = self.ticks_at(now)
        self.told.append(RunEnded(self._run_id, self._sent, ticks, now))
        self.told.append(BoxStatus(self._run_id, self._sent, self._sent, 0, 1, 0, 0, (0,) * 8, ticks, now))


class OtherBox(TriggerBox):
    """Its driver; called as wiring.BOXES calls any."""

    name = "trigger box of another make"

    def __init__(self, port: str, clock: Clock, *, baud: int) -> None:
        self._box, self._clock = EightLines.latest, clock

    def describe(self) -> DeviceInfo:
        return DeviceInfo("box", "Other", "Eight Lines", "E8", "1", simulated=True, capabilities=dict(CAPABILITIES))

    def start(self, plan: PulsePlan, run_id: int) -> None:
        self._box.begin(plan, run_id, self._clock.now_ns())

    def stop(self) -> None:
        self._box.stop()

    def ping(self) -> None:
        now = self._clock.now_ns()
        ticks = self._box.ticks_at(now)
        self._box.told.append(ClockPair("box", ticks, ticks, now - 50_000, now + 50_000))

    def events(self, timeout_s: float) -> list[BoxEvent]:
        told, self._box.told = self._box.told, []
        return told

    def close(self) -> None:
        self._box.stop()
