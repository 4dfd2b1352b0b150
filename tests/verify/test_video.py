"""Plain video files: what was done to them is what is found, from the LEDs in their pictures alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

import rig
from rig.cli.verify import verify
from rig.errors import ClipError, UserError
from rig.verify.findings import Finding, Word
from rig.verify.pixels.code import LedTiming
from rig.verify.pixels.led_code import PIECE_FRAMES
from rig.verify.pixels.leds import LedPlace
from rig.verify.videos import checks as video_checks
from rig.verify.videos.checks import BY_CODE, Judged, VideoVerdict, judge_films
from rig.verify.videos.video import SHORT, Film, Read, read_film, tell
from tests import commands
from tests.rigs import record, write_protocol, write_rig
from tests.verify.led_light import HS, VIS, VIS_20_MS, levels, seen

Pictures = list[np.ndarray]
OUT_OF_VIEW = "serial: SIM-NIR, simulated: {leds: {in_view: false}},"
FREE_HZ = 100 / 3.9913  # SMIC's cameras
RATE_HZ = {"HS": 100, "VIS": 25, "NIR": 25}


def _recorded(folder: Path, seconds: float, *, size: str, faults: str = "") -> dict[str, Pictures]:
    """Grey pictures of a simulated session, by stream; NIR has no LEDs in view."""
    path = write_rig(folder, faults=faults)
    text = path.read_text().replace("width: 96, height: 64", size)
    path.write_text(text.replace("serial: SIM-NIR,", OUT_OF_VIEW))
    with rig.open(record(folder, path, write_protocol(folder, ("still", seconds, "all"))).path) as session:
        return {
            name: [(stream.grey(i) * 255).astype(np.uint8) for i in range(len(stream.frames))]
            for name, stream in session.runs[0].streams.items()
        }


def _encoded(path: Path, pictures: Pictures, rate_hz: int) -> Path:
    """A video: H.264 as usual in mp4, else FFV1, which keeps each bit."""
    codec, pixels = ("libx264", "yuv420p") if path.suffix == ".mp4" else ("ffv1", "gray")
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate_hz)
        stream.height, stream.width = pictures[0].shape
        stream.pix_fmt = pixels
        for picture in pictures:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "gray")))
        out.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pictures]:
    return _recorded(tmp_path_factory.mktemp("recorded"), 3.5, size="width: 200, height: 150")


@pytest.fixture(scope="module")
def film(pictures: dict[str, Pictures], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Film]:
    """Makes a video of a stream, with something done to its pictures, and reads it."""
    folder, read = tmp_path_factory.mktemp("films"), {}

    def make(name: str, do: str = "", *, suffix: str = ".mp4", rate_hz: int = 0) -> Film:
        key = f"{name}{do}{rate_hz or ''}{suffix}"
        if key not in read:
            done = DONE[do](pictures[name])
            read[key] = read_film(_encoded(folder / key, done, rate_hz or RATE_HZ[name]))
        return read[key]

    return make


DONE: dict[str, Callable[[Pictures], Pictures]] = {
    "": lambda all_: all_,
    "-short": lambda all_: all_[:40],
    "-lost": lambda all_: all_[:57] + all_[58:],
    "-repeated": lambda all_: all_[:58] + all_[57:],
    "-late": lambda all_: all_[3:],
}


def _found(verdict: VideoVerdict, check: str, name: str) -> Finding:
    (finding,) = [each for each in verdict.findings if (each.check, each.stream) == (check, name)]
    return finding


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_files_of_the_same_pulses_are_synchronised_and_every_frame_has_its_pulse(
    film: Callable[..., Film], suffix: str
) -> None:
    hs, vis = film("HS", suffix=suffix), film("VIS", suffix=suffix)
    verdict = judge_films([vis, hs])
    assert verdict.is_synchronised
    assert {finding.word for finding in verdict.findings} == {Word.PASS}
    assert np.array_equal(tell(hs, 1).numbers, np.arange(hs.frames))
    told = tell(vis, 4).numbers
    assert np.array_equal(told[told >= 0], 4 * np.flatnonzero(told >= 0))


@pytest.mark.parametrize("name", ["HS", "VIS"])
def test_a_lost_and_a_repeated_frame_are_found_at_their_place(film: Callable[..., Film], name: str) -> None:
    for do, check, other in (
        ("-lost", "lost frames", "repeated frames"),
        ("-repeated", "repeated frames", "lost frames"),
    ):
        changed = film(name, do)
        verdict = judge_films([changed, film({"HS": "VIS", "VIS": "HS"}[name])])
        finding = _found(verdict, check, changed.name)
        assert (finding.word, finding.value) == (Word.FAIL, 1)
        ((first, last),) = finding.ranges
        assert first <= 57 <= last + 1
        assert last - first <= 4
        assert _found(verdict, other, changed.name).word is Word.PASS
        assert not verdict.is_good


def test_a_file_that_begins_three_frames_late_is_off_by_twelve_pulses(film: Callable[..., Film]) -> None:
    late = film("VIS", "-late")
    finding = _found(judge_films([film("HS"), late]), "same index", late.name)
    assert (finding.word, finding.value) == (Word.FAIL, 12)
    assert "+12 from frame" in finding.text


def test_without_leds_in_view_nothing_is_measured(film: Callable[..., Film]) -> None:
    nir = film("NIR", "-short")  # where no LED is, long and far is searched for one
    verdict = judge_films([film("HS"), film("VIS"), nir])
    assert [finding.word for finding in verdict.findings if finding.stream == nir.name] == [Word.NOT_MEASURED]
    assert not verdict.is_good
    assert "no sync LED is seen" in _found(verdict, "sync LEDs", nir.name).text


def test_a_divisor_that_the_rates_of_the_files_deny_is_told_by_the_pulses(film: Callable[..., Film]) -> None:
    slow = film("HS", rate_hz=25)
    vis = film("VIS")
    verdict = judge_films([slow, vis])
    assert _found(verdict, "divisor", vis.name).value == 4
    assert _found(verdict, "same index", vis.name).word is Word.PASS
    timestamps = _found(verdict, "timestamps", vis.name)
    assert timestamps.word is Word.FAIL
    told = tell(vis, 4)
    span_s = float(vis.times_s[told.known[-1]] - vis.times_s[told.known[0]])
    assert timestamps.value == pytest.approx(-3000 * span_s, rel=0.001)  # each pulse takes four times as long


def test_files_with_no_pulse_in_common_are_told_nothing_about_each_other(film: Callable[..., Film]) -> None:
    other = _film_of(600_000 + 4 * np.arange(100), VIS, rate_hz=25)
    verdict = judge_films([film("HS"), other])
    assert _found(verdict, "divisor", "made").word is Word.NOT_MEASURED
    assert not verdict.is_good


def test_of_one_file_alone_no_synchrony_is_claimed(film: Callable[..., Film]) -> None:
    verdict = judge_films([film("HS")])
    assert verdict.is_good
    assert not verdict.is_synchronised
    assert "proves no synchrony" in verdict.summary


def test_cameras_without_b1_and_b2_to_be_seen_are_compared_in_their_own_frames(film: Callable[..., Film]) -> None:
    late = film("VIS", "-late")
    verdict = judge_films([film("VIS"), late])
    assert _found(verdict, "same index", late.name).value == 3
    assert {finding.word for finding in verdict.findings if finding.check == "divisor"} == {Word.WARN, Word.PASS}


def test_a_camera_that_runs_free_at_3_9913_is_called_unsynchronised_with_its_rate(tmp_path: Path) -> None:
    recorded = _recorded(
        tmp_path,
        9,
        size="width: 96, height: 64",
        faults=f"free_run: VIS, free_run_hz: {FREE_HZ:.4f}, free_run_pulse: 40",
    )
    films = [read_film(_encoded(tmp_path / f"{name}.mkv", recorded[name], RATE_HZ[name])) for name in ("HS", "VIS")]
    verdict = judge_films(films)
    finding = _found(verdict, "free run", "VIS.mkv")
    assert finding.word is Word.FAIL
    assert finding.value == pytest.approx((4 / 3.9913 - 1) * 1e6, rel=0.15)
    assert _found(verdict, "lost frames", "VIS.mkv").word is Word.PASS
    # By the container each frame takes 40 ms, and by the pulses 39.913.
    drift_ms = _found(verdict, "timestamps", "VIS.mkv").value
    assert drift_ms == pytest.approx(0.087 * films[1].frames, abs=15)


@pytest.mark.parametrize(("exposures", "dark"), [(VIS_20_MS, 0), (VIS, 180)], ids=["several codes", "a late box"])
def test_exposures_over_several_codes_and_leds_that_begin_late_are_read_too(
    tmp_path: Path, exposures: LedTiming, dark: int
) -> None:
    pulses = 5000 + 4 * np.arange(110)
    light = np.r_[np.zeros(dark), levels(pulses, exposures)[:, 0]]
    pictures = np.random.default_rng(4).normal(60, 1, (len(light), 48, 96))
    pictures[:, 20:28, 30:38] += 80 * light[:, None, None]
    told = tell(read_film(_encoded(tmp_path / "made.mkv", list(pictures.clip(0, 255).astype(np.uint8)), 25)), 4)
    known = told.known - dark
    assert len(known) >= len(pulses) - PIECE_FRAMES  # up to a piece is lost where they begin
    assert known.min() >= 0
    assert np.array_equal(told.numbers[told.known], pulses[known])


# Levels as cameras see them, without pictures -------------------------------------------------------------------------


def _film_of(pulses: np.ndarray, exposures: LedTiming, *, rate_hz: float, has_b: bool = False) -> Film:
    """A file of these pulses, which may be parts of one: of a camera that runs free."""
    rng = np.random.default_rng(7)
    place = LedPlace((None, None, None), 1, np.zeros(0, np.int64), np.zeros((3, 0)))
    times_s = np.arange(len(pulses)) / rate_hz
    return Film("made", times_s, place, seen(pulses, exposures, rng, 30), SHORT, has_b)


@pytest.mark.parametrize(("ratio", "word"), [(1.0, Word.PASS), (1.003, Word.FAIL), (0.997, Word.FAIL)])
def test_a_camera_that_runs_free_at_the_rate_of_every_pulse_is_told_from_one_that_loses_frames(
    ratio: float, word: Word
) -> None:
    pulses = np.delete(700.3 + ratio * np.arange(1200), [400])
    verdict = judge_films([_film_of(pulses, HS, rate_hz=100, has_b=True)])
    finding = _found(verdict, "free run", "made")
    assert finding.word is word
    if word is Word.FAIL:
        assert finding.value == pytest.approx((1 / ratio - 1) * 1e6, rel=0.2)
        assert _found(verdict, "lost frames", "made").word is Word.NOT_MEASURED
    else:
        assert _found(verdict, "lost frames", "made").value == 1


def test_what_compression_takes_over_into_the_next_picture_moves_no_frame() -> None:
    film = _film_of(np.arange(3000, 3400), HS, rate_hz=100, has_b=True)
    is_smeared = np.arange(400) >= 100
    smeared = 0.75 * film.levels + 0.25 * np.roll(film.levels, 1, axis=0)
    film.levels[is_smeared] = smeared[is_smeared]
    told = tell(film, 1)
    assert len(told.known) > 350
    assert np.array_equal(told.numbers[told.known], 3000 + told.known)


def test_frames_counted_from_zero_again_after_the_end_of_the_code_go_on() -> None:
    pulses = 2**20 - 1 - 300 + np.arange(600)
    numbers = tell(_film_of(pulses, HS, rate_hz=100, has_b=True), 1).numbers
    assert set(np.diff(numbers).tolist()) == {1}


@pytest.mark.parametrize(
    ("minutes", "ppm", "word"),
    [(1, 50, Word.PASS), (5, 20, Word.PASS), (60, 100, Word.PASS), (5, 400, Word.WARN), (5, 7000, Word.FAIL)],
)
def test_timestamps_that_drift_as_clocks_do_are_no_loss_of_synchrony(minutes: int, ppm: float, word: Word) -> None:
    def judged(name: str, divisor: int, off_ppm: float) -> Judged:
        frames = np.arange(minutes * 6000 // divisor)
        times_s, pieces = frames * divisor / 100 * (1 + off_ppm * 1e-6), frames[20::40]
        told = Read(divisor, frames * divisor, 60.0, np.c_[pieces, np.zeros(len(pieces))])
        return Judged(Film(name, times_s, None, np.zeros((len(frames), 3)), SHORT, True), told, BY_CODE)

    hs, vis = judged("hs", 1, 0), judged("vis", 4, ppm)
    verdict = VideoVerdict(({}, {}), tuple(video_checks._together(vis, hs)))
    finding = _found(verdict, "timestamps", "vis")
    assert (finding.word, verdict.is_synchronised) == (word, word is not Word.FAIL)
    assert f"{ppm:+.0f} ppm" in finding.text


def test_timestamps_that_are_wrong_between_a_right_beginning_and_a_right_end_are_named_with_their_frame() -> None:
    frames, pieces = np.arange(1000), np.arange(20, 1000, 40)
    told = Read(4, frames * 4, 60.0, np.c_[pieces, np.zeros(len(pieces))])
    times_s = frames * 0.04
    times_s[400:700] = times_s[400] + 0.002 * np.arange(300)
    vis = Judged(Film("vis", times_s, None, np.zeros((1000, 3)), SHORT, True), told, BY_CODE)
    frames = np.arange(4000)
    told = Read(1, frames, 60.0, np.c_[frames[20::40], np.zeros(100)])
    hs = Judged(Film("hs", frames / 100, None, np.zeros((4000, 3)), SHORT, True), told, BY_CODE)
    finding = _found(VideoVerdict(({}, {}), tuple(video_checks._together(vis, hs))), "timestamps", "vis")
    assert (finding.word, "frame 699 is 11.3" in finding.text) == (Word.FAIL, True)


# The command ----------------------------------------------------------------------------------------------------------


def test_what_is_no_video_is_told_without_a_traceback(pictures: dict[str, Pictures], tmp_path: Path) -> None:
    whole = _encoded(tmp_path / "whole.mp4", pictures["VIS"][:40], 25)
    (tmp_path / "cut.mp4").write_bytes(whole.read_bytes()[:3000])
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").touch()
    sound = tmp_path / "sound.wav"
    with av.open(str(sound), "w") as out:
        out.mux(out.add_stream("pcm_s16le", rate=8000).encode(None))
    for name in ("cut.mp4", "text.mp4", "empty.mp4", "sound.wav", ".", "missing.mp4"):
        with pytest.raises(ClipError, match=name.replace(".", r"\.") if name != "." else "is no file"):
            read_film(tmp_path / name)
    one = read_film(_encoded(tmp_path / "one.mkv", pictures["VIS"][:1], 25))
    (finding,) = judge_films([one]).findings
    assert finding.word is Word.NOT_MEASURED
    assert "too few" in finding.text


def test_the_command_says_what_it_found_and_ends_with_its_code(pictures: dict[str, Pictures], tmp_path: Path) -> None:
    for name in ("HS", "VIS"):
        _encoded(tmp_path / f"{name}.mp4", pictures[name], RATE_HZ[name])
    both = ("--video", "HS.mp4", "--video", "VIS.mp4")
    good = commands.run("verify", *both, "--json", cwd=tmp_path)
    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout)["synchronised"]
    said = commands.refused("verify", *both, "--video", "missing.mp4", cwd=tmp_path)
    assert "missing.mp4: is no file" in said
    for sessions, video in ((None, None), ([tmp_path], [tmp_path])):
        with pytest.raises(UserError, match="takes sessions, or video files"):
            verify(sessions, video=video)
    nothing = commands.run("verify", "--video", str(_encoded(tmp_path / "n.mkv", pictures["NIR"], 25)), cwd=tmp_path)
    assert (nothing.returncode, "NOT MEASURED" in nothing.stdout) == (1, True)
