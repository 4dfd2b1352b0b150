"""The ledger of one folder of sessions: who has which row of an order, who came how often, who left, what was deleted.

    new session folder --> reserve --> (arming) --> consent given    --> confirm --> ... --> ended
                                                --> consent refused  --> release
    killed meanwhile: before confirm the row is free again, after it it stays; a resumed session goes on with it
    killed, or kept from the ledger, at its end: settle takes what the session's files say (settling.py)

All of it is done under one lock of the file, so that two rigs on one machine never get the same place.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection, Row

from rig import host
from rig.clock import utc_now
from rig.errors import SessionExists, StorageError, UserError
from rig.session.folder import SessionFolder, check_subject
from rig.session.layout import Outcome
from rig.subjects import places
from rig.subjects.database import Database
from rig.subjects.entries import DROPPED_OUT, EXCLUDED, Entry, Tombstone, entries, tombstone_of
from rig.subjects.settling import Told, told_by


@dataclass(frozen=True)
class Place:
    """What one session has of the ledger."""

    subject: str
    session: int  # its number, from 1
    protocol: str
    row: int  # of the order, from 0
    repeat: int  # how often the row was held already when it was given; from 0
    visit: int  # of this subject with this protocol, from 1
    is_confirmed: bool  # whether the subject took part with it before, as in an earlier visit


class Ledger:
    """The ledger below `directory`, which must exist; the file itself is made by the first change.

    It holds nothing open, and may be used from any thread. A change waits up to 5 s for another one and for the disk:
    never call it from a thread that a camera waits for. Everything raises StorageError for a file that is no ledger,
    is damaged or held, may not be written to, or does not fit on its disk; then nothing was changed.
    """

    def __init__(self, directory: Path) -> None:
        self._database = Database(directory)

    @property
    def path(self) -> Path:
        """Its file; need not exist."""
        return self._database.path

    def reserve(
        self,
        protocol: str,
        order_key: str,
        rows: int | None,
        session: SessionFolder,
        *,
        resumed_row: int | None = None,
        is_withdrawn: bool = False,
    ) -> Place:
        """Get the row for a session: called once, when its folder is made and before anything is armed.

        `protocol`: its name; `order_key`: what tells its order from every other that it ever had; `rows`: how many
        rows that order has, None: as many as participants come. A subject who has a row in it keeps that row.
        `resumed_row`: the row of the run that is resumed in this session, which it keeps as well; `is_withdrawn`: it is
        resumed only for the debrief of who withdrew in it, and who has dropped out by that.

        First settles the visits whose recorders are gone. Raises UserError for a subject who was excluded or dropped
        out; SessionExists when the subject is being
        recorded elsewhere, differs only in case from another one, or had a session of this number before.
        """
        self.settle()
        with self._database.writing() as db:
            visit = _session(db, session.subject, session.number) if is_withdrawn else None
            if visit is None:
                self._admit(db, session.subject)
            _refuse_under_way(db, session.subject)
            if resumed_row is None:
                _refuse_taken(db, session)
            held = visit["place"] if visit is not None else None
            place = held or places.take(db, protocol, order_key, rows, session.subject, resumed_row)
            _begin_visit(db, session, place)
            return _place(db, session.subject, session.number)

    def expect(self, protocol: str, order_key: str, rows: int | None, subject: str = "") -> int:
        """The row that this subject, or else whoever comes next, would be given now; nothing is changed.

        The parameters are those of `reserve`, and with a subject it raises what that would.
        """
        if subject:
            check_subject(subject)
        with self._database.reading() as db:
            if db is None:
                return 0
            if subject:
                _is_known(db, subject)
                _refuse_under_way(db, subject)
            return places.peek(db, protocol, order_key, rows, subject)

    def _admit(self, db: Connection, subject: str) -> None:
        """A subject by a name that is free, or known. Raises UserError, SessionExists."""
        check_subject(subject)
        if not _is_known(db, subject):
            db.execute("INSERT INTO subjects VALUES (?, ?, ?)", (subject, subject.lower(), utc_now()))

    def confirm(self, place: Place) -> Place:
        """Consent was given, or there was none to give and the first step is on the screen: the row is the subject's.

        Called once, as soon as that is known. If it raises StorageError the session goes on, with an alarm: `ended`
        confirms it then. Returns the place, whose row never changes.
        """
        with self._database.writing() as db:
            self._confirm(db, place)
            return _place(db, place.subject, place.session)

    def _confirm(self, db: Connection, place: Place) -> None:
        visit = self._visit(db, place)
        if visit["consented_utc"] is None:
            _note(db, "consented_utc = ?", place, utc_now())
        if not _departure(db, place.subject):
            places.confirm(db, visit["place"])

    def release(self, place: Place, why: str = "released") -> None:
        """The run came to nothing: consent was refused, the rig could not be armed, or it was ended before consent.

        Called instead of `ended`. The row is free again, unless the subject took part with it before.
        """
        with self._database.writing() as db:
            self._release(db, place, why)

    def _release(self, db: Connection, place: Place, why: str) -> None:
        visit = self._visit(db, place)
        _note(db, "ended_utc = ?, outcome = ?", place, utc_now(), why)
        reserved = "SELECT 1 FROM places WHERE id = ? AND state = 'reserved'"
        if db.execute(reserved, (visit["place"],)).fetchone():
            places.free(db, visit["place"])

    def ended(self, place: Place, outcome: str) -> None:
        """A run to which consent was given is over: called once it is closed, whatever its outcome.

        Who withdrew has dropped out: the row is free for another. Any other outcome keeps the row; only FINISHED
        counts as a visit. Confirms the place, if `confirm` could not.
        """
        with self._database.writing() as db:
            self._ended(db, place, outcome)

    def _ended(self, db: Connection, place: Place, outcome: str) -> None:
        self._confirm(db, place)
        _note(db, "ended_utc = ?, outcome = ?", place, utc_now(), str(outcome))
        if outcome == Outcome.WITHDRAWN:
            _withdraw(db, place)

    def withdrew(self, place: Place) -> None:
        """The participant withdrew in this session, and has dropped out by that, be it before consent."""
        with self._database.writing() as db:
            _withdraw(db, place)

    def settle(self) -> None:
        """Note how the visits ended whose recorders are gone and could not tell, as far as the sessions' files do.

        Of one that was cut, and may be resumed, only consent and withdrawal. Without anything new nothing is written.
        """
        for place in self._broken_off():
            told = told_by(self.path.parent / f"sub-{place.subject}" / f"ses-{place.session:02d}")
            if told is not None and self._is_news(place, told):
                with self._database.writing() as db:
                    if _is_broken_off(self._visit(db, place)):  # nobody has resumed it meanwhile
                        self._settle(db, place, told)

    def _broken_off(self) -> list[Place]:
        with self._database.reading() as db:
            visits = db.execute("SELECT * FROM visits").fetchall() if db is not None else []
            return [_place(db, one["subject"], one["session"]) for one in visits if db and _is_broken_off(one)]

    def _is_news(self, place: Place, told: Told) -> bool:
        with self._database.reading() as db:
            assert db is not None
            has_consent = self._visit(db, place)["consented_utc"] is not None
            is_known = has_consent >= told.takes_part and _has_withdrawn(db, place) >= told.is_withdrawn
            return told.outcome is not None or not is_known

    def _settle(self, db: Connection, place: Place, told: Told) -> None:
        if told.is_withdrawn:
            _withdraw(db, place)
        if told.takes_part:
            self._confirm(db, place)
        if told.outcome is not None and told.takes_part:
            self._ended(db, place, told.outcome)
        elif told.outcome is not None:
            self._release(db, place, told.outcome)

    def _visit(self, db: Connection, place: Place) -> Row:
        found = _session(db, place.subject, place.session)
        if found is None:
            problem = f"does not know session {place.session} of {place.subject} any more"
            raise StorageError(str(self.path), problem, hint="Was another file put in its place? Put back the ledger")
        return found

    def visit_of(self, subject: str, protocol: str) -> int:
        """The number of this subject's next visit with a protocol, from 1: those that finished are counted."""
        with self._database.reading() as db:
            return _finished(db, subject, protocol) + 1 if db is not None else 1

    def exclude(self, subject: str, reason: str) -> None:
        """The laboratory does not use this subject's data: its rows are free, and it is recorded no more."""
        self._leave(subject, EXCLUDED, reason)

    def drop_out(self, subject: str, reason: str) -> None:
        """This subject takes part no longer: its rows are free, and it is recorded no more."""
        self._leave(subject, DROPPED_OUT, reason)

    def _leave(self, subject: str, kind: str, reason: str) -> None:
        _require(reason)
        self._require_known(subject)
        with self._database.writing() as db:
            if gone := _departure(db, subject):
                raise UserError(subject, f"{gone['kind']} already, on {gone['utc'][:10]}: {gone['reason']}")
            _depart(db, subject, kind, reason)

    def readmit(self, subject: str) -> None:
        """Take back an exclusion or a drop-out: the subject has its rows again, if need be in another repeat."""
        self._require_known(subject)
        with self._database.writing() as db:
            gone = _departure(db, subject)
            if gone is None:
                raise UserError(subject, "was neither excluded nor did it drop out", hint="rig subjects list")
            db.execute("UPDATE departures SET readmitted_utc = ? WHERE id = ?", (utc_now(), gone["id"]))
            held = "SELECT DISTINCT place FROM visits WHERE subject = ? AND consented_utc IS NOT NULL"
            for found in db.execute(held, (subject,)).fetchall():
                places.confirm(db, found["place"])

    def _require_known(self, subject: str) -> None:
        """Before anything is written: a mistyped folder must not get a ledger."""
        ask = "SELECT 1 FROM subjects WHERE subject = ?"
        with self._database.reading() as db:
            if db is None or not db.execute(ask, (subject,)).fetchone():
                raise UserError(subject, f"is not in {self.path}", hint="See who is: rig subjects list")

    def subjects(self) -> list[Entry]:
        """Everything it knows, by subject, settled unless it may not be written; empty when there is no ledger yet."""
        with suppress(StorageError):
            self.settle()
        with self._database.reading() as db:
            return entries(db) if db is not None else []

    def ask_deletion(self, subject: str, session: int, reason: str) -> None:
        """Note that a session's files are about to be removed; a second time with another reason, that one counts."""
        _require(reason)
        put = """INSERT INTO deletions (subject, session, reason, asked_utc) VALUES (?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET reason = excluded.reason"""
        with self._database.writing() as db:
            db.execute(put, (subject, session, reason, utc_now()))

    def end_deletion(self, subject: str, session: int) -> Tombstone:
        """Note that all files of that session are gone; what is left of it."""
        put = "UPDATE deletions SET done_utc = coalesce(done_utc, ?) WHERE subject = ? AND session = ?"
        with self._database.writing() as db:
            db.execute(put, (utc_now(), subject, session))
            found = tombstone_of(db, subject, session)
        assert found is not None
        return found

    def cancel_deletion(self, subject: str, session: int) -> None:
        """Note that a deletion was refused, and nothing was removed."""
        with self._database.writing() as db:
            take = "DELETE FROM deletions WHERE subject = ? AND session = ? AND done_utc IS NULL"
            db.execute(take, (subject, session))

    def tombstone(self, subject: str, session: int) -> Tombstone | None:
        """What is left of a session whose deletion was asked for; None when none was."""
        with self._database.reading() as db:
            return tombstone_of(db, subject, session) if db is not None else None


def _require(reason: str) -> None:
    if not reason.strip():
        raise UserError("--reason", "is empty", allowed="a few words; no names, they are kept for good")


def _is_known(db: Connection, subject: str) -> bool:
    """Whether there is such a subject. Raises UserError for one who left, SessionExists for one who is spelled else."""
    twin = db.execute("SELECT subject FROM subjects WHERE folded = ?", (subject.lower(),)).fetchone()
    if twin is not None and twin["subject"] != subject:
        problem = f"differs only in upper and lower case from {twin['subject']}, which has sessions here"
        hint = "On many disks the two would share their files: take another pseudonym"
        raise SessionExists("--subject", problem, value=subject, hint=hint)
    if gone := _departure(db, subject):
        problem = f"{gone['kind']} on {gone['utc'][:10]}: {gone['reason']}"
        hint = f"If that is a mistake: rig subjects readmit {subject}"
        raise UserError("--subject", problem, value=subject, hint=hint)
    return twin is not None


def _refuse_under_way(db: Connection, subject: str) -> None:
    """One participant, one session at a time. Raises SessionExists naming who records the other one."""
    for visit in db.execute("SELECT * FROM visits WHERE subject = ?", (subject,)):
        if visit["pid"] != os.getpid() and places.is_under_way(visit):
            problem = f"is being recorded as session {visit['session']} by process {visit['pid']}"
            hint = "Wait for its end, or is the pseudonym another participant's?"
            raise SessionExists("--subject", problem, value=subject, hint=hint)


def _refuse_taken(db: Connection, session: SessionFolder) -> None:
    """A number that a session had, though its folder is there no more. Raises SessionExists."""
    visit = _session(db, session.subject, session.number)
    deleted = tombstone_of(db, session.subject, session.number)
    if deleted is not None or (visit is not None and visit["consented_utc"] is not None):
        problem = "is the number of a session that was deleted" if deleted else "is in the ledger, but not on the disk"
        next_free = "SELECT max(session) + 1 FROM visits WHERE subject = ?"
        free = max(session.number + 1, db.execute(next_free, (session.subject,)).fetchone()[0] or 0)
        hint = f"No number is given twice: --session {free}"
        raise SessionExists("--session", problem, value=str(session.number), hint=hint)


def _session(db: Connection, subject: str, number: int) -> Row | None:
    found: Row | None = db.execute(
        "SELECT * FROM visits WHERE subject = ? AND session = ?", (subject, number)
    ).fetchone()
    return found


def _is_broken_off(visit: Row) -> bool:
    """Whether a visit has not ended, or not well, as far as is noted, and the process that recorded it is gone."""
    has_ended = visit["ended_utc"] is not None and visit["outcome"] != Outcome.CLOSE_FAILED
    return not has_ended and not places.is_under_way(visit)


def _begin_visit(db: Connection, session: SessionFolder, place: int) -> None:
    pid = os.getpid()
    put = """INSERT INTO visits (subject, session, place, began_utc, pid, process) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET place = excluded.place, ended_utc = NULL, outcome = '', pid = excluded.pid,
            process = excluded.process"""
    db.execute(put, (session.subject, session.number, place, utc_now(), pid, host.process_mark(pid)))


def _note(db: Connection, what: str, place: Place, *values: str) -> None:
    db.execute(f"UPDATE visits SET {what} WHERE subject = ? AND session = ?", (*values, place.subject, place.session))


def _place(db: Connection, subject: str, number: int) -> Place:
    ask = "SELECT * FROM visits JOIN places ON places.id = visits.place WHERE visits.subject = ? AND session = ?"
    found = db.execute(ask, (subject, number)).fetchone()
    protocol, is_confirmed = found["protocol"], found["state"] == "confirmed"
    visit = _finished(db, subject, protocol) + 1
    return Place(subject, number, protocol, found["row"], found["repeat"], visit, is_confirmed)


def _finished(db: Connection, subject: str, protocol: str) -> int:
    ask = """SELECT count(*) FROM visits JOIN places ON places.id = visits.place
        WHERE visits.subject = ? AND protocol = ? AND outcome = ?"""
    return int(db.execute(ask, (subject, protocol, str(Outcome.FINISHED))).fetchone()[0])


def _departure(db: Connection, subject: str) -> Row | None:
    ask = "SELECT * FROM departures WHERE subject = ? AND readmitted_utc IS NULL"
    found: Row | None = db.execute(ask, (subject,)).fetchone()
    return found


def _has_withdrawn(db: Connection, place: Place) -> bool:
    """Whether that is noted of this session, be it that the subject was readmitted since."""
    ask = "SELECT 1 FROM departures WHERE subject = ? AND reason = ?"
    return db.execute(ask, (place.subject, _withdrawal(place))).fetchone() is not None


def _withdraw(db: Connection, place: Place) -> None:
    if not _departure(db, place.subject) and not _has_withdrawn(db, place):
        _depart(db, place.subject, DROPPED_OUT, _withdrawal(place))


def _withdrawal(place: Place) -> str:
    return f"withdrew in session {place.session}"


def _depart(db: Connection, subject: str, kind: str, reason: str) -> None:
    put = "INSERT INTO departures (subject, kind, reason, utc) VALUES (?, ?, ?, ?)"
    db.execute(put, (subject, kind, reason, utc_now()))
    db.execute("UPDATE places SET state = 'freed' WHERE subject = ?", (subject,))
