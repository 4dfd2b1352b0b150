"""What rig.yaml asks of the box and the box cannot do is told with its line, before anything is armed."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.config.rig import RigFile, read_rig
from rig.record.abilities import beyond_box, box_warnings
from rig.record.plan import edges_per_s
from rig.streams import DeviceInfo
from tests.rigs import write_rig

INPUTS = "{photodiode: 5, HS: 0, VIS: 1, NIR: 2}"


def box(**abilities: int | bool) -> DeviceInfo:
    return DeviceInfo("box", "rig", "m", "S1", "1.0.0", simulated=False, capabilities={**abilities})


@pytest.fixture
def rig_file(tmp_path: Path) -> RigFile:
    path = write_rig(tmp_path)
    path.write_text(path.read_text().replace("rate_hz: 100}", f"rate_hz: 100, inputs: {INPUTS}}}"))
    return read_rig(path)


def test_a_box_that_can_do_all_of_it_is_no_problem(rig_file: RigFile) -> None:
    able = box(lines=3, inputs=6, events_per_s=700, record=True, walk=True)
    assert beyond_box(rig_file, able) == []
    assert box_warnings(rig_file, able) == []


def test_a_box_that_does_not_say_what_it_has_is_taken_to_have_enough(rig_file: RigFile) -> None:
    assert beyond_box(rig_file, box()) == []
    assert box_warnings(rig_file, box()) == []


def test_every_line_and_input_beyond_the_box_is_told_with_its_key_and_place(rig_file: RigFile) -> None:
    found = [str(problem) for problem in beyond_box(rig_file, box(lines=2, inputs=5))]
    assert len(found) == 2
    assert found[0].startswith(f"{rig_file.document.path}:7: cameras.NIR.line: 2 is not there; 0 to 1")
    assert found[1].startswith(f"{rig_file.document.path}:3: box.inputs.photodiode: 5 is not there; 0 to 4")
    assert all("sim://small" in text for text in found)


def test_a_kind_of_run_that_the_box_cannot_send_is_told_by_name(rig_file: RigFile) -> None:
    (problem,) = beyond_box(rig_file, box(record=True, walk=False))
    assert str(problem).startswith("trigger box at sim://small: cannot send WALK runs")


def test_pulses_beyond_what_the_box_can_tell_are_a_problem_and_edges_a_warning(rig_file: RigFile) -> None:
    """100 pulses; 2 x (100 + 25 + 25) edges of exposures and 60 of the photodiode, at most."""
    assert edges_per_s(rig_file.rig) == 360
    (problem,) = beyond_box(rig_file, box(events_per_s=99))
    assert "box.rate_hz: 100 is too fast; at most the 99 events a second" in str(problem)
    assert box_warnings(rig_file, box(events_per_s=99)) == []
    assert beyond_box(rig_file, box(events_per_s=459)) == []
    (warning,) = box_warnings(rig_file, box(events_per_s=459))
    assert "up to 360 edges a second, with 100 pulses, are more than the 459 events a second" in warning
    assert box_warnings(rig_file, box(events_per_s=460)) == []
