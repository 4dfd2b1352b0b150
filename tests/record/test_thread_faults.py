"""A fault in any thread of a recording leaves a good file, exit code 1, and the name of who failed.

The run ends in order, but when a camera is all that failed: the others go on to the end of the protocol.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import h5py
import pytest
from click.testing import Result
from typer.testing import CliRunner

import rig
from rig import host
from rig.cli import record as command
from rig.cli.app import app
from rig.record import packers, threads
from rig.record.recording import Recording, Status
from rig.record.run import Run
from rig.record.storage import Storage
from rig.session import layout
from rig.session.files import RunFiles
from rig.sim.camera import SimulatedCamera
from tests.rigs import write_protocol, write_rig

ROWS = 10  # of frames of each stream: there is something to be kept
PLANTED = "planted: 7 is no place"


class Plant:
    """Once the file has been given ROWS of each stream, one call of a function raises what nobody foresaw."""

    def __init__(self, monkeypatch) -> None:
        self.monkeypatch = monkeypatch
        self.is_due, self.has_struck = threading.Event(), threading.Event()
        append, rows = RunFiles.append, dict.fromkeys(map(layout.frames_path, ("HS", "VIS", "NIR")), 0)

        def counted(files, path, row):
            append(files, path, row)
            rows[path] = rows.get(path, 0) + 1
            if min(rows[stream] for stream in streams) >= ROWS:
                self.is_due.set()

        streams = tuple(rows)
        monkeypatch.setattr(RunFiles, "append", counted)

    def into(self, owner: object, name: str, *, when: Callable[..., bool] = lambda *_: True) -> None:
        """Replace a function of a module or class by itself and the fault."""
        original = getattr(owner, name)

        def faulty(*args, **kwargs):
            if self.is_due.is_set() and not self.has_struck.is_set() and when(*args):
                self.has_struck.set()
                raise IndexError(PLANTED)
            return original(*args, **kwargs)

        self.monkeypatch.setattr(owner, name, faulty)


def camera(name: str) -> Callable[[Plant], None]:
    return lambda plant: plant.into(SimulatedCamera, "grab", when=lambda camera, _: camera.name == name)


def successor(plant: Plant) -> None:
    """It works only when the next file of the run is wanted."""
    wanted = iter([True])
    plant.monkeypatch.setattr(RunFiles, "ask_next", lambda _: plant.is_due.is_set() and next(wanted, False))
    plant.into(RunFiles, "arm_next")


# Who is named, how the run ends, and where the fault is planted.
THREADS: dict[str, tuple[str, str, Callable[[Plant], None]]] = {
    "camera HS": ("HS", "device_lost", camera("HS")),
    "camera VIS": ("VIS", "device_lost", camera("VIS")),
    "box": ("box", "device_lost", lambda plant: plant.into(threads._BoxWorker, "turn")),
    "screen": ("screen", "device_lost", lambda plant: plant.into(threads._ScreenWorker, "turn")),
    "ticker": ("recorder", "failed", lambda plant: plant.into(threads.Tick, "__init__")),
    "writer": ("recorder", "failed", lambda plant: plant.into(Storage, "do")),
    "syncer": ("recorder", "failed", lambda plant: plant.into(host, "sync_data")),
    "successor": ("disk", "failed", successor),
    "packer": ("recorder", "failed", lambda plant: plant.into(packers.packing, "pack")),
}


def recorded(folder: Path, monkeypatch) -> Result:
    """`rig record` in this process, in real time, HS compressed, stopped when a fault is told; else it ends itself."""
    operator: list[Recording] = []  # signals are this test's own
    monkeypatch.setattr(command, "_ended_by_signals", lambda recording: nullcontext(operator.append(recording)))
    spelled = command._spelled

    def watched(status: Status) -> str:
        if operator and any("fault of this program" in alarm for alarm in status.alarms):
            operator.pop().stop()
        return spelled(status)

    monkeypatch.setattr(command, "_spelled", watched)
    own = write_rig(folder)
    own.write_text(own.read_text().replace("SIM-HS,", "SIM-HS, compression: bitshuffle-lz4,"))
    protocol = write_protocol(folder, ("still", 600, "all"))
    arguments = ["record", protocol, "--rig", own, "--subject", "001", "--out", folder / "sessions"]
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def kept(folder: Path) -> tuple[str, dict[str, int], list[dict]]:
    """Of the run file, by plain h5py and by rig.open, which compares checksums: outcome, frames read, log."""
    (path,) = folder.rglob("*run-01_session.h5")
    with h5py.File(path) as run, rig.open(path) as session:
        rows, text = run["/log/rows"][:], bytes(run["/log/text"][:])
        log = [json.loads(text[r["offset"] :][: r["length"]]) for r in rows]
        frames = {name: len([own.data[i] for i in range(len(own.frames))]) for name, own in session.streams.items()}
        return str(run.attrs["outcome"]), frames, log


@pytest.mark.parametrize("thread", THREADS)
def test_a_fault_in_a_thread_leaves_a_good_file_ends_with_1_and_names_who_failed(tmp_path, monkeypatch, thread):
    named, outcome, put = THREADS[thread]
    plant = Plant(monkeypatch)
    put(plant)
    result = recorded(tmp_path, monkeypatch)
    assert plant.has_struck.is_set()
    assert result.exit_code == 1, result.output
    told = [line for line in result.output.splitlines() if line.startswith("ALARM")]
    assert any(line.startswith(f"ALARM   {named}: ") and "fault of this program" in line for line in told), told
    assert PLANTED not in result.output  # raw words of an exception are for the log
    assert f"outcome: {outcome}" in result.output
    stored, frames, log = kept(tmp_path)
    assert stored == outcome
    assert min(frames.values()) >= ROWS, frames
    assert any(PLANTED in entry.get("cause", "") for entry in log), log


def test_a_fault_in_the_core_itself_closes_the_file_as_failed(tmp_path, monkeypatch):
    plant = Plant(monkeypatch)
    plant.into(Run, "step")
    result = recorded(tmp_path, monkeypatch)
    assert isinstance(result.exception, IndexError)
    assert result.exit_code == 1
    stored, frames, _ = kept(tmp_path)
    assert stored == "failed"
    assert min(frames.values()) >= ROWS, frames
