"""SMIC's whole paradigm under Xvfb, in real time: sixteen films, a scripted participant and a scripted operator.

    python -m bench.paradigm [--kills recorder,stimulus,operator] [--trials 16] [--seed 1] [--document]

First one session to its end. Then one for each of `--kills`: that process is killed (SIGKILL) in trial 9 of 16; after
the recorder's death, or the window's, `rig record --resume` goes on. The protocol is protocols/smic.yaml with short
films of our own, and with waits and the punishment shortened. Beside the scripted operator somebody looks on at
`rig operate` in a terminal; as the operator both are killed, and others come. Compared with what happened, by other
witnesses than the session's own log: see bench/paradigm_truth.py. Ends with 1 if anything differs, and keeps the logs.
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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import rig
from bench.paradigm_truth import AFTER_KILL_S, HEADS, OPERATOR_SEED, RIG, SHIPPED, Result, judge, leaked
from bench.report import markdown, replace_part, show_table
from bench.runs import family
from bench.watched_terminal import WatchedTerminal
from rig.channel import is_recorded
from rig.clock import HostClock
from rig.session.reader import Session
from rig.sim.operator import ScriptedOperator
from tests.films import make_film, sha256_of

START_S, SESSION_S = 180, 900  # how long a recording may take to begin, and in all
CLOCK = HostClock()


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
    folder = Path(tempfile.mkdtemp(prefix="tmp-paradigm-", dir="."))
    protocol = write_short_smic(folder, options.trials)
    killed_in = options.trials // 2 + 1
    results = [run(protocol, f"{options.seed}{index:02d}", kill, killed_in) for index, kill in enumerate(["", *kills])]
    show_table("paradigm", HEADS, [result.row for result in results])
    if options.document:
        replace_part("paradigm", markdown(HEADS, [result.row for result in results]), folder)
    if any(result.faults or result.differ or result.leaked for result in results):
        print(f"the logs are in {folder.resolve()}")
        return 1
    shutil.rmtree(folder)
    return 0


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
    shorten(protocol["blocks"], folder)
    path = folder / "smic.yaml"
    yaml.dump(protocol, path)
    return path


def shorten(blocks: list[dict[str, Any]], folder: Path) -> None:
    """Waits of a second; of the punishment three statements for each right guess, from a file copied to `folder`."""
    for block in blocks:
        shorten(block.get("each", []), folder)
        if "seconds" in block:
            block["seconds"] = 1
        if "max_seconds" in block:
            block["max_seconds"] = 8  # the disk has room for the longest possible session
        if block["kind"] == "guess":
            block["max_seconds"] = 6
        if block["kind"] == "penalty":
            block.update({"per_caught": 3, "cap": 30})
            beside = folder / block["statements_file"]
            beside.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(SHIPPED / "protocols" / block["statements_file"], beside)


def run(protocol: Path, subject: str, kill: str, killed_in: int) -> Result:
    """One session, one process of it killed if `kill` names it."""
    result = Result(f"{kill} killed in trial {killed_in}", killed_in, kill) if kill else Result("to its end")
    out = protocol.parent / "sessions"
    folder = out / f"sub-{subject}" / "ses-01"
    with Operators(folder) as operators:
        with recording(protocol, subject, out) as recorder:
            operators.come(recorder)
            if kill:
                kill_in_trial(recorder, operators, result)
            wait_for(recorder, folder)
        operators.go()
        if result.is_cut:
            began = time.monotonic()
            with recording(protocol, subject, out, "--resume") as recorder:
                operators.come(recorder)
                wait_until(lambda: steps_begun(folder, run=2) > 0, "the resumed recording shows no step", folder)
                result.resumed_s = time.monotonic() - began
                wait_for(recorder, folder)
    with rig.open(folder) as session:
        judge(session, result, operators.terminals)
        result.leaked = leaked(session, protocol, operators.logs, operators.terminals)
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


@dataclass
class Operators:
    """Who leads the recordings of a session, by script, and who looks on at `rig operate`: all that there have been."""

    folder: Path
    logs: list[Path] = field(default_factory=list)
    terminals: list[WatchedTerminal] = field(default_factory=list)
    _here: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Operators:
        return self

    def __exit__(self, *_: object) -> None:
        self.go()

    def come(self, recorder: subprocess.Popen[str]) -> None:
        """Attach, as soon as there is something to attach to."""
        wait_until(lambda: is_recorded(self.folder) or recorder.poll() is not None, "nothing to operate", self.folder)
        self.logs.append(self.folder.parent / f"operator-{len(self.logs)}.log")
        self.leader = ScriptedOperator(self.folder, OPERATOR_SEED, self.logs[-1])
        self._here.callback(self.leader.close)
        self.terminals.append(WatchedTerminal(self.folder))
        self._here.callback(self.terminals[-1].close)

    def go(self) -> None:
        """They are ended."""
        self._here.close()


def wait_until(is_so: Callable[[], bool], problem: str, folder: Path, within_s: float = START_S) -> None:
    """Ends the benchmark, and keeps all that it has written, when it never is so."""
    end = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > end:
            sys.exit(f"{problem}; the logs are in {folder.parents[2].resolve()}")
        time.sleep(0.1)


def wait_for(recorder: subprocess.Popen[str], folder: Path) -> None:
    """Until it has ended."""
    wait_until(lambda: recorder.poll() is not None, "the recording does not end", folder, SESSION_S)


def runs_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*_session.h5"))


def steps_begun(folder: Path, run: int) -> int:
    """How many steps have begun in a run that is being recorded."""
    try:
        with Session(runs_of(folder)[run - 1]) as session:
            return len(session.runs[-1].trials)
    except Exception:  # it is just being made
        return 0


def has_film_begun(folder: Path, trial: int) -> bool:
    """Whether the film of a trial, or what follows it, is on the screen in the only run, as far as its file tells."""
    try:
        with Session(runs_of(folder)[0]) as session:
            run = session.runs[0]
            film = next(step.index for step in run.steps if step.trial == trial and step.clip is not None)
            return len(run.trials) > 0 and int(run.trials["step"][-1]) >= film
    except Exception:  # it is just being made
        return False


def kill_in_trial(recorder: subprocess.Popen[str], operators: Operators, result: Result) -> None:
    """Kill a process while the film of its trial is on the screen; of the operator's others come."""
    folder, wanted = operators.folder, result.killed_in
    wait_until(lambda: has_film_begun(folder, wanted), f"the film of trial {wanted} never came", folder, SESSION_S)
    result.killed_ns = CLOCK.now_ns()
    if result.kill == "recorder":
        recorder.kill()
    elif result.kill == "stimulus":  # the recording goes on; the operator ends it, and it is resumed
        os.kill(window_of(recorder), signal.SIGKILL)
        time.sleep(AFTER_KILL_S)
        recorder.send_signal(signal.SIGINT)
    else:
        os.kill(operators.leader.pid, signal.SIGKILL)
        operators.terminals[-1].process.kill()
        operators.come(recorder)


def window_of(recorder: subprocess.Popen[str]) -> int:
    """The process of the window."""
    (found,) = (
        pid for pid in family(recorder.pid)[1:] if "rig.stimulus.child" in Path(f"/proc/{pid}/cmdline").read_text()
    )
    return found


if __name__ == "__main__":
    sys.exit(main())
