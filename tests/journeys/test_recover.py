"""After a crash: `rig recover`, as its users run it."""

from __future__ import annotations

import json
from random import Random

import pytest
from typer.testing import CliRunner

from rig.cli.app import app
from rig.session.journal import part_of
from tests import commands
from tests.crashes import kill_a_recording, losses
from tests.handmade import Plan, make_run
from tests.rigs import write_protocol, write_rig


@pytest.mark.parametrize("moment", ["arm", "any", "sync", "close"])
def test_a_recorder_killed_at_any_moment_loses_no_frame_that_was_safe(tmp_path, moment):
    files = write_rig(tmp_path), write_protocol(tmp_path, ("a", 1, "all"))
    killed = kill_a_recording(tmp_path, *files, moment, Random(moment))
    done = commands.run("recover", "--all", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert losses(tmp_path / "sessions", killed.truth, killed.safe) == ""
    assert killed.safe or moment in ("arm", "any")  # a moment is any, too, before the disk has acknowledged one


def test_a_recorder_killed_while_it_goes_on_in_a_further_file_loses_no_frame_that_was_safe(tmp_path):
    files = write_rig(tmp_path), write_protocol(tmp_path, ("a", 30, "all"))
    killed = kill_a_recording(tmp_path, *files, "switch", Random(0))
    assert len(list(tmp_path.rglob("*_session.h5"))) == 2
    done = commands.run("recover", "--all", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert losses(tmp_path / "sessions", killed.truth, killed.safe) == ""
    assert killed.safe


def test_recover_says_what_was_kept_and_what_is_missing(tmp_path):
    path = make_run(tmp_path / "sessions", Plan(closed=False, outcome="incomplete", written=120))
    done = commands.run("recover", path.parent, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "the recorder was killed, lost power, or the disk refused its close; put in order" in done.stdout
    assert "HS    120 frames kept" in done.stdout
    assert "144 pulses without a frame: 120-263" in done.stdout
    assert "nothing to do (recovered)" in commands.run("recover", path.parent, cwd=tmp_path).stdout
    assert "144 pulses lost in 1 gap" in commands.run("info", path.parent, cwd=tmp_path).stdout


def test_recover_all_goes_on_behind_a_session_that_is_damaged_and_ends_with_2(tmp_path):
    for number in (1, 2, 3):
        plan = Plan(closed=False, outcome="incomplete", written=120, number_of_session=number)
        path = make_run(tmp_path / "sessions", plan)
        if number == 2:
            path.write_bytes(b"x" * 1000)
    done = commands.run("recover", "--all", "--json", cwd=tmp_path)
    assert done.returncode == 2
    told = json.loads(done.stdout)
    assert [(one["found"], one["path"].split("ses-")[1][:2]) for one in told["files"]] == [
        ("recovered", "01"),
        ("recovered", "03"),
    ]
    assert len(told["problems"]) == 1
    assert "is no HDF5 file" in done.stderr


def test_a_picture_that_was_safe_and_is_damaged_ends_with_1(tmp_path):
    import h5py

    path = make_run(tmp_path / "sessions", Plan(closed=False, outcome="incomplete", damaged={"HS": {5}}))
    with h5py.File(path, "r+") as file:
        rows = file["telemetry/syncs"][:]
        rows["frames"][0] = 10_000
        file["telemetry/syncs"][:] = rows
    done = commands.run("recover", path.parent, cwd=tmp_path)
    assert done.returncode == 1
    assert "DAMAGED: pulse 5" in done.stdout


def test_recover_wants_sessions_or_all(tmp_path):
    assert "takes sessions, or --all" in commands.refused("recover", cwd=tmp_path)
    assert "does not exist" in commands.refused("recover", "nowhere", cwd=tmp_path)


def test_record_names_what_is_left_and_begins(tmp_path, monkeypatch):
    """In this process: however long the naming takes on a busy machine, it is waited for."""
    path = make_run(tmp_path / "sessions", Plan(closed=False, outcome="incomplete", written=120))
    part_of(path).touch()
    monkeypatch.setattr("rig.cli.record.NAMING_S", 120)
    monkeypatch.chdir(tmp_path)
    files = write_protocol(tmp_path, ("a", 1, "all")), write_rig(tmp_path)
    arguments = ("record", str(files[0]), "--rig", str(files[1]), "--subject", "001", "--speed", "max")
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    named = path.parent.relative_to(tmp_path)
    assert f"not closed: {named}; next: rig recover {named}" in done.stdout
    commands.run("recover", path.parent, cwd=tmp_path)
    assert "not closed" not in CliRunner().invoke(app, arguments).stdout
