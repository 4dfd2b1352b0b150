"""How a simulated camera misbehaves: what each fault does to one trigger, to its numbers and to its clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rig.clock import NS
from rig.config.rig import Camera, Faults
from rig.sim.faults import Fault
from rig.streams import NO_PULSE

LATE_NS, STALL_NS = 300_000_000, 500_000_000
CLOCK_STEP_S = (0.02, 10.0)
HOT_C = 88.0
TOO_LONG = 1.5  # periods of the camera
MOST_BUMPED = 50
WRAPS_AFTER = 65_535  # the highest number of a 16-bit counter that leaves out 0
BOOT_NS = 2 * NS  # at most so long ago a camera's clock was at zero when it is back


@dataclass(frozen=True)
class Treatment:
    """What becomes of one trigger."""

    reaches_camera: bool = True
    is_numbered: bool = True
    is_delivered: bool = True
    is_whole: bool = True
    copies: int = 1
    held_ns: int = 0  # it and all frames after it are not delivered before so long after its time
    exposes_too_long: bool = False
    clock_steps: int = 0  # 1 forward, -1 back
    is_frozen: bool = False  # its picture is that of the frame before
    temperature_c: float | None = None  # told in an event


AS_IT_SHOULD = Treatment()
TREATMENTS = {
    Fault.LOST_PULSE: Treatment(reaches_camera=False),
    Fault.LOST_FRAME: Treatment(is_delivered=False),
    Fault.UNNUMBERED_FRAME: Treatment(is_delivered=False, is_numbered=False),
    Fault.TIMEOUT: Treatment(is_delivered=False),
    Fault.OVERHEATED: Treatment(is_delivered=False),
    Fault.HOT: Treatment(temperature_c=HOT_C),
    Fault.DAMAGED_FRAME: Treatment(is_whole=False),
    Fault.DUPLICATE_FRAME: Treatment(copies=2),
    Fault.LATE_FRAME: Treatment(held_ns=LATE_NS),
    Fault.STALL: Treatment(held_ns=STALL_NS),
    Fault.CLOCK_STEP: Treatment(clock_steps=1),
    Fault.CLOCK_STEP_BACK: Treatment(clock_steps=-1),
    Fault.FROZEN_FRAME: Treatment(is_frozen=True),
    Fault.LONG_EXPOSURE: Treatment(exposes_too_long=True),
}
GOES_AWAY = frozenset({Fault.DISCONNECTED, Fault.BUS_RESET})


@dataclass(frozen=True, eq=False)
class Shot:
    """One trigger on a camera's line, and what is to go wrong with it."""

    pulse: int  # NO_PULSE: a ghost
    last_pulse: int
    is_walk: bool  # of the line walk, whose pulses have numbers of their own
    fault: Fault | None = None

    @property
    def treatment(self) -> Treatment:
        """What becomes of it."""
        return AS_IT_SHOULD if self.fault is None else TREATMENTS.get(self.fault, AS_IT_SHOULD)

    @property
    def is_counted(self) -> bool:
        """Whether its loss is a pulse of the recording run without a frame."""
        return self.pulse != NO_PULSE and not self.is_walk


class Numbers:
    """The numbers that a camera gives its frames, and what it announces of them."""

    def __init__(self, faults: Faults, divisor: int, rng: np.random.Generator) -> None:
        self._faults, self._rng = faults, rng
        self.first_valid, self.modulus, self.announced = 0, 0, 0
        if faults.wrapping_numbers:
            self.first_valid, self.modulus = 1, WRAPS_AFTER
            wraps_at = int(rng.integers(faults.first_pulse, faults.last_pulse + 1)) // divisor
            self.announced = WRAPS_AFTER - min(wraps_at, WRAPS_AFTER - 1)
        self._next = self.announced

    def restart(self) -> None:
        """The camera was switched on."""
        self._next = self.announced

    def arm(self) -> list[Fault]:
        """Begin an epoch; what was wrong with it."""
        if not self._faults.kept_numbers:
            self._next = self.announced
        is_kept = self._next != self.announced
        if self._faults.bumped_numbers:
            for _ in range(int(self._rng.integers(1, MOST_BUMPED + 1))):
                self.take()
        wrong = {Fault.KEPT_NUMBERS: is_kept, Fault.BUMPED_NUMBERS: self._faults.bumped_numbers}
        return [fault for fault, is_so in wrong.items() if is_so]

    def take(self, *, is_used: bool = True) -> int:
        """The number of the next frame; if it is not used, the frame after has it too."""
        number = self._next
        if is_used:
            self._next = self.first_valid if self.modulus and number == WRAPS_AFTER else number + 1
        return number


class CameraClock:
    """A camera's own clock, of nanoseconds that are a little off."""

    def __init__(self, rng: np.random.Generator, ppm: float | None = None) -> None:
        """`ppm`: its error; None: by the `rng`."""
        self._rng = rng
        usual = rng.uniform(-50e-6, 50e-6)
        self._rate = 1 + (usual if ppm is None else ppm * 1e-6)
        self._offset = int(rng.integers(10**9, 10**12))

    def ticks(self, host_ns: int) -> int:
        """What it shows at an instant."""
        return self._offset + round(host_ns * self._rate)

    def step(self, host_ns: int, way: int) -> None:
        """It jumps, 1 forward or -1 back; never to before its zero."""
        step = round(self._rng.uniform(*CLOCK_STEP_S) * NS)
        self._offset += max(way * step, -self.ticks(host_ns) // 2)

    def restart(self, host_ns: int) -> None:
        """The camera was switched on, not long ago."""
        self._offset += int(self._rng.integers(NS // 10, BOOT_NS)) - self.ticks(host_ns)


class Timing:
    """When a camera truly begins to expose, beside what it declares, and how far its timestamps are off."""

    def __init__(self, name: str, camera: Camera, faults: Faults, seed: int) -> None:
        falls_us = camera.pulse_width_us if faults.falling_edge == name else 0.0
        delay_us = faults.undeclared_delay_us.get(name, 0.0)
        self._late_us = falls_us + delay_us
        self._start_us = faults.start_jitter_us.get(name, 0.0)
        self._stamp_us = faults.timestamp_jitter_us.get(name, 0.0)
        self._starts = np.random.default_rng((seed, camera.line, 27))
        self._stamps = np.random.default_rng((seed, camera.line, 31))
        wrong = {
            Fault.FALLING_EDGE: falls_us,
            Fault.UNDECLARED_DELAY: delay_us,
            Fault.START_JITTER: self._start_us,
            Fault.TIMESTAMP_JITTER: self._stamp_us,
            Fault.CLOCK_PPM: faults.clock_ppm.get(name, 0.0),
        }
        self.faults = [fault for fault, amount in wrong.items() if amount]  # told at each arming

    def late_ns(self) -> int:
        """By how much the next exposure begins later than declared: a jitter makes it late, never early."""
        jitter_us = abs(self._starts.normal()) * self._start_us if self._start_us else 0.0
        return round((self._late_us + jitter_us) * 1000)

    def stamp_ns(self) -> int:
        """By how much the next timestamp is off."""
        return round(self._stamps.normal() * self._stamp_us * 1000) if self._stamp_us else 0
