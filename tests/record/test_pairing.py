"""Which pulse a frame belongs to, tried on streams made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.cameras.camera import Baseline
from rig.errors import DeviceNotReady
from rig.record.pairing import Pairing
from rig.streams import NO_COUNTER, NO_PULSE, Evidence, Frame, Gap, GapCause, Pulse, Status
from rig.trigger.box import LinePlan, PulsePlan

PERIOD_NS = 10_000_000
PLAN = PulsePlan(20_000, (LinePlan(0, 1, 2000), LinePlan(1, 4, 2000)), 18_000)
# Written out from the drawing in trigger/box.py: groups 0, 1, 2 in slots 0, 1, 3, the body from slot 6 on.
SLOTS = {0: 0, 1: 1, 2: 3}


def due_ns(pulse: int, groups: int | None = None) -> int:
    """When a pulse is due after pulse 0, ns; with `groups` of body also in the postamble (3, 2, 1 slots apart)."""
    group, within = divmod(pulse, 4)
    slot = SLOTS.get(group, group + 3)
    if groups is not None and group >= groups + 3:
        slot = 6 + groups + {0: 2, 1: 4, 2: 5}[group - groups - 3]
    return (slot * 4 + within) * PERIOD_NS


def baseline(*, counter: int = NO_COUNTER, modulus: int = 0) -> Baseline:
    return Baseline(1, 0, 1_000_000_000, counter, "Line1" if counter >= 0 else "", {}, number_modulus=modulus)


def frame(number: int, ticks: int, counter: int = NO_COUNTER) -> Frame:
    pixels = np.zeros((1, 1), np.uint8)
    return Frame("HS", 1, number, ticks, counter, 4000.0, 0, Status.OK, "", 0, pixels, 0)


def run_through(pairing: Pairing, frames: list[Frame], sent: int | None) -> tuple[list[int], list[Gap]]:
    """Place all frames; the pulses given and the gaps named."""
    placed = [p for f in frames for p in pairing.place(f)] + pairing.ended(sent)
    last = pairing.close(sent, GapCause.UNKNOWN)
    gaps = [p.gap for p in placed if p.gap] + ([last] if last else [])
    return [p.pulse for p in placed], gaps


def frames_of(pulses: list[int], *, ppm: float = 0.0, offset: int = 12345, groups: int | None = None) -> list[Frame]:
    rate = 1 + ppm * 1e-6
    return [frame(i, offset + round(due_ns(p, groups) * rate)) for i, p in enumerate(pulses)]


@given(st.integers(0, 11), st.floats(-5000, 5000), st.integers(0, 10**15), st.sampled_from([1, 4]))
def test_a_late_armed_camera_is_found_by_the_preamble(missed, ppm, offset, divisor):
    pulses = list(range(0, 120, divisor))[missed // divisor :]
    frames = frames_of(pulses, ppm=ppm, offset=offset)
    given_pulses, gaps = run_through(Pairing("HS", divisor, PLAN, baseline()), frames, 120)
    assert given_pulses == pulses
    first = pulses[0]
    assert [(g.first_pulse, g.last_pulse) for g in gaps] == ([(0, first - divisor)] if first else [])


@given(st.sets(st.integers(12, 299), max_size=40), st.floats(-5000, 5000))
def test_any_lost_frames_leave_the_others_on_their_pulses(lost, ppm):
    pulses = [p for p in range(300) if p not in lost]
    given_pulses, gaps = run_through(Pairing("HS", 1, PLAN, baseline()), frames_of(pulses, ppm=ppm), 300)
    assert given_pulses == pulses
    assert {p for g in gaps for p in range(g.first_pulse, g.last_pulse + 1)} == lost


@pytest.mark.parametrize("groups", [0, 1, 7])
def test_the_postamble_is_placed_once_its_beginning_is_known(groups):
    sent = (groups + 6) * 4
    pairing = Pairing("HS", 1, PLAN, baseline())
    frames = frames_of(list(range(sent)), groups=groups)
    pairing.hold((groups + 3) * 4)
    pulses, gaps = run_through(pairing, frames, sent)
    assert pulses == list(range(sent))
    assert not gaps


def test_a_box_that_was_lost_leaves_the_frames_of_the_body_placed():
    pulses, _ = run_through(Pairing("HS", 1, PLAN, baseline()), frames_of(list(range(200))), None)
    assert pulses == list(range(200))


def test_a_frame_half_a_period_late_is_an_extra_after_its_pulse():
    frames = frames_of(list(range(100)))
    ghost = frame(51, frames[50].camera_ticks + PERIOD_NS // 2)
    frames = [*frames[:51], ghost, *(replace_number(f, f.frame_number + 1) for f in frames[51:])]
    pairing = Pairing("HS", 1, PLAN, baseline())
    placed = [p for f in frames for p in pairing.place(f)] + pairing.ended(100)
    assert [(p.pulse, p.after_pulse) for p in placed if p.pulse == NO_PULSE] == [(NO_PULSE, 50)]
    assert [p.pulse for p in placed if p.pulse != NO_PULSE] == list(range(100))


def replace_number(old: Frame, number: int) -> Frame:
    return replace(old, frame_number=number)


@pytest.mark.parametrize(
    ("jumped", "cause"), [(0, GapCause.NOT_NUMBERED), (1, GapCause.MIXED), (3, GapCause.LOST_AFTER_EXPOSURE)]
)
def test_the_cause_of_a_gap_is_in_the_cameras_own_numbers(jumped, cause):
    frames = frames_of([p for p in range(100) if p not in (50, 51, 52)])
    frames[50:] = [replace_number(f, f.frame_number + jumped) for f in frames[50:]]
    _, gaps = run_through(Pairing("HS", 1, PLAN, baseline()), frames, 100)
    assert gaps == [Gap("HS", 50, 52, cause, jumped, 3)]


def test_numbers_that_wrap_are_no_loss():
    frames = [replace_number(f, f.frame_number % 65536) for f in frames_of(list(range(100)))]
    wrapped = [replace_number(f, (f.frame_number + 65500) % 65536) for f in frames]
    pairing = Pairing("HS", 1, PLAN, replace(baseline(modulus=65536), first_frame_number=65500))
    pulses, gaps = run_through(pairing, wrapped, 100)
    assert pulses == list(range(100))
    assert not gaps


def test_an_edge_lost_on_the_wire_weakens_the_counters_evidence_at_that_frame_alone():
    pulses = [p for p in range(100) if p != 60]
    frames = [replace(f, counter=i + 1) for i, f in enumerate(frames_of(pulses))]
    pairing = Pairing("HS", 1, PLAN, baseline(counter=0))
    placed = [p for f in frames for p in pairing.place(f)] + pairing.ended(100)
    assert {p.pulse for p in placed if p.evidence is Evidence.TIMESTAMPS} == {61}
    assert all(p.evidence is Evidence.COUNTER for p in placed if p.pulse != 61)


def test_a_camera_without_timestamps_is_refused():
    with pytest.raises(DeviceNotReady, match="camera HS: has no timestamps"):
        Pairing("HS", 1, PLAN, replace(baseline(), ticks_hz=0))


def test_the_hole_at_the_end_is_as_long_as_the_pulses_sent():
    _, gaps = run_through(Pairing("HS", 4, PLAN, baseline()), frames_of(list(range(0, 100, 4))), 123)
    assert gaps == [Gap("HS", 100, 120, GapCause.UNKNOWN, 0, 6)]


@given(st.integers(12, 60), st.integers(1, 400), st.floats(-5000, 5000), st.sampled_from([1, 4]))
def test_a_long_hole_early_on_leaves_the_frames_after_it_on_their_pulses(first_lost, length, ppm, divisor):
    pulses = [p for p in range(0, 700, divisor) if not first_lost <= p < first_lost + length]
    given_pulses, _ = run_through(Pairing("HS", divisor, PLAN, baseline()), frames_of(pulses, ppm=ppm), 700)
    assert given_pulses == pulses


@given(st.floats(-5000, 5000))
def test_slow_streams_are_anchored_at_any_rate_of_the_clocks(ppm):
    plan = PulsePlan(20_000, (LinePlan(0, 1, 2000), LinePlan(1, 32, 2000)), 18_000)
    slots = [0, 1, 3, *range(6, 30)]
    ticks = [1000 + round(slot * 32 * PERIOD_NS * (1 + ppm * 1e-6)) for slot in slots]
    pairing = Pairing("VIS", 32, plan, baseline())
    pulses, gaps = run_through(pairing, [frame(i, t) for i, t in enumerate(ticks)], None)
    assert pulses == [i * 32 for i in range(len(slots))]
    assert not gaps


@pytest.mark.parametrize("before_ns", [3_000_000, 5_000_000, 25_000_000])
def test_a_ghost_before_the_first_pulse_is_an_extra_and_spoils_nothing(before_ns):
    frames = frames_of(list(range(100)))
    ghost = frame(0, frames[0].camera_ticks - before_ns)
    numbered = [ghost, *(replace_number(f, f.frame_number + 1) for f in frames)]
    pulses, gaps = run_through(Pairing("HS", 1, PLAN, baseline()), numbered, 100)
    assert pulses == [NO_PULSE, *range(100)]
    assert not gaps


def test_frames_of_a_postamble_whose_place_nobody_knows_get_no_pulse():
    frames = frames_of(list(range(52)), groups=7)
    pairing = Pairing("HS", 1, PLAN, baseline())
    pairing.hold(30)
    pulses, gaps = run_through(pairing, frames, None)
    assert pulses == [*range(30), *[NO_PULSE] * 22]
    assert not gaps


def test_after_a_hole_that_no_clock_can_bridge_only_a_counter_proves_the_pulse():
    pulses = [*range(200), *range(10_000, 10_100)]
    with_counter = [replace(f, counter=p + 1) for f, p in zip(frames_of(pulses), pulses, strict=True)]
    for frames, counter, expected in (
        (frames_of(pulses), NO_COUNTER, Evidence.NONE),
        (with_counter, 0, Evidence.COUNTER),
    ):
        pairing = Pairing("HS", 1, PLAN, baseline(counter=counter))
        placed = [p for f in frames for p in pairing.place(f)]
        assert placed[200].pulse == 10_000
        assert placed[200].evidence is expected


def test_a_choice_without_any_merit_does_not_give_way_to_a_worse_one():
    """Two frames half a period apart: the first is taken as pulse 0, as the fewest assumptions, and nothing else."""
    frames = [frame(0, 1000), frame(1, 1000 + PERIOD_NS // 2)]
    pulses, _ = run_through(Pairing("HS", 1, PLAN, baseline()), frames, None)
    assert pulses == [0, NO_PULSE]


def told_of(pulses: list[int], groups: int, offset: int = 777) -> list[Pulse]:
    """What the box told of pulses: their stamps, in ticks of 0.5 us."""
    return [Pulse(1, p, 1, offset + due_ns(p, groups) // 500, 0) for p in pulses]


@pytest.mark.parametrize("stopped_at", range(40, 44))
def test_frames_held_at_a_stop_belong_to_the_pulses_that_were_told_though_the_end_was_not(stopped_at):
    frames = frames_of(list(range(56)), groups=8)  # 44 to 55 are the postamble
    pairing = Pairing("HS", 1, PLAN, baseline())
    placed = [p for f in frames[:stopped_at] for p in pairing.place(f)]
    pairing.hold(stopped_at)
    placed += [p for f in frames[stopped_at:] for p in pairing.place(f)]
    told = told_of([stopped_at - 1, *range(stopped_at, 45), 47, 48, 49, 50], groups=8)
    placed += pairing.ended(None, told)
    assert [p.pulse for p in placed] == [*range(51), *[NO_PULSE] * 5]
    assert {p.evidence for p in placed[51:]} == {Evidence.NONE}
    assert [p.gap for p in placed if p.gap] == []


def test_a_frame_that_no_told_pulse_explains_is_of_no_known_pulse_and_the_next_one_is_placed():
    frames = frames_of(list(range(56)), groups=8)
    pairing = Pairing("HS", 1, PLAN, baseline())
    placed = [p for f in frames[:40] for p in pairing.place(f)]
    pairing.hold(40)
    placed += [p for f in frames[40:] for p in pairing.place(f)]
    placed += pairing.ended(None, told_of([39, 40, 41, 46, 47, 48], groups=8))  # a silence lies somewhere in 42 to 45
    assert [p.pulse for p in placed[38:]] == [38, 39, 40, 41, *[NO_PULSE] * 4, 46, 47, 48, *[NO_PULSE] * 7]
