"""Whether a session of bench.paradigm is as it must have been, by witnesses other than its own log.

who killed, and when ---------> the outage that verify tells, where frames and flips break off, what is told in time
rows of the cameras (h5py) ---> the outage's length
the photodiode's edges -------> every film frame that the flip log tells, and no other
scripts ----------------------> answers, guesses
the protocol -----------------> order of the films; the words that no operator may see
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import h5py
from ruamel.yaml import YAML

import rig
from bench.watched_terminal import WatchedTerminal
from rig.clips.cadence import patch_level
from rig.clock import NS
from rig.config.rig import Rig, read_rig
from rig.elicitation.steps import Step
from rig.session.reader import Session
from rig.session.run import Run
from rig.session.timeline import Timeline
from rig.sim.operator import guess
from rig.sim.script import script
from rig.stimulus.pages.page import boxes_of
from rig.verify.findings import Finding, Word
from rig.verify.verdict import verify_run
from rig.verify.wired import box_input

SHIPPED = Path(rig.__file__).parents[1]
RIG = "demo"
RESUMED_S = 90  # at most, from the command to the first step
OPERATOR_SEED, GUESSES = 1, ("positive", "negative", "surprise", "neutral")  # as protocols/smic.yaml has them
CUTTING = ("recorder", "stimulus")  # whose death cuts the trial short
TOLD = {"recorder": "THE RECORDER IS GONE", "stimulus": "screen: "}  # at the operator's terminal
TOLD_WITHIN_NS = NS
ACKNOWLEDGED_WITHIN_NS = NS  # frames that came so long before the kill are there
FLIPS_KNOWN_NS = NS // 4  # so long before the window's death its flips are there
AFTER_KILL_S = 2.0  # the recording goes on without its window, until the operator ends it
LIGHT_NS = NS // 2  # around a film, without a film: its first and last edge come in it


@dataclass
class Result:
    """What one session came to."""

    name: str
    killed_in: int = 0  # trial; 0: nothing was killed
    kill: str = ""
    killed_ns: int = 0  # by the killer's own clock
    trials: int = 0
    film_frames: int = 0
    never_shown: int = 0
    answers: int = 0
    differ: int = 0
    guesses: int = 0
    leaked: int = 0
    told_ms: float | None = None  # from the kill until the operator's terminal showed it
    outage_s: float | None = None  # as verify tells it
    resumed_s: float | None = None  # from the command to its first flip of a step
    faults: list[str] = field(default_factory=list)

    @property
    def is_cut(self) -> bool:
        """Whether its first run was cut."""
        return self.kill in CUTTING

    @property
    def row(self) -> list[str]:
        """Its cells, for HEADS."""
        told = "" if self.told_ms is None else f"{self.told_ms:.0f} ms"
        outage, resumed = ("" if s is None else f"{s:.1f} s" for s in (self.outage_s, self.resumed_s))
        counts = (self.trials, self.film_frames, self.never_shown, self.answers, self.differ, self.guesses, self.leaked)
        return [self.name, *map(str, counts), told, outage, resumed, "; ".join(self.faults) or "nothing"]


HEADS = [
    "session", "trials", "film frames", "never shown", "answers", "differ", "guesses", "told of clips", "told after",
    "outage", "resumed", "wrong",
]  # fmt: skip


def judge(session: Session, result: Result, terminals: list[WatchedTerminal]) -> None:
    """Fill the result: what was shown, said, told and lost against what must have happened."""
    planned = [step.clip for step in session.steps if step.clip is not None]
    expected = [clip for trial, clip in enumerate(planned, 1) if not (result.is_cut and trial == result.killed_in)]
    shown = [step.clip for run in session.runs for step in run.steps if step.clip and check_film(run, step, result)]
    result.trials = len(shown)
    if shown != expected:
        result.faults.append(f"films in the order {shown}, planned were {expected}")
    check_answers(session, read_rig(SHIPPED / "calibration" / RIG / "rig.yaml").rig, result)
    check_guesses(session, result)
    if any(run.steps != session.runs[0].steps for run in session.runs):
        result.faults.append("a resumed run has other steps")
    if result.resumed_s is not None and result.resumed_s > RESUMED_S:
        result.faults.append(f"resumed after more than {RESUMED_S} s")
    for number, run in enumerate(session.runs, 1):
        findings = verify_run(run).findings
        wrong = [found for found in findings if is_wrong(found, run, is_cut=result.is_cut)]
        result.faults += [f"run {number}: {found.word} {found.check} {found.stream}: {found.text}" for found in wrong]
        result.faults += lost_frames(run, is_tail_lost=number == 1 and result.kill == "recorder")
        if number == 1 and result.is_cut:
            check_known_film(run, findings, result)
        if number == 2:
            check_outage(session.runs[0], run, findings, result)
    if not all("RECORDING" in terminal.text for terminal in terminals):  # else nothing could have leaked to it
        result.faults.append("a terminal of an operator showed no recording")
    if result.kill:
        check_kill(session, terminals, result)


def check_film(run: Run, step: Step, result: Result) -> bool:
    """Every film frame of a step was shown, or the log tells that it was not; whether it was shown to its end."""
    flips = run.flips[(run.flips["step"] == step.index) & (run.flips["film_frame"] >= 0)]
    frames = len(run.clip(str(step.clip))["pts"])
    if len(flips) == 0 or int(flips["film_frame"].max()) < frames - 1:  # cut by the kill
        return False
    missing = frames - len(set(flips["film_frame"].tolist()))
    result.film_frames += frames
    result.never_shown += missing
    if missing != int(flips["skipped"].sum()):
        result.faults.append(f"{step.name}: film frames are missing that the log does not tell of")
    began_ns, ended_ns = int(flips["host_ns"].min()), int(flips["host_ns"].max())
    told, seen = changes_of(flips["film_frame"].tolist()), edges_between(run, began_ns - LIGHT_NS, ended_ns + LIGHT_NS)
    if told != seen:
        result.faults.append(f"{step.name}: the photodiode saw {seen} changes of the patch, the log tells of {told}")
    return True


def changes_of(film_frames: list[int]) -> int:
    """How often the patch changes while these are shown, from black to black."""
    levels = [0, *map(patch_level, film_frames), 0]
    return sum(level != after for level, after in pairwise(levels))


def edges_between(run: Run, first_ns: int, last_ns: int) -> int:
    """How many edges of the photodiode arrived between two moments, host ns."""
    edges = run.edges[run.edges["input"] == box_input(run, "photodiode")]
    return int(((edges["arrived_host_ns"] >= first_ns) & (edges["arrived_host_ns"] <= last_ns)).sum())


def is_wrong(found: Finding, run: Run, *, is_cut: bool) -> bool:
    """What failed; in a session that was cut what was warned of too, but for the outage's name and a busy machine."""
    if not is_cut or found.word not in (Word.FAIL, Word.WARN):
        return found.word is Word.FAIL
    is_of_machine = found.word is Word.WARN and found.check in ("film cadence", "film drift")
    return not (names_outage(found, run) or (is_of_machine and found.stream != cut_step(run)))


def cut_step(run: Run) -> str:
    """Name of the step that was on the screen when a run was cut; empty: none was."""
    last = run.trials[-1:]
    return run.steps[int(last["step"][0])].name if len(last) and last["ended_host_ns"][0] < 0 else ""


def names_outage(found: Finding, run: Run) -> bool:
    """How the run ended, or with which one it goes on; and of the steps the one that was cut, and those behind it."""
    if found.check != "steps":
        return found.check == "ending"
    never, _, open_ = found.text.partition("; begun and never ended: ")
    indices = {step.name: step.index for step in run.steps}
    named = never.removeprefix("never begun: ").split(", ")
    return open_ == cut_step(run) and all(indices.get(name, -1) > int(run.trials["step"][-1]) for name in named)


def check_known_film(run: Run, findings: Sequence[Finding], result: Result) -> None:
    """Of the film that was cut verify says from which film frame on nobody knows: about the one due at the kill."""
    step = next((step for step in run.steps if step.name == cut_step(run) and step.clip is not None), None)
    if step is None or not len(flips := run.film_flips(step)):
        return
    fps = float(run.clip(str(step.clip))["fps"])
    due = (result.killed_ns - int(flips["host_ns"][0])) / NS * fps
    (text,) = (found.text for found in findings if (found.check, found.stream) == ("film frames", step.name))
    known = re.search(r"not known from film frame (\d+) on", text)
    latest_s = (FLIPS_KNOWN_NS if result.kill == "stimulus" else ACKNOWLEDGED_WITHIN_NS) / NS
    if known is None or not due - latest_s * fps <= int(known[1]) <= due + 2:
        result.faults.append(f"{step.name}: film frame {due:.0f} was due at the kill, verify says: {text}")


def lost_frames(run: Run, *, is_tail_lost: bool) -> list[str]:
    """Gaps of a run; but for those behind the last frame of a recorder that was killed."""
    found = []
    for name, stream in run.streams.items():
        last = int(stream.pulse_numbers.max(initial=-1))
        gaps = [gap for gap in stream.gaps if not (is_tail_lost and int(gap["first_pulse"]) > last)]
        found += [f"{name} lost frames: pulses {gap['first_pulse']} to {gap['last_pulse']}" for gap in gaps]
    return found


def arrivals_ns(run: Run) -> list[int]:
    """When the frames of a run arrived, host ns, in no order: from the rows of its cameras, by h5py alone."""
    with h5py.File(run.path, "r", locking=False) as file:
        rows = [file[f"acquisition/{name}/frames"]["arrived_host_ns"] for name in json.loads(file.attrs["streams"])]
    return [int(ns) for column in rows for ns in column if ns > 0]


def check_outage(before: Run, after: Run, findings: Sequence[Finding], result: Result) -> None:
    """Verify names trial and length of the outage; it begins with the kill, or when the operator ended the rest."""
    texts = [found.text for found in findings if found.text.startswith(f"goes on with run {before.number}")]
    named = re.search(r"cut in step (\S+) of trial (\d+); no frame for ([\d.]+) s", "".join(texts))
    if named is None:
        result.faults.append(f"no finding names the outage: {texts}")
        return
    result.outage_s = float(named[3])
    last_ns, come_ns = max(arrivals_ns(before)), min(arrivals_ns(after))
    if named[3] != f"{(come_ns - last_ns) / NS:.3f}":
        result.faults.append(f"the outage is said to be {named[3]} s, the frames say {(come_ns - last_ns) / NS:.3f} s")
    step = next((step for step in before.steps if step.name == named[1]), None)
    if step is None or not step.trial == int(named[2]) == result.killed_in:
        result.faults.append(f"said to be cut in {named[1]} of trial {named[2]}, killed in trial {result.killed_in}")
    since_ns = last_ns - result.killed_ns
    earliest, latest = {
        "recorder": (-ACKNOWLEDGED_WITHIN_NS, 0),
        "stimulus": (round(AFTER_KILL_S * NS), round((AFTER_KILL_S + RESUMED_S) * NS)),
    }[result.kill]
    if not earliest <= since_ns <= latest:
        result.faults.append(f"the last frame of the run that was cut came {since_ns / NS:+.3f} s after the kill")


def check_kill(session: Session, terminals: list[WatchedTerminal], result: Result) -> None:
    """The operator was told within a second, the recording went on, and of the film all is known until the kill."""
    if result.kill in TOLD:
        times = [terminal.first_ns(TOLD[result.kill], result.killed_ns) for terminal in terminals]
        came_ns = min((ns for ns in times if ns is not None), default=None)
        result.told_ms = None if came_ns is None else (came_ns - result.killed_ns) / 1e6
        if came_ns is None or came_ns - result.killed_ns > TOLD_WITHIN_NS:
            result.faults.append(f"the operator's terminal did not tell of it within {TOLD_WITHIN_NS / NS:g} s")
    if result.kill != "recorder" and max(arrivals_ns(session.runs[0])) < result.killed_ns + AFTER_KILL_S * NS:
        result.faults.append("the recording did not go on")
    if result.kill == "stimulus":
        check_flips_until(session.timelines[0], result)


def check_flips_until(line: Timeline, result: Result) -> None:
    """Flips are told until shortly before the window's death, none after it; what was shown then is not known."""
    flips = line.run.flips
    last_ns, film_goes_on = int(flips["host_ns"][-1]), flips["film_frame"][-1] >= 0
    if last_ns > result.killed_ns or (film_goes_on and last_ns < result.killed_ns - FLIPS_KNOWN_NS):
        result.faults.append(f"the last flip was {(last_ns - result.killed_ns) / 1e6:+.0f} ms after the window's death")
    shown = line.on_screen(result.killed_ns + NS)
    if shown.step is not None:
        result.faults.append(f"a second after the window's death {shown.step.name} is said to be on the screen")


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


def check_guesses(session: Session, result: Result) -> None:
    """One guess in each trial that was not cut, and it is the scripted operator's."""
    values = list(GUESSES)
    said = {session.steps[a["step"]].trial: a for a in session.answers if a.get("by") == "operator"}
    for trial in range(1, max(step.trial for step in session.steps) + 1):
        meant, found = guess(trial, values, OPERATOR_SEED), said.get(trial)
        if trial == result.killed_in and (result.is_cut or found is None):
            continue
        result.guesses += 1
        if found is None or (found["answer"], found["confidence"]) != (meant.value, meant.confidence):
            result.faults.append(f"trial {trial}: guessed {found and found['answer']}, the script says {meant.value}")


def leaked(session: Session, protocol: Path, logs: list[Path], terminals: list[WatchedTerminal]) -> int:
    """How many of the words about a clip stand in what operators were sent, or in what a terminal of theirs showed."""
    sent = "".join([*(log.read_text() for log in logs), *(terminal.text for terminal in terminals)])
    clips = YAML(typ="safe").load(protocol)["clips"]
    names = {step.name for step in session.steps if step.clip is not None}
    words = names | {
        str(word) for name, clip in clips.items() for word in (name, clip["title"], clip["file"], clip["sha256"])
    }
    return sum(word in sent for word in words)
