"""A session that was cut goes on in a new run of the same session, behind the trial that was cut."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner

import rig
from rig import host
from rig.check.preflight import check
from rig.cli.app import app
from rig.clips import known
from rig.clips.counted import count
from rig.clips.manifest import find_clips, find_each
from rig.config.rig import read_rig
from rig.elicitation.protocol import read_protocol
from rig.errors import UserError
from rig.record.messages import OperatorSaid
from rig.record.plan import LEAST_FREE_BYTES
from rig.record.preparing import Request, prepared
from rig.record.recording import Recorded, Recording, Status
from rig.record.resuming import cut_sessions, find_cut
from rig.session.layout import Outcome
from rig.session.recover import recover
from rig.session.run import Run
from rig.session.withdrawal import Withdrawal, withdrawal_of
from rig.subjects.ledger import Ledger
from rig.verify.findings import Word
from rig.verify.screen.film import check_film_frames
from rig.verify.screen.flips import check_steps
from rig.verify.verdict import verify_run
from tests import commands
from tests.films import make_film
from tests.power import DiskLog
from tests.record.trials import record_with, write_trials
from tests.rigs import write_rig

ENDS_WITHIN_S = 30
POWER_CUTS = 2


def cut(folder: Path, step: str, *, time: str = "virtual", withdraws_in: str = "") -> tuple[Path, Path]:
    """A session whose recorder was killed in that step; rig and protocol. Who withdraws wants nothing kept."""
    frames = 50 if time == "virtual" else 250  # a film that goes on though the computer stands still for seconds
    files = write_rig(folder), write_trials(folder, "fear", "joy", "fear", frames=frames)
    if withdraws_in:
        files[0].write_text(
            files[0].read_text().replace("  faults:", f"  withdraws_in_step: {withdraws_in}\n  faults:")
        )
        files[1].write_text(files[1].read_text().replace("ask: true", "otherwise: delete, ask: true"))
    command = [sys.executable, "-m", "tests.record.cut", str(folder), *map(str, files), step, time]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    return files


@pytest.fixture(scope="module")
def left(tmp_path_factory) -> tuple[Path, Path, Path]:
    """Folder, rig and protocol of a session that was killed in its second trial."""
    folder = tmp_path_factory.mktemp("cut")
    return folder, *cut(folder, "trial02-film")


@pytest.fixture(scope="module")
def resumed(left) -> Recorded:
    folder, rig_file, protocol = left
    shutil.copytree(folder / "sessions", folder / "as-it-was")
    return record_with(folder, rig_file, protocol, lambda *_: None, resume=True)


def test_it_goes_on_behind_the_trial_that_was_cut_in_the_same_session(resumed):
    assert resumed.outcome is Outcome.FINISHED
    assert resumed.path.name == "sub-001_ses-01_run-02_session.h5"
    with Run(resumed.path) as run:
        names = [run.steps[row["step"]].name for row in run.trials]
        assert names == ["trial03-film", "trial03-rest", "trial03-guess", "penalty-page1", "end"]
        attributes = run.attributes("/")
        assert (attributes["resumes"], attributes["first_step"], attributes["caught_before"]) == (1, 7, 1)


def test_it_is_the_same_order_and_one_session_to_who_reads_it(resumed):
    with rig.open(resumed.path.parent) as session:
        first, second = session.runs
        assert (first.outcome, second.outcome) == (Outcome.INCOMPLETE, Outcome.FINISHED)
        assert first.steps == second.steps
        assert first.attributes("/")["row"] == second.attributes("/")["row"]
        assert len(session.streams["HS"].frames) == sum(len(run.streams["HS"].frames) for run in session.runs)
        guesses = [answer["answer"] for answer in session.answers if answer.get("by") == "operator"]
        assert guesses == ["fear"]


def test_verify_names_what_was_cut_and_misses_nothing_else(resumed, monkeypatch):
    with Run(resumed.path) as run:
        verdict = verify_run(run)
        assert [f.text for f in verdict.findings if f.word is Word.FAIL] == []
        told = [finding.text for finding in verdict.findings if finding.check == "ending"]
        assert "goes on with run 1, which was cut in step trial02-film of trial 2" in told[1]
        told_by_file = Run.attributes
        monkeypatch.setattr(Run, "attributes", lambda own, path: told_by_file(own, path) | {"first_step": 0})
        (bad,) = check_steps(run)
        assert (bad.word, "never begun: consent, trial01-film" in bad.text) == (Word.FAIL, True)


def test_what_of_its_film_the_killed_recorder_did_not_write_is_not_known(resumed, left):
    with rig.open(left[0] / "as-it-was" / "sub-001" / "ses-01") as session:
        (line,) = session.timelines
        shown = line.run.film_flips(line.run.steps[4])
        last, number = int(shown["host_ns"][-1]), int(shown["film_frame"][-1])
        before, after = line.on_screen(last + 16_000_000), line.on_screen(last + 17_000_000)
        whole, cut_short = check_film_frames(line.run)
    assert (before.clip, before.film_frame, before.reason) == ("film2", number, "")
    unknown = "the run was cut: what was on the screen is not known"
    assert (after.step, after.film_frame, after.picture, after.reason) == (None, -1, None, unknown)
    assert (whole.stream, whole.word) == ("trial01-film", Word.PASS)
    assert (cut_short.stream, cut_short.word, cut_short.value) == ("trial02-film", Word.NOT_MEASURED, None)
    assert f"not known from film frame {number + 1} on; before it all {number + 1}" in cut_short.text


def test_its_row_of_the_ledger_is_kept(resumed, left):
    (entry,) = Ledger(left[0] / "sessions").subjects()
    assert entry.subject == "001"


def as_it_was(left, tmp_path: Path) -> tuple[Path, Path]:
    """The session as the kill left it, in a folder of its own, and its protocol."""
    out = tmp_path / "sessions"
    shutil.copytree(left[0] / "as-it-was", out)
    return out, left[2]


def test_a_protocol_that_was_changed_since_is_refused(resumed, left, tmp_path):
    out, protocol = as_it_was(left, tmp_path)
    other = tmp_path / "short.yaml"
    shutil.copy(protocol.parent / "film.mp4", tmp_path)
    other.write_text(protocol.read_text() + "# changed\n")
    with pytest.raises(UserError, match="is not the protocol that"):
        find_cut(out, "001", None, read_protocol(other))


def test_a_session_that_is_over_is_not_resumed_and_nothing_to_resume_is_said(resumed, left, tmp_path):
    with pytest.raises(UserError, match="has no session of 001 that was cut"):
        find_cut(left[0] / "sessions", "001", None, read_protocol(left[2]))
    with pytest.raises(UserError, match="is over: finished"):
        find_cut(left[0] / "sessions", "001", 1, read_protocol(left[2]))
    with pytest.raises(UserError, match="does not exist"):
        find_cut(left[0] / "sessions", "001", 7, read_protocol(left[2]))
    with pytest.raises(UserError, match="has no session of 002 that was cut"):
        find_cut(left[0] / "sessions", "002", None, read_protocol(left[2]))


def test_of_several_sessions_only_the_newest_goes_on_and_an_older_one_that_was_cut_is_named(resumed, left, tmp_path):
    out, protocol = as_it_was(left, tmp_path)
    home = out / "sub-001"
    shutil.copytree(resumed.path.parent, home / "ses-99")
    with pytest.raises(UserError, match="after which none was recorded") as error:
        find_cut(out, "001", None, read_protocol(protocol))
    assert "--session and one of 1" in error.value.hint
    assert find_cut(out, "001", 1, read_protocol(protocol)).folder.path == home / "ses-01"
    shutil.copytree(home / "ses-01", home / "ses-100")
    (home / "ses-101").mkdir()  # nothing was recorded in it
    assert find_cut(out, "001", None, read_protocol(protocol)).folder.number == 100
    assert [folder.number for folder in cut_sessions(out, "001")] == [100, 1]


def test_a_session_that_was_recovered_goes_on_the_same(resumed, left, tmp_path):
    out, protocol = as_it_was(left, tmp_path)
    before = find_cut(out, "001", None, read_protocol(protocol))
    recover(out / "sub-001" / "ses-01")
    after = find_cut(out, "001", None, read_protocol(protocol))
    assert (after.first, after.caught, after.run, after.resumes) == (7, 1, 2, 1)
    assert (before.first, before.caught, before.steps) == (after.first, after.caught, after.steps)


@pytest.mark.parametrize(
    ("kept", "language", "problem"),
    [
        (lambda line: "" if "NIR:" in line else line, "", "has other cameras"),
        (lambda line: line.replace("width: 96", "width: 128"), "", "has other cameras"),
        (lambda line: line.replace("rate_hz: 100", "rate_hz: 50"), "", "has other cameras"),
        (lambda line: line, "en", "is that of the session that goes on"),
    ],
)
def test_another_rig_or_language_is_refused_and_the_session_stays_as_it_was(
    resumed, left, tmp_path, kept, language, problem
):
    out, protocol = as_it_was(left, tmp_path)
    small = write_rig(tmp_path)
    small.write_text("".join(map(kept, small.read_text().splitlines(keepends=True))))
    request = Request(read_rig(small), read_protocol(protocol), "001", out, language=language, resume=True)
    with pytest.raises(UserError, match=problem), prepared(request):
        pass
    assert [path.name for path in (out / "sub-001" / "ses-01").glob("*.h5")] == ["sub-001_ses-01_run-01_session.h5"]


def test_room_is_asked_for_what_is_left_and_recovering_is_offered(resumed, left, tmp_path, monkeypatch):
    out, protocol = as_it_was(left, tmp_path)

    def free(room: int, *, resume: bool = True) -> list[str]:
        monkeypatch.setattr(host, "free_bytes", lambda _: room)
        find = partial(find_cut, out, "001", None) if resume else None
        found = check(str(left[1]), str(protocol), out, with_devices=False, subject="001", find_cut=find)
        return [str(problem) for problem in found.problems]

    rest = check(
        str(left[1]), str(protocol), out, with_devices=False, subject="001", find_cut=partial(find_cut, out, "001", 1)
    )
    whole = check(str(left[1]), str(protocol), out, with_devices=False, subject="001")
    assert (rest.cut.first, rest.booked) == (7, None)
    assert rest.plan.seconds < whole.plan.seconds
    between = (rest.reserved_bytes + whole.reserved_bytes) // 2 + LEAST_FREE_BYTES
    assert free(between) == []
    assert "the longest possible session needs" in free(between, resume=False)[0]
    (problem,) = free(rest.reserved_bytes)
    assert "what is left of the session needs" in problem
    assert f"rig recover {out / 'sub-001' / 'ses-01'}" in problem


def test_films_that_the_cut_run_has_counted_are_not_decoded_again(resumed, left, tmp_path, monkeypatch):
    out, protocol = as_it_was(left, tmp_path)
    whole = find_clips(read_protocol(protocol))
    counted = list[Path]()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # nothing else is known of them
    monkeypatch.setattr(known, "count", lambda path, *_: counted.append(path) or count(path))
    find = partial(find_cut, out, "001", None)
    found = check(str(left[1]), str(protocol), out, with_devices=False, subject="001", find_cut=find)
    assert (found.problems, found.films.clips, counted) == ([], whole, [])
    with prepared(Request(read_rig(left[1]), read_protocol(protocol), "001", out, resume=True)) as made:
        assert (made.clips, counted) == (whole, [])


def test_a_film_that_has_changed_since_is_refused_and_a_count_that_cannot_be_true_is_made_anew(
    resumed, left, tmp_path, monkeypatch
):
    out, protocol = as_it_was(left, tmp_path)
    file, film = tmp_path / protocol.name, tmp_path / "film.mp4"
    for path in (file, film):
        shutil.copy(protocol.with_name(path.name), path)
    protocol_file = read_protocol(file)
    whole = find_clips(protocol_file)
    clip_of = Run.clip
    monkeypatch.setattr(Run, "clip", lambda run, name: clip_of(run, name) | {"fps": 24.0 if name == "film1" else 25.0})
    films = find_cut(out, "001", None, protocol_file).films
    assert sorted(films) == ["film2", "film3"] and find_each(protocol_file, films) == (whole, [])
    make_film(film, 49)
    problems = find_each(protocol_file, films)[1]
    assert len(problems) == 3 and all("another film than the protocol names" in str(p) for p in problems)


def test_a_session_in_an_archive_is_not_resumed_there(resumed, left, tmp_path):
    out, protocol = as_it_was(left, tmp_path)
    recover(out / "sub-001" / "ses-01")
    (tmp_path / "archive").mkdir()
    said = CliRunner().invoke(app, ["archive", str(out / "sub-001" / "ses-01"), str(tmp_path / "archive")])
    assert said.exit_code == 0, said.output
    with pytest.raises(UserError, match="lies in an archive") as error:
        find_cut(tmp_path / "archive", "001", None, read_protocol(protocol))
    assert "where it was recorded" in error.value.hint
    assert find_cut(out, "001", None, read_protocol(protocol)).run == 2


def test_outside_of_trials_the_step_that_was_cut_comes_again(tmp_path):
    _, protocol = cut(tmp_path, "consent")
    found = find_cut(tmp_path / "sessions", "001", None, read_protocol(protocol))
    assert (found.first, found.caught, found.run) == (0, 0, 2)


@pytest.fixture(scope="module")
def withdrawn(tmp_path_factory) -> tuple[Path, Path, Path]:
    """The same, of a participant who withdrew in the first trial, and was killed before what to keep was asked."""
    folder = tmp_path_factory.mktemp("withdrawn")
    return folder, *cut(folder, "withdrawn", withdraws_in="trial01-film")


def test_what_a_crash_leaves_of_who_withdrew_names_the_wish_and_how_to_fulfil_it(withdrawn):
    found = find_cut(withdrawn[0] / "sessions", "001", None, read_protocol(withdrawn[2]))
    assert (found.is_withdrawn, found.choice) == (True, "")
    told = "wants the recordings deleted: rig subjects delete 001 --session 1 --reason withdrew"
    for command in ("info", "recover", "info"):
        shown = CliRunner().invoke(app, [command, str(found.folder.path)], env={"COLUMNS": "300"}).output
        assert ("WITHDRAWN" in shown, told in shown) == (True, True), shown
    with rig.open(found.folder.path) as session:
        assert withdrawal_of(session) == Withdrawal("001", 1, "", "delete")
        (asked,) = (step for step in session.runs[0].steps if step.only_withdrawn)
        said = {"step": asked.index, "answer": "keep", "host_ns": 1, "question": "withdrawn-recordings"}
        session.runs[0].__dict__["answers"] = [said]
        wish = withdrawal_of(session)
        assert (wish.is_to_be_deleted, wish.choice, "lets the recordings be kept" in wish.text) == (False, "keep", True)


def test_who_withdrew_before_the_kill_has_dropped_out_and_is_still_asked_what_may_be_kept(withdrawn, tmp_path):
    files = withdrawn[1:]
    shutil.copytree(withdrawn[0] / "sessions", tmp_path / "sessions")
    (entry,) = Ledger(tmp_path / "sessions").subjects()
    assert (entry.departure.reason, [row.state for row in entry.rows]) == ("withdrew in session 1", ["freed"])
    asked = record_with(tmp_path, *files, lambda *_: None, resume=True)
    assert (asked.outcome, asked.withdrawal) == (Outcome.WITHDRAWN, "keep")  # the first answer of the page
    (entry,) = Ledger(tmp_path / "sessions").subjects()
    assert [row.state for row in entry.rows] == ["freed"]
    assert [visit.outcome for visit in entry.visits] == ["withdrawn"]
    with pytest.raises(UserError, match=r"dropped out on .*: withdrew in session 1"):
        record_with(tmp_path, *files, lambda *_: None)


def logged_session(folder: Path) -> tuple[DiskLog, int, tuple[Path, Path]]:
    """What a virtual session asked of the disk, and how much of it in its second film; rig and protocol.

    Beside it, in `ledger`, the ledger as it was at that moment.
    """
    files = write_rig(folder), write_trials(folder, "fear", "joy", "fear", frames=50)
    (folder / "sessions").mkdir()
    find_clips(read_protocol(files[1]))  # counted, if no other test has done it: the log is of sessions alone
    log, seen = DiskLog(folder / "sessions"), list[int]()

    def act(recording: Recording, status: Status) -> None:
        if status.step == "trial01-guess":
            recording.say(OperatorSaid("guess", 0, value="fear", confidence=5))
        elif status.step == "trial02-film":
            seen.append(len(log.ops))
            copy_ledger(folder / "sessions", folder / "ledger")
            [recording.abort() for _ in seen[1:]]  # what comes later matters to nobody

    with log.logging():
        record_with(folder, *files, act)
    return log, seen[1], files  # by the second time the disk has the row of the step


def copy_ledger(out: Path, into: Path) -> None:
    into.mkdir(exist_ok=True)
    for path in out.glob("ledger*"):
        shutil.copy(path, into)


def test_what_a_power_cut_leaves_goes_on_by_the_command(tmp_path):
    """Whatever of the unsynced blocks the disk has, torn or whole, and nothing recovered first."""
    log, place, (rig_file, protocol) = logged_session(tmp_path)
    for seed in range(POWER_CUTS):
        left = tmp_path / f"left-{seed}"
        shutil.copytree(tmp_path / "ledger", left)
        log.cut_at(place, Random(seed), left)
        found = find_cut(left, "001", None, read_protocol(protocol))
        assert (found.first, found.caught, found.run, found.resumes) == (7, 1, 2, 1)
    options = ("--rig", rig_file, "--subject", "001", "--out", left, "--participant", "scripted", "--speed", "max")
    done = commands.run("record", protocol, *options, "--resume", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"goes on:    {left}/sub-001/ses-01, with step 8 of 14" in done.stdout
    with rig.open(left / "sub-001/ses-01") as session:
        first, second = session.runs
        assert (first.outcome, second.outcome) == (Outcome.INCOMPLETE, Outcome.FINISHED)
        names = [second.steps[row["step"]].name for row in second.trials]
        assert names == ["trial03-film", "trial03-rest", "trial03-guess", "penalty-page1", "end"]
        assert [f.text for f in verify_run(second).findings if f.word is Word.FAIL] == []


def test_the_outage_is_told_to_the_millisecond(tmp_path):
    """In real time, and by the command that an operator types: both runs are of one boot, so the host clock tells."""
    rig_file, protocol = cut(tmp_path, "trial01-film", time="real")
    resume = ("--rig", rig_file, "--subject", "001", "--participant", "scripted", "--resume")
    with commands.started("record", protocol, *resume, cwd=tmp_path) as recorder:
        said = next(line for line in recorder.stdout if "trial02" in line)  # a step has begun
        recorder.send_signal(signal.SIGINT)
        rest, problems = recorder.communicate(timeout=ENDS_WITHIN_S)
    assert (recorder.returncode, problems) == (0, ""), said + rest
    with rig.open(tmp_path / "sessions/sub-001/ses-01") as session:
        first, second = session.runs
        last = max(stream.frames["arrived_host_ns"].max() for stream in first.streams.values())
        come = min(stream.frames["arrived_host_ns"].min() for stream in second.streams.values())
        told = [finding.text for finding in verify_run(second).findings if finding.check == "ending"]
    assert "cut in step trial01-film of trial 1" in told[1]
    assert f"no frame for {(come - last) / 1e9:.3f} s" in told[1]
