"""Runs `rig` commands in processes forked off one that has loaded already what they import: most of what one costs.

    request, a line on stdin   {"arguments": [...], "cwd": ..., "env": {...}, "stdout": FILE, "stderr": FILE}
    answer, a line on stdout   the exit code; of one that a signal ended, its negative number

Each command is a process of its own, with its own exit code, environment and output, as by `python -m rig`. What the
environment changes when Python or a driver is loaded needs a fresh one: see commands.started.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from importlib import import_module
from typing import Any

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
    for line in sys.stdin:
        print(_run(json.loads(line)), flush=True)


def _run(request: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        _be_rig(request)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _be_rig(request: dict[str, Any]) -> None:
    """In the child: as `python -m rig ARGUMENTS`; never returns."""
    code = 1
    try:
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["env"])
        for fd, name, flags in (
            (0, os.devnull, os.O_RDONLY),
            (1, request["stdout"], os.O_WRONLY),
            (2, request["stderr"], os.O_WRONLY),
        ):
            os.dup2(os.open(name, flags), fd)
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
