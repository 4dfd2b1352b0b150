"""A session that outlasts its plan goes on in further files, and loses nothing by it."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import xxhash

import rig
from rig import host
from rig.record import plan as planning
from rig.record.plan import RunPlan
from rig.record.recording import Recorded
from rig.record.room import RoomWatch
from rig.session.files import RunFiles
from rig.session.layout import Outcome
from tests import short_plans
from tests.rigs import QUESTION, record, write_protocol, write_rig
from tests.short_plans import files_of, joined, shorten_plans

STREAMS = {"HS": 1, "VIS": 4, "NIR": 4}
FAULTS = "lost_frames: 3, ghost_frames: 2, lost_pulses: 2, last_pulse: 900"
TABLES = ("pulses", *(f"{stream}/{table}" for stream in STREAMS for table in ("frames", "gaps", "extras", "data")))
RUN_TABLES = ("/stimulus/presentation/flips", *(f"/acquisition/{table}" for table in TABLES))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_plans(monkeypatch)


def long_session(folder: Path, seconds: float = 12, *, seed: int = 5, virtual: bool = True):
    """A session far longer than a short plan."""
    protocol = write_protocol(folder, ("a", seconds, "all"))
    return record(folder, write_rig(folder, seed=seed, faults=FAULTS if virtual else ""), protocol, virtual=virtual)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Recorded:
    """Such a session with short plans, for those who only read it."""
    with pytest.MonkeyPatch.context() as patch:
        shorten_plans(patch)
        return long_session(tmp_path_factory.mktemp("long"))


def timeless(rows: np.ndarray) -> np.ndarray:
    """Run ids are drawn anew; a table numbers its own rows."""
    rows = rows.copy()
    for name in {"run_id", "seq"} & set(rows.dtype.names or ()):
        rows[name] = 0
    return rows


def test_it_ends_as_if_it_had_been_planned_and_without_an_alarm(recorded):
    assert recorded.outcome is Outcome.FINISHED
    assert [a for a in recorded.alarms if "disk" in a or "room" in a] == []
    assert len(files_of(recorded.path)) >= 3
    assert recorded.path == files_of(recorded.path)[0]


def test_all_files_together_hold_what_one_file_would(tmp_path, recorded):
    """The same seeded session twice, once with room for all of it: rows and pictures, read by plain h5py."""
    one, many = files_of(long_session(tmp_path).path), files_of(recorded.path)
    assert (len(one), len(many) >= 3) == (1, True)
    for table in RUN_TABLES:
        expected, found = (timeless(joined(files, table)) for files in (one, many))
        assert len(expected) > 0 or table.endswith("gaps") or table.endswith("extras")
        np.testing.assert_array_equal(found, expected, err_msg=table)


def test_compressed_streams_go_on_as_others_do(tmp_path, short):
    """Their payloads, the rows that say where they lie, and the pictures that become of them."""
    path = write_rig(tmp_path)
    path.write_text(path.read_text().replace("divisor: 4", "divisor: 4, compression: bitshuffle-lz4"))
    recorded = record(tmp_path, path, write_protocol(tmp_path, ("a", 9, "all")))
    assert (recorded.outcome, recorded.alarms) == (Outcome.FINISHED, ())
    with rig.open(recorded.path) as session:
        (run,) = session.runs
        assert len(run.files) >= 3
        for name, divisor in STREAMS.items():
            stream = run.streams[name]
            assert stream.pulse_numbers.tolist() == run.pulses["pulse_number"][::divisor].tolist()
            assert len(list(stream.data)) == len(stream.frames)  # each compared with its checksum


def test_every_row_of_a_frame_lies_in_the_file_of_its_picture(recorded):
    """Rows come up to a second later than pictures: those of the last pictures of a file come when it is over."""
    for path in files_of(recorded.path):
        with h5py.File(path) as file:
            for stream in STREAMS:
                rows, pictures = (file[f"/acquisition/{stream}/{name}"][:] for name in ("frames", "data"))
                assert len(rows) == len(pictures) > 0
                assert [xxhash.xxh3_64_intdigest(picture.tobytes()) for picture in pictures] == rows[
                    "checksum"
                ].tolist()
                assert rows["seq"].tolist() == list(range(1, len(rows) + 1))


def test_a_further_file_says_whose_it_is_and_explains_itself_as_the_first_does(recorded):
    first, *others = files_of(recorded.path)
    with h5py.File(first) as head:
        assert (head.attrs["run"], head.attrs["continues"]) == (1, 0)
        for number, path in enumerate(others, start=2):
            with h5py.File(path) as file:
                own = {"run": number, "continues": number - 1, "xxh3_64": file.attrs["xxh3_64"]}
                assert dict(file.attrs) == {**dict(head.attrs), **own}
                assert {name: text[()] for name, text in file["config"].items() if isinstance(text, h5py.Dataset)} == {
                    name: text[()] for name, text in head["config"].items() if isinstance(text, h5py.Dataset)
                }
                assert len(file["/line_walk/HS/data"]) == len(file["/line_walk/pulses"]) == 0
            assert path.stat().st_mode & 0o777 == 0o400


def test_a_seeded_session_in_several_files_repeats_exactly(tmp_path, recorded, short):
    one, other = (files_of(session.path) for session in (recorded, long_session(tmp_path)))
    assert len(one) == len(other)
    for first, second in zip(one, other, strict=True):
        for table in RUN_TABLES:
            np.testing.assert_array_equal(timeless(joined([first], table)), timeless(joined([second], table)))


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with files so long that a computer which stands still for seconds does not fill one meanwhile.

    The next one is asked for after 2 s and begun as soon as it is made.
    """
    for name, seconds in (("PLANNED_S", 12.0), ("NEXT_S", 30.0), ("LEAD_S", 10.0)):
        monkeypatch.setattr(short_plans, name, seconds)
    shorten_plans(monkeypatch)


def test_in_real_time_nothing_is_lost_at_the_switch(tmp_path, early):
    recorded = long_session(tmp_path, 3, virtual=False)
    files = files_of(recorded.path)
    assert (recorded.outcome, len(files) >= 2) == (Outcome.FINISHED, True)
    pulses = joined(files, "/acquisition/pulses")["pulse_number"].tolist()
    assert pulses == list(range(len(pulses)))
    for stream, divisor in STREAMS.items():
        assert joined(files, f"/acquisition/{stream}/frames")["pulse_number"].tolist() == pulses[::divisor]


def test_a_session_that_uses_its_whole_plan_needs_no_further_file(tmp_path, monkeypatch):
    """A question that nobody answers takes as long as it may."""
    asked: list[bool] = []
    ask = RunFiles.ask_next
    monkeypatch.setattr(RunFiles, "ask_next", lambda files: asked.append(ask(files)) or asked[-1])
    protocol = write_protocol(tmp_path, ("a", 1, "all"))
    protocol.write_text(protocol.read_text() + QUESTION)
    recorded = record(tmp_path, write_rig(tmp_path), protocol, scripted=False)
    assert recorded.outcome is Outcome.FINISHED
    assert len(asked) > 10
    assert not any(asked)


def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly nothing is free on the disk."""
    next_room = RunPlan.next_room
    monkeypatch.setattr(RunPlan, "next_room", lambda plan, _: next_room(plan, 1000))


def no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system does not tell what is free."""

    def refuse(_: Path) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(host, "free_bytes", refuse)


def no_further_file(error: Callable[[], Exception]) -> Callable[[pytest.MonkeyPatch], None]:
    """The disk refuses when the second file is made."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        reserve, calls = host.reserve, []

        def refuse(fd: int, size: int) -> None:
            calls.append(size)
            if len(calls) > 2:  # those of the first file and its journal
                raise error()
            reserve(fd, size)

        monkeypatch.setattr(host, "reserve", refuse)

    return patch


REFUSALS = [
    (no_room, "has too little room for a further file", Outcome.DISK_FULL),
    (no_answer, "gets no further file: Input/output error", Outcome.DISK_FULL),
    (no_further_file(lambda: OSError(errno.ENOSPC, "No space left on device")), "No space left", Outcome.DISK_FULL),
    (no_further_file(lambda: OSError(errno.EIO, "Input/output error")), "Input/output error", Outcome.DISK_FULL),
    (no_further_file(lambda: ValueError("a bug")), "by a fault of this program", Outcome.FAILED),
]


@pytest.mark.parametrize(("refuse", "said", "outcome"), REFUSALS)
def test_where_no_further_file_can_be_made_the_run_ends_in_order(tmp_path, monkeypatch, short, refuse, said, outcome):
    assert_ends_in_order(monkeypatch, refuse, said, outcome, lambda: long_session(tmp_path))


def test_so_it_does_in_real_time(tmp_path, monkeypatch, early):
    assert_ends_in_order(monkeypatch, *REFUSALS[0], lambda: long_session(tmp_path, virtual=False))


def assert_ends_in_order(monkeypatch, refuse, said: str, outcome: Outcome, record_it: Callable[[], Recorded]) -> None:
    refuse(monkeypatch)
    recorded = record_it()
    assert recorded.outcome is outcome
    (alarm,) = [a for a in recorded.alarms if "outlasts its plan" in a]
    assert said in alarm
    assert files_of(recorded.path) == [recorded.path]
    assert [p.name for p in recorded.path.parent.iterdir() if "arming" in p.name or "journal" in p.name] == []
    with h5py.File(recorded.path) as file:
        pulses = len(file["/acquisition/pulses"])
        frames = file["/acquisition/HS/frames"]["pulse_number"][:]
        assert (len(frames) > 100, frames.max()) == (
            True,
            pulses - 1,
        )  # in order: with the postamble, to its last pulse


def test_a_file_that_was_made_in_vain_is_removed_at_the_end(tmp_path, monkeypatch, short):
    """The run ends between the moment at which the file is asked for and the switch."""
    monkeypatch.setattr(planning, "LEAD_S", 3.5)
    armed: list[bool] = []
    arm_next = RunFiles.arm_next

    def counted(files: RunFiles) -> tuple[int, dict[str, int]]:
        made = arm_next(files)
        armed.append(files_of(files.path)[-1] != files.path)
        return made

    monkeypatch.setattr(RunFiles, "arm_next", counted)
    monkeypatch.setattr(RoomWatch, "take", lambda *_: [])  # the core is told too late
    recorded = long_session(tmp_path, 1)
    assert (armed, recorded.outcome) == ([True], Outcome.FINISHED)
    names = sorted(p.name for p in recorded.path.parent.iterdir())
    assert [name for name in names if not name.endswith(".jsonl")] == [recorded.path.name]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_in_the_middle_of_the_switch_leaves_files_that_open_and_hold_all_that_was_written(
    tmp_path, monkeypatch, short, moment
):
    """What a killed recorder leaves is what lies on the disk at that moment: it is copied then."""
    go_on, append, copies = RunFiles.go_on, RunFiles.append, []
    handed = dict.fromkeys(STREAMS, 0)

    def count(files: RunFiles, path: str, row: tuple) -> None:
        for name in STREAMS:
            handed[name] += path == f"/acquisition/{name}/frames"
        append(files, path, row)

    def copy(files: RunFiles) -> None:
        files.flush()
        copies.append((tmp_path / f"copy-{len(copies)}", dict(handed)))
        shutil.copytree(files.path.parent, copies[-1][0])

    def watched(files: RunFiles, first: dict[str, int]) -> None:
        if moment == "before":
            copy(files)
        go_on(files, first)
        if moment == "after":
            copy(files)

    monkeypatch.setattr(RunFiles, "go_on", watched)
    monkeypatch.setattr(RunFiles, "append", count)
    long_session(tmp_path)
    assert len(copies) >= 2
    for number, (folder, stored) in enumerate(copies, start=2):
        with rig.open(folder) as session:
            (run,) = session.runs
            assert len(run.files) == number
            assert run.outcome is Outcome.INCOMPLETE
            assert {name: len(stream.frames) for name, stream in run.streams.items()} == stored
            assert run.missing_files == []
            for stream in session.streams.values():
                stream.data[len(stream.frames) - 1]
