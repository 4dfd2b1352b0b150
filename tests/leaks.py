"""The check on every test: it leaves no thread, no child process and no open file behind."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

LOOK_S = 0.01
GRACE_LOOKS = 3000  # what was told to end may take a moment, looked for so often; counted, as no stall is too long then

_reported: set[str] = set()  # so that a thing left by one test is not reported again at the end of all


def _open_files() -> set[str]:
    found: set[str] = set()
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208  twice a test: without objects for paths
        with suppress(FileNotFoundError):  # the listing's own
            found.add(f"open file {number}: {os.readlink(f'/proc/self/fd/{number}')}")  # noqa: PTH115
    return found


def _children() -> set[str]:
    found: set[str] = set()
    for task in Path("/proc/self/task").iterdir():
        try:
            found |= set((task / "children").read_text().split())
        except FileNotFoundError:  # the thread has just ended
            pass
    return found


def _command(name: str) -> str:
    """What a child process runs; one that ended but was not waited for runs nothing, and must not be left either."""
    if not name.startswith("child process "):
        return ""
    try:
        text = Path(f"/proc/{name.split()[-1]}/cmdline").read_text()
    except FileNotFoundError:
        text = ""
    return f": {text.replace(chr(0), ' ').strip() or '(ended, not waited for)'}"


def _threads() -> set[threading.Thread]:
    return set(threading.enumerate())


def _left(files: set[str], children: set[str], threads: set[threading.Thread]) -> list[str]:
    names = {f"thread {thread.name}" for thread in _threads() - threads}
    return sorted(names | {f"child process {pid}" for pid in _children() - children} | (_open_files() - files))


def _check() -> Iterator[None]:
    before = _open_files(), _children(), _threads()
    yield
    left = _left(*before)
    if left:
        gc.collect()
    looks = 0
    while left and looks < GRACE_LOOKS:
        time.sleep(LOOK_S)
        left, looks = _left(*before), looks + 1
    left = [name for name in left if name not in _reported]
    if left:
        _reported.update(left)
        pytest.fail("left behind:" + "".join(f"\n  {name}{_command(name)}" for name in left), pytrace=False)


@pytest.fixture(autouse=True)
def nothing_left_by_a_test() -> Iterator[None]:
    """Fails a test that leaves something behind."""
    yield from _check()


@pytest.fixture(autouse=True, scope="session")
def nothing_left_by_fixtures() -> Iterator[None]:
    """The same for fixtures that live longer than one test."""
    yield from _check()
