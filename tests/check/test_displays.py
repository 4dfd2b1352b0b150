"""The participant's screen is listed as its X display describes it, and its refresh is measured, not believed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.check.preflight import Checked, check
from rig.config.rig import Screen
from rig.errors import RigError
from rig.stimulus import process
from rig.stimulus.display import VirtualDisplay, start_virtual
from tests.check.test_planted import SCREEN

SIMULATED = "{backend: simulated, width: 960, height: 540, refresh_hz: 60}"


@pytest.fixture
def display(tmp_path: Path) -> Iterator[VirtualDisplay]:
    """An X display of 960x540 px that was there before, as a real one is."""
    (tmp_path / "x").mkdir()
    started = start_virtual(960, 540, tmp_path / "x")
    yield started
    started.close()


def checked(folder: Path, screen: str) -> Checked:
    (folder / "rig.yaml").write_text(SCREEN.replace(SIMULATED, screen))
    return check(str(folder / "rig.yaml"), None, folder)


def test_a_real_screen_is_listed_and_measured_and_refused_for_its_rate(tmp_path: Path, display: VirtualDisplay) -> None:
    """Xvfb has no vertical sync: a window that does not pace itself flips far more often than any real screen."""
    seen = f"{{backend: psychopy, display: '{display.name}', width: 960, height: 540, refresh_hz: 60}}"
    found = checked(tmp_path, seen)
    assert found.screen is not None
    assert [(m.width, m.height, m.is_primary) for m in found.screen.monitors] == [(960, 540, False)]
    assert (found.screen.measured_hz or 0) > 150
    (problem,) = found.problems
    assert str(problem).startswith(f"screen (display: {display.name}): ")
    assert "Hz is the refresh rate measured; 60 Hz within 2%" in str(problem)
    (told, monitor) = found.screen.lines()
    assert told == (
        f"screen {display.name}: 960x540 px at 60 Hz by rig.yaml; {found.screen.measured_hz:.2f} Hz measured"
    )
    assert monitor.startswith("   monitor screen: 960x540 px, ")


def test_a_screen_of_another_size_is_one_problem_and_its_monitors_are_listed(
    tmp_path: Path, display: VirtualDisplay
) -> None:
    seen = f"{{backend: psychopy, display: '{display.name}', width: 1280, height: 720, refresh_hz: 60}}"
    found = checked(tmp_path, seen)
    (problem,) = found.problems
    assert str(problem) == (
        f"screen (display: {display.name}): 960x540 px is another size than rig.yaml says; 1280x720 px. "
        "Mend screen.width and screen.height in rig.yaml, or the screen's settings"
    )
    assert found.screen is not None
    assert [(m.width, m.height) for m in found.screen.monitors] == [(960, 540)]
    assert found.screen.measured_hz is None


def test_a_screen_that_nobody_can_see_is_never_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(config: Screen, folder: Path) -> float:
        raise RigError("screen", "was measured")

    monkeypatch.setattr(process, "measured_refresh", refuses)
    found = checked(tmp_path, SIMULATED)
    assert found.problems == []
    assert found.screen is not None
    assert found.screen.lines() == ["screen simulated: 960x540 px, paced at 60 Hz, not measured"]
