"""The sync LEDs looked for in whole pictures: sessions of several sizes, pixel formats and shutters, with and without.

The clean session is the demo rig's: LEDs of 8x8 px, of 96 % of full scale. A tenth of that contrast, at the same noise,
is a tenth of its contrast to noise. The smallest LEDs that must do are of 4x4 px at 10 %.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rig.session.run import Run, Stream
from rig.streams import NO_PULSE
from rig.verify.pixels.leds import find_leds, led_timing
from rig.verify.pixels.sync_leds import told_by_leds
from tests.burnt_in import burnt_in_number
from tests.rigs import record, write_protocol

FORMATS = ("Mono8", "BayerRG8", "Mono12p", "RGB8")
LEDS = {
    "8 px, 96 %": "size_px: 8, contrast: 0.96",
    "8 px, 9.6 %": "size_px: 8, contrast: 0.096",
    "4 px, 10 %": "size_px: 4, spacing_px: 10, contrast: 0.1",
}
SIZES = {"HS": (160, 120), "VIS": (320, 240), "NIR": (640, 480)}  # NIR has a rolling shutter
SECONDS = 4.0
WINDOW, SEEDS = 100, range(8)  # pictures of a search where no LED is, and sessions of such

RIG = """\
schema: 1
name: leds
box: {{port: sim://leds, rate_hz: 100}}
cameras:
{cameras}
screen: {{backend: simulated, width: 960, height: 540, refresh_hz: 60}}
simulation: {{seed: {seed}}}
"""
CAMERA = (
    "  {name}: {{backend: simulated, serial: SIM-{name}, line: {line}, divisor: {divisor}, exposure_us: {exposure_us}, "
    "start_delay_us: 0, width: {width}, height: {height}, pixel_format: {form}, "
    "simulated: {{shutter: {shutter}, leds: {{x: 30, y: 95, {leds}}}}}}}"
)


@dataclass(frozen=True)
class Read:
    """What was read from one stream: frames, how many of them got a number, and a wrong one."""

    frames: int
    decoded: int
    wrong: int
    contrast_to_noise: float

    @classmethod
    def of(cls, run: Run, stream: Stream) -> Read | None:
        """None when no LED was found."""
        told = told_by_leds(run, stream)
        if told is None:
            return None
        truth = np.array([burnt_in_number(stream.grey(i) * 255) for i in range(len(stream.frames))])
        is_told = told.numbers != NO_PULSE
        wrong = int((is_told & (told.later(truth) != 0)).sum())
        return cls(len(truth), int(is_told.sum()), wrong, told.contrast_to_noise)


def in_pictures() -> bool:
    """Print what is read in each format and size; whether all LEDs are found and no number is wrong."""
    print(f"\n{'LEDs':<14}{'format':<10}{'picture':<12}{'shutter':<9}{'frames':>7}{'decoded':>9}{'wrong':>7}{'c/n':>7}")
    kept = []
    for title, leds in LEDS.items():
        for form in FORMATS:
            with recorded(form, leds) as run:
                kept += [_line(title, form, name, Read.of(run, run.streams[name])) for name in SIZES]
    return all(kept)


def _line(title: str, form: str, name: str, read: Read | None) -> bool:
    size = "x".join(map(str, SIZES[name]))
    head = f"{title:<14}{form:<10}{size:<12}{_shutter(name):<9}"
    if read is None:
        print(f"{head}not found", flush=True)
        return False
    print(f"{head}{read.frames:>7}{read.decoded:>9}{read.wrong:>7}{read.contrast_to_noise:>7.1f}", flush=True)
    return read.wrong == 0 and read.decoded >= 0.95 * read.frames


def without_leds() -> bool:
    """Search pictures without any LED, with the pulses claimed and without; whether none is found."""
    found = searched = 0
    for seed in SEEDS:
        with recorded(FORMATS[seed % len(FORMATS)], "in_view: false", seed) as run:
            for stream in run.streams.values():
                results = list(_searches(run, stream))
                found, searched = found + sum(results), searched + len(results)
    print(f"\nno LED in view: one found in {found} of {searched} searches", flush=True)
    return found == 0


def _searches(run: Run, stream: Stream) -> Iterator[bool]:
    pictures = [stream.grey(i) for i in range(len(stream.frames))]
    for first in range(0, len(pictures) - WINDOW + 1, WINDOW // 2):
        part = slice(first, first + WINDOW)
        for claims in (stream.pulse_numbers[part], None):
            exposures, row_us = led_timing(run, stream), stream.row_time_us
            yield find_leds(pictures[part], exposures, claims, row_us=row_us) is not None


@contextmanager
def recorded(form: str, leds: str, seed: int = 1) -> Iterator[Run]:
    """A clean session of cameras of one pixel format."""
    with tempfile.TemporaryDirectory() as folder:
        cameras = "\n".join(_camera(name, form, leds) for name in SIZES)
        rig = Path(folder) / "rig.yaml"
        rig.write_text(RIG.format(cameras=cameras, seed=seed))
        done = record(Path(folder), rig, write_protocol(Path(folder), ("still", SECONDS, "all")))
        with Run(done.path) as run:
            yield run


def _camera(name: str, form: str, leds: str) -> str:
    width, height = SIZES[name]
    line = list(SIZES).index(name)
    divisor, exposure_us = (1, 4000) if line == 0 else (4, 8000)
    return CAMERA.format(
        name=name, line=line, divisor=divisor, exposure_us=exposure_us, width=width, height=height, form=form,
        shutter=_shutter(name), leds=leds,
    )  # fmt: skip


def _shutter(name: str) -> str:
    return "rolling" if name == "NIR" else "global"
