"""The channel: whatever a client does, the recorder waits for none, and who may not attach learns nothing."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig import channel, host
from rig.channel import Client, Message, Server
from rig.errors import DeviceLost, RigError, StorageError, UserError
from tests.waiting import wait_for

ENDS_WITHIN_S = 30


class Commands:
    """What the recorder's side was asked."""

    def __init__(self) -> None:
        self.came: list[Message] = []
        self.threads: set[str] = set()

    def take(self, command: Message) -> None:
        self.threads.add(threading.current_thread().name)
        self.came.append(command)
        if command.get("command") == "refuse":
            raise UserError("operator's guess", "is not allowed", value="x")
        if command.get("command") == "crash":
            raise ZeroDivisionError

    def wait_for(self, count: int) -> list[Message]:
        wait_for(lambda: len(self.came) >= count)
        return self.came


@pytest.fixture
def commands() -> Commands:
    return Commands()


@pytest.fixture
def server(tmp_path: Path, commands: Commands) -> Iterator[Server]:
    server = Server(tmp_path, commands.take)
    yield server
    server.close()


def heard(client: Client, count: int = 1) -> list[Message]:
    """The next messages, at least so many."""
    until, messages = time.monotonic() + ENDS_WITHIN_S, list[Message]()
    while len(messages) < count and time.monotonic() < until:
        messages += client.receive(0.1)
    return messages


def connected(server: Server, *sent: bytes) -> socket.socket:
    end = socket.create_connection(("127.0.0.1", server.port), ENDS_WITHIN_S)
    with suppress(OSError):  # it may be let go in the middle of it
        for part in sent:
            end.sendall(part)
    return end


def answer_to(server: Server, *sent: bytes) -> bytes:
    """What comes until the server lets go of who has sent this."""
    got = b""
    with connected(server, *sent) as end, suppress(ConnectionResetError):
        while data := end.recv(4096):
            got += data
    return got


def hello(server: Server, role: str = "operator") -> bytes:
    return json.dumps({"token": json.loads(server.path.read_bytes())["token"], "role": role}).encode() + b"\n"


def still_serves(server: Server, folder: Path) -> bool:
    """Whether a client that attaches now gets the state."""
    server.publish({"still": 1}, to="operator")
    with Client(folder) as client:
        return heard(client)[-1] == {"state": {"still": 1}}


def test_who_attaches_late_gets_the_newest_state_first(server: Server, tmp_path: Path) -> None:
    server.publish({"seconds": 1}, to="operator")
    with Client(tmp_path) as early:
        assert heard(early) == [{"state": {"seconds": 1}}]
        server.publish({"seconds": 2}, to="operator")
        assert heard(early) == [{"state": {"seconds": 2}}]
        with Client(tmp_path) as late:
            assert heard(late) == [{"state": {"seconds": 2}}]


def test_commands_of_two_operators_come_one_after_another_from_one_thread(
    server: Server, tmp_path: Path, commands: Commands
) -> None:
    with Client(tmp_path) as one, Client(tmp_path) as two:
        for number in range(5):
            one.send({"command": "note", "text": f"one {number} ä"})
            two.send({"command": "note", "text": f"two {number} ä"})
        came = [command["text"] for command in commands.wait_for(10)]
    assert sorted(came) == sorted(f"{who} {number} ä" for who in ("one", "two") for number in range(5))
    assert [text for text in came if text.startswith("one")] == [f"one {number} ä" for number in range(5)]
    assert commands.threads == {"channel"}


def test_each_role_gets_what_is_meant_for_it_alone(server: Server, tmp_path: Path) -> None:
    with Client(tmp_path) as operator, Client(tmp_path, "observer") as observer:
        server.publish({"for": "observer"}, to="observer")
        server.event({"kind": "began"}, to="observer")
        server.publish({"for": "operator"}, to="operator")
        assert heard(operator) == [{"state": {"for": "operator"}}]
        # It may have attached only after the event was sent; now it surely is attached.
        assert {"state": {"for": "observer"}} in heard(observer)
        server.event({"kind": "ended"}, to="observer")
        until, last = time.monotonic() + ENDS_WITHIN_S, heard(observer)[-1]
        while last != {"event": {"kind": "ended"}} and time.monotonic() < until:
            last = heard(observer)[-1]
        assert last == {"event": {"kind": "ended"}}
        assert operator.receive(0.05) == []


def test_an_observer_cannot_command(server: Server, tmp_path: Path, commands: Commands) -> None:
    with Client(tmp_path, "observer") as observer:
        observer.send({"command": "stop"})
        assert heard(observer) == [{"refused": "observers only listen"}]
    assert commands.came == []


def test_why_a_command_was_refused_is_told_to_who_gave_it(server: Server, tmp_path: Path) -> None:
    with Client(tmp_path) as client, Client(tmp_path) as other:
        client.send({"command": "refuse"})
        assert heard(client) == [{"refused": "operator's guess: x is not allowed"}]
        assert other.receive(0.05) == []


def test_a_fault_behind_the_channel_does_not_end_it(server: Server, tmp_path: Path) -> None:
    with Client(tmp_path) as client:
        client.send({"command": "crash"})
        assert heard(client) == [{"refused": "cannot be done, by a fault of this program: ZeroDivisionError"}]
    assert still_serves(server, tmp_path)


def test_the_token_is_for_its_owner_alone_and_gone_at_the_end(tmp_path: Path) -> None:
    server = Server(tmp_path, lambda _: None)
    assert stat.S_IMODE((tmp_path / channel.FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [channel.FILE]
    server.close()
    server.close()
    assert list(tmp_path.iterdir()) == []
    server.publish({}, to="operator")  # too late, and no harm


def test_only_this_machine_can_attach(server: Server) -> None:
    assert server._listener.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "line",
    [
        b'{"token": "0123456789abcdef0123456789abcdef", "role": "operator"}\n',
        b'{"token": "", "role": "operator"}\n',
        b'{"token": ["x"], "role": "operator"}\n',
        '{"token": "ä", "role": "operator"}\n'.encode(),
        b'{"role": "operator"}\n',
        b"GET / HTTP/1.1\r\n\r\n",
        b"[" * 60_000 + b"\n",
        b"\n",
    ],
)
def test_a_wrong_token_gets_nothing(server: Server, tmp_path: Path, commands: Commands, line: bytes) -> None:
    server.publish({"seconds": 1}, to="operator")
    assert answer_to(server, line, b'{"command": "stop"}\n') == b""
    assert commands.came == []
    assert still_serves(server, tmp_path)


def test_a_role_that_does_not_exist_gets_nothing(server: Server) -> None:
    server.publish({"seconds": 1}, to="operator")
    assert answer_to(server, hello(server, "emperor")) == b""


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path, Commands]]:
    """A server that lives through many examples."""
    folder, commands = tmp_path_factory.mktemp("lasting"), Commands()
    server = Server(folder, commands.take)
    yield server, folder, commands
    server.close()


@settings(max_examples=40)
@given(st.binary(max_size=300), st.booleans())
def test_garbage_costs_nothing(lasting: Any, garbage: bytes, is_attached: bool) -> None:
    server, folder, commands = lasting
    before = len(commands.came)
    with connected(server, hello(server) if is_attached else b"", garbage, b"\n"):
        assert still_serves(server, folder)
    assert len(commands.came) == before or is_attached


@pytest.mark.parametrize("is_attached", [False, True])
def test_a_line_without_an_end_is_not_kept(
    server: Server, tmp_path: Path, commands: Commands, is_attached: bool
) -> None:
    answer_to(server, hello(server) if is_attached else b"", b"x" * (1 << 20))  # ends only when the server lets go
    assert commands.came == []
    assert still_serves(server, tmp_path)


def test_more_half_open_sockets_than_there_is_room_for_keep_nobody_out(server: Server, tmp_path: Path) -> None:
    server.publish({"seconds": 1}, to="operator")
    with Client(tmp_path) as early:
        assert heard(early) == [{"state": {"seconds": 1}}]  # it is attached
        half_open = [connected(server, b"{") for _ in range(2 * channel.MOST_CLIENTS)]
        assert still_serves(server, tmp_path)
        assert heard(early) == [{"state": {"still": 1}}]
        assert len(server._clients) <= channel.MOST_CLIENTS
        for end in half_open:
            end.close()


def test_who_does_not_say_who_it_is_is_let_go(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "HELLO_S", 0.01)
    assert answer_to(server, b'{"token": "') == b""


def test_a_client_that_reads_nothing_is_let_go_and_the_others_get_all(
    server: Server, tmp_path: Path, commands: Commands
) -> None:
    events = 16_000
    with Client(tmp_path, "observer") as slow, Client(tmp_path, "observer") as quick:
        quick.send({"command": "x"})
        heard(quick)  # refused: it is attached
        got, text = list[Message](), "x" * 1000
        for number in range(events):
            server.event({"number": number, "text": text}, to="observer")
            got += heard(quick, number + 1 - len(got)) if number % 100 == 99 else []
        assert [message["event"]["number"] for message in got] == list(range(events))
        with pytest.raises(DeviceLost, match="let this program go"):
            while True:
                slow.receive(ENDS_WITHIN_S)


def test_who_sends_more_commands_than_a_hand_can_is_let_go(server: Server, tmp_path: Path, commands: Commands) -> None:
    with Client(tmp_path) as client, pytest.raises(DeviceLost):
        for _ in range(100_000):
            client.send({"command": "note", "text": "x"})
    commands.wait_for(channel.MOST_COMMANDS)
    assert channel.MOST_COMMANDS <= len(commands.came) < 100_000
    assert still_serves(server, tmp_path)


def test_a_killed_client_is_forgotten(server: Server, tmp_path: Path) -> None:
    code = (
        f"from pathlib import Path; from rig.channel import Client; c = Client(Path({str(tmp_path)!r})); c.receive(9)"
    )
    server.publish({"seconds": 1}, to="operator")
    with subprocess.Popen([sys.executable, "-c", f"{code}; print('attached', flush=True); c.receive(99)"],
                          stdout=subprocess.PIPE) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == b"attached\n"
        process.kill()
    assert still_serves(server, tmp_path)
    wait_for(lambda: server._clients == [])


def start_recorder(folder: Path) -> subprocess.Popen[str]:
    """A recorder of its own process, which tells how a recording stands."""
    command = [sys.executable, "-m", "tests.operate.recorder", str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_across_processes_states_come_and_the_death_of_the_recorder_is_seen_at_once(tmp_path: Path) -> None:
    with start_recorder(tmp_path) as recorder, Client(tmp_path) as client:
        first = heard(client)
        assert first[0]["state"]["trial"] == 3
        recorder.kill()
        recorder.wait()
        died = time.monotonic()
        with pytest.raises(DeviceLost, match=str(tmp_path)):
            while True:
                client.receive(ENDS_WITHIN_S)
        assert time.monotonic() - died < ENDS_WITHIN_S
    assert (tmp_path / channel.FILE).exists()  # nobody took it away
    assert not channel.is_recorded(tmp_path)
    with pytest.raises(UserError, match="no recorder runs for this session") as error:
        Client(tmp_path)
    assert str(tmp_path) in str(error.value)


def test_a_recorder_that_comes_back_takes_the_place_of_a_killed_one(tmp_path: Path) -> None:
    (tmp_path / channel.FILE).write_text('{"port": 1, "token": "old", "pid": 999999999}')
    with pytest.raises(UserError):
        Client(tmp_path)
    server = Server(tmp_path, lambda _: None)
    assert channel.is_recorded(tmp_path)
    assert still_serves(server, tmp_path)
    server.close()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"port": "x", "token": "t", "pid": 1}', '{"port": 1}'])
def test_a_file_that_is_not_the_channels_is_told_as_no_recorder(tmp_path: Path, content: str) -> None:
    (tmp_path / channel.FILE).write_text(content)
    with pytest.raises(UserError, match="no recorder runs"):
        Client(tmp_path)


def test_a_file_of_somebody_else_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> bytes:
        raise PermissionError

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(UserError, match="may not be read by you"):
        Client(tmp_path)


def test_a_folder_that_takes_no_file_is_named_and_leaves_nothing_open(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=channel.FILE):
        Server(tmp_path / "missing", lambda _: None)


def test_a_session_whose_folder_is_gone_can_still_be_closed(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    folder.mkdir()
    server = Server(folder, lambda _: None)
    (folder / channel.FILE).unlink()
    host.remove_folder(folder)
    server.close()
    with pytest.raises(RigError):
        Client(folder)
