"""When a sync begins, what it acknowledges up to the close, and what is said of it."""

from __future__ import annotations

import errno
import re
import threading
from pathlib import Path

import h5py
import pytest
from typer.testing import CliRunner

from rig import host
from rig.cli.app import app
from rig.clock import NS
from rig.record.messages import AppendRow, CloseFile, Event, Synced
from rig.record.storage import FLUSH_NS, Storage, StorageThreads
from rig.record.telemetry import Telemetry
from rig.session.layout import Outcome
from tests.rigs import record, write_protocol, write_rig
from tests.waiting import wait_for

ENDS_WITHIN_S = 30
STREAMS = ("HS", "VIS", "NIR")


class HandClock:
    """Stands until it is told what time it is; whoever waits for a time looks again after a moment."""

    def __init__(self) -> None:
        self.time_ns = 0

    def now_ns(self) -> int:
        return self.time_ns

    def sleep_until(self, host_ns: int) -> None:
        raise AssertionError(f"nobody sleeps here, until {host_ns}")


class HandDisk:
    """Stands for the files of a run: each sync waits until it is let go, and each flush is counted."""

    path = Path("run.h5")

    def __init__(self) -> None:
        self.flushes, self.syncs, self.let_go = 0, 0, threading.Semaphore(0)

    def append(self, path: str, row: tuple) -> None:
        pass

    def flush(self) -> None:
        self.flushes += 1

    def sync(self) -> None:
        self.syncs += 1
        assert self.let_go.acquire(timeout=ENDS_WITHIN_S)

    def take_unsynced(self) -> tuple[HandDisk]:
        return (self,)

    def ask_next(self) -> bool:
        return False

    def dropped(self) -> dict[str, int]:
        return {}

    def close(self, outcome: Outcome) -> None:
        assert outcome is Outcome.FINISHED


def test_what_came_during_a_slow_sync_is_synced_when_that_returns_and_not_at_the_flush_after_it():
    """Each sync takes 0.3 s and the clock stands at 0.55 s; the next flush by time would be at 0.75 s."""
    clock, disk, told = HandClock(), HandDisk(), list[Event]()
    storage = Storage(disk, lambda _: None, Telemetry(clock, {}, lambda: -1))
    threads = StorageThreads(storage, clock, told.append)
    threads.start()
    try:
        clock.time_ns = FLUSH_NS
        wait_for(lambda: disk.syncs == 1)
        threads.do(AppendRow("frames", (), FLUSH_NS + NS // 100))
        threads.hand_over()
        clock.time_ns = 2 * FLUSH_NS
        wait_for(lambda: disk.flushes == 2)
        clock.time_ns = 55 * NS // 100
        disk.let_go.release()
        wait_for(lambda: disk.syncs == 2)
    finally:
        disk.let_go.release(9)
        threads.do(CloseFile(Outcome.FINISHED))
        threads.join()
    (synced,) = (event for event in told if isinstance(event, Synced))
    assert (synced.frames, synced.oldest_arrived_host_ns) == (1, FLUSH_NS + NS // 100)
    assert synced.started_host_ns == 55 * NS // 100


@pytest.mark.parametrize("speed", ["real", "max"])
def test_every_frame_of_a_closed_run_is_in_a_row_about_a_sync_and_the_slowest_is_told_when_it_is_real(tmp_path, speed):
    files = write_protocol(tmp_path, ("still", 0.5, "all")), write_rig(tmp_path)
    arguments = ["record", files[0], "--rig", files[1], "--subject", "001", "--out", tmp_path / "out", "--speed", speed]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    (path,) = tmp_path.rglob("*_session.h5")
    with h5py.File(path) as run:
        syncs = run["/telemetry/syncs"][:]
        rows = [run[f"/{of}/{stream}/frames"][:] for of in ("acquisition", "line_walk") for stream in STREAMS]
    assert syncs["frames"].sum() == sum(len(frames) for frames in rows)
    last_ns = max(frames["arrived_host_ns"].max() for frames in rows)
    assert syncs["oldest_arrived_host_ns"].max() <= last_ns <= syncs["started_host_ns"].max()
    slowest_ns = (syncs["returned_host_ns"] - syncs["oldest_arrived_host_ns"]).max()
    told = re.findall(r"on disk: every frame at latest (\d+) ms after it arrived", result.output)
    assert told == ([f"{slowest_ns / 1e6:.0f}"] if speed == "real" else [])  # virtual time says nothing of the disk


def test_a_sync_that_fails_when_the_run_is_over_makes_its_end_a_failed_close(tmp_path, monkeypatch):
    close, sync_data, is_closing = Storage.close, host.sync_data, [False]

    def closed(self, *of):
        is_closing[0] = True
        close(self, *of)

    def refused(fd):
        if is_closing.pop():
            is_closing.append(False)
            raise OSError(errno.EIO, "Input/output error")
        is_closing.append(False)
        sync_data(fd)

    monkeypatch.setattr(Storage, "close", closed)
    monkeypatch.setattr(host, "sync_data", refused)
    recorded = record(tmp_path, write_rig(tmp_path), write_protocol(tmp_path, ("still", 1, "all")))
    assert (recorded.outcome, recorded.slowest_ms) == (Outcome.CLOSE_FAILED, None)
    assert recorded.alarms[-1].endswith("was not written: Input/output error")
    with h5py.File(recorded.path) as run:
        assert run.attrs["outcome"] == "close_failed"


def test_so_does_one_that_was_under_way_when_the_core_had_ended(tmp_path, monkeypatch):
    """Nobody hears of it: the core is over. The frames of it are not acknowledged, and the outcome tells."""
    closing, end, failed = threading.Event(), StorageThreads._close, []
    sync_data = host.sync_data

    def ended(self, action):
        closing.set()
        end(self, action)

    def refused(fd):
        if threading.current_thread().name == "syncer" and not failed:
            failed.append(fd)
            assert closing.wait(ENDS_WITHIN_S)
            raise OSError(errno.EIO, "Input/output error")
        sync_data(fd)

    monkeypatch.setattr(StorageThreads, "_close", ended)
    monkeypatch.setattr(host, "sync_data", refused)
    recorded = record(tmp_path, write_rig(tmp_path), write_protocol(tmp_path, ("still", 1, "all")), virtual=False)
    assert failed
    assert (recorded.outcome, recorded.slowest_ms) == (Outcome.CLOSE_FAILED, None)
