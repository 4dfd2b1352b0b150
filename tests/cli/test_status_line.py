"""The status line of a recording keeps nobody waiting, whatever becomes of the terminal."""

from __future__ import annotations

import threading

import pytest

from rig import host
from rig.cli.status_line import StatusLine

ENDS_WITHIN_S = 30


class Terminal:
    """Takes lines, unless it was stopped."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_stopped = False
        self.shown: list[str] = []
        self.has_been_asked, self.has_shown = threading.Event(), threading.Event()
        monkeypatch.setattr(host, "is_writable", self._takes)

    def _takes(self, fd: int, timeout_s: float) -> bool:
        assert fd == 1
        if self.is_stopped:
            self.has_been_asked.set()
            threading.Event().wait(timeout_s / 100)
        return not self.is_stopped

    def say(self, line: str) -> None:
        self.shown.append(line)
        self.has_shown.set()

    def wait_for_line(self) -> None:
        assert self.has_shown.wait(ENDS_WITHIN_S)
        self.has_shown.clear()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(monkeypatch)


def test_every_line_is_shown_while_the_terminal_takes_them(terminal: Terminal) -> None:
    with StatusLine(terminal.say) as line:
        for number in range(5):
            line.show(str(number))
            terminal.wait_for_line()
    assert terminal.shown == ["0", "1", "2", "3", "4"]


def test_a_stopped_terminal_gets_the_newest_line_when_it_goes_on(terminal: Terminal) -> None:
    with StatusLine(terminal.say) as line:
        terminal.is_stopped = True
        for number in range(1000):
            line.show(str(number))
        assert terminal.has_been_asked.wait(ENDS_WITHIN_S)
        assert terminal.shown == []
        terminal.is_stopped = False
        terminal.wait_for_line()
    assert terminal.shown == ["999"]


def test_the_last_line_is_shown_before_it_ends(terminal: Terminal) -> None:
    for number in range(50):
        with StatusLine(terminal.say) as line:
            line.show(str(number))
        assert terminal.shown[-1] == str(number)


def test_a_terminal_that_stays_stopped_does_not_keep_it_from_ending(terminal: Terminal) -> None:
    terminal.is_stopped = True
    with StatusLine(terminal.say) as line:
        line.show("nobody sees it")
    assert terminal.shown == []
