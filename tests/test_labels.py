"""Labels on the disk: a table that other programs read, never lost, never overwritten unseen, blind to each other."""

from __future__ import annotations

import errno
import json
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import rig
from rig import host
from rig.errors import LabelsChanged, SessionError, StorageError, UserError
from rig.labels import coding as rig_coding
from rig.labels.blind import of_others
from rig.labels.coding import Coding
from rig.labels.label import Label, are_aus, label_of
from rig.labels.table import COLUMNS
from rig.private import made
from rig.session.reader import Session
from tests.handmade import BOX_0, Plan, host_of, make_run, pulse_ticks
from tests.power import DiskLog
from tests.rights import without_root

PLAN = Plan(body_groups=10, lost={"HS": {20, 21}})
AT_S = (host_of(PLAN, pulse_ticks(PLAN)) - host_of(PLAN, BOX_0)) / 1e9  # each pulse
NEAR_S = 2e-6
SMILE = Label("a1", 1, 12, 20, 30, "micro", "happiness", "6+12", "at last", uncertain=True)
BLINK = Label("b2", 1, 5, None, None, "blink")
HOSTILE = '\tsaid "no"\r\n=1+1 \\ <script>alert(1)</script> \u202etxt\u2028 \U0001f600 \x00 n/a \'x'


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("labels"), PLAN)


@pytest.fixture
def path(made_once: Path, tmp_path: Path) -> Path:
    """A copy of it, in a place of its own."""
    folder = tmp_path / made_once.relative_to(made_once.parents[2]).parent
    return Path(shutil.copytree(made_once.parent, folder)) / made_once.name


@pytest.fixture
def session(path: Path) -> Iterator[Session]:
    with rig.open(path) as opened:
        yield opened


@pytest.fixture
def anna(session: Session) -> Coding:
    coding = Coding(session, "anna")
    coding.begin()
    return coding


def _save(coding: Coding, *labels: Label) -> int:
    return coding.save(labels, coding.read().revision)


def _close(coding: Coding) -> None:
    coding.close(coding.read().revision)


def _plain(**changed: Any) -> dict[str, Any]:
    return {**vars(SMILE), **changed}


def test_a_label_comes_back_as_it_was_saved_and_the_files_are_their_owners(anna: Coding) -> None:
    revision = _save(anna, SMILE, BLINK)
    assert anna.read().labels == (BLINK, SMILE)  # by their first marks
    assert anna.read().revision == revision
    assert [stat.S_IMODE(path.stat().st_mode) for path in anna.path.parent.iterdir()] == [0o600, 0o600]
    assert stat.S_IMODE(anna.path.parent.stat().st_mode) == 0o700


def test_other_programs_read_the_frames_and_seconds_of_the_marks(anna: Coding, path: Path) -> None:
    _save(anna, SMILE, BLINK)
    table = pd.read_csv(anna.path, sep="\t")
    assert list(table) == list(COLUMNS)
    assert table[["onset", "apex", "offset"]].iloc[1].tolist() == [12, 20, 30]
    assert table[["apex", "offset", "apex_frame", "offset_s"]].iloc[0].isna().all()
    with h5py.File(path, locking=False) as file:
        pulses = file["acquisition/HS/frames"]["pulse_number"].tolist()
    assert [table[f"{mark}_frame"][1] for mark in ("onset", "offset")] == [pulses.index(12), pulses.index(30)]
    assert np.isnan(table["apex_frame"][1])  # the frame was lost
    seconds = [table[f"{mark}_s"][1] for mark in ("onset", "apex", "offset")]
    assert seconds == pytest.approx(AT_S[[12, 20, 30]], abs=NEAR_S)
    about = json.loads(anna.path.with_suffix(".json").read_text())
    assert set(COLUMNS) <= set(about)


def test_marks_of_a_second_run_lie_on_the_clock_of_the_session(path: Path) -> None:
    later = PLAN.host_0 + 100_000_000_000
    make_run(path.parents[2], Plan(body_groups=10, run=2, host_0=later, created_utc="2026-03-01T10:01:40+00:00"))
    with rig.open(path) as session:
        coding = Coding(session, "anna")
        coding.begin()
        _save(coding, replace(SMILE, run=2))
        assert pd.read_csv(coding.path, sep="\t")["onset_s"][0] == pytest.approx(100 + AT_S[12], abs=NEAR_S)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@example(HOSTILE, "n/a")
@example("n/a", "'")
@example("\\x6e/a", "-5")
@given(TEXTS, TEXTS)
def test_whatever_is_typed_is_one_line_and_comes_back(texts_coding: Coding, note: str, emotion: str) -> None:
    label = replace(SMILE, note=note, emotion=emotion)
    _save(texts_coding, label, BLINK)
    assert texts_coding.read().labels == (BLINK, label)
    assert len(texts_coding.path.read_text().splitlines()) == 3


@pytest.fixture(scope="module")
def texts_coding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coding]:
    with rig.open(make_run(tmp_path_factory.mktemp("texts"), PLAN)) as session:
        coding = Coding(session, "anna")
        coding.begin()
        yield coding


def test_no_text_is_a_formula_of_a_spreadsheet(anna: Coding) -> None:
    _save(anna, replace(SMILE, note='=HYPERLINK("http://x")', emotion="@sum"))
    row = anna.path.read_text().splitlines()[1].split("\t")
    assert [cell.lstrip('"')[0] for cell in (row[12], row[14])] == ["'", "'"]


@pytest.mark.parametrize("text", ["", "12", "1+2+4", "R12", "L14A+25", "6B+T23+B15E", "43", "64"])
def test_action_units_are_those_of_facs(text: str) -> None:
    assert are_aus(text)


@pytest.mark.parametrize("text", ["0", "3", "12+", "+", "12 + 4", "X12", "12F", "AU12", "99", "012", "12a", "1,2", "٣"])
def test_anything_else_is_no_action_unit(text: str) -> None:
    assert not are_aus(text)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"apex": 11}, "onset <= apex <= offset"),
        ({"onset": 31, "apex": None}, "onset <= apex <= offset"),
        ({"onset": -1}, "onset"),
        ({"onset": True}, "onset"),
        ({"onset": 1.5}, "onset"),
        ({"onset": 2**53}, "onset"),
        ({"run": None}, "run"),
        ({"kind": "smile"}, "micro, macro, blink, other"),
        ({"aus": "R"}, "numbers of FACS"),
        ({"uncertain": 1}, "true or false"),
        ({"note": "x" * 4001}, "at most 4000"),
        ({"note": "\ud800"}, "whole letters"),
        ({"note": None}, "note"),
        ({"id": ""}, "letters, digits and hyphens"),
        ({"id": "../x"}, "letters, digits and hyphens"),
        ({"coder": "ben"}, "other fields"),
    ],
)
def test_what_is_no_label_is_refused_by_the_name_of_its_field(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        label_of(_plain(**changed))
    str(caught.value).encode()


@pytest.mark.parametrize("given", [None, [], {}, {"id": 1}, {"id": "a"}, "x"])
def test_what_is_no_object_of_a_label_is_refused(given: object) -> None:
    with pytest.raises(UserError):
        label_of(given)


@pytest.mark.parametrize("label", [replace(SMILE, offset=64), replace(SMILE, run=2), replace(BLINK, id="a1")])
def test_a_label_outside_the_session_or_twice_is_refused_and_nothing_is_changed(anna: Coding, label: Label) -> None:
    _save(anna, SMILE)
    before = anna.path.read_bytes()
    with pytest.raises(UserError):
        _save(anna, SMILE, label)
    assert anna.path.read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("\tonset\t", "\tbegin\t", "line 1"),
        ("\t12\t20\t", "\tx\t20\t", "line 2, onset"),
        ("\t12\t20\t", "\t-2\t20\t", "line 2, onset"),
        ("\t12\t20\t", "\t25\t20\t", "line 2.*onset <= apex"),
        ("\tmicro\t", "\tsmall\t", "line 2.*kind"),
        ("\ttrue\n", "\tyes\n", "line 2, uncertain"),
        ("\ttrue\n", "\n", "line 2: has 15 columns"),
        ("\ttrue\n", "\ttrue", "line 2: is broken off"),
        ("at last", "at \\last", "line 2, note"),
        ("at last", '"at" last', "is no table"),
        ("at last", "at \udcff", "is no table"),
        ("a1\t", "\t", "line 2.*id"),
    ],
)
def test_a_table_that_is_not_ours_is_named_by_line_and_column_and_never_overwritten(
    anna: Coding, old: str, new: str, words: str
) -> None:
    _save(anna, SMILE)
    text = anna.path.read_text()
    assert old in text
    anna.path.write_bytes(text.replace(old, new).encode(errors="surrogateescape"))
    before = anna.path.read_bytes()
    for refused in (anna.read, anna.begin, lambda: anna.save([BLINK], 0), lambda: anna.close(0)):
        with pytest.raises(SessionError, match=words):
            refused()
    assert anna.path.read_bytes() == before


NO_TIMES = ['{"ClosedUtc": 5}', '{"ClosedUtc": "zzz"}', '{"ClosedUtc": "2026-03-01T10:00:00"}']


@pytest.mark.parametrize("text", ["", "[]", "{}", *NO_TIMES, "[" * 10_000])
def test_a_description_that_is_not_ours_is_refused(anna: Coding, text: str) -> None:
    anna.path.with_suffix(".json").write_text(text)
    with pytest.raises(SessionError, match=r"anna\.json"):
        anna.read()


def test_who_saves_after_another_is_refused_and_overwrites_nothing(anna: Coding, session: Session) -> None:
    again, revision = Coding(session, "anna"), anna.read().revision
    anna.save([SMILE], revision)
    with pytest.raises(LabelsChanged, match="another window or program"):
        again.save([BLINK], revision)
    assert anna.read().labels == (SMILE,)


def test_the_revision_of_one_coder_is_no_other_ones(anna: Coding, session: Session) -> None:
    ben = Coding(session, "ben")
    ben.begin()
    assert ben.path.read_bytes() == anna.path.read_bytes()
    with pytest.raises(LabelsChanged):
        ben.save([SMILE], anna.read().revision)


ADDS = """
import sys, rig
from rig.errors import LabelsChanged
from rig.labels.coding import Coding
from rig.labels.label import Label
with rig.open(sys.argv[1]) as session:
    coding = Coding(session, "anna")
    for number in range(int(sys.argv[3])):
        while True:
            read = coding.read()
            label = Label(f"{sys.argv[2]}-{number}", 1, 1, 2, 3, "micro", note="x" * 4000)
            try:
                coding.save([*read.labels, label], read.revision)
                break
            except LabelsChanged:
                pass
        print(label.id, flush=True)
"""


def _adding(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ADDS, str(path), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_programs_that_save_at_once_lose_nothing(anna: Coding, path: Path) -> None:
    programs = [_adding(path, name, 10) for name in ("one", "two")]
    said = [program.communicate(timeout=60)[0].split() for program in programs]
    assert [len(ids) for ids in said] == [10, 10]
    assert {label.id for label in anna.read().labels} == {*said[0], *said[1]}


@pytest.mark.parametrize("changes", [1, 4])
def test_a_kill_while_a_large_table_is_replaced_leaves_a_whole_one_with_all_that_was_acknowledged(
    anna: Coding, path: Path, changes: int
) -> None:
    """Killed at the first sight of a change of the file, which takes milliseconds to be written."""
    before = [replace(SMILE, id=f"l{number}", note="x" * 4000) for number in range(250)]
    _save(anna, *before)
    program = _adding(path, "kill", 1000)
    assert program.stdout is not None
    said = [program.stdout.readline().strip() for _ in range(changes - 1)]
    seen = _seen(anna.path)
    while _seen(anna.path) == seen:
        assert program.poll() is None
    program.kill()
    said += program.stdout.read().split()
    program.stdout.close()
    assert program.wait() == -9
    ids = {label.id for label in anna.read().labels}
    assert ids >= {*said, *(label.id for label in before)}
    assert len(ids) <= len(said) + 1 + len(before)
    _save(anna, SMILE)  # what it held is free


def _seen(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def test_whoever_reads_a_table_while_it_is_replaced_has_the_whole_of_the_old_one(anna: Coding) -> None:
    _save(anna, SMILE)
    before = anna.path.read_bytes()
    with anna.path.open("rb") as file:
        _save(anna, BLINK)
        assert file.read() == before != anna.path.read_bytes()


def test_saving_looks_up_each_run_once_and_reads_no_label_of_the_disk(
    anna: Coding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many labels there are: a coder waits for it at each key."""
    looked: list[int] = []
    pulses = rig_coding._pulses
    monkeypatch.setattr(rig_coding, "_pulses", lambda session, run: (looked.append(run), pulses(session, run))[1])
    labels = [replace(SMILE, id=f"l{number}") for number in range(20)]
    revision = _save(anna, *labels)
    monkeypatch.setattr(rig_coding, "labels_in", lambda *_: pytest.fail("all labels are read again"))
    revision = anna.save(labels[1:], revision)
    assert looked == [1, 1]
    monkeypatch.undo()
    assert (len(anna.read().labels), anna.read().revision) == (19, revision)


def test_a_power_cut_at_any_moment_leaves_a_whole_table_with_all_that_was_acknowledged(tmp_path: Path) -> None:
    path = make_run(tmp_path / "disk", PLAN)
    log, saved = DiskLog(path.parent), []
    with rig.open(path) as session, log.logging():
        coding = Coding(session, "anna")
        coding.begin()
        for number in range(4):
            label = replace(SMILE, id=f"l{number}", note="x" * 3000)
            _save(coding, *coding.read().labels, label)
            saved.append(len(log.ops))
        _close(coding)
        closed = len(log.ops)
    for place in range(saved[0], closed + 1):
        left = tmp_path / f"left-{place}" / "sub-001/ses-01"
        left.mkdir(parents=True)
        log.cut_at(place, Random(place), left)
        with rig.open(left) as session:
            coded = Coding(session, "anna").read()
        assert len(coded.labels) >= sum(place >= done for done in saved)
        assert coded.is_closed or place < closed


def test_a_full_disk_refuses_the_mark_and_leaves_what_was_there(anna: Coding, monkeypatch: pytest.MonkeyPatch) -> None:
    _save(anna, SMILE)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(host, "write_at", full)
    with pytest.raises(StorageError, match="No space left"):
        _save(anna, SMILE, BLINK)
    assert anna.read().labels == (SMILE,)
    assert sorted(path.name for path in anna.path.parent.iterdir()) == ["anna.json", "anna.tsv"]


@pytest.mark.parametrize("read_only", ["sub-001/ses-01", "sub-001/ses-01/annotations"])
def test_a_session_that_is_read_only_is_refused_with_its_folder(read_only: str) -> None:
    with without_root() as (lab, take_rights):
        path = make_run(lab, PLAN)
        with rig.open(path) as session:
            if read_only.endswith("annotations"):
                Coding(session, "ben").begin()
            take_rights(lab / read_only, 0o500)
            with pytest.raises(StorageError, match=r"annotations.*Permission denied"):
                Coding(session, "anna").begin()


def test_one_that_holds_the_labels_and_does_not_go_on_is_named(anna: Coding, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rig.labels.coding._TRIES", 2)
    with made(anna.path.with_name(".anna.lock")) as fd:
        host.hold_alone(fd)
        with pytest.raises(StorageError, match=r"\.anna\.lock: is held"):
            _save(anna, SMILE)
    _save(anna, SMILE)


def test_what_is_closed_is_never_written_again(anna: Coding) -> None:
    _save(anna, SMILE)
    _close(anna)
    before = anna.path.read_bytes(), anna.path.with_suffix(".json").read_bytes()
    anna.begin()
    for change in (lambda: _save(anna), lambda: _close(anna)):
        with pytest.raises(LabelsChanged, match="was closed by anna on 20"):
            change()
    assert (anna.path.read_bytes(), anna.path.with_suffix(".json").read_bytes()) == before


def test_labels_are_closed_only_when_all_are_marked_and_the_others_are_named(anna: Coding) -> None:
    _save(anna, SMILE, BLINK)
    with pytest.raises(UserError, match=r"run 1, pulse 5: no apex, no offset\. Mark"):
        _close(anna)
    assert not anna.read().is_closed


def test_of_many_that_are_not_marked_the_first_are_named_and_the_others_counted(anna: Coding) -> None:
    _save(anna, *(replace(BLINK, id=f"b{number}") for number in range(60)))
    with pytest.raises(UserError, match=r"; and 55 more\. Mark") as caught:
        _close(anna)
    assert str(caught.value).count("no apex") == 5


def test_where_the_folder_was_taken_away_it_is_made_again(anna: Coding) -> None:
    _save(anna, SMILE)
    shutil.rmtree(anna.path.parent)
    with pytest.raises(LabelsChanged):  # whose labels these were is only known by what is there
        anna.save([SMILE], 0)
    assert not anna.read().is_there
    _save(anna, SMILE, BLINK)
    assert anna.read().is_there
    assert sorted(path.name for path in anna.path.parent.iterdir()) == ["anna.json", "anna.tsv"]


def test_nobody_sees_the_labels_of_another_before_both_have_closed(session: Session) -> None:
    codings = {name: Coding(session, name) for name in ("anna", "ben", "cleo")}

    def seen() -> dict[str | None, set[str]]:
        return {name: set(of_others(session, name)[0]) for name in (*codings, None)}

    nobody = {"anna": set(), "ben": set(), "cleo": set(), None: set()}
    for coding in codings.values():
        coding.begin()
        _save(coding, SMILE)
    assert seen() == nobody
    _close(codings["anna"])
    assert seen() == nobody
    _close(codings["ben"])
    assert seen() == nobody | {"anna": {"ben"}, "ben": {"anna"}}
    _close(codings["cleo"])
    assert seen()[None] == {"anna", "ben", "cleo"}
    assert of_others(session, "cleo")[0] == {"anna": (SMILE,), "ben": (SMILE,)}


def test_damaged_labels_of_another_are_told_of_and_tell_nothing(anna: Coding, session: Session) -> None:
    ben = Coding(session, "ben")
    ben.begin()
    _save(ben, replace(SMILE, note="secret"))
    ben.path.write_bytes(ben.path.read_bytes()[:-3])
    assert of_others(session, "anna") == ({}, [])
    _close(anna)
    for who in ("anna", None):
        found, problems = of_others(session, who)
        assert found == {}
        assert problems == ["the labels of ben cannot be read: rig annotate --coder ben says why"]


@pytest.mark.parametrize("name", ["", "../x", "<script>", "anna\u202e", "a b", "anna.tsv", "x" * 65, "ä"])
def test_a_coder_is_letters_and_digits(session: Session, name: str) -> None:
    with pytest.raises(UserError, match="letters and digits only"):
        Coding(session, name)


def test_a_coder_who_differs_only_in_case_is_refused(anna: Coding, session: Session) -> None:
    with pytest.raises(UserError, match="from anna, who has begun"):
        Coding(session, "Anna").begin()


def test_what_else_lies_there_is_nobodys_labels(anna: Coding, session: Session) -> None:
    _close(anna)
    (anna.path.parent / "my notes.tsv").write_text("x")
    (anna.path.parent / "ben.xlsx").write_text("x")
    assert of_others(session, None) == ({"anna": ()}, [])


def test_what_lies_in_the_way_is_named_and_what_to_do(session: Session, path: Path) -> None:
    folder = path.parent / "annotations"
    folder.write_text("x")
    anna = Coding(session, "anna")
    for refused in (anna.begin, anna.read, lambda: anna.save([], 0)):
        with pytest.raises(SessionError, match=r"annotations: is no folder\. Move it away"):
            refused()
    folder.unlink()
    anna.path.mkdir(parents=True)
    with pytest.raises(SessionError, match=r"anna\.tsv: is a folder\. Move it away"):
        anna.begin()


def test_a_session_without_a_pulse_is_refused_before_anybody_begins(tmp_path: Path) -> None:
    path = make_run(tmp_path, PLAN)
    path.chmod(0o600)
    with h5py.File(path, "r+") as file:
        for table in ("acquisition/pulses", *(f"acquisition/{name}/frames" for name in ("HS", "VIS", "NIR"))):
            file[table]["seq"] = 0
    with rig.open(path) as session:
        with pytest.raises(UserError, match="has no pulse to show"):
            Coding(session, "anna").check()
        with pytest.raises(UserError, match="none: run 1 has no pulse"):
            Coding(session, "anna").save([SMILE], 0)
