"""The ledger against a plain model of it: whatever two rigs do, in whatever order, and whichever of them is killed."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import Phase, settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rig import host
from rig.errors import SessionExists, UserError
from rig.session.folder import SessionFolder
from rig.subjects.database import Database
from rig.subjects.ledger import Ledger, Place

ROWS, ORDER = 3, ("smic", "order-1")
SUBJECTS = [f"s{n}" for n in range(9)]
PICK = strategies.integers(0, 1)  # which of the rigs that can do it
ANYBODY = strategies.sampled_from(SUBJECTS)


@dataclass
class Known:
    """What the model knows of a subject."""

    row: int | None = None  # held for certain
    is_gone: bool = False
    sessions: int = 0
    finished: int = 0
    broken_off: Place | None = None  # consented, and its rig was killed
    kept_row: int | None = None  # had it not gone


class Ledgers(RuleBasedStateMachine):
    """Rigs are process numbers; a killed one is replaced by another number."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.patch = pytest.MonkeyPatch()
        self.alive = {"left": 1, "right": 2}
        self.pid = 1
        self.going: dict[str, Place] = {}  # by rig
        self.consented: set[str] = set()  # rigs
        self.known = {subject: Known() for subject in SUBJECTS}
        self.unpromised: set[str] = set()  # rigs whose subject left before consent
        self.is_plain = True  # nobody left

    @initialize()
    def begin_day(self) -> None:
        opened = Database._open

        def in_memory(database: Database, mode: str):
            """Nothing waits for the disk."""
            db = opened(database, mode)
            db.execute("PRAGMA synchronous = OFF")
            db.execute("PRAGMA journal_mode = MEMORY")
            return db

        self.patch.setattr(Database, "_open", in_memory)
        self.patch.setattr(os, "getpid", lambda: self.pid)
        self.patch.setattr(host, "process_mark", lambda pid: f"mark {pid}" if pid in self.alive.values() else "")
        self.ledger = Ledger(Path(self.folder.name))

    def teardown(self) -> None:
        self.patch.undo()
        self.folder.cleanup()

    @property
    def idle(self) -> list[str]:
        return [rig for rig in self.alive if rig not in self.going]

    @property
    def waiting(self) -> list[str]:
        """Rigs with a subject who has not consented yet."""
        return [rig for rig in self.going if rig not in self.consented]

    def counts(self) -> tuple[Counter[int], Counter[int]]:
        """By row, who holds it for certain and to whom it is promised."""
        sure = Counter(one.row for one in self.known.values() if one.row is not None)
        promised_to = [place for rig, place in self.going.items() if rig not in self.unpromised]
        promised = Counter(place.row for place in promised_to if self.known[place.subject].row is None)
        return sure, promised

    @precondition(lambda self: self.idle)
    @rule(pick=PICK, subject=ANYBODY)
    def a_subject_comes(self, pick: int, subject: str) -> None:
        rig = self.idle[pick % len(self.idle)]
        self.pid, known = self.alive[rig], self.known[subject]
        session = SessionFolder(Path(self.folder.name), subject, known.sessions + 1)
        if known.is_gone:
            with pytest.raises(UserError, match="readmit"):
                self.ledger.reserve(*ORDER, ROWS, session)
            return
        if any(place.subject == subject for place in self.going.values()):
            with pytest.raises(SessionExists, match="is being recorded as session"):
                self.ledger.reserve(*ORDER, ROWS, session)
            return
        sure, promised = self.counts()
        place = self.ledger.reserve(*ORDER, ROWS, session)
        if known.row is not None:
            assert (place.row, place.is_confirmed) == (known.row, True)
        else:
            assert not place.is_confirmed
            fewest = [row for row in range(ROWS) if sure[row] == min(sure[row] for row in range(ROWS))]
            assert place.row in fewest
            assert promised[place.row] == min(promised[row] for row in fewest)
        assert place.visit == known.finished + 1
        known.sessions += 1
        known.broken_off = None
        self.going[rig] = place
        self.unpromised.discard(rig)

    @precondition(lambda self: self.waiting)
    @rule(pick=PICK)
    def consent_is_given(self, pick: int) -> None:
        rig = self.waiting[pick % len(self.waiting)]
        place = self.ledger.confirm(self.going[rig])
        assert place.row == self.going[rig].row
        self._has_consented(rig)

    def _has_consented(self, rig: str) -> None:
        place = self.going[rig]
        self.consented.add(rig)
        known = self.known[place.subject]
        known.kept_row = place.row
        known.row = None if known.is_gone else place.row

    @precondition(lambda self: self.waiting)
    @rule(pick=PICK)
    def consent_is_refused(self, pick: int) -> None:
        self.ledger.release(self.going.pop(self.waiting[pick % len(self.waiting)]))

    @precondition(lambda self: self.going)
    @rule(pick=PICK, outcome=strategies.sampled_from(["finished", "stopped", "withdrawn"]))
    def a_session_ends(self, pick: int, outcome: str) -> None:
        """Also of one of which the ledger could not be told at consent."""
        rig = list(self.going)[pick % len(self.going)]
        self._has_consented(rig)
        self.consented.discard(rig)
        place = self.going.pop(rig)
        self.ledger.ended(place, outcome)
        known = self.known[place.subject]
        known.finished += outcome == "finished"
        if outcome == "withdrawn":
            self.is_plain, known.is_gone, known.row = False, True, None

    @precondition(lambda self: self.going)
    @rule(pick=PICK)
    def a_rig_is_killed(self, pick: int) -> None:
        rig = list(self.going)[pick % len(self.going)]
        self.alive[rig] = max(self.alive.values()) + 1
        place = self.going.pop(rig)
        if rig in self.consented:
            self.known[place.subject].broken_off = place
        self.consented.discard(rig)

    @property
    def resumable(self) -> list[str]:
        return [subject for subject, one in self.known.items() if one.broken_off is not None and not one.is_gone]

    @precondition(lambda self: self.idle and self.resumable)
    @rule(pick=PICK, which=strategies.integers(0, 8))
    def a_session_is_resumed(self, pick: int, which: int) -> None:
        rig, subject = self.idle[pick % len(self.idle)], self.resumable[which % len(self.resumable)]
        known = self.known[subject]
        self.pid, before = self.alive[rig], known.broken_off
        place = self.ledger.reserve(
            *ORDER, ROWS, SessionFolder(Path(self.folder.name), subject, before.session), resumed_row=before.row
        )
        assert (place.row, place.session) == (before.row, before.session)
        known.broken_off = None
        self.going[rig] = place
        self.unpromised.discard(rig)

    @precondition(lambda self: any(one.sessions for one in self.known.values()))
    @rule(subject=ANYBODY, excluded=strategies.booleans())
    def a_subject_leaves(self, subject: str, excluded: bool) -> None:
        leave = self.ledger.exclude if excluded else self.ledger.drop_out
        known = self.known[subject]
        if not known.sessions or known.is_gone:
            with pytest.raises(UserError):
                leave(subject, "why")
            return
        leave(subject, "why")
        self.unpromised |= {rig for rig, place in self.going.items() if place.subject == subject}
        self.is_plain, known.is_gone, known.row = False, True, None

    @precondition(lambda self: any(one.is_gone for one in self.known.values()))
    @rule(which=strategies.integers(0, 8))
    def a_subject_is_readmitted(self, which: int) -> None:
        gone = [subject for subject, one in self.known.items() if one.is_gone]
        subject = gone[which % len(gone)]
        known = self.known[subject]
        self.ledger.readmit(subject)
        known.is_gone, known.row = False, known.kept_row

    @invariant()
    def the_ledger_says_what_the_model_says(self) -> None:
        if not hasattr(self, "ledger"):
            return
        entries = self.ledger.subjects()
        held = [(entry.subject, row) for entry in entries for row in entry.rows if row.state != "freed"]
        assert len({(row.row, row.repeat) for _, row in held}) == len(held)
        sure = {subject: row.row for subject, row in held if row.state == "confirmed"}
        assert sure == {subject: one.row for subject, one in self.known.items() if one.row is not None}
        assert {entry.subject for entry in entries if entry.departure} == {
            s for s, k in self.known.items() if k.is_gone
        }
        counts = Counter(sure.values())
        if self.is_plain:
            assert max(counts[row] for row in range(ROWS)) - min(counts[row] for row in range(ROWS)) <= 1


TestLedgers = Ledgers.TestCase
TestLedgers.settings = settings(
    max_examples=25, stateful_step_count=40, deadline=None, phases=(Phase.generate, Phase.shrink)
)
