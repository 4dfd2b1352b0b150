"""The check on every test: what is left behind is named, and an honest test passes."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[1]
LEAKS = """
from tests import leaks
from tests.leaks import nothing_left_by_a_test, nothing_left_by_fixtures
leaks.GRACE_LOOKS = 50
"""
HARDWARE = "from tests.conftest import pytest_addoption, pytest_collection_modifyitems, pytest_configure"

LEAVES_A_FILE = """
kept = []
def test_it(tmp_path):
    kept.append(open(tmp_path / "forgotten.txt", "w"))
"""
LEAVES_A_THREAD = """
import threading
def test_it():
    threading.Thread(target=threading.Event().wait, args=(30,), name="forgotten", daemon=True).start()
"""
LEAVES_A_CHILD = """
import atexit, subprocess
kept = []
def test_it():
    kept.append(subprocess.Popen(["sleep", "600"]))
    atexit.register(kept[0].wait)
    atexit.register(kept[0].kill)
"""
LEAVES_A_ZOMBIE = """
import os
def test_it():
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
"""
HONEST = """
import subprocess, threading
def test_it(tmp_path, capfd):
    with open(tmp_path / "closed.txt", "w"):
        subprocess.run(["true"])
    threading.Thread(target=lambda: None).start()
"""
A_SLOW_END = """
import threading, time
def test_it():
    threading.Thread(target=time.sleep, args=(0.05,)).start()
"""
A_FIXTURE = """
import pytest
kept = []
@pytest.fixture(scope="module")
def file(tmp_path_factory):
    kept.append(open(tmp_path_factory.mktemp("x") / "forgotten.txt", "w"))
def test_it(file):
    pass
"""


LEAVING = {
    "file": (LEAVES_A_FILE, "open file *forgotten.txt"),
    "thread": (LEAVES_A_THREAD, "thread forgotten"),
    "child": (LEAVES_A_CHILD, "child process *sleep 600"),
    "zombie": (LEAVES_A_ZOMBIE, "child process *not waited for*"),
    "fixture": (A_FIXTURE, "open file *forgotten.txt"),
}


def test_what_a_test_leaves_behind_fails_it_and_is_named(pytester: pytest.Pytester) -> None:
    result = _run(pytester, LEAKS, **{name: source for name, (source, _) in LEAVING.items()})
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines_random([f"*  {line}" for _, line in LEAVING.values()])


def test_a_test_that_cleans_up_passes(pytester: pytest.Pytester) -> None:
    _run(pytester, LEAKS, honest=HONEST, slow_end=A_SLOW_END).assert_outcomes(passed=2)


@pytest.mark.parametrize(("options", "outcome"), [([], "skipped"), (["--hardware"], "passed")])
def test_hardware_tests_run_only_when_asked_for(options: list[str], outcome: str, pytester: pytest.Pytester) -> None:
    source = "import pytest\n@pytest.mark.hardware\ndef test_it(): pass"
    assert _run(pytester, HARDWARE, *options, hardware=source).parseoutcomes() == {outcome: 1}


def _run(pytester: pytest.Pytester, conftest: str, *options: str, **sources: str) -> pytest.RunResult:
    pytester.makeconftest(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{conftest}")
    pytester.makepyfile(**{f"test_{name}": source for name, source in sources.items()})
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *options)
