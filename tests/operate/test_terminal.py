"""`rig operate` in a terminal of its own, beside a recorder of its own."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.channel import Server
from rig.clock import HostClock
from rig.errors import UserError
from rig.operate.link import Link, session_to_operate
from rig.record.messages import Event
from rig.record.telling import Rules, Telling
from tests import commands
from tests.operate.recorder import STEPS, standing
from tests.test_channel import start_recorder

ENDS_WITHIN_S = 60
STEERING = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|[@-Z\\-_])")
LFLAG, ISIG = 3, termios.ISIG


class Operator:
    """Somebody at a terminal of 80x24, with `rig operate` on it."""

    def __init__(self, *arguments: str | Path, cwd: Path) -> None:
        self.keyboard, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(self.keyboard)
        self.shown = ""
        env = os.environ | {"TERM": "xterm", "PYTHONPATH": str(Path.cwd())}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rig", "operate", *map(str, arguments)],
            cwd=cwd, env=env, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
        )  # fmt: skip
        os.close(terminal)

    def press(self, keys: str) -> None:
        os.write(self.keyboard, keys.encode())

    def sees(self, *words: str) -> bool:
        """Whether these words come onto the screen from now on, in their order."""
        in_order = re.compile(".*?".join(map(re.escape, words)))
        return self._read_until(lambda: in_order.search(" ".join(STEERING.sub(" ", self.shown).split())))

    def has_left(self) -> int:
        """The exit code."""
        self._read_until(lambda: self.process.poll() is not None)
        return self.process.wait(ENDS_WITHIN_S)

    def _read_until(self, is_there: object) -> bool:
        assert callable(is_there)
        self.shown, until = "", time.monotonic() + ENDS_WITHIN_S
        while not is_there() and time.monotonic() < until:
            if select.select([self.keyboard], [], [], 0.05)[0]:
                try:
                    self.shown += os.read(self.keyboard, 1 << 16).decode("utf-8", "replace")
                except OSError:  # nobody has the other end open any more
                    self.process.wait(ENDS_WITHIN_S)
        return bool(is_there())

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.keyboard)


@pytest.fixture
def session(tmp_path: Path) -> Path:
    folder = tmp_path / "sessions/sub-001/ses-01"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def recorder(session: Path) -> Iterator[subprocess.Popen[str]]:
    with start_recorder(session) as process:
        yield process
        process.kill()


@pytest.fixture
def operator(recorder: subprocess.Popen[str], tmp_path: Path) -> Iterator[Operator]:
    operator = Operator(cwd=tmp_path)
    yield operator
    operator.close()


def test_hotkeys_become_commands_and_q_leaves_the_terminal_as_it_was(
    operator: Operator, recorder: subprocess.Popen[str], session: Path
) -> None:
    assert recorder.stdout is not None
    assert operator.sees("RECORDING")
    operator.press("p" + "n" + "hän q\r" + "gp4" + "ry" + "an" + "ay" + "ey")
    said = [recorder.stdout.readline() for _ in range(6)]
    kinds = [re.search(r"kind='(\w+)'", line) for line in said]
    assert [kind[1] for kind in kinds if kind] == ["pause", "note", "guess", "repeat", "skip", "stop"]
    assert "text='hän q'" in said[1]
    assert "value='pleasant', confidence=4" in said[2]
    operator.press("gx")
    assert operator.sees("Which clip is it? p pleasant n nasty")
    operator.press("p")
    assert operator.sees("pleasant: how sure are you?")
    operator.press("\x1b")
    during = termios.tcgetattr(operator.keyboard)
    operator.press("q")
    assert operator.has_left() == 0
    assert "the recording goes on; to come back: rig operate sessions/sub-001/ses-01" in operator.shown
    assert termios.tcgetattr(operator.keyboard) == operator.before
    assert during[LFLAG] & ISIG == 0
    assert recorder.poll() is None


def test_it_tells_that_the_recorder_is_gone_and_attaches_again_when_it_comes_back(
    operator: Operator, recorder: subprocess.Popen[str], session: Path
) -> None:
    assert operator.sees("RECORDING")
    operator.press("g")
    assert operator.sees("Which clip is it?")
    recorder.kill()
    assert operator.sees("THE RECORDER IS GONE")
    operator.press("p4ry")
    with start_recorder(session) as again:
        assert again.stdout is not None
        assert operator.sees("RECORDING")
        operator.press("p")
        assert "kind='pause'" in again.stdout.readline()
        again.kill()


def test_it_tells_that_the_recorder_stands_still(operator: Operator, recorder: subprocess.Popen[str]) -> None:
    assert operator.sees("RECORDING")
    recorder.send_signal(signal.SIGSTOP)
    assert operator.sees("THE RECORDER SAYS NOTHING, for 0:")
    recorder.send_signal(signal.SIGCONT)
    assert operator.sees("RECORDING")


def test_ctrl_c_leaves_and_the_recording_goes_on(operator: Operator, recorder: subprocess.Popen[str]) -> None:
    assert operator.sees("RECORDING")
    operator.press("n half a note\x03")
    assert operator.has_left() == 0
    assert recorder.poll() is None


def test_a_polite_kill_leaves_the_terminal_as_it_was(operator: Operator) -> None:
    assert operator.sees("RECORDING")
    assert termios.tcgetattr(operator.keyboard) != operator.before
    operator.process.terminate()
    assert operator.has_left() == 0
    assert termios.tcgetattr(operator.keyboard) == operator.before


def test_a_terminal_that_is_closed_ends_it(recorder: subprocess.Popen[str], tmp_path: Path) -> None:
    operator = Operator(cwd=tmp_path)
    assert operator.sees("RECORDING")
    os.close(operator.keyboard)
    operator.process.wait(ENDS_WITHIN_S)
    operator.keyboard = os.open(os.devnull, os.O_RDONLY)
    operator.close()
    assert recorder.poll() is None


def test_foreign_text_cannot_steer_the_terminal_and_a_refusal_is_shown(session: Path, tmp_path: Path) -> None:
    def refuse(event: Event) -> None:
        raise UserError("the core", "does not want it", value="\x1b[2J")

    telling = Telling(session, Rules(is_blind=False), STEPS, refuse, HostClock())
    telling.show(0, standing(alarms=("HS: \x1b]0;title\x07 [red]",)))
    operator = Operator(session, cwd=tmp_path)
    assert operator.sees("ALARM HS: \\x1b]0;title\\x07 [red]")
    operator.press("p")
    assert operator.sees("Refused: the core: \\x1b[2J does not want it")
    late = "skip for trial 3 came too late: nothing was done"
    telling.show(0, standing(refused=(late,)))  # sent in the last moment of its trial, and known to the core alone
    assert operator.sees(f"Refused: {late}")
    operator.press("x")
    assert operator.sees("x means nothing now")  # what was drawn before it took the key is read
    telling.show(0, standing(refused=(late,), seconds=201.0))
    assert operator.sees(" 3:21", "x means nothing now"), "it is not shown again though it is told again"
    operator.close()
    telling.close()


def test_without_a_recorder_or_a_terminal_it_says_what_to_do(session: Path, tmp_path: Path) -> None:
    operator = Operator(session, cwd=tmp_path)
    assert operator.has_left() == 2
    assert "no recorder runs for this session" in " ".join(operator.shown.split())
    operator.close()
    assert "needs a terminal" in commands.refused("operate", session, cwd=tmp_path)


def test_the_newest_session_that_is_recorded_is_taken(tmp_path: Path) -> None:
    folders = [tmp_path / f"sub-{subject}/ses-01" for subject in ("001", "002", "003")]
    for folder in folders:
        folder.mkdir(parents=True)
    with pytest.raises(UserError, match="no session below it is being recorded now"):
        session_to_operate(None, tmp_path)
    servers = [Server(folder, lambda _: None) for folder in folders[:2]]
    for age_ns, folder in enumerate(folders[:2]):
        os.utime(folder / "channel.json", ns=(10**18 - age_ns, 10**18 - age_ns))
    (folders[2] / "channel.json").write_text('{"port": 1, "token": "t", "pid": 999999999}')  # its recorder was killed
    assert session_to_operate(None, tmp_path) == folders[0]
    assert session_to_operate(folders[1], tmp_path) == folders[1]
    assert session_to_operate(folders[1] / "channel.json", tmp_path) == folders[1]
    for server in servers:
        server.close()


def test_a_command_to_a_recorder_that_is_gone_is_told_as_not_sent(session: Path) -> None:
    server = Server(session, lambda _: None)
    link = Link(session, HostClock())
    server.close()
    until = time.monotonic() + ENDS_WITHIN_S
    while link.is_attached and time.monotonic() < until:
        link.receive(0.01)
    assert not link.send({"command": "pause"})
    link.close()
