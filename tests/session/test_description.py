"""The description of a run file and the files themselves say the same; verify tells where they do not."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from rig import streams
from rig.check.preflight import check
from rig.errors import ConfigError
from rig.record.alarms import Alarms
from rig.record.messages import AppendText
from rig.session import description, layout
from rig.session.arming import Header
from rig.session.description import differences, row_type
from rig.session.objects import Objects
from rig.session.recover import recover
from rig.session.run import Run
from rig.session.writer import SessionWriter
from rig.stimulus.screen import Withdrawn
from rig.trigger.box import EventsLost
from rig.verify.file.integrity import check_schema
from rig.verify.findings import Word
from tests.handmade import Plan, make_run
from tests.record.led import Led
from tests.rigs import record, write_film_protocol, write_protocol, write_rig
from tests.short_plans import shorten_plans

NAMES = ("HS", "VIS", "NIR")
MEASURED = {
    "2026-03-01T101500Z_geometry/result.yaml": "schema: 1\nwhat: geometry ü\n",
    "20260302_delay.yaml": "us: 20\n",
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a film, an answer, losses and two measured files, as the recorder made it."""
    folder = tmp_path_factory.mktemp("recorded")
    for name, text in MEASURED.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / "notes.yaml").write_text("not: dated\n")
    rig = write_rig(folder, faults="lost_frames: 2, ghost_frames: 1, damaged_frames: 1, last_pulse: 300")
    return record(folder, rig, write_film_protocol(folder)).path


def _described(kind: str) -> set[str]:
    """Described paths of a kind, for these streams."""
    objects = description.description()["objects"]
    found = {path for path, entry in objects.items() if entry["kind"] == kind}
    return {path.replace("STREAM", name) for path in found for name in NAMES}


def test_a_new_file_holds_what_is_described_and_nothing_else(recorded: Path) -> None:
    with h5py.File(recorded) as file:
        found = differences(Objects(file), NAMES)
    assert (found.missing, found.other, found.unknown) == ([], [], [])


def test_every_entry_of_the_description_is_in_some_new_file(recorded: Path) -> None:
    """Nothing is described that nobody writes; what is there only before the close is of compressed streams."""
    with h5py.File(recorded) as file:
        there = {"/", *(f"/{name}" for name in _all_objects(file))}
    for pattern, entry in description.description()["objects"].items():
        if "not closed" not in entry.get("optional", ""):
            assert any(description._fits(path, pattern) for path in there), pattern


def _all_objects(file: h5py.File) -> list[str]:
    found: list[str] = []
    file.visit(found.append)
    return found


def test_the_tables_of_the_layout_are_those_of_the_description() -> None:
    specs = tuple(layout.StreamSpec(name, 2, 2, 3, is_compressed=name == "HS") for name in NAMES)
    room = layout.Room(specs, 1, 1, 1)
    tables = {table.path: table.dtype for table in layout.tables(room)}
    tables |= {f"{log.path}/rows": streams.TEXT for log in layout.text_logs(room)}
    objects, rows = description.description()["objects"], description.description()["rows"]
    for path, dtype in tables.items():
        entry = description._entry(path, objects)
        assert entry is not None, path
        assert row_type(rows[entry["rows"]]["fields"]) == dtype, path
    packed = {f"/acquisition/{name}/packed" for name in ("VIS", "NIR")}
    assert set(tables) == _described("table") - packed


def test_every_field_has_a_meaning_and_every_time_a_unit_and_a_clock() -> None:
    for name, row in description.description()["rows"].items():
        for field in row["fields"]:
            assert field["what"], (name, field)
            if field["name"].endswith(("_ns", "_ticks", "_us", "_s", "_bytes")):
                assert field["unit"], (name, field)
            if field["name"].endswith(("host_ns", "_ticks", "_s")):
                assert field["clock"], (name, field)


@pytest.fixture(scope="module")
def logs(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Entries of every kind that the program writes, as they lie in the files."""
    with Run(recorded) as run:
        found = list(run.log)
    folder = tmp_path_factory.mktemp("longer")
    with pytest.MonkeyPatch.context() as patch:
        shorten_plans(patch)
        path = record(folder, write_rig(folder, faults="overheatings: 1"), write_protocol(folder, ("a", 4, "all"))).path
    left = make_run(tmp_path_factory.mktemp("left"), Plan(closed=False, outcome="incomplete", written=120))
    recover(left.parent)
    for each in (path, left):
        with Run(each) as run:
            found += [entry for entry in run.log if entry["kind"] in ("note", "camera_event", "goes_on", "recovered")]
    told = Alarms("sim://box").events_lost(0, EventsLost(7, 2))
    alarm = Alarms("sim://box").sound(0, "hangs", "disk", cause=OSError("Input/output error"))
    led = _led(tmp_path_factory.mktemp("led"))
    return found + led + [action.record for action in (*told, *alarm) if isinstance(action, AppendText)]


def _led(folder: Path) -> list[dict[str, Any]]:
    """What the core logs of an operator's words, of a consent that is declined, and of who withdraws."""
    withdrawn, declined = Led(folder), Led(folder)
    withdrawn.go(1)
    withdrawn.said("note", text="x")
    withdrawn.said("guess", value="joy", confidence=1)
    withdrawn.tell(Withdrawn(1, withdrawn.now))
    declined.ended("time")
    keeper = declined.run.keepers["HS"]
    keeper._opening = [(0, 7), (1, 8)]
    unstored = [*keeper._opening_told(0), *keeper._told("closing", [(8, 9)], 0)]
    ends = [json.loads(json.dumps(action.record)) for action in unstored]
    return [*withdrawn.records("operator"), *withdrawn.records("withdrawn"), *declined.records("declined"), *ends]


def _fields_of(entry: dict[str, Any]) -> set[str]:
    """The names of an entry's fields, those of objects in it too; of objects by name, with STREAM or NAME for it."""
    found = entry.keys() - {"kind", "host_ns"}
    inside = {"baseline.": [entry.get("baseline", {})], "streams.STREAM.": entry.get("streams", {}).values()}
    inside["baseline.delays.NAME."] = entry.get("baseline", {}).get("delays", {}).values()
    return set(found) | {f"{place}{name}" for place, objects in inside.items() for each in objects for name in each}


def test_every_kind_of_log_entry_is_described_with_all_its_fields(logs: list[dict[str, Any]]) -> None:
    described = description.description()["log"]
    assert {str(entry["kind"]) for entry in logs} == described.keys()
    for entry in logs:
        fields = described[entry["kind"]]["fields"]
        optional = {field["name"] for field in fields if "optional" in field}
        found = _fields_of(entry)
        assert found - optional == {field["name"] for field in fields} - optional, entry
    assert {"cause"} <= set().union(*(_fields_of(entry) for entry in logs if entry["kind"] == "alarm"))


def test_fields_of_log_entries_have_a_meaning_a_unit_and_a_clock() -> None:
    for entry in description.description()["log"].values():
        assert entry["what"]
        for field in entry["fields"]:
            assert field["what"], field
            assert field["unit"] or not field["name"].endswith(("_us", ".us", "_hz", "_ticks", "_ns", "clock_pairs")), (
                field
            )
            assert field["clock"] or not field["name"].endswith(("_ticks", "_ns", "clock_pairs", "utc")), field


def test_the_file_explains_itself_by_a_page_and_its_whole_description(recorded: Path) -> None:
    page = subprocess.run(["h5dump", "-d", "/README", str(recorded)], capture_output=True, text=True, check=True).stdout
    assert "PICTURES AND PULSES" in page
    with h5py.File(recorded) as file:
        kept = json.loads(file["/config/description"].asstr()[()])
        assert kept == json.loads((Path(description.__file__).parent / "session-file.json").read_text())
        assert all(path in file for path in ("/config/rig", "/acquisition/HS/data", "/acquisition/clock_pairs"))
        assert file["/README"].asstr()[()].splitlines() == kept["readme"]


def test_what_was_measured_on_the_rig_is_kept_word_by_word(recorded: Path) -> None:
    folder = recorded.parents[3]
    with h5py.File(recorded) as file:
        kept = file["/config/calibration"]
        assert {name.replace(":", "/"): kept[name].asstr()[()] for name in kept} == MEASURED
        for name in kept:
            path = folder / name.replace(":", "/")
            said = subprocess.run(["sha256sum", str(path)], capture_output=True, text=True, check=True).stdout
            assert said.split()[0] == kept[name].attrs["sha256"]
            assert kept[name].attrs["path"] == str(path.resolve())


def test_computer_and_versions_are_told(recorded: Path) -> None:
    with h5py.File(recorded) as file:
        host, versions = (json.loads(file[f"/config/{name}"].asstr()[()]) for name in ("host", "versions"))
    assert host["name"] == os.uname().nodename
    assert host["cores"] == os.cpu_count()
    assert abs(host["memory_bytes"] - os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) < 1 << 20
    stat = subprocess.run(["df", "--output=source,fstype", str(recorded)], capture_output=True, text=True, check=True)
    assert [host["disk"], host["file_system"]] == stat.stdout.splitlines()[1].split()
    assert {"real_time", "time_zone", "kernel", "processor", "system"} <= set(host)
    assert versions["hdf5"] == h5py.version.hdf5_version
    assert versions["numpy"] == np.__version__
    assert {"rig", "python", "h5py", "hdf5plugin", "xxhash", "pypylon", "psychopy"} <= set(versions)


def test_a_good_file_has_the_layout_that_is_described(tmp_path: Path) -> None:
    with Run(make_run(tmp_path)) as run:
        (finding,) = check_schema(run)
    assert (finding.word, finding.value, finding.text) == (Word.PASS, 0, "schema 1")


@pytest.mark.parametrize(
    ("damage", "word", "text"),
    [
        ("missing table", Word.FAIL, "missing: /telemetry/syncs"),
        ("missing attribute", Word.FAIL, "missing: /acquisition/VIS serial"),
        ("another type", Word.FAIL, "not as described: /line_walk/pulses has another type or shape"),
        ("a group for a table", Word.FAIL, "not as described: /intervals/trials is no table"),
        ("another attribute", Word.FAIL, "not as described: / protocol is no text"),
        ("an unknown table", Word.WARN, "not described: /acquisition/gaze"),
        ("an unknown attribute", Word.WARN, "not described: / mood"),
    ],
)
def test_what_is_missing_and_what_is_unknown_is_named(tmp_path: Path, damage: str, word: Word, text: str) -> None:
    path = make_run(tmp_path, Plan(closed=False))
    with h5py.File(path, "r+") as file:
        match damage:
            case "missing table":
                del file["telemetry/syncs"]
            case "missing attribute":
                del file["acquisition/VIS"].attrs["serial"]
            case "another type":
                del file["line_walk/pulses"]
                file["line_walk/pulses"] = np.zeros(3, streams.EDGE)
            case "a group for a table":
                del file["intervals/trials"]
                file.create_group("intervals/trials")
            case "another attribute":
                file.attrs["protocol"] = 7
            case "an unknown table":
                file["acquisition/gaze"] = np.zeros(3)
            case "an unknown attribute":
                file.attrs["mood"] = "good"
    with Run(path) as run:
        (finding,) = check_schema(run)
    assert (finding.word, finding.text) == (word, f"schema 1; {text}")


LONG = {"protocol": 300_000, "title": 100_000, "note": 100_000, "answer": 70_000}
FEATURES = {f"Feature{number}": "x" * 40 for number in range(600)}


def test_long_texts_are_stored_and_read_back_by_plain_h5py(tmp_path: Path) -> None:
    """Longer than 64 KiB each, which is where other programs fail at the very end."""
    said = {name: "ü" * (length // 2) for name, length in LONG.items()}
    clips = {
        f"clip{n}": ({"file": "f", "title": said["title"] if n == 7 else "t"}, np.arange(50.0)) for n in range(500)
    }
    texts = {"protocol": said["protocol"], "devices": json.dumps({"HS": FEATURES})}
    header = Header({}, {}, texts, {}, clips)
    room = layout.Room((layout.StreamSpec("HS", 2, 2, 3),), 1, 1, 1, steps=1, answer_bytes=2 * LONG["answer"])
    writer = SessionWriter(tmp_path / "run.h5", header, room)
    writer.append_text(layout.LOG, 1, {"kind": "armed", "features": FEATURES})
    writer.append_text(layout.LOG, 2, {"kind": "note", "text": said["note"]})
    writer.append_text(layout.ANSWERS, 3, {"answer": said["answer"]})
    writer.close(layout.Outcome.FINISHED)
    assert writer.dropped() == {}
    with h5py.File(tmp_path / "run.h5") as file:
        assert file["/config/protocol"].asstr()[()] == said["protocol"]
        assert json.loads(file["/config/devices"].asstr()[()]) == {"HS": FEATURES}
        assert len(file["/config/clips"]) == 500
        assert file["/config/clips/clip7"].attrs["title"] == said["title"]
        armed, note = (_entry_of(file, "/log", index) for index in (0, 1))
        assert (armed["features"], note["text"]) == (FEATURES, said["note"])
        assert _entry_of(file, "/stimulus/answers", 0)["answer"] == said["answer"]


def _entry_of(file: h5py.File, path: str, index: int) -> dict[str, Any]:
    row = file[f"{path}/rows"][index]
    return dict(json.loads(file[f"{path}/text"][int(row["offset"]) :][: int(row["length"])].tobytes()))


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("2026-03-01_map.yaml", b"x" * ((1 << 20) + 1), "1048577 bytes are too many; up to 1048576"),
        ("2026-03-01_map.yaml", b"\xff\xfe", "is no UTF-8 text: invalid start byte at byte 0"),
        ("2026-03-01_geometry/result.yaml", b"a: \0", "is no text: it has a zero byte in it"),
    ],
)
def test_what_was_measured_and_cannot_be_kept_is_refused_before_anything_is_armed(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(content)
    path, protocol = write_rig(tmp_path), write_protocol(tmp_path, ("still", 1, "all"))
    with pytest.raises(ConfigError) as refused:
        record(tmp_path, path, protocol)
    assert str(refused.value).startswith(f"{tmp_path / name}: {problem}. Mend it")
    assert not list(tmp_path.glob("sessions/sub-001/*"))
    checked = check(str(path), str(protocol), out=tmp_path, with_devices=False)
    assert [str(problem) for problem in checked.problems] == [str(refused.value)]


def test_other_files_beside_the_rig_are_named_with_size_and_checksum(tmp_path: Path) -> None:
    """Pictures, tables and flat fields are too large to be kept, and say what was measured as much as texts do."""
    others = {
        "2026-03-01T101500Z_geometry/flat/HS.tiff": b"flat" * 500_000,
        "2026-03-01T101500Z_geometry/table.csv": b"a,b\n",
        "lens.png": b"\x89PNG",
        "notes.yaml": b"not: dated\n",
    }
    for name, held in {**others, **{name: text.encode() for name, text in MEASURED.items()}}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(held)
    (tmp_path / "another").mkdir()
    (tmp_path / "another/deep.png").write_bytes(b"of no rig")
    path = record(tmp_path, write_rig(tmp_path), write_protocol(tmp_path, ("still", 0.1, "all"))).path
    with h5py.File(path) as file:
        told = json.loads(file["/config/rig_files"].asstr()[()])
    found = {each["name"]: (each["bytes"], each["sha256"]) for each in told}
    expected = {name: (len(held), hashlib.sha256(held).hexdigest()) for name, held in others.items()}
    assert {name: found[name] for name in expected} == expected
    assert found.keys() - expected.keys() == {"still.yaml"}  # the protocol; neither rig.yaml nor what is kept as a text
