"""The operator's screen as text, at 80x24 and other sizes."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console, Group

from rig.operate.asking import hotkeys
from rig.operate.screen import View, lines
from rig.record.keeping import Counts
from rig.record.states import RunState
from rig.record.telling import Rules, state
from rig.session.layout import Outcome
from tests.operate import recorder
from tests.operate.recorder import RULES, STEPS, standing

ALARM = "box: /dev/ttyACM0: has told of no pulse for 0.8 s; pulses may go on. " + "Look at its supply and cable. " * 3
CALM = state(standing(counts={"HS": Counts(arrived=75_412), "VIS": Counts(arrived=18_853)}), RULES)


def view(seen: dict[str, Any], **changed: Any) -> View:
    plain: dict[str, Any] = {
        "session": "sub-001 ses-01",
        "is_attached": True,
        "silent_s": 0.0,
        "prompt": "",
        "said": "",
    }
    return View(state=seen, hotkeys=hotkeys(seen), **{**plain, **changed})


def screen(seen: dict[str, Any], width: int = 80, height: int = 24, *, colours: bool = False, **changed: Any) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, color_system="standard" if colours else None)
    console.print(Group(*lines(view(seen, **changed), width, height)))
    return out.getvalue()


def test_a_trial_at_80_by_24() -> None:
    shown = screen(state(standing(alarms=("VIS: missing frames: 3 so far",), seconds=754.2), RULES))
    rows = [row.rstrip() for row in shown.splitlines()]
    assert len(rows) == 24
    assert rows[0] == "sub-001 ses-01  SIMULATED  blind" + " " * 43 + "12:34"
    assert rows[1:9] == [
        "RECORDING",
        "trial 3 of 16  clip  10 s  no guess yet",
        "",
        "HS      10,000 frames  0 lost",
        "VIS      2,500 frames  3 LOST",
        "disk  1.50 GB written, 99 GB free",
        "",
        "ALARM VIS: missing frames: 3 so far",
    ]
    assert rows[-1] == "p pause  r repeat trial  a skip trial  g guess  n note  e end  q leave"


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        ({"state": RunState.ARMING, "step": None, "is_waiting": True}, "GETTING READY"),
        ({"is_waiting": True, "step": None}, "WAITING FOR YOUR START"),
        ({"is_paused": True}, "PAUSE FOLLOWS: this step goes on to its end"),
        ({"is_paused": True, "is_between": True}, "PAUSED: the next step waits for you"),
        ({"is_withdrawn": True}, "WITHDRAWN by the participant: nothing is stored any more"),
        ({"is_withdrawn": True, "state": RunState.CLOSED, "outcome": Outcome.WITHDRAWN}, "ENDED: withdrawn"),
        ({}, "RECORDING"),
        ({"state": RunState.DRAINING, "step": None}, "ENDING"),
        ({"state": RunState.CLOSED, "outcome": Outcome.FINISHED, "step": None}, "ENDED: finished"),
        ({"state": RunState.CLOSED, "outcome": Outcome.DEVICE_LOST, "step": None}, "ENDED: device_lost"),
    ],
)
def test_each_state_is_named_on_the_second_line(changed: dict[str, Any], shown: str) -> None:
    assert screen(state(standing(**changed), RULES)).splitlines()[1].rstrip() == shown


def test_a_recorder_that_is_gone_or_silent_is_told() -> None:
    assert "THE RECORDER IS GONE, for 0:07" in screen(CALM, is_attached=False, silent_s=7.0)
    assert "THE RECORDER SAYS NOTHING, for 0:01" in screen(CALM, silent_s=1.0)
    assert "waiting for the recorder's first word" in screen({})
    ended = state(standing(state=RunState.CLOSED, outcome=Outcome.FINISHED), RULES)
    assert "GONE" not in screen(ended, is_attached=False, silent_s=7.0)


def test_a_step_that_is_over_is_not_shown_in_a_pause() -> None:
    held = state(standing(is_paused=True, is_between=True, step_seconds=0.0), RULES)
    assert "trial 3 of 16  nothing on the screen  no guess yet" in screen(held)
    assert "trial 3 of 16  clip  10 s  no guess yet" in screen(state(standing(is_paused=True), RULES))


def test_a_wash_out_counts_down() -> None:
    assert "wash-out  20 s left" in screen(state(standing(step=STEPS[1]), RULES))


def test_an_operator_who_is_not_blind_reads_step_and_clip() -> None:
    assert "clip  clipblock3  waterfall7  10 s" in screen(state(standing(), Rules(is_blind=False)))


def test_nothing_is_shown_twice() -> None:
    same = recorder.step(2, "clip", "waterfall7", clip="waterfall7")
    shown = screen(
        state(standing(step=same, guess="nasty", alarms=("HS: x",)), Rules(is_blind=False, guesses=RULES.guesses))
    )
    for word in ("sub-001", "RECORDING", "trial 3", "waterfall7", "10,000", "3 LOST", "nasty", "99 GB", "HS: x"):
        assert (word, shown.count(word)) == (word, 1)
    assert [row for row in shown.splitlines() if row.strip() and shown.splitlines().count(row) > 1] == []


def test_losses_are_told_by_words_as_well_as_by_colour() -> None:
    lossy = {"HS": Counts(arrived=9, lost=1), "VIS": Counts(arrived=9), "NIR": Counts(arrived=9, missing=4)}
    seen = state(standing(counts=lossy), RULES)
    hs, vis, nir = (row for row in screen(seen).splitlines() if "frames" in row)
    assert ("1 LOST" in hs, "0 lost" in vis, "about 4 LOST" in nir) == (True, True, True)
    hs, vis, nir = (row for row in screen(seen, colours=True).splitlines() if "frames" in row)
    assert "\x1b[1;31m" in hs and "\x1b[1;32m" in vis and "\x1b[1;31m" in nir


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (60, 15), (40, 10), (20, 5)])
@pytest.mark.parametrize("alarms", [0, 1, 50])
def test_nothing_is_wider_or_higher_than_the_terminal(width: int, height: int, alarms: int) -> None:
    seen = state(standing(alarms=tuple(f"{number}{ALARM}" for number in range(alarms))), RULES)
    rows = lines(view(seen, prompt="x" * 300), width, height)
    assert len(rows) == height
    assert max(row.cell_len for row in rows) <= width


def test_the_newest_alarms_are_shown_whole_and_the_others_counted() -> None:
    seen = state(standing(alarms=tuple(f"{ALARM} number {number}" for number in range(50))), RULES)
    shown = " ".join(screen(seen).split())
    assert f"{ALARM} number 49".replace("  ", " ") in shown
    assert "and 46 alarms before" in shown


def test_foreign_text_is_no_markup() -> None:
    shown = screen(state(standing(alarms=("HS: [red]x[/red] [/]",)), RULES), said="Note: [bold]x")
    assert "HS: [red]x[/red] [/]" in shown
    assert "Note: [bold]x" in shown


def test_of_a_long_note_the_end_is_shown_and_of_long_choices_all() -> None:
    shown = screen(CALM, prompt="Note: " + "x" * 600 + "END_")
    assert "Note" not in shown and "END_" in shown
    choices = "  ".join(f"{key} {key * 40}" for key in "abcd")
    assert all(key * 40 in screen(CALM, prompt=f"Which clip is it?  {choices}") for key in "abcd")


def test_wide_letters_fit() -> None:
    rows = lines(view(CALM, said="注" * 60), 80, 24)
    assert max(row.cell_len for row in rows) <= 80
