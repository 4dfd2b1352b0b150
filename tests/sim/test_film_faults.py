"""Films that do not show as they should, and a photodiode that does not see it: against the flips and the light."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from rig.clips.manifest import FilmClip
from rig.clock import NS, VirtualClock
from rig.config.rig import Faults
from rig.session.folder import beside
from rig.sim.faults import Committed, Fault, Truth, read_truth
from rig.sim.film_faults import FilmFaults
from rig.sim.light import Display
from rig.sim.screen import SimulatedScreen
from rig.streams import Flip
from tests.films import make_film
from tests.rigs import record, write_film_protocol, write_rig
from tests.sim.test_screen import CONFIG, STEPS, Lamp, _run

FRAMES, MS = 101, 1_000_000
CLIP = FilmClip("bunny", Path("longer.mp4"), "", 160, 120, 25.0, tuple(i / 25 for i in range(FRAMES)))


@pytest.fixture(scope="module", autouse=True)
def _film(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("films")
    make_film(folder / CLIP.path, FRAMES)
    with chdir(folder):
        yield


def shown(seed: int = 1, **faults: int) -> tuple[list[Flip], list[int], list[Committed]]:
    """The flips of a film, the refresh of each, and the truth."""
    clock, lamp, truth = VirtualClock(), Lamp(), Truth(None)
    screen = SimulatedScreen(
        CONFIG,
        {"bunny": CLIP},
        clock,
        seed=seed,
        scripted=True,
        light=lamp,
        glow=Lamp(),
        faults=FilmFaults(Faults.model_validate(faults), seed, truth),
    )
    told = _run(screen, clock, [replace(STEPS[1])])
    flips = [e for e in told if isinstance(e, Flip) and e.film_frame >= 0]
    changes = [(f.host_ns, f.patch) for f in flips if not f.flip_number or f.patch != flips[f.flip_number - 1].patch]
    assert lamp.changes[: len(changes)] == changes  # the patch tells what is shown
    return flips, [round((f.host_ns - NS) * 60 / NS) for f in flips], truth.committed


def lengths(flips: list[Flip]) -> dict[int, int]:
    """How many flips each film frame had."""
    numbers, counts = np.unique([f.film_frame for f in flips], return_counts=True)
    return dict(zip(numbers.tolist(), counts.tolist(), strict=True))


def struck(truth: list[Committed], fault: Fault) -> list[int]:
    assert {(t.fault, t.stream, t.pulse) for t in truth} == {(fault, "clip1", -1)}
    return sorted(t.film_frame for t in truth)


def test_without_faults_films_are_shown_as_by_a_screen_that_has_none() -> None:
    flips, refreshes, truth = shown()
    assert np.diff(refreshes).tolist() == [1] * (len(flips) - 1)
    assert set(lengths(flips)) == set(range(FRAMES))
    assert set(lengths(flips).values()) == {2, 3}
    assert truth == []


def test_skipped_film_frames_are_never_shown_and_the_others_in_their_time() -> None:
    usual, (flips, refreshes, truth) = shown()[0], shown(skipped_film_frames=4)
    frames = struck(truth, Fault.SKIPPED_FILM_FRAME)
    assert len(frames) == 4
    assert sorted(set(range(FRAMES)) - set(lengths(flips))) == frames
    assert np.diff(refreshes).tolist() == [1] * (len(flips) - 1)
    wrong = [b.film_frame for a, b in zip(flips, usual, strict=True) if a.film_frame != b.film_frame]
    assert sorted(set(wrong)) == frames


def test_a_held_film_frame_stays_until_the_one_after_the_next_is_due() -> None:
    usual, (flips, _, truth) = lengths(shown()[0]), shown(held_film_frames=4)
    frames, found = struck(truth, Fault.HELD_FILM_FRAME), lengths(flips)
    assert len(frames) == 4
    assert set(found) == set(range(FRAMES))
    assert sorted(frame for frame in found if found[frame] > usual[frame]) == frames
    assert all(found[frame] == usual[frame] + usual[frame + 1] and found[frame + 1] == 1 for frame in frames)


def test_a_dropped_flip_leaves_a_refresh_without_one() -> None:
    usual, (flips, refreshes, truth) = lengths(shown()[0]), shown(dropped_flips=4)
    frames, found = struck(truth, Fault.DROPPED_FLIP), lengths(flips)
    assert len(frames) == 4
    late = [flip for flip, apart in zip(flips[1:], np.diff(refreshes), strict=True) if apart == 2]
    assert [flip.film_frame for flip in late] == frames
    assert all(flip.late for flip in late)
    assert np.diff(refreshes).sum() == len(flips) - 1 + 4
    assert {frame: usual[frame] - count for frame, count in found.items() if count != usual[frame]} == dict.fromkeys(
        frames, 1
    )


def test_a_late_flip_comes_between_two_refreshes_and_the_next_one_in_time() -> None:
    flips, _, truth = shown(late_flips=4)
    off = {
        f.film_frame: ((f.host_ns - NS) * 60 / NS) % 1 for f in flips if 0.01 < ((f.host_ns - NS) * 60 / NS) % 1 < 0.99
    }
    assert sorted(off) == struck(truth, Fault.LATE_FLIP)
    assert len(off) == 4
    assert all(0.6 <= share <= 0.9 for share in off.values())
    assert {f.film_frame for f in flips if f.late} == set(off)
    assert lengths(flips) == lengths(shown()[0])


def test_faults_of_films_repeat_by_the_seed_and_as_many_strike_as_find_room() -> None:
    every = {"skipped_film_frames": 2, "held_film_frames": 2, "dropped_flips": 2, "late_flips": 2}
    assert shown(3, **every) == shown(3, **every)
    assert shown(3, **every) != shown(4, **every)
    assert len(shown(3, **every)[2]) == 8
    assert len(shown(3, skipped_film_frames=500)[2]) == 11  # one in eight, but for the ends


def test_the_light_of_the_patch_comes_by_a_latency_that_varies_and_never_out_of_order() -> None:
    display = Display(12.0, 3.0, seed=1)
    flips = [NS + k * 40 * MS for k in range(2000)]
    late_ms = np.array([display.patch_ns(host_ns) - host_ns for host_ns in flips]) / 1e6
    assert late_ms.mean() == pytest.approx(12, abs=0.3)
    assert late_ms.std() == pytest.approx(3, rel=0.1)
    assert Display(12.0, 0.0, seed=1).patch_ns(5) == Display(12.0, 0.0, seed=1).shines_ns(5) == 5 + 12 * MS
    hasty = Display(1.0, 20.0, seed=1)
    seen = [hasty.patch_ns(k * MS) for k in range(500)]
    assert seen == sorted(seen)
    assert all(light >= k * MS for k, light in enumerate(seen))


@pytest.mark.parametrize(("faults", "is_there"), [("photodiode_off: true", False), ("dropped_flips: 2", True)])
def test_a_photodiode_that_is_not_connected_sees_nothing(tmp_path: Path, faults: str, *, is_there: bool) -> None:
    rig = write_rig(tmp_path, faults=faults)
    rig.write_text(rig.read_text().replace("rate_hz: 100}", "rate_hz: 100, inputs: {photodiode: 5}}"))
    path = record(tmp_path, rig, write_film_protocol(tmp_path)).path
    with h5py.File(path) as run:
        assert (len(run["acquisition/edges"]) > 40) is is_there
        assert len(run["acquisition/edges"]) == 0 or is_there
    told = {(t.fault, t.stream) for t in read_truth(beside(path, "truth.jsonl"))}
    assert told == {(Fault.DROPPED_FLIP, "clip1") if is_there else (Fault.PHOTODIODE_OFF, "screen")}
