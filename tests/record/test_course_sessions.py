"""Whole sessions, in virtual time, whose way operator and participant change: what is in the file, and verify."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rig.record.messages import OperatorSaid
from rig.record.recording import Recorded, Recording, Status
from rig.session.layout import Outcome
from rig.session.run import Run
from rig.verify.counters.anchors import check_postamble, check_preamble
from rig.verify.findings import Word
from rig.verify.screen.film import check_film_frames
from rig.verify.screen.flips import check_steps
from rig.verify.verdict import verify_run
from tests.record.trials import record_with, write_trials
from tests.rigs import write_rig

NS = 1_000_000_000


def says(said: list[str], recording: Recording, status: Status) -> None:
    """In trial 1 once more, then a right guess during the film; a pause behind it; trial 2 not; trial 3 guessed."""

    def once(word: str, kind: str, **words) -> None:
        if word not in said:
            said.append(word)
            recording.say(OperatorSaid(kind, 0, **words))

    if status.step == "trial01-film" and "once more" not in said:
        once("once more", "repeat")
    elif status.held:
        once("go on", "go_on")
    elif status.step == "trial01-rest":
        once("first guess", "guess", value="fear", confidence=4)
        once("pause", "pause")
    elif status.step == "trial02-film":
        once("not", "skip")
    elif status.step == "trial03-guess":
        once("third guess", "guess", value="fear", confidence=2)


@pytest.fixture(scope="module")
def led(tmp_path_factory) -> tuple[Recorded, list[str]]:
    folder, said = tmp_path_factory.mktemp("led"), list[str]()
    protocol = write_trials(folder, "fear", "joy", "fear", frames=50, guess_s=4)
    return record_with(folder, write_rig(folder), protocol, lambda *seen: says(said, *seen)), said


@pytest.fixture
def run(led) -> Iterator[Run]:
    with Run(led[0].path) as opened:
        yield opened


def shown(run: Run) -> list[str]:
    return [run.steps[row["step"]].name for row in run.trials]


def test_a_session_that_the_operator_led_is_finished_and_complete(led, run):
    assert led[1] == ["once more", "first guess", "pause", "go on", "not", "third guess"]
    assert (led[0].outcome, led[0].alarms, led[0].withdrawal) == (Outcome.FINISHED, (), "")
    verdict = verify_run(run)
    assert not [f.text for f in verdict.findings if f.word is Word.FAIL]


def test_nothing_is_stored_before_consent_and_its_frames_tell_their_pulses_all_the_same(run, monkeypatch):
    (consent, *_) = run.trials
    for name, stream in run.streams.items():
        assert stream.frames["arrived_host_ns"].min() > consent["ended_host_ns"]
        (row, *_) = (row for row in run.not_stored if row["stream"] == name.encode())
        assert (row["first_pulse"], row["reason"]) == (0, b"protocol: consent")
    assert [(f.word, f.value) for f in check_preamble(run)] == [(Word.PASS, 0)] * 3
    opening = [entry for entry in run.log if entry["kind"] == "opening"]
    monkeypatch.setitem(opening[0], "pulses", [pulse + 4 for pulse in opening[0]["pulses"]])
    monkeypatch.setitem(opening[1], "stream", "gone")
    wrong, unknown, _ = sorted(check_preamble(run), key=lambda f: f.stream != opening[0]["stream"])
    assert (wrong.word, Word.NOT_MEASURED in {unknown.word, _.word}) == (Word.FAIL, True)


def test_who_is_stopped_before_consent_leaves_no_picture(tmp_path: Path):
    rig, protocol = write_rig(tmp_path), write_trials(tmp_path, "fear")
    came = record_with(tmp_path, rig, protocol, lambda own, status: own.stop() if status.step else None)
    with Run(came.path) as run:
        assert [len(stream.frames) for stream in run.streams.values()] == [0, 0, 0]
        assert [entry for entry in run.log if entry["kind"] == "declined"] == []
        assert [f.text for f in verify_run(run).findings if f.word is Word.FAIL] == []


def test_every_time_that_a_step_was_shown_has_its_row(run):
    assert shown(run) == [
        "consent", "trial01-film", "trial01-film", "trial01-rest", "trial02-film", "trial03-film", "trial03-rest",
        "trial03-guess", "penalty-page1", "penalty-page2", "end",
    ]  # fmt: skip


def test_answers_of_participant_and_operator_are_all_there(run):
    questions = [answer["question"] for answer in run.answers]
    statements = [f"penalty-{number}" for number in range(1, 5)]
    assert questions[:3] == ["consent", "guess", "guess"]
    assert [question.partition("-")[0] for question in questions[3:]] == ["penalty"] * len(statements)
    guesses = [answer for answer in run.answers if answer.get("by") == "operator"]
    told = [(guess["trial"], guess["answer"], guess["confidence"], guess["is_right"]) for guess in guesses]
    assert told == [(1, "fear", 4, True), (3, "fear", 2, True)]


def test_in_a_pause_nothing_is_stored_and_says_why(run):
    (hs,) = (row for row in run.not_stored if (row["stream"], row["reason"]) == (b"HS", b"pause"))
    pulses = set(run.streams["HS"].pulse_numbers.tolist())
    assert hs["last_pulse"] - hs["first_pulse"] > 20
    assert not pulses & set(range(hs["first_pulse"], hs["last_pulse"] + 1))


@pytest.mark.parametrize(
    ("word", "fault"),
    [
        ("repeat", "out of order: trial01-film"),
        ("skip", "never begun: trial02-rest, trial02-guess"),
        ("guess", "never begun: trial01-guess; shown though not due: penalty-page1, penalty-page2"),
    ],
)
def test_what_neither_log_nor_answers_explain_fails(run, word, fault):
    (good,) = check_steps(run)
    assert good.word is Word.PASS
    run.__dict__["log"] = [entry for entry in run.log if entry.get("said") != word]
    if word == "guess":
        run.__dict__["answers"] = [answer for answer in run.answers if answer.get("by") != "operator"]
    (bad,) = check_steps(run)
    assert (bad.word, fault in bad.text) == (Word.FAIL, True), bad.text


def test_a_repeat_told_between_two_steps_is_for_the_one_on_its_way_to_the_screen(run):
    consent, film, _ = run.trials[:3]
    between_ns = (int(consent["ended_host_ns"]) + int(film["onset_host_ns"])) // 2
    assert consent["ended_host_ns"] < between_ns < film["onset_host_ns"]
    words = {}
    for told_ns in (between_ns, int(consent["ended_host_ns"]) - 1):
        log = [{**entry, "host_ns": told_ns} if entry.get("said") == "repeat" else entry for entry in run.log]
        with Run(run.path) as again:
            again.__dict__["log"] = log
            (found,) = check_steps(again)
        words[told_ns == between_ns] = (found.word, "out of order: trial01-film" in found.text)
    assert words == {True: (Word.PASS, False), False: (Word.FAIL, True)}


def test_the_film_of_a_trial_that_came_again_is_judged_by_the_last_time(run):
    words = {finding.stream: (finding.word, finding.text) for finding in check_film_frames(run)}
    assert words["trial01-film"] == (Word.PASS, "all 50 film frames were shown")
    assert words["trial02-film"][0] is Word.PASS
    run.__dict__["log"] = [entry for entry in run.log if entry.get("said") != "skip"]
    assert {f.stream for f in check_film_frames(run) if f.word is Word.FAIL} == {"trial02-film"}


def assert_end_is_tied(run: Run) -> None:
    """The last frames tell their pulses without a picture; a claim that is a group off is found, and so is silence."""
    assert [(f.word, f.value) for f in check_postamble(run)] == [
        (Word.PASS, len(run.pulses) - stream.divisor) for stream in run.streams.values()
    ]
    closing = [entry for entry in run.log if entry["kind"] == "closing"]
    for entry in closing:
        assert run.streams[entry["stream"]].frames["pulse_number"].max() < min(entry["pulses"])
        entry["pulses"] = [pulse - 4 for pulse in entry["pulses"]]
    assert {f.word for f in check_postamble(run)} == {Word.FAIL}
    run.__dict__["log"] = [entry for entry in run.log if entry["kind"] != "closing"]
    assert {f.word for f in check_postamble(run)} == {Word.NOT_MEASURED}


def test_who_withdraws_is_stored_no_more_and_reads_the_debrief(tmp_path: Path):
    rig = write_rig(tmp_path)
    rig.write_text(rig.read_text().replace("  faults:", "  withdraws_in_step: trial01-rest\n  faults:"))
    protocol = write_trials(tmp_path, "fear", "joy")
    protocol.write_text(protocol.read_text().replace("seconds: 1, store: none", "seconds: 9"))
    came = record_with(tmp_path, rig, protocol, lambda *_: None)
    assert (came.outcome, came.withdrawal in ("keep", "delete"), came.alarms) == (Outcome.WITHDRAWN, True, ())
    with Run(came.path) as run:
        (entry,) = (entry for entry in run.log if entry["kind"] == "withdrawn")
        last = max(stream.frames["arrived_host_ns"].max() for stream in run.streams.values())
        assert 0 <= last - entry["host_ns"] < NS
        assert shown(run) == ["consent", "trial01-film", "trial01-rest", "end", "withdrawn"]
        entry["host_ns"] = int(run.trials[2]["ended_host_ns"]) + 1  # as in real time: heard when the step has ended
        assert [f.word for f in check_steps(run)] == [Word.PASS]
        assert [f.text for f in verify_run(run).findings if f.word is Word.FAIL] == []
        assert_end_is_tied(run)
        steps = run.steps
        run.__dict__["steps"] = [replace(s, ends_run=("no",)) if s.name == "end" else s for s in steps]
        (bad,) = check_steps(run)
        assert "shown though not due: end" in bad.text
        run.__dict__.update(steps=steps, log=[e for e in run.log if e["kind"] != "withdrawn"])
        (bad,) = check_steps(run)
        assert "shown though not due: withdrawn" in bad.text


@pytest.mark.parametrize(("flips", "word"), [(1, Word.PASS), (30, Word.FAIL)])
def test_a_step_on_its_way_to_the_screen_when_the_participant_withdrew_is_over_at_once(run, flips, word):
    consent, film = rows = run.trials[:2].copy()
    withdrawn_ns, heard_ns = (int(consent["ended_host_ns"]) + n for n in (1, 2))
    film["ended_host_ns"] = film["onset_host_ns"] + flips * NS // 60
    told = {"kind": "withdrawn", "host_ns": heard_ns, "withdrawn_host_ns": withdrawn_ns}
    run.__dict__.update(trials=rows, steps=run.steps[:2], log=[told])
    (found,) = check_steps(run)
    assert found.word is word
    assert ("shown though not due: trial01-film" in found.text) == (word is Word.FAIL), found.text
