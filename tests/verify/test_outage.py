"""How long nothing was recorded before a run that goes on with another: by the host clock, across a restart by UTC."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import h5py
import pytest

from rig.clock import NS
from rig.session.run import Run
from rig.verify.file.outage import check_outage
from rig.verify.findings import Word
from tests.handmade import HOST_0, Plan, make_run

BEGAN = datetime.fromisoformat("2026-03-01T10:00:00+00:00")


def cut_and_resumed(folder: Path, utc: str, host_0: int) -> tuple[Path, Path]:
    """A run that was cut, and one that goes on with it, whose header bears this date and reading of the host clock."""
    cut = Plan(body_groups=2, steps_open={2}, created_utc=BEGAN.isoformat(), outcome="device_lost")
    paths = make_run(folder, cut), make_run(folder, Plan(body_groups=2, run=2, host_0=host_0, created_utc=utc))
    paths[1].chmod(0o600)
    with h5py.File(paths[1], "r+") as file:
        file.attrs["resumes"] = 1
    return paths


def arrived_ns(path: Path) -> list[int]:
    """When the frames of a run arrived, host ns, in no order."""
    with h5py.File(path) as file:
        return [ns for name in file["acquisition"] if f"acquisition/{name}/frames" in file
                for ns in file[f"acquisition/{name}/frames"]["arrived_host_ns"].tolist()]  # fmt: skip


def told(path: Path) -> str:
    with Run(path) as run:
        (finding,) = check_outage(run)
    assert (finding.check, finding.word) == ("ending", Word.WARN)
    return finding.text


@pytest.mark.parametrize("host_0", [NS, HOST_0 + 900 * NS])
def test_a_restart_sets_the_host_clock_anew_and_utc_tells(tmp_path: Path, host_0: int) -> None:
    """Back to a second, or to what no clock that went on would show: 800 s too much."""
    cut, resumed = cut_and_resumed(tmp_path, (BEGAN + timedelta(seconds=100.25)).isoformat(), host_0)
    outage_s = 100.25 - (max(arrived_ns(cut)) - HOST_0) / NS + (min(arrived_ns(resumed)) - host_0) / NS
    assert f"no frame for {outage_s:.3f} s, from the last of run 1 to the first of run 2" in told(resumed)


def test_within_one_boot_the_host_clock_tells_whatever_a_time_service_has_stepped(tmp_path: Path) -> None:
    utc = (BEGAN + timedelta(seconds=104)).isoformat()
    cut, resumed = cut_and_resumed(tmp_path, utc, HOST_0 + 100 * NS)
    outage_s = (min(arrived_ns(resumed)) - max(arrived_ns(cut))) / NS
    assert f"no frame for {outage_s:.3f} s" in told(resumed)


def test_what_no_clock_tells_is_said_so(tmp_path: Path) -> None:
    """In virtual time both begin at the same reading, and at nearly the same date."""
    _, resumed = cut_and_resumed(tmp_path, (BEGAN + timedelta(seconds=1)).isoformat(), HOST_0)
    assert "cannot be told: their clocks cannot be compared" in told(resumed)


def test_a_run_that_is_not_there_is_said_so_and_one_that_resumes_none_has_no_outage(tmp_path: Path) -> None:
    cut, resumed = cut_and_resumed(tmp_path, BEGAN.isoformat(), HOST_0 + 100 * NS)
    with Run(cut) as run:
        assert check_outage(run) == []
    cut.unlink()
    assert "goes on with run 1, which cannot be read: " in told(resumed)
