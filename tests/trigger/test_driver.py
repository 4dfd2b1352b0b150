"""The driver: whatever the line does, nothing starts twice and every event is told or counted as lost."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.clock import NS
from rig.errors import DeviceNotReady
from rig.streams import BoxStatus, ClockPair, Edge, Pulse
from rig.testing.trigger import of_kind, plan
from rig.trigger import wire
from rig.trigger.box import (
    LEFTOVER_S,
    Booted,
    BoxAnswers,
    BoxEvent,
    BoxSilent,
    EventsLost,
    LinePlan,
    LineReport,
    PulsePlan,
    RunBegan,
    RunEnded,
    RunLeftOver,
    RunMode,
    StartRefused,
)
from rig.trigger.driver import START_TRIES, Driver
from rig.trigger.port import SerialBox
from rig.trigger.ticks import TickCounter
from tests.trigger.benches import VirtualRig, intact, virtual_rig

SMIC = PulsePlan(20_000, tuple(LinePlan(line, d, 2000) for line, d in enumerate((1, 4, 4))), 18_000, body_groups=744)

ABILITIES = sum(wire.Capability) - wire.Capability.SIMULATED


class Line:
    """Swallows chosen frames of one direction, by their type and count."""

    def __init__(self, *swallow: tuple[int, int]) -> None:
        self.swallow, self.seen, self._tail = set(swallow), dict[int, int](), b""

    def __call__(self, data: bytes) -> bytes:
        *frames, self._tail = (self._tail + data).split(b"\0")
        return b"".join(frame + b"\0" for frame in frames if self._passes(frame))

    def _passes(self, frame: bytes) -> bool:
        message = wire.from_frame(frame)
        if message is None:
            return True
        count = self.seen[message.TYPE] = self.seen.get(message.TYPE, 0) + 1
        return (message.TYPE, count) not in self.swallow


def test_3000_pulses_4_to_1_are_exact_and_their_ticks_exact_multiples() -> None:
    slots = [0, 1, 3, *range(6, 750), 752, 754, 755]
    with virtual_rig(start_ticks=2**32 - 7_000_000) as rig:  # the ticks on the wire wrap in the middle
        pulses = of_kind(rig.bench.run(SMIC, 5), Pulse)
    assert [p.pulse_number for p in pulses] == list(range(3000)) == rig.wires.numbers
    assert [p.lines for p in pulses] == [7, 1, 1, 1] * 750 == [seen.lines for seen in rig.wires.seen]
    due = [(4 * slot + i) * 20_000 for slot in slots for i in range(4)]
    assert [p.box_ticks - pulses[0].box_ticks for p in pulses] == due


@pytest.mark.parametrize("moment", range(0, 40, 2))
def test_a_stop_at_any_moment_is_aligned_to_groups(moment: int) -> None:
    with virtual_rig(seed=moment + 1) as rig:
        rig.box.start(plan(), 5)
        told = rig.bench.wait(0.005 + 0.0061 * moment)
        rig.box.stop()
        told += rig.bench.collect(RunEnded)
    ended = of_kind(told, RunEnded)[0]
    assert ended.pulses_sent == len(rig.wires.seen) == len(of_kind(told, Pulse))
    assert ended.pulses_sent % 4 == 0
    assert ended.pulses_sent >= 24


def test_a_stop_during_the_walk_ends_it_after_its_slot() -> None:
    with virtual_rig() as rig:
        rig.box.start(plan(mode=RunMode.WALK), 5)
        told = rig.bench.collect(Pulse)
        rig.box.stop()
        told += rig.bench.collect(RunEnded)
    assert of_kind(told, RunEnded)[0].pulses_sent == len(rig.wires.seen) < 15


def test_a_lost_start_is_repeated_and_starts_once() -> None:
    with virtual_rig(to_box=Line((wire.Start.TYPE, 1), (wire.Start.TYPE, 2))) as rig:
        told = rig.bench.run(plan(body_groups=2), 5)
    assert rig.sim.runs_begun == [5]
    assert len(of_kind(told, RunBegan)) == 1
    assert len(of_kind(told, Pulse)) == len(rig.wires.seen) == 32


def test_a_lost_answer_to_a_start_starts_nothing_twice() -> None:
    line = Line(*((wire.Started.TYPE, n) for n in range(1, 6)))
    with virtual_rig(to_host=line) as rig:
        told = rig.bench.run(plan(body_groups=200), 5)
    assert rig.sim.runs_begun == [5]
    assert isinstance(told[0], RunBegan)
    assert len(of_kind(told, RunBegan)) == 1
    assert len(of_kind(told, Pulse)) == len(rig.wires.seen) == 206 * 4
    assert line.seen[wire.Started.TYPE] > 1  # so the request was repeated


def test_a_start_that_is_never_answered_is_refused_and_stopped() -> None:
    silent = Line(*((kind.TYPE, n) for kind in (wire.Started, wire.Events) for n in range(1, 10_000)))
    with virtual_rig(to_host=silent) as rig:
        told = rig.bench.run(plan(), 5)
        rig.bench.wait(1.0)
        sent = len(rig.wires.seen)
        rig.bench.wait(1.0)
    assert of_kind(told, StartRefused)[0].reason == f"no answer to {START_TRIES} requests"
    assert len(rig.wires.seen) == sent


def test_lost_events_are_counted_exactly_and_no_pulse_is_renumbered() -> None:
    line = Line((wire.Events.TYPE, 10), (wire.Events.TYPE, 11), (wire.Events.TYPE, 30))
    with virtual_rig(to_host=line) as rig:
        told = rig.bench.run(plan(body_groups=20), 5)
    pulses = of_kind(told, Pulse)
    lost = sum(event.count for event in of_kind(told, EventsLost))
    assert lost == 104 - len(pulses) > 0
    assert [p.lines for p in pulses] == [7 if p.pulse_number % 4 == 0 else 1 for p in pulses]
    assert of_kind(told, RunEnded)[0].pulses_sent == 104


def test_the_end_is_told_with_all_pulses_when_its_event_is_lost() -> None:
    with virtual_rig() as whole:
        whole.bench.run(plan(body_groups=5), 5)
    seen = Line()
    with virtual_rig(to_host=seen) as rig:
        told = rig.bench.run(plan(body_groups=5), 5)
    last = seen.seen[wire.Events.TYPE]
    with virtual_rig(to_host=Line((wire.Events.TYPE, last), (wire.Events.TYPE, last - 1))) as rig:
        told = rig.bench.run(plan(body_groups=5), 5)
    ended = of_kind(told, RunEnded)[0]
    assert ended.pulses_sent == len(whole.wires.seen) == 44
    assert len(of_kind(told, EventsLost)) == 1
    assert len(of_kind(told, Pulse)) + of_kind(told, EventsLost)[0].count == 44 + 1
    due_ticks = (6 + 5 + 6) * 20_000 + of_kind(told, Pulse)[0].box_ticks
    assert ended.box_ticks == due_ticks


def test_events_of_another_run_are_counted_and_not_told() -> None:
    driver = Driver(9)
    driver.hello()
    driver.outgoing(0)
    driver.feed(wire.to_frame(identity(request=1)), 1)
    driver.start(plan(), 5)
    event = wire.Event(wire.Kind.PULSE | 1, 0, 100)
    assert driver.feed(wire.to_frame(wire.Events(6, 0, (event, event))), 2) == []
    assert driver.foreign_events == 2


def test_a_kind_of_event_that_is_not_known_is_passed_over() -> None:
    driver = Driver(9)
    driver.hello()
    driver.outgoing(0)
    driver.feed(wire.to_frame(identity(request=1)), 1)
    driver.start(plan(), 5)
    told = driver.feed(wire.to_frame(wire.Events(5, 0, (wire.Event(0x70, 0, 0), wire.Event(0x11, 0, 0)))), 2)
    assert [type(event) for event in told] == [RunBegan, Pulse]


def killed_in_a_run(rig: VirtualRig) -> None:
    """Another program takes the box over while it sends run 5 and nobody listens."""
    rig.box.start(plan(), 5)
    rig.bench.collect(Pulse)
    rig.box._port.close()  # as the system does for a killed program: nobody says stop
    rig.bench.box = SerialBox(rig.url, rig.clock)


def test_a_run_left_over_by_a_killed_program_is_stopped_and_ours_begins() -> None:
    with virtual_rig() as rig:
        killed_in_a_run(rig)
        told = rig.bench.run(plan(body_groups=1), 6)
        rig.bench.box.close()
    assert told[0] == RunLeftOver(5)
    assert [type(event) for event in told if isinstance(event, RunBegan | RunEnded | StartRefused)] == [
        RunBegan,
        RunEnded,
    ]
    assert {event.run_id for event in told if isinstance(event, Pulse | RunBegan)} == {6}
    assert rig.sim.runs_begun == [5, 6]
    left, ours = rig.wires.numbers[: -7 * 4], rig.wires.numbers[-7 * 4 :]
    assert ours == list(range(28))
    assert left == list(range(len(left)))
    assert len(left) % 4 == 0  # the run left over ended in order, too


def test_a_run_left_over_is_stopped_on_a_line_that_loses_every_second_message() -> None:
    lost = Line(*((kind.TYPE, n) for kind in (wire.Stop, wire.AskStatus, wire.Start) for n in range(2, 40, 2)))
    with virtual_rig(to_box=lost) as rig:
        killed_in_a_run(rig)
        told = rig.bench.run(plan(body_groups=1), 6)
        rig.bench.box.close()
    assert isinstance(told[-1], RunEnded)
    assert rig.sim.runs_begun == [5, 6]


def test_a_run_left_over_that_does_not_stop_is_named() -> None:
    deaf = Line(*((wire.Stop.TYPE, n) for n in range(1, 1000)))
    with virtual_rig(to_box=deaf) as rig:
        killed_in_a_run(rig)
        told = rig.bench.run(plan(body_groups=1), 6)
        rig.bench.box.close()
    assert of_kind(told, StartRefused)[0].reason.startswith("it still sends run 5, and does not stop")
    assert rig.sim.runs_begun == [5]


def test_a_stop_gives_up_a_start_that_waits_for_another_run_to_end() -> None:
    with virtual_rig() as rig:
        killed_in_a_run(rig)
        rig.bench.box.start(plan(body_groups=1), 6)
        told = rig.bench.collect(RunLeftOver)
        rig.bench.box.stop()
        told += rig.bench.wait(5.0)
        rig.bench.box.close()
    assert of_kind(told, StartRefused)[0].reason == "it was stopped before it began"
    assert rig.sim.runs_begun == [5]


def test_a_stop_goes_out_at_once_past_a_start_that_is_never_answered() -> None:
    deaf = Line(*((kind, n) for kind in wire.MESSAGES if kind & 0x80 for n in range(2, 1000)))  # after HELLO's answer
    with virtual_rig(to_host=deaf) as rig:
        rig.box.start(plan(), 5)
        rig.bench.wait(0.3)
        sent = len(rig.wires.seen)
        rig.box.stop()
        rig.bench.wait(4.0)
        assert rig.sim.runs_begun == [5]
        assert sent < len(rig.wires.seen) < sent + 7 * 4  # what it completes


def test_a_stop_goes_out_at_once_past_a_ping_that_waits_for_its_answer() -> None:
    driver = greeted(identity(request=1))
    driver.ping()
    driver.outgoing(2)
    driver.stop()
    assert isinstance(wire.from_frame(driver.outgoing(3)[:-1]), wire.Stop)


def test_a_start_that_was_not_sent_yet_is_given_up_by_a_stop() -> None:
    driver = greeted(identity(request=1))
    driver.start(plan(), 5)
    driver.stop()
    assert isinstance(wire.from_frame(driver.outgoing(2)[:-1]), wire.Stop)
    assert driver.feed(b"", 2) == [StartRefused(5, "it was stopped before it began")]


@pytest.mark.parametrize("was_heard", [True, False])
def test_the_answer_to_a_stop_tells_what_became_of_a_start_on_its_way(was_heard: bool) -> None:
    driver = greeted(identity(request=1))
    driver.start(plan(), 5)
    driver.outgoing(2)
    driver.stop()
    stop = wire.from_frame(driver.outgoing(3)[:-1])
    assert isinstance(stop, wire.Stop)
    told = driver.feed(wire.to_frame(wire.Stopping(stop.request, 5 if was_heard else 0)), 4)
    assert told == ([] if was_heard else [StartRefused(5, "it was stopped before it began")])
    assert not driver.may_be_sending
    assert driver.outgoing(NS) == b"" or was_heard  # no START goes out after it
    began = wire.Events(5, 0, (wire.Event(wire.Kind.RUN_BEGAN, 0, 77),))
    assert bool(of_kind(driver.feed(wire.to_frame(began), 5), RunBegan)) == was_heard


def test_closing_asks_a_box_that_may_be_sending_to_stop_until_it_hears() -> None:
    lost = Line((wire.Stop.TYPE, 1), (wire.Stop.TYPE, 2))
    with virtual_rig(to_box=lost) as rig:
        rig.box.start(plan(), 5)
        rig.bench.collect(Pulse)
        rig.box.close()
        sent = len(rig.wires.seen)
        rig.sim.run_until(rig.clock.now_ns() + 5 * NS)
        assert lost.seen[wire.Stop.TYPE] == 3
        assert sent <= len(rig.wires.seen) < sent + 7 * 4


def test_closing_an_idle_box_says_nothing_to_it() -> None:
    line = Line()
    with virtual_rig(to_box=line) as rig:
        rig.bench.run(plan(body_groups=1), 5)
        rig.box.close()
    assert wire.Stop.TYPE not in line.seen


def test_a_run_left_over_is_ended_before_anything_else_is_asked() -> None:
    with virtual_rig() as rig:
        killed_in_a_run(rig)
        rig.bench.box.end_left_over()
        sent = len(rig.wires.seen)
        told = rig.bench.wait(1.0)
        assert len(rig.wires.seen) == sent
        assert [event for event in told if isinstance(event, RunLeftOver)] == [RunLeftOver(5)]
        assert of_kind(rig.bench.run(plan(body_groups=1), 6), RunEnded)
        rig.bench.box.close()


def test_a_run_left_over_that_does_not_end_is_named_when_the_box_is_opened() -> None:
    with virtual_rig(to_box=Line(*((wire.Stop.TYPE, n) for n in range(1, 1000)))) as rig:
        killed_in_a_run(rig)
        began_ns = rig.clock.now_ns()
        with pytest.raises(DeviceNotReady, match="sim://bench: it still sends run 5, and does not stop"):
            rig.bench.box.end_left_over()
        assert LEFTOVER_S <= (rig.clock.now_ns() - began_ns) / NS < LEFTOVER_S + 1.5
        rig.bench.box.close()


def test_an_idle_box_has_no_run_left_over() -> None:
    line = Line()
    with virtual_rig(to_box=line) as rig:
        rig.box.end_left_over()
        assert rig.bench.wait(0.1) == []
    assert set(line.seen) == {wire.Hello.TYPE}


def test_the_answer_to_the_hello_of_an_earlier_opening_is_not_taken() -> None:
    driver = Driver(9)
    driver.hello()
    driver.outgoing(0)
    driver.feed(wire.to_frame(replace(identity(request=1), nonce=8)), 1)
    assert driver.identity is None
    driver.feed(wire.to_frame(identity(request=1)), 2)
    assert driver.identity == identity(request=1)


def test_a_box_whose_clock_counts_otherwise_is_refused_with_its_rate() -> None:
    driver = Driver(9)
    driver.hello()
    driver.outgoing(0)
    driver.feed(wire.to_frame(replace(identity(request=1), tick_hz=1_000_000)), 1)
    assert driver.identity is None
    assert driver.hello_refused == "its clock counts 1000000 ticks a second; 2000000 are allowed"


def test_a_pair_of_clock_readings_keeps_when_the_ping_came_and_when_its_answer_left() -> None:
    driver = greeted(identity(request=1))
    driver.ping()
    ping = wire.from_frame(driver.outgoing(100)[:-1])
    assert isinstance(ping, wire.Ping)
    assert driver.feed(wire.to_frame(wire.Pong(ping.request, 1000, 1036)), 900) == [
        ClockPair("box", 1000, 1036, 100, 900)
    ]


def test_how_the_box_is_is_told_every_two_seconds_and_once_after_the_end() -> None:
    with virtual_rig() as rig:
        told = rig.bench.run(SMIC, 5) + rig.bench.wait(5.0)
    reports = of_kind(told, BoxStatus)
    apart_s = [(b.arrived_host_ns - a.arrived_host_ns) / NS for a, b in pairwise(reports)]
    assert all(1.9 < apart < 2.1 for apart in apart_s[:-1])
    assert len(reports) == 2 + 30.2 // 2
    ended = told.index(of_kind(told, RunEnded)[0])
    assert [event for event in told[ended:] if isinstance(event, BoxStatus)] == reports[-1:]
    assert (reports[-1].run_id, reports[-1].pulses_sent, reports[-1].edges_late) == (5, 3000, 0)
    assert reports[-1].events_sent == 3000 + 2
    assert all(a.pulses_sent < b.pulses_sent for a, b in pairwise(reports[:-1]))


def test_the_report_after_the_end_is_asked_for_again_when_it_gets_lost() -> None:
    with virtual_rig(to_host=Line((wire.Status.TYPE, 2))) as rig:  # the first is told when the run begins
        told = rig.bench.run(plan(body_groups=1), 5) + rig.bench.wait(2.0)
    assert of_kind(told, BoxStatus)[-1].pulses_sent == 28


def test_a_box_that_does_not_answer_for_three_seconds_is_told_once() -> None:
    mute = Line(*((wire.Status.TYPE, n) for n in range(2, 1000)))
    with virtual_rig(to_host=mute) as rig:
        rig.box.start(plan(), 5)
        began = rig.bench.collect(RunBegan)[0]
        told = rig.bench.collect(BoxSilent)
        after_s = (rig.clock.now_ns() - of_kind([began], RunBegan)[0].host_ns) / NS
        told += rig.bench.wait(10.0)
        rig.box.stop()
        told += rig.bench.collect(RunEnded)
    assert of_kind(told, BoxSilent) == [BoxSilent(3.0)]
    assert 5.0 <= after_s < 5.3  # asked 2 s after the first answer
    assert of_kind(told, Pulse)


def test_a_box_that_answers_again_can_fall_silent_again() -> None:
    gone = Line(*((wire.Status.TYPE, n) for n in (*range(2, 20), *range(21, 1000))))
    with virtual_rig(to_host=gone) as rig:
        rig.box.start(plan(), 5)
        told = rig.bench.wait(14.0)
    said = [type(event) for event in told if isinstance(event, BoxSilent | BoxAnswers)]
    assert said == [BoxSilent, BoxAnswers, BoxSilent]


@pytest.mark.parametrize(
    ("lacking", "asked"),
    [
        (wire.Capability.RECORD, plan()),
        (wire.Capability.WALK, plan(mode=RunMode.WALK)),
        (wire.Capability.TEST_MODES, plan(mode=RunMode.TEST_FLASH)),
        (wire.Capability.EXACT_COUNT, plan(body_groups=3)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_the_box_does_not_declare_is_refused_by_name_without_asking_it(
    lacking: wire.Capability, asked: PulsePlan
) -> None:
    driver = greeted(replace(identity(request=1), capabilities=ABILITIES & ~lacking))
    driver.start(asked, 5)
    assert driver.outgoing(2) == b""
    (refused,) = driver.feed(b"", 2)
    assert refused == StartRefused(5, f"it cannot do that: {lacking.name} is not among its capabilities")


def test_a_line_that_the_box_does_not_have_is_refused_by_number() -> None:
    driver = greeted(replace(identity(request=1), lines=2))
    driver.start(plan(), 5)
    assert driver.feed(b"", 2) == [StartRefused(5, "it has no line 2; it has 2, from 0")]


def test_a_box_that_cannot_end_a_quiet_run_is_not_asked_to() -> None:
    for ability, quiet_s in ((0, 0), (wire.Capability.QUIET_BOUND, 600)):
        driver = greeted(replace(identity(request=1), capabilities=ABILITIES & ~wire.Capability.QUIET_BOUND | ability))
        driver.start(plan(), 5)
        start = wire.from_frame(driver.outgoing(2)[:-1])
        assert isinstance(start, wire.Start)
        assert start.quiet_s == quiet_s


def test_another_box_behind_the_same_port_is_noticed_by_its_serial_number() -> None:
    driver = greeted(identity(request=1))
    driver.feed(wire.to_frame(wire.Boot(2, wire.Cause.POWER_ON)), 2)
    hello = wire.from_frame(driver.outgoing(3)[:-1])
    assert isinstance(hello, wire.Hello)
    driver.feed(wire.to_frame(replace(identity(hello.request), boots=2, serial=b"OTHER".ljust(12, b"\0"))), 4)
    assert driver.replaced == "another box answers now: OTHER, not S"


def test_what_went_wrong_on_the_line_is_told_at_the_end_of_a_run() -> None:
    to_box = Line((wire.Start.TYPE, 1), (wire.Ping.TYPE, 1))
    with virtual_rig(to_box=to_box, to_host=lambda data: data + b"\x05junk\0" if len(data) > 60 else data) as rig:
        rig.box.ping()
        told = rig.bench.run(plan(body_groups=3), 5) + rig.bench.wait(1.0)
        bad_frames = rig.box.bad_frames
    report = of_kind(told, LineReport)[-1]
    assert report == LineReport(bad_frames, 0, 2)
    assert bad_frames > 0


def test_a_program_that_was_taken_over_is_told_so() -> None:
    with virtual_rig() as rig:
        thief = Driver(1)
        thief.hello()
        rig.sim.receive(thief.outgoing(0), rig.clock.now_ns())
        rig.bench.wait(0.1)
        refused = rig.bench.run(plan(), 5)
    assert of_kind(refused, StartRefused)[0].reason == "another program has taken it over"


def test_a_box_that_ends_when_the_host_is_quiet_ends_the_run() -> None:
    with virtual_rig() as rig:
        rig.box.start(plan(period_ticks=60_000), 5)
        rig.bench.collect(Pulse)
        rig.sim.run_until(rig.clock.now_ns() + 590 * NS)
        running = len(rig.wires.seen)
        rig.sim.run_until(rig.clock.now_ns() + 700 * NS)
        stopped = len(rig.wires.seen)
        rig.sim.run_until(rig.clock.now_ns() + 800 * NS)
        assert running < stopped == len(rig.wires.seen)
        assert stopped % 4 == 0


def test_a_boot_that_nobody_heard_is_found_by_its_counter() -> None:
    with virtual_rig(to_host=Line((wire.Boot.TYPE, 1))) as rig:
        rig.box.start(plan(), 5)
        rig.bench.collect(Pulse)
        rig.reboot()
        told = rig.bench.collect(Booted)
        assert of_kind(told, Booted)[0] == Booted(2, "watchdog")
        assert isinstance(rig.bench.run(plan(body_groups=1), 6)[-1], RunEnded)


def test_a_boot_while_a_start_is_under_way_refuses_it() -> None:
    with virtual_rig(to_host=Line((wire.Started.TYPE, 1), (wire.Events.TYPE, 1))) as rig:
        rig.box.start(plan(), 5)
        rig.bench.wait(0.001)
        rig.reboot()
        told = rig.bench.collect(StartRefused)
        rig.bench.wait(5.0)
    assert of_kind(told, StartRefused)[0].reason == "it restarted while it was asked to start"
    assert rig.sim.runs_begun in ([], [5])


def test_a_plan_that_does_not_fit_the_wire_is_refused_in_words() -> None:
    with virtual_rig() as rig:
        for lines in ((LinePlan(-1, 1, 400),), (LinePlan(0, 1, 70_000),), (LinePlan(0, 300, 400),)):
            told = rig.bench.run(PulsePlan(5000, lines, 2000), 5)
            assert "does not fit" in of_kind(told, StartRefused)[0].reason


def test_pings_do_not_pile_up_and_a_lost_one_gives_no_pair() -> None:
    with virtual_rig(to_host=Line((wire.Pong.TYPE, 1))) as rig:
        for _ in range(5):
            rig.box.ping()
        assert of_kind(rig.bench.wait(1.0), ClockPair) == []
        rig.box.ping()
        assert len(of_kind(rig.bench.wait(1.0), ClockPair)) == 1


def test_an_edge_before_the_first_pulse_has_no_pulse() -> None:
    with virtual_rig() as rig:
        rig.box.start(plan(body_groups=1), 5)
        told = rig.bench.collect(RunBegan)
        # The answer takes a moment, so that pulse 0 may have come: only an edge before it is looked at.
        rig.move_input(2, 1)
        told += rig.bench.collect(RunEnded)
    edge, first = of_kind(told, Edge)[0], of_kind(told, Pulse)[0]
    assert (edge.last_pulse == -1) == (edge.box_ticks < first.box_ticks)


@pytest.mark.parametrize("ppm", [-6000.0, 0.0, 6000.0])
def test_ticks_are_unwrapped_over_long_silences(ppm: float) -> None:
    counter = TickCounter(2_000_000)
    for host_ns in (0, NS, 3600 * NS, 3601 * NS, 40 * 3600 * NS):
        true_ticks = round(host_ns * 2e6 * (1 + ppm / 1e6) / NS) + 2**32 - 5
        assert counter.unwrap(true_ticks % 2**32, host_ns) == true_ticks
    assert counter.unwrap((true_ticks - 100) % 2**32, host_ns) == true_ticks - 100  # slightly out of order


def greeted(who: wire.Identity) -> Driver:
    """A driver that knows this box."""
    driver = Driver(who.nonce)
    driver.hello()
    driver.outgoing(0)
    driver.feed(wire.to_frame(who), 1)
    return driver


def identity(request: int) -> wire.Identity:
    names = b"S".ljust(12, b"\0"), b"M".ljust(16, b"\0")
    return wire.Identity(request, 1, 9, 1, 0, 0, ABILITIES, *names, 2_000_000, 0, 1, 0, 0, 0, 0, 3, 8)


@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from(range(12))), max_size=30), st.integers(0, 2**32))
@settings(max_examples=75)
def test_no_bytes_make_the_driver_fail(chunks: list[bytes | int], seed: int) -> None:
    random = Random(seed)
    driver = Driver(9)
    driver.hello()
    driver.outgoing(0)
    driver.feed(wire.to_frame(identity(request=1)), 1)
    driver.start(plan(), 5)
    for now, chunk in enumerate(chunks, 2):
        driver.feed(chunk if isinstance(chunk, bytes) else any_message(chunk, random), now * NS // 10)
        driver.outgoing(now * NS // 10)


def any_message(which: int, random: Random) -> bytes:
    """A message of some kind with a right checksum and senseless numbers."""
    kind = list(wire.MESSAGES.values())[which]
    extra = wire.Events.EVENT.size if kind is wire.Events else 0
    body = bytes([kind.TYPE]) + random.randbytes(kind.LAYOUT.size + extra)
    return wire.cobs_encode(body + wire.crc_hqx(body, 0xFFFF).to_bytes(2, "little")) + b"\0"


class Noise:
    """Drops, doubles and changes bytes, a few in a thousand, once it is switched on."""

    def __init__(self, seed: int, per_thousand: int) -> None:
        self._random, self._rate, self.is_on = Random(seed), per_thousand / 1000, False

    def __call__(self, data: bytes) -> bytes:
        if not self.is_on:
            return data
        return b"".join(self._spoil(byte) for byte in data)

    def _spoil(self, byte: int) -> bytes:
        if self._random.random() > self._rate:
            return bytes([byte])
        return self._random.choice((b"", bytes([byte, byte]), bytes([self._random.randrange(256)])))


@given(st.integers(0, 2**32), st.integers(1, 30))
@settings(max_examples=40)
def test_on_a_noisy_line_nothing_starts_twice_and_every_event_is_accounted_for(seed: int, per_thousand: int) -> None:
    to_box, to_host = Noise(seed, per_thousand), Noise(seed + 1, per_thousand)
    with virtual_rig(to_box=to_box, to_host=to_host) as rig:
        to_box.is_on = to_host.is_on = True
        rig.box.start(plan(), 5)
        told = noisy_run(rig)
        to_box.is_on = to_host.is_on = False
    if of_kind(told, StartRefused):
        return
    assert rig.sim.runs_begun == [5]
    pulses, lost = of_kind(told, Pulse), of_kind(told, EventsLost)
    assert [(p.pulse_number, p.lines) for p in pulses] == sorted({(p.pulse_number, p.lines) for p in pulses})
    assert all(p.lines == (7 if p.pulse_number % 4 == 0 else 1) for p in pulses)
    ended = of_kind(told, RunEnded)
    assert [event.pulses_sent for event in ended] == [len(rig.wires.seen)]
    # All events of the run but its begin and end are pulses; those two may be among the lost.
    assert 0 <= len(pulses) + sum(event.count for event in lost) - len(rig.wires.seen) <= 2


def noisy_run(rig: VirtualRig) -> list[BoxEvent]:
    told = rig.bench.collect(RunBegan, StartRefused)
    told += rig.bench.wait(0.4)
    rig.box.stop()
    if not of_kind(told, StartRefused):
        told += rig.bench.collect(RunEnded)
    return told


def test_the_virtual_rig_repeats_exactly() -> None:
    def once() -> list[BoxEvent]:
        with virtual_rig(seed=3, to_box=intact) as rig:
            rig.bench.box.ping()
            return rig.bench.run(plan(body_groups=9), 5)

    assert once() == once()
