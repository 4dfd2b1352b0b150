"""The sync LEDs in recorded pictures say the pulse numbers that are burnt into the same pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from rig.config.rig import read_rig
from rig.session.run import Run
from rig.streams import NO_PULSE
from rig.verify.pixels.code import LedTiming
from rig.verify.pixels.led_code import decode, find_slips
from tests.burnt_in import burnt_in_number
from tests.rigs import record, write_protocol, write_rig

STREAMS = ("HS", "VIS", "NIR")
SECONDS = 4.0


@dataclass(frozen=True)
class Filmed:
    """One stream of a recorded run: LED levels and burnt-in numbers of its pictures, and its exposures."""

    light: np.ndarray  # (n, 3)
    numbers: np.ndarray  # (n,)
    exposures: LedTiming


def _led_levels(picture: np.ndarray) -> list[float]:
    """Mean brightness of the LEDs: 8 x 8 px each, 12 px above the lower edge, 16 px apart from x = 4."""
    rows = picture[-12:-4].astype(float)
    return [rows[:, left : left + 8].mean() for left in (4, 20, 36)]


def _filmed(folder: Path, *, slow_us: int = 8000, faults: str = "") -> dict[str, Filmed]:
    path = write_rig(folder, faults=faults)
    slow = "start_delay_us: 0, exposure_us: 8000"
    path.write_text(path.read_text().replace(slow, f"start_delay_us: 800, exposure_us: {slow_us}"))
    recorded, rig = record(folder, path, write_protocol(folder, ("still", SECONDS, "all"))), read_rig(path).rig
    with Run(recorded.path) as run:
        return {name: _of_stream(run, name, rig) for name in STREAMS}


def _of_stream(run: Run, name: str, rig) -> Filmed:
    camera, pictures = rig.cameras[name], run.streams[name].data
    timing = LedTiming(camera.divisor, camera.exposure_us, camera.start_delay_us or 0, 10_000, rig.box.led_phase_us)
    every = range(len(pictures))
    numbers = np.array([burnt_in_number(pictures[i]) for i in every])
    return Filmed(np.array([_led_levels(pictures[i]) for i in every]), numbers, timing)


@pytest.mark.parametrize("slow_us", [8000, 20_000])
def test_any_two_seconds_of_any_stream_give_the_numbers_burnt_into_its_pictures(tmp_path: Path, slow_us: int) -> None:
    for filmed in _filmed(tmp_path, slow_us=slow_us).values():
        frames = 200 // filmed.exposures.divisor
        for first in range(0, len(filmed.numbers) - frames + 1, frames // 5):
            part = slice(first, first + frames)
            decoded = decode(filmed.light[part], filmed.exposures)
            assert np.array_equal(decoded.numbers, filmed.numbers[part])


def test_lost_and_ghost_frames_of_a_recording_do_not_shift_a_single_number(tmp_path: Path) -> None:
    filmed = _filmed(
        tmp_path, faults="lost_frames: 3, lost_pulses: 3, ghost_frames: 2, first_pulse: 60, last_pulse: 400"
    )
    for name, stream in filmed.items():
        decoded = decode(stream.light, stream.exposures).numbers
        told = (decoded != NO_PULSE) & (stream.numbers != NO_PULSE)
        assert np.array_equal(decoded[told], stream.numbers[told]), name
        assert told.mean() > (0.95 if name == "HS" else 0.7)
        known = stream.numbers != NO_PULSE
        lost = int((np.diff(stream.numbers[known]) // stream.exposures.divisor - 1).sum())
        missing = sum(slip.missing for slip in find_slips(decoded[known], stream.exposures.divisor))
        assert missing == lost
