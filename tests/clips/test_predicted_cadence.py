"""The cadence that is predicted of a clip is the one that the screen logs, for every film rate on every screen."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import pairwise
from math import ceil
from pathlib import Path

import numpy as np
import pytest

import rig
from rig.clips.cadence import cadence
from rig.clips.manifest import FilmClip
from rig.clock import NS
from rig.elicitation.steps import Step
from rig.stimulus.showing import FlipLog, Showing
from tests.films import make_film, sha256_of
from tests.rigs import RIG, record

FPS = [Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30)]
HZ = [50, 59.94, 60, 75, 120, 144]
FRAMES = 25


LONG = 500  # film frames
FILM = Step(0, "clip", "clip1", "", {}, None, 60, "film", (), "")
STAMPS_LATE = {  # of a refresh at 60 Hz; seeded
    "some 0.1 ms, as on a real screen": lambda rng: rng.normal(0, 0.01, LONG * 10).clip(-0.03, 0.03),
    "0 to 8 ms, as on a virtual one": lambda rng: rng.uniform(0, 0.5, LONG * 10),
    "0 ms, but the first one 13": lambda _rng: np.append(0.8, np.zeros(LONG * 10)),
}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A protocol that plays a short film of each rate."""
    folder = tmp_path_factory.mktemp("films")
    clips = blocks = ""
    for index, fps in enumerate(FPS):
        film = make_film(folder / f"film{index}.mp4", FRAMES, fps=fps, size=(32, 24))
        clips += f"  film{index}: {{file: {film.name}, sha256: {sha256_of(film)!r}, title: t, licence: l}}\n"
        blocks += f"  - {{kind: clip, name: clip{index}, clip: film{index}, store: none}}\n"
    path = folder / "films.yaml"
    path.write_text(f"schema: 1\nname: films\ntitle: t\nclips:\n{clips}blocks:\n{blocks}")
    return path


@pytest.fixture(scope="module", params=[50, 59.94, 144])
def shown(request: pytest.FixtureRequest, films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session in virtual time on a screen of that refresh; its folder's name ends with it."""
    folder = tmp_path_factory.mktemp(f"at-{request.param}-")
    path = folder / "rig.yaml"
    rig_yaml = RIG.format(seed=1, faults="").replace("refresh_hz: 60", f"refresh_hz: {request.param}")
    one_camera = [line for line in rig_yaml.splitlines() if "SIM-VIS" not in line and "SIM-NIR" not in line]
    path.write_text("\n".join(one_camera))
    return record(folder, path, films).path


@pytest.fixture
def refresh_hz(request: pytest.FixtureRequest) -> float:
    return float(request.node.callspec.params["shown"])


def test_predicted_cadence_is_the_flip_log_of_the_session(shown: Path, refresh_hz: float) -> None:
    with rig.open(shown) as session:
        run = session.runs[0]
        for step in run.steps:
            flips = run.flips[(run.flips["step"] == step.index) & (run.flips["film_frame"] >= 0)]
            logged = Counter(flips["film_frame"].tolist())
            clip = run.clip(str(step.clip))
            predicted = cadence(len(clip["pts"]), clip["fps"], refresh_hz).flips
            assert [logged[frame] for frame in range(FRAMES)] == list(predicted), (step.clip, refresh_hz)
            assert np.all(np.diff(flips["film_frame"]) >= 0)


def flips_of(fps: float, refresh_hz: float, true_hz: float, late: np.ndarray) -> list[int]:
    """Film frame of each flip, on a screen that rig.yaml says to have `refresh_hz`; stamps are so many refreshes late.

    As in the real window, a flip is due a refresh after the stamp of the one before.
    """
    clip = FilmClip("film", Path("film.mp4"), "", 32, 24, fps, tuple(i / fps for i in range(LONG)))
    period_ns = round(NS / refresh_hz)
    showing, log = Showing(FILM, clip, period_ns), FlipLog(period_ns, has_patch=True)
    stamps = (NS + (np.arange(len(late)) + late) * NS / true_hz).round().astype(int).tolist()
    shown, due_ns = list[int](), NS
    for stamp_ns in stamps:
        if showing.is_over(due_ns):
            break
        showing.flipped(log.of_step(showing, showing.target(due_ns), due_ns, stamp_ns, 0.0, underrun=False))
        shown.append(showing.film_frame)
        due_ns = stamp_ns + period_ns
    return shown


@pytest.mark.parametrize("kind", STAMPS_LATE)
@pytest.mark.parametrize("hz", HZ)
def test_predicted_cadence_is_the_flip_log_where_stamps_lie_off_the_refreshes(hz: float, kind: str) -> None:
    for seed, fps in enumerate(map(float, FPS)):
        late = STAMPS_LATE[kind](np.random.default_rng(seed))
        logged = Counter(flips_of(fps, hz, hz, late))
        assert [logged[frame] for frame in range(LONG)] == list(cadence(LONG, fps, hz).flips), fps


@pytest.mark.parametrize("true_hz", [59.94, 60.05])
def test_film_keeps_its_time_on_a_screen_a_little_slower_or_quicker_than_rig_yaml_says(true_hz: float) -> None:
    late = STAMPS_LATE["some 0.1 ms, as on a real screen"](np.random.default_rng(1))
    shown = np.array(flips_of(25, 60, true_hz, late))
    lag_s = np.arange(len(shown)) / true_hz - shown / 25
    assert sorted(set(shown)) == list(range(LONG))
    assert np.all((lag_s > -1.5 / 60) & (lag_s < 1 / 25 + 1.5 / 60))


def test_film_catches_up_with_refreshes_that_brought_no_flip() -> None:
    late = np.append(np.zeros(100), 2 + np.zeros(LONG * 3))
    shown = flips_of(25, 60, 60, late)
    steady = flips_of(25, 60, 60, np.zeros(LONG * 3))
    assert shown[105:] == steady[107:]


@pytest.mark.parametrize("fps", FPS)
@pytest.mark.parametrize("hz", HZ)
def test_film_frame_comes_with_the_flip_nearest_to_its_time(fps: Fraction, hz: float) -> None:
    """Truth in fractions: film frame i is due i/fps after the first, at flip k = ceil(i hz/fps - 0.55)."""
    exact = Fraction(str(hz))
    begins = [ceil(i * exact / fps - Fraction(553, 1000)) for i in range(1001)]
    expected = [after - before for before, after in pairwise(begins)]
    assert list(cadence(1000, float(fps), hz).flips) == expected


EVEN = {(24, 120), (24, 144), (25, 50), (25, 75), (30, 60), (30, 120)}


@pytest.mark.parametrize("fps", [24, 25, 30])
@pytest.mark.parametrize("hz", [50, 60, 75, 120, 144])
def test_cadence_is_even_only_where_a_film_frame_lasts_whole_flips(fps: int, hz: int) -> None:
    assert cadence(1000, fps, hz).is_even == ((fps, hz) in EVEN) == (hz % fps == 0)


@pytest.mark.parametrize(
    ("fps", "hz", "pattern"),
    [
        (25, 60, "2-3-2-3-2"),
        (24, 60, "2-3"),
        (25, 50, "2"),
        (25, 75, "3"),
        (25, 100, "4"),
        (30, 75, "2-3"),
        (25, 144, "6-5-6-6-6-6-5-6-6-6-5-6..."),
        (24000 / 1001, 120, "5..."),
    ],
)
def test_cadence_in_words(fps: float, hz: float, pattern: str) -> None:
    assert cadence(1000, fps, hz).pattern == pattern


def test_film_frames_that_a_slow_screen_leaves_out_are_told() -> None:
    assert 0 in cadence(100, 30, 24).flips
    assert 0 not in cadence(100, 24, 24).flips
