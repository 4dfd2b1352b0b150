"""What the pages tell a reader to type works as it stands there, and ends well: in virtual time, on small pictures."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

import rig
from rig.labels.coding import Coding
from rig.labels.label import Label
from tests import commands
from tests.handmade import Plan, make_run
from tests.subjects.coming import come

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^( *)```(sh|python)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
HOW_TO = (
    "how-to/describe-your-rig.md",
    "how-to/aim-and-focus.md",
    "how-to/prepare-clips.md",
    "how-to/write-a-protocol.md",
    "how-to/record-a-session.md",
    "how-to/verify-a-session.md",
    "how-to/look-at-a-session.md",
    "how-to/read-in-python.md",
    "how-to/replay-as-a-rig.md",
    "reference/events.md",
)


def _blocks(page: str) -> list[tuple[str, str]]:
    """(language, text) of what a page tells to run; `console` blocks are for people alone."""
    return [(kind, dedent(text)) for _, kind, text in BLOCK.findall((ROOT / "docs" / page).read_text())]


def _follow(page: str, folder: Path) -> str:
    """Do what a page says, in `folder`; what was printed."""
    env = os.environ | {"PATH": commands.on_path(), "COLUMNS": "200"}
    said = ""
    for kind, text in _blocks(page):
        command = ["bash", "-e", "-c", text] if kind == "sh" else [sys.executable, "-c", text]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, (text, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr, text
        said += done.stdout
    return said


def _checkout(folder: Path) -> Path:
    """`folder` with the protocols and the rig of a checkout, its cameras with small pictures."""
    shutil.copytree(ROOT / "protocols", folder / "protocols")
    (folder / "calibration/demo").mkdir(parents=True)
    rig = (ROOT / "calibration/demo/rig.yaml").read_text()
    small = rig.replace("width: 640, height: 480", "width: 96, height: 64")
    assert small != rig
    (folder / "calibration/demo/rig.yaml").write_text(small)
    return folder


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A checkout with one session, sub-001/ses-01."""
    folder = _checkout(tmp_path_factory.mktemp("recorded"))
    done = commands.run("record", "no-film", "--rig", "demo", "--subject", "001", "--speed", "max", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_tutorial_leads_from_a_checkout_to_a_session_read_from_python(tmp_path):
    said = _follow("tutorials/first-session.md", _checkout(tmp_path))
    for line in re.findall(r"```text\n(.*?)```", (ROOT / "docs/tutorials/first-session.md").read_text(), re.DOTALL):
        assert all(shown in said for shown in line.splitlines()), line
    assert said.count("\ncomplete") == 2
    for words in (
        "HS: pulse 841",
        "VIS: pulse 840",
        "'neutral2'",
        "report1-felt",
        "film frame 125",
        "ready",
        "bunny is clips/demo-01.mp4",
        "2-3-2-3-2",
    ):
        assert words in said, words
    steps = (tmp_path / "protocols/mine.yaml").read_text()
    assert steps.count("What did you feel most strongly?") == 2


@pytest.mark.parametrize("page", HOW_TO)
def test_a_how_to_works_as_it_stands(page, recorded):
    assert _follow(page, recorded)


def test_labels_are_read_as_the_page_says(recorded, tmp_path):
    shutil.copytree(recorded / "sessions", tmp_path / "sessions")
    with rig.open(tmp_path / "sessions/sub-001/ses-01") as session:
        anna = Coding(session, "anna")
        anna.begin()
        anna.save([Label("a1", 1, 20, 24, 30, "micro", "happiness", "6+12")], anna.read().revision)
    said = _follow("how-to/label-expressions.md", tmp_path)
    assert "1 micro-expressions" in said
    assert "happiness" in said


def test_sessions_are_archived_as_the_page_says(recorded, tmp_path):
    shutil.copytree(recorded / "sessions", tmp_path / "sessions")
    said = _follow("how-to/archive-sessions.md", tmp_path)
    assert said.count("read back and equal") == 2
    assert "sessions/sub-001/ses-01: moved: nas/sub-001/ses-01" in said
    assert not (tmp_path / "sessions/sub-001/ses-01").exists()


def test_the_ledger_is_kept_and_a_session_deleted_as_the_page_says(tmp_path):
    for subject in ("001", "007", "012"):
        come(tmp_path / "sessions", subject)
    said = _follow("how-to/subjects.md", tmp_path)
    assert said.startswith("001\n  smic: row 0, repeat 0, confirmed\n")
    assert "sub-001 ses-01: deleted on " in said
    assert not (tmp_path / "sessions/sub-001/ses-01").exists()


def test_a_session_file_is_read_with_plain_h5py_and_h5dump_as_the_reference_says(recorded):
    said = _follow("reference/session-file.md", recorded)
    assert re.search(r"finished \['HS', 'VIS', 'NIR'\]\n\d+ frames, 0 gaps; pulse 100 is picture 100, \(64, 96\)", said)
    assert "dataset    /acquisition/HS/data" in said
    assert '"finished"' in said


def test_after_a_crash_the_page_leads_to_what_is_left(tmp_path):
    make_run(tmp_path / "sessions", Plan(closed=False, outcome="incomplete", written=120))
    assert (tmp_path / "sessions/sub-001/ses-01").is_dir()
    said = _follow("how-to/after-a-crash.md", tmp_path)
    assert "144 pulses without a frame: 120-263" in said
    assert re.search(r"outcome +recovered", said)
    assert said.count("NOT complete") == 1
