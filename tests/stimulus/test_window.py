"""The real PsychoPy window, on a virtual display: what it logs is what was on the screen; it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from rig.clock import NS
from rig.elicitation.steps import Step
from rig.errors import ClipError, DeviceLost, DeviceNotFound, DeviceNotReady
from rig.sim.participant import ScriptedParticipant
from rig.sim.script import script
from rig.stimulus.display import VirtualDisplay, start_virtual
from rig.stimulus.process import PsychoPyScreen, measured_refresh
from rig.stimulus.screen import ScreenNote, StepBegan, StepEnded
from rig.streams import Answer, ClockPair
from tests.films import clip_of, make_film, number_of
from tests.stimulus.live import CLOCK, CONFIG, LIMIT_S, ScreenFile, flips_of, open_screen, play, until

QUESTION = Step(0, "question", "felt", "What did you feel?", {"1": "happy", "2": "sad"}, None, 20, None, (), "")
FILM = replace(QUESTION, index=1, kind="clip", name="clip1", text="", keys={}, clip="film")
SLOW_FILM = replace(FILM, index=3, name="clip2", clip="slow", max_seconds=LIMIT_S)
BASELINE = replace(QUESTION, index=2, kind="baseline", name="neutral", text="+", keys={}, seconds=0.5)


BEFORE_NS = 14_000_000  # a picture may be on the screen so long before its flip is stamped: most of a refresh


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def _children_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def test_film_question_and_abort_are_shown_and_logged_as_they_were_and_a_dead_window_is_lost(tmp_path: Path) -> None:
    """One window for all, because opening one takes two seconds."""
    films = {"film": make_film(tmp_path / "film.mp4", 25), "slow": make_film(tmp_path / "slow.mp4", LIMIT_S, fps=1)}
    with open_screen(tmp_path, {name: clip_of(path) for name, path in films.items()}) as (screen, pixels):
        started = until(screen, ScreenNote)
        assert [type(event) for event in started] == [ClockPair, ScreenNote]
        assert started[1].text.startswith("silent: rig.yaml asks for no sound")  # type: ignore[union-attr]
        assert screen.describe().simulated
        judged = 0
        while judged <= 100:  # a busy machine may look at few moments of one showing
            judged += _film_is_logged_as_shown(screen, pixels)
        _question_is_answered_by_a_real_key(screen, pixels, tmp_path)
        _abort_ends_a_film_at_once(screen)
        _ctrl_c_does_not_reach_the_window(screen)
        _death_is_device_lost_and_takes_its_display_with_it(screen)


def _film_is_logged_as_shown(screen: PsychoPyScreen, pixels: ScreenFile) -> int:
    """How many looks at the screen were held against the log."""
    seen: list[tuple[int, int, int, bool]] = []  # before, after (host clock ns), number in the film, patch is white

    def look() -> None:
        before_ns = CLOCK.now_ns()
        picture = pixels.picture()
        after_ns = CLOCK.now_ns()
        film = picture[:, 60:420]  # 160x120 on 480x270 is 360x270 in the middle
        seen.append((before_ns, after_ns, number_of(film), bool(picture[250, 460].mean() > 128)))

    told = play(screen, FILM, look)
    began, ended = [event for event in told if isinstance(event, StepBegan | StepEnded)]
    flips = [flip for flip in flips_of(told) if flip.film_frame >= 0]
    first = {flip.film_frame: flip for flip in reversed(flips)}
    assert len(first) + sum(flip.skipped for flip in flips) == 25  # a busy machine may skip some, and says so
    assert max(first) == 24
    assert all(flip.pts_s == pytest.approx(flip.film_frame / 25) for flip in flips)
    assert (began.host_ns, ended) == (flips[0].host_ns, StepEnded(1, flips_of(told)[-1].host_ns, "last-frame"))
    judged = 0
    for flip, following in pairwise(sorted(first.values(), key=lambda flip: flip.film_frame)):
        looks = [
            (number, is_white) == (flip.film_frame, flip.patch == 1)
            for before_ns, after_ns, number, is_white in seen
            if flip.host_ns <= before_ns and after_ns < following.host_ns - BEFORE_NS
        ]
        # On a busy machine the window may be held up between the picture and its stamp; then the flip counts as late.
        assert all(looks) or following.late, flip
        judged += len(looks)
    return judged


def _question_is_answered_by_a_real_key(screen: PsychoPyScreen, pixels: ScreenFile, folder: Path) -> None:
    seed = 3
    ((deed,), (given,)) = script(QUESTION, seed).deeds, script(QUESTION, seed).answers
    with closing(ScriptedParticipant(screen.display, CONFIG, seed, folder)) as participant:
        screen.show(QUESTION)
        told = until(screen, StepBegan)
        picture = pixels.picture().copy()
        participant.began(QUESTION)
        told += until(screen, StepEnded)
    (answer,) = [event for event in told if isinstance(event, Answer)]
    assert (answer.step, answer.question, answer.answer) == (0, "felt", given.answer)
    assert answer.confirmed_host_ns - answer.onset_host_ns >= deed.after_s * NS - NS / 10
    assert answer.first_key_host_ns == answer.confirmed_host_ns
    assert {flip.film_frame for flip in flips_of(told)} == {-1}
    assert (picture[100:170, 100:380] < 30).any()  # black text
    assert picture[250, 460].max() == 0  # the patch is black


def _abort_ends_a_film_at_once(screen: PsychoPyScreen) -> None:
    screen.show(SLOW_FILM)
    until(screen, StepBegan)
    screen.abort()
    told = until(screen, StepEnded)
    assert [event.ended_by for event in told if isinstance(event, StepEnded)] == ["abort"]
    screen.abort()  # nothing is shown: does nothing
    assert [e.ended_by for e in play(screen, BASELINE) if isinstance(e, StepEnded)] == ["time"]


def _ctrl_c_does_not_reach_the_window(screen: PsychoPyScreen) -> None:
    os.kill(screen._child.pid, signal.SIGINT)
    assert [e.ended_by for e in play(screen, BASELINE) if isinstance(e, StepEnded)] == ["time"]


def _death_is_device_lost_and_takes_its_display_with_it(screen: PsychoPyScreen) -> None:
    (xvfb,) = _children_of(screen._child.pid)
    os.kill(screen._child.pid, signal.SIGKILL)
    with pytest.raises(DeviceLost):
        until(screen, StepEnded)
    screen.abort()
    with pytest.raises(DeviceLost):
        screen.show(BASELINE)
    _gone([xvfb])


PARENT = """
import sys
from pathlib import Path
from rig.config.rig import Screen
from rig.stimulus.process import PsychoPyScreen, measured_refresh
screen = PsychoPyScreen(Screen.model_validate_json(sys.argv[1]), {}, Path(sys.argv[2]))
print(screen._child.pid, flush=True)
sys.stdin.read()
"""


def test_killed_recorder_leaves_no_window_and_no_display(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, CONFIG.model_dump_json(), str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as recorder:
        assert recorder.stdout is not None
        window = int(recorder.stdout.readline())
        (xvfb,) = _children_of(window)
        recorder.kill()
    _gone([window, xvfb])


def _gone(pids: list[int]) -> None:
    end_ns = CLOCK.now_ns() + LIMIT_S * NS
    while any(_is_running(pid) for pid in pids):
        assert CLOCK.now_ns() < end_ns
        CLOCK.sleep_until(CLOCK.now_ns() + NS // 100)


def test_film_faster_than_the_screen_is_refused_before_anything_starts(tmp_path: Path) -> None:
    clip = clip_of(make_film(tmp_path / "film.mp4", 25))
    with pytest.raises(ClipError, match="100 fps"):
        PsychoPyScreen(CONFIG, {"film": replace(clip, fps=100.0)}, tmp_path)
    assert not (tmp_path / "stimulus.log").exists()


def test_display_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotFound, match=r"screen \(display: :987\)"):
        PsychoPyScreen(CONFIG.model_copy(update={"display": ":987"}), {}, tmp_path)


def test_missing_xvfb_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceNotFound, match="apt-get install xvfb"):
        start_virtual(320, 240, tmp_path)


def test_xvfb_that_does_not_start_is_told_with_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotReady, match="Xvfb did not start"):
        start_virtual(0, 0, tmp_path)


@contextmanager
def _display(folder: Path, width: int, height: int) -> Iterator[VirtualDisplay]:
    display = start_virtual(width, height, folder)
    try:
        yield display
    finally:
        display.close()


def test_screen_of_another_size_is_refused_naming_both(tmp_path: Path) -> None:
    with _display(tmp_path, 640, 480) as display, pytest.raises(DeviceNotReady) as found:
        PsychoPyScreen(CONFIG.model_copy(update={"display": display.name}), {}, tmp_path)
    assert (found.value.value, found.value.allowed) == ("640x480 px", "480x270 px")


def test_screen_of_another_rate_is_refused_naming_both(tmp_path: Path) -> None:
    """An Xvfb given as a real screen: it has no vertical sync, so it flips as fast as it can."""
    with _display(tmp_path, 480, 270) as display, pytest.raises(DeviceNotReady) as found:
        PsychoPyScreen(CONFIG.model_copy(update={"display": display.name, "refresh_hz": 24.0}), {}, tmp_path)
    assert found.value.problem == "is the refresh rate measured"
    assert found.value.allowed.startswith("24 Hz")


def test_refresh_of_a_screen_is_measured_whatever_rig_yaml_says(tmp_path: Path) -> None:
    """The Xvfb again: it flips as fast as the machine allows, and not at the rate that it is said to have."""
    with _display(tmp_path, 480, 270) as display:
        config = CONFIG.model_copy(update={"display": display.name, "refresh_hz": 24.0})
        assert measured_refresh(config, tmp_path) != pytest.approx(24, rel=0.02)
