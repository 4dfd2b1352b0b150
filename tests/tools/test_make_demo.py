"""The demo records again only when all that went wrong is that the player skipped film frames, and only once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Stands for the command rig: makes a session, and a verdict from the next line of the file "verdicts".
FAKE_RIG = f"""#!{sys.executable}
import json, pathlib, sys
if sys.argv[1] == "record":
    number = len(list(pathlib.Path("sessions").glob("*"))) + 1
    pathlib.Path(f"sessions/ses-{{number:02d}}").mkdir(parents=True)
    print(f"outcome: finished\\nsession: sessions/ses-{{number:02d}}")
if sys.argv[1] == "verify":
    first, *rest = pathlib.Path("verdicts").read_text().splitlines()
    pathlib.Path("verdicts").write_text("\\n".join(rest))
    findings = json.loads(first)
    pathlib.Path(sys.argv[2], "x_verdict.json").write_text(json.dumps({{"findings": findings}}))
    sys.exit(any(f["word"] == "FAIL" for f in findings))
"""
GOOD = '[{"check": "film frames", "word": "PASS", "text": "all were shown"}]'
SKIPPED = '[{"check": "film frames", "word": "FAIL", "text": "1 of 9 never shown: 3; skipped before 4 while 4 behind"}]'
UNSHOWN = '[{"check": "film frames", "word": "FAIL", "text": "1 of 9 never shown: 3"}]'
LOST = SKIPPED[:-1] + ', {"check": "frames", "word": "FAIL", "text": "1 lost"}]'


@pytest.mark.parametrize(
    ("verdicts", "status", "sessions"),
    [
        ([GOOD], 0, 1),
        ([SKIPPED, GOOD], 0, 2),
        ([SKIPPED, SKIPPED, GOOD], 1, 2),
        ([UNSHOWN, GOOD], 1, 1),
        ([LOST, GOOD], 1, 1),
    ],
    ids=["good", "skipped", "skipped-twice", "unshown", "lost"],
)
def test_it_records_again_once_and_only_for_skipped_film_frames(
    verdicts: list[str], status: int, sessions: int, tmp_path: Path
) -> None:
    rig = tmp_path / ".venv/bin/rig"
    rig.parent.mkdir(parents=True)
    rig.write_text(FAKE_RIG)
    rig.chmod(0o755)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/demo").write_text((ROOT / "tools/demo").read_text())
    (tmp_path / "verdicts").write_text("\n".join(verdicts))
    command = [sys.executable, "tools/demo"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.returncode, len(list((tmp_path / "sessions").iterdir()))) == (status, sessions), done.stderr
    assert ("records once more" in done.stdout) == (sessions == 2)
    assert f"Everything lies in sessions/ses-0{sessions}/" in done.stdout
