"""What the host has asked of a trigger box and waits for: a request on the line, a run, the end of another run."""

from __future__ import annotations

from dataclasses import dataclass

from rig.clock import NS
from rig.trigger import wire
from rig.trigger.box import PulsePlan

RETRY_NS = NS // 4  # over the slowest round trip of a USB bridge (16 ms) by far
QUIET_S = 600  # the box ends a run by itself when the host said nothing for so long
SILENCE_NS = NS  # without events for so long it is asked at once: the end of the run may be among what got lost
SILENT_NS = 3 * NS  # without an answer for so long the box counts as silent


def start_message(plan: PulsePlan, *, request: int, nonce: int, run_id: int, quiet_s: int = QUIET_S) -> wire.Start:
    """The START that asks for `plan`. Raises ValueError for what the wire format cannot hold."""
    divisors, widths = [0] * wire.LINES, [0] * wire.LINES
    for line in plan.lines:
        if not 0 <= line.line < wire.LINES:
            raise ValueError(f"line {line.line} is not allowed; 0 to {wire.LINES - 1}")
        divisors[line.line], widths[line.line] = line.divisor, line.width_ticks
    return wire.Start(
        request,
        nonce,
        run_id,
        wire.Mode[plan.mode.name],
        plan.period_ticks,
        wire.UNTIL_STOP if plan.body_groups is None else plan.body_groups,
        plan.led_phase_ticks,
        (divisors[0], divisors[1], divisors[2]),
        (widths[0], widths[1], widths[2]),
        plan.test_offset_ticks,
        plan.test_period_ticks,
        quiet_s=quiet_s,
    )


@dataclass
class Request:
    """One request until it is answered. `tries` left, None for ever."""

    message: wire.Message
    number: int
    tries: int | None
    sent_host_ns: int | None = None

    @property
    def due_host_ns(self) -> int | None:
        """When to send it again; None when it was never sent."""
        return None if self.sent_host_ns is None else self.sent_host_ns + RETRY_NS


@dataclass
class AskedRun:
    """The run that was asked for last."""

    run_id: int
    began: bool = False
    ended: bool = False
    stop_heard: bool = False  # it will end by itself
    heard_host_ns: int = 0
    status_due_host_ns: int = 0
    asked_host_ns: int | None = None  # since when the box owes an answer to ASK_STATUS
    is_silent: bool = False
    end_asks: int = 0  # left
    follows_another: bool = False  # that was left over

    @property
    def is_running(self) -> bool:
        """Whether it has begun and not ended, as far as the box has told."""
        return self.began and not self.ended

    @property
    def ask_host_ns(self) -> int | None:
        """When to ask the box how it is; None: not any more, or not yet."""
        if not self.is_running:
            return 0 if self.end_asks else None
        return min(self.status_due_host_ns, self.heard_host_ns + SILENCE_NS)

    @property
    def silent_host_ns(self) -> int | None:
        """When the box will count as silent, if it does not answer; None: it owes no answer, or does already."""
        if self.asked_host_ns is None or self.is_silent or self.ended:
            return None
        return self.asked_host_ns + SILENT_NS


@dataclass
class LeftOver:
    """A run found on the box that was not ours: it has to end before `start`, if any, is sent again."""

    start: wire.Start | None
    run_id: int
    until_host_ns: int
    ask_host_ns: int
