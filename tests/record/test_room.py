"""The recorder's core watches the room it has: it goes on in a further file, and ends in order where there is none."""

from __future__ import annotations

import pytest

from rig.errors import StorageError
from rig.record.messages import (
    AppendText,
    CloseFile,
    DiskUse,
    NextFile,
    RoomAdded,
    RoomRefused,
    Stock,
    StopBox,
    StopRequested,
    StoreFrame,
)
from rig.record.plan import LEAST_FREE_BYTES
from rig.record.room import MOST_WAITING
from rig.record.states import RunState
from rig.session.layout import Outcome
from tests.record.test_run import STREAMS, Rehearsal, alarms, frame

GB = 10**9
S = 1_000_000_000


@pytest.fixture
def rehearsal(tmp_path) -> Rehearsal:
    made = Rehearsal(tmp_path)
    made.begin()
    return made


def free(host_ns: int, free_bytes: int) -> Stock:
    return Stock((), DiskUse(0, host_ns, 0, 0, 0, 0, 0, 0, 0, free_bytes))


def stored(rehearsal: Rehearsal) -> list[tuple[str, int]]:
    return [(action.path, action.index) for action in rehearsal.asked(StoreFrame)]


def test_it_goes_on_in_the_further_file_with_the_next_picture_of_each_stream(rehearsal):
    for number in range(3):
        rehearsal.tell(frame("HS", 1, number, number * S // 100))
    rehearsal.tell(frame("NIR", 1, 0, 0))
    rehearsal.tell(RoomAdded(2, dict.fromkeys(STREAMS, 100)))
    assert [type(action) for action in rehearsal.actions] == [AppendText, NextFile]
    assert rehearsal.actions[0].record["kind"] == "goes_on"
    assert rehearsal.actions[0].record["run"] == 2
    first = {"/acquisition/HS/data": 3, "/acquisition/VIS/data": 0, "/acquisition/NIR/data": 1}
    assert rehearsal.actions[1] == NextFile(first)
    rehearsal.tell(frame("HS", 1, 3, 3 * S // 100))
    assert stored(rehearsal) == [("/acquisition/HS/data", 3)]


def test_an_orderly_switch_is_no_alarm(rehearsal):
    rehearsal.tell(RoomAdded(2, dict.fromkeys(STREAMS, 100)))
    assert rehearsal.run.alarms == []
    assert rehearsal.run.state is RunState.RECORDING


@pytest.mark.parametrize("room", [None, 500])
def test_the_room_of_a_further_file_counts_from_where_the_one_before_ended(rehearsal, room):
    """The first file is nearly full after so many frames; another has room for 500 more."""
    first = next(spec.capacity for spec in rehearsal.run._plan.streams if spec.name == "HS") - 200
    numbers = iter(range(first + 1000))

    def goes_on(frames: int) -> int:
        """How many of so many frames are taken while the run goes on."""
        taken = 0
        while taken < frames and rehearsal.run.state is RunState.RECORDING:
            number = next(numbers)
            rehearsal.tell(frame("HS", 1, number, number * S // 100))
            taken += 1
        return taken

    assert goes_on(first) == first
    if room is not None:
        rehearsal.tell(RoomAdded(2, dict.fromkeys(STREAMS, room)))
    more = goes_on(1000)
    assert (more < 200) if room is None else (500 - 200 < more < 500)
    assert rehearsal.run.outcome is Outcome.FAILED


def test_at_its_end_a_run_begins_no_further_file(rehearsal):
    rehearsal.tell(StopRequested())
    assert rehearsal.tell(RoomAdded(2, dict.fromkeys(STREAMS, 100))) == []
    assert rehearsal.tell(RoomRefused(StorageError("run.h5", "no"), Outcome.DISK_FULL)) == []
    assert rehearsal.run.alarms == []


@pytest.mark.parametrize("outcome", [Outcome.DISK_FULL, Outcome.FAILED])
def test_a_further_file_that_is_refused_is_alarmed_and_ends_the_run_in_order(rehearsal, outcome):
    rehearsal.tell(RoomRefused(StorageError("run.h5", "cannot be reserved"), outcome))
    (alarm,) = alarms(rehearsal)
    assert alarm.endswith("run.h5: cannot be reserved")
    assert rehearsal.asked(StopBox)
    assert not rehearsal.asked(CloseFile)
    assert (rehearsal.run.state, rehearsal.run.outcome) == (RunState.DRAINING, outcome)
    rehearsal.drain(40)
    assert rehearsal.asked(CloseFile) == [CloseFile(outcome)]


def test_too_little_free_for_a_further_file_is_alarmed_once_and_taken_back(rehearsal):
    plan = rehearsal.run._plan
    rehearsal.tell(free(1, plan.low_bytes))
    assert rehearsal.run.alarms == []
    rehearsal.tell(free(2, plan.low_bytes - 1))
    (alarm,) = rehearsal.run.standing_alarms
    assert "is free: a session that outlasts its plan cannot go on" in alarm
    rehearsal.tell(free(3, plan.low_bytes - 2))
    assert rehearsal.run.standing_alarms == [alarm]
    rehearsal.tell(free(4, plan.low_bytes))
    assert rehearsal.run.standing_alarms == []
    assert rehearsal.run.state is RunState.RECORDING
    rehearsal.tell(free(5, plan.low_bytes - 1))
    assert rehearsal.run.standing_alarms == [alarm]


def test_what_must_be_free_is_what_the_shortest_further_file_takes_of_half_of_it(rehearsal):
    """The alarm comes before the refusal, at no other number of bytes."""
    plan = rehearsal.run._plan
    assert plan.next_room(plan.low_bytes).seconds == pytest.approx(30)
    with pytest.raises(StorageError, match="too little room for a further file"):
        plan.next_room(plan.low_bytes - 10_000)
    assert plan.next_room(1000 * GB).seconds == 600
    half = plan.next_room(2 * plan.next_bytes(300))
    assert half.seconds == pytest.approx(300)
    assert [spec.capacity for spec in half.streams] == [30_001, 7_501, 7_501]


def test_a_disk_that_does_not_tell_its_room_ends_nothing(rehearsal):
    rehearsal.tell(free(1, -1))
    assert (rehearsal.run.state, rehearsal.run.alarms) == (RunState.RECORDING, [])


def test_before_the_disk_is_full_to_the_last_byte_the_run_ends_in_order(rehearsal):
    rehearsal.tell(free(1, LEAST_FREE_BYTES))
    assert rehearsal.run.state is RunState.RECORDING
    rehearsal.tell(free(2, LEAST_FREE_BYTES - 1))
    assert rehearsal.asked(StopBox)
    assert (rehearsal.run.state, rehearsal.run.outcome) == (RunState.DRAINING, Outcome.DISK_FULL)
    assert "less than 33.6 MB is free" in alarms(rehearsal)[-1]


@pytest.mark.parametrize("more", [0, 1])
def test_entries_that_wait_without_end_are_alarmed_and_end_the_run_in_order(rehearsal, more):
    """A disk that takes nothing: frames wait in their cameras' buffers, and what is told of them in memory."""
    rehearsal.tell(Stock((), DiskUse(MOST_WAITING + more, 1, 0, 0, 0, 0, 0, 0, 0, GB)))
    if not more:
        assert (rehearsal.run.state, rehearsal.run.alarms) == (RunState.RECORDING, [])
        return
    (alarm,) = alarms(rehearsal)
    assert "100001 entries wait to be written" in alarm
    assert rehearsal.asked(StopBox)
    assert (rehearsal.run.state, rehearsal.run.outcome) == (RunState.DRAINING, Outcome.DISK_FULL)
