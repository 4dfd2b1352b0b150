"""A recording told over LSL: each sample has the time of what happened, on LSL's clock. pylsl is a stand-in here."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rig import lsl
from rig.channel import Client, Server
from rig.clock import HostClock
from rig.errors import DeviceNotReady, UserError
from rig.lsl import Offset, Relay
from tests import commands

AHEAD_S = 1234.5  # of LSL's clock against the host clock
ENDS_WITHIN_S = 30
ANSWER = {"kind": "answer", "host_ns": 8_250_000_000, "step": "felt", "question": "felt-q", "answer": "ärgerlich"}
PULSE = {
    "kind": "pulse", "host_ns": 9_000_000_123, "within_ns": 800_000,
    "run_id": 4_000_000_001, "pulse": 864_000, "box_ticks": 1 << 40,
}  # fmt: skip


class Slow:
    """A host clock whose readings take time: so many ns pass at each, in turn."""

    def __init__(self, *steps_ns: int) -> None:
        self.now, self._steps = 5_000_000_000, list(steps_ns)

    def now_ns(self) -> int:
        self.now += self._steps.pop(0) if self._steps else 1000
        return self.now

    def sleep_until(self, host_ns: int) -> None:
        self.now = max(self.now, host_ns)


class Element:
    """A node of a stream's description."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.children: list[Element] = []

    def append_child(self, name: str) -> Element:
        self.children.append(Element())
        return self.children[-1]

    def append_child_value(self, name: str, value: str) -> Element:
        self.values[name] = value
        return self


@dataclass
class Info:
    name: str
    type: str
    channel_count: int
    nominal_srate: float
    channel_format: str
    source_id: str
    described: Element = field(default_factory=Element)

    def desc(self) -> Element:
        return self.described


@dataclass
class Outlet:
    info: Info
    pushed: list[tuple[list[Any], float]] = field(default_factory=list)

    def push_sample(self, x: list[Any], timestamp: float = 0.0) -> None:
        kind = str if self.info.channel_format == "string" else float
        assert len(x) == self.info.channel_count
        assert all(isinstance(value, kind) for value in x)
        self.pushed.append((x, timestamp))


class Library:
    """What of pylsl is used, with the names and defaults of pylsl 1.18; keeps what was pushed."""

    IRREGULAR_RATE = 0.0
    StreamInfo = Info

    def __init__(self, clock: Any) -> None:
        self.outlets: list[Outlet] = []
        self._clock = clock

    def local_clock(self) -> float:
        now = self._clock.now if isinstance(self._clock, Slow) else self._clock.now_ns()
        return float(now / 1e9 + AHEAD_S)

    def StreamOutlet(self, info: Info) -> Outlet:  # noqa: N802
        self.outlets.append(Outlet(info))
        return self.outlets[-1]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path, lambda _: None)
    yield server
    server.close()


def test_the_tightest_of_the_readings_counts_and_says_how_far_off_it_can_be() -> None:
    wide, tight = 4_000_000, 20_000
    clock = Slow(*[1000, wide] * 3, 1000, tight, *[1000, wide] * 4)
    offset = Offset.read(Library(clock), clock)
    assert offset.within_s == pytest.approx(tight / 2e9)
    assert abs(offset.seconds - AHEAD_S) <= offset.within_s + 1e-9


def test_samples_are_stamped_with_when_it_happened_and_carry_the_host_clock(tmp_path: Path) -> None:
    clock = Slow()
    library = Library(clock)
    relay = Relay(library, tmp_path, clock)
    clock.now += 60_000_000_000  # they come a minute late
    for message in ({"event": ANSWER}, {"state": {"state": "recording"}}, {"event": PULSE}, {"refused": "no"}):
        relay.take(message)
    markers, pulses = library.outlets
    ((text, at),) = markers.pushed
    assert json.loads(text[0]) == ANSWER
    assert at == pytest.approx(8.25 + AHEAD_S, abs=relay.offset.within_s + 1e-9)
    ((numbers, at),) = pulses.pushed
    assert numbers == [4_000_000_001, 864_000, 9_000_000_123, 1 << 40, 800_000]
    assert at == pytest.approx(9.000000123 + AHEAD_S, abs=relay.offset.within_s + 1e-9)
    assert (relay.markers, relay.pulses) == (1, 1)


def test_the_offset_is_read_anew_with_every_pulse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Slow()
    library = Library(clock)
    relay = Relay(library, tmp_path, clock)
    monkeypatch.setattr(sys.modules[__name__], "AHEAD_S", 77.0)  # LSL's clock runs away
    relay.take({"event": PULSE})
    assert library.outlets[1].pushed[0][1] == pytest.approx(9.000000123 + 77.0, abs=1e-5)


def test_a_session_that_goes_on_has_the_same_streams_which_say_what_is_in_them(tmp_path: Path) -> None:
    library = Library(Slow())
    for _ in range(2):
        Relay(library, tmp_path / "sub-007/ses-02", Slow())
    markers, pulses, *again = (outlet.info for outlet in library.outlets)
    assert [info.source_id for info in again] == [markers.source_id, pulses.source_id]
    assert markers.described.values == {"session": "sub-007_ses-02"}
    assert (markers.type, markers.channel_format, pulses.channel_format) == ("Markers", "string", "double64")
    labels = [channel.values["label"] for channel in pulses.described.children[0].children]
    assert labels == ["run_id", "pulse", "host_ns", "box_ticks", "within_ns"]


@pytest.mark.parametrize("is_closed", [True, False])
def test_it_follows_a_recorder_to_its_end_and_tells_an_end_from_a_cut(
    tmp_path: Path, server: Server, is_closed: bool
) -> None:
    clock = HostClock()
    library = Library(clock)
    with Client(tmp_path, "observer") as client:
        relay = Relay(library, tmp_path, clock)
        thread = threading.Thread(target=relay.run, args=[client])
        thread.start()
        server.publish({"state": "recording"}, to="observer")
        while not relay.markers:  # who attaches gets only what comes from then on
            assert thread.is_alive()
            server.event(ANSWER, to="observer")
            thread.join(0.01)
        server.event({**ANSWER, "kind": "ended"}, to="observer")
        if is_closed:
            server.publish({"state": "closed"}, to="observer")
        server.close()
        thread.join(ENDS_WITHIN_S)
    assert json.loads(library.outlets[0].pushed[-1][0][0])["kind"] == "ended"
    assert relay.is_cut is not is_closed


def test_without_pylsl_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pylsl", None)
    with pytest.raises(UserError, match=r"pip install 'rig\[lsl\]'"):
        lsl.library()


def test_a_liblsl_that_does_not_load_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pylsl.py").write_text("raise RuntimeError('LSL binary library file was not found')\n")
    monkeypatch.delitem(sys.modules, "pylsl", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DeviceNotReady, match="was not found"):
        lsl.library()


def test_where_nothing_is_recorded_it_ends_with_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pylsl.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with commands.started("lsl", cwd=tmp_path) as process:  # a fresh one: PYTHONPATH is read when Python starts
        _, said = process.communicate(timeout=commands.ENDS_WITHIN_S)
    assert (process.returncode, "is being recorded now" in said) == (2, True)
