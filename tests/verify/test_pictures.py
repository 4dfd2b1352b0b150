"""What is wrong with pictures is found above its limit and named; in clean sessions nothing is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rig
from rig.config.rig import Camera
from rig.session.run import Run
from rig.sim.leds import LedHistory
from rig.sim.light import Lamps, ScreenLight
from rig.sim.optics import Exposure, Optics
from rig.verify.file.telemetry import check_disk, check_temperature
from rig.verify.findings import Finding, Word
from rig.verify.looks import Looks, looks
from rig.verify.pictures import health
from rig.verify.pictures.flicker import find_beat
from rig.verify.pictures.health import (
    check_blur,
    check_darkness,
    check_flicker,
    check_frozen,
    check_leak,
    check_saturation,
)
from rig.verify.sampling import TILES_ACROSS, TILES_DOWN
from tests.handmade import make_run
from tests.rigs import record, write_protocol

RIG = """\
schema: 1
name: small
box: {port: sim://small, rate_hz: 100}
cameras:
  HS: {backend: simulated, serial: A, line: 0, divisor: 1, exposure_us: 4000, SIZE, simulated: {HS_IS}}
  VIS: {backend: simulated, serial: B, line: 1, divisor: 4, exposure_us: 8000, SIZE, simulated: {VIS_IS}}
  NIR: {backend: simulated, serial: C, line: 2, divisor: 4, exposure_us: 8000, SIZE,
    simulated: {spectrum: near_infrared, NIR_IS}}
screen: {backend: simulated, width: 960, height: 540, refresh_hz: 60}
simulation: {seed: 3, SIMULATION}
tolerances: {TOLERANCES}
"""
CHECKS = (check_saturation, check_darkness, check_blur, check_flicker, check_leak, check_frozen)
Found = dict[tuple[str, str], Finding]
Check = Callable[[Run], list[Finding]]


@contextmanager
def recorded(folder: Path, seconds: float, **parts: str) -> Iterator[Run]:
    """A session of a second and more before the same face; `parts` of the rig that are not as usual."""
    text = RIG
    usual = {"SIZE": "width: 96, height: 64", "NIR_IS": "shutter: global"}
    for name in ("SIZE", "HS_IS", "VIS_IS", "NIR_IS", "SIMULATION", "TOLERANCES"):
        text = text.replace(name, parts.get(name, usual.get(name, "")))
    (folder / "rig.yaml").write_text(text)
    done = record(folder, folder / "rig.yaml", write_protocol(folder, ("still", seconds, "all")))
    with rig.open(done.path) as session:
        yield session.runs[0]


def found_in(run: Run) -> Found:
    return {(finding.check, finding.stream): finding for check in CHECKS for finding in check(run)}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """HS out of focus by 3 px, NIR's lamps in VIS, NIR four times too light, and frozen frames."""
    folder = tmp_path_factory.mktemp("faulty")
    simulation = "strobed_lamps: true, faults: {frozen_frames: 4, last_pulse: 200}"
    with recorded(
        folder, 1.5, HS_IS="blur_px: 3", VIS_IS="nir_leak_percent: 5",
        NIR_IS="white_exposure_us: 2000", SIMULATION=simulation,
    ) as run:  # fmt: skip
        yield run


@pytest.fixture(scope="module")
def rippling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Lamps that ripple by 5 % at 99 Hz; VIS has a tenth of the light it needs; NIR's lamps shine into HS."""
    folder = tmp_path_factory.mktemp("rippling")
    simulation = "ripple_percent: 5, mains_hz: 49.5, strobed_lamps: true"
    with recorded(
        folder, 5, HS_IS="nir_leak_percent: 20", VIS_IS="white_exposure_us: 80000", SIMULATION=simulation,
        TOLERANCES="flicker_percent: 5",
    ) as run:  # fmt: skip
        yield run


def test_pictures_out_of_focus_are_found(faulty: Run) -> None:
    found = found_in(faulty)
    assert found["blur", "HS"].word is Word.WARN
    assert found["blur", "HS"].value == pytest.approx(3, abs=0.6)
    assert found["blur", "HS"].limit == "2 px (default)"
    assert found["blur", "VIS"].word is Word.PASS


def test_pictures_far_out_of_focus_fail(tmp_path: Path) -> None:
    with recorded(tmp_path, 0.3, SIZE="width: 320, height: 240", HS_IS="blur_px: 6") as run:
        found = {finding.stream: finding.word for finding in check_blur(run)}
    assert found == {"HS": Word.FAIL, "VIS": Word.PASS, "NIR": Word.PASS}


def test_too_much_light_is_found_with_its_pulses(faulty: Run) -> None:
    found = found_in(faulty)
    bad = found["saturation", "NIR"]
    last = int(faulty.streams["NIR"].pulse_numbers[-1])
    assert (bad.word, bad.ranges) == (Word.FAIL, ((0, last),))
    full = faulty.streams["NIR"].grey(20)[:50] >= 0.99  # above the LEDs
    broad = full[2:-2, 2:-2] & full[:-4, 2:-2] & full[4:, 2:-2] & full[2:-2, :-4] & full[2:-2, 4:]
    assert bad.value == pytest.approx(100 * float(broad.mean()), abs=8)
    assert {found["saturation", name].word for name in ("HS", "VIS")} == {Word.PASS}
    assert found["blur", "NIR"].word is Word.NOT_MEASURED  # every edge ends in white


def test_too_little_light_is_found(rippling: Run) -> None:
    found = found_in(rippling)
    assert found["darkness", "VIS"].word is Word.FAIL
    assert found["darkness", "VIS"].value > 80
    assert {found["darkness", name].word for name in ("HS", "NIR")} == {Word.PASS}


@pytest.mark.parametrize(("flash", "word"), [(0, Word.PASS), (12, Word.WARN), (15, Word.FAIL)])  # of 264: 5 % is 13.2
@pytest.mark.parametrize(
    ("check", "column", "usual", "above"),
    [
        (check_saturation, "saturated", 0, 0.3), (check_darkness, "dark", 0.2, 0.95), (check_blur, "blur_px", 1, 5),
    ],
)  # fmt: skip
def test_a_flash_does_not_fail_a_session_and_what_lasts_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: Check, column: str, usual: float, above: float,
    flash: int, word: Word,
) -> None:  # fmt: skip
    with rig.open(make_run(tmp_path)) as session:
        run = session.runs[0]
        values = np.full(len(run.streams["HS"].frames), usual, np.float32)
        values[100 : 100 + flash] = above
        seen = {name: Looks.of_nothing(len(stream.frames), None) for name, stream in run.streams.items()}
        seen["HS"] = replace(seen["HS"], is_good=np.ones(len(values), bool), **{column: values})
        monkeypatch.setattr(health, "looks", lambda _, stream: seen[stream.name])
        (found,) = [finding for finding in check(run) if finding.stream == "HS"]
    assert (len(values), found.word, found.ranges) == (264, word, ((100, 99 + flash),) if flash else ())


@pytest.mark.parametrize(("percent", "word"), [(1.0, Word.PASS), (5.0, Word.WARN), (15.0, Word.FAIL)])
def test_lamps_that_beat_warn_above_the_limit_and_fail_above_its_ceiling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, percent: float, word: Word
) -> None:
    with rig.open(make_run(tmp_path)) as session:
        run = session.runs[0]
        beat = percent / 100 * np.sin(2 * np.pi * 0.033 * run.base.pulse_numbers)
        tiles = (0.4 * (1 + beat[:, None, None]) * np.ones((1, TILES_DOWN, TILES_ACROSS))).astype(np.float32)
        seen = {name: Looks.of_nothing(len(stream.frames), None) for name, stream in run.streams.items()}
        seen["HS"] = replace(seen["HS"], is_good=np.ones(len(tiles), bool), tiles=tiles)
        monkeypatch.setattr(health, "looks", lambda _, stream: seen[stream.name])
        (found,) = [finding for finding in check_flicker(run) if finding.stream == "HS"]
    assert (found.word, found.limit) == (word, "2 % (default)")
    assert found.value == pytest.approx(percent, rel=0.1)


def test_light_of_another_cameras_lamps_is_found(faulty: Run, rippling: Run) -> None:
    vis, hs = found_in(faulty)["leak", "VIS"], found_in(rippling)["leak", "HS"]
    assert (vis.word, hs.word) == (Word.WARN, Word.FAIL)
    assert vis.value == pytest.approx(5, abs=1)
    assert hs.value == pytest.approx(20, abs=3)
    assert found_in(faulty)["leak", "HS"].word is Word.NOT_MEASURED


def test_each_frozen_frame_is_named(faulty: Run) -> None:
    found, truth = found_in(faulty), faulty_truth(faulty)
    assert sum(len(pulses) for pulses in truth.values()) >= 3
    for name in faulty.streams:
        pulses = {pulse for first, last in found["frozen", name].ranges for pulse in range(first, last + 1)}
        assert pulses == truth[name]
        assert found["frozen", name].word is (Word.FAIL if truth[name] else Word.PASS)


def faulty_truth(run: Run) -> dict[str, set[int]]:
    """Pulses whose picture is that of the frame before, pixel by pixel."""
    return {
        name: {
            int(stream.pulse_numbers[i])
            for i in range(1, len(stream.frames))
            if np.array_equal(stream.data[i], stream.data[i - 1])
        }
        for name, stream in run.streams.items()
    }


def test_lamps_that_ripple_are_found_by_their_beat_and_held_against_the_rigs_own_limit(rippling: Run) -> None:
    """An exposure of 4 ms keeps three quarters of a ripple of 99 Hz, one of 8 ms a quarter."""
    hs = found_in(rippling)["flicker", "HS"]
    assert hs.value == pytest.approx(5 * np.sinc(99 * 0.004), rel=0.2)
    assert "1 times a second" in hs.text or "0.99" in hs.text or "1.0" in hs.text
    assert (hs.word, str(hs.origin), hs.limit) == (Word.PASS, "rig", "5 % (rig)")
    assert found_in(rippling)["flicker", "NIR"].word is Word.NOT_MEASURED


def test_mains_of_49_98_hz_are_seen_in_two_minutes_at_100_fps() -> None:
    """A beat of 0.04 Hz, in pictures that are drawn without recording them; the head sways all the time."""
    camera = Camera(backend="simulated", serial="x", line=0, divisor=1, exposure_us=4000, width=96, height=64)
    lamps = Lamps(ripple_percent=5, mains_hz=49.98)
    optics = Optics(camera, LedHistory(), ScreenLight(), seed=1, scene="face", tell=lambda _: None, lamps=lamps)
    picture, tiles = np.zeros((64, 96), np.uint8), []
    times = np.arange(120 * 100 // 8) * 8  # every eighth picture is drawn: 12.5 fps see the same beat
    for number in times.tolist():
        optics.expose(picture, Exposure(10**9 + number * 10_000_000, 4_000_000, number))
        tiles.append(picture.reshape(4, 16, 4, 24).mean(axis=(1, 3)) / 255)
    beat = find_beat(np.array(tiles, np.float32), np.arange(len(times)), 12.5)
    assert beat is not None
    assert beat.hz == pytest.approx(0.04, abs=0.004)
    assert beat.percent == pytest.approx(5 * np.sinc(99.96 * 0.004), rel=0.2)


@pytest.mark.parametrize(
    "what",
    ["noise", "drift", "scenes", "one tile", "a swaying head", "own period"],
)
def test_no_beat_is_seen_in_what_is_none(what: str) -> None:
    rng = np.random.default_rng(4)
    time = np.arange(6000)
    tiles = 0.4 + rng.normal(0, 0.002, (len(time), 4, 4))
    if what == "drift":
        tiles += np.cumsum(rng.normal(0, 0.0005, len(time)))[:, None, None]
    if what == "scenes":  # of a film, as its light falls on the face
        tiles *= 1 + 0.1 * np.repeat(rng.uniform(0, 1, 300), rng.integers(10, 600, 300))[: len(time), None, None]
    if what == "one tile":
        tiles[:, 2, 3] *= 1 + 0.2 * np.sin(time / 9)
    if what == "a swaying head":  # brighter in more tiles than darker
        tiles *= 1 + 0.05 * np.sin(time / 48)[:, None, None] * np.r_[np.ones(9), -np.ones(7)].reshape(4, 4)
    if what == "own period":
        tiles *= 1 + 0.05 * (time[:, None, None] % 4 == 0)
    assert find_beat(tiles.astype(np.float32), time, 100.0, own_frames=4) is None


@pytest.mark.parametrize(
    ("size", "form"),
    [
        ("width: 96, height: 64", "Mono8"), ("width: 160, height: 120", "BayerRG8"),
        ("width: 320, height: 240", "Mono12p"), ("width: 200, height: 128", "RGB8"),
    ],
)  # fmt: skip
def test_nothing_is_found_in_clean_sessions(tmp_path: Path, size: str, form: str) -> None:
    with recorded(tmp_path, 0.5, SIZE=f"{size}, pixel_format: {form}") as run:
        bad = {key: finding.text for key, finding in found_in(run).items() if finding.word in (Word.WARN, Word.FAIL)}
        assert bad == {}
        for key in ("saturation", "darkness", "blur", "frozen"):
            assert {found_in(run)[key, name].word for name in run.streams} == {Word.PASS}, key
        for key in ("flicker", "leak"):
            assert {found_in(run)[key, name].word for name in run.streams} == {Word.NOT_MEASURED}, key
        assert all(looks(run, stream).is_good.all() for stream in run.streams.values())


# How recording went ---------------------------------------------------------------------------------------------------


def warmed(readings: list[tuple[float | None, str]]) -> list[dict[str, object]]:
    return [
        {"kind": "camera_event", "what": "temperature", "stream": "HS", "value": value, "text": text, "host_ns": 0}
        for value, text in readings
    ]


@pytest.mark.parametrize(
    ("readings", "word", "rise"),
    [
        ([(41.0, "DeviceTemperature"), (46.5, "DeviceTemperature"), (46.0, "DeviceTemperature")], Word.PASS, 5.5),
        ([(41.0, "DeviceTemperature"), (52.0, "DeviceTemperature")], Word.WARN, 11.0),
        ([(41.0, "DeviceTemperature"), (None, "CriticalTemperature")], Word.WARN, 0.0),
        ([(None, "it is too hot")], Word.WARN, None),
        ([(41.0, "DeviceTemperature")], Word.NOT_MEASURED, None),
    ],
)
def test_a_camera_that_warms_up_or_says_that_it_is_too_hot_is_told(
    tmp_path: Path, readings: list[tuple[float | None, str]], word: Word, rise: float | None
) -> None:
    with rig.open(make_run(tmp_path)) as session:
        run = session.runs[0]
        run.log = [*run.log, *warmed(readings)]
        hs, vis, _ = check_temperature(run)
    assert (hs.word, hs.value) == (word, rise)
    assert vis.word is Word.NOT_MEASURED


def test_full_buffers_are_told_and_virtual_time_says_nothing(faulty: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_disk(faulty)[0].word is Word.NOT_MEASURED
    disk, queues = faulty.disk_use.copy(), faulty.queues.copy()
    disk["writing_ns"], queues["buffers"], queues["deepest"] = 5_000_000, 100, 20
    monkeypatch.setitem(faulty.__dict__, "disk_use", disk)
    monkeypatch.setitem(faulty.__dict__, "queues", queues)
    assert (check_disk(faulty)[0].word, check_disk(faulty)[0].value) == (Word.PASS, 20.0)
    queues["deepest"][-1], queues["stream"][-1] = 70, b"NIR"
    full = check_disk(faulty)[0]
    assert (full.word, full.value) == (Word.WARN, 70.0)
    assert "NIR" in full.text
