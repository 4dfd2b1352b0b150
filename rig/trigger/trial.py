"""A run of the box that nobody records: to watch it, or to test it.

    start --> events, pings --> enough: stop --> group and postamble completed --> RunEnded, last BoxStatus

Whatever ends it, the box is asked to stop.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator

from rig.clock import NS, Clock
from rig.errors import DeviceNotReady
from rig.streams import BoxStatus, ClockPair
from rig.trigger.box import (
    LEFTOVER_S,
    POSTAMBLE,
    TICKS_HZ,
    Booted,
    BoxEvent,
    BoxSilent,
    LineReport,
    PulsePlan,
    RunBegan,
    RunEnded,
    RunLeftOver,
    StartRefused,
    TriggerBox,
)

PING_NS = NS // 5
SILENT_NS = 5 * NS  # over the 3 s for which a start is repeated
STATUS_NS = NS // 2  # after its end the driver asks how the run went


def run_box(
    box: TriggerBox,
    clock: Clock,
    plan: PulsePlan,
    is_enough: Callable[[float], bool],
    *,
    each_turn: Callable[[], None] = lambda: None,
    turn_s: float = 0.05,
) -> Generator[BoxEvent, None, None]:
    """Send a run until `is_enough(seconds)`, end it in order, and give all that the box tells, in its order.

    Nothing is begun when it is enough already. `is_enough` is asked every `turn_s` or more often, with the seconds
    since the run began, 0 before; a run that ends by itself, as the line walk, needs only False. `each_turn` is called
    as often, until the last event. Whoever leaves the loop early closes the generator: that stops the run too. Raises
    DeviceNotReady when the box refuses, restarts or falls silent, and DeviceLost.
    """
    if is_enough(0):
        return
    trial = _Trial(box, clock, plan, each_turn, turn_s)
    box.start(plan, secrets.randbelow(2**32 - 1) + 1)
    try:
        yield from trial.until(lambda: trial.has_ended or is_enough(trial.seconds))
        yield from trial.end()
    except (GeneratorExit, KeyboardInterrupt):
        for _ in trial.end():
            pass
        raise


class _Trial:
    """One run: pings while it goes on, and notices when it cannot."""

    def __init__(
        self, box: TriggerBox, clock: Clock, plan: PulsePlan, each_turn: Callable[[], None], turn_s: float
    ) -> None:
        self._box, self._clock, self._each_turn, self._turn_s = box, clock, each_turn, turn_s
        self._ending_ns = SILENT_NS + (len(POSTAMBLE) + 1) * plan.slot_ticks * NS // TICKS_HZ
        self.has_ended = self._has_status = False
        self._began_ns: int | None = None
        self._heard_ns = self._next_ping_ns = clock.now_ns()

    @property
    def seconds(self) -> float:
        """Since the run began; 0 before."""
        return 0.0 if self._began_ns is None else (self._clock.now_ns() - self._began_ns) / NS

    def until(self, is_enough: Callable[[], bool]) -> Generator[BoxEvent, None, None]:
        """Events until `is_enough()`."""
        while not is_enough():
            now_ns = self._clock.now_ns()
            if now_ns >= self._next_ping_ns:
                self._box.ping()
                self._next_ping_ns = now_ns + PING_NS
            for event in self._box.events(self._turn_s):
                self._notice(event)
                yield event
            self._each_turn()
            if self._clock.now_ns() > self._heard_ns + SILENT_NS:
                raise self._failed("has told nothing of its run for 5 s")

    def end(self) -> Generator[BoxEvent, None, None]:
        """Stop, unless the run is over, and give what the box tells until then and about it."""
        if not self.has_ended:
            self._box.stop()
            yield from self.until(self._by(self._clock.now_ns() + self._ending_ns, lambda: self.has_ended))
        if not self.has_ended:
            raise self._failed("was asked to stop and goes on")
        yield from self.until(self._by(self._clock.now_ns() + STATUS_NS, lambda: self._has_status))

    def _by(self, deadline_ns: int, is_done: Callable[[], bool]) -> Callable[[], bool]:
        return lambda: is_done() or self._clock.now_ns() > deadline_ns

    def _notice(self, event: BoxEvent) -> None:
        now_ns = self._clock.now_ns()
        if not isinstance(event, ClockPair | LineReport):  # a box whose run is gone still answers pings
            self._heard_ns = max(self._heard_ns, now_ns)
        match event:
            case RunBegan():
                self._began_ns = now_ns
            case RunLeftOver():
                self._heard_ns = now_ns + round(LEFTOVER_S * NS)
            case RunEnded():
                self.has_ended = True
            case BoxStatus():
                self._has_status = self.has_ended
            case StartRefused():
                raise self._failed(f"does not start: {event.reason}")
            case BoxSilent():
                raise self._failed(f"has not answered for {event.seconds:g} s")
            case Booted():
                raise self._failed(f"restarted ({event.cause}), and its pulses stopped")

    def _failed(self, problem: str) -> DeviceNotReady:
        info = self._box.describe()
        hint = "Check its supply and cable; unplugging it and plugging it in again resets it"
        return DeviceNotReady(f"trigger box {info.model}, serial {info.serial}", problem, hint=hint)
