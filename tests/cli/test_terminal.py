"""Output that nobody can or will read changes nothing about the work, its exit code, or the files it opens."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.handmade import Plan, make_run

RIG = f"'{sys.executable}' -m rig"


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = make_run(tmp_path)
    before = path.read_bytes()
    yield path
    assert path.read_bytes() == before


def sh(command: str, *, raw: bool = False) -> tuple[int, str]:
    """The exit code of the first command of a pipe, and what came on standard error."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"} | ({"PYTHONUNBUFFERED": "1"} if raw else {})
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120, env=env, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    return done.returncode, done.stderr


GOOD, BAD = Plan(), Plan(lost={"HS": {9}})


@pytest.mark.parametrize(
    ("away", "plan", "code"),
    [
        (">&-", GOOD, 0),
        ("<&- >&- 2>&-", GOOD, 0),
        (">/dev/full 2>/dev/full", BAD, 1),
        ("| true", BAD, 1),
    ],
)
def test_verify_ends_as_its_verdict_says_whatever_becomes_of_its_output(
    tmp_path: Path, away: str, plan: Plan, code: int
) -> None:
    path = make_run(tmp_path, plan)
    before = path.read_bytes()
    assert sh(f"{RIG} verify '{path}' {away}; exit ${{PIPESTATUS[0]}}")[0] == code
    assert path.read_bytes() == before
    assert (path.parent / path.name.replace("session.h5", "verdict.json")).exists()


@pytest.mark.parametrize("away", ["2>/dev/full", "2>&-", "<&- >&- 2>&-"])
def test_a_mistake_ends_with_2_though_its_message_cannot_be_told(tmp_path: Path, away: str) -> None:
    assert sh(f"{RIG} info '{tmp_path}/nowhere' {away}")[0] == 2


@pytest.mark.parametrize("raw", [False, True])
def test_a_full_disk_for_the_output_is_said_once(path: Path, raw: bool) -> None:
    code, said = sh(f"{RIG} info '{path}' >/dev/full", raw=raw)
    assert (code, said) == (0, "rig: standard output cannot be written: No space left on device\n")


@pytest.mark.parametrize("raw", [False, True])
def test_a_reader_that_has_seen_enough_is_no_fault(path: Path, raw: bool) -> None:
    assert sh(f"{RIG} info '{path}' | true; exit ${{PIPESTATUS[0]}}", raw=raw) == (0, "")


def test_a_letter_that_the_terminal_cannot_write_is_told_by_its_code(tmp_path: Path) -> None:
    _, said = sh(f"PYTHONIOENCODING=ascii {RIG} info '{tmp_path}/Müller'")
    assert "M\\xfcller: does not exist" in said


WARNS = "import warnings; from rig.cli import app; app.app = lambda: warnings.warn('raw'); app.main()"


@pytest.mark.parametrize(("options", "is_told"), [([], False), (["-W", "default"], True)])
def test_what_a_library_warns_of_reaches_only_those_who_ask(options: list[str], is_told: bool) -> None:
    env = {k: v for k, v in os.environ.items() if k != "PYTHONWARNINGS"}
    command = [sys.executable, *options, "-c", WARNS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=env, check=False)
    assert done.returncode == 0
    assert ("raw" in done.stderr) == is_told
    assert is_told or done.stderr == ""
