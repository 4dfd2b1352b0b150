"""Disk and cores are compared with what the cameras give; what was measured says what is needed."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from rig import host
from rig.check import disk
from rig.check.disk import Packed, Speeds, disk_speed, judge, load
from rig.check.preflight import check
from rig.clock import NS
from rig.config.rig import Rig, read_rig
from rig.errors import StorageError
from tests import commands
from tests.record.test_compressed import compressing
from tests.rigs import write_rig

# 1920x1080: 207 MB/s of HS, 52 of VIS and of NIR
QUICK = {"HS": Packed(600, 1.5), "VIS": Packed(600, 1.5), "NIR": Packed(600, 1.5)}
FULL_HD = 1920 * 1080


def full_hd(folder: Path, *compressed: str) -> Rig:
    path = write_rig(folder)
    path.write_text(path.read_text().replace("width: 96, height: 64", "width: 1920, height: 1080"))
    return read_rig(compressing(path, *compressed)).rig


def told(rig: Rig, disk_mb_s: float, packed: dict[str, Packed] | None = None) -> tuple[list[str], list[str]]:
    """Warnings and problems."""
    judged = judge(rig, Speeds(disk_mb_s * 1e6, packed or QUICK), "rig.yaml")
    return list(judged.warnings), [str(problem) for problem in judged.problems]


def test_what_the_cameras_give_is_counted_from_the_rig(tmp_path):
    rig = full_hd(tmp_path)
    assert load(rig, None, ()).bytes_s == FULL_HD * (100 + 25 + 25)
    some = load(rig, Speeds(1, QUICK), ("HS",))
    assert some.bytes_s == pytest.approx(FULL_HD * (100 / 1.5 + 50))
    assert some.busy == pytest.approx(100 / 600)


def test_a_disk_that_is_quick_enough_needs_no_compression(tmp_path):
    assert told(full_hd(tmp_path), 400) == ([], [])


def test_a_slow_disk_is_a_problem_that_names_the_fewest_streams_to_compress(tmp_path):
    warnings, problems = told(full_hd(tmp_path), 305)
    assert warnings == []
    assert problems == [
        "rig.yaml: 311 MB/s is too much for the disk; at most 305 MB/s, which it takes. "
        "Compression is enough, by 17% of all cores: cameras.HS.compression: bitshuffle-lz4"
    ]
    _, (problem,) = told(full_hd(tmp_path), 265)
    assert problem.endswith(
        "Compression is enough, by 25% of all cores: cameras.HS.compression: bitshuffle-lz4, "
        "cameras.VIS.compression: bitshuffle-lz4, cameras.NIR.compression: bitshuffle-lz4"
    )


def test_with_these_streams_compressed_it_fits(tmp_path):
    assert told(full_hd(tmp_path, "HS"), 305) == ([], [])
    assert told(full_hd(tmp_path, "HS", "VIS", "NIR"), 265) == ([], [])


def test_a_disk_with_little_to_spare_is_warned_of(tmp_path):
    (warning,), problems = told(full_hd(tmp_path), 350)
    assert problems == []
    assert warning.startswith("the disk has little to spare: the disk takes 350 MB/s, the cameras give 311 MB/s. Compr")


def test_a_disk_too_slow_for_everything_is_a_problem_without_that_help(tmp_path):
    _, (problem,) = told(full_hd(tmp_path, "HS", "VIS", "NIR"), 150)
    assert "207 MB/s is too much for the disk; at most 150 MB/s" in problem
    assert problem.endswith("Compression is not enough: use a quicker disk, fewer pixels or fewer frames")


def test_a_computer_too_slow_to_compress_is_a_problem(tmp_path):
    slow = {name: Packed(200, 1.5) for name in QUICK}
    _, (problem,) = told(full_hd(tmp_path, "HS", "VIS", "NIR"), 1000, slow)
    assert problem.startswith("rig.yaml: 75% of all cores is too much for compression; at most 50%")
    assert "cameras." not in told(full_hd(tmp_path), 265, slow)[1][0]


class PacedDisk:
    """A disk that takes so many bytes a second, in virtual time, and what it was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, bytes_s: float) -> None:
        self.bytes_s, self.time_ns, self.written, self.syncs = bytes_s, 0, 0, 0
        monkeypatch.setattr(host, "write_at", self._write)
        monkeypatch.setattr(host, "sync_data", self._sync)

    def _write(self, _fd: int, data: bytes, _offset: int) -> None:
        self.written += len(data)
        self.time_ns += round(len(data) / self.bytes_s * NS)

    def _sync(self, _fd: int) -> None:
        self.syncs += 1

    def now_ns(self) -> int:
        return self.time_ns

    def sleep_until(self, host_ns: int) -> None:
        raise AssertionError(host_ns)


@pytest.mark.parametrize("bytes_s", [20e6, 300e6, 4e9])
def test_the_speed_of_the_disk_is_that_of_what_was_written_and_synced_and_nothing_stays(tmp_path, monkeypatch, bytes_s):
    paced = PacedDisk(monkeypatch, bytes_s)
    assert disk_speed(tmp_path, paced) == pytest.approx(bytes_s, rel=1e-3)
    assert paced.time_ns < 3 * NS
    assert paced.syncs >= paced.time_ns // NS
    assert paced.written <= disk.MOST_BYTES
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_refuses_is_named_and_nothing_stays(tmp_path, monkeypatch):
    def refuse(_fd: int, _data: bytes, _offset: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(host, "write_at", refuse)
    with pytest.raises(StorageError, match="refused a write: Input/output error"):
        disk_speed(tmp_path, disk.HostClock())
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_nearly_full_is_not_filled_up(tmp_path, monkeypatch):
    assert disk.too_full(tmp_path) == ""
    monkeypatch.setattr(host, "free_bytes", lambda _folder: 200 << 20)
    assert "is too full to be measured" in disk.too_full(tmp_path)


def test_a_second_look_is_taken_before_a_disk_counts_as_slow(tmp_path, monkeypatch):
    speeds = iter([200e6, 500e6])
    monkeypatch.setattr(disk, "disk_speed", lambda _folder, _clock: next(speeds))
    monkeypatch.setattr(disk, "_packed", lambda *_: Packed(600, 1.5))
    assert disk.measure(tmp_path, full_hd(tmp_path)).disk_bytes_s == 500e6


def test_packing_is_measured_on_pictures_that_compress_like_a_cameras(tmp_path):
    rig = read_rig(write_rig(tmp_path)).rig
    packed = disk._packed(*disk._shape(rig, "HS"), disk.HostClock())
    assert packed.per_s > 0
    assert 1.2 < packed.ratio < 2


def test_the_preflight_measures_only_when_asked_to_and_tells_with_all_else(tmp_path):
    rig, asked = write_rig(tmp_path), []

    def slow(folder: Path, of: Rig) -> Speeds:
        asked.append((folder, of.name))
        return Speeds(1e5, QUICK)

    assert check(str(rig), None, tmp_path / "sessions", with_devices=False).problems == []
    assert asked == []
    found = check(str(rig), None, tmp_path / "sessions", with_devices=False, measure=slow)
    assert asked == [(tmp_path, "small")]
    (problem,) = found.problems
    assert str(problem).startswith(f"{rig}: 1 MB/s is too much for the disk")


def test_the_command_says_it_also_as_json(tmp_path):
    rig, common = write_rig(tmp_path), ("--out", tmp_path / "s", "--no-devices", "--json")
    said = commands.run("check", "--rig", rig, *common, "--no-speed", cwd=tmp_path)
    assert json.loads(said.stdout)["speeds"] is None
    said = commands.run("check", "--rig", rig, *common, cwd=tmp_path)
    told = json.loads(said.stdout)
    assert told["speeds"]["disk_bytes_s"] > 0
    assert told["speeds"]["packed"].keys() == {"HS", "VIS", "NIR"}
    assert "the cameras give 1 MB/s" in told["load"]
    assert list(tmp_path.iterdir()) == [rig]
