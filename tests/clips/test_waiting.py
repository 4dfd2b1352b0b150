"""Who has a film to which the screen comes late is told so before a participant waits for it, and how to mend it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from rig.check.preflight import check
from rig.clips import counted
from rig.clips.counted import count
from rig.clips.decode import pictures
from rig.clips.examine import examine
from rig.clock import NS
from rig.elicitation.protocol import read_protocol
from tests import commands
from tests.films import make_film, number_of
from tests.rigs import write_film_protocol, write_rig

FILMS = {
    "key frames": ({"g": "12"}, True),
    "one key frame": ({"g": "999"}, True),
    "none that may be begun with": ({"x264-params": "keyint=30:intra-refresh=1:bframes=0"}, False),
}
Readings = Callable[..., None]


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Readings:
    """Lets the clock by which a film is counted read these seconds, one after the other."""

    def put(*seconds: float) -> None:
        clock = SimpleNamespace(now_ns=iter([round(each * NS) for each in seconds]).__next__)
        monkeypatch.setattr(counted, "HostClock", lambda: clock)

    return put


@pytest.mark.parametrize("kind", FILMS)
def test_what_is_measured_is_the_way_that_the_screen_takes(tmp_path: Path, readings: Readings, kind: str) -> None:
    """Decoding from the film's start takes 10 s here, the jump 0.25 s."""
    options, may_jump = FILMS[kind]
    film = make_film(tmp_path / "film.mp4", 100, options=options)
    readings(5, 15, 15.25)
    found = count(film, 3.6)
    assert (found.first, found.may_jump, found.ready_s) == (90, may_jump, 0.25 if may_jump else 10)
    readings(5)
    assert count(film).ready_s == 0


def test_a_film_to_which_the_screen_comes_late_is_a_warning_with_what_helps(
    tmp_path: Path, readings: Readings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    protocol = write_film_protocol(tmp_path, 100)
    whole, film, rig = protocol.read_text(), tmp_path / "film.mp4", str(write_rig(tmp_path))

    def told() -> list[str]:
        notes = [note for clip in examine(read_protocol(protocol)) for note in clip.notes if "waits" in note]
        found = check(rig, str(protocol), tmp_path, with_devices=False)
        assert found.problems == []
        assert [text for text in found.warnings if "waits" in text] == [f"clip film: {note}" for note in notes]
        return notes

    protocol.write_text(whole.replace("title: t,", "title: t, in_s: 3, out_s: 3.8,"))
    readings(0, 20, 21)
    assert told() == []  # 1 s is soon
    protocol.write_text(whole.replace("title: t,", "title: t, in_s: 3.2, out_s: 3.8,"))
    readings(0, 20, 32.34)
    (note,) = told()
    assert note.startswith(f"{film}: 80 film frames lie before it. Coming to it took 12.3 s when it was counted, ")
    assert told() == [note]  # though nobody decodes it any more
    command = note.split("Cut it out: rig ")[1].split(";")[0].replace("IN", "3.2").replace("OUT", "3.8")
    assert commands.run(*shlex.split(command), cwd=tmp_path).returncode == 0
    protocol.write_text(whole)
    readings(0)
    assert commands.run("clips", "import", protocol.name, "film", "NEW.mp4", cwd=tmp_path).returncode == 0
    assert told() == []
    assert [number_of(shown) for shown in pictures(tmp_path / "NEW.mp4")] == list(range(80, 95))
