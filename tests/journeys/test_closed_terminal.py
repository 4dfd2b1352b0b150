"""Whatever becomes of the terminal in which it was started, a recording loses nothing by it and ends in order."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from shlex import join

import h5py
import pytest

import rig
from tests.commands import killed_on_error
from tests.rigs import write_protocol, write_rig

ENDS_WITHIN_S = 30
CTRL_S, CTRL_Q, CTRL_Z = b"\x13", b"\x11", b"\x1a"
ONE_PAGE = 4096
SHELL = ["bash", "--norc", "--noprofile", "-i"]


def command(folder: Path, seconds: int) -> list[str]:
    """`rig record` of so many seconds."""
    files = write_protocol(folder, ("long", seconds, "all")), write_rig(folder)
    return [sys.executable, "-m", "rig", "record", str(files[0]), "--rig", str(files[1]), "--subject", "001"]


@pytest.fixture
def in_terminal():
    """Starts programs in terminals; what is left of a test that failed is ended."""
    with ExitStack() as left:

        def start(folder: Path, program: list[str]) -> tuple[subprocess.Popen[bytes], int]:
            process, master = started(folder, program)
            left.callback(process.wait)
            left.callback(process.kill)
            return process, master

        yield start


def started(folder: Path, program: list[str]) -> tuple[subprocess.Popen[bytes], int]:
    """A program in a terminal of its own; the process, and the terminal's other end."""
    master, slave = pty.openpty()

    def own_terminal() -> None:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    ends = {"stdin": slave, "stdout": slave, "stderr": slave}
    process = subprocess.Popen(program, cwd=folder, preexec_fn=own_terminal, pass_fds=(slave,), **ends)
    os.close(slave)
    return process, master


def read_until(end: int, text: bytes, times: int = 1) -> bytes:
    """What comes from a terminal until it has shown a text so often."""
    shown = b""
    while shown.count(text) < times:
        assert select.select([end], [], [], ENDS_WITHIN_S)[0], shown
        shown += os.read(end, 4096)
    return shown


def read_rest(end: int) -> str:
    """What comes until the other end is closed, which a terminal tells by an error; closes this end."""
    shown = b""
    try:
        while more := os.read(end, 4096):
            shown += more
    except OSError:
        pass
    os.close(end)
    return shown.decode()


def run_file(folder: Path) -> Path:
    (path,) = (folder / "sessions/sub-001/ses-01").glob("*_session.h5")
    return path


def wait_until_closed(folder: Path) -> None:
    wait_for(lambda: run_file(folder).stat().st_mode & 0o777 == 0o400)


def wait_for(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + ENDS_WITHIN_S
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


def assert_whole(folder: Path, outcome: str) -> None:
    """The file is good, with the postamble, and no frame was lost."""
    with h5py.File(run_file(folder)) as run:
        assert run.attrs["outcome"] == outcome
        pulses = len(run["/acquisition/pulses"])
        assert pulses % 4 == 0
        assert len(run["/acquisition/HS/frames"]) == pulses
    with rig.open(folder / "sessions/sub-001/ses-01") as session:
        assert [len(stream.gaps) for stream in session.streams.values()] == [0, 0, 0]


def test_a_terminal_that_is_closed_leaves_a_good_file(tmp_path, in_terminal):
    process, master = in_terminal(tmp_path, command(tmp_path, 60))
    read_until(master, b"  HS ")
    os.close(master)
    assert process.wait(timeout=ENDS_WITHIN_S) == 0
    assert_whole(tmp_path, "stopped")


def test_ctrl_z_does_not_stop_it_and_a_closed_window_with_a_shell_in_it_leaves_a_good_file(tmp_path, in_terminal):
    """When a window is closed the system tells of it, and the shell once more."""
    shell, master = in_terminal(tmp_path, SHELL)
    os.write(master, join(command(tmp_path, 60)).encode() + b"\n")
    read_until(master, b"  HS ")
    os.write(master, CTRL_Z)
    assert b"Stopped" not in read_until(master, b"  HS ", times=3)
    os.close(master)
    wait_until_closed(tmp_path)
    assert shell.wait(timeout=ENDS_WITHIN_S) != 0
    assert_whole(tmp_path, "stopped")
    with rig.open(tmp_path / "sessions/sub-001/ses-01") as session:
        said = [entry.get("text", "") for entry in session.log]
    assert "stopped by the operator" in said
    assert "aborted by the operator" not in said


def test_a_terminal_that_was_stopped_costs_nothing_and_shows_the_end_when_it_goes_on(tmp_path, in_terminal):
    """Longer than the cameras' buffers, which hold 4 s."""
    process, master = in_terminal(tmp_path, command(tmp_path, 7))
    read_until(master, b"  HS ")
    os.write(master, CTRL_S)
    wait_until_closed(tmp_path)
    os.write(master, CTRL_Q)
    last = read_rest(master)
    assert process.wait(timeout=ENDS_WITHIN_S) == 0
    assert "outcome: finished" in last
    assert "  1/1 long" not in last[last.index("outcome: ") :]
    assert last.count("  1/1 long") <= 2
    assert_whole(tmp_path, "finished")


def test_a_pipe_that_nobody_reads_costs_nothing(tmp_path):
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, ONE_PAGE)
    with subprocess.Popen(command(tmp_path, 7), cwd=tmp_path, stdout=writing) as process, killed_on_error(process):
        os.close(writing)
        wait_for(lambda: any(tmp_path.rglob("*_session.h5")))
        fill(Path(f"/proc/{process.pid}/fd/1"))
        wait_until_closed(tmp_path)
        last = read_rest(reading)
    assert process.returncode == 0
    assert "outcome: finished" in last
    assert_whole(tmp_path, "finished")


def fill(pipe: Path) -> None:
    end = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(end, b"x")
    os.close(end)
