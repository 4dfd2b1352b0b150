"""The participant's screen is listed as its X display describes it, and its refresh is measured, not believed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from Xlib import X
from Xlib.display import Display

from rig.check import preflight
from rig.check.displays import Displayed
from rig.check.preflight import Checked, check
from rig.config.rig import Screen
from rig.errors import RigError
from rig.stimulus import process
from rig.stimulus.display import VirtualDisplay, start_virtual
from tests.check.test_planted import SCREEN
from tests.films import make_film, sha256_of

ONE_FILM = """\
schema: 1
name: p
title: t
clips:
  film: {{file: film.mp4, sha256: {sha256}, title: t, licence: l}}
blocks:
  - {{kind: clip, name: shown, clip: film}}
"""
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


@pytest.fixture
def two_screens(tmp_path: Path) -> Iterator[Display]:
    """An X display whose first screen is the operator's and its second one, of 480x270 px, the participant's."""
    sizes = ["-screen", "0", "640x480x24", "-screen", "1", "480x270x24"]
    reader, writer = os.pipe()
    command = ["Xvfb", "-displayfd", str(writer), *sizes, "-nolisten", "tcp", "-noreset", "-nocursor"]
    with ExitStack() as stack:
        server = stack.enter_context(subprocess.Popen(command, pass_fds=(writer,), stderr=subprocess.DEVNULL))
        stack.callback(server.terminate)
        os.close(writer)
        number = stack.enter_context(os.fdopen(reader)).readline().strip()
        yield stack.enter_context(closing(Display(f":{number}")))


def watched(display: Display) -> Callable[[], list[tuple[int, int, int]]]:
    """From now on; a function that gives the windows that were put on its screens: screen, width and height in px."""
    roots = [display.screen(number).root for number in range(display.screen_count())]
    for root in roots:
        root.change_attributes(event_mask=X.SubstructureNotifyMask)
    display.sync()

    def seen() -> list[tuple[int, int, int]]:
        display.sync()
        events = [display.next_event() for _ in range(display.pending_events())]
        sizes = {e.window.id: (e.width, e.height) for e in events if e.type in (X.CreateNotify, X.ConfigureNotify)}
        return [(roots.index(e.event), *sizes[e.window.id]) for e in events if e.type == X.MapNotify]

    return seen


def test_a_real_screen_is_listed_measured_there_and_refused_for_its_rate(tmp_path: Path, two_screens: Display) -> None:
    """Xvfb has no vertical sync: how often a window flips that does not pace itself is up to the machine."""
    name, seen = f"{two_screens.get_display_name()}.1", watched(two_screens)
    found = checked(tmp_path, f"{{backend: psychopy, display: '{name}', width: 480, height: 270, refresh_hz: 24}}")
    assert seen() == [(1, 480, 270)]
    assert found.screen is not None
    assert [(m.width, m.height, m.is_primary) for m in found.screen.monitors] == [(480, 270, False)]
    assert found.screen.measured_hz
    (problem,) = found.problems
    assert str(problem).startswith(f"screen (display: {name}): ")
    assert f": {found.screen.measured_hz:.2f} Hz is the refresh rate measured; 24 Hz within 2%" in str(problem)
    (told, monitor) = found.screen.lines()
    assert told == f"screen {name}: 480x270 px at 24 Hz by rig.yaml; {found.screen.measured_hz:.2f} Hz measured"
    assert monitor.startswith("   monitor screen: 480x270 px, ")


def test_a_screen_of_another_size_is_one_problem_and_its_monitors_are_listed(
    tmp_path: Path, display: VirtualDisplay
) -> None:
    seen = f"{{backend: psychopy, display: '{display.name}', width: 1280, height: 720, refresh_hz: 60}}"
    found = checked(tmp_path, seen)
    (problem,) = found.problems
    assert str(problem) == (
        f"screen (display: {display.name}): 960x540 px is another size than rig.yaml says; 1280x720 px. "
        "Mend screen.width and screen.height in rig.yaml, or the screen's settings; the participant's monitor must be "
        "a display of its own, without the operator's"
    )
    assert found.screen is not None
    assert [(m.width, m.height) for m in found.screen.monitors] == [(960, 540)]
    assert found.screen.measured_hz is None


@pytest.mark.parametrize(
    ("measured_hz", "told"),
    [
        (None, "30 fps on 60 Hz, a film frame stays for 2 flips, even"),
        (59.94, "30 fps on 60 Hz, a film frame stays for 2 flips, even"),  # no count of a second tells them apart
        (59.1, "30 fps on 59.1 Hz, a film frame stays for 2... flips, uneven"),
    ],
)
def test_cadence_is_told_at_the_rate_that_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured_hz: float | None, told: str
) -> None:
    seen = Displayed(":0", 960, 540, 60.0, (), measured_hz)
    monkeypatch.setattr(preflight, "look_at_screen", lambda *_: seen)
    (tmp_path / "rig.yaml").write_text(SCREEN)
    film = make_film(tmp_path / "film.mp4", 40, fps=30, size=(32, 24))
    (tmp_path / "p.yaml").write_text(ONE_FILM.format(sha256=sha256_of(film)))
    found = check(str(tmp_path / "rig.yaml"), str(tmp_path / "p.yaml"), tmp_path)
    assert [line for line in (*found.warnings, *found.films.lines()) if "fps" in line] == [f"clip film: {told}"]


def test_a_screen_that_nobody_can_see_is_never_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(config: Screen, folder: Path) -> float:
        raise RigError("screen", "was measured")

    monkeypatch.setattr(process, "measured_refresh", refuses)
    found = checked(tmp_path, SIMULATED)
    assert found.problems == []
    assert found.screen is not None
    assert found.screen.lines() == ["screen simulated: 960x540 px, paced at 60 Hz, not measured"]
