"""A bench for the box of a recorded run: recorded once at the contract's rate, and played in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from rig.clock import VirtualClock
from rig.session.playback import Playback
from rig.sim.world import World
from rig.testing.bench import Bench, OnWires
from rig.trigger.box import RunMode
from rig.trigger.replayed import ReplayedBox
from tests.rigs import record, write_protocol, write_rig

SECONDS = 0.7  # each stop of the contract comes so near the recorded end that the box plays on to it


class OnRecordedWires(NamedTuple):
    """What was seen on the trigger wires while it was recorded."""

    host_ns: int
    lines: int
    walk: bool


class Recording(NamedTuple):
    """A run, and what an observer of its wires saw."""

    path: Path
    wires: list[OnRecordedWires]


def recording(folder: Path, seconds: float = SECONDS) -> Recording:
    """A run with the plan of the contract: 400 Hz, pulses of 200 us."""
    rig, wires = write_rig(folder), list[OnRecordedWires]()
    rig.write_text(_as_the_contract(rig.read_text()))
    raise_lines = World._lines

    def seen(world: World, host_ns: int, lines: int, pulse_number: int, walk: bool) -> None:
        wires.append(OnRecordedWires(host_ns, lines, walk))
        raise_lines(world, host_ns, lines, pulse_number, walk)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(World, "_lines", seen)
        recorded = record(folder, rig, write_protocol(folder, ("still", seconds, "all")))
    return Recording(recorded.path, wires)


def _as_the_contract(text: str) -> str:
    text = text.replace("rate_hz: 100", "rate_hz: 400, baud: 250000, led_phase_us: 1000")
    for exposure_us in (4000, 8000):
        text = text.replace(f"exposure_us: {exposure_us}", "exposure_us: 500, pulse_width_us: 200")
    return text


@contextmanager
def replayed_bench(recorded: Recording, make: Callable[[Playback], ReplayedBox] = ReplayedBox) -> Iterator[Bench]:
    clock = VirtualClock()
    with closing(Playback(recorded.path, clock)) as playback:
        box = make(playback)

        def on_wires() -> list[OnWires]:
            """Those of the runs that were asked for, as far as they are played."""
            now_ns = clock.now_ns() - playback.shift_ns
            asked = {mode is RunMode.WALK for mode in box._runs}
            seen = [wire for wire in recorded.wires if wire.walk in asked and wire.host_ns <= now_ns]
            return [OnWires(wire.host_ns + playback.shift_ns, wire.lines) for wire in seen]

        yield Bench(box, clock, on_wires)
