"""Who a trigger box is, how it is, and how its clock compares with the computer's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from rig.clock import NS, Clock
from rig.streams import ClockPair, DeviceInfo
from rig.trigger.box import TriggerBox
from rig.trigger.port import SerialBox
from rig.trigger.tally import RateBounds, rate_bounds, ticks_hz
from rig.trigger.words import cause_words

PINGS = 10
EVERY_NS = NS // 2


@dataclass(frozen=True)
class Answers:
    """What a box answered. What it did not tell is None."""

    info: DeviceInfo
    boots: int | None  # how often it has started
    boot_cause: str | None  # of the last start, in words
    run_id: int | None  # of the run that it is sending; 0: none
    round_trips_ns: tuple[int, ...]  # of the pings that were answered
    rate: RateBounds | None  # of its clock against the host's

    @property
    def shortest_us(self) -> float | None:
        """The shortest round trip."""
        return min(self.round_trips_ns) / 1000 if self.round_trips_ns else None

    @property
    def median_us(self) -> float | None:
        """The median round trip."""
        return median(self.round_trips_ns) / 1000 if self.round_trips_ns else None

    def to_json(self) -> dict[str, Any]:
        """Plain data; times in us, rates in ppm."""
        info = self.info
        return {
            "model": info.model,
            "serial": info.serial,
            "firmware": info.version,
            "simulated": info.simulated,
            "capabilities": info.capabilities,
            "boots": self.boots,
            "boot_cause": self.boot_cause,
            "run_id": self.run_id,
            "pings_answered": len(self.round_trips_ns),
            "round_trip_median_us": self.median_us,
            "round_trip_shortest_us": self.shortest_us,
            "rate_low_ppm": self.rate.low_ppm if self.rate else None,
            "rate_high_ppm": self.rate.high_ppm if self.rate else None,
        }


def ask(box: TriggerBox, clock: Clock) -> Answers:
    """Ask a box everything. Blocks for 5 s. Raises DeviceLost."""
    info, boots, cause, run_id = box.describe(), None, None, None
    if isinstance(box, SerialBox):
        boots, run_id = box.identity.boots, box.identity.run_id
        status = box.ask_status()
        cause = cause_words(status.cause) if status else None
    pairs = clock_pairs(box, clock)
    trips = tuple(pair.host_after_ns - pair.host_before_ns for pair in pairs)
    return Answers(info, boots, cause, run_id, trips, _rate(pairs, ticks_hz(info)))


def clock_pairs(box: TriggerBox, clock: Clock) -> list[ClockPair]:
    """Pairs of readings of the box's clock and the host's, PINGS of them unless some get lost. Blocks for 5 s."""
    pairs: list[ClockPair] = []
    for _ in range(PINGS):
        box.ping()
        until_ns = clock.now_ns() + EVERY_NS
        while (left_ns := until_ns - clock.now_ns()) > 0:
            pairs += (event for event in box.events(left_ns / NS) if isinstance(event, ClockPair))
    return pairs


def _rate(pairs: Sequence[ClockPair], tick_hz: int) -> RateBounds | None:
    try:
        return rate_bounds(pairs, tick_hz)
    except ValueError:
        return None
