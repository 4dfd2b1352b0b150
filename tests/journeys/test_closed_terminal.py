"""Whatever becomes of the terminal in which it was started, a recording goes on and ends in order."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
from contextlib import ExitStack
from pathlib import Path
from shlex import join

import pytest

import rig
from tests.commands import killed_on_error
from tests.journeys.accounts import assert_all_told, run_file
from tests.rigs import write_protocol, write_rig
from tests.waiting import WAITS_S, wait_for

LONG_S = 6
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
        assert select.select([end], [], [], WAITS_S)[0], shown
        shown += os.read(end, 4096)
    return shown


def read_what_waits(end: int) -> None:
    while select.select([end], [], [], 0)[0]:
        os.read(end, 4096)


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


def session_of(folder: Path) -> Path:
    return folder / "sessions/sub-001/ses-01"


def wait_until_closed(folder: Path) -> None:
    wait_for(lambda: run_file(session_of(folder)).stat().st_mode & 0o777 == 0o400)


def test_ctrl_z_does_not_stop_it_and_a_closed_window_with_a_shell_in_it_leaves_a_good_file(tmp_path, in_terminal):
    """When a window is closed the system tells of it, and the shell once more."""
    shell, master = in_terminal(tmp_path, SHELL)
    os.write(master, join(command(tmp_path, 600)).encode() + b"\n")
    read_until(master, b"  HS ")
    os.write(master, CTRL_Z)
    assert b"Stopped" not in read_until(master, b"  HS ", times=3)
    os.close(master)
    wait_until_closed(tmp_path)
    assert shell.wait(timeout=WAITS_S) != 0
    assert_all_told(session_of(tmp_path), "stopped")
    with rig.open(session_of(tmp_path)) as session:
        said = [entry.get("text", "") for entry in session.log]
    assert "stopped by the operator" in said
    assert "aborted by the operator" not in said


def test_a_terminal_that_was_stopped_costs_nothing_and_shows_the_end_when_it_goes_on(tmp_path, in_terminal):
    """Longer than the cameras' buffers, which hold 4 s."""
    process, master = in_terminal(tmp_path, command(tmp_path, LONG_S))
    read_until(master, b"  HS ")
    os.write(master, CTRL_S)
    wait_until_closed(tmp_path)
    read_what_waits(master)  # shown before it was stopped
    os.write(master, CTRL_Q)
    last = read_rest(master)
    assert process.wait(timeout=WAITS_S) == 0
    assert "outcome: finished" in last
    assert "  1/1 long" not in last[last.index("outcome: ") :]
    assert last.count("  1/1 long") <= 2
    assert_all_told(session_of(tmp_path), "finished")


def test_a_pipe_that_nobody_reads_costs_nothing(tmp_path):
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, ONE_PAGE)
    with subprocess.Popen(command(tmp_path, LONG_S), cwd=tmp_path, stdout=writing) as process, killed_on_error(process):
        os.close(writing)
        wait_for(lambda: any(tmp_path.rglob("*_session.h5")))
        fill(Path(f"/proc/{process.pid}/fd/1"))
        wait_until_closed(tmp_path)
        last = read_rest(reading)
    assert process.returncode == 0
    assert "outcome: finished" in last
    assert_all_told(session_of(tmp_path), "finished")


def fill(pipe: Path) -> None:
    end = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(end, b"x")
    os.close(end)
