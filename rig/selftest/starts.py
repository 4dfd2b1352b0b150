"""When each camera's exposure begins after its pulse, from the LED sweep, and whether that is as it was told to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from math import hypot
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rig.cameras.camera import Baseline, Camera, CameraInfo, Shutter
from rig.clock import Clock
from rig.config.rig import Camera as CameraConfig
from rig.config.rig import Rig
from rig.pixels import FORMATS
from rig.record.plan import pulse_plan
from rig.selftest.blinking import LedLevels, Watched
from rig.selftest.results import Result
from rig.selftest.sweep import Sweep, Swept, make_sweep, plan_sweep
from rig.selftest.trapezoid import Trapezoid, fit
from rig.streams import DeviceInfo
from rig.trigger.box import TriggerBox
from rig.verify.clocks.exposed import told_exposure_us, trigger_settings
from rig.verify.findings import Word
from rig.verify.pixels.blinking import BLOCK_PX

NOISY = 1.5  # times its noise the levels may lie off the trapezoid
RIPPLE = 0.03  # of the LED's swing, is what lamps and a trigger that jitters may add to that
FEWEST = 40  # pictures that a fit needs
MOST_SD_US = 250.0  # a start less sure than a quarter of the skew that the field aims at is none
TOLD_US = 100.0  # a start may be off what is told: as the limit of midpoints in rig verify
SIGMAS = 4
SLOWEST_US = 900.0  # the slowest camera that we know of begins 883 us after its trigger (acA2500-14)
UNKNOWN_NOISE = 0.4  # of the swing, where an LED of one block does not tell it; without a trigger it is some times that

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Start:
    """What the sweep says of one camera. Times are us; `start_us` is of row 0, after the pulse."""

    stream: str
    serial: str
    model: str
    exposure_us: float  # as the camera tells
    told_us: float | None  # start by all delays that are known; None: nobody tells
    result: Result
    frames: int = 0  # pictures that were used
    start_us: float | None = None  # None: not measured
    start_sd_us: float | None = None
    length_us: float | None = None
    row_time_us: float = 0.0  # by which the start of row 0 was found; 0: all rows at once
    row_time_measured_us: float | None = None  # by the rows of the LED; None: not looked at
    row_time_sd_us: float | None = None
    residual: float | None = None  # of the fit, as a share of the LED's swing
    settings: Mapping[str, float | str] = field(default_factory=dict)  # of its trigger: see rig.verify.clocks.exposed

    @property
    def is_measured(self) -> bool:
        """Whether there is a start that other sessions may use."""
        return self.start_us is not None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "result": self.result.to_json()}


@dataclass(frozen=True)
class Bench:
    """A rig whose starts of exposure are measured: its devices, open."""

    rig: Rig
    cameras: Mapping[str, Camera]
    box: TriggerBox
    clock: Clock


def measure_starts(bench: Bench, *, is_ended: Callable[[], bool] = lambda: False) -> list[Start]:
    """Sweep the LED through the exposures of all cameras, and find when they begin.

    Blocks for some 10 to 20 s, or until `is_ended()`. Raises DeviceNotReady and DeviceLost.
    """
    infos = {name: camera.describe() for name, camera in bench.cameras.items()}
    box = bench.box.describe()
    if lack := _lack(box):
        return [_unmeasured(bench.rig, infos[name], name, lack) for name in bench.cameras]
    pulses, lines = pulse_plan(bench.rig)
    exposures_us = {name: bench.rig.cameras[name].exposure_us for name in bench.cameras}
    plan = plan_sweep(pulses, lines, exposures_us)
    pictures = {name: Watched(FORMATS[i.pixel_format], i.height, i.width) for name, i in infos.items()}
    sweep = make_sweep(bench.cameras, pictures, bench.box, bench.clock, plan, is_ended=is_ended)
    return [start_of(sweep, name, bench.rig.cameras[name], infos[name]) for name in bench.cameras]


def _lack(box: DeviceInfo) -> str:
    """What the box cannot do that a sweep needs, in words; what it leaves out it is taken to be able to."""
    lacking = [name for name in ("sync_leds", "test_modes") if not box.capabilities.get(name, True)]
    words = {"sync_leds": "has no sync LEDs", "test_modes": "has no test runs, which make its LED blink"}
    return f"the box ({box.model}) {' and '.join(words[name] for name in lacking)}" if lacking else ""


def _unmeasured(rig: Rig, info: CameraInfo, stream: str, why: str) -> Start:
    result = Result(f"start of {stream}", Word.NOT_MEASURED, None, why, "an LED that blinks in its view")
    return Start(stream, info.serial, info.model, rig.cameras[stream].exposure_us, None, result)


def start_of(sweep: Sweep, stream: str, config: CameraConfig, info: DeviceInfo) -> Start:
    """What a sweep says of one camera."""
    swept = sweep.swept[stream]
    about = _About(sweep, stream, swept, config, info)
    if swept.exposed != sweep.sent(stream):
        text = f"{sweep.sent(stream)} pulses were sent to it, and it exposed {swept.exposed} times: "
        return about.without(
            Word.FAIL, text + ("is its cable on?" if not swept.exposed else "not triggered by them all")
        )
    levels = swept.levels
    if levels is None:
        return about.without(
            Word.NOT_MEASURED, "no LED is seen to blink in its pictures: is LED A in its view, and lit?"
        )
    return about.fitted(levels)


@dataclass(frozen=True, eq=False)
class _About:
    """A camera and its part of the sweep."""

    sweep: Sweep
    stream: str
    swept: Swept
    config: CameraConfig
    info: DeviceInfo

    @property
    def told_us(self) -> float | None:
        return _told_us(self.swept.baseline)

    @property
    def exposure_us(self) -> float:
        """As it read back when armed, else as its frames say, else as rig.yaml asks."""
        told = told_exposure_us(self.swept.baseline.features)
        return told if told is not None else float(self.swept.exposure_us or self.config.exposure_us)

    @property
    def settings(self) -> dict[str, float | str]:
        return trigger_settings(asdict(self.swept.baseline))

    def without(self, word: Word, text: str, limit: str = "a frame for each pulse, and an LED in view") -> Start:
        """No start was measured."""
        result = Result(f"start of {self.stream}", word, None, text, limit)
        about = (self.stream, self.info.serial, self.info.model, self.exposure_us, self.told_us, result)
        return Start(*about, settings=self.settings)

    def fitted(self, levels: LedLevels) -> Start:
        is_used = ~levels.is_clipped
        frames = int(is_used.sum())
        if frames < FEWEST:
            return self.without(
                Word.NOT_MEASURED, f"the LED is white in its pictures: only {frames} can be used; dim it"
            )
        phases_us = self._phases_us()[is_used]
        found = fit(phases_us, levels.mean[is_used], self.sweep.period_us, self.exposure_us)
        if bad := _not_triggered(found, levels, is_used):
            return self.without(Word.FAIL, bad, "the LED's brightness follows the pulses")
        row_us, measured_us, row_sd_us = self._row_times(found, levels, phases_us, is_used)
        start_us = found.start_us - levels.middle_row * row_us
        sd_us = hypot(found.start_sd_us, levels.middle_row * (row_sd_us or 0) if row_us == measured_us else 0)
        if sd_us > MOST_SD_US:
            text = f"about {start_us:.0f} us after its pulse, but not sure: standard deviation {sd_us:.0f} us"
            return self.without(Word.NOT_MEASURED, text, f"sure to {MOST_SD_US:g} us")
        return Start(
            self.stream, self.info.serial, self.info.model, self.exposure_us, self.told_us,
            self._judged(start_us, sd_us), frames, start_us, sd_us, found.length_us, row_us, measured_us, row_sd_us,
            found.residual / found.swing, self.settings,
        )  # fmt: skip

    def _phases_us(self) -> Values:
        turns = self.sweep.plan.turns(self.stream, np.array(self.swept.frames))
        return np.asarray(turns * self.sweep.period_us)

    def _row_times(
        self, found: Trapezoid, levels: LedLevels, phases_us: Values,
        is_used: Mask,
    ) -> tuple[float, float | None, float | None]:  # fmt: skip
        """The row time that counts, and the measured one with its standard deviation, us; all rows at once: 0 and None.

        Few rows see the LED: what the camera tells goes before what they say.
        """
        if self.swept.baseline.shutter is Shutter.GLOBAL:
            return 0.0, None, None
        rows = [int(row) for row in np.unique(levels.places[:, 0])]
        told_us = self.swept.baseline.row_time_us
        if len(rows) < 2:
            return told_us, None, None
        period_us = self.sweep.period_us
        starts = [fit(phases_us, levels.of_row(row)[is_used], period_us, found.length_us) for row in rows]
        after_us = [(each.start_us - starts[0].start_us + period_us / 2) % period_us - period_us / 2 for each in starts]
        apart = np.array(rows, float) * BLOCK_PX
        measured_us = float(np.polyfit(apart, after_us, 1)[0])
        sd_us = max(each.start_sd_us for each in starts) / float(np.linalg.norm(apart - apart.mean()))
        return told_us or measured_us, measured_us, sd_us

    def _judged(self, start_us: float, sd_us: float) -> Result:
        """Held against what is told, else against what cameras are known to take."""
        name, text = f"start of {self.stream}", f"{start_us:+.1f} us after its pulse, sure to {SIGMAS * sd_us:.0f} us"
        slack_us = max(TOLD_US, SIGMAS * sd_us)
        if self.told_us is None:
            limit, is_good = f"at most {SLOWEST_US:g} us: nobody tells how late it begins", start_us <= SLOWEST_US
            is_good = is_good and start_us >= -slack_us
        else:
            limit = f"{self.told_us:g} us by declared and told delays, {slack_us:.0f} us either way"
            is_good = abs(start_us - self.told_us) <= slack_us
        if not is_good:
            text += self._reason(start_us, slack_us)
        return Result(name, Word.PASS if is_good else Word.FAIL, start_us, text, limit)

    def _reason(self, start_us: float, slack_us: float) -> str:
        """What may be behind a start that is not as told."""
        width_us = self.config.pulse_width_us
        if abs(start_us - (self.told_us or 0.0) - width_us) <= slack_us:
            return f"; that is the end of its pulses, which are {width_us} us wide: wrong edge, or an inverter?"
        return "; is a TriggerDelay set in the camera, or start_delay_us in rig.yaml wrong?"


def _told_us(baseline: Baseline) -> float | None:
    """From the pulse to the exposure by all delays that are known; None when its own start is not among them."""
    delays = baseline.delays
    return sum(delay.us for delay in delays.values()) if "exposure_start" in delays else None


def _not_triggered(found: Trapezoid, levels: LedLevels, is_used: Mask) -> str:
    """Why the LED's brightness does not follow the pulses, in words; empty when it does."""
    noise = LedLevels(levels.blocks[is_used], levels.places).noise()
    most = NOISY * hypot(UNKNOWN_NOISE * found.swing if noise is None else noise, RIPPLE * found.swing)
    if found.residual <= most:
        return ""
    text = f"not triggered by its pulses: the LED's brightness lies {found.residual / max(found.swing, 1e-9):.0%} of "
    return text + f"its swing off where it should be, and noise explains {most / max(found.swing, 1e-9):.0%}"
