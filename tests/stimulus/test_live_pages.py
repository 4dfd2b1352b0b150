"""Pages in the real window, answered by real keys and a real pointer; and a participant who withdraws."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
from Xlib import X

from rig.clock import NS
from rig.elicitation.steps import Choice, Item, Step
from rig.sim.participant import Desk, ScriptedParticipant
from rig.sim.script import script
from rig.stimulus.display import displays
from rig.stimulus.pages.form import Form
from rig.stimulus.pages.page import Page, look_of
from rig.stimulus.process import PsychoPyScreen
from rig.stimulus.screen import ScreenEvent, ScreenNote, StepBegan, StepEnded, Withdrawn
from rig.streams import Answer, Flip
from tests.films import clip_of, make_film
from tests.stimulus.live import CLOCK, CONFIG, NULL_DEVICE, ScreenFile, flips_of, open_screen, play, until

CHOICES = (Choice("1", "happy", "happy"), Choice("2", "sad", "sad"), Choice("n", "none", "nothing"))
ITEMS = (
    Item("r-felt", "choice", "What did you feel?", CHOICES),
    Item("r-strength", "scale", "How strong?", points=7, low="not at all", high="very"),
    Item("r-valence", "sam", "How pleasant?", points=9, dimension="valence"),
    Item("r-words", "text", "In your own words?", most_letters=40),
    Item("r-more", "choice", "More?", CHOICES, may_skip=True),
)
PAGE = Step(0, "question", "page", "", {}, None, 60, None, (), "", items=ITEMS)
SCALE, TEXT = (replace(PAGE, index=i, name=ITEMS[i].name, items=(ITEMS[i],)) for i in (1, 3))
SIZE, LOOK = (CONFIG.width, CONFIG.height), look_of(CONFIG)
FILM = Step(5, "clip", "clip1", "", {}, None, 60, "film", (), "")
SEED = 40  # by it both pages are answered with keys and with clicks, and one item is skipped; see the test


def test_every_kind_of_item_is_answered_by_real_keys_and_pointer_as_the_script_says(tmp_path: Path) -> None:
    with open_screen(tmp_path) as (screen, pixels):
        assert [(m.width, m.height) for m in displays(screen.display)] == [SIZE]
        with closing(ScriptedParticipant(screen.display, CONFIG, SEED, tmp_path)) as participant:
            for step in (PAGE, SCALE):
                _page_is_answered(screen, pixels, participant, step)
        with closing(Desk(screen.display)) as desk:
            _keys_of_other_layouts_type_what_they_should(screen, desk)


def _page_is_answered(screen: PsychoPyScreen, pixels: ScreenFile, participant: ScriptedParticipant, step: Step) -> None:
    page = Page(step, SIZE, LOOK)
    planned = script(step, SEED, page.boxes)
    assert any(deed.key for deed in planned.deeds) and any(deed.pointer for deed in planned.deeds)
    assert step is SCALE or any(ord(letter) > 127 for deed in planned.deeds for letter in deed.text)
    assert step is SCALE or [g.question for g in planned.answers if g.is_skipped] == ["r-more"]
    screen.show(step)
    told = until(screen, StepBegan)
    shown = pixels.picture().copy()
    participant.began(step)
    told += until(screen, StepEnded)
    answers = [event for event in told if isinstance(event, Answer)]
    given = [(answer.question, answer.answer, answer.is_skipped) for answer in answers]
    assert given == [(g.question, g.answer, g.is_skipped) for g in planned.answers]
    (ended,) = [event for event in told if isinstance(event, StepEnded)]
    assert ended.ended_by == "answered"
    for answer in answers:
        assert answer.onset_host_ns <= answer.first_key_host_ns <= answer.confirmed_host_ns <= ended.host_ns
    expected = page.draw(Form(step, 0).state).copy()
    expected[-CONFIG.patch_px :, -CONFIG.patch_px :] = 0  # the patch is black, and lies over the page
    assert np.array_equal(shown, expected)


def _keys_of_other_layouts_type_what_they_should(screen: PsychoPyScreen, desk: Desk) -> None:
    """Dead keys, a letter that this layout lacks, the number pad, and keys let go in another order than usual."""
    desk.provide(("ж", "ß", "dead_acute", "KP_1"))
    screen.show(TEXT)
    until(screen, StepBegan)
    for key in ("dead_acute", "e", "ж", "ß", "KP_1", "a", "backspace", "b"):
        _tap(desk, key)
    for key, is_down in 2 * [("Shift_L", True), ("1", True), ("Shift_L", False), ("1", False)]:
        desk.key(key, is_down=is_down)
    _tap(desk, "KP_Enter")
    (answer,) = [event for event in until(screen, StepEnded) if isinstance(event, Answer)]
    assert answer.answer == "éжß1b!!"


def _tap(desk: Desk, key: str) -> None:
    desk.key(key, is_down=True)
    desk.key(key, is_down=False)


def test_key_held_for_a_second_ends_a_film_and_all_that_is_not_for_who_withdraws(tmp_path: Path) -> None:
    clip = clip_of(make_film(tmp_path / "film.mp4", 150, fps=5, size=(80, 60), sound=(0, 2)))
    (tmp_path / ".asoundrc").write_text(NULL_DEVICE)
    config = CONFIG.model_copy(update={"sound": True})
    with open_screen(tmp_path, {"film": clip}, config) as (screen, pixels), closing(Desk(screen.display)) as desk:
        assert _notes(until(screen, ScreenNote)) == ["clips with sound: film"]
        desk._display.change_keyboard_control(auto_repeat_mode=X.AutoRepeatModeOn)  # as every real keyboard has it
        screen.show(FILM)
        told = until(screen, StepBegan)
        _tap(desk, "escape")  # a slip of the finger
        _look_for(NS // 2)
        told += screen.events(0)
        held_ns = CLOCK.now_ns()
        desk.key("escape", is_down=True)
        told += until(screen, StepEnded)
        desk.key("escape", is_down=False)
        _is_neutral_at_once(told, held_ns)
        (note,) = _notes(told)
        assert note.startswith("sound of film: began at ")
        assert np.unique(pixels.picture()[: -CONFIG.patch_px]).tolist() == [160]
        assert [e.ended_by for e in play(screen, PAGE) if isinstance(e, StepEnded)] == ["withdrawn"]
        for after in (replace(PAGE, kind="debrief", seconds=0.2), replace(PAGE, only_withdrawn=True, seconds=0.2)):
            assert [e.ended_by for e in play(screen, after) if isinstance(e, StepEnded)] == ["time"]


def _notes(told: list[ScreenEvent]) -> list[str]:
    return [event.text for event in told if isinstance(event, ScreenNote)]


def _look_for(length_ns: int) -> None:
    CLOCK.sleep_until(CLOCK.now_ns() + length_ns)


def _is_neutral_at_once(told: list[ScreenEvent], held_ns: int) -> None:
    (withdrawn,) = [event for event in told if isinstance(event, Withdrawn)]
    (ended,) = [event for event in told if isinstance(event, StepEnded)]
    last = flips_of(told)[-1]
    assert (withdrawn.step, ended.ended_by, ended.host_ns) == (5, "withdrawn", last.host_ns)
    assert withdrawn.host_ns - held_ns >= NS
    assert (last.step, last.film_frame) == (-1, -1)
    # Not even one more film frame: how long that takes is bounded in virtual time, in test_stage.py.
    assert _film_frames_after(withdrawn.host_ns, flips_of(told)) == 0


def _film_frames_after(host_ns: int, flips: list[Flip]) -> int:
    return sum(flip.host_ns > host_ns and flip.film_frame >= 0 for flip in flips)
