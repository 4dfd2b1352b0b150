"""The sound of a film against its first picture, as the run's log tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.session.run import Run
from rig.verify.findings import Finding, Word
from rig.verify.screen.sound import check_sound
from tests.commands import run
from tests.handmade import Plan, make_run


def judged(folder: Path, plan: Plan) -> list[Finding]:
    with Run(make_run(folder, plan)) as found:
        return check_sound(found)


@pytest.mark.parametrize(
    ("late_ms", "rig_text", "word", "text"),
    [
        (-1.5, "", Word.PASS, "its sound began -1.5 ms from film frame 0"),
        (40.5, "", Word.FAIL, "its sound began +40.5 ms from film frame 0"),
        (None, "", Word.FAIL, "its sound did not begin"),
        (20.0, "tolerances: {sound_ms: 10}\n", Word.FAIL, "its sound began +20.0 ms from film frame 0"),
    ],
)
def test_sound_that_begins_apart_from_its_picture_fails(
    tmp_path: Path, late_ms: float | None, rig_text: str, word: Word, text: str
) -> None:
    (finding,) = judged(tmp_path, Plan(sound_late_ms=(late_ms,), rig_text=rig_text))
    assert (finding.stream, finding.word, finding.value, finding.text) == ("clip1", word, late_ms, text)


def test_a_film_without_sound_is_not_measured_and_nothing_is_missing_for_it(tmp_path: Path) -> None:
    (finding,) = judged(tmp_path, Plan())
    assert (finding.word, finding.is_expected, finding.text) == (
        Word.NOT_MEASURED, False, "no film was played with its sound",
    )  # fmt: skip


def test_rig_info_names_each_clip_whose_sound_was_off(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan(sound_late_ms=(80.0, 3.0, None)))
    assert [line for line in run("info", path, cwd=tmp_path).stdout.splitlines() if line.startswith("  sound")] == [
        "  sound    bunny: OUT OF SYNC by +80.0 ms",
        "  sound    bunny: its sound did not begin",
    ]
