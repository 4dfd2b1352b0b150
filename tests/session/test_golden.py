"""Run files of version 1 as they were written once, kept for ever, are read as they were meant: by rig and by others.

They are made by tests/data/make_golden.py; what is in them lies beside them.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest

import rig
from rig.errors import SessionError
from rig.session.layout import Outcome
from rig.session.recover import Found, recover
from rig.streams import GapCause
from rig.verify.verdict import verify_run

FOLDER = Path(__file__).parents[1] / "data/session-v1"
PINNED = FOLDER.with_suffix(".sha256")  # by hand, see tests/README.md
ALL = [path.stem for path in sorted(FOLDER.glob("*.json"))]
NAMES = [name for name in ALL if name != "half_closed"]  # nobody can read that one until it is recovered
LEFT = [name for name in ALL if name.startswith("killed")]
Case = tuple[dict[str, Any], list[Path]]


@pytest.fixture
def unpacked(tmp_path: Path) -> Callable[[str], Case]:
    """What must be read of a case, and its files in a session's folder."""

    def unpack(name: str) -> Case:
        expected = json.loads((FOLDER / f"{name}.json").read_text())
        folder = tmp_path / "sub-001/ses-01"
        folder.mkdir(parents=True)
        for number, file in enumerate(expected["files"], 1):
            packed = FOLDER / f"{name}-{number}{Path(file).suffix}.gz"
            (folder / file).write_bytes(gzip.decompress(packed.read_bytes()))
        return expected, [folder / file for file in expected["files"]]

    return unpack


def crc_of(values: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(values).tobytes())


def test_there_is_a_file_for_each_way_in_which_one_may_have_ended_and_not_much_of_them() -> None:
    ways = {"closed", "lossy", "colour", "compressed", "two_files", "recovered", "half_closed"}
    assert ways | {"killed", "killed_compressed"} <= set(ALL)
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 2_500_000


def test_no_byte_of_a_golden_file_is_another_than_when_it_was_pinned() -> None:
    pinned = dict(reversed(line.split("  ")) for line in PINNED.read_text().splitlines())
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FOLDER.iterdir()} == pinned


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_file_is_read_as_it_was_meant(name: str, unpacked: Callable[[str], Case]) -> None:
    expected, files = unpacked(name)
    assert_read(files, expected)


def assert_read(files: list[Path], expected: dict[str, Any], *, outcome: str = "", more_gaps: int = 0) -> None:
    """The files of a run are read as told; `more_gaps` at most behind those told."""
    with rig.open(files[0].parent) as session:
        (run,) = session.runs
        assert (session.unreadable, len(run.files)) == ([], len(files))
        assert run.outcome is Outcome(outcome or expected["outcome"])
        assert (len(run.pulses), len(run.flips)) == (expected["pulses"], expected["flips"])
        for stream, said in expected["streams"].items():
            found = session.streams[stream]
            pictures = found.data[:]
            assert list(pictures.shape) == said["shape"]
            assert crc_of(pictures) == said["pictures"]
            assert crc_of(found.pulse_numbers) == said["pulse_numbers"]
            gaps = [[int(gap[key]) for key in ("first_pulse", "last_pulse", "cause")] for gap in found.gaps]
            assert (gaps[: len(said["gaps"])], len(found.extras)) == (said["gaps"], said["extras"])
            assert {GapCause(cause) for *_, cause in gaps[len(said["gaps"]) :]} <= {GapCause.RECORDER_ENDED}
            assert len(gaps) <= len(said["gaps"]) + more_gaps
            assert found.grey(0).shape == (found.height, found.width)


@pytest.mark.parametrize("name", LEFT)
def test_a_golden_file_that_a_crash_left_is_recovered_whole(name: str, unpacked: Callable[[str], Case]) -> None:
    """Every frame that was in it stays, and no hole is told but at the end."""
    expected, files = unpacked(name)
    (done,), errors = recover(files[0].parent)
    assert (done.found, done.lost, errors) == (Found.RECOVERED, 0, [])
    assert {stream: kept.frames for stream, kept in done.streams.items()} == {
        stream: said["frames"] for stream, said in expected["streams"].items()
    }
    assert_read(files, expected, outcome="recovered", more_gaps=1)


def test_a_golden_close_that_had_broken_off_is_finished(unpacked: Callable[[str], Case]) -> None:
    expected, (path, beside) = unpacked("half_closed")
    with pytest.raises(SessionError, match="is half closed"):
        rig.open(path)
    (done,), errors = recover(path.parent)
    assert (done.found, errors, beside.exists()) == (Found.CLOSE_FINISHED, [], False)
    assert_read([path], expected)
    assert_judged([path], expected)


@pytest.mark.parametrize("name", NAMES)
def test_verify_says_of_a_golden_file_what_it_said(name: str, unpacked: Callable[[str], Case]) -> None:
    expected, files = unpacked(name)
    assert_judged(files, expected)


def assert_judged(files: list[Path], expected: dict[str, Any]) -> None:
    with rig.open(files[0].parent) as session:
        verdict = verify_run(session.runs[0])
    for check, words in expected["words"].items():
        found = [finding for finding in verdict.findings if finding.check == check]
        assert sorted({str(finding.word) for finding in found}) == words, (check, found)
    # They were made before skew was required, which nothing in them tells; else they lack what they lacked.
    lacks_skew_alone = verdict.summary == "NOT complete: required but not measured: skew"
    assert (verdict.is_complete or lacks_skew_alone) is expected["complete"]


@pytest.mark.parametrize("name", NAMES)
def test_plain_h5py_reads_the_same(name: str, unpacked: Callable[[str], Case]) -> None:
    expected, files = unpacked(name)
    for stream, said in expected["streams"].items():
        frames, pictures = [], []
        for path in files:
            with h5py.File(path) as file:
                rows = file[f"/acquisition/{stream}/frames"][:]
                rows = rows[: int((rows["seq"] == np.arange(1, len(rows) + 1)).cumprod().sum())]
                frames.append(rows)
                pictures.append(file[f"/acquisition/{stream}/data"][: len(rows)])
        assert crc_of(np.concatenate(frames)["checksum"]) == said["checksums"]
        assert not expected["plain"] or crc_of(np.concatenate(pictures)) == said["pictures"]


@pytest.mark.parametrize("name", NAMES)
def test_h5dump_shows_outcome_shape_and_rows(name: str, unpacked: Callable[[str], Case]) -> None:
    expected, files = unpacked(name)

    def h5dump(*options: str) -> str:
        return subprocess.run(["h5dump", *options, str(files[0])], capture_output=True, text=True, check=True).stdout

    assert f'"{expected["outcome"]}' in h5dump("-a", "/outcome")
    height, width = expected["streams"]["HS"]["shape"][1:] if name != "colour" else (0, 0)
    header = " ".join(h5dump("-H", "-d", "/acquisition/HS/data").split())
    assert name == "colour" or re.search(rf"\( \d+, {height}, {width} \)", header), header
    first = " ".join(h5dump("-d", "/acquisition/pulses", "-s", "1", "-c", "1").split())
    assert re.search(r"\(1\): \{ 2, \d+, 1, 1, \d+, \d+ \}", first), first
    assert "PICTURES AND PULSES" in h5dump("-d", "/README")


def test_h5dump_reads_compressed_pictures_with_the_plugin_of_the_filter(unpacked: Callable[[str], Case]) -> None:
    _, (path,) = unpacked("compressed")
    options = ["-d", "/acquisition/HS/data", "-s", "5,30,0", "-c", "1,1,96", "-w", "0"]
    environment = os.environ | {"HDF5_PLUGIN_PATH": hdf5plugin.PLUGIN_PATH}
    command = ["h5dump", *options, str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    row = re.search(r"\(5,30,0\): (.*)", said)
    assert row is not None, said
    with h5py.File(path) as file:
        assert [int(value) for value in row[1].split(",")] == file["/acquisition/HS/data"][5, 30].tolist()
