"""However a recording ends, in real time and in processes of their own, the file is good and says how it ended."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np
import pytest

import rig
from tests import commands
from tests.burnt_in import burnt_in_number
from tests.rigs import write_protocol, write_rig

STREAMS = {"HS": 1, "VIS": 4, "NIR": 4}
ENDS_WITHIN_S = 30
PULSES_S = 100
TOLD = 50


@pytest.fixture
def recorder(tmp_path):
    """A recording that has told of more than TOLD frames of HS; given back as (process, folder of the session)."""
    files = write_protocol(tmp_path, ("long", 60, "all")), write_rig(tmp_path)
    with commands.started("record", files[0], "--rig", files[1], "--subject", "001", cwd=tmp_path) as process:
        assert process.stdout is not None
        while _frames_told(line := process.stdout.readline()).get("HS", 0) <= TOLD:
            assert line, process.stderr and process.stderr.read()
        yield process, tmp_path / "sessions/sub-001/ses-01"
        process.kill()


def _children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _run_file(folder: Path) -> Path:
    (path,) = folder.glob("*_session.h5")
    return path


def _frame_rows(run: h5py.File, stream: str) -> np.ndarray:
    """Rows that were written: in an unclosed file the table has its planned length, and zeros at its end."""
    rows = run[f"/acquisition/{stream}/frames"][:]
    return rows[: np.argmin(rows["seq"])] if (rows["seq"] == 0).any() else rows


@pytest.mark.parametrize("moment", range(2))
def test_kill_at_a_random_moment_loses_at_most_the_last_second(recorder, moment):
    process, folder = recorder
    time.sleep(random.Random(moment).uniform(0.2, 2.5))
    children = _children(process.pid)
    process.kill()
    told = _frames_told(process.communicate()[0])

    path = _run_file(folder)
    with h5py.File(path) as run, rig.open(folder) as session:
        assert run.attrs["outcome"] == "incomplete"
        for stream, divisor in STREAMS.items():
            rows = _frame_rows(run, stream)
            assert len(rows) >= told.get(stream, 0) - PULSES_S // divisor  # of frames that it had said it had
            own = session.streams[stream]
            assert len(own.frames) == len(rows)
            assert own.data[len(rows) - 1].shape == (64, 96)  # reading it checks its checksum
    assert commands.run("info", folder, cwd=folder).returncode == 0
    judged = commands.run("verify", folder, cwd=folder)
    assert judged.returncode == 1
    assert "incomplete" in judged.stdout
    _are_gone(children)


def _frames_told(printed: str) -> dict[str, int]:
    """By stream, how many frames the last status line tells of."""
    return {stream: int(frames) for stream, frames in re.findall(r"(\w+) (\d+) lost", printed)}


def _are_gone(children: list[int]) -> None:
    until = time.monotonic() + ENDS_WITHIN_S
    while any(map(_is_alive, children)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [pid for pid in children if _is_alive(pid)]


def test_ctrl_c_once_ends_in_order(recorder):
    process, folder = recorder
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=commands.ENDS_WITHIN_S)
    assert process.returncode == 0, err
    assert "outcome: stopped" in out
    with h5py.File(_run_file(folder)) as run:
        assert run.attrs["outcome"] == "stopped"
        pulses = run["/acquisition/pulses"]["pulse_number"]
        assert len(pulses) % 4 == 0  # the last group is whole
        for stream, step in STREAMS.items():
            frames = run[f"/acquisition/{stream}/frames"]["pulse_number"]
            assert frames.tolist() == list(range(0, len(pulses), step))


def test_ctrl_c_twice_ends_at_once_with_a_good_file(recorder):
    process, folder = recorder
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=commands.ENDS_WITHIN_S)
    assert process.returncode == 0, err
    assert "outcome: stopped" in out
    with rig.open(folder) as session:
        assert len(session.streams["HS"].frames) > TOLD
    assert "lost or told lost, not both" not in commands.run("verify", folder, cwd=folder).stdout
    assert oct(_run_file(folder).stat().st_mode)[-3:] == "400"


@pytest.mark.parametrize("after_s", [0.1, 0.3])
def test_a_second_ctrl_c_in_the_postamble_leaves_no_frame_with_a_wrong_pulse(recorder, after_s):
    process, folder = recorder
    process.send_signal(signal.SIGINT)
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=commands.ENDS_WITHIN_S)
    with h5py.File(_run_file(folder)) as run:
        for stream in STREAMS:
            rows, data = run[f"/acquisition/{stream}/frames"][:], run[f"/acquisition/{stream}/data"]
            burnt = np.array([burnt_in_number(picture) for picture in data])
            claimed = rows["pulse_number"]
            np.testing.assert_array_equal(claimed[claimed >= 0], burnt[: len(rows)][claimed >= 0])
            assert (claimed < 0).sum() <= 12  # those of a postamble whose place nobody could tell
            # Pulses that the box had told of and that have no frame any more; none of a frame that is there.
            assert (run[f"/acquisition/{stream}/gaps"]["first_pulse"] > claimed.max()).all()


@pytest.mark.parametrize(("speed", "times"), [("real", 2), ("max", 1)])
def test_ctrl_c_while_the_file_is_put_in_order_changes_nothing(tmp_path, speed, times):
    files = write_protocol(tmp_path, ("short", 0.1, "all")), write_rig(tmp_path)
    arguments = ["record", files[0], "--rig", files[1], "--subject", "001", "--speed", speed]
    command = [
        sys.executable,
        "-m",
        "tests.interrupted",
        str(times),
        *map(str, arguments),
        "--out",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=commands.ENDS_WITHIN_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "outcome: finished" in done.stdout
    folder = tmp_path / "out/sub-001/ses-01"
    assert oct(_run_file(folder).stat().st_mode)[-3:] == "400"
    with rig.open(folder) as session:
        assert str(session.runs[0].outcome) == "finished"
        assert len(session.streams["HS"].frames) == len(session.pulses)
    assert not list(folder.glob("*.journal*"))


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_polite_kill_or_a_closed_terminal_ends_in_order_however_often_it_is_told(recorder, name):
    process, folder = recorder
    for _ in range(3):
        process.send_signal(getattr(signal, name))
        time.sleep(0.05)
    out, _ = process.communicate(timeout=commands.ENDS_WITHIN_S)
    assert process.returncode == 0
    assert "outcome: stopped" in out
    with rig.open(folder) as session:
        said = [entry.get("text", "") for entry in session.log]
        assert len(session.streams["HS"].frames) == len(session.pulses)
    assert said.count("stopped by the operator") == 1
    assert "aborted by the operator" not in said


def test_a_dead_world_is_named_and_what_came_before_is_kept(recorder):
    process, folder = recorder
    (world,) = _children(process.pid)
    os.kill(world, signal.SIGKILL)
    out, err = process.communicate(timeout=commands.ENDS_WITHIN_S)
    assert process.returncode == 1, err
    assert "outcome: device_lost" in out
    assert "ALARM" in out
    assert "HS" in out
    with rig.open(folder) as session:
        assert len(session.streams["HS"].frames) > TOLD
        assert str(session.runs[0].outcome) == "device_lost"


def test_stopped_before_anything_was_recorded_it_keeps_no_number(tmp_path):
    files = write_protocol(tmp_path, ("long", 60, "all")), write_rig(tmp_path)
    with commands.started("record", files[0], "--rig", files[1], "--subject", "001", cwd=tmp_path) as process:
        assert process.stdout is not None
        assert "arming" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=commands.ENDS_WITHIN_S)
    assert not list((tmp_path / "sessions/sub-001").glob("ses-*"))


def test_the_logs_of_a_recording_that_failed_lie_beside_it(recorder):
    process, folder = recorder
    (world,) = _children(process.pid)
    os.kill(world, signal.SIGKILL)
    process.communicate(timeout=commands.ENDS_WITHIN_S)
    assert len(list(folder.glob("*_world.log"))) == 1


def test_of_recorders_of_one_subject_one_records_and_the_others_name_it(tmp_path):
    files = write_protocol(tmp_path, ("short", 1, "all")), write_rig(tmp_path)
    arguments = ("record", files[0], "--rig", files[1], "--subject", "001", "--speed", "max")
    with ExitStack() as started:
        racers = [started.enter_context(commands.started(*arguments, cwd=tmp_path)) for _ in range(4)]
        ends = [racer.communicate(timeout=commands.ENDS_WITHIN_S) for racer in racers]
    codes = [racer.returncode for racer in racers]
    assert 0 in codes, ends
    for code, (_, said) in zip(codes, ends, strict=True):
        assert code == 0 or (code == 2 and "is being recorded as session" in said), (code, said)
    sessions = sorted(p.name for p in (tmp_path / "sessions/sub-001").iterdir())
    assert sessions == [f"ses-{n:02d}" for n in range(1, 1 + codes.count(0))]


def test_a_stopped_reader_of_the_output_does_not_stop_the_recording(tmp_path):
    """A closed pipe behind the status lines must not cost the session."""
    files = write_protocol(tmp_path, ("short", 2, "all")), write_rig(tmp_path)
    with commands.started("record", files[0], "--rig", files[1], "--subject", "001", cwd=tmp_path) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        process.stderr.read()
        process.wait(timeout=commands.ENDS_WITHIN_S)
    with rig.open(tmp_path / "sessions/sub-001/ses-01") as session:
        assert str(session.runs[0].outcome) == "finished"


def _working_in(folder):
    """Processes whose working folder is `folder`: the recorder's children inherit it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder:
                found.append((process / "cmdline").read_text())
        except OSError:  # it has just ended
            pass
    return found


def test_a_process_that_works_in_a_folder_is_found_there(tmp_path):
    with subprocess.Popen(["cat"], cwd=tmp_path, stdin=subprocess.PIPE):
        assert len(_working_in(tmp_path)) == 1


def test_nothing_is_left_when_a_recording_has_ended(tmp_path):
    files = write_protocol(tmp_path, ("short", 1, "all")), write_rig(tmp_path)
    done = commands.run("record", files[0], "--rig", files[1], "--subject", "001", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert _working_in(tmp_path) == []
