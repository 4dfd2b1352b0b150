"""What the participant saw: films at every rate on every screen, refreshes that came late, and the light itself.

Flips are made by the player's own rule (rig.clips.cadence) at flip times planted here; what is planted is the truth.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from rig.clips import cadence
from rig.clock import NS
from rig.session.folder import beside
from rig.session.run import Run
from rig.sim.faults import Committed, Fault, read_truth
from rig.streams import EDGE, FLIP
from rig.verify.findings import Finding, Word
from rig.verify.screen import light
from rig.verify.screen.film import Pace, check_film_cadence, check_film_drift, check_film_frames, pace_of
from rig.verify.screen.flips import check_late_flips
from rig.verify.screen.light import Latency, check_photodiode, light_latency, stimulus_onset
from tests import handmade
from tests.handmade import FLIP_NS, LATENCY_NS, Plan, make_run, note_checksums
from tests.rigs import record, write_film_protocol, write_rig

FPS = {"23.976": 24000 / 1001, "24": 24.0, "25": 25.0, "29.97": 30000 / 1001, "30": 30.0}
REFRESH_HZ = {"50": 50.0, "59.94": 60000 / 1001, "60": 60.0, "75": 75.0, "120": 120.0, "144": 144.0}
SECONDS = 20
MIDDLE = 0.5  # of the film: where something is planted
JITTER_MS = 0.2  # of flips on a real screen


def played(
    fps: float, refresh_hz: float, missing: range = range(0), hold: int | None = None, seed: int = 1
) -> tuple[np.ndarray, np.ndarray, int]:
    """A film as the player shows it: FLIP rows, times of its frames (s), and when it left the screen (host ns).

    `missing`: refreshes, counted from the middle, without a flip. `hold`: a film frame that the player then keeps
    until it is three behind.
    """
    frames, period_ns = round(SECONDS * fps), NS / refresh_hz
    middle = round(MIDDLE * SECONDS * refresh_hz)
    refreshes = np.array([n for n in range(round(SECONDS * refresh_hz) + 9) if n - middle not in missing])
    jitter = np.random.default_rng(seed).normal(0, JITTER_MS * 1e6, len(refreshes))
    times = np.rint(5 * NS + refreshes * period_ns + jitter).astype(np.int64)
    film_frames, shown, refresh = [], -1, -1
    for host_ns in times:
        refresh = cadence.refreshes(int(host_ns - times[0]), round(period_ns), refresh)
        wanted = cadence.due(refresh * round(period_ns), round(period_ns), fps)
        if wanted >= frames and shown == frames - 1:
            break
        keeps = shown == hold and wanted - shown < cadence.SKIP_BEHIND - 1
        shown = shown if keeps else cadence.advance(shown, min(wanted, frames - 1))[0]
        film_frames.append(shown)
    rows = np.zeros(len(film_frames), FLIP)
    rows["film_frame"], rows["host_ns"] = film_frames, times[: len(rows)]
    return rows, np.arange(frames) / fps, int(times[len(rows)])


def pace(fps: str, hz: str, **planted: object) -> Pace:
    rows, pts_s, off_ns = played(FPS[fps], REFRESH_HZ[hz], **planted)
    return pace_of(rows, pts_s, FPS[fps], off_ns)


matrix = pytest.mark.parametrize(("fps", "hz"), [(fps, hz) for fps in FPS for hz in REFRESH_HZ])


@matrix
def test_a_film_that_is_played_in_order_is_held_nowhere_and_keeps_its_time(fps: str, hz: str) -> None:
    shown = pace(fps, hz)
    ratio = REFRESH_HZ[hz] / FPS[fps]
    assert len(shown.film_frames) == round(SECONDS * FPS[fps])
    assert NS / shown.refresh_ns == pytest.approx(REFRESH_HZ[hz], rel=0.005)
    assert abs(shown.stays - ratio).max() < 1 + 6 * JITTER_MS / 1000 * REFRESH_HZ[hz]
    assert shown.held.max() == 0
    # at a tie either of two flips is right; elsewhere each prediction is met to the refresh
    is_tied = abs((np.arange(len(shown.due)) + 1) * ratio % 1 - 0.5) < 0.2
    assert (shown.due == shown.stays)[:-1][~is_tied[:-1] & ~np.roll(is_tied, 1)[:-1]].all()
    most_ms = (0.5 + cadence.TIE) * 1000 / REFRESH_HZ[hz]  # of a film frame due in the middle between two flips
    assert abs(shown.late_ms).max() <= most_ms + 5 * JITTER_MS


@matrix
def test_a_dropped_flip_holds_one_film_frame_for_one_refresh_at_most(fps: str, hz: str) -> None:
    for first in range(4):
        shown = pace(fps, hz, missing=range(first, first + 1))
        assert len(shown.film_frames) == round(SECONDS * FPS[fps])
        assert sorted(shown.held.tolist())[-2:] in ([0, 0], [0, 1])


@matrix
def test_a_film_frame_that_stays_until_the_player_is_three_behind_is_named(fps: str, hz: str) -> None:
    hold = 100
    shown = pace(fps, hz, hold=hold)
    too_long = shown.film_frames[shown.held > 1].tolist()
    assert too_long == [hold]
    assert shown.held.max() == pytest.approx(2 * REFRESH_HZ[hz] / FPS[fps], abs=1.1)
    assert abs(shown.end_ms) < 1000 / REFRESH_HZ[hz], "it was caught up"


@matrix
def test_film_frames_that_were_skipped_are_missing_and_the_one_before_them_is_held(fps: str, hz: str) -> None:
    """A quarter of a second without a flip: the player is more than four film frames behind, and leaves some out."""
    shown = pace(fps, hz, missing=range(round(REFRESH_HZ[hz] / 4)))
    lost = np.setdiff1d(np.arange(round(SECONDS * FPS[fps])), shown.film_frames)
    (before,) = shown.film_frames[shown.held > 1]
    assert lost.tolist() == list(range(before + 1, before + 1 + len(lost)))
    assert len(lost) == pytest.approx(0.25 * FPS[fps], abs=2)
    assert abs(shown.end_ms) < 1000 / REFRESH_HZ[hz]


@pytest.mark.parametrize("percent", [-2.0, 1.0])
def test_a_film_that_runs_at_another_pace_is_as_late_at_its_end_as_that_makes(percent: float) -> None:
    rows, pts_s, off_ns = played(25, 60)
    shown = pace_of(rows, pts_s * (1 - percent / 100), 25, off_ns)
    end_s = SECONDS - 0.5  # the middle of its last second
    assert shown.end_ms == pytest.approx(end_s * percent * 10, abs=10)


# in a session


def judged(folder: Path, check, plan: Plan | None = None, edit=None) -> Finding:
    path = make_run(folder, plan)
    path.chmod(0o600)
    with h5py.File(path, "r+") as file:
        if edit:
            edit(file)
            note_checksums(file)
    with Run(path) as run:
        (finding,) = check(run)
    return finding


def late_from(film_frame: int, late_ns: int, until: int | None = None):
    """Flips from the first one of a film frame on, until that of another one, come later."""

    def edit(file: h5py.File) -> None:
        rows = file["stimulus/presentation/flips"][:]
        first = int(np.flatnonzero(rows["film_frame"] == film_frame)[0])
        last = len(rows) if until is None else int(np.flatnonzero(rows["film_frame"] == until)[0])
        rows["host_ns"][first:last] += late_ns
        file["stimulus/presentation/flips"][:] = rows

    return edit


def held(film_frame: int, refreshes: int):
    """A film frame stays so many refreshes longer, in place of what should follow."""

    def edit(file: h5py.File) -> None:
        rows = file["stimulus/presentation/flips"][:]
        next_one = int(np.flatnonzero(rows["film_frame"] == film_frame + 1)[0])
        rows["film_frame"][next_one : next_one + refreshes] = film_frame
        file["stimulus/presentation/flips"][:] = rows

    return edit


def tolerance(name: str, value: float):
    """The session's rig.yaml sets a limit."""

    def edit(file: h5py.File) -> None:
        text = file["config/rig"][()].decode()
        del file["config/rig"]
        file["config/rig"] = f"{text}tolerances: {{{name}: {value}}}\n"

    return edit


def both(*edits):
    return lambda file: [edit(file) for edit in edits]


@pytest.mark.parametrize(("refreshes", "word"), [(0, Word.PASS), (2, Word.WARN)])
def test_a_film_frame_held_too_long_is_worth_a_look_and_named(tmp_path: Path, refreshes: int, word: Word) -> None:
    finding = judged(tmp_path, check_film_cadence, edit=held(12, refreshes))
    assert (finding.stream, finding.word) == ("clip1", word)
    assert finding.ranges == (((12, 12),) if refreshes else ())
    assert finding.limit == "1 refreshes (default)"


def test_a_lab_may_allow_film_frames_to_be_held_for_three_refreshes_and_no_more(tmp_path: Path) -> None:
    for refreshes, asked, word in ((2, 3, Word.PASS), (5, 9, Word.WARN)):
        edit = both(held(12, refreshes), tolerance("held_refreshes", asked))
        finding = judged(tmp_path, check_film_cadence, edit=edit)
        assert (finding.word, finding.origin) == (word, "rig")
    assert "more than the ceiling of 3" in finding.limit


@pytest.mark.parametrize(
    ("late_ms", "until", "word"), [(0, None, Word.PASS), (60, 10, Word.WARN), (60, None, Word.FAIL)]
)
def test_a_film_that_ends_late_fails_and_one_that_caught_up_is_worth_a_look(
    tmp_path: Path, late_ms: int, until: int | None, word: Word
) -> None:
    first = 1 if until is None else 5
    plan = Plan(clip_frames=40)
    finding = judged(tmp_path, check_film_drift, plan, late_from(first, late_ms * 1_000_000, until))
    assert (finding.word, finding.limit) == (word, "40 ms (default)")
    assert bool(finding.ranges) is (word is not Word.PASS)
    assert (finding.value > 40) is (word is Word.FAIL)


def test_films_without_flips_are_not_measured_and_protocols_without_films_pass(tmp_path: Path) -> None:
    for check in (check_film_cadence, check_film_drift):
        assert judged(tmp_path, check, Plan(film_begins=False)).word is Word.NOT_MEASURED


@pytest.mark.parametrize(("late", "word"), [(1, Word.PASS), (4, Word.WARN), (12, Word.FAIL)])
def test_late_flips_are_held_against_their_share(tmp_path: Path, late: int, word: Word) -> None:
    """Of about 160: the limit is 1 %, no lab may set more than 5 %."""
    finding = judged(tmp_path, check_late_flips, Plan(late_flips=late))
    assert finding.word is word
    assert finding.value == pytest.approx(100 * late / int(finding.looked_at.split()[0]), abs=0.01)
    assert f"{late} late by the screen's log, 0 by the times" in finding.text


def test_late_flips_that_the_screen_did_not_log_are_found_by_their_times_with_their_step(tmp_path: Path) -> None:
    finding = judged(tmp_path, check_late_flips, edit=late_from(13, FLIP_NS))
    assert finding.ranges == ((1, 1),)
    assert "0 late by the screen's log, 1 by the times" in finding.text


# in recorded sessions, against the truth that the simulator wrote

FILM_FAULTS = "skipped_film_frames: 3, held_film_frames: 3, dropped_flips: 4, late_flips: 4"


@pytest.fixture(scope="module")
def shown_badly(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Finding], list[Committed], Latency | None]:
    """The verdict on a film with faults, seen 9 ms late, 3 ms more or less; and the truth."""
    folder = tmp_path_factory.mktemp("film")
    rig = write_rig(folder, faults=FILM_FAULTS)
    text = rig.read_text().replace("rate_hz: 100}", "rate_hz: 100, inputs: {photodiode: 5}}")
    rig.write_text(text.replace("seed: 1", "seed: 1\n  display_latency_ms: 9\n  display_jitter_ms: 3"))
    path = record(folder, rig, write_film_protocol(folder, 200)).path
    with Run(path) as run:
        checks = (check_film_frames, check_film_cadence, check_film_drift, check_late_flips, check_photodiode)
        findings = {finding.check: finding for check in checks for finding in check(run)}
        return findings, read_truth(beside(path, "truth.jsonl")), light_latency(run)


def struck(truth: list[Committed], *faults: Fault) -> list[int]:
    return sorted(t.film_frame for t in truth if t.fault in faults)


def frames_in(finding: Finding) -> list[int]:
    return [frame for first, last in finding.ranges for frame in range(first, last + 1)]


def test_skipped_and_held_film_frames_of_a_session_are_those_of_the_truth(shown_badly) -> None:
    found, truth, _ = shown_badly
    skipped, kept = struck(truth, Fault.SKIPPED_FILM_FRAME), struck(truth, Fault.HELD_FILM_FRAME)
    assert (len(skipped), len(kept)) == (3, 3)
    assert (found["film frames"].word, frames_in(found["film frames"])) == (Word.FAIL, skipped)
    before = [frame - 1 for frame in skipped]  # they stood in for it
    assert (found["film cadence"].word, frames_in(found["film cadence"])) == (Word.WARN, sorted(kept + before))
    assert found["film drift"].word in (Word.PASS, Word.WARN)


def test_dropped_and_late_flips_of_a_session_are_counted(shown_badly) -> None:
    found, truth, _ = shown_badly
    finding = found["late flips"]
    late = len(struck(truth, Fault.DROPPED_FLIP, Fault.LATE_FLIP))
    assert late == 8
    assert finding.word is Word.WARN
    assert finding.value == pytest.approx(100 * late / int(finding.looked_at.split()[0]), abs=0.01)


def test_the_displays_own_delay_and_its_spread_are_measured(shown_badly) -> None:
    found, _, latency = shown_badly
    assert latency is not None
    assert found["photodiode"].word is Word.WARN
    assert (latency.median_ms, latency.sd_ms) == (pytest.approx(9, abs=1), pytest.approx(3, abs=0.6))


# light


def spread(sd_ms: float):
    """Edges come unevenly."""

    def edit(file: h5py.File) -> None:
        rows = file["acquisition/edges"][:]
        off_ms = np.random.default_rng(3).permutation(np.linspace(-1, 1, len(rows))) * np.sqrt(3) * sd_ms
        rows["box_ticks"] += np.rint(off_ms * 2000).astype(rows["box_ticks"].dtype)
        file["acquisition/edges"][:] = rows

    return edit


@pytest.mark.parametrize(("sd_ms", "unseen", "word"), [(0.5, 0, Word.PASS), (4.0, 0, Word.WARN), (12.0, 1, Word.FAIL)])
def test_the_error_bar_of_a_film_second_is_how_unevenly_light_follows_flips(
    tmp_path: Path, sd_ms: float, unseen: int, word: Word
) -> None:
    plan = Plan(clip_frames=55, edges_missing=unseen)  # up to two in a hundred are no fault
    finding = judged(tmp_path, check_photodiode, plan, spread(sd_ms))
    with Run(next(tmp_path.rglob("*_session.h5"))) as run:
        latency = light_latency(run)
    assert latency is not None
    assert finding.word is word
    assert latency.median_ms == pytest.approx(LATENCY_NS / 1e6, abs=0.3 * sd_ms + 0.01)
    assert latency.sd_ms == pytest.approx(sd_ms, rel=0.05)
    assert f"SD {latency.sd_ms:.2f}, worst {latency.worst_ms:.1f} ms" in finding.text


def test_light_that_does_not_follow_fails_above_the_labs_own_limit(tmp_path: Path) -> None:
    plan = Plan(edges_missing=1, clip_frames=40)
    assert judged(tmp_path, check_photodiode, plan, tolerance("light_unseen_percent", 4)).word is Word.WARN
    assert judged(tmp_path, check_photodiode, plan).word is Word.FAIL


def test_the_headline_says_when_light_came_and_never_passes_without_a_photodiode(tmp_path: Path) -> None:
    seen = stimulus_onset([judged(tmp_path, check_photodiode)])
    assert seen.startswith("Stimulus onset: PASS, light 12.0 ms after the flip (median), SD 0.0")
    for plan in (Plan(photodiode=False), Plan(film_begins=False)):
        assert stimulus_onset([judged(tmp_path, check_photodiode, plan)]).startswith("Stimulus onset: NOT MEASURED")
    assert stimulus_onset([]) == "Stimulus onset: NOT MEASURED"


@pytest.mark.parametrize("latency_ms", [2, 30, 39, 50, 70, 90, 150, 290])
def test_light_that_comes_late_and_evenly_is_that_of_its_own_flip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, latency_ms: int
) -> None:
    """The edge of a change before is nearer then, at two or three refreshes a film frame."""
    monkeypatch.setattr(handmade, "LATENCY_NS", latency_ms * 1_000_000)
    finding = judged(tmp_path, check_photodiode)
    assert (finding.word, finding.value) == (Word.PASS, pytest.approx(latency_ms, abs=0.1))


@pytest.mark.parametrize(("fps", "hz"), [(24, 60), (25, 50), (30, 60), (50, 50), (60, 60)])
@pytest.mark.parametrize("latency_ms", [-15, 45, 90, 150])
def test_edges_a_film_frame_pair_apart_are_told_by_where_the_film_begins_and_ends(
    monkeypatch: pytest.MonkeyPatch, fps: int, hz: int, latency_ms: int
) -> None:
    """Of a film of a hundred frames, then of one whose first edge was lost, and of one whose last was."""
    monkeypatch.setattr(light, "map_box", lambda run: lambda ticks: ticks.astype(float))
    frames = np.arange(100)
    times = np.rint(np.rint(frames * hz / fps) * 1e9 / hz).astype(np.int64)
    edges = np.zeros(100, EDGE)
    edges["box_ticks"], edges["level"] = times + latency_ms * 1_000_000, frames % 2 == 0
    times_of_two, levels = np.r_[times, times + 5_000_000_000], (frames % 2 == 0).astype(np.uint8)
    for kept in (slice(None), slice(1, None), slice(None, -1)):
        found = light.light_delays_ms(None, edges[kept], times, levels)
        assert np.isfinite(found).sum() == len(frames[kept])
        np.testing.assert_allclose(found[np.isfinite(found)], latency_ms, atol=0.1)
    second = edges.copy()
    second["box_ticks"] += 5_000_000_000 - 5_000_000  # 5 ms earlier than in the first film
    found = light.light_delays_ms(None, np.r_[edges, second], times_of_two, np.r_[levels, levels])
    np.testing.assert_allclose(found, np.repeat([latency_ms, latency_ms - 5], 100), atol=0.1)


def test_light_that_comes_before_its_flip_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handmade, "LATENCY_NS", -5_000_000)
    finding = judged(tmp_path, check_photodiode)
    assert (finding.word, finding.value) == (Word.FAIL, pytest.approx(-5, abs=0.1))
    assert "light cannot come before its flip" in finding.text
