"""The simulated camera's inside: it is armed, sees edges on its line, exposes, numbers and delivers frames.

    edge --> swallowed? --> exposure --> number, ticks, counter --> readout --> buffer --> driver

What goes wrong with a trigger on its way is in `misbehaving.py`; every pulse without a whole frame is told to the
truth, and every frame too many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from rig.cameras.camera import Origin
from rig.cameras.features import asked_of
from rig.cameras.nodes import ask, asked_again
from rig.clock import NS
from rig.config.rig import Camera, Faults
from rig.pixels import FORMATS
from rig.sim.faults import ADDS, Fault, Placed, Truth
from rig.sim.features import LINES, NodeMap
from rig.sim.misbehaving import GOES_AWAY, TOO_LONG, CameraClock, Numbers, Shot, Timing
from rig.sim.optics import Exposure, Optics
from rig.streams import NO_COUNTER, NO_PULSE, CameraEventKind, Picture, Status

TICKS_HZ = 1_000_000_000
TRANSFER_NS = 160_000  # from the end of its readout until a frame is at the host
DELIVERY_NS = 4_000_000  # from the end of its exposure, however few rows are read: packets and driver take their time
MOST_EVENTS = 16  # from one frame to the next
DAMAGED = "0xE1000014: the buffer was not filled, half of the packets are missing"

Message = dict[str, Any]
At = Callable[[int, Callable[[], None]], None]
Post = Callable[[Message], None]
Active = Callable[[int], None]


class Sensor:
    """One camera of the simulated world, on world time (host ns).

    It swallows an edge that comes while it exposes, or before it can read the next frame out, as a real sensor does.
    Its buffers are the slots of `pool`; a slot whose `states` entry is 1 still belongs to the recorder, and a frame
    that finds none free is lost.
    """

    def __init__(
        self, name: str, config: Camera, optics: Optics, truth: Truth, faults: Faults, placed: Placed, seed: int
    ) -> None:
        """It sees through the `optics`; faults `placed` by stream and pulse are committed and told to the `truth`."""
        self.name, self.config = name, config
        self._optics, self._truth, self._faults, self._placed = optics, truth, faults, placed
        self._clock = CameraClock(np.random.default_rng((seed, config.line, 3)), faults.clock_ppm.get(name))
        self._timing = Timing(name, config, faults, seed)
        self._numbers = Numbers(faults, config.divisor, np.random.default_rng((seed, config.line, 9)))
        self._epoch = -1
        self._counter = 0
        self._readout_ns = round(config.height * config.simulated.row_time_us * 1000)
        self._exposing = 0  # exposures under way; two when it was armed anew during one
        self._slot = self._events_since_frame = 0
        self._is_there, self._is_free = True, False
        self._gone_by: Fault | None = None  # why it must be armed again
        self._last: tuple[Message, Picture] | None = None  # delivered, where it may come again as a stale one
        self._seen: Picture | None = None  # the picture before, where one may freeze
        self._switch_on()

    def attach(self, at: At, deliver_at: At, active: Active, post: Post, pool: Picture, states: Picture) -> None:
        """Connect it: `at(host_ns, what)` schedules, `deliver_at` what looks at the light of an exposure.

        `active(level)` is its ExposureActive output, now; `post` reaches its driver; `pool` (n, *picture).
        """
        self._at, self._deliver_at, self._active = at, deliver_at, active
        self._post, self._pool, self._states = post, pool, states

    def command(self, message: Message, host_ns: int) -> None:
        """A request of its driver: describe, arm, latch or stop; the answer is posted."""
        if not self._is_there:
            self._post({"is": "absent"})
            return
        match message["do"]:
            case "describe":
                self._post({"is": "described", **self._state()})
            case "latch":
                self._post({"is": "latched", "ticks": self._clock.ticks(host_ns)})
            case "arm":
                self._arm(message["epoch"], host_ns)
            case "stop":
                self._epoch = -1
                self._post({"is": "stopped", **self._state()})

    def edge(self, host_ns: int, pulse: int, period_ns: int, *, walk: bool) -> None:
        """A trigger pulse on its line."""
        shot = Shot(pulse, pulse, walk, None if walk else self._placed.get((self.name, pulse)))
        if shot.fault in GOES_AWAY and self._epoch >= 0:
            self.go_away(host_ns, shot.fault)
        if self._gone_by is not None:
            self._tell(self._gone_by, shot)
        elif self._runs_free(host_ns, shot):
            self._counter += self.config.simulated.counter == "line"
        elif not shot.treatment.reaches_camera:
            self._tell(shot.fault, shot)
        else:
            self._trigger(host_ns, shot, period_ns * self.config.divisor)
        if shot.fault is Fault.GHOST_FRAME:
            ghost = Shot(NO_PULSE, pulse, walk, Fault.GHOST_FRAME)
            at_ns = host_ns + period_ns * self.config.divisor // 2
            self._at(at_ns, lambda: self._trigger(at_ns, ghost, period_ns))

    def _runs_free(self, host_ns: int, shot: Shot) -> bool:
        """Whether it exposes by itself, from this pulse or an earlier one on, whatever its line does."""
        at = self._faults.free_run_pulse
        is_due = self._faults.free_run == self.name and at is not None and shot.pulse >= at and not shot.is_walk
        if is_due and not self._is_free and self._epoch >= 0:
            self._fall_back(host_ns, shot.pulse)
        return self._is_free

    def _fall_back(self, host_ns: int, pulse: int) -> None:
        """Its trigger mode is off from now on."""
        self._is_free = True
        self.nodes.write("TriggerMode", "Off")
        self._truth.add(Fault.FREE_RUN, self.name, pulse)
        self._run_free(host_ns, Shot(NO_PULSE, pulse, is_walk=False), self._epoch)

    def _run_free(self, host_ns: int, shot: Shot, epoch: int) -> None:
        """Expose, and again after a period of its own, as long as it is armed."""
        if self._epoch != epoch:
            return
        period_ns = round(NS / self._faults.free_run_hz)
        if host_ns >= self._ready_ns:
            self._counter += self.config.simulated.counter == "frame"
            self._expose(host_ns, shot, period_ns)
        after_ns, after = host_ns + period_ns, Shot(NO_PULSE, shot.last_pulse, is_walk=False)
        self._at(after_ns, lambda: self._run_free(after_ns, after, epoch))

    def go_away(self, host_ns: int, fault: Fault = Fault.DISCONNECTED) -> None:
        """It is unplugged; what was under way is lost. It is back by itself if rig.yaml says after how long."""
        for shot in self._under_way:
            self._tell(fault, shot)
        self._is_there, self._gone_by, self._epoch = False, fault, -1
        self._post({"is": "lost"})
        if self._faults.away_s:
            back_ns = host_ns + round(self._faults.away_s * NS)
            self._at(back_ns, lambda: self.come_back(back_ns))

    def come_back(self, host_ns: int) -> None:
        """It is plugged in and has started anew; it must be armed again."""
        self._is_there, self._last = True, None
        self._clock.restart(host_ns)
        self._numbers.restart()
        self._switch_on()

    def _switch_on(self) -> None:
        """Begin with the features of the factory, and write those that are asked for."""
        serial, user_id = self.config.serial or f"SIM-{self.config.user_id}", self.config.user_id or ""
        self.nodes = NodeMap(serial, user_id, rounds=self._faults.rounded_features)
        self._asked = [ask(self.nodes, name, value) for name, value in asked_of(self.config).items()]
        self._exposure_us = self.nodes.held("ExposureTime")
        self._exposure_ns = max(1, int(self._exposure_us * 1000))
        self._delay_ns = int(sum(us for us, _ in self._delays().values()) * 1000)
        self._readable_ns = self._readable_after_ns()
        self._forget_exposures()

    def _forget_exposures(self) -> None:
        """Whatever it was exposing or delivering has been abandoned."""
        self._ready_ns = self._held_until = 0
        self._under_way: list[Shot] = []

    def _readable_after_ns(self) -> int:
        """Frames so far apart can be read out and sent; while one is, the next one may be exposed."""
        at_least = [self._readout_ns]
        if self.nodes.read("AcquisitionFrameRateEnable"):
            at_least.append(round(NS / self.nodes.held("AcquisitionFrameRate")))
        if self.nodes.read("DeviceLinkThroughputLimitMode") == "On":
            size = FORMATS[self.config.pixel_format].size(self.config.height, self.config.width)
            at_least.append(round(size * NS / self.nodes.held("DeviceLinkThroughputLimit")))
        return max(at_least)

    @property
    def _shortest_ns(self) -> int:
        """Triggers so far apart are all exposed."""
        return max(self._delay_ns + self._exposure_ns, self._readable_ns)

    def _state(self) -> Message:
        """Who it is and how it is set, as it reads now."""
        states = [asked_again(self.nodes, state) for state in self._asked]
        named = ("DeviceSerialNumber", "DeviceUserID", "Width", "Height", "PixelFormat")
        return {
            "features": [asdict(state) for state in states],
            "settings": self.nodes.settings(),
            "timestamps": self.config.simulated.timestamps,
            "counter_source": self._counts,
            "resulting_hz": NS / self._shortest_ns,
            "readout_us": self._readout_ns / 1000,
            **{name: self.nodes.read(name) for name in named},
        }

    def _delays(self) -> dict[str, tuple[float, Origin]]:
        """All that lies between an edge and its exposure, us; there is no start delay unless rig.yaml declares one."""
        features = {"trigger": "TriggerDelay", "debouncer": "LineDebouncerTime"}
        settings = self.nodes.settings()
        delays = {name: (float(settings.get(feature, 0.0)), Origin.DEVICE) for name, feature in features.items()}
        declared_us = self.config.start_delay_us
        return delays if declared_us is None else {"exposure_start": (declared_us, Origin.DECLARED), **delays}

    @property
    def _counts(self) -> str:
        """What its trigger counter counts, as a GenICam event source."""
        return {"line": self.config.trigger_source, "frame": "FrameStart", "none": ""}[self.config.simulated.counter]

    def _arm(self, epoch: int, host_ns: int) -> None:
        self.nodes.write("TriggerMode", "On")
        if any(state.problem for state in self._asked):
            self._post({"is": "refused", **self._state()})
            return
        self._epoch, self._gone_by = epoch, None
        self._counter = NO_COUNTER if self.config.simulated.counter == "none" else 0
        self._forget_exposures()
        self._is_first, self._is_free = True, False
        for fault in [*self._numbers.arm(), *self._timing.faults]:
            self._truth.add(fault, self.name)
        self._post({"is": "armed", **self._baseline(), **self._state()})
        self._deliver_stale()
        if self._faults.free_run == self.name and self._faults.free_run_pulse is None:
            self._fall_back(host_ns, NO_PULSE)

    def _baseline(self) -> Message:
        sensor = self.config.simulated
        return {
            "first_frame_number": self._numbers.announced,
            "first_valid_number": self._numbers.first_valid,
            "number_modulus": self._numbers.modulus,
            "counter": self._counter,
            "ticks_hz": TICKS_HZ if sensor.timestamps else 0,
            "shutter": sensor.shutter,
            "row_time_us": sensor.row_time_us if sensor.shutter == "rolling" else 0.0,
            "delays": self._delays(),
            "shortest_period_us": self._shortest_ns / 1000,
            "scribbles": self._faults.scribbles,
        }

    def _tell(self, fault: Fault | None, shot: Shot) -> None:
        if fault is not None and shot.is_counted:
            self._truth.add(fault, self.name, shot.pulse)

    def _trigger(self, host_ns: int, shot: Shot, period_ns: int) -> None:
        """A rising edge at its input."""
        counted = self.config.simulated.counter
        self._counter += counted == "line"
        if self._epoch < 0:
            return
        if host_ns < self._ready_ns:
            self._tell(Fault.SWALLOWED, shot)
            self._notice(CameraEventKind.OVERTRIGGER, "a trigger came too early", None, host_ns)
            return
        self._counter += counted == "frame"
        self._expose(host_ns, shot, period_ns)

    def _expose(self, host_ns: int, shot: Shot, period_ns: int) -> None:
        how = shot.treatment
        late_ns = self._delay_ns + self._timing.late_ns()
        begins_ns = host_ns + late_ns
        exposure_ns = round(TOO_LONG * period_ns) if how.exposes_too_long else self._exposure_ns
        ends_ns = begins_ns + exposure_ns
        self._ready_ns = max(ends_ns, host_ns + self._readable_ns)
        self._at(begins_ns, lambda: self._activate(1))
        self._at(ends_ns, lambda: self._activate(-1))
        if how.clock_steps:
            self._clock.step(host_ns, how.clock_steps)
        if how.temperature_c is not None:
            self._notice(CameraEventKind.TEMPERATURE, "it is too hot", how.temperature_c, host_ns)
        if shot.fault not in ADDS:
            self._tell(shot.fault, shot)
        frame = self._numbered(shot, begins_ns, exposure_ns) | {"line_status": self._line_levels(late_ns)}
        if how.is_delivered:
            self._under_way.append(shot)
            exposure = Exposure(begins_ns, exposure_ns, shot.pulse)
            self._deliver_at(self._due_ns(ends_ns, shot), lambda: self._deliver(frame, exposure, shot))

    def _numbered(self, shot: Shot, begins_ns: int, exposure_ns: int) -> Message:
        """What is told of a frame beside its picture."""
        is_whole = shot.treatment.is_whole
        return {
            "is": "frame",
            "epoch": self._epoch,
            "number": self._numbers.take(is_used=shot.treatment.is_numbered),
            "ticks": self._ticks(begins_ns + self._timing.stamp_ns()),
            "counter": self._counter,
            "exposure_us": self._exposure_us if exposure_ns == self._exposure_ns else exposure_ns / 1000,
            "status": Status.OK if is_whole else Status.DAMAGED,
            "error": "" if is_whole else DAMAGED,
        }

    def _line_levels(self, late_ns: int) -> int:
        """Its input lines as an exposure begins, `late_ns` after its pulse, bit 0 for Line1: it may be over by then."""
        is_high = (
            not self._is_free and late_ns < self.config.pulse_width_us * 1000 and self.config.trigger_source in LINES
        )
        return 1 << LINES.index(self.config.trigger_source) if is_high else 0

    def _due_ns(self, ends_ns: int, shot: Shot) -> int:
        """When it is delivered: after its readout, and never before a frame that is held back."""
        held_ns = shot.treatment.held_ns
        if self._is_first and self._faults.first_frame_delay_s:
            held_ns += round(self._faults.first_frame_delay_s * NS)
            self._tell(Fault.FIRST_FRAME_DELAY, shot)
        self._is_first = False
        takes_ns = max(self._readout_ns + TRANSFER_NS, DELIVERY_NS)
        self._held_until = max(self._held_until, ends_ns + takes_ns + held_ns)
        return self._held_until

    def _ticks(self, host_ns: int) -> int:
        return self._clock.ticks(host_ns) if self.config.simulated.timestamps else 0

    def _activate(self, change: int) -> None:
        """One exposure more or less; its output tells whether there is any."""
        self._exposing += change
        if self._exposing == (change > 0):
            self._active(self._exposing)

    def _notice(self, kind: CameraEventKind, text: str, value: float | None, host_ns: int) -> None:
        """Tell its driver what it noticed by itself; one that takes no frames is not flooded."""
        self._events_since_frame += 1
        if self._events_since_frame <= MOST_EVENTS:
            self._post({"is": "event", "kind": kind, "text": text, "value": value, "ticks": self._ticks(host_ns)})

    def _deliver(self, frame: Message, exposure: Exposure, shot: Shot) -> None:
        if shot not in self._under_way:  # it was stopped, armed anew or lost before this frame was read out
            return
        self._under_way.remove(shot)
        for copy in range(shot.treatment.copies):
            is_extra = copy > 0 or shot.pulse == NO_PULSE
            if self._hand_over(frame, exposure, shot) and is_extra and shot.fault is not None:
                self._truth.add(shot.fault, self.name, shot.last_pulse)

    def _hand_over(self, frame: Message, exposure: Exposure, shot: Shot) -> bool:
        """Fill a buffer and give it to the driver; False when none was free."""
        slot = self._free_slot()
        if slot is None:
            self._tell(Fault.OVERRUN, shot)
            self._notice(CameraEventKind.OVERRUN, "no buffer was free", None, exposure.begins_ns)
            return False
        picture = self._pool[slot]
        self._optics.expose(picture, exposure)
        self._freeze(picture, shot)
        if not shot.treatment.is_whole:
            picture.reshape(-1)[picture.size // 2 :] = 0
        if self._faults.stale_frames:
            self._last = (frame, picture.copy())
        self._give(slot, frame)
        return True

    def _freeze(self, picture: Picture, shot: Shot) -> None:
        """Where pictures may freeze, keep this one, or put the one before in its place."""
        if not self._faults.frozen_frames:
            return
        if shot.treatment.is_frozen and self._seen is not None:
            picture[...] = self._seen
        self._seen = picture.copy()

    def _give(self, slot: int, frame: Message) -> None:
        self._slot = (slot + 1) % len(self._pool)
        self._events_since_frame = 0
        self._states[slot] = 1
        self._post({**frame, "slot": slot})

    def _deliver_stale(self) -> None:
        """What was delivered last in the epoch before comes first in this one, as if it were of it."""
        slot = self._free_slot()
        if self._last is None or slot is None:
            return
        frame, self._pool[slot] = self._last
        self._truth.add(Fault.STALE_FRAME, self.name)
        self._give(slot, {**frame, "epoch": self._epoch})

    def _free_slot(self) -> int | None:
        """The first free slot after the one used last, so that each rests as long as it can."""
        slots = len(self._pool)
        return next((s for s in ((self._slot + i) % slots for i in range(slots)) if not self._states[s]), None)
