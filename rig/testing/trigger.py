"""What every trigger box must do, as tests: a backend makes a bench, and takes them all.

    class TestMyBox(TriggerBoxContract):
        @contextmanager
        def bench(self) -> Iterator[Bench]:
            with my_box_on_a_logic_analyser() as (box, wires):
                yield Bench(box, HostClock(), wires.edges)

What a box cannot do it says itself, in `describe().capabilities`; what an observer cannot see is a field left out of
its bench. What is neither is tested, and no test is ever overridden.
"""

from __future__ import annotations

from itertools import pairwise

from rig.clock import NS
from rig.streams import BoxStatus, ClockPair, Pulse
from rig.testing.bench import (
    LED_PHASE_TICKS,
    PERIOD_TICKS,
    WIDTH_TICKS,
    Bench,
    OnInput,
    OnLeds,
    OnWires,
    of_kind,
    plan,
)
from rig.testing.box_inputs import InputTests
from rig.testing.box_leds import LedTests
from rig.testing.box_line import LineTests
from rig.trigger.box import (
    POSTAMBLE,
    PREAMBLE,
    TICKS_HZ,
    Booted,
    EventsLost,
    LinePlan,
    PulsePlan,
    RunBegan,
    RunEnded,
    RunMode,
    StartRefused,
    walk_pulses,
)

__all__ = ["Bench", "OnInput", "OnLeds", "OnWires", "TriggerBoxContract", "of_kind", "plan"]


class TriggerBoxContract(LedTests, InputTests, LineTests):
    """The tests. Every one opens a bench of its own, with `bench`."""

    def test_it_says_who_it_is(self) -> None:
        """Kind, model, serial number and version are read from the device."""
        with self.bench() as bench:
            info = bench.box.describe()
            assert info.kind == "box"
            assert all((info.vendor, info.model, info.serial, info.version))

    def test_every_pulse_is_told_with_its_number_lines_and_ticks(self) -> None:
        """What is told equals what was on the wires; ticks are exact multiples of the period."""
        with self.bench() as bench:
            if not bench.can("record"):
                return
            told = bench.run(bench.plan(body_groups=20), 11)
            pulses, wires, group = of_kind(told, Pulse), bench.on_wires(), bench.plan().group
        after = len(wires) // group  # the slot after the body, which begins at 6 and follows three groups
        slots = [0, 1, 3, *range(6, after), after + 2, after + 4, after + 5]
        due_ticks = [(group * slot + i) * PERIOD_TICKS for slot in slots for i in range(group)]
        assert not of_kind(told, EventsLost)
        assert [pulse.pulse_number for pulse in pulses] == list(range(len(wires)))
        assert [pulse.lines for pulse in pulses] == [seen.lines for seen in wires]
        assert [pulse.box_ticks - pulses[0].box_ticks for pulse in pulses] == due_ticks

    def test_ticks_follow_the_wires(self) -> None:
        """The stamps of the pulses and the instants on the wires lie on one straight line."""
        with self.bench() as bench:
            if not bench.can("record"):
                return
            pulses = of_kind(bench.run(bench.plan(body_groups=20), 11), Pulse)
            wires = bench.on_wires()
        told = [(pulse.box_ticks - pulses[0].box_ticks) / TICKS_HZ for pulse in pulses]
        seen = [(wire.host_ns - wires[0].host_ns) / NS for wire in wires]
        limit_s = bench.rate_tolerance * seen[-1] + 1e-3
        assert all(abs(a - b) < limit_s for a, b in zip(told, seen, strict=True))

    def test_a_run_begins_and_ends_once_with_its_run_id(self) -> None:
        """RunBegan first, RunEnded last with the count of all pulses, one run id in all."""
        with self.bench() as bench:
            if not bench.can("record"):
                return
            told = bench.run(bench.plan(body_groups=3), 12)
        assert isinstance(told[0], RunBegan)
        (ended,) = of_kind(told, RunEnded)
        assert ended.pulses_sent == len(of_kind(told, Pulse)) > 0
        assert {event.run_id for event in told if isinstance(event, RunBegan | RunEnded | Pulse)} == {12}

    def test_a_run_of_a_count_sends_so_many_groups(self) -> None:
        """Between preamble and postamble, of three groups each; on the wires."""
        with self.bench() as bench:
            if not bench.can("record", "exact_count"):
                return
            for run_id, groups in ((37, 1), (38, 7)):
                before = len(bench.on_wires())
                bench.run(bench.plan(body_groups=groups), run_id)
                assert len(bench.on_wires()) - before == (groups + 6) * bench.plan().group

    def test_preamble_and_postamble_frame_the_body(self) -> None:
        """Group starts 1, 2, 3 periods apart before the body, 3, 2, 1 after it."""
        with self.bench() as bench:
            if not bench.can("record"):
                return
            pulses = of_kind(bench.run(bench.plan(body_groups=4), 13), Pulse)
            groups = len(pulses) // bench.plan().group
        assert len(PREAMBLE) == len(POSTAMBLE) == 6
        assert bench.group_gaps(pulses) == [1, 2, 3, *[1] * (groups - 7), 3, 2, 1]

    def test_the_line_walk_pulses_one_line_at_a_time(self) -> None:
        """3 pulses on line 0 alone, 5 on line 1, 7 on line 2, one slowest period apart; on the lines that it has."""
        with self.bench() as bench:
            if not bench.can("walk"):
                return
            pulses = of_kind(bench.run(bench.plan(mode=RunMode.WALK), 14), Pulse)
            wires = bench.on_wires()
        expected = [1 << line for line in range(bench.lines) for _ in range(walk_pulses(line))]
        assert [seen.lines for seen in wires] == expected
        assert [(p.pulse_number, p.lines) for p in pulses] == list(enumerate(expected))
        assert {b.box_ticks - a.box_ticks for a, b in pairwise(pulses)} == {bench.plan().slot_ticks}

    def test_stop_completes_the_group_and_sends_the_postamble(self) -> None:
        """Whenever the stop comes, whole groups are sent, and the last three are the postamble."""
        for wait_s in (0.0, 0.083, 0.1271):
            with self.bench() as bench:
                if not bench.can("record"):
                    return
                bench.box.start(bench.plan(), 15)
                told = bench.collect(RunBegan) + bench.wait(wait_s)
                bench.box.stop()
                told += bench.collect(RunEnded)
                wires = bench.on_wires()
            pulses, ended = of_kind(told, Pulse), of_kind(told, RunEnded)[0]
            assert ended.pulses_sent == len(wires) == len(pulses)
            assert len(pulses) % bench.plan().group == 0
            assert bench.group_gaps(pulses)[-2:] == [2, 1]

    def test_the_same_run_id_never_starts_twice(self) -> None:
        """Neither while it runs nor after it has ended."""
        with self.bench() as bench:
            if not bench.can("record"):
                return
            bench.box.start(bench.plan(), 16)
            told = bench.collect(RunBegan)
            bench.box.start(bench.plan(), 16)
            told += bench.wait(0.1)
            bench.box.stop()
            told += bench.collect(RunEnded)
            sent = len(bench.on_wires())
            assert sent == of_kind(told, RunEnded)[0].pulses_sent
            bench.box.start(bench.plan(), 16)
            bench.wait(1.0)
            assert len(bench.on_wires()) == sent

    def test_another_run_is_refused_while_one_runs(self) -> None:
        """And the one that runs is not disturbed."""
        with self.bench() as bench:
            if not bench.can("record"):
                return
            bench.box.start(bench.plan(), 17)
            told = bench.collect(Pulse)
            bench.box.start(bench.plan(), 18)
            told += bench.wait(0.1)
            bench.box.stop()
            told += bench.collect(RunEnded)
            assert [refused.run_id for refused in of_kind(told, StartRefused)] == [18]
            assert len(of_kind(told, RunEnded)) == 1
            assert [p.pulse_number for p in of_kind(told, Pulse)] == list(range(len(bench.on_wires())))

    def test_a_plan_out_of_its_limits_is_refused_by_name(self) -> None:
        """The reason names what is wrong; nothing is sent; a good plan works afterwards."""
        narrow = PulsePlan(PERIOD_TICKS, (LinePlan(0, 1, 20),), LED_PHASE_TICKS, body_groups=1)
        baseless = PulsePlan(PERIOD_TICKS, (LinePlan(0, 2, WIDTH_TICKS),), LED_PHASE_TICKS, body_groups=1)
        with self.bench() as bench:
            if not bench.can("record"):
                return
            refused = {"period": bench.plan(body_groups=1, period_ticks=100), "width": narrow, "divisor": baseless}
            for run_id, (word, bad) in enumerate(refused.items(), 20):
                reasons = [event.reason for event in of_kind(bench.run(bad, run_id), StartRefused)]
                assert len(reasons) == 1
                assert word in reasons[0]
            assert bench.on_wires() == []
            assert of_kind(bench.run(bench.plan(body_groups=1), 30), RunEnded)

    def test_what_it_says_that_it_cannot_do_it_refuses(self) -> None:
        """With a reason, and nothing is sent."""
        with self.bench() as bench:
            asked = {
                "record": bench.plan(),
                "walk": bench.plan(mode=RunMode.WALK),
                "test_modes": bench.plan(mode=RunMode.TEST_FLASH),
                "exact_count": bench.plan(body_groups=1),
            }
            for run_id, (ability, beyond) in enumerate(asked.items(), 50):
                if bench.can(ability):
                    continue
                bench.box.start(beyond, run_id)
                told = bench.collect(RunBegan, StartRefused)
                assert [event.run_id for event in of_kind(told, StartRefused) if event.reason] == [run_id]
            bench.wait(0.2)
            assert bench.on_wires() == []

    def test_how_a_run_went_is_told_after_its_end(self) -> None:
        """By the box's own count: all pulses, none late; and of that run."""
        with self.bench() as bench:
            if not bench.has_status or not bench.can("record"):
                return
            told = bench.run(bench.plan(body_groups=4), 34) + bench.collect(BoxStatus)
            sent = len(bench.on_wires())
        report = of_kind(told, BoxStatus)[-1]
        assert (report.run_id, report.pulses_sent, report.edges_late) == (34, sent, 0)
        assert report.events_dropped == sum(lost.count for lost in of_kind(told, EventsLost)) == 0

    def test_a_ping_gives_a_pair_of_clock_readings(self) -> None:
        """The host's readings enclose the box's; two pairs give the box's rate."""
        with self.bench() as bench:
            pairs: list[ClockPair] = []
            for _ in range(2):
                bench.box.ping()
                pairs += of_kind(bench.collect(ClockPair), ClockPair)
                bench.wait(0.5)
        first, last = pairs
        assert first.clock == "box"
        assert first.host_before_ns < first.host_after_ns <= last.host_before_ns
        assert first.reading <= first.reading_end < last.reading
        passed_ns = (last.reading - first.reading) / TICKS_HZ * NS
        slack_ns = bench.rate_tolerance * passed_ns
        assert passed_ns > last.host_before_ns - first.host_after_ns - slack_ns
        assert passed_ns < last.host_after_ns - first.host_before_ns + slack_ns

    def test_waiting_for_nothing_ends_in_time(self) -> None:
        """`events` of an idle box blocks for its timeout and not much longer."""
        with self.bench() as bench:
            bench.wait(0.2)
            before = bench.clock.now_ns()
            assert bench.box.events(0.1) == []
            assert 0.09 <= (bench.clock.now_ns() - before) / NS < 5.0

    def test_a_reboot_during_a_run_is_told_and_pulses_do_not_restart(self) -> None:
        """Booted comes, and nothing is sent until asked again. It is known by the boot counter."""
        with self.bench() as bench:
            if bench.reboot is None or not bench.can("record"):
                return
            bench.box.start(bench.plan(), 32)
            bench.collect(Pulse)
            bench.reboot()
            sent = len(bench.on_wires())
            told = bench.wait(3.0)
            assert len(bench.on_wires()) == sent
            if bench.can("boot_counter"):  # without one nobody can tell a boot
                assert len(of_kind(told, Booted)) == 1
                assert of_kind(bench.run(bench.plan(body_groups=1), 33), RunEnded)

    def test_closing_twice_is_harmless(self) -> None:
        """The second call does nothing."""
        with self.bench() as bench:
            bench.box.close()
            bench.box.close()
