"""Holds the session that is shown: lends it to the threads that read it, and opens it anew when it has changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from threading import Lock
from types import TracebackType

from rig.errors import NotServed, RigError, SessionError, UserError
from rig.session.folder import find_runs
from rig.session.reader import Session
from rig.session.timeline import offsets_ns
from rig.web.axis import Axis
from rig.web.film import Films

Stamp = list[tuple[Path, int, int, int]]  # of each run file: which it is, when it was changed, and its size
RELOAD = "Reload the page"


class Opened:
    """A session as it was when it was opened, and what is made of it for pages."""

    def __init__(self, path: Path, clips: Path | None) -> None:
        self.session = Session(path, clips=clips)
        self.identity = self.session.identity
        self.films = Films()
        self.borrowers = 0  # the shelf's own count
        self.is_closed = False
        self._whole = [
            (file.path, *_least(file.path, is_growing=run.is_being_recorded))
            for run in self.session.runs
            for file in run.files
        ]

    @property
    def axes(self) -> dict[int, Axis]:
        """By run number, of those whose pulses can be read. Raises SessionError when there are none."""
        return self._axes_and_damages[0]

    @property
    def damages(self) -> list[SessionError]:
        """Why the other runs have no axis."""
        return self._axes_and_damages[1]

    @cached_property
    def _axes_and_damages(self) -> tuple[dict[int, Axis], list[SessionError]]:
        whole, damages = [], []
        for line in self.session.timelines:
            try:
                Axis(line, 0)
                whole.append(line)
            except SessionError as error:
                damages.append(error)
        if not whole:
            raise damages[0]
        axes = {line.run.number: Axis(line, at_ns) for line, at_ns in zip(whole, offsets_ns(whole), strict=True)}
        return axes, damages

    def axis(self, run: int) -> Axis:
        """Of run number `run`. Raises UserError naming the runs there are."""
        number = self.session.run(run).number
        if number not in self.axes:
            readable = ", ".join(map(str, self.axes))
            raise UserError(f"run {run}", "has pulses that cannot be read", allowed=f"run {readable}")
        return self.axes[number]

    @property
    def lost(self) -> Path | None:
        """A file that was cut short, replaced or removed since, or cannot be reached just now; None: none is."""
        for path, number, size in self._whole:
            found = _found(path)
            if found is None or found.st_ino != number or found.st_size < size:
                return path
        return None

    @property
    def is_cut(self) -> bool:
        """Whether a file is shorter than it was, and still the same: HDF5 shows it as it was while it is open."""
        found = [(_found(path), number, size) for path, number, size in self._whole]
        return any(stat and stat.st_ino == number and stat.st_size < size for stat, number, size in found)

    def require(self, asked: str | None) -> None:
        """Raise NotServed unless it is the session that was asked for (None: any) and its files are still there."""
        if asked is not None and asked != self.identity:
            raise NotServed("this page", "another session is served here now", hint=RELOAD)
        lost = self.lost
        if lost or self.is_closed:
            problem = "was cut short, replaced or removed while it was shown, or cannot be reached"
            raise NotServed(str(lost or self.session.path), problem, hint=RELOAD)

    def close(self) -> None:
        """Give all files back."""
        self.is_closed = True
        self.films.close()
        self.session.close()


class Shelf:
    """One session for many readers; closed by `close` or at the end of a `with` statement."""

    def __init__(self, path: Path, *, clips: Path | None = None) -> None:
        """`clips`: where film clips lie, when not beside the protocol. Raises a SessionError."""
        self.path, self._clips, self._lock = path, clips, Lock()
        self._stamp = _stamp(path)
        self._opened = Opened(path, clips)

    def __enter__(self) -> Shelf:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the session's files back, at once."""
        self._opened.close()

    def make_ready(self) -> None:
        """Read what every page asks for first, while nobody asks yet. What is damaged is told to who asks for it."""
        with suppress(RigError), self.borrowed() as opened:
            _ = opened.axes

    @contextmanager
    def borrowed(self, asked: str | None = None) -> Iterator[Opened]:
        """The session, which stays open at least until the end of the `with` statement.

        `asked`: the identity of the one that a page was made for. Raises NotServed when it is not there any more.
        """
        with self._lock:
            opened = self._opened
            opened.borrowers += 1
        try:
            opened.require(asked)
            yield opened
        finally:
            with self._lock:
                opened.borrowers -= 1
                self._put_away(opened)

    def _put_away(self, opened: Opened) -> None:
        if opened is not self._opened and not opened.borrowers:
            opened.close()

    def renew(self) -> None:
        """Open the session anew if its files have changed: it is recorded right now, or was recovered.

        One that cannot be opened just now, as while it is closed or away, stays as it was.
        """
        with self._lock, suppress(SessionError, OSError):
            stamp = _stamp(self.path)
            if stamp == self._stamp and not self._opened.is_closed:
                return
            if self._opened.is_cut:
                if self._opened.borrowers:
                    return
                self._opened.close()
            before, self._opened, self._stamp = self._opened, Opened(self.path, self._clips), stamp
            self._put_away(before)


def _stamp(path: Path) -> Stamp:
    found = [(run, run.stat()) for run in find_runs(path)]
    return [(run, stat.st_ino, stat.st_mtime_ns, stat.st_size) for run, stat in found]


def _least(path: Path, *, is_growing: bool) -> tuple[int, int]:
    """Which file it is, and the size it must not fall below. A recorder may give back room that it had taken."""
    found = path.stat()
    return found.st_ino, 0 if is_growing else found.st_size


def _found(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
