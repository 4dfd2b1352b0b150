"""The simulated screen follows the clock: exact flips, exact films, the same again for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import pytest

from rig.clips.manifest import FilmClip
from rig.clock import NS, VirtualClock
from rig.config.rig import Screen as Config
from rig.elicitation.steps import Choice, Item, Step
from rig.errors import ClipError
from rig.sim.screen import SimulatedScreen
from rig.sim.script import Given, script
from rig.stimulus.pages.page import Page, look_of
from rig.stimulus.screen import ScreenEvent, ScreenNote, StepBegan, StepEnded, Withdrawn
from rig.streams import Answer, ClockPair, Flip
from tests.films import make_film, numbered

CONFIG = Config(backend="simulated", width=960, height=540, refresh_hz=60)
CLIP = FilmClip("bunny", Path("bunny.mp4"), "", 160, 120, 25.0, tuple(i / 25 for i in range(51)))
GREY = 160 / 255  # neutral
SHARE = 0.75  # of the screen, that a film at 4:3 covers
QUESTION = Step(1, "question", "felt", "What?", {"1": "happy", "2": "sad"}, None, 8.0, None, ("HS",), "")
STEPS = [
    replace(QUESTION, index=0, kind="baseline", name="neutral", keys={}, seconds=0.5),
    replace(QUESTION, index=1, kind="clip", name="clip1", keys={}, clip="bunny"),
    replace(QUESTION, index=2),
]
CHOICES = (Choice("1", "happy", "happy"), Choice("2", "sad", "sad"))
ITEMS = (
    Item("felt", "choice", "What?", CHOICES),
    Item("strong", "scale", "How?", points=7),
    Item("why", "text", "Why?", most_letters=20),
)
PAGE = replace(QUESTION, index=4, name="page", text="", keys={}, max_seconds=20.0, items=ITEMS)


class Lamp:
    """What the photodiode would see."""

    def __init__(self) -> None:
        self.changes: list[tuple[int, float]] = []

    def __call__(self, host_ns: int, level: float) -> None:
        self.changes.append((host_ns, level))


@pytest.fixture(scope="module", autouse=True)
def _film(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The film of the steps, in the working folder."""
    folder = tmp_path_factory.mktemp("films")
    make_film(folder / CLIP.path, CLIP.frames)
    with chdir(folder):
        yield


def _screen(
    *,
    scripted: bool = True,
    seed: int = 1,
    glow: Callable[[int, float], None] = lambda _ns, _brightness: None,
    withdraws_in_step: str | None = None,
) -> tuple[SimulatedScreen, VirtualClock, Lamp]:
    clock, lamp, clips = VirtualClock(), Lamp(), {"bunny": CLIP}
    who = {"seed": seed, "scripted": scripted, "withdraws_in_step": withdraws_in_step}
    screen = SimulatedScreen(CONFIG, clips, clock, light=lamp, glow=glow, **who)  # type: ignore[arg-type]
    return screen, clock, lamp


def _run(screen: SimulatedScreen, clock: VirtualClock, steps: list[Step]) -> list[ScreenEvent]:
    """Show the steps, moving the clock from one event to the next."""
    told = screen.events(0)
    for step in steps:
        screen.show(step)
        while (due_ns := screen.next_host_ns()) is not None:
            clock.sleep_until(due_ns)
            told += screen.events(0)
    return told


def test_it_says_that_it_is_simulated() -> None:
    screen, _, _ = _screen()
    assert screen.describe().simulated
    assert screen.describe().kind == "screen"


def test_nothing_is_told_before_its_time() -> None:
    screen, clock, _ = _screen()
    first = screen.events(0)
    assert [type(e) for e in first] == [ClockPair, ScreenNote]
    assert screen.next_host_ns() is None
    screen.show(STEPS[0])
    due_ns = screen.next_host_ns()
    assert due_ns == clock.now_ns() + round(NS / 60)
    clock.sleep_until(due_ns - 1)
    assert screen.events(0) == []
    clock.sleep_until(due_ns)
    assert screen.events(0)[0] == StepBegan(0, due_ns)


def test_waiting_for_events_waits_on_the_clock_and_no_longer_than_asked() -> None:
    screen, clock, _ = _screen()
    screen.events(0)
    began_ns = clock.now_ns()
    assert screen.events(0.5) == []
    assert clock.now_ns() == began_ns + NS // 2
    screen.show(STEPS[0])
    due_ns = screen.next_host_ns()
    assert isinstance(screen.events(1.0)[0], StepBegan)
    assert clock.now_ns() == due_ns


def test_flips_lie_on_the_grid_of_refreshes() -> None:
    screen, clock, _ = _screen()
    origin_ns = clock.now_ns()
    flips = [e for e in _run(screen, clock, STEPS) if isinstance(e, Flip)]
    numbers = [round((f.host_ns - origin_ns) * 60 / NS) for f in flips]
    assert [f.host_ns for f in flips] == [origin_ns + round(k * NS / 60) for k in numbers]
    assert numbers == sorted(set(numbers))
    assert [f.flip_number for f in flips] == list(range(len(flips)))


def test_film_is_shown_whole_and_each_frame_is_an_edge_of_light() -> None:
    screen, clock, lamp = _screen()
    told = _run(screen, clock, [STEPS[1]])
    flips = [e for e in told if isinstance(e, Flip) and e.film_frame >= 0]
    first = {f.film_frame: f.host_ns for f in reversed(flips)}
    assert sorted(first) == list(range(51))
    assert {(f.late, f.underrun, f.behind, f.skipped) for f in flips} == {(0, 0, 0, 0)}
    (ended,) = [e for e in told if isinstance(e, StepEnded)]
    assert ended.ended_by == "last-frame"
    assert ended.host_ns - first[0] == pytest.approx(51 / 25 * NS, abs=NS / 60)
    # frame 50 is white, so the neutral screen after it makes one more edge
    assert lamp.changes == [(first[i], 1 - i % 2) for i in range(51)] + [(ended.host_ns, 0)]


def test_the_screen_is_as_bright_as_the_film_picture_and_the_grey_around_it() -> None:
    seen: list[tuple[int, float]] = []
    screen, clock, lamp = _screen(glow=lambda host_ns, brightness: seen.append((host_ns, brightness)))
    told = _run(screen, clock, [STEPS[1]])
    first = {f.film_frame: f.host_ns for f in reversed([e for e in told if isinstance(e, Flip)]) if f.film_frame >= 0}
    due = {first[i]: numbered(i, 160, 120).mean() / 255 * SHARE + GREY * (1 - SHARE) for i in range(51)}
    assert seen[0] == (NS, GREY)
    assert seen[-1] == (lamp.changes[-1][0], GREY)
    for host_ns, brightness in seen[1:-1]:
        assert brightness == pytest.approx(due[host_ns], abs=0.02)
    assert max(due.values()) - min(due.values()) > 0.15
    assert len(seen) > 45


def test_scripted_participant_answers_by_seed() -> None:
    told = [_run(screen, clock, STEPS) for screen, clock, _ in (_screen(seed=5), _screen(seed=5), _screen(seed=6))]
    assert told[0] == told[1]
    answers = [[e for e in events if isinstance(e, Answer)] for events in told]
    assert answers[0] and answers[0] != answers[2]
    (answer,) = answers[0]
    assert (answer.step, answer.question) == (2, "felt")
    assert 0.8 <= (answer.first_key_host_ns - answer.onset_host_ns) / NS <= 1.55
    assert [e.ended_by for e in told[0] if isinstance(e, StepEnded)] == ["time", "last-frame", "key"]


def test_nobody_answers_without_a_script() -> None:
    screen, clock, _ = _screen(scripted=False)
    told = _run(screen, clock, [STEPS[2]])
    assert not [e for e in told if isinstance(e, Answer)]
    began, ended = [e for e in told if isinstance(e, StepBegan | StepEnded)]
    assert isinstance(ended, StepEnded)
    assert ended.ended_by == "time"
    assert ended.host_ns - began.host_ns == pytest.approx(8 * NS, abs=NS / 60)


def test_clock_that_jumps_is_caught_up_with() -> None:
    """What is told does not depend on how often it is asked for."""
    often, clock, _ = _screen()
    expected = _run(often, clock, [STEPS[1]])
    once, clock, _ = _screen()
    once.show(STEPS[1])
    clock.sleep_until(100 * NS)
    assert once.events(0) == expected


def test_abort_ends_the_step_at_the_next_refresh() -> None:
    screen, clock, lamp = _screen()
    screen.events(0)
    screen.show(STEPS[1])
    clock.sleep_until(clock.now_ns() + NS // 2)
    screen.events(0)
    screen.abort()
    due_ns = screen.next_host_ns()
    assert due_ns is not None
    clock.sleep_until(due_ns)
    assert StepEnded(1, due_ns, "abort") in screen.events(0)
    assert screen.next_host_ns() is None
    assert lamp.changes[-1][1] == 0


def test_abort_at_once_still_tells_begin_and_end() -> None:
    screen, clock, _ = _screen()
    screen.events(0)
    screen.show(STEPS[1])
    screen.abort()
    clock.sleep_until(clock.now_ns() + NS)
    told = screen.events(0)
    assert [type(e) for e in told if isinstance(e, StepBegan | StepEnded)] == [StepBegan, StepEnded]


def test_abort_between_steps_does_nothing() -> None:
    screen, clock, _ = _screen()
    screen.abort()
    told = _run(screen, clock, [STEPS[0]])
    assert [e.ended_by for e in told if isinstance(e, StepEnded)] == ["time"]
    screen.close()
    screen.close()


def test_pages_are_answered_as_the_script_says() -> None:
    screen, clock, _ = _screen(seed=7)
    told = _run(screen, clock, [PAGE])
    answers = [e for e in told if isinstance(e, Answer)]
    boxes = Page(PAGE, (CONFIG.width, CONFIG.height), look_of(CONFIG)).boxes
    given = [Given(a.question, a.answer, a.is_skipped) for a in answers]
    assert given == list(script(PAGE, 7, boxes).answers)
    assert [e.ended_by for e in told if isinstance(e, StepEnded)] == ["answered"]
    assert all(a.onset_host_ns <= a.first_key_host_ns <= a.confirmed_host_ns for a in answers)
    assert [a.question for a in answers] == ["felt", "strong", "why"]


def test_who_withdraws_in_a_step_sees_only_what_is_for_them() -> None:
    steps = [replace(STEPS[0], seconds=5.0), STEPS[1], replace(PAGE, index=5, kind="debrief", max_seconds=20)]
    screen, clock, lamp = _screen(withdraws_in_step="neutral")
    told = _run(screen, clock, steps)
    (withdrawn,) = [e for e in told if isinstance(e, Withdrawn)]
    began, *_ = [e for e in told if isinstance(e, StepBegan)]
    assert withdrawn.step == 0
    assert 1.5 <= (withdrawn.host_ns - began.host_ns) / NS <= 2.1
    ended = [e for e in told if isinstance(e, StepEnded)]
    assert [e.ended_by for e in ended] == ["withdrawn", "withdrawn", "answered"]
    assert ended[0].host_ns - withdrawn.host_ns <= NS / 10
    assert lamp.changes == []  # no film frame


def test_clip_that_begins_within_its_film_is_as_bright_as_that_part() -> None:
    seen: list[tuple[int, float]] = []
    part = replace(CLIP, first=20, pts_s=CLIP.pts_s[:10])
    clock = VirtualClock()
    screen = SimulatedScreen(
        CONFIG,
        {"bunny": part},
        clock,
        seed=1,
        scripted=False,
        light=Lamp(),
        glow=lambda host_ns, brightness: seen.append((host_ns, brightness)),
    )
    told = _run(screen, clock, [STEPS[1]])
    flips = [e for e in told if isinstance(e, Flip)]
    assert {flip.film_frame for flip in flips} == {-1, *range(10)}
    due = [numbered(20 + i, 160, 120).mean() / 255 * SHARE + GREY * (1 - SHARE) for i in range(10)]
    assert [brightness for _, brightness in seen[1:11]] == pytest.approx(due, abs=0.02)


def test_film_faster_than_the_screen_is_refused() -> None:
    with pytest.raises(ClipError, match="100 fps"):
        SimulatedScreen(
            CONFIG, {"film": replace(CLIP, fps=100.0)}, VirtualClock(), seed=1, scripted=True, light=Lamp(), glow=Lamp()
        )
