"""Holds the session that is shown: lends it to the threads that read it, and opens it anew when it has changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from threading import Lock
from types import TracebackType

from rig.errors import SessionError, UserError
from rig.session.folder import find_runs
from rig.session.reader import Session
from rig.session.timeline import offsets_ns
from rig.web.axis import Axis
from rig.web.film import Films

Stamp = list[tuple[Path, int, int]]  # of each run file: when it was changed, and its size


class Opened:
    """A session as it was when it was opened, and what is made of it for pages."""

    def __init__(self, path: Path, clips: Path | None) -> None:
        self.session = Session(path, clips=clips)
        self.films = Films()
        self.borrowers = 0  # the shelf's own count

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

    def close(self) -> None:
        """Give all files back."""
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

    @contextmanager
    def borrowed(self) -> Iterator[Opened]:
        """The session, which stays open at least until the end of the `with` statement."""
        with self._lock:
            opened = self._opened
            opened.borrowers += 1
        try:
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

        One that cannot be opened just now, as while it is closed, stays as it was.
        """
        with self._lock, suppress(SessionError):
            stamp = _stamp(self.path)
            if stamp == self._stamp:
                return
            before, self._opened, self._stamp = self._opened, Opened(self.path, self._clips), stamp
            self._put_away(before)


def _stamp(path: Path) -> Stamp:
    return [(run, found.st_mtime_ns, found.st_size) for run in find_runs(path) for found in [run.stat()]]
