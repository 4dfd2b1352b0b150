"""The simulated camera's inside: it is armed, sees edges on its line, exposes, numbers and delivers frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rig.config.rig import Camera
from rig.sim.face import Face
from rig.sim.faults import Fault, Truth
from rig.sim.leds import LedHistory
from rig.streams import NO_PULSE, Picture

TICKS_HZ = 1_000_000_000
READOUT_NS = 4_000_000  # end of exposure to the first byte at the host
POOL_S = 2.0  # buffers, in seconds of frames, as a real driver's pool

Message = dict[str, Any]
At = Callable[[int, Callable[[], None]], None]
Post = Callable[[Message], None]
Active = Callable[[int], None]


class Sensor:
    """One camera of the simulated world, on world time (host ns).

    It swallows an edge that comes while it exposes, as a real sensor does. Its buffers are the slots of `pool`;
    a slot whose `states` entry is 1 still belongs to the recorder, and a frame that finds none free is lost.
    """

    def __init__(
        self,
        name: str,
        config: Camera,
        face: Face,
        leds: LedHistory,
        truth: Truth,
        faults: dict[tuple[str, int], Fault],
        seed: int,
    ) -> None:
        """It sees the `leds`; `faults` by stream and pulse are committed and told to the `truth`."""
        rng = np.random.default_rng((seed, config.line, 3))
        self.name, self.config = name, config
        self._face, self._leds, self._truth, self._faults = face, leds, truth, faults
        self._rate = 1 + rng.uniform(-50e-6, 50e-6)
        self._clock_offset = int(rng.integers(10**9, 10**12))
        self._features: dict[str, object] = {"ExposureTime": config.exposure_us}
        self._features |= {"Width": config.width, "Height": config.height}
        self._features |= {"TriggerMode": "On", "TriggerSource": "Line1", **config.features}
        self._epoch = -1
        self._number = self._counter = 0
        self._delay_ns = int(config.start_delay_us * 1000)
        self._exposure_ns = max(1, int(config.exposure_us * 1000))
        self._busy_until = 0
        self._exposing = 0  # exposures under way; two when it was armed anew during one
        self._slot = 0

    def attach(self, at: At, deliver_at: At, active: Active, post: Post, pool: Picture, states: Picture) -> None:
        """Connect it: `at(host_ns, what)` schedules, `deliver_at` what looks at the light of an exposure.

        `active(level)` is its ExposureActive output, now; `post` reaches its driver; `pool` (n, height, width).
        """
        self._at, self._deliver_at, self._active = at, deliver_at, active
        self._post, self._pool, self._states = post, pool, states

    def command(self, message: Message) -> None:
        """A request of its driver: describe, arm or stop; the answer is posted."""
        match message["do"]:
            case "describe":
                self._post({"is": "described", "serial": self.config.serial})
            case "arm":
                self._epoch, self._number, self._counter = message["epoch"], 0, 0
                self._busy_until = 0  # whatever it was exposing has been abandoned
                answer = {"epoch": self._epoch, "features": self._features}
                self._post({"is": "armed", "start_delay_us": self.config.start_delay_us, **answer})
            case "stop":
                self._epoch = -1
                self._post({"is": "stopped", "features": self._features})

    def edge(self, host_ns: int, pulse: int, period_ns: int, *, walk: bool) -> None:
        """A trigger pulse on its line."""
        fault = None if walk else self._faults.get((self.name, pulse))
        if fault is Fault.LOST_PULSE:
            self._truth.add(fault, self.name, pulse)
            return
        self._expose(host_ns, pulse, pulse, lost=fault is Fault.LOST_FRAME)
        if fault is Fault.GHOST_FRAME:
            ghost_ns = host_ns + period_ns * self.config.divisor // 2
            self._at(ghost_ns, lambda: self._ghost(ghost_ns, pulse))

    def _ghost(self, host_ns: int, after_pulse: int) -> None:
        if self._epoch >= 0:
            self._truth.add(Fault.GHOST_FRAME, self.name, after_pulse)
            self._expose(host_ns, NO_PULSE, after_pulse, lost=False)

    def _expose(self, host_ns: int, pulse: int, last_pulse: int, *, lost: bool) -> None:
        self._counter += 1
        if self._epoch < 0 or host_ns < self._busy_until:
            return
        number, self._number = self._number, self._number + 1
        begins_ns = host_ns + self._delay_ns
        self._busy_until = begins_ns + self._exposure_ns
        self._at(begins_ns, lambda: self._activate(1))
        self._at(self._busy_until, lambda: self._activate(-1))
        if lost:
            self._truth.add(Fault.LOST_FRAME, self.name, pulse)
            return
        frame = {
            "is": "frame",
            "epoch": self._epoch,
            "number": number,
            "ticks": self._clock_offset + round(begins_ns * self._rate),
            "counter": self._counter,
            "exposure_us": self.config.exposure_us,
        }
        self._deliver_at(self._busy_until + READOUT_NS, lambda: self._deliver(frame, begins_ns, pulse, last_pulse))

    def _activate(self, change: int) -> None:
        """One exposure more or less; its output tells whether there is any."""
        self._exposing += change
        if self._exposing == (change > 0):
            self._active(self._exposing)

    def _deliver(self, frame: Message, begins_ns: int, pulse: int, last_pulse: int) -> None:
        if frame["epoch"] != self._epoch:  # it was stopped before this frame was read out
            return
        slot = self._free_slot()
        if slot is None:
            self._truth.add(Fault.OVERRUN, self.name, pulse)
            return
        self._slot = (slot + 1) % len(self._pool)
        leds = self._leds.shares(begins_ns, begins_ns + self._exposure_ns)
        self._face.draw(self._pool[slot], pulse=pulse, last_pulse=last_pulse, leds=leds)
        self._states[slot] = 1
        self._post({**frame, "slot": slot})

    def _free_slot(self) -> int | None:
        """The first free slot after the one used last, so that each rests as long as it can."""
        slots = len(self._pool)
        return next((s for s in ((self._slot + i) % slots for i in range(slots)) if not self._states[s]), None)
