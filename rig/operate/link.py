"""The line to a recorder: attached while there is one, and again when it comes back. And where to find one."""

from __future__ import annotations

from pathlib import Path

from rig.channel import FILE, Client, Message, is_recorded
from rig.clock import NS, Clock
from rig.errors import DeviceLost, RigError, UserError
from rig.session.folder import sessions_below

TRY_NS = NS // 4  # between two attempts to attach again


def session_to_operate(session: Path | None, directory: Path) -> Path:
    """The folder of the session that is meant: `session` is its folder or a file in it; None: the newest recorded now.

    Raises UserError, naming what is being recorded below `directory`, when there is none.
    """
    if session is not None and (session.is_dir() or not session.exists()):
        return session
    if session is not None:
        return session.parent
    recorded = [folder for folder in sessions_below(directory) if is_recorded(folder)]
    if not recorded:
        hint = "Start one with rig record, or name the folder of the session that is being recorded"
        raise UserError(str(directory), "no session below it is being recorded now", hint=hint)
    return max(recorded, key=lambda folder: (folder / FILE).stat().st_mtime_ns)


class Link:
    """Attached to the recorder of one session, or waiting for one. For one thread."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """Raises UserError when nobody records there now."""
        self._folder, self._clock = folder, clock
        self._client: Client | None = Client(folder)
        self._since_ns = clock.now_ns()  # of being attached, or of not being so
        self._heard_ns = self._tried_ns = self._since_ns

    @property
    def is_attached(self) -> bool:
        """Whether there is a recorder at the other end."""
        return self._client is not None

    def silent_s(self) -> float:
        """For how long nothing was heard of the recorder, or there was none."""
        return (self._clock.now_ns() - (self._heard_ns if self.is_attached else self._since_ns)) / NS

    def receive(self, timeout_s: float) -> list[Message]:
        """What came, oldest first; waits at most `timeout_s`. Never raises: see `is_attached`."""
        if self._client is None:
            self._clock.sleep_until(self._clock.now_ns() + int(timeout_s * NS))
            self._attach()
            return []
        try:
            messages = self._client.receive(timeout_s)
        except DeviceLost:
            self._detach()
            return []
        if messages:
            self._heard_ns = self._clock.now_ns()
        return messages

    def send(self, command: Message) -> bool:
        """Send a command; whether it was sent."""
        try:
            if self._client is not None:
                self._client.send(command)
        except DeviceLost:
            self._detach()
        return self._client is not None

    def close(self) -> None:
        """Leave; the recording goes on."""
        if self._client is not None:
            self._client.close()

    def _detach(self) -> None:
        self.close()
        self._client, self._since_ns = None, self._clock.now_ns()

    def _attach(self) -> None:
        now = self._clock.now_ns()
        if now - self._tried_ns < TRY_NS:
            return
        self._tried_ns = now
        try:
            self._client = Client(self._folder)
        except RigError:  # not yet
            return
        self._since_ns = self._heard_ns = now
