"""The simulated world as a whole: what cameras see and say, against arithmetic on the wires; no driver, no recorder."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from rig.clock import NS
from rig.config.rig import Rig
from rig.sim.faults import Committed, Fault
from rig.sim.links import LocalLink
from rig.sim.world import World, pool_shape
from rig.trigger import wire
from tests.burnt_in import NO_PULSE, burnt_in_number
from tests.sim.test_box import NONCE, START
from tests.sim.test_leds import code

US, PERIOD_US, PHASE_US = 1000, 10_000, 9000
CAMERA = {"backend": "simulated", "serial": "s", "width": 96, "height": 64}
HS = CAMERA | {"line": 0, "divisor": 1, "exposure_us": 4000, "start_delay_us": 500}
VIS = CAMERA | {"line": 1, "divisor": 4, "exposure_us": 20_000, "start_delay_us": 120}
INPUTS = {"HS": 0, "VIS": 5}


def rig(*, hs: dict[str, Any] | None = None, inputs: dict[str, int] | None = None, **simulation: Any) -> Rig:
    return Rig.model_validate(
        {
            "schema": 1,
            "name": "bare",
            "box": {"port": "sim://bare", "rate_hz": 100, "inputs": INPUTS if inputs is None else inputs},
            "cameras": {"HS": HS | (hs or {}), "VIS": VIS},
            "screen": {"backend": "simulated", "width": 960, "height": 540, "refresh_hz": 60},
            "simulation": {"seed": 3, "box_ppm": 0.0, "bridge": "ideal"} | simulation,
        }
    )


class Bare:
    """A world without recorder: its box is spoken to in bare messages, its cameras are armed."""

    def __init__(self, of: Rig) -> None:
        self.world, self.now = World(of, 0, None), 0
        self.links = {name: LocalLink(name, self.world, pool_shape(of, name)) for name in of.cameras}
        self.frames: dict[str, list[tuple[dict[str, Any], np.ndarray]]] = {name: [] for name in of.cameras}
        self.told: list[wire.Message] = []
        self._decoder = wire.Decoder()
        for link in self.links.values():
            link.send({"do": "arm", "epoch": 1})

    def say(self, *messages: wire.Message, then_s: float) -> None:
        """Speak to the box, and let time pass; frames are taken and given back as they come."""
        self.world.box.receive(b"".join(map(wire.to_frame, messages)), self.now)
        for _ in range(round(then_s * 100)):
            self.now += NS // 100
            self.world.run_until(self.now)
            self.told += self._decoder.feed(self.world.box.take_output(self.now))
            for name, link in self.links.items():
                self._take(name, link)

    def _take(self, name: str, link: LocalLink) -> None:
        while message := link.receive(0):
            if message["is"] == "frame":
                self.frames[name].append((message, link.pool[message["slot"]].copy()))
                link.states[message["slot"]] = 0

    def run(self, start: wire.Start, seconds: float) -> None:
        self.say(wire.Hello(0, wire.PROTOCOL, NONCE), start, then_s=seconds)

    def pulses_us(self, line: int) -> dict[int, float]:
        """When each pulse of a line was sent, us, as the box told it."""
        return {e.pulse: e.ticks / 2 for e in self.events(wire.Kind.PULSE) if e.kind >> line & 1}

    def events(self, *kinds: wire.Kind) -> list[wire.Event]:
        told = [event for message in self.told if isinstance(message, wire.Events) for event in message.events]
        return [event for event in told if event.kind & 0xF0 in kinds]

    def told_of(self, run_id: int) -> list[wire.Event]:
        """The events of one run."""
        return [e for m in self.told if isinstance(m, wire.Events) and m.run_id == run_id for e in m.events]

    def edges(self, number: int) -> list[tuple[int, float]]:
        """Level and time in us of each change at an input."""
        found = self.events(wire.Kind.RISE, wire.Kind.FALL)
        return [(int(e.kind & 0xF0 == wire.Kind.RISE), e.ticks / 2) for e in found if e.kind & 0x0F == number]


RUN = replace(START, body_groups=5)  # 11 groups of 4 at 100 Hz


def levels(picture: np.ndarray) -> list[float]:
    return [(picture[52:60, left : left + 8].mean() - 10) / 245 for left in (4, 20, 36)]


def mix(begins_us: float, exposure_us: float, pulse: int) -> list[float]:
    """The share of each LED in an exposure that begins so long after a pulse: code n stands until PHASE_US after it."""
    instants = begins_us + (np.arange(10_000) + 0.5) * exposure_us / 10_000
    shown = pulse + np.floor_divide(instants - PHASE_US, PERIOD_US).astype(int) + 1
    masks = np.array([code(n) for n in range(pulse, shown.max() + 1)])[shown - pulse]
    return [(masks >> led & 1).mean() for led in range(3)]


def test_exposure_active_rises_after_the_start_delay_and_falls_after_the_exposure() -> None:
    bare = Bare(rig())
    bare.run(RUN, 2.0)
    for name, number, late_us in (("HS", 0, 150), ("VIS", 5, 0.5)):
        config, pulses = rig().cameras[name], list(bare.pulses_us(rig().cameras[name].line).values())
        edges = bare.edges(number)
        assert [level for level, _ in edges] == [1, 0] * len(pulses)
        begins = np.array([t for level, t in edges if level]) - pulses - config.start_delay_us
        ends = np.array([t for level, t in edges if not level]) - pulses - config.start_delay_us - config.exposure_us
        for late in (begins, ends):
            assert late.min() >= -0.5
            assert late.max() <= late_us


def test_a_frame_is_stamped_at_the_start_of_its_exposure() -> None:
    """Two worlds that differ in the start delay alone."""
    late, prompt = Bare(rig()), Bare(rig(hs={"start_delay_us": 0}))
    for bare in (late, prompt):
        bare.run(RUN, 2.0)
    for (message, _), (other, _) in zip(late.frames["HS"], prompt.frames["HS"], strict=True):
        assert message["ticks"] - other["ticks"] == pytest.approx(500 * US, rel=60e-6)  # the camera's clock


def test_a_camera_declares_its_start_delay() -> None:
    link = LocalLink("HS", World(rig(), 0, None), pool_shape(rig(), "HS"))
    link.send({"do": "arm", "epoch": 1})
    answer = link.receive(0)
    assert answer is not None
    assert answer["delays"]["exposure_start"] == (500, "DECLARED")


def test_a_camera_whose_start_delay_nobody_declared_has_none_and_declares_none() -> None:
    undeclared, prompt = rig(hs={"start_delay_us": None}), rig(hs={"start_delay_us": 0})
    link = LocalLink("HS", World(undeclared, 0, None), pool_shape(undeclared, "HS"))
    link.send({"do": "arm", "epoch": 1})
    answer = link.receive(0)
    assert answer is not None
    assert "exposure_start" not in answer["delays"]
    stamps = []
    for each in (undeclared, prompt):
        bare = Bare(each)
        bare.run(RUN, 2.0)
        stamps.append([message["ticks"] for message, _ in bare.frames["HS"]])
    assert stamps[0] == stamps[1]


def test_an_exposure_sees_each_led_for_the_share_of_it_in_which_it_was_lit() -> None:
    """HS one code; VIS, 20 ms long, three of them mixed."""
    bare = Bare(rig())
    bare.run(replace(RUN, body_groups=20), 2.0)
    mixed = 0
    for name, camera in rig().cameras.items():
        for _, picture in bare.frames[name]:
            pulse = burnt_in_number(picture)
            if 12 <= pulse < 12 + 19 * 4:  # in the body, where codes follow each other
                due = mix(camera.start_delay_us, camera.exposure_us, pulse)
                np.testing.assert_allclose(levels(picture), due, atol=0.5 / 245 + 1e-3)
                mixed += not set(due) <= {0.0, 1.0}
    assert mixed > 15
    assert len(bare.frames["HS"]) == 26 * 4


def test_a_flash_of_200_us_at_an_offset_is_seen_by_the_exposure_that_it_falls_into() -> None:
    """HS exposes from 500 to 4500 us after each pulse."""
    seen = {}
    for offset_us in (0, 200, 400, 500, 2000, 4300, 4400, 4500, 9000):
        flash = replace(RUN, mode=wire.Mode.TEST_FLASH, test_offset_ticks=2 * offset_us)
        bare = Bare(rig())
        bare.run(flash, 1.0)
        shares = {round(levels(picture)[0] * 4000, -1) for _, picture in bare.frames["HS"]}
        assert len(shares) == 1
        seen[offset_us] = shares.pop()
    grey_us = 4000 / 245  # of one grey value
    due = {0: 0, 200: 0, 400: 100, 500: 200, 2000: 200, 4300: 200, 4400: 100, 4500: 0, 9000: 0}
    assert seen == pytest.approx(due, abs=grey_us)


@pytest.mark.parametrize("exposure_us", [3000, 4800])
def test_a_ghost_frame_sees_the_leds_as_they_are_then(exposure_us: int) -> None:
    """From 5 ms after its pulse, for 3 ms: the code of that pulse. For 4.8 ms: 4 ms of it, and 0.8 of the next one."""
    faults = {"ghost_frames": 8, "first_pulse": 12, "last_pulse": 30}
    bare = Bare(rig(hs={"start_delay_us": 0, "exposure_us": float(exposure_us)}, faults=faults))
    bare.run(RUN, 2.0)
    pictures = [picture for _, picture in bare.frames["HS"]]
    seen = {burnt_in_number(a): levels(b) for a, b in pairwise(pictures) if burnt_in_number(b) == NO_PULSE}
    assert set(seen) == {committed.pulse for committed in bare.world.truth.committed if committed.stream == "HS"}
    assert len(seen) >= 4
    for pulse, level in seen.items():
        np.testing.assert_allclose(level, mix(5000, exposure_us, pulse), atol=0.01)


@pytest.mark.parametrize("number", [0, 5])
def test_line_0_comes_back_on_the_input_that_it_is_wired_to(number: int) -> None:
    bare = Bare(rig(inputs={}, loop_back=number))
    bare.run(RUN, 2.0)
    pulses, edges = list(bare.pulses_us(0).values()), bare.edges(number)
    assert [level for level, _ in edges] == [1, 0] * len(pulses)
    late = np.array([t for _, t in edges]) - np.repeat(pulses, 2) - np.tile([0, 1000], len(pulses))
    assert (late >= 0).all() and late.max() <= (0 if number == 5 else 150.5)


def test_the_line_of_a_dead_camera_never_rises_and_the_truth_says_so_once() -> None:
    bare = Bare(rig(faults={"dead_line": "VIS"}))
    bare.run(replace(RUN, mode=wire.Mode.WALK), 2.0)
    bare.run(replace(RUN, run_id=6), 2.0)
    assert bare.frames["VIS"] == []
    assert len(bare.frames["HS"]) == 3 + 11 * 4
    assert bare.edges(5) == []
    assert bare.world.truth.committed == [Committed(Fault.DEAD_LINE, "VIS", -1)]


def test_an_input_number_that_the_box_does_not_have_hears_nothing() -> None:
    bare = Bare(rig(inputs={"HS": 6}))
    bare.run(RUN, 2.0)
    assert bare.events(wire.Kind.RISE, wire.Kind.FALL) == []
