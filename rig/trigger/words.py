"""What a trigger box says in numbers, in words."""

from __future__ import annotations

from rig.trigger import wire
from rig.trigger.box import PulsePlan, RunMode

_WORDS = {
    wire.Refusal.WRONG_VERSION: "it speaks version {0} of the wire format, this program speaks version {1}",
    wire.Refusal.NO_HELLO: "it has restarted since it was opened",
    wire.Refusal.WRONG_NONCE: "another program has taken it over",
    wire.Refusal.BUSY: "it still sends run {}; stop that first",
    wire.Refusal.BAD_RUN_ID: "run id {} is not allowed; 1 to 4294967295",
    wire.Refusal.BAD_MODE: "it cannot do mode {}",
    wire.Refusal.BAD_PERIOD: "base period of {} ticks is not allowed; 2000 to 65535 (30.52 to 1000 Hz)",
    wire.Refusal.BAD_DIVISOR: "divisor {} is not allowed; 1 to 64",
    wire.Refusal.BAD_WIDTH: "pulse width of {} ticks is not allowed; from 200 (100 us) to 64 below the base period",
    wire.Refusal.BAD_LED_PHASE: "LED phase of {} ticks is not allowed; from 64 to 64 below the base period",
    wire.Refusal.EDGES_TOO_CLOSE: "two edges are {} ticks apart; together or at least 64 (32 us)",
    wire.Refusal.GROUP_TOO_LONG: "the divisors repeat only after {} pulses; at most 64",
    wire.Refusal.NO_BASE_LINE: "no line has divisor 1",
    wire.Refusal.BAD_TEST_OFFSET: "test offset of {} ticks is not allowed; less than the base period",
    wire.Refusal.BAD_TEST_PERIOD: "test period of {} ticks is not allowed; 400 to 131070 (5 kHz to 15.26 Hz)",
}


_NEEDS = {
    RunMode.RECORD: wire.Capability.RECORD,
    RunMode.WALK: wire.Capability.WALK,
    RunMode.TEST_EDGE: wire.Capability.TEST_MODES,
    RunMode.TEST_FLASH: wire.Capability.TEST_MODES,
    RunMode.TEST_FREE: wire.Capability.TEST_MODES,
}


def inability(identity: wire.Identity, plan: PulsePlan) -> str:
    """What of `plan` the box does not declare that it can do, in words; empty when it can do all of it."""
    needed = _NEEDS[plan.mode] | (wire.Capability.EXACT_COUNT if plan.body_groups is not None else 0)
    lacking = needed & ~wire.Capability(identity.capabilities)
    if lacking:
        names = " and ".join(str(c.name) for c in wire.Capability if c in lacking)
        return f"it cannot do that: {names} is not among its capabilities"
    beyond = [line.line for line in plan.lines if line.line >= identity.lines]
    return f"it has no line {beyond[0]}; it has {identity.lines}, from 0" if beyond else ""


def words_of(error: wire.Error) -> str:
    """Why a request was refused, in words."""
    text = _WORDS.get(wire.Refusal(error.code)) if error.code in set(wire.Refusal) else None
    return text.format(error.detail, wire.PROTOCOL) if text else f"error {error.code} ({error.detail})"


def busy_with(run_id: int) -> str:
    """Why nothing can start while that run is sent."""
    return _WORDS[wire.Refusal.BUSY].format(run_id)


def text_of(padded: bytes) -> str:
    """A text of the wire format: ASCII, filled with zeros."""
    return padded.rstrip(b"\0").decode("ascii", "replace")


def cause_words(cause: int) -> str:
    """The cause of a boot, in words."""
    known = cause in set(wire.Cause)
    return wire.Cause(cause).name.lower().replace("_", " ") if known else f"cause {cause}"
