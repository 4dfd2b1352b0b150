"""What the ledger promises besides rows: who may come, how often they came, who left, and a file that stays private."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rig import host
from rig.errors import SessionExists, StorageError, UserError
from rig.session.folder import new_session
from rig.subjects.ledger import Ledger
from tests.subjects.coming import ORDER, come

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_its_file_is_its_owners_alone_under_any_umask(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        come(tmp_path, "001")
    finally:
        os.umask(before)
    assert stat.S_IMODE(Ledger(tmp_path).path.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["ledger.sqlite"]


def test_visits_that_finished_are_counted_by_protocol_and_the_row_stays(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    assert ledger.visit_of("001", "smic") == 1
    first = come(tmp_path, "001")
    assert come(tmp_path, "002", "stopped").visit == 1
    assert ledger.visit_of("001", "smic") == 2
    assert ledger.visit_of("002", "smic") == ledger.visit_of("001", "samm") == 1
    second = come(tmp_path, "001")
    assert (second.visit, second.row, second.repeat, second.session) == (2, first.row, first.repeat, 2)
    assert second.is_confirmed


def test_another_order_of_the_same_protocol_is_given_out_anew(tmp_path: Path) -> None:
    assert [come(tmp_path, name).row for name in ("001", "002", "003")] == [0, 1, 2]
    assert come(tmp_path, "004", order=("smic", "order-2", 4)).row == 0


def test_without_rows_everybody_has_one_of_their_own(tmp_path: Path) -> None:
    order = "smic", "random", None
    assert [come(tmp_path, name, order=order).row for name in ("001", "002", "003")] == [0, 1, 2]
    Ledger(tmp_path).drop_out("002", "why")
    assert [come(tmp_path, name, order=order).row for name in ("004", "005")] == [1, 3]


def test_a_subject_that_differs_only_in_case_is_refused_in_the_words_of_the_folders(tmp_path: Path) -> None:
    come(tmp_path / "here", "a01")
    with pytest.raises(SessionExists) as by_folder:
        new_session(tmp_path / "here", "A01")
    elsewhere = new_session(tmp_path / "elsewhere", "A01")  # as when the folder was moved away
    with pytest.raises(SessionExists) as by_ledger:
        Ledger(tmp_path / "here").reserve(*ORDER, elsewhere)
    assert str(by_ledger.value) == str(by_folder.value)


def test_who_was_excluded_or_dropped_out_is_refused_with_the_reason_until_readmitted(tmp_path: Path) -> None:
    ledger, place = Ledger(tmp_path), come(tmp_path, "001")
    ledger.exclude("001", "glasses")
    with pytest.raises(UserError, match=r"001 was excluded on \d{4}-\d\d-\d\d: glasses.*rig subjects readmit 001"):
        ledger.reserve(*ORDER, new_session(tmp_path, "001"))
    with pytest.raises(UserError, match="was excluded already"):
        ledger.drop_out("001", "again")
    assert come(tmp_path, "002").row == place.row
    ledger.readmit("001")
    again = come(tmp_path, "001")
    assert (again.row, again.repeat, again.visit) == (place.row, 1, 2)
    (entry,) = [one for one in ledger.subjects() if one.subject == "001"]
    assert entry.departure is None
    assert [one.reason for one in entry.departures] == ["glasses"]
    with pytest.raises(UserError, match="neither excluded"):
        ledger.readmit("001")


def test_who_withdraws_has_dropped_out_and_the_row_is_free(tmp_path: Path) -> None:
    place = come(tmp_path, "001", "withdrawn")
    (entry,) = Ledger(tmp_path).subjects()
    assert entry.departure is not None
    assert (entry.departure.kind, entry.departure.reason) == ("dropped out", "withdrew in session 1")
    assert come(tmp_path, "002").row == place.row


def test_consent_refused_frees_the_row_but_not_one_that_was_held_before(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.release(ledger.reserve(*ORDER, new_session(tmp_path, "001")), "consent refused")
    assert come(tmp_path, "002").row == 0
    ledger.release(ledger.reserve(*ORDER, new_session(tmp_path, "002")), "consent refused")
    assert come(tmp_path, "003").row == 1
    assert [visit.outcome for visit in ledger.subjects()[1].visits] == ["finished", "consent refused"]


def test_a_consent_that_could_not_be_told_is_told_at_the_end(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    place = ledger.reserve(*ORDER, new_session(tmp_path, "001"))
    ledger.ended(place, "finished")
    (entry,) = ledger.subjects()
    assert entry.rows[0].state == "confirmed"
    assert entry.visits[0].has_consent


RESERVE = """
import sys
from pathlib import Path
from rig.session.folder import SessionFolder
from rig.subjects.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]))
place = ledger.reserve("smic", "order-1", 4, SessionFolder(Path(sys.argv[1]), "001", 1))
if sys.argv[2] == "consent":
    ledger.confirm(place)
print(flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("until", ["reserved", "consent"])
def test_a_killed_recorder_loses_its_row_before_consent_and_keeps_it_after(until: str, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    command = [sys.executable, "-c", RESERVE, str(tmp_path), until]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as recorder:
        recorder.stdout.readline()
        assert come(tmp_path, "002").row == 1
        with pytest.raises(SessionExists, match=f"is being recorded as session 1 by process {recorder.pid}"):
            ledger.reserve(*ORDER, new_session(tmp_path, "001"))
        recorder.kill()
    assert come(tmp_path, "003").row == (2 if until == "consent" else 0)
    (visit,) = ledger.subjects()[0].visits
    assert (visit.ended_utc, visit.is_under_way, visit.has_consent) == (None, False, until == "consent")
    session = new_session(tmp_path, "001")
    resumed = ledger.reserve(*ORDER, session, resumed_row=0)
    assert (resumed.row, resumed.repeat) == (0, 0 if until == "consent" else 1)


def test_a_number_that_is_in_the_ledger_is_not_given_again_though_its_folder_is_gone(tmp_path: Path) -> None:
    come(tmp_path, "001")
    (tmp_path / "sub-001/ses-01").rmdir()
    with pytest.raises(SessionExists, match=r"1 is in the ledger, but not on the disk.*--session 2"):
        Ledger(tmp_path).reserve(*ORDER, new_session(tmp_path, "001"))


def test_a_process_is_told_from_another_of_its_number_and_from_one_that_ended() -> None:
    own = host.process_mark(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert host.process_mark(child.pid) not in ("", own)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it ended, and nobody has waited for it yet
        assert host.process_mark(child.pid) == ""
    assert own == host.process_mark(os.getpid())


def test_a_place_that_another_file_does_not_know_is_told_and_changes_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    place = ledger.reserve(*ORDER, new_session(tmp_path, "001"))
    ledger.path.unlink()
    with pytest.raises(StorageError, match="does not know session 1 of 001"):
        ledger.confirm(place)


def test_two_begun_at_once_leave_the_rows_balanced_whichever_comes_to_nothing(tmp_path: Path) -> None:
    order = "smic", "order-1", 3
    for subject in ("001", "002"):
        come(tmp_path, subject, order=order)
    ledger = Ledger(tmp_path)
    first, second = (ledger.reserve(*order, new_session(tmp_path, name)) for name in ("003", "004"))
    assert [(place.row, place.repeat) for place in (first, second)] == [(2, 0), (2, 1)]
    ledger.confirm(second)
    ledger.release(first)  # had the second got row 0, that would have two by now, and row 2 none
    assert sorted(row.row for one in ledger.subjects() for row in one.rows if row.state == "confirmed") == [0, 1, 2]


def test_who_is_excluded_while_being_recorded_gets_no_row_by_the_consent(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    place = ledger.reserve(*ORDER, new_session(tmp_path, "001"))
    ledger.exclude("001", "seen the films before")
    ledger.ended(ledger.confirm(place), "finished")
    assert [row.state for row in ledger.subjects()[0].rows] == ["freed"]
    assert come(tmp_path, "002").row == 0
