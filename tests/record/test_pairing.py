"""Which pulse a frame belongs to, tried on streams made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.cameras.camera import Baseline
from rig.record.box_times import BoxTimes
from rig.record.pairing import Pairing
from rig.record.pairs import Placed
from rig.streams import NO_COUNTER, NO_PULSE, ClockPair, Edge, Evidence, Frame, Gap, GapCause, Pulse, Status
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
    return Frame("HS", 1, number, ticks, counter, 4000.0, 0, Status.OK, "", ticks, pixels, 0)


def run_through(pairing: Pairing, frames: list[Frame], sent: int | None) -> tuple[list[int], list[Gap]]:
    """Place all frames; the pulses given and the gaps named."""
    placed = [p for f in frames for p in pairing.place(f)] + pairing.ended(sent)
    waited, last = pairing.close(sent, GapCause.UNKNOWN)
    placed += waited
    gaps = [p.gap for p in placed if p.gap] + ([last] if last else [])
    return [p.pulse for p in placed], gaps


def told_times(*, ppm: float = 0.0, offset: int = 12345, plan: PulsePlan = PLAN) -> BoxTimes:
    """The box's clock as told against the host's, which runs as the camera's of `frames_of`."""
    times = BoxTimes(plan)
    times.told_pulse(Pulse(1, 0, 1, 0, offset))
    for k in range(10):
        host_ns = offset + round(k * 200_000_000 * (1 + ppm * 1e-6))
        times.told_pair(ClockPair("box", k * 400_000, k * 400_000, host_ns - 100_000, host_ns + 100_000))
    return times


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
    pulses = [p for p in range(450) if p not in lost]
    pairing = Pairing("HS", 1, PLAN, baseline(), told_times(ppm=ppm))
    given_pulses, gaps = run_through(pairing, frames_of(pulses, ppm=ppm), 450)
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
    pulses = [p for p in range(400) if p != 160]
    frames = [replace(f, counter=i + 1) for i, f in enumerate(frames_of(pulses))]
    pairing = Pairing("HS", 1, PLAN, baseline(counter=0), told_times())
    placed = placed_of(pairing, frames, 400)
    assert {p.pulse for p in placed if p.evidence is Evidence.TIMESTAMPS} == {161}
    assert all(p.evidence is Evidence.COUNTER for p in placed if p.pulse != 161)


def test_after_an_edge_lost_unseen_that_no_arrival_confirms_the_counter_proves_nothing_any_more():
    """Without clock pairs of the box nobody can tell it from a clock that was set by one period."""
    pulses = [p for p in range(200) if p != 60]
    frames = [replace(f, counter=i + 1) for i, f in enumerate(frames_of(pulses))]
    placed = placed_of(Pairing("HS", 1, PLAN, baseline(counter=0)), frames, 200)
    assert [p.pulse for p in placed] == pulses
    assert {p.evidence for p in placed if p.pulse > 60} == {Evidence.TIMESTAMPS}


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
        placed = placed_of(Pairing("HS", 1, PLAN, baseline(counter=counter), told_times()), frames, 10_100)
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


def placed_of(pairing: Pairing, frames: list[Frame], sent: int | None) -> list[Placed]:
    placed = [p for f in frames for p in pairing.place(f)] + pairing.ended(sent)
    waited, _ = pairing.close(sent, GapCause.UNKNOWN)
    return placed + waited


STEPS_S = [-30.0, -1.0, -0.05, -0.013, -0.01, 0.01, 0.013, 0.02, 0.05, 0.3, 0.7, 1.0, 9.5]


@pytest.mark.parametrize("step_s", STEPS_S)
@pytest.mark.parametrize("has_counter", [True, False])
@pytest.mark.parametrize("lost", [set(), {160}])
def test_a_camera_clock_that_is_set_in_mid_run_makes_no_gap_and_is_noted(step_s, has_counter, lost):
    """Number and counter go on; where frame 160 is lost at the same moment, they say that, too."""
    pulses = [p for p in range(400) if p not in lost]
    frames = [replace(f, frame_number=p, counter=p + 1) for f, p in zip(frames_of(pulses), pulses, strict=True)]
    stepped = [
        replace(f, camera_ticks=f.camera_ticks + round(step_s * 1e9)) if p >= 160 else f
        for f, p in zip(frames_of_far_clock(frames), pulses, strict=True)
    ]
    pairing = Pairing("HS", 1, PLAN, baseline(counter=0 if has_counter else NO_COUNTER), told_times())
    placed = placed_of(pairing, stepped, None)
    assert [p.pulse for p in placed] == pulses
    assert [(p.gap.first_pulse, p.gap.last_pulse) for p in placed if p.gap] == [(160, 160)] * len(lost)
    (note,) = [p.note for p in placed if p.note]
    assert f"clock set by {step_s:+.3f} s" in note
    after = {p.evidence for p in placed if p.pulse > 161}
    assert after == {Evidence.COUNTER if has_counter else Evidence.HOST_ARRIVAL}


def frames_of_far_clock(frames: list[Frame]) -> list[Frame]:
    """The same on a clock so far on that it can be set back; they arrive as before."""
    return [replace(f, camera_ticks=f.camera_ticks + 100_000_000_000) for f in frames]


@pytest.mark.parametrize("step_s", [-2.0, 0.02, 0.3, 2.0])
def test_a_clock_that_is_set_where_an_edge_is_lost_is_told_by_a_counter_that_saw_the_edge(step_s):
    """The camera's number went on by one, its counter by two, and its timestamp by neither."""
    pulses = [p for p in range(400) if p != 160]
    frames = [replace(f, counter=p + 1) for f, p in zip(frames_of(pulses), pulses, strict=True)]
    far = frames_of_far_clock(frames)
    stepped = [replace(f, camera_ticks=f.camera_ticks + (f.counter > 160) * round(step_s * 1e9)) for f in far]
    placed = placed_of(Pairing("HS", 1, PLAN, baseline(counter=0), told_times()), stepped, 400)
    assert [p.pulse for p in placed] == pulses


@pytest.mark.parametrize("divisor", [1, 4])
@pytest.mark.parametrize("counts", [True, False])
def test_swallowed_triggers_that_nothing_counts_are_told_from_a_set_clock_by_arrivals(divisor, counts):
    """Frames come up to 60 ms late, the quickest of a second hardly; numbers and counter go on by one each time."""
    pulses = [p for p in range(0, 1200, divisor) if p // divisor % 7 != 5 or p < 60]
    late_ns = [int(6e6 + (i * 7919 % 60) * 1e6) for i in range(len(pulses))]
    frames = [
        replace(f, arrived_host_ns=f.arrived_host_ns + late, counter=i + 1 if counts else NO_COUNTER)
        for i, (f, late) in enumerate(zip(frames_of(pulses), late_ns, strict=True))
    ]
    pairing = Pairing("HS", divisor, PLAN, baseline(counter=0 if counts else NO_COUNTER), told_times())
    assert [p.pulse for p in placed_of(pairing, frames, None)] == pulses


@pytest.mark.parametrize("early", [0, 1, 3])
@pytest.mark.parametrize("lost", [0, 1])
def test_exposures_anchor_a_camera_that_is_back_only_where_no_frame_and_no_edge_is_missing(early, lost):
    """`early`: edges told before it is said to be armed. `lost`: first frames that never came."""
    pairing = Pairing("HS", 1, PLAN, baseline(), told_times())
    for f in frames_of(list(range(300))):
        pairing.place(f)
    pairing.lost()
    pairing.asked_to_return()
    exposed = list(range(360, 600))
    edges = [Edge(1, 0, 1, p, 12345 + due_ns(p) // 500, due_ns(p)) for p in exposed]
    for edge in edges[:early]:
        pairing.exposed(edge)
    latched = ClockPair("camera:HS", 99 + due_ns(355), 99 + due_ns(355), 12345 + due_ns(355), 12345 + due_ns(355))
    pairing.returns(replace(baseline(), clock_pairs=(latched,)))
    for edge in edges[early:]:
        pairing.exposed(edge)
    frames = [replace(f, arrived_host_ns=f.camera_ticks + 12246) for f in frames_of(exposed[lost:], offset=99)]
    placed = [p for f in frames for p in pairing.place(f)]
    assert {p.pulse - true for p, true in zip(placed, exposed[lost:], strict=True) if not p.is_dropped} == {0}
    strongest = Evidence.HOST_ARRIVAL if lost else Evidence.TIMESTAMPS
    assert {p.evidence for p in placed if not p.is_dropped} == {strongest}


def test_a_quickest_frame_that_was_slow_itself_makes_no_set_clock_of_a_lost_frame():
    """The first frame came 0.4 s late and all behind it waited; then frame 23 is lost, and nothing counted it."""
    pulses = [p for p in range(300) if p != 23]
    held_ns = 12345 + 400_000_000
    frames = [replace(f, arrived_host_ns=max(f.arrived_host_ns + 6_000_000, held_ns)) for f in frames_of(pulses)]
    placed = placed_of(Pairing("HS", 1, PLAN, baseline(), told_times()), frames, None)
    assert [p.pulse for p in placed] == pulses


@pytest.mark.parametrize("step_s", [0.01, 0.02, 5.0])
def test_in_the_first_second_a_clock_is_known_to_be_set_when_frames_would_come_before_they_are_exposed(step_s):
    """Exposed for 4 ms, and here 6 ms after their pulses."""
    pulses = list(range(200))
    frames = [replace(f, arrived_host_ns=f.arrived_host_ns + 6_000_000) for f in frames_of(pulses)]
    stepped = [replace(f, camera_ticks=f.camera_ticks + (f.frame_number >= 30) * round(step_s * 1e9)) for f in frames]
    placed = placed_of(Pairing("HS", 1, PLAN, baseline(), told_times()), stepped, None)
    assert [p.pulse for p in placed] == pulses


@pytest.mark.parametrize("step_s", [0.05, 0.3, 5.0])
@pytest.mark.parametrize("after", [3, 20, 60])
def test_a_clock_that_is_set_soon_after_a_loss_that_nothing_counted_is_told_apart_from_it(step_s, after):
    """The early arrivals are of the clock that was set, not of the loss before."""
    pulses = [p for p in range(500) if p != 200]
    stepped = [
        replace(
            f,
            camera_ticks=f.camera_ticks + (p >= 200 + after) * round(step_s * 1e9),
            arrived_host_ns=f.arrived_host_ns + 6_000_000,
        )
        for f, p in zip(frames_of(pulses), pulses, strict=True)
    ]
    placed = placed_of(Pairing("HS", 1, PLAN, baseline(), told_times()), stepped, None)
    assert [p.pulse for p in placed] == pulses


def test_frames_that_wait_when_the_run_closes_are_all_given_out():
    """Held for the end of a body that nobody told, or for a clock in doubt."""
    frames = frames_of([p for p in range(100) if p != 95])
    for held_from in (90, 1000):
        pairing = Pairing("HS", 1, PLAN, baseline())
        placed = [p for f in frames[:85] for p in pairing.place(f)]
        pairing.hold(held_from)
        placed += [p for f in frames[85:] for p in pairing.place(f)]
        waited, _ = pairing.close(None, GapCause.UNKNOWN)
        assert [p.frame for p in placed + waited] == frames
        assert waited


def test_swallowed_triggers_in_a_long_hole_are_no_step_of_the_clock():
    """Numbers go on by one, as the sensor was off; but that time passed shows in when frames arrive."""
    pulses = [p for p in range(600) if not 100 <= p < 400]
    given_pulses, gaps = run_through(Pairing("HS", 1, PLAN, baseline()), frames_of(pulses), 600)
    assert given_pulses == pulses
    assert [(g.first_pulse, g.last_pulse) for g in gaps] == [(100, 399)]


@pytest.mark.parametrize("divisor", [1, 4])
@pytest.mark.parametrize("former", [{"counter": 7}, {"ticks_s": -5}, {"ticks_s": 40}])
def test_a_frame_of_a_former_arm_is_an_extra_before_all_others(divisor, former):
    """It is told by its counter, by a clock that began anew, or by having been exposed before the arm."""
    pulses = list(range(0, 100, divisor))
    frames = [replace(f, counter=i + 1) for i, f in enumerate(frames_of(pulses, offset=50_000_000_000))]
    ticks = frames[0].camera_ticks + former.get("ticks_s", 0) * 1_000_000_000 - ("counter" in former) * 600_000_000
    stale = replace(frames[0], frame_number=9, counter=former.get("counter", 0), camera_ticks=ticks)
    pairs = (ClockPair("camera:HS", 49_900_000_000, 49_900_000_000, 0, 0),) if former.get("ticks_s", 0) < 0 else ()
    start = replace(baseline(counter=0 if "counter" in former else NO_COUNTER), clock_pairs=pairs)
    placed = placed_of(Pairing("HS", divisor, PLAN, start), [stale, *frames], 100)
    assert [p.pulse for p in placed] == [NO_PULSE, *pulses]
    assert (placed[0].after_pulse, placed[0].note) == (NO_PULSE, "is of a former arm")


def test_a_frame_delivered_twice_is_an_extra_after_its_own_pulse():
    frames = frames_of(list(range(0, 200, 4)))
    placed = placed_of(Pairing("HS", 4, PLAN, baseline()), [*frames[:20], frames[19], *frames[20:]], 200)
    assert [(p.pulse, p.after_pulse) for p in placed if p.pulse == NO_PULSE] == [(NO_PULSE, 76)]
    assert [p.gap for p in placed if p.gap] == []


def test_numbers_that_were_not_reset_or_jumped_at_arm_are_no_loss():
    frames = [replace_number(f, f.frame_number + 37) for f in frames_of(list(range(100)))]
    pulses, gaps = run_through(Pairing("HS", 1, PLAN, baseline()), frames, 100)
    assert (pulses, gaps) == (list(range(100)), [])


def test_every_second_trigger_swallowed_leaves_the_others_on_their_pulses():
    pulses = list(range(0, 120, 2))
    given_pulses, gaps = run_through(Pairing("HS", 1, PLAN, baseline()), frames_of(pulses), None)
    assert given_pulses == pulses
    assert [(g.first_pulse, g.last_pulse) for g in gaps] == [(p, p) for p in range(1, 118, 2)]


@pytest.mark.parametrize(
    ("damaged", "cause"), [({50, 51}, GapCause.DAMAGED), ({50}, GapCause.MIXED), (set(), GapCause.LOST_AFTER_EXPOSURE)]
)
def test_damaged_frames_make_a_gap_of_their_own_cause(damaged, cause):
    frames = [replace(f, status=Status.DAMAGED) if p in damaged else f for p, f in enumerate(frames_of([*range(100)]))]
    came = [f for p, f in enumerate(frames) if p in damaged or p not in (50, 51)]
    pulses, gaps = run_through(Pairing("HS", 1, PLAN, baseline()), came, 100)
    assert pulses == [p for p in range(100) if p not in (50, 51)]
    assert gaps == [Gap("HS", 50, 51, cause, 2, 2)]


def test_damaged_frames_at_the_end_are_told_by_their_cause_too():
    frames = frames_of(list(range(100)))
    came = [*frames[:98], *(replace(f, status=Status.DAMAGED) for f in frames[98:])]
    _, gaps = run_through(Pairing("HS", 1, PLAN, baseline()), came, 100)
    assert gaps == [Gap("HS", 98, 99, GapCause.DAMAGED, 0, 2)]
