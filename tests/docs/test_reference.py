"""The tables of the reference that people write name what the program has, all of it and in its order."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from rig.sim.expressions import Movement
from rig.sim.faults import Fault
from rig.verify.findings import Word
from rig.verify.verdict import CHECKS
from tests.sim.optical import MS, NS, Eye, camera

ROOT = Path(__file__).parents[2]


def _table(page: str, head: str) -> list[list[str]]:
    """The cells of the table whose first column is headed `head`."""
    text = (ROOT / "docs/reference" / page).read_text()
    found = re.search(rf"^\| {re.escape(head)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert found is not None, head
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in found[1].splitlines()]


def _keys(rows: list[list[str]]) -> set[str]:
    return {key for row in rows for key in re.findall(r"`(\w+)`", row[0])}


def test_every_check_is_described_and_whether_it_is_required():
    told = [(row[0], row[1]) for row in _table("verdict.md", "check")]
    word = {check.name: "where it can be" if check.needs else "yes" for check in CHECKS if check.is_required}
    assert told == [(check.name, word.get(check.name, "no")) for check in CHECKS]


def test_every_word_of_a_verdict_is_described():
    assert [row[0] for row in _table("verdict.md", "word")] == [str(word) for word in Word]


def test_every_fault_of_the_simulator_is_described():
    assert [row[0] for row in _table("simulation.md", "`fault`")] == [f"`{fault}`" for fault in Fault]


def test_the_marks_in_the_simulated_picture_are_where_the_page_says():
    eye = Eye(camera(width=96, height=64))
    eye.leds.change(0, 0b011)
    eye.leds.change(NS + 2 * MS, 0b001)  # in the middle of the exposure
    numbered, ghost = eye.take(NS, 1), eye.take(NS, -1)
    assert set(np.unique(numbered[:20, :96])) == {0, 255}
    assert (numbered[20:] == ghost[20:]).all()
    for first, share in zip((4, 20, 36), (1.0, 0.5, 0.0), strict=True):
        assert (numbered[64 - 12 : 64 - 4, first : first + 8] == round(10 + 245 * share)).all()


def test_every_movement_of_the_simulated_face_is_described():
    assert [row[0] for row in _table("simulation.md", "`kind`")] == [f"`{movement}`" for movement in Movement]


def test_every_room_in_the_picture_is_a_folder_or_file_of_the_program():
    picture = ET.parse(ROOT / "docs/explanation/architecture.svg")
    texts = picture.iter("{http://www.w3.org/2000/svg}text")
    rooms = [text.text for text in texts if "name" in str(text.get("class")).split()]
    assert len(rooms) > 8
    there = {path.stem for path in (ROOT / "rig").iterdir()}
    assert set(rooms) <= there
