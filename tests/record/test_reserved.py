"""Whatever a protocol may ask for has room in the file: no row of it is dropped, and no text without a word."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

import rig
from rig.config.rig import read_rig
from rig.elicitation.protocol import read_protocol
from rig.elicitation.steps import Step
from rig.elicitation.unroll import unroll
from rig.record import plan as planning
from rig.record.plan import RunPlan, plan_run
from rig.session import layout
from rig.session.arming import Header
from rig.session.layout import ANSWERS, LOG, NOT_STORED_ROWS, TRIALS, Outcome, Room, StreamSpec
from rig.session.writer import SessionWriter
from rig.streams import Answer
from rig.verify.findings import Word
from rig.verify.verdict import verify_run
from tests.rigs import record, write_protocol, write_rig
from tests.short_plans import files_of

STREAMS = ("HS", "VIS", "NIR")


def planned(folder: Path, protocol: Path) -> RunPlan:
    made = read_rig(write_rig(folder)).rig
    return plan_run(made, unroll(read_protocol(protocol).protocol, list(STREAMS), {}))


def capacity(room: Room) -> dict[str, int]:
    return {table.path: table.capacity for table in layout.tables(room)}


@pytest.mark.parametrize("steps", [1, 300])
def test_each_step_has_its_rows_and_each_stream_its_parts_not_stored(tmp_path: Path, steps: int) -> None:
    blocks = [(f"b{n}", 0.1, "none" if n % 2 else "all") for n in range(steps)]
    plan = planned(tmp_path, write_protocol(tmp_path, *blocks))
    for room in (plan.room, plan.next_room(1 << 40)):
        rows = capacity(room)
        assert rows[TRIALS] >= 2 * steps + 2
        assert rows[NOT_STORED_ROWS] >= len(STREAMS) * (2 * steps + 2)
    assert planning.reserved_bytes(plan.room) > sum(
        table.capacity * table.dtype.itemsize for table in layout.tables(plan.room)
    )


def test_parts_that_come_and_go_at_every_step_are_all_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no more rows than such a protocol can need."""
    monkeypatch.setattr(layout, "STEP_ROWS", 2)
    monkeypatch.setattr(layout, "STEPS_BESIDE", 1)
    blocks = [(f"b{n}", 0.1, ("all", "none", "[HS]")[n % 3]) for n in range(24)]
    recorded = record(tmp_path, write_rig(tmp_path), write_protocol(tmp_path, *blocks))
    assert (recorded.outcome, recorded.alarms) == (Outcome.FINISHED, ())
    with rig.open(recorded.path) as session:
        (run,) = session.runs
        assert len(run.trials) == 24
        assert len(run.not_stored) == 8 + 2 * 16
        looked_at = [f for f in verify_run(run).findings if f.check in ("frames", "recount", "rows")]
        assert {f.word for f in looked_at} <= {Word.PASS}


def test_a_stream_that_is_never_stored_has_room_for_a_hole_at_every_pulse(tmp_path: Path) -> None:
    plan = planned(tmp_path, write_protocol(tmp_path, ("a", 3600, "[HS]")))
    rows = capacity(plan.room)
    assert rows["/acquisition/VIS/frames"] < 1_000
    assert min(rows["/acquisition/VIS/gaps"], rows["/acquisition/VIS/extras"]) >= 3600 * 25


def test_answers_as_long_as_the_protocol_allows_are_all_kept(tmp_path: Path) -> None:
    """12 of the longest value that a choice may have; of free texts the test below tells."""
    said = "ü" * 200
    answers = {"1": {"value": said, "text": "yes"}, "2": "no"}
    questions = [{"kind": "choice", "name": f"q{n}", "text": "?", "answers": answers} for n in range(12)]
    block = {"kind": "self-report", "name": "felt", "max_seconds": 5, "questions": questions}
    protocol = write_protocol(tmp_path, ("a", 0.1, "all"))
    protocol.write_text(protocol.read_text() + f"  - {json.dumps(block, ensure_ascii=False)}\n")
    recorded = record(tmp_path, write_rig(tmp_path), protocol)
    assert (recorded.outcome, recorded.alarms) == (Outcome.FINISHED, ())
    with rig.open(recorded.path) as session:
        told = [answer["answer"] for answer in session.answers]
        assert (len(told), {*told} <= {said, "no"}, said in told) == (12, True, True)


def test_the_room_for_answers_is_that_of_the_longest_to_each_question(tmp_path: Path) -> None:
    answers = {"1": "ü" * 35_000, "2": "no"}
    steps = tuple(Step(n, "question", f"felt-q{n}", "?", answers, None, 5, None, STREAMS, "") for n in range(30))
    plan = replace(planned(tmp_path, write_protocol(tmp_path, ("a", 0.1, "all"))), steps=steps)
    for room in (plan.room, plan.next_room(1 << 40)):
        small = replace(room, streams=(StreamSpec("HS", 2, 2, 3),), seconds=1, pulses=1, edges=1)
        writer = SessionWriter(tmp_path / "run.h5", Header({}, {}, {}), small)
        for step in steps:
            answer = Answer(step.index, step.name, step.keys["1"], 1 << 62, 1 << 62, 1 << 62)
            writer.append_text(ANSWERS, 1, asdict(answer))
        assert writer.dropped() == {}
        writer.discard()


@pytest.mark.parametrize("refresh_hz", [24, 240])
def test_tables_that_grow_with_time_have_rows_for_the_quickest_screen(tmp_path: Path, refresh_hz: int) -> None:
    path = write_rig(tmp_path)
    path.write_text(path.read_text().replace("refresh_hz: 60", f"refresh_hz: {refresh_hz}"))
    recorded = record(tmp_path, path, write_protocol(tmp_path, ("a", 5, "all")))
    assert (recorded.outcome, recorded.alarms) == (Outcome.FINISHED, ())
    seconds = 5 + 5
    with rig.open(recorded.path) as session:
        (run,) = session.runs
        for path_of, rows in ((layout.FLIPS, run.flips), (layout.CLOCK_PAIRS, run.clock_pairs),
                              (layout.SYNCS, run.syncs), (layout.DISK_USE, run.disk_use),
                              (layout.BOX_REPORTS, run.box_reports)):  # fmt: skip
            assert 0 < len(rows) <= layout.ROWS_A_SECOND[path_of] * seconds, path_of


def test_a_log_that_fills_up_goes_on_in_the_next_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera that comes and goes tells all its features each time; nothing of that is lost."""
    monkeypatch.setattr(layout, "LOG_BYTES", 18_000)
    monkeypatch.setattr(layout, "STREAM_LOG_BYTES", 0)
    monkeypatch.setattr(layout, "LAST_BYTES", 4_000)
    path = write_rig(tmp_path, faults="ghost_frames: 200, first_pulse: 50, last_pulse: 900")
    recorded = record(tmp_path, path, write_protocol(tmp_path, ("a", 11, "all")))
    assert recorded.outcome is Outcome.FINISHED
    assert not [alarm for alarm in recorded.alarms if "used up" in alarm]
    files = files_of(recorded.path)
    assert len(files) > 1
    with rig.open(recorded.path) as session:
        (run,) = session.runs
        assert not [entry for entry in run.log if "table" in entry]
        assert [entry["kind"] for entry in run.log].count("outcome") == 1
        assert len(run.flips) and run.streams["HS"].pulse_numbers.max() == len(run.pulses) - 1


def test_a_log_that_is_full_keeps_room_for_its_last_words(tmp_path: Path) -> None:
    """Where no further file could be made: how it ended, and how much was dropped, is in it all the same."""
    writer = SessionWriter(tmp_path / "run.h5", Header({}, {}, {}), Room((StreamSpec("HS", 2, 2, 3),), 1, 1, 1))
    note = {"kind": "note", "text": "x" * 100_000}
    while not writer.dropped():
        writer.append_text(LOG, 1, note)
    kept = writer.left(f"{LOG}/text")
    assert layout.LAST_BYTES <= kept < layout.LAST_BYTES + 100_100
    writer.append_text(LOG, 2, {"kind": "alarm", "text": "rows did not fit", "table": f"{LOG}/rows", "rows": 1})
    writer.append_text(LOG, 3, {"kind": "outcome", "text": "y" * 100_000})
    assert writer.dropped() == {f"{LOG}/rows": 1}
    assert writer.left(f"{LOG}/text") < kept - 100_000
    writer.close(Outcome.FINISHED)


def test_short_entries_leave_rows_for_the_last_words_too(tmp_path: Path) -> None:
    writer = SessionWriter(tmp_path / "run.h5", Header({}, {}, {}), Room((StreamSpec("HS", 2, 2, 3),), 1, 1, 1))
    for _ in range(layout.LOG_ROWS):
        writer.append_text(LOG, 1, {"kind": "note"})
    writer.append_text(LOG, 3, {"kind": "outcome"})
    assert writer.left(f"{LOG}/rows") == layout.LAST_ROWS - 1
    writer.close(Outcome.FINISHED)
