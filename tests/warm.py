"""Runs `rig` commands in processes forked off one that has loaded already what they import: most of what one costs.

    who asks --arguments, folder, environment; standard input, output and error--> a connection to this process
             <--the exit code; of a command that a signal ended, its negative number--

Each command is a process of its own, with its own exit code, environment and output, as by `python -m rig`. What the
environment changes when Python or a driver is loaded needs a fresh one: see commands.started.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
import traceback
from importlib import import_module
from typing import Any

from tests.asking import MOST_BYTES

LOADED = (
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "cv2",
    "rig.check.preflight",
    "rig.cli.app",
    "rig.export.contact_sheet",
    "rig.record.recording",
    "rig.session.archive",
    "rig.sim.process",
    "rig.sim.screen",
    "rig.sim.world",
    "rig.verify.report.page",
    "rig.verify.verdict",
)


def main() -> None:
    for module in LOADED:
        import_module(module)
    gc.freeze()  # what is loaded is not looked through, and so not copied, in each command
    listener = socket.socket(fileno=int(sys.argv[1]))
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            _answer(connection)
        connection.close()
        _reap()


def _reap() -> None:
    """Commands that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass


def _answer(connection: socket.socket) -> None:
    """In the child: run a command in a child of its own and say how it ended; never returns."""
    data, fds, _, _ = socket.recv_fds(connection, MOST_BYTES, 3)
    pid = os.fork()
    if pid == 0:
        connection.close()
        _be_rig(json.loads(data), fds)
    for fd in fds:
        os.close(fd)
    connection.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
    os._exit(0)


def _be_rig(request: dict[str, Any], fds: list[int]) -> None:
    """In the child: as `python -m rig ARGUMENTS`; never returns."""
    code = 1
    try:
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["env"])
        for number, fd in enumerate(fds):
            os.dup2(fd, number)
            os.close(fd)
        sys.stdin, sys.stdout, sys.stderr = (open(fd, "rww"[fd], closefd=False) for fd in range(3))  # noqa: SIM115
        sys.argv = ["rig", *request["arguments"]]
        from rig.__main__ import main as rig

        rig()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
