"""What a user asks for at a moment is what the pixels say: every frame, every stream, and the film."""

from __future__ import annotations

import random

import numpy as np
import pytest

import rig
from tests import commands
from tests.burnt_in import burnt_in_number
from tests.films import make_film, number_of, sha256_of
from tests.rigs import record, write_protocol, write_rig

STREAMS = {"HS": 1, "VIS": 4, "NIR": 4}
FILM_FRAMES = 100
CLIP = "{{file: film.mp4, sha256: {sha256}, title: t, licence: l}}"


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recorded")
    film = make_film(folder / "film.mp4", FILM_FRAMES)
    protocol = write_protocol(folder, ("before", 1, "all"))
    text = protocol.read_text().replace("blocks:", f"clips:\n  film: {CLIP.format(sha256=sha256_of(film))}\nblocks:")
    protocol.write_text(text + "  - {kind: clip, name: clip1, clip: film}\n")
    return record(folder, write_rig(folder), protocol).path


def test_at_200_random_times_every_stream_shows_the_frame_asked_for(session):
    chosen = random.Random(1)
    with rig.open(session) as recorded:
        for _ in range(200):
            pulse = chosen.randrange(480)
            # Off the pulse itself by more than the clock fit's residual of 0.2 ms.
            instant = recorded.at(seconds=_due_s(pulse) + chosen.uniform(0.001, 0.009))
            for name, divisor in STREAMS.items():
                view = instant.views[name]
                assert view.pulse == pulse - pulse % divisor
                assert burnt_in_number(np.asarray(view.picture)) == view.pulse


def _due_s(pulse: int) -> float:
    """When a pulse is due on the host clock, from the drawing of the preamble: groups of 4 in slots 0, 1, 3, 6, 7, ...

    The simulated box's clock is 80 ppm fast.
    """
    group, within = divmod(pulse, 4)
    slot = [0, 1, 3][group] if group < 3 else group + 3
    return (slot * 4 + within) * 0.01 / (1 + 80e-6)


def test_at_random_times_in_a_clip_the_film_shows_the_frame_that_its_own_time_says(session):
    chosen = random.Random(2)
    with rig.open(session) as recorded:
        for _ in range(20):
            seconds = chosen.uniform(0, FILM_FRAMES / 25 - 0.05)
            film = recorded.at(clip="clip1", seconds=seconds).film
            # A film frame comes on with the first flip after it is due, at most one refresh of 1/60 s later.
            assert film.film_frame in (int(seconds * 25), max(0, int((seconds - 1 / 60) * 25)))
            assert number_of(film.picture) == film.film_frame


def test_replay_at_saves_the_pictures_and_says_their_pulses(session, tmp_path):
    done = commands.run("replay", session, "--at", "2.5", "--out", tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "238" in done.stdout  # 250 periods less the 12 silent ones of the preamble
    names = sorted(p.name for p in tmp_path.glob("*.png"))
    assert len(names) == 4
    for stream in (*STREAMS, "film"):
        assert any(stream in name for name in names)


def test_a_contact_sheet_is_one_picture(session, tmp_path):
    done = commands.run("replay", session, "--contact-sheet", "--out", tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("*contact-sheet.png"))) == 1


def test_info_says_what_a_session_is_and_lists_a_folder(session, tmp_path):
    one = commands.run("info", session, cwd=tmp_path)
    for word in ("001", "small", "still", "SIMULATED", "finished", "HS", "not verified"):
        assert word in one.stdout, word
    many = commands.run("info", session.parents[2], cwd=tmp_path)
    assert many.returncode == 0
    assert "sub-001/ses-01" in many.stdout
