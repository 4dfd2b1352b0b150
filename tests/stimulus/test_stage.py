"""The stage with a window of virtual time: what a withdrawal ends, how soon, and when the sound of a film begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rig.clips.manifest import FilmClip
from rig.clock import NS, VirtualClock
from rig.config.rig import Screen as Config
from rig.elicitation.steps import Choice, Item, Step
from rig.stimulus.acts import Act, KeyDown, KeyUp, Pointer
from rig.stimulus.messages import unpack
from rig.stimulus.pages.boxes import named
from rig.stimulus.pages.form import Form
from rig.stimulus.pages.page import Page, look_of
from rig.stimulus.screen import READY_S, MakingReady, ScreenEvent, ScreenNote, StepBegan, StepEnded, Withdrawn
from rig.stimulus.sound import LEAD_S, Sounds
from rig.stimulus.stage import Stage
from rig.streams import Answer, ClockPair, Flip

CONFIG = Config(backend="psychopy", width=960, height=540, refresh_hz=60)
PERIOD_NS = round(NS / 60)
SOON_NS = NS // 10  # so soon after the second the screen is neutral and silent
FRAMES = 125
CLIP = FilmClip("film", Path("film.mp4"), "", 160, 120, 25.0, tuple(i / 25 for i in range(FRAMES)))
CHOICES = (Choice("1", "happy", "happy"), Choice("2", "sad", "sad"))
QUESTION = Step(0, "question", "page", "", {}, None, 8, None, (), "", (Item("felt", "choice", "What?", CHOICES),))
FILM = Step(1, "clip", "clip1", "", {}, None, 20, "film", (), "")
BASELINE = Step(2, "baseline", "neutral", "+", {}, 3.0, 4.0, None, (), "")


class FakeFilm:
    """Decoded at the third question."""

    questions, frames = 2, FRAMES  # before it is decoded; whose pictures come

    def __init__(self, clip: FilmClip, size: tuple[int, int]) -> None:
        self.clip, self.size, self.film_frame, self.fault = clip, size, -1, "film.mp4: cannot be decoded"
        self._asked = 0

    @property
    def is_ready(self) -> bool:
        self._asked += 1
        return self._asked > self.questions

    @property
    def has_failed(self) -> bool:
        return self.frames < FRAMES and self.film_frame == self.frames - 1

    def take(self, target: int) -> int:
        self.film_frame = min(target, self.frames - 1)
        return self.film_frame

    def close(self) -> None:
        pass


@dataclass
class FakeWindow:
    """Flips at once, on the grid of the clock; shows what it was told."""

    clock: VirtualClock
    to_come: list[Act]
    is_grey: bool = True  # neither film nor page
    has_pointer: bool = False
    greys: list[tuple[int, bool]] = field(default_factory=list)  # at each flip: host clock ns, whether it showed grey
    pointers: set[bool] = field(default_factory=set)  # at any flip but those between steps
    last_ns: int = 0
    page: Any = None

    def due_ns(self) -> int:
        return self.last_ns + PERIOD_NS

    def set_page(self, picture: Any) -> None:
        self.page = None if picture is None else picture.copy()
        self.is_grey = self.is_grey and picture is None

    def change_page(self, picture: Any, at: tuple[int, int]) -> None:
        x, y = at
        self.page[y : y + picture.shape[0], x : x + picture.shape[1]] = picture

    def set_pointer(self, *, is_visible: bool) -> None:
        self.has_pointer = is_visible

    def set_film(self, size: Any) -> None:
        self.is_grey = size is None

    def set_picture(self, picture: Any) -> None:
        pass

    def blank(self) -> None:
        self.page, self.is_grey, self.has_pointer = None, True, False

    def flip(self, *, patch: int) -> tuple[int, float]:
        now = self.clock.now_ns()
        self.last_ns = max(self.last_ns + PERIOD_NS, now - now % PERIOD_NS + PERIOD_NS)
        self.clock.sleep_until(self.last_ns)
        self.greys.append((self.last_ns, self.is_grey))
        if not self.is_grey:
            self.pointers.add(self.has_pointer)
        return self.last_ns, self.last_ns / NS

    def acts(self) -> list[Act]:
        now = self.clock.now_ns()
        due = [act for act in self.to_come if act.host_ns <= now]
        self.to_come = self.to_come[len(due) :]
        return due

    def clock_pair(self) -> ClockPair:
        return ClockPair("screen", 0, 0, 0, 0)


class FakeParent:
    """Asks for one step after another, `pause_s` apart, and ends when all were shown; ends one at `aborts_ns`."""

    def __init__(self, clock: VirtualClock, steps: list[Step], pause_s: float, aborts_ns: int | None = None) -> None:
        self.clock, self.steps, self.pause_s, self._aborts_ns = clock, steps, pause_s, aborts_ns
        self.told: list[tuple[int, ScreenEvent]] = []  # when it was told, host clock ns
        self._free_ns: int | None = clock.now_ns()

    def send(self, message: dict[str, Any]) -> None:
        events = [unpack(packed) for packed in message["events"]]
        self.told += [(self.clock.now_ns(), event) for event in events]
        if any(isinstance(event, StepEnded) for event in events):
            self._free_ns = self.clock.now_ns() + round(self.pause_s * NS)

    def receive(self, timeout_s: float) -> list[dict[str, Any]] | None:
        self.clock.sleep_until(self.clock.now_ns() + round(timeout_s * NS))
        if self._aborts_ns is not None and self.clock.now_ns() >= self._aborts_ns:
            self._aborts_ns = None
            return [{"abort": True}]
        if self._free_ns is None or self.clock.now_ns() < self._free_ns:
            return []
        self._free_ns = None
        return [{"show": self.steps.pop(0).to_json()}] if self.steps else None

    def of(self, kind: type[ScreenEvent]) -> list[Any]:
        return [event for _, event in self.told if isinstance(event, kind)]


@dataclass
class FakeSpeaker:
    clock: VirtualClock
    delay_ns: int = 0
    begins_ns: int | None = None
    stopped_ns: list[int] = field(default_factory=list)
    scheduled: list[tuple[int, int]] = field(default_factory=list)  # asked at, to begin at

    def prepare(self, wav: Path) -> None:
        assert wav == Path("film.wav")

    def schedule(self, host_ns: int) -> None:
        self.scheduled.append((self.clock.now_ns(), host_ns))
        self.begins_ns = host_ns + self.delay_ns

    def began_host_ns(self) -> int | None:
        return self.begins_ns if self.begins_ns is not None and self.begins_ns <= self.clock.now_ns() else None

    def stop(self) -> None:
        self.stopped_ns.append(self.clock.now_ns())

    def close(self) -> None:
        pass


@dataclass
class Played:
    window: FakeWindow
    parent: FakeParent
    speaker: FakeSpeaker

    def film_frames_shown(self) -> set[int]:
        return {flip.film_frame for flip in self.parent.of(Flip)} - {-1}


Play = Callable[..., Played]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    monkeypatch.setattr("rig.stimulus.stage.FilmPlayer", FakeFilm)

    def played(
        steps: list[Step],
        acts: list[Act],
        *,
        has_sound: bool = False,
        delay_ns: int = 0,
        pause_s: float = 0.0,
        aborts_ns: int | None = None,
    ) -> Played:
        clock = VirtualClock()
        window, parent = FakeWindow(clock, acts), FakeParent(clock, steps, pause_s, aborts_ns)
        speaker = FakeSpeaker(clock, delay_ns)
        sounds = Sounds(speaker, {"film": Path("film.wav")}) if has_sound else Sounds(None)
        Stage(parent, window, CONFIG, {"film": CLIP}, clock, sounds, "escape").run()  # type: ignore[arg-type]
        return Played(window, parent, speaker)

    return played


def _held(from_s: float, seconds: float) -> list[Act]:
    """The key of withdrawal; the virtual clock begins at 1 s."""
    return [KeyDown("escape", "", round((1 + from_s) * NS)), KeyUp("escape", round((1 + from_s + seconds) * NS))]


@pytest.mark.parametrize("step", [QUESTION, FILM, BASELINE], ids=lambda step: step.kind)
def test_key_held_for_a_second_makes_the_screen_neutral_and_silent(step: Step, play: Play) -> None:
    done = play([step], _held(1.0, 3.0), has_sound=True)
    second_over_ns = 3 * NS
    (withdrawn,) = done.parent.of(Withdrawn)
    assert withdrawn.step == step.index
    assert second_over_ns <= withdrawn.host_ns <= second_over_ns + SOON_NS
    (told_ns,) = [at for at, event in done.parent.told if isinstance(event, Withdrawn)]
    assert told_ns <= second_over_ns + SOON_NS
    assert [is_grey for at, is_grey in done.window.greys if at > second_over_ns][-1]
    assert all(is_grey for at, is_grey in done.window.greys if at > second_over_ns + SOON_NS)
    assert not any(is_grey for at, is_grey in done.window.greys if 2 * NS < at < second_over_ns)
    assert [ended.ended_by for ended in done.parent.of(StepEnded)] == ["withdrawn"]
    assert all(at <= second_over_ns + SOON_NS for at in done.speaker.stopped_ns)
    assert len(done.speaker.stopped_ns) == (step is FILM)


@pytest.mark.parametrize("step", [QUESTION, FILM, BASELINE], ids=lambda step: step.kind)
def test_key_pressed_for_less_does_nothing(step: Step, play: Play) -> None:
    done = play([step], [*_held(0.5, 0.9), *_held(1.6, 0.9)])
    assert done.parent.of(Withdrawn) == []
    assert done.parent.of(StepEnded)[0].ended_by == ("last-frame" if step.clip else "time")


@pytest.mark.parametrize("step", [QUESTION, FILM], ids=lambda step: step.kind)
def test_who_withdraws_between_steps_sees_no_more_of_them(step: Step, play: Play) -> None:
    """Even of those that the recorder sent before it knew; but what is for who withdraws."""
    after = [replace(QUESTION, index=7, kind="debrief"), replace(QUESTION, index=8, only_withdrawn=True)]
    again = replace(QUESTION, index=9, kind="debrief", ends_run=("no",))
    done = play([BASELINE, step, *after, again], _held(3.2, 1.5), pause_s=2.0)
    (withdrawn,) = done.parent.of(Withdrawn)
    assert withdrawn.step == -1
    assert [ended.ended_by for ended in done.parent.of(StepEnded)] == [
        "time", "withdrawn", "time", "time", "withdrawn",
    ]  # fmt: skip
    assert len(done.parent.of(StepBegan)) == 5
    assert done.film_frames_shown() == set()


@pytest.mark.parametrize("in_lead_in", [True, False])
@pytest.mark.parametrize("by", ["withdrawn", "abort"])
def test_film_that_is_ended_while_it_is_being_made_ready_is_neither_seen_nor_heard(
    by: str, play: Play, monkeypatch: pytest.MonkeyPatch, *, in_lead_in: bool
) -> None:
    """By the key of withdrawal or the operator; while it is decoded, or in the flips before film frame 0."""
    monkeypatch.setattr(FakeFilm, "questions", 2 if in_lead_in else 1000)
    ended_ns = NS + NS * 11 // 100
    acts, aborts_ns = (_held(-0.89, 3.0), None) if by == "withdrawn" else ([], ended_ns)
    done = play([FILM], acts, has_sound=True, aborts_ns=aborts_ns)
    assert done.film_frames_shown() == set()
    assert all(is_grey for _, is_grey in done.window.greys)
    assert [ended.ended_by for ended in done.parent.of(StepEnded)] == [by]
    assert [withdrawn.step for withdrawn in done.parent.of(Withdrawn)] == [-1] * (by == "withdrawn")
    assert done.parent.of(StepEnded)[0].host_ns <= ended_ns + SOON_NS
    assert len(done.speaker.scheduled) == len(done.speaker.stopped_ns) == in_lead_in
    for (_, begins_ns), stopped_ns in zip(done.speaker.scheduled, done.speaker.stopped_ns, strict=True):
        assert ended_ns <= stopped_ns <= ended_ns + 2 * PERIOD_NS < begins_ns
    assert done.parent.of(ScreenNote) == []


def test_film_that_takes_long_to_be_made_ready_gives_signs_of_life(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeFilm, "questions", 1000)
    done = play([FILM], [])
    times = [at for at, event in done.parent.told if isinstance(event, MakingReady)]
    (began,) = done.parent.of(StepBegan)
    waits = np.diff([NS, *times, began.host_ns])
    assert len(waits) > 3 and waits.max() < (READY_S + 0.1) * NS
    assert done.film_frames_shown() == set(range(FRAMES))


@pytest.mark.parametrize(("frames", "shown"), [(100, 100), (0, 0)])
def test_film_that_breaks_after_the_check_is_an_alarm_at_once(
    frames: int, shown: int, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeFilm, "frames", frames)
    done = play([FILM], [], has_sound=True)
    alarms = [(at, event) for at, event in done.parent.told if isinstance(event, ScreenNote) and event.is_alarm]
    ((told_ns, alarm),) = alarms
    assert alarm.text == f"the clip stopped at film frame {frames - 1}: film.mp4: cannot be decoded"
    assert done.film_frames_shown() == set(range(shown))
    last_ns = max(flip.host_ns for flip in done.parent.of(Flip) if flip.film_frame == frames - 1)
    assert told_ns <= last_ns + 3 * PERIOD_NS
    assert [ended.ended_by for ended in done.parent.of(StepEnded)] == ["abort"]
    assert len(done.speaker.scheduled) == (shown > 0)


def test_a_withdrawal_is_told_once(play: Play) -> None:
    done = play([QUESTION, replace(QUESTION, kind="debrief")], [*_held(1, 2), *_held(5, 2)])
    assert len(done.parent.of(Withdrawn)) == 1


def test_answers_are_told_at_once_with_the_times_of_keys_and_pointer(play: Play) -> None:
    boxes = Page(QUESTION, (CONFIG.width, CONFIG.height), look_of(CONFIG)).boxes
    box = next(named(boxes, "choice", "felt", "sad"))
    at = (box.left + 1, box.top + 1)
    acts: list[Act] = [Pointer(*at, is_down=False, host_ns=2 * NS), Pointer(*at, is_down=True, host_ns=2 * NS + 90)]
    done = play([QUESTION], acts)
    ((told_ns, answer),) = [(at, event) for at, event in done.parent.told if isinstance(event, Answer)]
    assert (answer.question, answer.answer) == ("felt", "sad")
    assert (answer.first_key_host_ns, answer.confirmed_host_ns) == (2 * NS, 2 * NS + 90)
    assert told_ns <= 2 * NS + 2 * PERIOD_NS
    assert [ended.ended_by for ended in done.parent.of(StepEnded)] == ["answered"]


def test_key_pressed_before_the_question_was_on_the_screen_answers_nothing(play: Play) -> None:
    done = play([QUESTION], [KeyDown("1", "1", NS + 1)])
    assert done.parent.of(Answer) == []


@pytest.mark.parametrize(("step", "is_seen"), [(QUESTION, True), (BASELINE, False), (FILM, False)])
def test_pointer_is_seen_only_where_there_is_something_to_click(step: Step, is_seen: bool, play: Play) -> None:
    window = play([step], []).window
    assert window.pointers == {is_seen}
    assert not window.has_pointer  # hidden again


def test_page_on_the_window_is_always_as_its_answers_are(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what has changed is drawn anew: it must come to the same as drawing all."""
    items = (*QUESTION.items, Item("strong", "scale", "How?", points=7), Item("why", "text", "Why?", most_letters=9))
    step = replace(QUESTION, items=items, max_seconds=6.0)
    keys = [("1", "1"), ("3", "3"), ("return", ""), ("h", "h"), ("i", "i")]
    pictures = []
    blank = FakeWindow.blank

    def keep(window: FakeWindow) -> None:
        pictures.append(window.page)
        blank(window)

    monkeypatch.setattr(FakeWindow, "blank", keep)
    play([step], [KeyDown(key, text, (2 + i) * NS) for i, (key, text) in enumerate(keys)])
    page = Page(step, (CONFIG.width, CONFIG.height), look_of(CONFIG))
    form = _form_after(step, page, keys)
    assert np.array_equal(pictures[0], page.draw(form.state))
    assert not np.array_equal(pictures[0], page.draw(_form_after(step, page, keys[:-1]).state))


def test_page_that_cannot_be_drawn_is_told_and_costs_nobody_the_window(play: Play) -> None:
    words = " ".join(["far too long"] * 400)
    done = play([replace(BASELINE, text=words), BASELINE], [])
    (note,) = done.parent.of(ScreenNote)
    assert note.text.startswith("step neutral cannot be read and is not answered: ")
    assert note.is_alarm
    assert [ended.ended_by for ended in done.parent.of(StepEnded)] == ["time", "time"]
    lasted_ns = done.parent.of(StepEnded)[0].host_ns - done.parent.of(StepBegan)[0].host_ns
    assert lasted_ns == pytest.approx(3 * NS, abs=PERIOD_NS // 2)


@pytest.mark.parametrize("step", [QUESTION, replace(BASELINE, keys={"1": "yes"}, kind="consent", seconds=None)])
def test_what_nobody_could_read_nobody_answers_and_it_ends_at_once(step: Step, play: Play) -> None:
    words = " ".join(["far too long"] * 400)
    done = play([replace(step, text=words)], [KeyDown("1", "1", at) for at in range(NS, 4 * NS, NS // 100)])
    (began,), (ended,) = done.parent.of(StepBegan), done.parent.of(StepEnded)
    assert done.parent.of(Answer) == []
    assert ended.host_ns - began.host_ns <= 2 * PERIOD_NS
    assert [note.is_alarm for note in done.parent.of(ScreenNote)] == [True]


def test_what_was_not_confirmed_is_told_before_its_page_ends_unless_the_participant_withdrew(play: Play) -> None:
    step = replace(QUESTION, items=(Item("strong", "scale", "How?", points=7),), max_seconds=4.0)
    done = play([step], [KeyDown("3", "3", 2 * NS)])
    (ended,) = done.parent.of(StepEnded)
    (answer,) = done.parent.of(Answer)
    assert (answer.answer, answer.is_confirmed, answer.first_key_host_ns) == ("3", False, 2 * NS)
    assert (answer.confirmed_host_ns, ended.ended_by) == (ended.host_ns, "time")
    assert play([step], [KeyDown("3", "3", 2 * NS), *_held(3, 2)]).parent.of(Answer) == []


def _form_after(step: Step, page: Page, keys: list[tuple[str, str]]) -> Form:
    form = Form(step, 0, page.boxes)
    for i, (key, text) in enumerate(keys, 1):
        form.key(key, i)
        form.typed(text, i)
    return form


@pytest.mark.parametrize("delay_ms", [0.0, 12.5, 80.0])
def test_sound_is_asked_for_in_time_to_begin_with_film_frame_0(delay_ms: float, play: Play) -> None:
    done = play([FILM], [], has_sound=True, delay_ns=round(delay_ms * 1e6))
    first = next(flip for flip in done.parent.of(Flip) if flip.film_frame == 0)
    ((asked_ns, begin_ns),) = done.speaker.scheduled
    assert begin_ns == first.host_ns
    assert begin_ns - asked_ns >= LEAD_S * NS
    ((told_ns, note),) = [(at, event) for at, event in done.parent.told if isinstance(event, ScreenNote)]
    assert f"{delay_ms:+.1f} ms from film frame 0" in note.text
    assert ("OUT OF SYNC" in note.text) == note.is_alarm == (delay_ms > 40)
    assert told_ns - first.host_ns < NS
    assert done.film_frames_shown() == set(range(FRAMES))


def test_film_without_sound_begins_without_waiting(play: Play) -> None:
    done = play([FILM], [])
    assert done.parent.of(Flip)[0].film_frame == 0
    assert done.parent.of(ScreenNote) == []
