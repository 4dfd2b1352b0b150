"""The shipped decoder on the light of the firmware: from the pins of the LEDs to pulse numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rig.verify.pixels.code import LedTiming
from rig.verify.pixels.led_code import decode
from tests.trigger.firmware import proofs
from tests.trigger.firmware.proofs import CYCLES_US, DEMO, powered
from tests.trigger.firmware.simavr import LED_PINS, LINE_PINS, Edges

GREY, DARK, NOISE = 100.0, 20.0, 2.0  # what a lit LED adds in a picture, and what is there without it
STREAMS = {
    "HS 4 ms": (LINE_PINS[0], LedTiming(1, 4000, 500, 10_000, 9000)),
    "VIS 8 ms": (LINE_PINS[1], LedTiming(4, 8000, 800, 10_000, 9000)),
    "VIS 20 ms": (LINE_PINS[1], LedTiming(4, 20_000, 800, 10_000, 9000)),
}


def brightness(edges: Edges, pin: int, exposures: LedTiming) -> np.ndarray:
    """What the exposures of one line collect of each LED, summed up from the trace of the pins; (n, 3)."""
    starts = proofs.rises_of(edges, pin) + exposures.start_delay_us * CYCLES_US
    ends = starts + exposures.exposure_us * CYCLES_US
    lit = [np.r_[sums_until(edges, led, ends) - sums_until(edges, led, starts)] for led in LED_PINS]
    noise = np.random.default_rng(3).normal(0, NOISE, (len(starts), 3))
    return DARK + GREY * np.stack(lit, axis=1) / (exposures.exposure_us * CYCLES_US) + noise


def sums_until(edges: Edges, led: int, cycles: np.ndarray) -> np.ndarray:
    """For how many cycles an LED had been lit by each of some cycles."""
    rows = proofs.edges_of(edges, led)
    changes, levels = np.r_[0, rows["cycle"].astype(np.int64)], np.r_[0, rows["level"]]
    sums = np.r_[0, np.cumsum(np.diff(changes) * levels[:-1])]
    at = np.searchsorted(changes, cycles, "right") - 1
    return sums[at] + (cycles - changes[at]) * levels[at]


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Edges:
    """1024 pulses of 100, 25 and 25 Hz."""
    with powered(tmp_path_factory.mktemp("led")) as (chip, box):
        proofs.send(chip, box, replace(DEMO, body_groups=250), 1)
        return chip.edges()


@pytest.mark.parametrize("stream", STREAMS)
def test_the_decoder_gives_every_exposure_of_the_firmwares_light_its_pulse(trace: Edges, stream: str) -> None:
    pin, exposures = STREAMS[stream]
    found = decode(brightness(trace, pin, exposures), exposures)
    assert found.numbers.tolist() == list(range(0, 1024, exposures.divisor))
