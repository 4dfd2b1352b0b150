"""A terminal that is closed, window and all, ends a recording in order."""

from __future__ import annotations

import fcntl
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import h5py

import rig
from tests.rigs import write_protocol, write_rig

ENDS_WITHIN_S = 30


def start_in_terminal(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """`rig record` of a minute in a terminal of its own; the process, and the terminal's other end."""
    files = write_protocol(folder, ("long", 60, "all")), write_rig(folder)
    master, slave = pty.openpty()

    def own_terminal() -> None:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    command = [sys.executable, "-m", "rig", "record", files[0], "--rig", files[1], "--subject", "001"]
    ends = {"stdin": slave, "stdout": slave, "stderr": slave}
    process = subprocess.Popen(command, cwd=folder, preexec_fn=own_terminal, pass_fds=(slave,), **ends)
    os.close(slave)
    return process, master


def test_a_terminal_that_is_closed_leaves_a_good_file(tmp_path):
    process, master = start_in_terminal(tmp_path)
    shown = b""
    while b"  HS " not in shown:
        shown += os.read(master, 4096)
    os.close(master)
    assert process.wait(timeout=ENDS_WITHIN_S) == 0
    folder = tmp_path / "sessions/sub-001/ses-01"
    (path,) = folder.glob("*_session.h5")
    with h5py.File(path) as run:
        assert run.attrs["outcome"] == "stopped"
        pulses = len(run["/acquisition/pulses"])
        assert pulses % 4 == 0
        assert len(run["/acquisition/HS/frames"]) == pulses  # with the postamble: it ended in order
    assert oct(path.stat().st_mode)[-3:] == "400"
    with rig.open(folder) as session:
        assert len(session.streams["HS"].gaps) == 0
