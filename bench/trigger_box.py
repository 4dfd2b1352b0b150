"""The firmware of the trigger box on a simulated chip, measured in full: every edge of every pin, every event told.

    python -m bench.trigger_box [NAME...] [--markdown FILE]      NAME: only the measurements so called

Prints a table in Markdown; exit status 1 when a figure is beyond its limit. A cycle is 62.5 ns, a tick 8 of them.
A second simulator (avr8js) is fetched with npm into bench/.node at its first use.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings

from rig.streams import BoxStatus, Edge, Pulse
from rig.trigger.box import EventsLost, LinePlan, PulsePlan, RunMode
from tests.trigger.firmware import proofs
from tests.trigger.firmware.garbage import garbage
from tests.trigger.firmware.plans import LONGEST, SHORTEST, plans
from tests.trigger.firmware.proofs import DEMO, of_kind, powered
from tests.trigger.firmware.simavr import (
    CYCLES_HZ,
    EDGE,
    HERE,
    HEX,
    LED_PINS,
    LINE_PINS,
    TICK,
    TIMED_INPUT,
    Edges,
    edges_of,
)

NODE = Path(__file__).parent / ".node"
AVR8JS = "avr8js@0.21.0"
LIMIT_CYCLES = 4
POLLED_LIMIT_US = 150
CONFIGURATIONS, STOPS, GARBAGE_BYTES = 200, 40, 1_000_000
TEST_PERIOD = 4000
REPEATABLE = settings(derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    limit: str
    measured: str
    is_good: bool = True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASUREMENTS))
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there too")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(MEASUREMENTS):
        parser.error(f"{', '.join(sorted(unknown))}: no such measurement; there are {', '.join(MEASUREMENTS)}")
    lines = ["| what | limit | measured | |", "|---|---|---|---|"]
    print("\n".join(lines), flush=True)
    all_good = True
    for row in measured(arguments.names or list(MEASUREMENTS)):
        lines.append(f"| {row.what} | {row.limit} | {row.measured} | {'' if row.is_good else '**beyond**'} |")
        print(lines[-1], flush=True)
        all_good &= row.is_good
    if arguments.markdown:
        arguments.markdown.write_text("\n".join(lines) + "\n")
    sys.exit(not all_good)


def measured(names: list[str]) -> Iterator[Row]:
    """The rows of the measurements of these names. One that fails is a row too."""
    for name in names:
        with tempfile.TemporaryDirectory(prefix="rig-bench-") as folder:
            try:
                yield from MEASUREMENTS[name](Path(folder))
            except (AssertionError, OSError, subprocess.CalledProcessError) as problem:
                yield Row(name, "", f"failed: {str(problem).splitlines()[0][:200]}", is_good=False)


def exactly(what: str, wanted: object, seen: object, unit: str = "") -> Row:
    return Row(what, f"{wanted}{unit}", f"{seen}{unit}", wanted == seen)


def at_most(what: str, limit: float, seen: float, unit: str) -> Row:
    return Row(what, f"{limit:g}{unit}", f"{seen:.4g}{unit}", seen <= limit)


def full_load(folder: Path) -> Iterator[Row]:
    """60,000 pulses with everything busy."""
    plan = replace(DEMO, body_groups=15_000 - 6)
    began = time.perf_counter()
    with powered(folder, inputs="busy") as (chip, box):
        seen = proofs.full_load(chip, box, plan, 1)
        wall_s, sim_s, cpu_s = time.perf_counter() - began, chip.clock.cycle / CYCLES_HZ, chip.report()["cpu_us"] / 1e6
    yield exactly("pulses of 100, 25 and 25 Hz, all inputs busy, pings at 5 Hz", 60_000, seen.pulses)
    yield exactly("edges of the trigger lines, 4:1 exact", 180_000, seen.edges)
    yield at_most("skew between the lines", LIMIT_CYCLES, seen.skew_cycles, " cycles")
    yield at_most("jitter, peak to peak over all edges", LIMIT_CYCLES, seen.jitter_cycles, " cycles")
    yield at_most("drift against the plan at the last edge", LIMIT_CYCLES, seen.drift_cycles, " cycles")
    yield at_most("error of a pulse's ticks, most", LIMIT_CYCLES, seen.stamp_error_cycles, " cycles")
    low, high = seen.led_late_cycles
    yield at_most("sync LEDs after their time, least", LIMIT_CYCLES, low, " cycles")
    yield at_most("sync LEDs after their time, most", LIMIT_CYCLES, high, " cycles")
    yield exactly("pulses whose number the LEDs' code gives wrong", 0, seen.wrong_by_led)
    yield exactly("events lost, of those told", f"0 of {seen.events}", f"{seen.lost + seen.dropped} of {seen.events}")
    yield exactly("edges that the box calls late", 0, seen.late)
    yield Row("deepest queue of events", "", str(seen.deepest_queue))
    yield at_most("timed input: stamp from its edge, most", TICK / 16, max(map(abs, seen.timed_late_us)), " us")
    median, p99, most = seen.polled_late_us
    yield Row("polled inputs: late by, median, p99", "", f"{median:.0f}, {p99:.0f} us")
    yield at_most("polled inputs: late by, most", POLLED_LIMIT_US, most, " us")
    yield exactly("edges of inputs not counted", 0, seen.missed_inputs)
    yield exactly("bytes to the box lost in its receiver", 0, seen.overruns)
    yield Row("STATUS answered meanwhile", "290", str(seen.statuses), seen.statuses >= 290)
    yield Row("RAM never touched", "64 bytes", f"{seen.ram_untouched} bytes", seen.ram_untouched >= 64)
    yield Row("simulated at", "", f"{sim_s / wall_s:.1f} times real time; chip alone {sim_s / cpu_s:.1f}")


def configurations(folder: Path) -> Iterator[Row]:
    """Random plans within the limits."""
    worst, edges_seen, not_told, sent = [0], [0], [0], list[PulsePlan]()
    with powered(folder, inputs="busy") as (chip, box):

        @settings(REPEATABLE, max_examples=CONFIGURATIONS)
        @given(plans())
        def one(plan: PulsePlan) -> None:
            mark = len(chip.edges())
            sent.append(plan)
            told = proofs.send(chip, box, plan, len(sent))
            edges = chip.edges(mark)
            off = proofs.deviations(edges, plan)
            worst.append(int(np.abs(off).max()))
            edges_seen[0] += len(off)
            not_told[0] += not proofs.is_told_in_full(edges, told)
            assert of_kind(told, BoxStatus)[-1].edges_late == 0, "the box says that edges were late"

        one()
    what = f"{len(sent)} random configurations, {edges_seen[0]} edges: most off the plan"
    yield at_most(what, LIMIT_CYCLES, max(worst), " cycles")
    yield exactly("same: runs of which a pulse was not told", 0, not_told[0])
    yield Row("same: base periods; largest divisors", "", spread(sent))


def spread(sent: list[PulsePlan]) -> str:
    """How the plans lie within the limits, in words."""
    periods = [plan.period_ticks for plan in sent]
    divisors = [max(line.divisor for line in plan.lines) for plan in sent]
    low, quarter, half, three_quarters, high = np.percentile(periods, [0, 25, 50, 75, 100])
    parts = [f"{low:.0f} to {high:.0f} ticks, quartiles {quarter:.0f}, {half:.0f}, {three_quarters:.0f}"]
    parts += [f"{periods.count(limit)} of {limit}" for limit in (SHORTEST, LONGEST)]
    counts = [sum(least <= divisor <= most for divisor in divisors) for least, most in ((1, 4), (5, 16), (17, 64))]
    return f"{', '.join(parts)}; {counts[0]} up to 4, {counts[1]} up to 16, {counts[2]} up to {max(divisors)}"


def led_tests(folder: Path) -> Iterator[Row]:
    """The edge of the test LED at every fourth offset, and at each near the pulse and the end of the period."""
    offsets = sorted({*range(0, TEST_PERIOD, 4), *range(64), *range(TEST_PERIOD - 64, TEST_PERIOD)})
    for mode in (RunMode.TEST_EDGE, RunMode.TEST_FLASH):
        lags = set()
        with powered(folder) as (chip, box):
            for run_id, offset in enumerate(offsets, 1):
                plan = PulsePlan(TEST_PERIOD, (LinePlan(0, 1, 400),), 2000, mode, 8, test_offset_ticks=offset)
                mark = len(chip.edges())
                proofs.send(chip, box, plan, run_id)
                edges = chip.edges(mark)
                assert not proofs.deviations(edges, plan).any(), f"a pulse is off its time at offset {offset}"
                lit = edges_of(edges, LED_PINS[0])["cycle"].astype(np.int64)
                step = 1 if mode is RunMode.TEST_EDGE else 2
                lags |= set((lit[::step] - proofs.rises_of(edges, LINE_PINS[0]) - offset * TICK).tolist())
        what = f"{mode.name.lower().replace('_', ' ')}: LED from its time, at {len(offsets)} offsets"
        yield Row(what, "one figure", f"{', '.join(map(str, sorted(lags)))} cycles", len(lags) == 1)


def stops(folder: Path) -> Iterator[Row]:
    """STOP at random moments."""
    moments = np.random.default_rng(40).uniform(0, 1.0, STOPS)
    aligned = 0
    with powered(folder, inputs="busy") as (chip, box):
        for run_id, seconds in enumerate(moments, 1):
            mark = len(chip.edges())
            proofs.stop_after(chip, box, DEMO, run_id, seconds)
            edges = chip.edges(mark)
            aligned += proofs.is_group_aligned(edges, DEMO) and int(proofs.skews(edges).max()) == 0
    yield exactly("STOP at random moments: runs that end with whole groups and the postamble", STOPS, aligned)


def noise(folder: Path) -> Iterator[Row]:
    """20 kHz at every input."""
    plan = replace(DEMO, body_groups=500)
    with powered(folder, inputs="noise") as (chip, box):
        told = proofs.send(chip, box, plan, 1)
        edges = chip.edges()
        chip.calm()
        after = proofs.send(chip, box, replace(plan, body_groups=1), 2)
    statuses, dropped = of_kind(told, BoxStatus), of_kind(after, BoxStatus)[-1].events_dropped
    lost = sum(event.count for event in of_kind(told + after, EventsLost))
    yield exactly("20 kHz at every input: pulses told", 506 * 4, len(of_kind(told, Pulse)))
    yield at_most("same: most off the plan", LIMIT_CYCLES, int(np.abs(proofs.deviations(edges, plan)).max()), " cycles")
    yield exactly("same: events that the host knows to be lost", dropped, lost)
    yield Row("same: STATUS answered in 20 s", "9", str(len(statuses)), len(statuses) >= 9)


def rates(folder: Path) -> Iterator[Row]:
    """Events at the declared rates; a loop-back wire makes three of each pulse."""
    for jumper in (False, True):
        place = folder / str(jumper)
        place.mkdir()
        with powered(place, inputs="loop", jumper=jumper) as (chip, box):
            can = box.describe().capabilities
            period = max(2000, 6_000_000 // int(can["events_per_s"]))
            plan = PulsePlan(period, (LinePlan(0, 1, 200),), 1000, body_groups=10 * 2_000_000 // period)
            told = proofs.send(chip, box, plan, 1)
        lost = sum(event.count for event in of_kind(told, EventsLost))
        total = lost + len(of_kind(told, Edge)) + len(of_kind(told, Pulse))
        what = f"{can['baud']} baud, {6_000_000 / period:.0f} events a second (declared {can['events_per_s']}): lost"
        yield exactly(what, f"0 of {total}", f"{lost} of {total}")


def overload(folder: Path) -> Iterator[Row]:
    """Three times what the line carries."""
    plan = PulsePlan(2000, (LinePlan(0, 1, 200),), 1000, body_groups=9994)
    with powered(folder, inputs="loop") as (chip, box):
        told = proofs.send(chip, box, plan, 1)
        edges = chip.edges()
    status, lost = of_kind(told, BoxStatus)[-1], sum(event.count for event in of_kind(told, EventsLost))
    yield exactly("1000 Hz with a loop-back wire, 3000 events a second: pulses told", 10_000, len(of_kind(told, Pulse)))
    yield exactly("same: edges told and lost", 20_000, len(of_kind(told, Edge)) + lost)
    yield exactly("same: edges counted at the input", 10_000, status.input_rises[TIMED_INPUT])
    yield at_most("same: most off the plan", LIMIT_CYCLES, int(np.abs(proofs.deviations(edges, plan)).max()), " cycles")


def flood(folder: Path) -> Iterator[Row]:
    """1000 Hz and 20 kHz at every input at once: the one load known to cost events of pulses."""
    plan = PulsePlan(2000, (LinePlan(0, 1, 200),), 1000, body_groups=9994)
    with powered(folder, inputs="noise") as (chip, box):
        told = proofs.send(chip, box, plan, 1)
        edges = chip.edges()
        chip.calm()
        after = proofs.send(chip, box, replace(plan, body_groups=1), 2)
    pulses, heard = of_kind(told, Pulse), len(of_kind(told + after, Pulse))
    sent = len(proofs.rises_of(edges, LINE_PINS[0])) + 7
    lost = sum(event.count for event in of_kind(told + after, EventsLost))
    dropped = of_kind(after, BoxStatus)[-1].events_dropped
    what = "1000 Hz with 20 kHz at every input"
    yield exactly(f"{what}: pulses on the pins", 10_007, sent)
    yield Row(f"{what}: events of pulses lost", "", f"{(sent - heard) / sent:.2%}")
    yield exactly("same: events that the host knows to be lost", dropped, lost)
    yield Row("same: of them, enough for every pulse not told", "", f"{sent - heard} of {lost}", sent - heard <= lost)
    numbers = [pulse.pulse_number for pulse in pulses]
    yield exactly("same: pulses told twice or out of order", 0, int((np.diff(numbers) <= 0).sum()))
    yield at_most("same: most off the plan", LIMIT_CYCLES, int(np.abs(proofs.deviations(edges, plan)).max()), " cycles")


def fuzz(folder: Path) -> Iterator[Row]:
    """Bad frames without a pause during a run."""
    damage = garbage(GARBAGE_BYTES, seed=6)
    with powered(folder, inputs="busy") as (chip, box):
        told = proofs.run_beside(chip, box, DEMO, 1, damage)
        edges, report = chip.edges(), chip.report()
    status = of_kind(told, BoxStatus)[-1]
    size = sum(map(len, damage))
    yield exactly(f"{size} bytes of garbage in a run: bad frames counted", len(damage), status.bad_frames)
    is_aligned = proofs.is_group_aligned(edges, DEMO)
    yield Row("same: whole groups, every edge on its cycle", "", "yes" if is_aligned else "no", is_aligned)
    yield exactly("same: pulses told", status.pulses_sent, len(of_kind(told, Pulse)))
    yield exactly("same: bytes lost in the receiver", 0, report["overruns"])


def pace(folder: Path) -> Iterator[Row]:
    """What the simulated chip costs at the speed of a real one."""
    with powered(folder, inputs="busy", speed="real", leash_s=None) as (chip, box):
        before, began = chip.report()["cpu_us"], time.perf_counter()
        proofs.send(chip, box, replace(DEMO, body_groups=240), 1)
        share = (chip.report()["cpu_us"] - before) / 1e6 / (time.perf_counter() - began)
    yield Row("simulated chip at real speed", "", f"{share:.0%} of a core")


def second_simulator(folder: Path) -> Iterator[Row]:
    """The pins of one run on avr8js."""
    install_avr8js()
    with powered(folder, inputs="busy") as (chip, box):
        proofs.send(chip, box, replace(DEMO, body_groups=100), 1)
        first, end = chip.edges(), chip.clock.cycle
    command = ["node", HERE / "avr8.mjs", HEX, folder / "trace", str(end), folder / "second", NODE]
    subprocess.run(list(map(str, command)), check=True)
    one, other = from_pulse_0(first), from_pulse_0(np.fromfile(folder / "second", EDGE))
    same = sum(a == b for a, b in zip(one, other, strict=False))
    yield exactly(
        "pins on a second simulator (avr8js): edges on the same cycle",
        f"{len(one)} of {len(one)}",
        f"{same} of {len(other)}",
    )


def install_avr8js() -> None:
    """Fetch it once. Raises OSError without npm or node, CalledProcessError when it cannot be fetched."""
    if not (NODE / "node_modules/avr8js").is_dir():
        NODE.mkdir(exist_ok=True)
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(NODE), AVR8JS]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def from_pulse_0(edges: Edges) -> list[tuple[int, int, int]]:
    """(cycles after pulse 0, pin, level) of lines and LEDs, sorted."""
    rows = edges_of(edges, *LINE_PINS, *LED_PINS)
    began = rows["cycle"][np.isin(rows["pin"], LINE_PINS)][0]
    rows = rows[rows["cycle"] >= began]
    return sorted(zip((rows["cycle"] - began).tolist(), rows["pin"].tolist(), rows["level"].tolist(), strict=True))


MEASUREMENTS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "full-load": full_load,
    "configurations": configurations,
    "led-tests": led_tests,
    "stops": stops,
    "noise": noise,
    "rates": rates,
    "overload": overload,
    "flood": flood,
    "fuzz": fuzz,
    "pace": pace,
    "second-simulator": second_simulator,
}

if __name__ == "__main__":
    main()
