"""One time axis: film time, flips, pulses and frames, against times computed from the plan alone."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import rig
from rig.errors import UserError
from rig.session.reader import Session
from rig.session.timeline import fit_box
from rig.streams import CLOCK_PAIR, PULSE
from tests.handmade import BOX_0, FILM_FRAMES, FLIP_NS, Plan, film_onset, host_of, make_run, number_in, pulse_ticks

PLAN = Plan(lost={"HS": {60}, "VIS": {80}}, not_stored=[("NIR", 120, 159)])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("timeline"), PLAN)


@pytest.fixture
def session(path: Path) -> Iterator[Session]:
    with rig.open(path) as opened:
        yield opened


def _pulse_then(seconds: float) -> int:
    """The latest pulse begun `seconds` after pulse 0, from the plan; the exposure delay is common to both."""
    starts = host_of(PLAN, pulse_ticks(PLAN)) - host_of(PLAN, BOX_0)
    return int(np.flatnonzero(starts <= round(seconds * 1e9))[-1])


def test_200_random_times_give_the_frames_of_their_pulses_in_all_streams(session: Session) -> None:
    chance = random.Random(1)
    for _ in range(200):
        seconds = chance.uniform(0, 2.87)
        instant, pulse = session.at(seconds=seconds), _pulse_then(seconds)
        assert (instant.run, instant.pulse) == (1, pulse)
        for name, divisor in (("HS", 1), ("VIS", 4), ("NIR", 4)):
            view, own = instant.views[name], pulse - pulse % divisor
            assert view.pulse == own
            assert (view.picture is None) == (own in {"HS": {60}, "VIS": {80}, "NIR": set(range(120, 160))}[name])
            assert view.picture is None or number_in(view.picture) == own


def test_age_is_the_time_since_the_exposure_began(session: Session) -> None:
    instant = session.at(seconds=1.0)
    pulse = _pulse_then(1.0)
    begun = (host_of(PLAN, pulse_ticks(PLAN)) - host_of(PLAN, BOX_0)) / 1e6
    assert instant.views["HS"].age_ms == pytest.approx(1000 - begun[pulse], abs=0.001)
    assert instant.views["VIS"].age_ms == pytest.approx(1000 - begun[pulse - pulse % 4], abs=0.001)


@pytest.mark.parametrize(
    "untold",
    [
        set(range(100, 140)),  # of the body
        {0, 1, 2},  # the first ones: seconds still count from pulse 0
        {3, 4, 5, 6, 7, 8, 9},  # a whole group of the preamble and its neighbours
        set(range(250, 258)),  # from the body into the postamble
        {262, 263},  # the last ones
        set(range(0, 264, 2)),
    ],
)
def test_pulses_whose_messages_were_lost_give_their_own_frames_and_ages(tmp_path: Path, untold: set[int]) -> None:
    chance = random.Random(2)
    with rig.open(make_run(tmp_path, Plan(pulses_lost_on_wire=untold))) as session:
        begun_ms = (host_of(PLAN, pulse_ticks(PLAN)) - host_of(PLAN, BOX_0)) / 1e6
        assert session.timelines[0].length_s == pytest.approx(2.88, abs=0.001)
        times = [chance.uniform(0, 2.87) for _ in range(20)] + [begun_ms[p] / 1e3 + 0.004 for p in untold]
        for seconds in times:
            instant, pulse = session.at(seconds=seconds), _pulse_then(seconds)
            for name, divisor in (("HS", 1), ("VIS", 4)):
                view, own = instant.views[name], pulse - pulse % divisor
                assert view.picture is not None
                assert (view.pulse, number_in(view.picture)) == (own, own)
                assert view.age_ms == pytest.approx(1000 * seconds - begun_ms[own], abs=0.001)


def test_where_nobody_knows_which_pulses_were_sent_no_frame_is_shown(tmp_path: Path) -> None:
    """Killed in the postamble, of which nobody was told: a group of it, or of the body, or a pause."""
    plan = Plan(pulses_lost_on_wire={256, 257, 258, 259}, has_ended=False)
    begun_s = (host_of(PLAN, pulse_ticks(PLAN)) - host_of(PLAN, BOX_0)) / 1e9
    with rig.open(make_run(tmp_path, plan)) as session:
        with pytest.raises(UserError, match="messages were lost, between pulses 255 and 260"):
            session.at(seconds=begun_s[257] + 0.001)
        assert session.at(seconds=begun_s[255] + 0.001).pulse == 255
        with pytest.raises(UserError, match="nobody knows when"):
            session.timelines[0].at_pulse(257)


def test_age_of_a_frame_whose_pulse_has_no_known_time_is_unknown_and_not_0(tmp_path: Path) -> None:
    with rig.open(make_run(tmp_path, Plan(pulses_lost_on_wire={256}, has_ended=False))) as session:
        views = session.timelines[0].at_pulse(258).views
        assert (views["VIS"].pulse, views["VIS"].age_ms, views["HS"].age_ms) == (256, None, 0)
        assert views["VIS"].picture is not None
        assert number_in(views["VIS"].picture) == 256


def test_lost_frame_gives_its_gap_and_cause_and_not_another_frame(session: Session) -> None:
    view = session.timelines[0].at_pulse(60).views["HS"]
    assert (view.picture, view.reason) == (None, "no frame: gap at pulses 60 to 60, not numbered")
    assert session.timelines[0].at_pulse(83).views["VIS"].reason == "no frame: gap at pulses 80 to 80, not numbered"


def test_interval_not_stored_on_purpose_says_so(session: Session) -> None:
    assert session.timelines[0].at_pulse(130).views["NIR"].reason == "not stored on purpose: protocol: baseline"


@pytest.mark.parametrize("seconds", [-0.001, 2.89, 1e9, -1e300])
def test_time_outside_the_session_names_the_allowed_range(session: Session, seconds: float) -> None:
    with pytest.raises(UserError, match=r"0.000 to 2.880 s"):
        session.at(seconds=seconds)


@pytest.mark.parametrize("seconds", [float("nan"), float("inf")])
def test_time_that_is_no_number_is_refused(session: Session, seconds: float) -> None:
    with pytest.raises(UserError, match="a number of seconds"):
        session.at(seconds=seconds)


def test_clip_time_counts_from_the_flip_that_showed_frame_0(session: Session) -> None:
    for seconds in (0.0, 0.13, 0.5, 0.98):
        instant = session.at(clip="clip1", seconds=seconds)
        assert instant.host_ns == film_onset(PLAN) + round(seconds * 1e9)
        flip = film_onset(PLAN) + int(seconds * 1e9) // FLIP_NS * FLIP_NS
        assert instant.film.flip_host_ns == flip
        assert instant.film.film_frame == (flip - film_onset(PLAN)) * 25 // 10**9 < FILM_FRAMES
        assert (instant.film.clip, instant.film.step is not None and instant.film.step.name) == ("bunny", "clip1")


def test_clip_time_outside_the_clip_and_unknown_clip_name_what_is_allowed(session: Session) -> None:
    with pytest.raises(UserError, match=r"0\.000 to 1\.000 s"):
        session.at(clip="clip1", seconds=1.2)
    with pytest.raises(UserError, match="clip1"):
        session.at(clip="clip9", seconds=0)


def test_the_bounds_that_are_named_may_be_asked_for(tmp_path: Path) -> None:
    make_run(tmp_path, Plan(host_0=5_000_111_111))
    folder = make_run(tmp_path, Plan(run=2, host_0=65_000_333_777, created_utc="2026-03-01T10:01:00+00:00")).parent
    with rig.open(folder) as session:
        for clip in (None, "clip1"):
            with pytest.raises(UserError) as found:
                session.at(seconds=1e9, clip=clip)
            bounds = re.findall(r"[0-9]+\.[0-9]+(?= to| s)", found.value.allowed)
            assert len(bounds) == (2 if clip else 4)
            for bound in bounds:
                session.at(seconds=float(bound), clip=clip)


def test_last_picture_of_a_clip_lasts_until_the_flip_that_takes_it_away(session: Session) -> None:
    """The last flip of the film is at 0.9833 s, the next one shows the question."""
    for seconds in (0.984, 0.999):
        film = session.at(clip="clip1", seconds=seconds).film
        assert (film.clip, film.film_frame) == ("bunny", FILM_FRAMES - 1)
    assert session.at(seconds=1.5001).film.clip is None
    with pytest.raises(UserError, match="outside the clip"):
        session.at(clip="clip1", seconds=1.001)


def test_a_session_without_pulses_has_no_moment_to_show(tmp_path: Path) -> None:
    plan = Plan(pulses_lost_on_wire=set(range(264)), has_ended=False)
    with rig.open(make_run(tmp_path, plan)) as session:
        for seconds in (0.0, 1.0):
            with pytest.raises(UserError, match="has no pulse to show"):
                session.at(seconds=seconds)
        with pytest.raises(UserError, match="no camera was triggered"):
            session.at(clip="clip1", seconds=0.5)


def test_film_that_is_not_here_is_said_and_outside_a_clip_there_is_none(session: Session) -> None:
    film = session.at(clip="clip1", seconds=0.5).film
    assert film.picture is None
    assert film.reason.startswith("film not here")
    assert session.at(seconds=0.2).film.reason == "no film on the screen: instruction welcome"


def test_second_run_lies_behind_the_first_on_the_host_clock(tmp_path: Path) -> None:
    make_run(tmp_path, Plan())
    folder = make_run(tmp_path, Plan(run=2, host_0=65_000_000_000, created_utc="2026-03-01T10:01:00+00:00")).parent
    with rig.open(folder) as session:
        instant = session.at(seconds=60 + 1.0)
        assert (instant.run, instant.pulse) == (2, _pulse_then(1.0))
        with pytest.raises(UserError, match=r"0.000 to 2.880 s \(run 1\) or 60.000 to 62.880 s \(run 2\)"):
            session.at(seconds=30)
        assert session.at(clip="clip1", seconds=0).run == 2


def test_runs_of_two_boots_are_joined_by_utc(tmp_path: Path) -> None:
    make_run(tmp_path, Plan(host_0=900_000_000_000))
    folder = make_run(tmp_path, Plan(run=2, created_utc="2026-03-01T11:00:00+00:00")).parent
    with rig.open(folder) as session:
        assert session.at(seconds=3600 + 1.0).run == 2


def _pairs(ticks: np.ndarray, slow_ns: np.ndarray) -> np.ndarray:
    rows = np.zeros(len(ticks), CLOCK_PAIR)
    rows["clock"], rows["reading"], rows["reading_end"] = b"box", ticks, ticks + 10
    middle = 7_000_000_000 + np.rint((ticks + 5) * 500 * (1 - 200e-6)).astype(np.int64)
    rows["host_before_ns"], rows["host_after_ns"] = middle - 400_000, middle + 400_000 + slow_ns
    return rows


def test_slow_round_trips_do_not_bend_the_fit() -> None:
    ticks = np.arange(0, 600 * 2_000_000, 400_000)
    slow = np.random.default_rng(3).exponential(8e6, len(ticks)).astype(np.int64)
    slow[::8] = 0
    fit = fit_box(_pairs(ticks, slow), np.zeros(0, PULSE), baud=0)
    assert (fit.rate / 500 - 1) * 1e6 == pytest.approx(-200, abs=0.5)
    truth = 7_000_000_000 + np.rint(ticks * 500 * (1 - 200e-6)).astype(np.int64)
    assert np.abs(fit(ticks) - truth).max() < 200_000


def test_one_pair_or_none_gives_the_nominal_rate() -> None:
    ticks = np.array([2_000_000])
    assert fit_box(_pairs(ticks, np.zeros(1, np.int64)), np.zeros(0, PULSE), baud=0).rate == 500
    pulses = np.zeros(2, PULSE)
    pulses["box_ticks"], pulses["arrived_host_ns"] = [0, 20_000], [9_000_000, 12_000_000]
    assert int(fit_box(np.zeros(0, CLOCK_PAIR), pulses, baud=0)(20_000)) == 12_000_000
