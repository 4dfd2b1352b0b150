"""40 subjects, 6 drop-outs, two rigs at once, three of their processes killed: the ledger as it was told, and whole."""

from __future__ import annotations

import json
import random
import selectors
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rig.subjects import database
from rig.subjects.ledger import Ledger
from tests.subjects.rigs_at_once import be_patient, confirmed, held

ROOT = Path(__file__).parents[2]
KILLS, LANES, EACH = 3, 2, 20
DROPPING = (8, 9, 10)  # the place in a lane of those who drop out: half a lane comes after them


@dataclass
class Lane:
    """One rig's subjects, and what its processes told so far."""

    directory: Path
    words: list[str]
    told: list[dict[str, Any]] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.subjects.rigs_at_once", str(self.directory), *self.words]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    def hear(self, line: str) -> None:
        self.told.append(json.loads(line))

    def end(self) -> None:
        """Hear the rest, and see that it ended well or by our own hand."""
        assert self.process is not None and self.process.stdout is not None
        with self.process.stdout as rest:
            for line in rest:
                if line.endswith("\n"):
                    self.hear(line)
        assert self.process.wait() in (0, -9)

    def kill(self) -> None:
        """Kill it, and let the same subjects come again, each as far as it was."""
        assert self.process is not None
        self.process.kill()
        self.end()
        last = self.told[-1]
        at = next(place for place, word in enumerate(self.words) if word.rstrip("+/") == last["subject"])
        word, rest = self.words[at], self.words[at + 1 :]
        if last["what"] == "ended" and word.endswith("/"):
            drop_if_not_done(Ledger(self.directory), last["subject"])
        resumed = last["subject"] + "+" * ("+" not in word) + word.removeprefix(last["subject"])
        again = {"reserved": [word], "confirmed": [resumed]}.get(last["what"], [])
        self.words = again + rest
        self.start()


def drop_if_not_done(ledger: Ledger, subject: str) -> None:
    if not any(one.departure for one in ledger.subjects() if one.subject == subject):
        ledger.drop_out(subject, "did not come again")


@contextmanager
def lanes(directory: Path) -> Iterator[list[Lane]]:
    words = [[f"{lane * EACH + n:03}{'/' if n in DROPPING else ''}" for n in range(EACH)] for lane in range(LANES)]
    made = [Lane(directory, each) for each in words]
    try:
        yield made
    finally:
        for lane in made:
            if lane.process is not None:
                lane.process.kill()
                lane.process.wait()
                if lane.process.stdout is not None:
                    lane.process.stdout.close()


def run(made: list[Lane], kill_at: set[int]) -> None:
    """Both rigs to their ends; the one that tells line number `kill_at` is killed at once."""
    for lane in made:
        lane.start()
    lines, going = 0, set(range(LANES))
    with selectors.DefaultSelector() as selector:
        watch = {}
        for number in going:
            watch[number] = made[number].process.stdout
            selector.register(watch[number], selectors.EVENT_READ, number)
        while going:
            for key, _ in selector.select():
                number, line = key.data, key.fileobj.readline()
                if line:
                    made[number].hear(line)
                    lines += 1
                    if lines not in kill_at:
                        continue
                selector.unregister(key.fileobj)
                if not line:
                    going.remove(number)
                    made[number].end()
                else:
                    made[number].kill()
                    selector.register(made[number].process.stdout, selectors.EVENT_READ, number)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the rigs are."""
    monkeypatch.setattr(database, "PATIENCE_S", database.PATIENCE_S)
    be_patient()


def test_40_subjects_6_drop_outs_two_rigs_and_3_kills_leave_rows_balanced_and_none_given_twice(tmp_path: Path) -> None:
    kill_at = set(random.Random(0).sample(range(5, 100), KILLS))
    with lanes(tmp_path) as made:
        run(made, kill_at)
    ledger, told = Ledger(tmp_path), [line for lane in made for line in lane.told]
    places = held(ledger)
    gone = {one.subject for one in ledger.subjects() if one.departure}
    assert gone == {f"{lane * EACH + n:03}" for lane in range(LANES) for n in DROPPING}
    assert {subject for subject, *_ in places} == {f"{n:03}" for n in range(LANES * EACH)} - gone
    assert {state for *_, state in places} == {"confirmed"}
    assert len({(row, repeat) for _, row, repeat, _ in places}) == len(places) == 34
    assert max(confirmed(ledger)) - min(confirmed(ledger)) <= 1
    # What was told stayed true: whoever was told of a confirmed place and did not drop out has it still.
    last = {line["subject"]: (line["row"], line["repeat"]) for line in told if line["what"] != "reserved"}
    assert {subject: (row, repeat) for subject, row, repeat, _ in places} == {s: last[s] for s in set(last) - gone}


def test_before_anybody_drops_out_rows_are_balanced_at_every_moment(tmp_path: Path) -> None:
    with lanes(tmp_path) as made:
        for lane in made:
            lane.words = lane.words[: DROPPING[0]]
        run(made, {7, 20, 33})
    told = [line["rows"] for lane in made for line in lane.told]
    assert len(told) >= 3 * LANES * DROPPING[0] - 3
    assert all(max(rows) - min(rows) <= 1 for rows in told)
    files = sorted(tmp_path.glob("sub-*/ses-*/*.h5"))
    assert len(files) >= LANES * DROPPING[0]
    assert all(f"sub-{file.read_text()}_" in file.name for file in files if file.read_text())
