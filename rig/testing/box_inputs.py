"""What a trigger box must do with its inputs. Part of TriggerBoxContract."""

from __future__ import annotations

from rig.streams import BoxStatus, Edge, Pulse
from rig.testing.bench import BenchTests, ns_per_tick, of_kind
from rig.trigger.box import POLLED_US, RunBegan, RunEnded

NEAR_TICKS = 1.1  # one tick that the stamp itself counts by, and what a straight line is off


class InputTests(BenchTests):
    """Edges are told, counted, and stamped."""

    def test_an_input_edge_is_told_with_the_pulse_before_it(self) -> None:
        """Both levels, in order, with ticks between those of the pulses around it."""
        with self.bench() as bench:
            if bench.move_input is None or not bench.can("record"):
                return
            bench.box.start(bench.plan(), 31)
            told, number = bench.collect(Pulse), min(4, bench.inputs - 1)
            for level in (1, 0):
                bench.move_input(number, level)
                told += bench.wait(0.03)
            bench.box.stop()
            told += bench.collect(RunEnded)
        edges, pulses = of_kind(told, Edge), of_kind(told, Pulse)
        assert [(edge.input, edge.level, edge.run_id) for edge in edges] == [(number, 1, 31), (number, 0, 31)]
        for edge in edges:
            last = max(p.pulse_number for p in pulses if p.box_ticks <= edge.box_ticks)
            assert edge.last_pulse == last

    def test_every_rise_of_an_input_is_counted(self) -> None:
        """Apart from the edges that are told; each input by itself."""
        with self.bench() as bench:
            if bench.move_input is None or not bench.has_status or not bench.can("record"):
                return
            inputs = bench.inputs
            bench.box.start(bench.plan(), 35)
            before = of_kind(bench.collect(BoxStatus), BoxStatus)[-1]
            for number in range(inputs):
                for _ in range(number + 1):
                    bench.move_input(number, 1)
                    bench.wait(0.003)
                    bench.move_input(number, 0)
                    bench.wait(0.003)
            bench.box.stop()
            bench.collect(RunEnded)
            after = of_kind(bench.collect(BoxStatus), BoxStatus)[-1]
        rises = [b - a for a, b in zip(before.input_rises, after.input_rises, strict=True)]
        assert rises == [number + 1 if number < inputs else 0 for number in range(len(rises))]

    def test_edges_are_stamped_when_they_were(self) -> None:
        """At the last input, if it is timed, within a tick; at the others up to POLLED_US late, and never early."""
        with self.bench() as bench:
            if bench.move_input is None or bench.on_inputs is None or not bench.can("record"):
                return
            numbers, can_time = {0, bench.inputs - 1}, bench.can("timed_input")
            bench.box.start(bench.plan(), 36)
            told = bench.collect(RunBegan) + bench.wait(0.1)
            for turn in range(24):
                for number in numbers:
                    bench.move_input(number, (turn + 1) % 2)
                told += bench.wait(0.0057)
            bench.box.stop()
            told += bench.collect(RunEnded)
            wires, seen = bench.on_wires(), bench.on_inputs()
        pulses = of_kind(told, Pulse)
        tick_ns = ns_per_tick(pulses, wires)
        for number in numbers:
            edges = [edge for edge in of_kind(told, Edge) if edge.input == number]
            true = [change for change in seen if change.input == number]
            assert [edge.level for edge in edges] == [change.level for change in true] == [1, 0] * 12
            is_timed = can_time and number == max(numbers)
            most_ticks = NEAR_TICKS if is_timed else NEAR_TICKS + POLLED_US * 1000 / tick_ns
            for edge, change in zip(edges, true, strict=True):
                was_ticks = (change.host_ns - wires[0].host_ns) / tick_ns
                late_ticks = edge.box_ticks - pulses[0].box_ticks - was_ticks
                assert -NEAR_TICKS <= late_ticks <= most_ticks, f"input {number}: {late_ticks:.1f} ticks late"
