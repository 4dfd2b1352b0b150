"""Events of a session: whatever a run tells is a row on the session's clock, and a table that other programs read."""

from __future__ import annotations

import csv
import io
import json
import stat
from pathlib import Path
from typing import Any, get_args

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import rig
from rig.elicitation.steps import Kind
from rig.errors import Truncated
from rig.export.events import COLUMNS, save_events, table
from rig.session.events import Event
from rig.streams import TEXT, TRIAL
from tests import commands
from tests.handmade import BOX_0, FLIP_NS, PERIOD, Plan, film_onset, host_of, make_run, pulse_ticks
from tests.rigs import write_protocol, write_rig

PLAN = Plan(lost={"HS": {50, 51}}, not_stored=[("VIS", 8, 15), ("NIR", 200, -1)])
AFTER_S = 100  # host clock, from run 1 to run 2
START_US = 20  # from a pulse to the exposure, as the handmade cameras declare
NEAR_S = 2e-6
ZERO = int(host_of(PLAN, BOX_0)) + START_US * 1000  # host ns of pulse 0's exposure
ASKED = ZERO + 2_000_000_000
WORDS = 'said "no"\tand\nleft'


def _retell(path: Path, group: str, entries: list[dict[str, Any]], host_ns: int = ZERO) -> None:
    """Put other JSON objects in the place of those of a text log."""
    path.chmod(0o600)
    told = [json.dumps(entry).encode() for entry in entries]
    rows = np.zeros(len(told), TEXT)
    rows["seq"], rows["length"], rows["host_ns"] = range(1, len(told) + 1), list(map(len, told)), host_ns
    rows["offset"] = np.cumsum([0, *rows["length"]])[:-1]
    with h5py.File(path, "r+") as file:
        del file[f"{group}/rows"], file[f"{group}/text"]
        file[f"{group}/rows"], file[f"{group}/text"] = rows, np.frombuffer(b"".join(told), np.uint8)


def _answer(answer: str, **more: Any) -> dict[str, Any]:
    times = {"onset_host_ns": ASKED, "first_key_host_ns": ASKED + 400_000_000, "confirmed_host_ns": ASKED + 750_000_000}
    return {"step": 2, "question": "report-how", "answer": answer, **times, **more}


def _guess(asked_ns: int, **more: Any) -> dict[str, Any]:
    said = {"first_key_host_ns": ASKED, "confirmed_host_ns": ASKED, "onset_host_ns": asked_ns}
    return {"step": 1, "question": "guess", "answer": "happy", "by": "operator", "trial": 1, **said, **more}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs; in the first one everything has happened, and the second one was broken off in step 1."""
    folder = tmp_path_factory.mktemp("events")
    first = make_run(folder, PLAN)
    answers = [
        _answer(WORDS, is_skipped=False),
        _answer("", is_skipped=True),
        _guess(ASKED - 1_000_000_000, confidence=4, is_right=True),
        _guess(ASKED, confidence=0, is_right=None),
        _answer("half a sen", is_skipped=False, is_confirmed=False),
    ]
    _retell(first, "stimulus/answers", answers)
    said = {"kind": "operator", "said_host_ns": ASKED, "step": 2, "trial": 0}
    delay = {"exposure_start": {"us": START_US, "origin": "DECLARED"}}
    log = [
        {"kind": "armed", "stream": "HS", "epoch": 1, "baseline": {"delays": delay}},
        {"kind": "alarm", "stream": "HS", "text": "is gone"},
        {"kind": "note", "text": "=1+1"},
        {**said, "said": "note", "text": "he coughed"},
        {**said, "said": "pause"},
        {**said, "said": "guess", "value": "happy", "confidence": 4},
        {"kind": "withdrawn", "step": 2, "withdrawn_host_ns": ASKED},
        {"kind": "declined", "step": 0, "text": "consent was not given: no"},
        {"kind": "line", "bytes": 7},
    ]
    _retell(first, "log", log, ZERO + 1_000_000_000)
    later = PLAN.host_0 + AFTER_S * 1_000_000_000
    utc = "2026-03-01T10:01:40+00:00"
    make_run(folder, Plan(run=2, host_0=later, created_utc=utc, steps_open={1, 2}, outcome="device_lost"))
    return first


@pytest.fixture(scope="module")
def events(path: Path) -> list[Event]:
    with rig.open(path) as session:
        return session.events


def _of(events: list[Event], *kinds: str, run: int = 1) -> list[Event]:
    return [event for event in events if event.trial_type in kinds and event.run == run]


def test_steps_begin_at_their_first_flip_counted_from_the_exposure_of_pulse_0(events: list[Event]) -> None:
    onset = (film_onset(PLAN) - ZERO) / 1e9
    last = (int(host_of(PLAN, pulse_ticks(PLAN)[-1])) - ZERO) / 1e9
    found = _of(events, "instruction", "clip", "question")
    assert [(event.step, event.clip) for event in found] == [
        ("welcome", None), ("clip1", "bunny"), ("report-how", None)
    ]  # fmt: skip
    assert [event.onset for event in found] == pytest.approx([-START_US / 1e6, onset, onset + 1], abs=NEAR_S)
    assert [event.duration for event in found] == pytest.approx([0.5, 1.0, last - onset - 1], abs=NEAR_S)


def test_the_second_run_lies_on_the_clock_of_the_first_and_the_outage_between_them_is_a_row(
    events: list[Event],
) -> None:
    found = _of(events, "instruction", "clip", "question", run=2)
    onset = AFTER_S + (film_onset(PLAN) - ZERO) / 1e9
    assert [event.onset for event in found[1:]] == pytest.approx([onset, onset + 1], abs=NEAR_S)
    assert [event.duration for event in found] == [pytest.approx(0.5), None, None]
    (outage,) = _of(events, "outage")
    end = (int(host_of(PLAN, pulse_ticks(PLAN)[-1] + PERIOD)) - int(host_of(PLAN, BOX_0))) / 1e9
    assert (outage.onset, outage.duration) == pytest.approx((end, AFTER_S - end), abs=NEAR_S)
    assert outage.value == "finished"


def test_answers_have_response_and_first_move_and_a_skipped_one_no_value(events: list[Event]) -> None:
    said, skipped, _ = (event for event in _of(events, "answer") if event.source == "participant")
    assert (said.value, said.question, said.step) == (WORDS, "report-how", "report-how")
    times = (said.onset, said.duration, said.response_time, said.first_move)
    assert times == pytest.approx((2.0, 0.75, 0.75, 0.4), abs=NEAR_S)
    assert skipped.value is None


def test_an_answer_that_its_page_ended_is_marked_and_has_no_response_time(events: list[Event]) -> None:
    said, _, cut = (event for event in _of(events, "answer") if event.source == "participant")
    assert (cut.value, cut.is_confirmed, cut.response_time) == ("half a sen", False, None)
    assert (cut.onset, cut.duration, cut.first_move) == pytest.approx((2.0, 0.75, 0.4), abs=NEAR_S)
    assert said.is_confirmed


def test_a_guess_is_an_answer_of_the_operator_and_once_in_the_table(events: list[Event]) -> None:
    asked, unasked = (event for event in _of(events, "answer") if event.source == "operator")
    assert (asked.value, asked.confidence, asked.is_right, asked.clip) == ("happy", 4, True, "bunny")
    assert (asked.onset, asked.response_time) == pytest.approx((1.0, 1.0), abs=NEAR_S)
    assert (unasked.response_time, unasked.confidence, unasked.is_right) == (None, None, None)
    assert unasked.onset == pytest.approx(2.0, abs=NEAR_S)


def test_what_was_noted_said_and_alarmed_is_a_moment_with_its_source(events: list[Event]) -> None:
    found = _of(events, "alarm", "note", "operator", "withdrawn", "declined")
    assert {(event.trial_type, event.value, event.source, round(event.onset, 4)) for event in found} == {
        ("alarm", "is gone", "HS", 1.0),
        ("note", "=1+1", "recorder", 1.0),
        ("note", "he coughed", "operator", 2.0),
        ("operator", "pause", "operator", 2.0),
        ("withdrawn", None, "participant", 2.0),
        ("declined", "consent was not given: no", "participant", 1.0),
    }
    assert {event.duration for event in found} == {0.0}


def test_frames_that_are_missing_cover_their_pulses(events: list[Event]) -> None:
    ticks = pulse_ticks(PLAN)

    def at(pulse: int) -> float:
        return (int(host_of(PLAN, ticks[pulse])) - int(host_of(PLAN, BOX_0))) / 1e9

    spans = {(e.trial_type, e.source): (e.onset, e.onset + (e.duration or 0)) for e in _of(events, "gap", "not_stored")}
    assert spans["not_stored", "VIS"] == pytest.approx((at(8), at(15) + 0.01), abs=5e-6)
    assert spans["not_stored", "NIR"] == pytest.approx((at(200), at(-1) + 0.01), abs=5e-6)
    gaps = _of(events, "gap")
    assert sum(gap.duration or 0 for gap in gaps) == pytest.approx(0.02, abs=5e-6)
    assert gaps[0].onset == pytest.approx(at(50), abs=5e-6)
    assert {gap.value for gap in gaps} == {"not numbered"}


def test_a_step_that_was_repeated_is_there_each_time(tmp_path: Path) -> None:
    path, begun = make_run(tmp_path), film_onset(PLAN)
    path.chmod(0o600)
    again = begun + 1_000_000_000
    told = [(1, begun, -1), (1, begun, begun + FLIP_NS), (1, -1, begun), (1, again, -1), (1, again, again + FLIP_NS)]
    with h5py.File(path, "r+") as file:
        del file["intervals/trials"]
        file["intervals/trials"] = np.array([(seq, *row) for seq, row in enumerate(told, 1)], TRIAL)
    with rig.open(path) as session:
        found = _of(session.events, "clip")
    assert [event.onset - found[0].onset for event in found] == [0, pytest.approx(1)]
    assert [event.duration for event in found] == [pytest.approx(FLIP_NS / 1e9)] * 2


def test_a_log_that_is_damaged_is_told_in_one_sentence(tmp_path: Path) -> None:
    path = make_run(tmp_path)
    _retell(path, "log", [{"kind": "withdrawn", "step": 1, "withdrawn_host_ns": "soon"}])
    with rig.open(path) as session, pytest.raises(Truncated, match="events"):
        _ = session.events


def test_rows_are_in_order_of_their_onset(events: list[Event]) -> None:
    onsets = [event.onset for event in events]
    assert onsets == sorted(onsets)


# --- the table ---------------------------------------------------------------------------------------------------


def _plain(cell: str) -> str | None:
    """A cell as docs/reference/events.md says to read it."""
    if cell == "n/a":
        return None
    return cell.removeprefix("'").encode("latin-1", "backslashreplace").decode("unicode_escape")


@example("a\u2028b\x85c\rd")
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_one_line_and_comes_back_from_csv_and_pandas(text: str) -> None:
    written = table([Event(0.0, 0.0, "answer", text)])
    assert len(written.splitlines()) == 2
    (read,) = csv.DictReader(io.StringIO(written), dialect="excel-tab")
    assert _plain(read["value"]) == text
    frame = pd.read_csv(io.StringIO(written), sep="\t", na_values="n/a", keep_default_na=False, dtype={"value": str})
    assert _plain(frame["value"][0]) == text
    assert read["value"][:1] not in ("=", "+", "-", "@") or float(read["value"]) is not None


@pytest.mark.parametrize(
    ("text", "cell"),
    [("=1+1", "'=1+1"), ("@a", "'@a"), ("'a", "''a"), ("-2", "-2"), ("-2a", "'-2a"), ("n/a", "\\x6e/a"), ("NA", "NA")],
)
def test_what_a_spreadsheet_would_compute_stays_text_and_numbers_stay_numbers(text: str, cell: str) -> None:
    assert table([Event(0.0, 0.0, "answer", text)]).split("\n")[1].split("\t")[3] == cell


def test_the_table_is_made_byte_by_byte_the_same_again_for_the_owner_alone(path: Path, tmp_path: Path) -> None:
    with rig.open(path) as session:
        written = save_events(session, tmp_path)
    done = commands.run("export", "events", path.parent, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    exported = path.parent / "sub-001_ses-01_task-demo_events.tsv"
    assert str(exported) in done.stdout
    for one, other in ((written, exported), (written.with_suffix(".json"), exported.with_suffix(".json"))):
        assert one.read_bytes() == other.read_bytes()
        assert stat.S_IMODE(other.stat().st_mode) == 0o600
    frame = pd.read_csv(exported, sep="\t", na_values="n/a", keep_default_na=False)
    assert frame["onset"].is_monotonic_increasing
    assert (frame["duration"].dropna() >= 0).all()
    assert frame["is_right"].dropna().tolist() == [True]


def test_rig_record_writes_it_as_rig_export_does(tmp_path: Path) -> None:
    rig_file, protocol = write_rig(tmp_path), write_protocol(tmp_path, ("rest", 1, "all"), ("pause", 1, "none"))
    protocol.write_text(protocol.read_text().replace("name: still", "name: still_2-b"))
    options = ("--rig", rig_file, "--subject", "001", "--speed", "max")
    done = commands.run("record", protocol, *options, "--participant", "scripted", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    path = tmp_path / "sessions/sub-001/ses-01/sub-001_ses-01_task-still2b_events.tsv"
    assert str(path.relative_to(tmp_path)) in done.stdout
    written = path.read_bytes()
    path.unlink()
    assert commands.run("export", "events", path.parent, cwd=tmp_path).returncode == 0
    assert path.read_bytes() == written
    frame = pd.read_csv(path, sep="\t", na_values="n/a", keep_default_na=False)
    assert frame[frame["trial_type"] == "baseline"]["step"].tolist() == ["rest", "pause"]
    assert set(frame[frame["trial_type"] == "not_stored"]["source"]) == {"HS", "VIS", "NIR"}


def test_the_sidecar_describes_every_column_and_every_kind(events: list[Event]) -> None:
    assert tuple(COLUMNS) == Event._fields
    levels = COLUMNS["trial_type"]["Levels"]
    assert {event.trial_type for event in events} | set(get_args(Kind)) <= set(levels)


def test_a_session_that_cannot_be_read_ends_with_2(tmp_path: Path) -> None:
    assert "holds no run" in commands.refused("export", "events", tmp_path, cwd=tmp_path)
