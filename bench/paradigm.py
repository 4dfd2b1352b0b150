"""SMIC's whole paradigm under Xvfb, in real time: sixteen films, a scripted participant and a scripted operator.

    python -m bench.paradigm [--kills recorder,stimulus,operator] [--trials 16] [--seed 1] [--document]

First one session to its end. Then one for each of `--kills`: that process is killed (SIGKILL) in trial 9 of 16; after
the recorder's death, or the window's, `rig record --resume` goes on. The protocol is protocols/smic.yaml with short
films of our own, and with waits and the punishment shortened. Compared with what happened: every film frame, every
answer with the script, the order of the films, what the operator's process was sent, and what verify says of the
outage. Ends with 1 if anything differs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import rig
from bench.report import markdown, replace_part, show_table
from bench.runs import family
from rig.channel import is_recorded
from rig.config.rig import Rig, read_rig
from rig.elicitation.steps import Step
from rig.session.reader import Session
from rig.session.run import Run
from rig.sim.operator import ScriptedOperator, guess
from rig.sim.script import script
from rig.stimulus.pages.page import boxes_of
from rig.verify.findings import Word
from rig.verify.verdict import verify_run
from tests.films import make_film, sha256_of

SHIPPED = Path(rig.__file__).parents[1]
KILLED_IN = 9  # trial
RIG = "demo"
WHAT = {"recorder": "rig record", "stimulus": "rig.stimulus.child", "operator": "rig.sim.operator"}
RESUMED_S = 90  # at most, from the command to the first step
OPERATOR_SEED, GUESSES = 1, ("positive", "negative", "surprise", "neutral")  # as protocols/smic.yaml has them
CUTTING = ("recorder", "stimulus")  # whose death cuts the trial short
START_S, SESSION_S = 180, 900  # how long a recording may take to begin, and in all
HEADS = [
    "session",
    "trials",
    "film frames",
    "never shown",
    "answers",
    "differ",
    "guesses",
    "told of clips",
    "resumed",
    "wrong",
]


@dataclass
class Result:
    """What one session came to."""

    name: str
    trials: int = 0
    film_frames: int = 0
    never_shown: int = 0
    answers: int = 0
    differ: int = 0
    guesses: int = 0
    leaked: int = 0
    resumed_s: float | None = None  # from the command to its first flip of a step
    faults: list[str] = field(default_factory=list)

    @property
    def row(self) -> list[str]:
        resumed = "" if self.resumed_s is None else f"{self.resumed_s:.1f} s"
        counts = (self.trials, self.film_frames, self.never_shown, self.answers, self.differ, self.guesses, self.leaked)
        return [self.name, *map(str, counts), resumed, "; ".join(self.faults) or "nothing"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--kills", default="recorder,stimulus,operator", help="comma-separated; none: only one to its end"
    )
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--document", action="store_true")
    options = parser.parse_args()
    kills = [kill for kill in options.kills.split(",") if kill]
    with tempfile.TemporaryDirectory(dir=".") as folder:
        protocol = write_short_smic(Path(folder), options.trials)
        results = [run(protocol, f"{options.seed}{index:02d}", kill) for index, kill in enumerate(["", *kills])]
        show_table("paradigm", HEADS, [result.row for result in results])
        if options.document:
            replace_part("paradigm", markdown(HEADS, [result.row for result in results]), Path(folder))
    return int(any(result.faults or result.differ or result.leaked for result in results))


def write_short_smic(folder: Path, trials: int) -> Path:
    """SMIC's protocol with films of some 2 s, and with what is only waiting cut short."""
    yaml = YAML()
    protocol = yaml.load(SHIPPED / "protocols/smic.yaml")
    kept = list(protocol["clips"])[:trials]
    for index, name in enumerate(kept):
        film = make_film(folder / f"{name}.mp4", 48 + index, size=(640, 360))
        protocol["clips"][name].update({"file": film.name, "sha256": sha256_of(film)})
    for name in list(protocol["clips"]):
        if name not in kept:
            del protocol["clips"][name]
    if trials < 16:
        protocol["order"] = {"kind": "random", "seed": 2013}
    shorten(protocol["blocks"])
    path = folder / "smic.yaml"
    yaml.dump(protocol, path)
    return path


def shorten(blocks: list[dict[str, Any]]) -> None:
    """Waits of a second; of the punishment three statements for each right guess."""
    for block in blocks:
        shorten(block.get("each", []))
        if "seconds" in block:
            block["seconds"] = 1
        if "max_seconds" in block:
            block["max_seconds"] = 8  # the disk has room for the longest possible session
        if block["kind"] == "guess":
            block["max_seconds"] = 6
        if block["kind"] == "penalty":
            statements = SHIPPED / "protocols" / block["statements_file"]
            block.update({"per_caught": 3, "cap": 30, "statements_file": str(statements)})


def run(protocol: Path, subject: str, kill: str) -> Result:
    """One session, one process of it killed if `kill` names it."""
    result = Result((kill and f"{kill} killed in trial {KILLED_IN}") or "to its end")
    out = protocol.parent / "sessions"
    folder = out / f"sub-{subject}" / "ses-01"
    logs: list[Path] = []
    with recording(protocol, subject, out) as recorder, operating(folder, logs):
        if kill:
            kill_in_trial(folder, recorder, kill, logs)
        wait_for(recorder)
    if kill in CUTTING:
        began = time.monotonic()
        with recording(protocol, subject, out, "--resume") as recorder, operating(folder, logs):
            wait_until(lambda: steps_begun(folder, run=2) > 0, "the resumed recording shows no step")
            result.resumed_s = time.monotonic() - began
            wait_for(recorder)
    with rig.open(folder) as session:
        judge(session, result, kill)
        result.leaked = leaked(session, protocol, logs)
    shutil.rmtree(folder)
    print(" | ".join(result.row), flush=True)
    return result


@contextmanager
def recording(protocol: Path, subject: str, out: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """`rig record`, which waits for the operator; killed if it is still there at the end."""
    command = [
        sys.executable,
        "-m",
        "rig",
        "record",
        str(protocol),
        "--rig",
        RIG,
        "--subject",
        subject,
        "--out",
        str(out),
    ]
    log = (out.parent / f"record-{subject}.log").open("a")
    process = subprocess.Popen(
        [*command, "--participant", "scripted", "--wait", *more], stdout=log, stderr=log, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        log.close()


@contextmanager
def operating(folder: Path, logs: list[Path]) -> Iterator[None]:
    """The scripted operator, attached as soon as there is something to attach to."""
    wait_until(lambda: is_recorded(folder), "no recording to operate")
    logs.append(folder.parent / f"operator-{len(logs)}.log")
    operator = ScriptedOperator(folder, OPERATOR_SEED, logs[-1])
    try:
        yield
    finally:
        operator.close()


def wait_until(is_so: Any, problem: str, within_s: float = START_S) -> None:
    end = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > end:
            sys.exit(f"{problem}; see the logs in {Path.cwd()}")
        time.sleep(0.1)


def wait_for(recorder: subprocess.Popen[str]) -> None:
    """Until it has ended."""
    wait_until(lambda: recorder.poll() is not None, "the recording does not end", SESSION_S)


def runs_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*_session.h5"))


def steps_begun(folder: Path, run: int) -> int:
    """How many steps have begun in a run that is being recorded."""
    try:
        with Session(runs_of(folder)[run - 1]) as session:
            return len(session.runs[-1].trials)
    except Exception:  # it is just being made
        return 0


def trial_of(folder: Path) -> int:
    """The trial that goes on in the only run, as far as its file tells."""
    try:
        with Session(runs_of(folder)[0]) as session:
            run = session.runs[0]
            return run.steps[int(run.trials["step"][-1])].trial if len(run.trials) else 0
    except Exception:  # it is just being made
        return 0


def kill_in_trial(folder: Path, recorder: subprocess.Popen[str], kill: str, logs: list[Path]) -> None:
    """Kill a process in trial KILLED_IN; of the operator a new one attaches."""
    wait_until(lambda: trial_of(folder) >= KILLED_IN, f"trial {KILLED_IN} never came", SESSION_S)
    if kill == "recorder":
        recorder.kill()
        return
    wanted = WHAT[kill]
    for pid in family(os.getpid())[1:]:
        with_arguments = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        if wanted in with_arguments:
            os.kill(pid, signal.SIGKILL)
    if kill == "stimulus":  # the recording goes on; the operator ends it, and it is resumed
        time.sleep(2)
        recorder.send_signal(signal.SIGINT)
    else:
        logs.append(folder.parent / f"operator-{len(logs)}.log")
        again = ScriptedOperator(folder, OPERATOR_SEED, logs[-1])
        wait_for(recorder)
        again.close()


def judge(session: Session, result: Result, kill: str) -> None:
    """Film frames, answers, order and verdicts against what must have happened."""
    planned = [step.clip for step in session.steps if step.clip is not None]
    expected = [clip for trial, clip in enumerate(planned, 1) if kill not in CUTTING or trial != KILLED_IN]
    shown = [step.clip for run_ in session.runs for step in run_.steps if step.clip and check_film(run_, step, result)]
    result.trials = len(shown)
    if shown != expected:
        result.faults.append(f"films in the order {shown}, planned were {expected}")
    check_answers(session, read_rig(SHIPPED / "calibration" / RIG / "rig.yaml").rig, result)
    check_guesses(session, result, kill)
    if any(run_.steps != session.runs[0].steps for run_ in session.runs):
        result.faults.append("a resumed run has other steps")
    if result.resumed_s is not None and result.resumed_s > RESUMED_S:
        result.faults.append(f"resumed after more than {RESUMED_S} s")
    for number, run_ in enumerate(session.runs, 1):
        check_verdict(number, run_, kill, result)


def check_film(run_: Run, step: Step, result: Result) -> bool:
    """Every film frame of a step was shown, or the log tells that it was not; whether it was shown to its end."""
    flips = run_.flips[(run_.flips["step"] == step.index) & (run_.flips["film_frame"] >= 0)]
    frames = len(run_.clip(str(step.clip))["pts"])
    if len(flips) == 0 or int(flips["film_frame"].max()) < frames - 1:  # cut by the kill
        return False
    missing = frames - len(set(flips["film_frame"].tolist()))
    result.film_frames += frames
    result.never_shown += missing
    if missing != int(flips["skipped"].sum()):
        result.faults.append(f"{step.name}: film frames are missing that the log does not tell of")
    return True


def check_verdict(number: int, run_: Run, kill: str, result: Result) -> None:
    """No run fails but the one that was cut; the one that goes on names the outage, and the trial that was cut."""
    findings = verify_run(run_).findings
    failed = [f"{found.check} {found.stream}: {found.text}" for found in findings if found.word is Word.FAIL]
    if failed and not (kill in CUTTING and number == 1):
        result.faults.append(f"run {number}: {failed[0]}")
    if number == 2 and not any(f"of trial {KILLED_IN}" in found.text for found in findings):
        result.faults.append("no finding names the outage")


def check_answers(session: Session, config: Rig, result: Result) -> None:
    """Each answer equals the script's; of a step that was shown to its end each is there, once, and no other is."""
    seed = config.simulation.seed if config.simulation else 1
    for run_ in session.runs:
        answers = [answer for answer in run_.answers if answer.get("by") != "operator"]
        ended = {int(row["step"]) for row in run_.trials if row["ended_host_ns"] >= 0}
        expected = []
        for step in (step for step in run_.steps if step.index in ended and (step.items or step.kind == "consent")):
            meant = script(step, seed, boxes_of(step, config.screen) if step.items else ()).answers
            expected += [(given.question, given.answer, given.is_skipped) for given in meant]
        said = [(a["question"], a["answer"], a.get("is_skipped", False)) for a in answers if a["step"] in ended]
        result.answers += len(expected)
        result.differ += sum((Counter(said) - Counter(expected)).values())
        result.differ += sum((Counter(expected) - Counter(said)).values())


def check_guesses(session: Session, result: Result, kill: str) -> None:
    """One guess in each trial that was not cut, and it is the scripted operator's."""
    values = list(GUESSES)
    said = {session.steps[a["step"]].trial: a for a in session.answers if a.get("by") == "operator"}
    for trial in range(1, max(step.trial for step in session.steps) + 1):
        meant, found = guess(trial, values, OPERATOR_SEED), said.get(trial)
        if trial == KILLED_IN and (kill in CUTTING or (kill == "operator" and found is None)):
            continue
        result.guesses += 1
        if found is None or (found["answer"], found["confidence"]) != (meant.value, meant.confidence):
            result.faults.append(f"trial {trial}: guessed {found and found['answer']}, the script says {meant.value}")


def leaked(session: Session, protocol: Path, logs: list[Path]) -> int:
    """How many of the words about a clip stand in what the operator's process was sent."""
    sent = "".join(log.read_text() for log in logs)
    clips = YAML(typ="safe").load(protocol)["clips"]
    names = {step.name for step in session.steps if step.clip is not None}
    words = names | {
        str(word) for name, clip in clips.items() for word in (name, clip["title"], clip["file"], clip["sha256"])
    }
    return sum(word in sent for word in words)


if __name__ == "__main__":
    sys.exit(main())
