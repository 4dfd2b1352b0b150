"""Which run is played, and tapes: what is told, when, on whose clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rig.clock import NS, VirtualClock
from rig.errors import NotASession, UserError
from rig.session.playback import Playback, run_meant, wait_until_due
from tests.handmade import Plan, make_run

HAPPENINGS = [(30, "a"), (50, "b"), (50, "c"), (90, "d")]


@pytest.fixture
def playback(tmp_path: Path) -> Iterator[Playback]:
    with closing(Playback(make_run(tmp_path, Plan()), VirtualClock(5 * NS))) as opened:
        yield opened


def test_a_session_with_one_run_is_meant_by_its_folder_or_its_file(tmp_path: Path) -> None:
    run = make_run(tmp_path, Plan())
    assert run_meant(run) == run_meant(run.parent) == [run]


def test_of_several_runs_one_has_to_be_named(tmp_path: Path) -> None:
    runs = [make_run(tmp_path, Plan(run=number)) for number in (1, 2)]
    with pytest.raises(UserError, match=r"has 2 runs, .*run-01_session.h5, .*run-02_session.h5") as found:
        run_meant(runs[0].parent)
    assert "Name one of these files" in str(found.value)
    assert run_meant(runs[1]) == [runs[1]]


def test_what_is_no_session_is_no_playback(tmp_path: Path) -> None:
    with pytest.raises(NotASession):
        Playback(tmp_path, VirtualClock())


def test_nothing_is_told_before_it_began_or_before_its_time(playback: Playback) -> None:
    tape = playback.tape((playback.start_host_ns + at, what) for at, what in HAPPENINGS)
    assert (tape.next_host_ns(), tape.take(), playback.next_host_ns()) == (None, [], None)
    playback.begin()
    assert tape.next_host_ns() == playback.next_host_ns() == 5 * NS + 30
    for now_ns, told in ((29, []), (30, ["a"]), (89, ["b", "c"]), (1000, ["d"]), (2000, [])):
        playback.clock.sleep_until(5 * NS + now_ns)
        assert tape.take() == told
    assert tape.next_host_ns() is None


def test_its_shift_is_fixed_once_for_all(playback: Playback) -> None:
    playback.begin()
    shift_ns = playback.shift_ns
    assert shift_ns == 5 * NS - playback.start_host_ns
    playback.clock.sleep_until(8 * NS)
    playback.begin()
    assert playback.shift_ns == shift_ns


def test_a_shift_that_was_given_stays(tmp_path: Path) -> None:
    with closing(Playback(make_run(tmp_path, Plan()), VirtualClock(5 * NS), shift_ns=0)) as playback:
        playback.begin()
        assert (playback.shift_ns, playback.has_begun) == (0, True)


def test_waiting_ends_when_the_first_of_several_tapes_has_something_or_time_is_up(playback: Playback) -> None:
    playback.begin()
    start, clock = playback.start_host_ns, playback.clock
    tapes = [playback.tape([(start + at, at)]) for at in (NS, 2 * NS)]
    wait_until_due(clock, 0.4, *tapes)
    assert clock.now_ns() == 5 * NS + NS * 2 // 5
    wait_until_due(clock, 10, *tapes)
    assert clock.now_ns() == 6 * NS
    assert [tape.take() for tape in tapes] == [[NS], []]


def test_what_is_dropped_is_never_due(playback: Playback) -> None:
    playback.begin()
    tape = playback.tape([(playback.start_host_ns, "a")])
    assert playback.next_host_ns() == 5 * NS
    tape.drop()
    assert (playback.next_host_ns(), tape.take()) == (None, [])


def test_a_tape_is_read_no_further_than_it_is_played(playback: Playback) -> None:
    read: list[int] = []

    def happenings() -> Iterator[tuple[int, int]]:
        for at in range(1000):
            read.append(at)
            yield playback.start_host_ns + at, at

    playback.begin()
    tape = playback.tape(happenings())
    playback.clock.sleep_until(5 * NS + 9)
    assert tape.take() == list(range(10))
    assert len(read) == 11
