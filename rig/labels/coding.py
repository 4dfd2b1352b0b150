"""What one coder has labelled in one session, on the disk.

sub-<ID>/ses-<NN>/annotations/<coder>.tsv     the labels, one row each (table.py)
                              <coder>.json    what the columns mean, as BIDS has it, and when the coder closed

Each file is replaced as a whole, synced, and never again once the coder has closed. A `revision` stands for what is in
them: who saves says which one the labels were made from, so that nothing is overwritten unseen.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import xxhash

from rig import host
from rig.clock import NS, HostClock, utc_now
from rig.config.find import look_up
from rig.errors import LabelsChanged, SessionError, StorageError, UserError
from rig.labels.label import LARGEST, Label, refuse_twins, require
from rig.labels.table import COLUMNS, OURS, labels_in, table_of
from rig.private import write_private
from rig.session.folder import SUBJECT, held_alone
from rig.session.reader import nothing_to_show

if TYPE_CHECKING:
    from rig.session.reader import Session

FOLDER, TABLE = "annotations", ".tsv"
CLOSED = "ClosedUtc"  # in the .json
IN_THE_WAY = "Move it away: labels are kept there"
MOST_NAMED = 5
_ONE_MORE_TRY_NS, _TRIES = NS // 100, 300


def folder_of(session: Session) -> Path:
    """Where the labels of a session lie; need not exist."""
    return session.runs[0].path.parent / FOLDER


def coders(session: Session) -> list[str]:
    """Who has begun to label a session, sorted. Raises SessionError when that cannot be read."""
    folder = folder_of(session)
    if look_up("", folder, SessionError) is None:
        return []
    try:
        names = {path.stem for path in folder.iterdir() if path.suffix in (TABLE, ".json")}
    except OSError as exc:
        raise SessionError(str(folder), f"cannot be read: {exc.strerror}") from None
    return sorted(name for name in names if SUBJECT.fullmatch(name))


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise SessionError(str(path.parent), "is no folder", hint=IN_THE_WAY) from None
    except IsADirectoryError:
        raise SessionError(str(path), "is a folder", hint=IN_THE_WAY) from None
    except OSError as exc:
        raise SessionError(str(path), f"cannot be read: {exc.strerror}") from None


@dataclass(frozen=True)
class Coded:
    """What lies on the disk of one coder. `revision`: another one whenever anything of it is another, below 2**53."""

    labels: tuple[Label, ...]
    closed_utc: str | None  # ISO 8601; None: still open
    revision: int
    is_there: bool  # whether there is a table at all

    @property
    def is_closed(self) -> bool:
        """Whether it stays as it is."""
        return self.closed_utc is not None


def check_coder(name: str) -> str:
    """Return `name` unchanged. Raises UserError unless a file can have that name everywhere."""
    if not SUBJECT.fullmatch(name):
        raise UserError("--coder", "is not allowed", value=repr(name), allowed="letters and digits only, at most 64")
    return name


class Coding:
    """The labels of one coder on one session. Several threads and processes may use it at once."""

    def __init__(self, session: Session, coder: str) -> None:
        """Raises UserError for a coder that cannot be."""
        self.coder, self._session = check_coder(coder), session
        self.path = folder_of(session) / f"{coder}{TABLE}"
        self._about = self.path.with_suffix(".json")

    def check(self) -> None:
        """Raise what `begin` would, as far as it is known before anything is written.

        Raises UserError as well for a session without a pulse.
        """
        with suppress(SessionError):  # of a run that is damaged, as the page says
            if not any(_pulses(self._session, run.number) for run in self._session.runs):
                raise nothing_to_show(self._session.path)
        if not self.read().is_closed:
            self._refuse_twin()

    def begin(self) -> None:
        """Put an empty table there if there is none, so that it counts.

        Raises UserError beside a coder who differs only in upper and lower case, StorageError when nothing can be
        written, SessionError when what lies there is not ours.
        """
        if self.read().is_closed:
            return
        self._make_folder()
        with self._alone():
            self._refuse_twin()
            self._describe()
            if not self.path.exists():
                self._put(self.path, table_of(self._session, ()))

    def _describe(self) -> None:
        if not self._about.exists():
            self._put(self._about, _about(None))

    def _make_folder(self) -> None:
        folder = self.path.parent
        try:
            host.make_folder(folder)
            host.sync_folder(folder.parent)
        except FileExistsError:
            if not folder.is_dir():
                raise StorageError(str(folder), "is no folder", hint=IN_THE_WAY) from None
        except OSError as exc:
            raise _unwritten(folder, exc) from None

    def _refuse_twin(self) -> None:
        twins = [name for name in coders(self._session) if name != self.coder and name.lower() == self.coder.lower()]
        if twins:
            problem = f"differs only in upper and lower case from {twins[0]}, who has begun"
            raise UserError("--coder", problem, value=self.coder, hint="Take another name, or that one")

    def read(self) -> Coded:
        """What lies on the disk. Raises SessionError naming line and column of what is not ours or lies outside."""
        closed_utc, table = self._found()
        labels = labels_in(self.path, table) if table is not None else ()
        for wrong in _outside(self._session, labels):
            line = f"{self.path}: line {2 + labels.index(wrong.label)}, {wrong.column}"
            raise SessionError(line, "lies outside the session", value=wrong.value, allowed=wrong.allowed, hint=OURS)
        return Coded(labels, closed_utc, self._revision(closed_utc, table), table is not None)

    def _found(self) -> tuple[str | None, bytes | None]:
        """When the coder closed, and the table as it lies there. Raises SessionError."""
        about = _bytes(self._about)
        return _closed_utc(self._about, about) if about is not None else None, _bytes(self.path)

    def _revision(self, closed_utc: str | None, table: bytes | None) -> int:
        all_of_it = repr((self._session.identity, self.coder, closed_utc, table)).encode()
        return xxhash.xxh3_64_intdigest(all_of_it) % LARGEST

    def save(self, labels: Sequence[Label], revision: int) -> int:
        """Put these labels in the place of all that were there at `revision`; returns the new revision.

        They are synced before this returns. Raises LabelsChanged, UserError for a label that is outside the session,
        StorageError, SessionError; nothing was changed then.
        """
        _check_places(self._session, labels)
        table = table_of(self._session, labels)
        self._make_folder()  # it may have been taken away
        with self._alone():
            self._refuse_unless(revision)
            self._describe()
            self._put(self.path, table)
            return self._revision(None, table.encode())

    def close(self, revision: int) -> int:
        """Let the labels as of `revision` be the coder's last word; returns the new revision.

        Raises UserError naming what is not marked yet, and as `save`.
        """
        with self._alone():
            self._refuse_unless(revision)
            _refuse_unmarked(self.coder, self.read().labels)
            self._put(self._about, _about(utc_now()))
            return self.read().revision

    def _refuse_unless(self, revision: int) -> None:
        closed_utc, table = self._found()
        if closed_utc is None and self._revision(None, table) == revision:
            return  # of a table that was understood when somebody was told its revision
        self.read()  # raises for one that is not ours
        if closed_utc is not None:
            raise LabelsChanged(str(self.path), f"was closed by {self.coder} on {closed_utc}")
        hint = "Nothing was overwritten: look at what is there now, and mark again what is missing"
        raise LabelsChanged(str(self.path), "was changed meanwhile, in another window or program", hint=hint)

    def _put(self, path: Path, text: str) -> None:
        write_private(path, text.encode())
        try:
            host.sync_folder(path.parent)
        except OSError as exc:
            raise _unwritten(path, exc) from None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until nobody else writes this coder's files. Raises StorageError."""
        lock, clock = self.path.with_name(f".{self.coder}.lock"), HostClock()
        with ExitStack() as held:
            for _ in range(_TRIES):
                try:
                    held.enter_context(held_alone(lock))
                    break
                except BlockingIOError:
                    clock.sleep_until(clock.now_ns() + _ONE_MORE_TRY_NS)
                except OSError as exc:
                    raise _unwritten(self.path, exc) from None
            else:
                hint = "Another program holds it and does not go on: end it"
                raise StorageError(str(lock), "is held", hint=hint)
            yield


def _unwritten(path: Path, exc: OSError) -> StorageError:
    return StorageError(str(path), f"cannot be written: {exc.strerror}", hint="Check the disk and the permissions")


def _about(closed_utc: str | None) -> str:
    return json.dumps({CLOSED: closed_utc, **COLUMNS}, indent=2) + "\n"


def _closed_utc(path: Path, data: bytes) -> str | None:
    try:
        closed_utc = json.loads(data)[CLOSED]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise SessionError(str(path), f"does not say {CLOSED}, as ours do", hint=OURS) from None
    if closed_utc is not None and not _is_time(closed_utc):
        allowed, value = "null, or the time at which the coder closed, as 2026-03-01T10:00:00+00:00", repr(closed_utc)
        raise SessionError(f"{path}: {CLOSED}", "is not allowed", value=value[:80], allowed=allowed, hint=OURS)
    return None if closed_utc is None else str(closed_utc)


def _is_time(given: object) -> bool:
    """Whether it is a moment as ISO 8601 writes it, with its offset from UTC."""
    try:
        return isinstance(given, str) and datetime.fromisoformat(given).tzinfo is not None
    except ValueError:
        return False


def _check_places(session: Session, labels: Sequence[Label]) -> None:
    """Raise UserError for a label that is there twice, or lies outside the session's pulses."""
    refuse_twins(labels)
    for wrong in _outside(session, labels):
        require(False, f"label {wrong.label.id!r}", wrong.column, int(wrong.value), wrong.allowed)  # noqa: FBT003


class _Outside(NamedTuple):
    """A field of a label that says something outside the session."""

    label: Label
    column: str
    value: str
    allowed: str


def _outside(session: Session, labels: Sequence[Label]) -> Iterator[_Outside]:
    """Runs and pulses that the session does not have."""
    there = {run.number for run in session.runs}
    pulses = {run: _pulses(session, run) for run in there.intersection(label.run for label in labels)}
    for label in labels:
        if label.run not in there:
            yield _Outside(label, "run", str(label.run), f"runs {', '.join(map(str, sorted(there)))}")
            continue
        for mark, pulse in label.marks.items():
            if pulse is not None and pulse not in pulses[label.run]:
                yield _Outside(label, mark, str(pulse), _in_words(pulses[label.run], label.run))


def _in_words(pulses: range, run: int) -> str:
    return f"pulses {pulses[0]} to {pulses[-1]} of run {run}" if pulses else f"none: run {run} has no pulse"


def _pulses(session: Session, run: int) -> range:
    """From the first to the last pulse of a run that the box or a frame tells of."""
    base = session.run(run).base.pulse_numbers
    told = session.placed_timelines[run][0].pulse_numbers
    numbers = np.concatenate([told, base[base >= 0]])
    return range(int(numbers.min()), int(numbers.max()) + 1) if len(numbers) else range(0)


def _refuse_unmarked(coder: str, labels: Sequence[Label]) -> None:
    """Raise UserError naming the labels that are not wholly marked."""
    partly = [
        f"run {label.run}, pulse {min(label.marked, default='?')}: no {', no '.join(label.missing)}"
        for label in labels
        if label.missing
    ]
    if partly:
        more = [f"and {len(partly) - MOST_NAMED} more"] if len(partly) > MOST_NAMED else []
        problem = f"cannot be closed: {'; '.join(partly[:MOST_NAMED] + more)}"
        hint = "Mark what is missing, or delete the label"
        raise UserError(f"labels of {coder}", problem, hint=hint)
