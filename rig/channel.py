"""How a recording is followed and led from other programs: its state out, the operator's commands in.

    the recorder --publish, event--> Server (a thread of its own) --JSON lines--> Client: operator's terminal, LSL
                 <------take-------                               <--commands---

It is TCP on this machine's loopback alone. Port, token and process stand in `channel.json` in the session's folder,
which its owner alone may read: who may read the session may attach. A client first says the token and its role. An
*operator* may send commands and gets what is meant for one; an *observer* only listens, and gets everything.
Whatever a client does or suffers, the recorder waits for none.

Server to client: {"state": {...}}, the whole state; {"event": {...}}; {"refused": why}. Client to server:
{"token", "role"}, then {"command": WORD, ...}.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from types import TracebackType
from typing import Any, Literal, get_args

from rig import host
from rig.clock import NS, HostClock
from rig.errors import DeviceLost, DeviceNotReady, RigError, StorageError, UserError
from rig.private import write_private

Message = dict[str, Any]
Role = Literal["operator", "observer"]

FILE = "channel.json"
LOOPBACK = "127.0.0.1"
ROLES: tuple[Role, ...] = get_args(Role)
HELLO_S = 3.0  # who has not said who it is by then is let go
CONNECT_S = 3.0
LOOK_S = 0.5  # how often it is looked for those
MOST_CLIENTS = 32  # at once; the oldest that has not said who it is makes room for the next
MOST_LINE = 64 << 10  # bytes of a command; a note has a thousand letters at most
MOST_WAITING = 1 << 20  # bytes that wait for a slow client, over a minute of states; then it is let go
MOST_COMMANDS = 20  # of one client in a second: no hand is quicker, and each takes room in the session's log
READ_BYTES = 1 << 16


class Server:
    """The recorder's end. Its methods never wait for a client."""

    def __init__(self, folder: Path, take: Callable[[Message], None]) -> None:
        """Open it for the session in `folder`.

        `take` gets each command of an operator, in the server's thread, one after another; a RigError that it raises
        is told to that client alone. Raises StorageError or DeviceNotReady when it cannot be opened.
        """
        self.path = folder / FILE
        self._take, self._token = take, secrets.token_hex(16)
        self._states: dict[Role, Message] = {}  # the newest, not sent yet
        self._events: deque[tuple[Role, Message]] = deque()
        self._last: dict[Role, bytes] = {}  # state that a client gets first, however late it comes
        self._clients: list[_Peer] = []
        self._clock, self._is_over = HostClock(), False
        self._listener = _listening(folder)
        self._bell, self._ear = socket.socketpair()
        for end in (self._listener, self._bell, self._ear):
            end.settimeout(0)  # never waits
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="channel", daemon=True)
        try:
            write_private(self.path, _line({"port": self.port, "token": self._token, "pid": os.getpid()}))
        except StorageError:
            self._close_sockets()
            raise
        self._thread.start()

    @property
    def port(self) -> int:
        """The TCP port that it listens on."""
        return int(self._listener.getsockname()[1])

    def publish(self, state: Message, *, to: Role) -> None:
        """Send the whole state to the clients of a role; who attaches later gets it first. Never waits or raises.

        `state` is plain data and belongs to the server from now on. One that was not sent yet makes way for it.
        """
        self._states[to] = state
        self._ring()

    def event(self, event: Message, *, to: Role) -> None:
        """Send what happened to the clients of a role that are there now. Never waits or raises; as for `publish`."""
        self._events.append((to, event))
        self._ring()

    def close(self) -> None:
        """Send what waits as far as the clients take it at once, then let all go. Never raises; once is enough."""
        self._is_over = True
        self._ring()
        self._thread.join()

    def _ring(self) -> None:
        with suppress(OSError):  # its buffer is full of rings already, or the server is closed
            self._bell.send(b"!")

    # --- the server's own thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._is_over:
            for key, _ in self._selector.select(LOOK_S):
                self._serve(key)
            self._send()
            self._let_go_of_silent()
        self._send()
        self._close_sockets()
        with suppress(OSError):  # the session's folder may be gone, or have another name
            self.path.unlink()

    def _close_sockets(self) -> None:
        for peer in list(self._clients):
            self._drop(peer)
        self._selector.close()
        for end in (self._listener, self._bell, self._ear):
            end.close()

    def _serve(self, key: selectors.SelectorKey) -> None:
        if key.fileobj is self._listener:
            self._accept()
        elif key.fileobj is self._ear:
            with suppress(OSError):
                self._ear.recv(READ_BYTES)
        elif key.data in self._clients:
            self._hear(key.data)

    def _accept(self) -> None:
        try:
            end, _ = self._listener.accept()
        except OSError:  # it is gone again, or this process has no descriptor left
            return
        if len(self._clients) >= MOST_CLIENTS:
            self._drop(next((peer for peer in self._clients if peer.role is None), self._clients[0]))
        end.settimeout(0)
        peer = _Peer(end, self._clock.now_ns())
        self._clients.append(peer)
        self._selector.register(end, selectors.EVENT_READ, peer)

    def _drop(self, peer: _Peer) -> None:
        self._clients.remove(peer)
        self._selector.unregister(peer.end)
        peer.end.close()

    def _hear(self, peer: _Peer) -> None:
        """Take what a client has sent; one that is gone or does not keep to the rules is let go."""
        try:
            lines = peer.read()
            for message in map(_message, lines):
                self._obey(peer, message)
            peer.flush()
        except (OSError, _Misbehaved):
            self._drop(peer)

    def _obey(self, peer: _Peer, message: Message) -> None:
        if peer.role is None:
            peer.role = self._role(message)
            peer.send(self._last.get(peer.role, b""))
            return
        peer.count_command(self._clock.now_ns())
        refused = "observers only listen" if peer.role == "observer" else self._asked(message)
        if refused:
            peer.send(_line({"refused": refused}))

    def _role(self, message: Message) -> Role:
        token = str(message.get("token")).encode("utf-8", "replace")
        role = next((role for role in ROLES if role == message.get("role")), None)
        if role is None or not hmac.compare_digest(token, self._token.encode()):
            raise _Misbehaved
        return role

    def _asked(self, message: Message) -> str:
        """Hand a command on; why it was refused, or nothing."""
        try:
            self._take(message)
        except RigError as error:
            return str(error)
        except Exception as exc:  # a fault in what is beside the recording must not end this thread
            return f"cannot be done, by a fault of this program: {type(exc).__name__}"
        return ""

    def _send(self) -> None:
        """Send what was published to those it is for."""
        for role in ROLES:
            state = self._states.pop(role, None)
            if state is not None:
                self._last[role] = _line({"state": state})
                self._send_to(role, self._last[role])
        while self._events:
            role, event = self._events.popleft()
            self._send_to(role, _line({"event": event}))
        for peer in list(self._clients):
            self._flush(peer)

    def _send_to(self, role: Role, line: bytes) -> None:
        for peer in self._clients:
            if peer.role == role:
                peer.send(line)

    def _flush(self, peer: _Peer) -> None:
        try:
            peer.flush()
        except (OSError, _Misbehaved):
            self._drop(peer)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.waiting else 0)
        if self._selector.get_key(peer.end).events != wanted:
            self._selector.modify(peer.end, wanted, peer)

    def _let_go_of_silent(self) -> None:
        late = self._clock.now_ns() - int(HELLO_S * NS)
        for peer in [peer for peer in self._clients if peer.role is None and peer.since_ns < late]:
            self._drop(peer)


class _Misbehaved(Exception):
    """A client does not keep to the rules, or does not take what it is sent."""


@dataclass(eq=False)
class _Peer:
    """A client as the server knows it."""

    end: socket.socket
    since_ns: int  # host clock
    role: Role | None = None  # None until it has said the token
    waiting: bytearray = field(default_factory=bytearray)  # to be sent
    _begun: bytes = b""  # a line of which the end has not come
    _commands: deque[int] = field(default_factory=lambda: deque(maxlen=MOST_COMMANDS))  # host ns of the last ones

    def read(self) -> list[bytes]:
        """The lines that have come to their end. Raises OSError when it is gone."""
        try:
            data = self.end.recv(READ_BYTES)
        except BlockingIOError:  # it was woken to write
            return []
        if not data:
            raise ConnectionResetError
        *lines, self._begun = (self._begun + data).split(b"\n")
        if len(self._begun) > MOST_LINE:
            raise _Misbehaved
        return lines

    def count_command(self, now: int) -> None:
        """Raises _Misbehaved for more commands in a second than a hand can give."""
        if len(self._commands) == MOST_COMMANDS and now - self._commands[0] < NS:
            raise _Misbehaved
        self._commands.append(now)

    def send(self, line: bytes) -> None:
        """Let a line wait until `flush`."""
        self.waiting += line

    def flush(self) -> None:
        """Send what the client takes without waiting. Raises OSError when it is gone, _Misbehaved when it is slow."""
        while self.waiting:
            try:
                sent = self.end.send(self.waiting)
            except BlockingIOError:
                break
            del self.waiting[:sent]
        if len(self.waiting) > MOST_WAITING:
            raise _Misbehaved


class Client:
    """Another program's end, for one thread. Use it in a `with` statement; to attach again make another."""

    def __init__(self, folder: Path, role: Role = "operator") -> None:
        """Attach to the recorder of the session in `folder`. Blocks up to 3 s.

        Raises UserError when nobody records there, when its file may not be read, or when its recorder is gone.
        """
        self._folder, self._begun = folder, b""
        port, token, pid = _read(folder)
        if not host.is_alive(pid):
            raise _not_recorded(folder)
        try:
            self._end = socket.create_connection((LOOPBACK, port), CONNECT_S)
        except OSError:
            raise _not_recorded(folder) from None
        try:
            self.send({"token": token, "role": role})
        except DeviceLost:
            self.close()
            raise

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def receive(self, timeout_s: float) -> list[Message]:
        """What came, oldest first; waits at most `timeout_s` for it. Raises DeviceLost when the recorder is gone."""
        self._end.settimeout(max(timeout_s, 1e-6))
        try:
            data = self._end.recv(READ_BYTES)
        except (TimeoutError, BlockingIOError):
            return []
        except OSError:
            data = b""
        if not data:
            raise self._lost()
        *lines, self._begun = (self._begun + data).split(b"\n")
        try:
            return [_message(line) for line in lines]
        except _Misbehaved:
            raise self._lost() from None

    def send(self, message: Message) -> None:
        """Send a command. Blocks up to 3 s. Raises DeviceLost when the recorder is gone or takes nothing."""
        self._end.settimeout(CONNECT_S)
        try:
            self._end.sendall(_line(message))
        except OSError:
            raise self._lost() from None

    def close(self) -> None:
        """Leave; the recording goes on."""
        self._end.close()

    def _lost(self) -> DeviceLost:
        hint = f"If it was not to end yet: rig recover {quote(str(self._folder))}"
        return DeviceLost(f"recorder of {self._folder}", "has ended, or let this program go", hint=hint)


def is_recorded(folder: Path) -> bool:
    """Whether a recorder that runs has its channel in this session's folder; it is not asked."""
    try:
        return host.is_alive(_read(folder)[2])
    except UserError:
        return False


def _listening(folder: Path) -> socket.socket:
    try:
        return socket.create_server((LOOPBACK, 0))
    except OSError as exc:
        problem = f"cannot be opened on {LOOPBACK}: {exc.strerror}"
        raise DeviceNotReady(
            f"channel of {folder}", problem, hint="Is the loopback device of this machine up?"
        ) from None


def _read(folder: Path) -> tuple[int, str, int]:
    """Port, token and process of the recorder of a session. Raises UserError."""
    path = folder / FILE
    try:
        content = _message(path.read_bytes())
        return int(content["port"]), str(content["token"]), int(content["pid"])
    except PermissionError:
        hint = "Only who started the recording can attach to it"
        raise UserError(str(path), "may not be read by you", hint=hint) from None
    except (OSError, _Misbehaved, KeyError, TypeError, ValueError):
        raise _not_recorded(folder) from None


def _not_recorded(folder: Path) -> UserError:
    hint = "Start one with rig record, or name the folder of the session that is being recorded"
    return UserError(str(folder), "no recorder runs for this session", hint=hint)


def _message(line: bytes) -> Message:
    """The object in a line of JSON. Raises _Misbehaved for anything else."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise _Misbehaved from None
    if not isinstance(message, dict):
        raise _Misbehaved
    return message


def _line(message: Message) -> bytes:
    """One line of JSON; what is no plain data is told as text."""
    return json.dumps(message, default=str).encode() + b"\n"
