"""However a recording ends, in real time and in processes of their own, the file is good and says how it ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest

import rig
from tests import commands
from tests.burnt_in import burnt_in_number
from tests.journeys.accounts import assert_all_told, run_file
from tests.rigs import write_protocol, write_rig
from tests.waiting import wait_for

STREAMS = {"HS": 1, "VIS": 4, "NIR": 4}
TOLD = 50


@pytest.fixture
def recorder(tmp_path):
    """A recording that has told of more than TOLD frames of HS; given back as (process, folder of the session)."""
    files = write_protocol(tmp_path, ("long", 600, "all")), write_rig(tmp_path)
    with commands.started("record", files[0], "--rig", files[1], "--subject", "001", cwd=tmp_path) as process:
        assert process.stdout is not None
        while _frames_told(line := process.stdout.readline()).get("HS", 0) <= TOLD:
            assert line, process.stderr and process.stderr.read()
        yield process, tmp_path / "sessions/sub-001/ses-01"
        process.kill()


def _frames_told(printed: str) -> dict[str, int]:
    """By stream, how many frames the last status line tells of."""
    return {stream: int(frames) for stream, frames in re.findall(r"(\w+) (\d+) lost", printed)}


def _children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _frame_rows(run: h5py.File, stream: str) -> np.ndarray:
    """Rows that were written: in an unclosed file the table has its planned length, and zeros at its end."""
    rows = run[f"/acquisition/{stream}/frames"][:]
    return rows[: np.argmin(rows["seq"])] if (rows["seq"] == 0).any() else rows


def _has_rows(folder: Path) -> bool:
    with h5py.File(run_file(folder), locking=False) as run:
        return all(len(_frame_rows(run, stream)) for stream in STREAMS)


def test_killed_at_any_moment_it_leaves_a_file_that_says_so_and_no_process(recorder):
    """What was safe is there: see test_recover. That it is all but the last second, bench.crashes measures."""
    process, folder = recorder
    wait_for(lambda: _has_rows(folder))
    children = _children(process.pid)
    process.kill()
    process.communicate()
    with h5py.File(run_file(folder)) as run, rig.open(folder) as session:
        assert run.attrs["outcome"] == "incomplete"
        for stream in STREAMS:
            rows = _frame_rows(run, stream)
            own = session.streams[stream]
            assert len(own.frames) == len(rows) > 0
            assert own.data[len(rows) - 1].shape == (64, 96)  # reading it checks its checksum
    assert commands.run("info", folder, cwd=folder).returncode == 0
    judged = commands.run("verify", folder, cwd=folder)
    assert judged.returncode == 1
    assert "incomplete" in judged.stdout
    wait_for(lambda: not any(map(_is_alive, children)))


def test_ctrl_c_once_ends_in_order(recorder):
    process, folder = recorder
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=commands.ENDS_WITHIN_S)
    assert process.returncode == 0, err
    assert "outcome: stopped" in out
    assert_all_told(folder, "stopped")


@pytest.mark.parametrize("after_s", [0.05, 0.3])
def test_a_second_ctrl_c_ends_at_once_and_leaves_a_good_file_and_no_frame_with_a_wrong_pulse(recorder, after_s):
    """In the postamble. It may come too late, when the file is closed: then it ends what is said of it."""
    process, folder = recorder
    process.send_signal(signal.SIGINT)
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=commands.ENDS_WITHIN_S)
    assert oct(run_file(folder).stat().st_mode)[-3:] == "400"
    with h5py.File(run_file(folder)) as run:
        assert run.attrs["outcome"] == "stopped"
        assert len(run["/acquisition/HS/frames"]) > TOLD
        for stream, divisor in STREAMS.items():
            rows, data = run[f"/acquisition/{stream}/frames"][:], run[f"/acquisition/{stream}/data"]
            burnt = np.array([burnt_in_number(picture) for picture in data])
            claimed = rows["pulse_number"]
            np.testing.assert_array_equal(claimed[claimed >= 0], burnt[: len(rows)][claimed >= 0])
            assert (claimed < 0).sum() <= 12  # those of a postamble whose place nobody could tell
            # Pulses that the box had told of and that have no frame any more; none of a frame that is there.
            gaps = run[f"/acquisition/{stream}/gaps"][:]
            lost = [n for gap in gaps for n in range(gap["first_pulse"], gap["last_pulse"] + 1, divisor)]
            assert not set(lost) & set(claimed.tolist())
    assert "lost or told lost, not both" not in commands.run("verify", folder, cwd=folder).stdout


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
    assert oct(run_file(folder).stat().st_mode)[-3:] == "400"
    assert_all_told(folder, "finished")
    assert not list(folder.glob("*.journal*"))


def test_a_polite_kill_and_a_closed_terminal_end_it_in_order_however_often_it_is_told(recorder):
    """All are there when it looks: one that comes when all is recorded and said would end it as any program."""
    process, folder = recorder
    for number in (signal.SIGSTOP, signal.SIGHUP, signal.SIGTERM, signal.SIGCONT):
        os.kill(process.pid, number)
    out, err = process.communicate(timeout=commands.ENDS_WITHIN_S)
    assert process.returncode == 0, err
    assert "outcome: stopped" in out
    assert_all_told(folder, "stopped")
    with rig.open(folder) as session:
        said = [entry.get("text", "") for entry in session.log]
    assert said.count("stopped by the operator") == 1
    assert "aborted by the operator" not in said


def test_a_dead_world_is_named_its_log_lies_beside_what_came_before(recorder):
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
    assert len(list(folder.glob("*_world.log"))) == 1


AT_ONCE = """\
import os, signal, sys
from rig.__main__ import main
from rig.cli.status_line import StatusLine
show, said = StatusLine.show, []
def press(line, text):
    show(line, text)
    if not said:
        said.append(text)
        os.kill(os.getpid(), signal.SIGINT)
StatusLine.show = press
try:
    main()
finally:
    print("first:", *said)
"""


def test_stopped_before_anything_was_recorded_it_keeps_no_number(tmp_path):
    """By Ctrl-C at its first word, while it gets the cameras ready."""
    files = write_protocol(tmp_path, ("long", 600, "all")), write_rig(tmp_path)
    command = [sys.executable, "-c", AT_ONCE, "record", files[0], "--rig", files[1], "--subject", "001"]
    ends = {"capture_output": True, "text": True, "timeout": commands.ENDS_WITHIN_S, "check": False}
    done = subprocess.run(list(map(str, command)), cwd=tmp_path, **ends)
    assert "arming" in done.stdout[done.stdout.index("first:") :], done.stderr
    assert "stopped before anything was recorded" in done.stdout
    assert not list((tmp_path / "sessions/sub-001").glob("ses-*"))


def test_of_recorders_of_one_subject_one_records_and_the_others_name_it(tmp_path):
    files = write_protocol(tmp_path, ("short", 1, "all")), write_rig(tmp_path)
    arguments = ("record", files[0], "--rig", files[1], "--subject", "001", "--speed", "max")
    with ThreadPoolExecutor(4) as racers:
        ends = list(racers.map(lambda _: commands.run(*arguments, cwd=tmp_path), range(4)))
    codes = [done.returncode for done in ends]
    assert 0 in codes, ends
    for done in ends:
        assert done.returncode == 0 or (done.returncode == 2 and "is being recorded as session" in done.stderr), done
    # One that is refused may have taken a number before it looked, and gives it back after another took the next.
    sessions = [p.name for p in (tmp_path / "sessions/sub-001").iterdir()]
    assert len(sessions) == codes.count(0), sessions


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


def test_a_closed_pipe_behind_the_status_lines_costs_nothing_and_nothing_is_left_at_the_end(tmp_path):
    files = write_protocol(tmp_path, ("short", 1.5, "all")), write_rig(tmp_path)
    with commands.started("record", files[0], "--rig", files[1], "--subject", "001", cwd=tmp_path) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        process.stderr.read()
        process.wait(timeout=commands.ENDS_WITHIN_S)
    wait_for(lambda: not _working_in(tmp_path))
    assert_all_told(tmp_path / "sessions/sub-001/ses-01", "finished")
