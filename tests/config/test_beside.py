"""Paths in a file are beside that file, wherever the program runs."""

from __future__ import annotations

from pathlib import Path

from rig.config.rig import read_rig
from rig.elicitation.protocol import read_protocol
from rig.elicitation.unroll import unroll
from tests.rigs import write_rig

PROTOCOL = """\
schema: 1
name: rated
title: one rating
blocks:
  - kind: self-report
    name: report
    max_seconds: 9
    questions: [{kind: sam, name: v, text: "?", dimension: valence, images: manikins}]
"""


def test_a_font_is_beside_the_rig(tmp_path: Path) -> None:
    path = write_rig(tmp_path)
    path.write_text(path.read_text().replace("refresh_hz: 60", "refresh_hz: 60, font: fonts/own.ttf"))
    assert read_rig(path).rig.screen.font == str(tmp_path / "fonts/own.ttf")


def test_manikins_are_beside_the_protocol(tmp_path: Path) -> None:
    path = tmp_path / "rated.yaml"
    path.write_text(PROTOCOL)
    (step,) = unroll(read_protocol(path).protocol, ["HS"], {})
    assert step.items[0].images == str(tmp_path / "manikins")
