"""Everything that a participant is to read can be written by the rig's font, and fits on its screen, in time."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pytest

from rig.check.words import word_problems
from rig.config.find import find_protocol
from rig.config.rig import read_rig
from rig.elicitation.protocol import look_at_protocol
from tests.check.test_planted import SCREEN

ASKS = """\
schema: 1
name: asks
title: t
blocks:
  - kind: self-report
    name: felt
    max_seconds: 9
    questions: [{kind: scale, name: q, text: How strong?, points: 5, low: hardly, high: very}]
"""
SIZES = ["width: 1280, height: 720", "width: 1920, height: 1080"]
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"


def told(folder: Path, protocol: Path, screen: str) -> list[str]:
    (folder / "rig.yaml").write_text(SCREEN.replace("width: 960, height: 540", screen))
    look = look_at_protocol(protocol)
    problems = word_problems(look, look.model, read_rig(folder / "rig.yaml"))
    return [str(problem).replace(f"{folder}/", "") for problem in problems]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["demo", "no-film", "casme2", "samm", "smic", "smic-sub"])
def test_every_shipped_protocol_can_be_read(name: str, size: str, tmp_path: Path) -> None:
    assert told(tmp_path, find_protocol(name), size) == []


@pytest.mark.parametrize("size", SIZES)
def test_right_to_left_pages_can_be_read(size: str, tmp_path: Path) -> None:
    assert told(tmp_path, Path(__file__).parents[1] / "data" / "protocols" / "rtl.yaml", size) == []


def test_signs_of_our_own_that_the_laboratorys_font_lacks_are_named(tmp_path: Path) -> None:
    """Computer Modern has Latin letters, and no signs of keys."""
    (tmp_path / "p.yaml").write_text(ASKS)
    font = FONTS / "cmr10.ttf"
    (problem,) = told(tmp_path, tmp_path / "p.yaml", f"width: 1280, height: 720, font: {font}")
    assert problem.startswith("rig.yaml:6: screen.font: U+2190 LEFTWARDS ARROW, U+2191 UPWARDS ARROW, ")
    assert "U+21B5 DOWNWARDS ARROW WITH CORNER LEFTWARDS, U+21E5 RIGHTWARDS ARROW TO BAR, " in problem
    assert problem.endswith(" are lacking in the font; a font with all signs that pages have")


def test_what_is_no_font_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(ASKS)
    (tmp_path / "rig.yaml").write_text(SCREEN.replace("height: 540", f"height: 540, font: {tmp_path}/p.yaml"))
    from rig.check.preflight import check

    found = check(str(tmp_path / "rig.yaml"), str(tmp_path / "p.yaml"), tmp_path, with_devices=False)
    (problem,) = [str(each).replace(f"{tmp_path}/", "") for each in found.problems]
    assert problem.startswith("rig.yaml:6: screen.font: p.yaml is no font: ")
    assert problem.endswith("; a TrueType or OpenType file")


def test_what_the_pay_comes_to_is_laid_out_not_its_place_holder(tmp_path: Path) -> None:
    """A unit of 20 letters, told 40 times, needs more room than {pay} does."""
    text = ASKS.replace(
        "blocks:", "stakes: {kind: pay, start: 1, each: 1, unit: UNIT}\noperator: {guesses: {a: x}}\nblocks:"
    )
    page = "  - {{kind: instruction, name: told, text: '{}', max_seconds: 9}}\n".format("{pay}. " * 130)
    size = "width: 1280, height: 720"
    (tmp_path / "p.yaml").write_text(text.replace("UNIT", "x") + page)
    assert told(tmp_path, tmp_path / "p.yaml", size) == []
    (tmp_path / "p.yaml").write_text(text.replace("UNIT", "W" * 20) + page)
    (problem,) = told(tmp_path, tmp_path / "p.yaml", size)
    assert problem.startswith("p.yaml:11: blocks.1: its text of ")
