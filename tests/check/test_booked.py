"""`rig check` says what `rig record` would begin with: the row, the visit, the films, or why it would refuse."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rig
from rig.check.booked import look_at_ledger
from rig.check.preflight import Checked, check
from rig.config.find import find_protocol
from rig.elicitation.protocol import read_protocol
from rig.elicitation.unroll import rows_of
from rig.record.preparing import order_key
from rig.session.folder import new_session
from rig.subjects.ledger import Ledger
from tests import commands
from tests.films import make_film, sha256_of
from tests.rigs import record, write_rig

ORDERED = """\
schema: 1
name: ordered
title: t
clips:
  a: {title: t, licence: l}
  b: {title: t, licence: l}
  c: {title: t, licence: l}
order: {kind: latin-square}
blocks:
  - {kind: trials, name: films, clips: all, each: [{kind: clip, name: film}]}
"""
TAILORED = """\
schema: 1
name: tailored
title: t
clips:
  dog: {FILM, target: joy, fits: dogs}
  cat: {FILM, target: joy, fits: cats}
  bat: {FILM, target: joy, fits: bats}
blocks:
  - kind: questionnaire
    name: pre
    visit: 1
    store: none
    max_seconds: 5
    questions:
      - {kind: scale, name: dogs, text: Dogs?, points: 9, low: no, high: yes}
      - {kind: scale, name: cats, text: Cats?, points: 9, low: no, high: yes}
      - {kind: scale, name: bats, text: Bats?, points: 9, low: no, high: yes}
  - {kind: trials, name: films, visit: 2, clips: {by: pre, count: 2}, each: [{kind: clip, name: film}]}
"""
# Reserves a place and is killed: nobody will ever come for it.
ABANDON = """
import os, sys
from pathlib import Path
from rig.session.folder import new_session
from rig.subjects.ledger import Ledger
out = Path(sys.argv[1])
Ledger(out).reserve("ordered", sys.argv[2], 3, new_session(out, "900"))
os._exit(1)
"""


def test_the_row_that_is_told_is_the_one_that_is_given(tmp_path: Path) -> None:
    """Through consents, a refusal, and a recorder that was killed; looking changes nothing."""
    (tmp_path / "p.yaml").write_text(ORDERED)
    protocol = read_protocol(tmp_path / "p.yaml").protocol
    out, key, rows = tmp_path / "sessions", order_key(protocol), rows_of(protocol)
    assert look_at_ledger(protocol, out, "").row == 0
    assert not (out / "ledger.sqlite").exists()
    given = []
    for number in range(8):
        if number == 3:
            subprocess.run([sys.executable, "-c", ABANDON, str(out), key], check=False)
        told = look_at_ledger(protocol, out, "").row
        assert look_at_ledger(protocol, out, f"{number:03d}").row == told
        place = Ledger(out).reserve("ordered", key, rows, new_session(out, f"{number:03d}"))
        assert place.row == told
        given.append(place.row)
        ledger = Ledger(out)
        if number == 4:
            ledger.release(place, "consent refused")
        else:
            ledger.ended(ledger.confirm(place), "finished")
        assert look_at_ledger(protocol, out, f"{number:03d}").visit == (1 if number == 4 else 2)
    assert given == [0, 1, 2, 0, 1, 1, 2, 0]  # the row that was refused goes to the next one


def test_who_fills_in_only_a_questionnaire_first_gets_the_row_of_the_films_that_come_later(tmp_path: Path) -> None:
    """SAMM draws an order for each participant; the row is given at the first visit, which has no films."""
    protocol = read_protocol(find_protocol("samm")).protocol
    given = []
    for subject in ("001", "002", "003"):
        booked = look_at_ledger(protocol, tmp_path, subject)
        place = Ledger(tmp_path).reserve("samm", order_key(protocol), booked.rows, new_session(tmp_path, subject))
        Ledger(tmp_path).ended(place, "finished")
        given.append((booked.visit, booked.row, booked.rows))
    assert given == [(1, 0, None), (1, 1, None), (1, 2, None)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rig, a protocol of two visits, and a subject who came once."""
    folder = tmp_path_factory.mktemp("tailored")
    film = make_film(folder / "film.mp4", 15)
    said = f"file: film.mp4, sha256: {sha256_of(film)}, title: t, licence: l"
    (folder / "p.yaml").write_text(TAILORED.replace("FILM", said))
    record(folder, write_rig(folder), folder / "p.yaml")
    return folder


def looked_at(folder: Path, subject: str) -> Checked:
    paths = str(folder / "rig-1.yaml"), str(folder / "p.yaml")
    return check(*paths, folder / "sessions", with_devices=False, subject=subject)


def test_the_films_that_an_earlier_visit_chose_are_those_that_the_next_one_shows(folder: Path, tmp_path: Path) -> None:
    found = looked_at(folder, "001")
    assert found.problems == []
    assert found.booked is not None
    assert found.plan is not None
    assert (found.booked.visit, found.booked.row) == (2, 0)
    with rig.open(folder / "sessions" / "sub-001" / "ses-01") as session:
        points = {str(told["question"]).removeprefix("pre-"): int(told["answer"]) for told in session.answers}
    best = sorted(points, key=lambda name: -points[name])[:2]  # a stable sort: of equals the first in the manifest
    assert found.booked.chosen == {"pre": [name.removesuffix("s") for name in best]}
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    recorded = record(copy, copy / "rig-1.yaml", copy / "p.yaml")
    with rig.open(recorded.path.parent) as session:
        shown = [step.clip for step in session.runs[0].steps if step.clip]
    assert [step.clip for step in found.plan.steps if step.clip] == shown
    assert sorted(shown) == sorted(found.booked.chosen["pre"])


def test_without_a_subject_the_visit_that_needs_most_room_is_planned(folder: Path) -> None:
    """The films are kept, the questionnaire before them is not."""
    kinds = [step.kind for step in looked_at(folder, "").plan.steps]
    assert kinds == ["clip", "clip"]
    assert [step.kind for step in looked_at(folder, "new").plan.steps] == ["question"]


def test_a_visit_that_cannot_be_made_is_a_problem(folder: Path, tmp_path: Path) -> None:
    ledger, protocol = Ledger(tmp_path), read_protocol(folder / "p.yaml").protocol
    place = ledger.confirm(ledger.reserve("tailored", order_key(protocol), 1, new_session(tmp_path, "002")))
    ledger.ended(place, "finished")  # the session itself lies elsewhere
    ledger.ended(ledger.confirm(ledger.reserve("other", "x", 1, new_session(tmp_path, "003"))), "finished")
    ledger.exclude("003", "glasses")
    told = {}
    for subject in ("002", "003", "no one"):
        found = check(str(folder / "rig-1.yaml"), str(folder / "p.yaml"), tmp_path, with_devices=False, subject=subject)
        told[subject] = [str(problem) for problem in found.problems]
        assert found.booked is None
    assert told["002"] == ["pre: was not answered on an earlier visit. Record the visit that asks it first, to its end"]
    (excluded,) = told["003"]
    assert excluded.startswith("--subject: 003 was excluded on ")
    assert excluded.endswith(": glasses. If that is a mistake: rig subjects readmit 003")
    (wrong,) = told["no one"]
    assert wrong.startswith("--subject: 'no one' is not allowed")


def test_the_command_tells_visit_row_and_films(folder: Path) -> None:
    options = ("p.yaml", "--rig", "./rig-1.yaml", "--no-devices", "--no-speed", "--subject", "001", "--json")
    done = commands.run("check", *options, cwd=folder)
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert found["problems"] == []
    assert (found["ledger"]["subject"], found["ledger"]["row"], found["ledger"]["rows"]) == ("001", 0, 1)
    assert found["clips"]["dog"]["cadence"] == {"pattern": "2-3-2-3-2", "even": False}
    assert next(warning for warning in found["warnings"] if "uneven" in warning) == (
        "clip dog: 25 fps on 60 Hz, a film frame stays for 2-3-2-3-2 flips, uneven"
    )
    refused = commands.refused("check", "--rig", "./rig-1.yaml", "--subject", "001", cwd=folder)
    assert "--subject: 001 is not enough; only with a PROTOCOL" in refused
