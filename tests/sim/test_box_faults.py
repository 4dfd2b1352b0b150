"""Faults of the simulated box and its serial line: each does what it says, and the truth tells it, one entry each."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rig.config.rig import Faults
from rig.record.recording import Recorded
from rig.session.folder import beside
from rig.session.layout import Outcome
from rig.session.run import Run
from rig.sim.faults import BoxFaults, Committed, Fault, Truth, read_truth
from rig.trigger import wire
from tests.rigs import record, write_protocol, write_rig
from tests.sim import test_box, test_world
from tests.sim.test_box import NONCE, START, status_in

RUN = replace(START, body_groups=30)  # 36 groups of 4 at 100 Hz
FIRST, LAST = 30, 120


def world(**faults: Any) -> test_world.Bare:
    return test_world.Bare(test_world.rig(inputs={}, faults=faults))


def committed(bare: test_world.Bare) -> list[Committed]:
    return bare.world.truth.committed


def seqs_missing(told: list[wire.Message]) -> int:
    """Events numbered and not told, up to the last one told."""
    messages = [message for message in told if isinstance(message, wire.Events)]
    return messages[-1].first_seq + len(messages[-1].events) - sum(len(message.events) for message in messages)


def test_without_faults_nothing_is_told_to_the_truth() -> None:
    bare = world()
    bare.run(RUN, 3.0)
    assert committed(bare) == []
    assert seqs_missing(bare.told) == 0


@pytest.mark.parametrize("seed", range(5))
def test_so_many_bytes_to_the_host_are_lost_each_after_a_pulse_of_its_own(seed: int) -> None:
    """With the same seed everything else is the same, so the bytes that come are fewer by these."""
    sizes = {}
    for dropped in (0, 7):
        faults = {"dropped_bytes": dropped, "first_pulse": FIRST, "last_pulse": LAST}
        bare = test_world.Bare(test_world.rig(inputs={}, faults=faults, seed=seed, bridge="16u2"))
        box, sizes[dropped] = bare.world.box, 0
        box.receive(wire.to_frame(wire.Hello(0, wire.PROTOCOL, NONCE)) + wire.to_frame(RUN), 0)
        for now in range(0, 3_000_000_000, 5_000_000):
            bare.world.run_until(now)
            sizes[dropped] += len(box.take_output(now))
    assert sizes[0] - sizes[7] == 7
    assert Counter(entry.fault for entry in committed(bare)) == {Fault.BYTE_TO_HOST: 7}
    pulses = [entry.pulse for entry in committed(bare)]
    assert pulses == sorted(set(pulses))
    assert all(FIRST <= pulse <= LAST for pulse in pulses)


def test_so_many_bytes_to_the_box_are_lost_and_each_damages_a_frame() -> None:
    bare = world(dropped_bytes=6, first_pulse=FIRST, last_pulse=LAST)
    bare.run(RUN, 0.2)
    for number in range(130):
        bare.say(wire.Ping(number), then_s=0.02)
    bare.say(wire.AskStatus(200), then_s=0.5)
    lost = Counter(entry.fault for entry in committed(bare))
    assert lost == {Fault.BYTE_TO_BOX: 6, Fault.BYTE_TO_HOST: 6}
    assert status_in(bare.told).bad_frames == 6
    assert seqs_missing(bare.told) > 0
    pulses = [event.pulse for event in bare.events(wire.Kind.PULSE)]
    assert pulses == sorted(set(pulses))
    assert status_in(bare.told).pulses_sent == 36 * 4


@pytest.mark.parametrize("seed", range(5))
def test_more_bytes_than_requests_are_lost_by_the_last_pulse_and_then_the_box_hears_again(seed: int) -> None:
    """The recorder sends a PING of 6 bytes five times a second: 48 from pulse 40 to 1000, each of which loses some."""
    bare = test_world.Bare(test_world.rig(inputs={}, faults={"dropped_bytes": 150}, seed=seed, bridge="16u2"))
    bare.run(replace(RUN, body_groups=300), 0.1)
    for number in range(65):
        bare.say(wire.Ping(number), then_s=0.2)
    for way in (Fault.BYTE_TO_BOX, Fault.BYTE_TO_HOST):
        pulses = [entry.pulse for entry in committed(bare) if entry.fault is way]
        assert len(pulses) == 150
        assert pulses[0] >= 40
        assert pulses[-1] <= 1000
        spread = np.histogram(pulses, 4, (40, 1001))[0]
        assert spread.min() >= 20  # 37 on average
    pongs = {message.request for message in bare.told if isinstance(message, wire.Pong)}
    assert pongs >= set(range(55, 65))


@pytest.mark.parametrize("swallowed", [1, 2, 5])
def test_so_many_starts_never_reach_the_box_whenever_they_come(swallowed: int) -> None:
    sent = {}
    for seed in range(10):
        bare = test_world.Bare(test_world.rig(inputs={}, faults={"swallowed_starts": swallowed}, seed=seed))
        bare.say(wire.Hello(0, wire.PROTOCOL, NONCE), then_s=0.02)
        for run_id in (5, 6):
            start = replace(START, run_id=run_id, body_groups=0)
            while run_id not in bare.world.box.runs_begun:
                sent[seed, run_id] = sent.get((seed, run_id), 0) + 1
                bare.say(start, then_s=0.02)
            bare.say(then_s=2.0)
        assert committed(bare) == [Committed(Fault.SWALLOWED_START, "box", -1)] * swallowed
        assert sent[seed, 5] + sent[seed, 6] == 2 + swallowed
        assert len([message for message in bare.told if isinstance(message, wire.Started)]) == 2
    assert len({sent[seed, 5] for seed in range(10)}) > 1  # now the first run suffers, now the second


def test_a_late_box_is_deaf_until_it_has_booted() -> None:
    bare = world(late_boot_s=1.5)
    hello = wire.Hello(0, wire.PROTOCOL, NONCE)
    bare.say(then_s=1.0)  # the port is not open yet
    for moment in range(14):
        bare.say(hello, then_s=0.1)
        assert bare.told == [], moment
    bare.say(then_s=0.2)
    bare.say(hello, then_s=0.1)
    assert [type(message) for message in bare.told] == [wire.Boot, wire.Identity]
    assert committed(bare) == [Committed(Fault.LATE_BOOT, "box", -1)]
    bare.say(wire.Hello(1, wire.PROTOCOL, NONCE), then_s=0.1)
    assert len(committed(bare)) == 1


def test_the_box_resets_where_it_would_have_sent_the_pulse_once() -> None:
    bare = world(reset_at_pulse=50)
    bare.run(replace(RUN, mode=wire.Mode.TEST_EDGE), 2.0)  # no recording run: nothing happens
    assert committed(bare) == []
    bare.run(replace(RUN, run_id=6), 2.0)
    assert [type(message) for message in bare.told if not isinstance(message, wire.Events)][-1] is wire.Boot
    assert max(event.pulse for event in bare.told_of(6)) == 49
    assert committed(bare) == [Committed(Fault.RESET, "box", 50)]
    bare.run(replace(RUN, run_id=7), 3.0)
    assert [event.pulse for event in bare.told_of(7) if event.kind & 0xF0 == wire.Kind.PULSE] == list(range(36 * 4))
    assert len(committed(bare)) == 1


def test_a_drift_bends_the_clock_of_the_box_and_with_it_the_pulses() -> None:
    """100 ppm in 10 min: after 60 s the rate has changed by 10 ppm, and the box is 0.3 ms ahead."""
    truth = Truth(None)
    bare = test_box.Bare(bridge="ideal", faults=BoxFaults(Faults(drift_ppm=100.0), 1, truth))
    bare.hello()
    bare.say(replace(START, body_groups=1500), then_s=62)
    began_s = bare.rises[0][0] / 1e9
    times_s = np.array([rise[0] for rise in bare.rises]) / 1e9
    box_s = times_s + 100e-6 * times_s**2 / 2 / 600
    slots = [0, 1, 3, *range(6, 1506), 1508, 1510, 1511]
    planned_s = np.array([(4 * slot + i) * 0.01 for slot in slots for i in range(4)])
    ahead_s = box_s - box_s[0] - planned_s
    assert np.abs(ahead_s).max() < 1e-6
    assert times_s[-1] - began_s - planned_s[-1] == pytest.approx(-100e-6 * planned_s[-1] ** 2 / 1200, rel=0.01)
    assert truth.committed == [Committed(Fault.DRIFT, "box", -1)]


def recorded(folder: Path, faults: str, seconds: float = 4) -> Recorded:
    return record(folder, write_rig(folder, faults=faults), write_protocol(folder, ("still", seconds, "all")))


def truth_of(session: Recorded) -> list[tuple[Fault, str, int]]:
    return [(entry.fault, entry.stream, entry.pulse) for entry in read_truth(beside(session.path, "truth.jsonl"))]


def test_a_session_survives_a_late_boot_swallowed_starts_and_lost_bytes(tmp_path: Path) -> None:
    faults = "late_boot_s: 1.5, swallowed_starts: 3, dropped_bytes: 8, first_pulse: 40, last_pulse: 300"
    session = recorded(tmp_path, faults)
    assert session.outcome is Outcome.FINISHED
    assert Counter(fault for fault, _, _ in truth_of(session)) == {
        Fault.LATE_BOOT: 1,
        Fault.SWALLOWED_START: 3,
        Fault.BYTE_TO_HOST: 8,
        Fault.BYTE_TO_BOX: 8,
    }
    assert {name: counts.lost for name, counts in session.counts.items()} == {"HS": 0, "VIS": 0, "NIR": 0}
    with Run(session.path) as run:
        pulses = run.pulses["pulse_number"]
        assert len(set(pulses.tolist())) == len(pulses) < pulses.max() + 1  # some were told in frames that were damaged


def test_a_reset_in_mid_session_loses_what_comes_after_it(tmp_path: Path) -> None:
    session = recorded(tmp_path, "reset_at_pulse: 200")
    assert session.outcome is Outcome.DEVICE_LOST
    assert truth_of(session) == [(Fault.RESET, "box", 200)]
    with Run(session.path) as run:
        assert run.pulses["pulse_number"].max() <= 199
        assert run.streams["HS"].pulse_numbers.tolist() == list(range(200))


def test_a_dead_line_is_a_camera_that_never_delivers(tmp_path: Path) -> None:
    session = recorded(tmp_path, "dead_line: NIR", seconds=1)
    assert truth_of(session) == [(Fault.DEAD_LINE, "NIR", -1)]
    assert session.counts["NIR"].stored == 0
    assert session.counts["HS"].lost == session.counts["VIS"].lost == 0


def test_a_seeded_session_with_faults_of_every_kind_repeats_exactly(tmp_path: Path) -> None:
    faults = "lost_frames: 3, dropped_bytes: 5, swallowed_starts: 2, drift_ppm: 50, first_pulse: 40, last_pulse: 250"
    rows, truths = [], []
    for turn in ("a", "b"):
        folder = tmp_path / turn
        folder.mkdir()
        session = recorded(folder, faults)
        truths.append(truth_of(session))
        with Run(session.path) as run:
            told = run.pulses[["pulse_number", "lines", "box_ticks", "arrived_host_ns"]].tolist()
            rows.append((told, run.streams["HS"].pulse_numbers.tolist()))
    assert rows[0] == rows[1]
    assert truths[0] == truths[1]
    assert len(truths[0]) == 3 + 10 + 2 + 1
