"""What a trigger box must answer to bytes on its line, past any driver. Part of TriggerBoxContract."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from rig.testing.bench import PATIENCE_S, Bench, BenchTests
from rig.trigger import wire
from rig.trigger.requests import start_message

Answer = TypeVar("Answer", bound=wire.Message)
NONCE, OTHER = 0xC0FFEE, 0xBADC0DE
SOON_S = 0.2  # in which a box answers
QUIET_S = 1


class LineTests(BenchTests):
    """Requests are idempotent, START needs the nonce of HELLO, and garbage starts nothing."""

    def test_a_start_needs_the_nonce_of_the_last_hello(self) -> None:
        """A START of an earlier conversation is refused, and nothing is sent."""
        with self.bench() as bench:
            if bench.raw is None or not bench.can("record"):
                return
            _hello(bench)
            refused = _one(bench, replace(_start(bench, 61), nonce=OTHER), wire.Error)
            assert (refused.refused, refused.code) == (wire.Start.TYPE, wire.Refusal.WRONG_NONCE)
            assert bench.on_wires() == []

    def test_a_start_before_any_hello_is_refused(self) -> None:
        """A boot ends what was said before it."""
        with self.bench() as bench:
            if bench.raw is None or bench.reboot is None or not bench.can("record"):
                return
            _hello(bench)
            bench.reboot()
            _until(bench, wire.Boot)
            refused = _one(bench, _start(bench, 62), wire.Error)
            assert (refused.refused, refused.code) == (wire.Start.TYPE, wire.Refusal.NO_HELLO)
            assert bench.on_wires() == []

    def test_a_request_that_is_repeated_gets_the_same_answer_and_does_nothing_more(self) -> None:
        """START, while the run is sent and after it; another id meanwhile is BUSY, and names the run."""
        with self.bench() as bench:
            if bench.raw is None or not bench.can("record"):
                return
            _hello(bench)
            first = _one(bench, _start(bench, 63), wire.Started)
            second = _one(bench, replace(_start(bench, 63), request=9), wire.Started)
            busy = _one(bench, _start(bench, 64), wire.Error)
            assert second == replace(first, request=9)
            assert (busy.code, busy.detail) == (wire.Refusal.BUSY, 63)
            stopped = _messages(bench.raw(2 * wire.to_frame(wire.Stop(3)), SOON_S))
            assert stopped == 2 * [wire.Stopping(3, 63)]
            _until_idle(bench)
            sent = len(bench.on_wires())
            assert _one(bench, _start(bench, 63), wire.Started) == replace(first, request=1)
            bench.raw(b"", 1.0)
            assert len(bench.on_wires()) == sent > 0

    def test_a_hello_of_another_version_is_refused_with_the_boxs_own(self) -> None:
        """So that an old program can say what is wrong."""
        with self.bench() as bench:
            if bench.raw is None:
                return
            refused = _one(bench, wire.Hello(1, 99, NONCE), wire.Error)
            assert (refused.refused, refused.code) == (wire.Hello.TYPE, wire.Refusal.WRONG_VERSION)
            assert refused.detail == wire.PROTOCOL

    def test_garbage_is_counted_and_neither_answered_nor_obeyed(self) -> None:
        """Damaged, cut, unknown and overlong frames; what comes whole between them is answered."""
        with self.bench() as bench:
            if bench.raw is None:
                return
            whole = wire.to_frame(_start(bench, 65))
            damaged = bytes([whole[0], whole[1] ^ 0x10, *whole[2:]])
            garbage = [damaged, whole[5:], b"\x03\x77\x01\x01\x00", b"\x01" * 300 + b"\0", b"\0\0\0"]
            _hello(bench)
            before = _status(bench)
            for piece in garbage:
                assert _messages(bench.raw(piece, SOON_S)) == []
                assert len(_ask(bench, wire.Ping(7), wire.Pong)) == 1
            after = _status(bench)
            assert after.bad_frames - before.bad_frames == len(garbage) - 1  # an empty frame is nothing
            assert bench.on_wires() == []

    def test_a_host_that_falls_quiet_ends_the_run_in_order(self) -> None:
        """When nothing was heard for `quiet_s`, the group and the postamble are completed."""
        with self.bench() as bench:
            if bench.raw is None or not bench.can("record", "quiet_bound"):
                return
            _hello(bench)
            assert _ask(bench, replace(_start(bench, 66), quiet_s=QUIET_S), wire.Started)
            bench.raw(b"", QUIET_S + 1.5)
            wires = bench.on_wires()
            bench.raw(b"", 0.5)
            assert bench.on_wires() == wires
        lasted_s = (wires[-1].host_ns - wires[0].host_ns) / 1e9
        assert QUIET_S - 0.1 < lasted_s < QUIET_S + 0.5
        assert len(wires) % bench.plan().group == 0
        assert bench.group_gaps_on_wires(wires)[-2:] == [2, 1]


def _start(bench: Bench, run_id: int) -> wire.Start:
    return start_message(bench.plan(), request=1, nonce=NONCE, run_id=run_id, quiet_s=60)


def _messages(data: bytes) -> list[wire.Message]:
    """What came, without events."""
    return [message for message in wire.Decoder().feed(data) if not isinstance(message, wire.Events)]


def _ask(bench: Bench, request: wire.Message, kind: type[Answer]) -> list[Answer]:
    """The answers of one kind to a request."""
    assert bench.raw is not None
    return [message for message in _messages(bench.raw(wire.to_frame(request), SOON_S)) if isinstance(message, kind)]


def _one(bench: Bench, request: wire.Message, kind: type[Answer]) -> Answer:
    answers = _ask(bench, request, kind)
    assert len(answers) == 1, f"{len(answers)} answers to {request}, one {kind.__name__} expected"
    return answers[0]


def _hello(bench: Bench) -> None:
    identity = _one(bench, wire.Hello(1, wire.PROTOCOL, NONCE), wire.Identity)
    assert identity.nonce == NONCE


def _status(bench: Bench) -> wire.Status:
    return _one(bench, wire.AskStatus(5), wire.Status)


def _until_idle(bench: Bench) -> None:
    until_ns = bench.clock.now_ns() + round(PATIENCE_S * 1e9)
    while _status(bench).state != wire.State.IDLE:
        assert bench.clock.now_ns() < until_ns, "the run does not end"


def _until(bench: Bench, kind: type[wire.Message]) -> None:
    """Wait for a message that comes unasked."""
    assert bench.raw is not None
    until_ns = bench.clock.now_ns() + round(PATIENCE_S * 1e9)
    while not any(isinstance(message, kind) for message in _messages(bench.raw(b"", SOON_S))):
        assert bench.clock.now_ns() < until_ns, f"no {kind.__name__}"
