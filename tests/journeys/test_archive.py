"""`rig archive` as a user types it: exit codes, one line a session, killed at any moment, and a disk that is full."""

from __future__ import annotations

import errno
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.progress import Progress

from rig import host
from rig.cli.archive import _archive_one, _line
from rig.session.archive import jobs_for
from rig.session.folder import find_runs, sessions_below
from tests import commands
from tests.archives import tree
from tests.handmade import Plan, make_run
from tests.rights import without_root

ENDS_WITHIN_S = 300  # it goes behind every other program


@pytest.fixture
def lab(tmp_path) -> Path:
    """A folder with two sessions and a place for archives."""
    for number in (1, 2):
        make_run(tmp_path / "sessions", Plan(number_of_session=number))
    (tmp_path / "nas").mkdir()
    return tmp_path


def test_help_has_an_example():
    done = commands.run("archive", "--help", cwd=Path())
    assert "Example: rig archive sessions/sub-001/ses-01 /mnt/nas/archive" in " ".join(done.stdout.split())


def test_sessions_are_archived_verified_there_and_moved_on_request(lab):
    before = tree(lab / "sessions")
    both = "sessions/sub-001/ses-01", "sessions/sub-001/ses-02"
    done = commands.run("archive", *both, "nas", cwd=lab)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{name}: archived: nas/{name[9:]}: 1 file, 2.6 MB, read back and equal" for name in both
    ]
    assert tree(lab / "nas") == tree(lab / "sessions") == before
    assert commands.run("verify", "nas/sub-001/ses-01", cwd=lab).returncode == 0
    done = commands.run("archive", both[1], "nas", "--move", "--json", cwd=lab)
    (one,) = json.loads(done.stdout)["sessions"]
    assert (one["state"], one["safe"], one["files"], one["bytes"]) == (
        "moved",
        True,
        1,
        len(before["sub-001/ses-02/sub-001_ses-02_run-01_session.h5"]),
    )
    assert sessions_below(lab / "sessions") == [lab / both[0]]
    assert "ses-01" in commands.run("info", "sessions", cwd=lab).stdout
    assert commands.run("archive", both[1], "nas", "--move", cwd=lab).stdout.endswith("its source was moved before\n")


def test_a_session_being_recorded_is_skipped_and_the_others_are_archived(lab):
    with find_runs(lab / "sessions/sub-001/ses-01")[0].open("rb") as held:
        host.hold_shared(held.fileno())
        done = commands.run("archive", "sessions/sub-001/ses-01", "sessions/sub-001/ses-02", "nas", "--move", cwd=lab)
    assert done.returncode == 1
    first, second = done.stdout.splitlines()
    assert first.startswith("sessions/sub-001/ses-01: NOT SAFE: ")
    assert "is being recorded right now. Wait for its end" in first
    assert second.startswith("sessions/sub-001/ses-02: moved: nas/sub-001/ses-02: ")
    assert [p.name for p in sessions_below(lab / "nas")] == ["ses-02"]
    assert [p.name for p in sessions_below(lab / "sessions")] == ["ses-01"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("sessions/sub-001/ses-01", "missing"),
        ("sessions/sub-001/ses-01", "sessions/sub-001/ses-02/sub-001_ses-02_run-01_session.h5"),
        ("sessions/sub-001/ses-01", "sessions"),
        ("sessions/sub-001/ses-01", "sessions/sub-001/ses-01"),
        ("sessions/sub-001/ses-01", "sessions/sub-009/ses-01", "nas"),
        ("sessions", "nas"),
        ("sessions/sub-001/ses-01",),
    ],
)
def test_a_mistake_is_named_before_anything_is_done(lab, arguments):
    before = tree(lab)
    assert commands.refused("archive", "--move", *arguments, cwd=lab)
    assert tree(lab) == before


def test_a_session_with_a_damaged_run_is_copied_and_said_and_moved_is_only_the_other(lab):
    run = find_runs(lab / "sessions/sub-001/ses-01")[0]
    run.chmod(0o600)
    run.write_bytes(run.read_bytes()[:5000])
    before = tree(lab / "sessions")
    both = "sessions/sub-001/ses-01", "sessions/sub-001/ses-02"
    done = commands.run("archive", *both, "nas", "--move", "--compress", cwd=lab)
    assert done.returncode == 1
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{both[0]}: NOT SAFE: {both[0]}/{run.name}: cannot be read (")
    assert "is not moved" in first and "Without --move it is copied as it is" in first
    assert second.startswith(f"{both[1]}: moved: ")
    done = commands.run("archive", both[0], "nas", "--compress", cwd=lab)
    assert done.returncode == 0
    assert f"{run.name} cannot be read (" in done.stdout and "): copied as it is" in done.stdout
    assert tree(lab / "nas/sub-001/ses-01") == tree(lab / both[0])
    assert len(before) == len(tree(lab / "nas"))


def test_a_source_that_may_not_be_removed_is_said_so_and_its_copy_is_safe():
    with without_root() as (lab, take_rights):
        source = make_run(lab / "sessions", Plan(body_groups=1)).parent
        (lab / "nas").mkdir()
        before = tree(source)
        take_rights(source.parent, 0o500)
        (job,) = jobs_for([source], lab / "nas")  # in this process: another one would be root's again
        one = _archive_one(job, Progress(disable=True), move=True, compress=False)
        assert _line(one).startswith(f"{source}: NOT REMOVED: {lab}/nas/sub-001/ses-01: 1 file, ")
        assert "read back and equal; the source is as it was: cannot be written: Permission denied. Run" in _line(one)
        assert one["safe"] and one["state"] == "not removed"
        assert tree(source) == tree(lab / "nas/sub-001/ses-01") == before


TELLS = """\
import ctypes, os
import rig.session.archive as archiving
from rig.cli.app import main
real = archiving.archive
def archive(*job, **options):
    number = {"x86_64": 252, "aarch64": 31}.get(os.uname().machine)  # ioprio_get
    idle = 3 if number is None else ctypes.CDLL(None).syscall(number, 1, 0) >> 13
    print("nice", os.getpriority(os.PRIO_PROCESS, 0), "class", idle)
    return real(*job, **options)
archiving.archive = archive
main()
"""


def test_it_goes_last_at_processor_and_disk(lab):
    """nice 19, and the I/O class idle (3), of the thread that archives, told by itself."""
    command = [sys.executable, "-c", TELLS, "archive", "sessions/sub-001/ses-01", "nas"]
    done = subprocess.run(command, cwd=lab, capture_output=True, text=True, timeout=ENDS_WITHIN_S, check=False)
    assert done.stdout.splitlines()[0] == "nice 19 class 3", done.stderr
    assert done.returncode == 0


def test_killed_at_a_random_moment_the_next_run_ends_well(lab):
    source, nas = lab / "sessions/sub-001/ses-01", lab / "nas"
    with (source / "notes.bin").open("wb") as notes:
        notes.write(random.Random(0).randbytes(16 << 20))
    truth = tree(source)
    part = nas / "sub-001/.ses-01.part/notes.bin.part"
    until = random.Random(0).randrange(1, 16 << 20)
    with commands.started("archive", source, nas, "--move", cwd=lab) as process:
        while process.poll() is None and _size(part) < until:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    assert sessions_below(nas) == [] or tree(nas / "sub-001/ses-01") == truth
    assert not source.exists() or tree(source) == truth
    done = commands.run("archive", source, nas, "--move", cwd=lab)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert tree(nas / "sub-001/ses-01") == truth
    assert sessions_below(lab / "sessions") == [source.with_name("ses-02")]


def _size(part: Path) -> int:
    """Bytes; 0 when it is not there, or not there any more: its name changes when all is copied."""
    try:
        return part.stat().st_size
    except FileNotFoundError:
        return 0


def test_a_disk_that_takes_no_more_is_one_line_and_the_source_is_kept(lab):
    """The system itself refuses: no file may grow beyond 2 MB."""
    before = tree(lab / "sessions")
    command = f"ulimit -f 2048; exec {shlex.quote(sys.executable)} -m rig archive sessions/sub-001/ses-01 nas --move"
    ends = {"capture_output": True, "text": True, "timeout": ENDS_WITHIN_S, "check": False}
    done = subprocess.run(["bash", "-c", command], cwd=lab, **ends)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "NOT SAFE" in done.stdout and os.strerror(errno.EFBIG) in done.stdout
    assert tree(lab / "sessions") == before
    assert sessions_below(lab / "nas") == []
    assert commands.run("archive", "sessions/sub-001/ses-01", "nas", "--move", cwd=lab).returncode == 0


PRESSES = """\
import os, signal
import rig.session.archive as archiving
from rig.__main__ import main
real = archiving.archive
def archive(*job, tell, **options):
    return real(*job, tell=lambda size: os.kill(os.getpid(), signal.SIGINT), **options)
archiving.archive = archive
main()
"""


def test_ctrl_c_ends_it_without_a_traceback_and_the_next_run_goes_on(lab):
    """When its first bytes are copied."""
    source = lab / "sessions/sub-001/ses-01"
    command = [sys.executable, "-c", PRESSES, "archive", str(source), "nas"]
    done = subprocess.run(command, cwd=lab, capture_output=True, text=True, timeout=ENDS_WITHIN_S, check=False)
    assert done.returncode == 128 + signal.SIGINT
    assert done.stderr == ""
    assert sessions_below(lab / "nas") == []
    assert commands.run("archive", source, "nas", cwd=lab).returncode == 0
    assert tree(lab / "nas/sub-001/ses-01") == tree(source)
