"""Keys of rig.yaml that do not fit together are told with their lines, and none of them hides another."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.config.rig import look_at_rig, read_rig
from rig.config.rules import OWN_KEYS, RIG_SETS
from rig.errors import ConfigError, ProblemList, UserError
from rig.record.abilities import beyond_box
from rig.sim.pulses import refusal_of
from rig.streams import DeviceInfo
from rig.trigger.box import LinePlan, PulsePlan, RunMode
from rig.trigger.driver import start_message
from tests.trigger.benches import virtual_rig

RIG = """\
schema: 1
name: small
box: {port: sim://small, rate_hz: 100, led_phase_us: 9000}
cameras:
  HS: {CAMERA, serial: a, line: 0, divisor: 1, pulse_width_us: 1000, exposure_us: 4000}
  VIS: {CAMERA, serial: b, line: 1, divisor: 4, pulse_width_us: 2000, exposure_us: 8000}
  NIR: {CAMERA, serial: c, line: 2, divisor: 4, pulse_width_us: 3000, exposure_us: 8000}
screen: {backend: simulated, width: 960, height: 540, refresh_hz: 60}
simulation: {seed: 1, faults: {lost_frames: 3, first_pulse: 40, last_pulse: 80}}
""".replace("CAMERA", "backend: simulated, width: 96, height: 64")
HS, VIS, NIR = "serial: a, ", "serial: b, ", "serial: c, "


def edited(text: str, line_with: str, old: str, new: str) -> str:
    lines = text.splitlines(keepends=True)
    (index,) = [i for i, line in enumerate(lines) if line_with in line]
    assert old in lines[index]
    lines[index] = lines[index].replace(old, new)
    return "".join(lines)


def told(folder: Path, text: str) -> list[str]:
    path = folder / "rig.yaml"
    path.write_text(text)
    return [str(problem).replace(f"{folder}/", "") for problem in look_at_rig(path).problems]


# name: (line to edit, old, new, what is told)
TOGETHER = {
    "line": (
        NIR,
        "line: 2",
        "line: 1",
        "rig.yaml:7: cameras.NIR.line: 1 is used twice; a trigger line of its own for each camera; VIS has this one",
    ),
    "no base line": (HS, "divisor: 1", "divisor: 2", "rig.yaml:4: cameras: no camera has divisor 1; the base rate is"),
    "group": (
        NIR,
        "divisor: 4",
        "divisor: 67",
        "rig.yaml:4: cameras: the divisors 1, 4, 67 meet again only after 268 pulses; after at most 255",
    ),
    "slowest": (
        NIR,
        "divisor: 4",
        "divisor: 26",
        "rig.yaml:4: cameras: the divisors 1, 4, 26 meet again only after 0.52 s; after at most 0.255 s, which is 25 "
        "pulses at 100 Hz",
    ),
    "long pulse": (
        VIS,
        "pulse_width_us: 2000",
        "pulse_width_us: 9969",
        "rig.yaml:6: cameras.VIS.pulse_width_us: 9969 is not allowed; at least 32 us shorter than the base period of "
        "10000 us",
    ),
    "late LED": (
        "box:",
        "led_phase_us: 9000",
        "led_phase_us: 9969",
        "rig.yaml:3: box.led_phase_us: 9969 is not allowed; at least 32 us shorter than the base period",
    ),
    "LED beside the end of a pulse": (
        VIS,
        "pulse_width_us: 2000",
        "pulse_width_us: 9031",
        "rig.yaml:6: cameras.VIS.pulse_width_us: 9031 is not allowed; the same as box.led_phase_us (9000), or at least "
        "32 us from it",
    ),
    "ends of pulses": (
        NIR,
        "pulse_width_us: 3000",
        "pulse_width_us: 2031",
        "rig.yaml:7: cameras.NIR.pulse_width_us: 2031 is not allowed; the same as cameras.VIS.pulse_width_us (2000)",
    ),
    "fast camera's exposure": (
        HS,
        "exposure_us: 4000",
        "exposure_us: 9900.5",
        "rig.yaml:5: cameras.HS.exposure_us: 9900.5 is not allowed; at most 9900 us, as a pulse comes every 10000 us",
    ),
    "exposure into the change of the LEDs": (
        HS,
        "exposure_us: 4000",
        "exposure_us: 8000, start_delay_us: 1000",
        "rig.yaml:5: cameras.HS.exposure_us: 8000 is not allowed; less than box.led_phase_us (9000) together with "
        "start_delay_us (1000)",
    ),
    "exposure into the change of the LEDs, of a camera whose delay is not declared": (
        HS,
        "exposure_us: 4000",
        "exposure_us: 9500",
        "rig.yaml:5: cameras.HS.exposure_us: 9500 is not allowed; less than box.led_phase_us (9000) together with "
        "start_delay_us (0)",
    ),
    "slow camera's exposure": (
        NIR,
        "exposure_us: 8000",
        "exposure_us: 39901",
        "rig.yaml:7: cameras.NIR.exposure_us: 39901 is not allowed; at most 39900 us, as a pulse comes every 40000 us",
    ),
    "too many faults": (  # 41 + 11 + 11 places
        "simulation",
        "lost_frames: 3",
        "lost_frames: 3, lost_pulses: 61",
        "rig.yaml:9: simulation.faults: 64 faults are too many; at most 63, one for each pulse of each camera from 40",
    ),
    "too many lost bytes": (
        "simulation",
        "lost_frames: 3",
        "dropped_bytes: 42",
        "rig.yaml:9: simulation.faults.dropped_bytes: 42 is not allowed; at most 41, one for each pulse from 40 to 80",
    ),
    "width as a feature": (
        HS,
        "line: 0,",
        "line: 0, features: {Gain: 1.0, Width: 96},",
        "rig.yaml:5: cameras.HS.features.Width: is not allowed here; cameras.HS.width instead",
    ),
    "exposure as a feature of an older camera": (
        NIR,
        "line: 2,",
        "line: 2, features: {ExposureTimeAbs: 8000.0},",
        "rig.yaml:7: cameras.NIR.features.ExposureTimeAbs: is not allowed here; cameras.NIR.exposure_us instead",
    ),
    "trigger mode as a feature": (
        VIS,
        "line: 1,",
        "line: 1, features: {TriggerMode: Off},",
        "rig.yaml:6: cameras.VIS.features.TriggerMode: is not allowed here; nothing: the rig sets it as a recording",
    ),
    "wires of a simulated box": (
        "simulation",
        "seed: 1",
        "seed: 1, wires: w",
        "rig.yaml:9: simulation.wires: w is not allowed; no sim:// port (box.port is sim://small): the simulated box",
    ),
    "order of faults": (
        "simulation",
        "last_pulse: 80",
        "last_pulse: 39",
        "rig.yaml:9: simulation.faults: last_pulse (39) is before first_pulse (40)",
    ),
}
ALONE = {
    "unknown key": ("schema", "schema: 1", "schema: 1\ncolour: red", "colour: is an unknown key"),
    "unknown key in a camera": (VIS, "serial: b", "colour: red, serial: b", "cameras.VIS.colour: is an unknown key"),
    "wrong type": (HS, "width: 96", "width: wide", "cameras.HS.width: 'wide' is not allowed"),
    "not finite": (NIR, "height: 64", "height: .nan", "cameras.NIR.height: .nan is not allowed"),
    "missing": ("screen", "refresh_hz: 60", "patch_px: 40", "screen.refresh_hz: is missing"),
    "wrong name": ("serial: c", "NIR:", "nir:", "cameras.nir: 'nir' is not allowed"),
    "wrong seed": ("simulation", "seed: 1", "seed: x", "simulation.seed: 'x' is not allowed"),
}


@pytest.mark.parametrize("feature", [*OWN_KEYS, *RIG_SETS])
def test_no_feature_is_asked_for_beside_its_key_whatever_its_value(feature: str, tmp_path: Path) -> None:
    (problem,) = told(tmp_path, edited(RIG, VIS, "line: 1,", f"line: 1, features: {{{feature}: 96}},"))
    assert problem.startswith(f"rig.yaml:6: cameras.VIS.features.{feature}: is not allowed here; ")


def test_the_rig_that_the_mistakes_are_made_in_is_right(tmp_path: Path) -> None:
    assert told(tmp_path, RIG) == []


@pytest.mark.parametrize("name", TOGETHER)
def test_keys_that_do_not_fit_together_are_told_with_their_line(name: str, tmp_path: Path) -> None:
    line, old, new, message = TOGETHER[name]
    (first,) = told(tmp_path, edited(RIG, line, old, new))
    assert first.startswith(message)


@pytest.mark.parametrize(("together", "alone"), list(product(TOGETHER, ALONE)))
def test_a_mistake_in_one_key_hides_none_between_several(together: str, alone: str, tmp_path: Path) -> None:
    line, old, new, message = TOGETHER[together]
    key_line, key_old, key_new, key_message = ALONE[alone]
    both = edited(edited(RIG, line, old, new), key_line, key_old, key_new)
    problems = told(tmp_path, both)
    assert len(problems) == 2
    place, what = message.split(": ", 1)
    line_after = int(place.split(":")[1]) + (alone == "unknown key" and line != "schema")
    what = what.replace("NIR", "nir") if alone == "wrong name" else what
    assert any(problem.startswith(f"rig.yaml:{line_after}: {what}") for problem in problems), problems
    assert any(key_message in problem for problem in problems), problems


def test_every_camera_on_a_shared_line_is_named(tmp_path: Path) -> None:
    text = edited(edited(RIG, NIR, "line: 2", "line: 0"), VIS, "line: 1", "line: 0")
    assert [m.split(" is")[0] for m in told(tmp_path, text)] == [
        "rig.yaml:6: cameras.VIS.line: 0",
        "rig.yaml:7: cameras.NIR.line: 0",
    ]


def test_a_ghost_needs_room_between_two_exposures(tmp_path: Path) -> None:
    text = edited(RIG, "simulation", "lost_frames: 3", "ghost_frames: 1")
    assert told(tmp_path, edited(text, HS, "exposure_us: 4000", "exposure_us: 4900")) == []
    (message,) = told(tmp_path, edited(text, HS, "exposure_us: 4000", "exposure_us: 4901"))
    assert message.startswith("rig.yaml:5: cameras.HS.exposure_us: 4901 is not allowed; at most 4900 us, as a pulse")


def test_a_dead_line_is_that_of_a_camera(tmp_path: Path) -> None:
    assert told(tmp_path, edited(RIG, "simulation", "lost_frames: 3", "dead_line: NIR")) == []
    (message,) = told(tmp_path, edited(RIG, "simulation", "lost_frames: 3", "dead_line: UV"))
    assert message == "rig.yaml:9: simulation.faults.dead_line: UV is no camera of this rig; HS, VIS, NIR"


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ("falling_edge: NIR", "falling_edge: UV", "falling_edge: UV is no camera of this rig; HS, VIS, NIR"),
        ("free_run: NIR", "free_run: UV", "free_run: UV is no camera of this rig; HS, VIS, NIR"),
        ("clock_ppm: {HS: 1}", "clock_ppm: {UV: 1}", "clock_ppm.UV: UV is no camera of this rig; HS, VIS, NIR"),
        (
            "swapped_cables: [VIS, NIR]",
            "swapped_cables: [VIS, UV]",
            "swapped_cables.1: UV is no camera of this rig; HS, VIS, NIR",
        ),
        (
            "swapped_cables: []",
            "swapped_cables: [VIS]",
            "swapped_cables: is not allowed; two different cameras, such as [VIS, NIR]",
        ),
        (
            "swapped_cables: [NIR, HS]",
            "swapped_cables: [VIS, VIS]",
            "swapped_cables: is not allowed; two different cameras, such as [VIS, NIR]",
        ),
        (
            "start_jitter_us: {HS: 1000}",
            "start_jitter_us: {HS: 1001}",
            "start_jitter_us.HS: 1001 is not allowed; us, 0 to 1000",
        ),
    ],
)
def test_a_fault_of_a_camera_by_its_name_is_of_one_that_is_there(
    tmp_path: Path, good: str, bad: str, message: str
) -> None:
    assert told(tmp_path, edited(RIG, "simulation", "lost_frames: 3", good)) == []
    problems = told(tmp_path, edited(RIG, "simulation", "lost_frames: 3", bad))
    assert problems == [f"rig.yaml:9: simulation.faults.{message}"]


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ("x: 56", "x: 57", "leds.x: 57 is not allowed; at most 56, as the LEDs take 40 px of the picture's 96"),
        ("y: 56", "y: 57", "leds.y: 57 is not allowed; at most 56, as the LEDs take 8 px of the picture's 64"),
        ("spacing_px: 8", "spacing_px: 7", "leds.spacing_px: 7 is not allowed; at least size_px (8)"),
        ("x: 1}, pre_rendered: 0, leds2: {", "x: 1}, pre_rendered: 9, leds2: {", "leds: is not allowed; only without"),
    ],
)
def test_placed_leds_lie_in_the_picture_beside_each_other(tmp_path: Path, good: str, bad: str, message: str) -> None:
    def problems(leds: str) -> list[str]:
        seen = f"simulated: {{leds: {{{leds}}}}}".replace(", leds2: {}", "")
        return told(tmp_path, edited(RIG, VIS, "width: 96", f"{seen}, width: 96"))

    assert problems(good) == []
    (problem,) = problems(bad)
    assert problem.startswith(f"rig.yaml:6: cameras.VIS.simulated.{message}")


def test_the_last_lost_byte_that_has_a_pulse_is_allowed(tmp_path: Path) -> None:
    assert told(tmp_path, edited(RIG, "simulation", "lost_frames: 3", "dropped_bytes: 41")) == []


def test_an_input_hears_either_a_signal_or_line_0(tmp_path: Path) -> None:
    text = edited(RIG, "box", "rate_hz: 100", "rate_hz: 100, inputs: {photodiode: 5, HS: 0}")
    assert told(tmp_path, edited(text, "simulation", "seed: 1", "seed: 1, loop_back: 4")) == []
    (message,) = told(tmp_path, edited(text, "simulation", "seed: 1", "seed: 1, loop_back: 5"))
    allowed = "an input that nothing is wired to; photodiode has this one"
    assert message == f"rig.yaml:9: simulation.loop_back: 5 is not allowed; {allowed}"


def test_a_box_outside_the_simulation_has_its_own_port_and_no_faults_of_the_simulated_one(tmp_path: Path) -> None:
    outside = edited(edited(RIG, "simulation", "seed: 1", "seed: 1, wires: w"), "box", "sim://small", "/dev/ttyACM0")
    assert told(tmp_path, outside) == []
    faults = "dropped_bytes: 1, swallowed_starts: 1, late_boot_s: 1, reset_at_pulse: 50, drift_ppm: 1"
    text = edited(outside, "simulation", "lost_frames: 3", faults)
    messages = told(tmp_path, edited(text, "simulation", "seed: 1", "seed: 1, loop_back: 0"))
    keys = ["loop_back", *(f"faults.{fault.split(':')[0]}" for fault in faults.split(", "))]
    says = "is not possible with simulation.wires; only with a sim:// box"
    assert messages == [f"rig.yaml:9: simulation.{key}: {says}" for key in keys]


def test_what_could_not_be_looked_at_is_said_to_have_more(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There may be more to mend behind it"):
        told(tmp_path, RIG + "  x: 1\n y")


@pytest.mark.parametrize("more", ["{serial: SERIAL}", "{CAMERA, serial: SERIAL, line: 8, divisor: 1, exposure_us: 1}"])
def test_too_many_cameras_are_told_whatever_else_is_wrong(more: str, tmp_path: Path) -> None:
    more = more.replace("CAMERA", "backend: simulated, width: 96, height: 64")
    cameras = "".join(f"  UV{i}: {more.replace('SERIAL', f'x{i}')}\n" for i in range(6))
    problems = told(tmp_path, edited(RIG, "screen", "screen", f"{cameras}screen"))
    (message,) = [problem for problem in problems if problem.startswith("rig.yaml:4")]
    assert message.startswith("rig.yaml:4: cameras: a group of keys is not allowed; one to eight cameras")


LIMIT_S = 0.255  # of the slowest period; beyond what the box refuses
SIMULATED_BOX = DeviceInfo(
    "box", "rig", "simulated box", "SIM1", "1", simulated=True, capabilities={"group_pulses": 64}
)


@st.composite
def boxes(draw: st.DrawFn) -> dict[str, Any]:
    """Rates, divisors and pulses around every limit of the box; of each key only what it may be by itself."""
    rate_hz = draw(st.one_of(st.sampled_from([30.52, 100, 200, 250, 999.7, 1000]), st.floats(30.52, 1000)))
    period_us = round(2e6 / rate_hz) // 2
    near = st.integers(min(period_us - 40, 31900), min(period_us + 5, 32000))
    at_us = st.one_of(near, st.integers(100, 200), st.integers(980, 1050), st.integers(100, 32000))
    divisors = st.one_of(st.sampled_from([1, 1, 2, 4, 8, 64, 65, 255]), st.integers(1, 255))
    lines = draw(st.lists(st.tuples(divisors, at_us), min_size=1, max_size=3))
    return {"rate_hz": rate_hz, "led_phase_us": draw(at_us), "lines": lines}


def rig_of_box(box: dict[str, Any]) -> dict[str, Any]:
    camera = {"backend": "simulated", "exposure_us": 1, "width": 96, "height": 64}
    return {
        "schema": 1,
        "name": "random",
        "box": {"port": "sim://random", "rate_hz": box["rate_hz"], "led_phase_us": box["led_phase_us"]},
        "cameras": {
            f"C{line}": camera | {"serial": f"s{line}", "line": line, "divisor": divisor, "pulse_width_us": width_us}
            for line, (divisor, width_us) in enumerate(box["lines"])
        },
        "screen": {"backend": "simulated", "width": 960, "height": 540, "refresh_hz": 60},
        "simulation": {"seed": 1},
    }


def as_yaml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {as_yaml(part)}" for key, part in value.items()) + "}"
    return str(value)


def is_taken(folder: Path, data: dict[str, Any]) -> bool:
    """Whether this rig is read, and nothing of it is beyond a box that says what the simulated one says."""
    path = folder / "random.yaml"
    path.write_text("\n".join(f"{key}: {as_yaml(part)}" for key, part in data.items()))
    try:
        return beyond_box(read_rig(path), SIMULATED_BOX) == []
    except (ConfigError, ProblemList):
        return False


def is_sent(box: dict[str, Any]) -> tuple[bool, float]:
    """Whether the simulated box takes the STARTs of this rig, and its slowest period in s."""
    period_ticks = round(2e6 / box["rate_hz"])
    lines = tuple(LinePlan(line, divisor, 2 * width_us) for line, (divisor, width_us) in enumerate(box["lines"]))
    plan = PulsePlan(period_ticks, lines, 2 * box["led_phase_us"])
    starts = [start_message(each, request=1, nonce=1, run_id=1) for each in (plan, replace(plan, mode=RunMode.WALK))]
    return all(refusal_of(start) is None for start in starts), plan.slot_ticks / 2e6


@pytest.mark.parametrize(
    ("rate_hz", "led_phase_us", "lines", "taken"),
    [
        (1000, 500, [(1, 968)], True),
        (1000, 500, [(1, 969)], False),
        (1000, 968, [(1, 500)], True),
        (1000, 969, [(1, 500)], False),
        (100, 532, [(1, 500)], True),
        (100, 531, [(1, 500)], False),
        (100, 9000, [(1, 500), (1, 532)], True),
        (100, 9000, [(1, 500), (1, 531)], False),
        (1000, 500, [(1, 500), (64, 500)], True),
        (1000, 500, [(1, 500), (64, 500), (3, 500)], False),
        (100, 9000, [(1, 500), (25, 500)], True),
        (100, 9000, [(1, 500), (26, 500)], False),
        (100, 9000, [(2, 500), (4, 500)], False),
    ],
)
def test_the_last_that_is_allowed_is_taken(
    rate_hz: int, led_phase_us: int, lines: list[tuple[int, int]], taken: bool, tmp_path: Path
) -> None:
    box = {"rate_hz": rate_hz, "led_phase_us": led_phase_us, "lines": lines}
    sent, slowest_s = is_sent(box)
    assert is_taken(tmp_path, rig_of_box(box)) == taken == (sent and slowest_s <= LIMIT_S)


@given(box=boxes())
def test_a_rig_is_taken_exactly_when_the_box_sends_its_pulses(
    box: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    sent, slowest_s = is_sent(box)
    assert is_taken(tmp_path_factory.getbasetemp(), rig_of_box(box)) == (sent and slowest_s <= LIMIT_S)


def test_the_simulated_box_says_how_long_its_groups_may_be() -> None:
    with virtual_rig() as virtual:
        assert virtual.box.describe().declared("group_pulses") == SIMULATED_BOX.declared("group_pulses")


def test_divisors_up_to_255_are_read_and_left_to_the_box(tmp_path: Path) -> None:
    """A box of another make may count further than ours."""
    data = rig_of_box({"rate_hz": 1000, "led_phase_us": 500, "lines": [(1, 500), (255, 500)]})
    assert not is_taken(tmp_path, data)
    other = replace(SIMULATED_BOX, capabilities={"group_pulses": 255})
    assert beyond_box(read_rig(tmp_path / "random.yaml"), other) == []
    (problem,) = beyond_box(read_rig(tmp_path / "random.yaml"), SIMULATED_BOX)
    told = "random.yaml:4: cameras: the divisors 1, 255 meet again only after 255 pulses; after at most 64 with the box"
    assert str(problem).replace(f"{tmp_path}/", "") == f"{told} at sim://random"


def _backend(text: str, backend: str, *, source: str = "") -> str:
    """HS by another driver."""
    text = edited(text, HS, "backend: simulated", f"backend: {backend}")
    return edited(text, HS, "line: 0", f"line: 0, trigger_source: {source}") if source else text


def test_every_camera_can_hear_its_box(tmp_path: Path) -> None:
    real = RIG.replace("backend: simulated, width: 96, h", "backend: basler, width: 96, h")
    assert told(tmp_path, edited(real, "box", "sim://small", "/dev/rig-box")) == []
    assert told(tmp_path, _backend(RIG, "basler-emulation", source="Software")) == []
    (message,) = told(tmp_path, _backend(RIG, "basler"))
    says = "basler is not allowed; with a real box, as a simulated one fires no real camera"
    assert message == f"rig.yaml:5: cameras.HS.backend: {says}"
    box = edited(RIG, "box", "sim://small", "/dev/rig-box")
    messages = told(tmp_path, _backend(box, "basler-emulation", source="Software"))
    says = "simulated is not allowed; with a sim:// box, or with simulation.wires"
    assert messages == [
        "rig.yaml:5: cameras.HS.backend: basler-emulation is not allowed; with a sim:// box",
        f"rig.yaml:6: cameras.VIS.backend: {says}",
        f"rig.yaml:7: cameras.NIR.backend: {says}",
    ]


def test_only_the_emulation_is_triggered_by_software(tmp_path: Path) -> None:
    (message,) = told(tmp_path, _backend(RIG, "basler-emulation"))
    says = "rig.yaml:5: cameras.HS.trigger_source: Line1 is not allowed; Software with backend basler-emulation"
    assert message == says
    (message,) = told(tmp_path, _backend(RIG, "simulated", source="Software"))
    says = "rig.yaml:5: cameras.HS.trigger_source: Software is not allowed; Line1 to Line9 with backend simulated"
    assert message == says


def test_random_rigs_are_of_both_kinds(tmp_path: Path) -> None:
    """The same comparison over more rigs, and proof that it is no comparison of refusals alone."""
    random, answers = Random(1), set()
    for _ in range(150):
        rate_hz = random.choice([31, 50, 100, 100, 200, 500, 1000, random.uniform(30.52, 1000)])
        edges = [random.choice([100, 500, 900, 950, 968, 969, 1000, 1031, 1032, 9000]) for _ in range(4)]
        lines = [(random.choice([1, 1, 2, 4, 5, 8, 25, 26, 64, 65]), edge) for edge in edges[: random.randint(1, 3)]]
        box = {"rate_hz": rate_hz, "led_phase_us": edges[3], "lines": lines}
        sent, slowest_s = is_sent(box)
        answer = is_taken(tmp_path, rig_of_box(box))
        assert answer == (sent and slowest_s <= LIMIT_S), box
        answers.add((answer, sent))
    assert answers == {(True, True), (False, False), (False, True)}


ODD = ["", "null", "x", "-1", "0", "true", "{}", "[]", "[1, x]", "{a: 1}", "1.5", "'4'", ".inf", "&a 1", "99999999999"]


@given(data=st.data())
def test_a_rig_with_odd_values_in_any_places_is_told_about(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    words = RIG.split(" ")
    for _ in range(data.draw(st.integers(1, 3))):
        index = data.draw(st.integers(0, len(words) - 1))
        end = words[index][len(words[index].rstrip(",}\n")) :]
        words[index] = data.draw(st.sampled_from(ODD)) + end
    path = tmp_path_factory.getbasetemp() / "odd.yaml"
    path.write_text(" ".join(words))
    try:
        look_at_rig(path)
    except UserError:
        pass


def test_only_a_simulated_camera_says_what_it_is_made_of(tmp_path: Path) -> None:
    text = edited(RIG, HS, HS, f"{HS}simulated: {{shutter: rolling}}, ")
    assert told(tmp_path, text) == []
    found = told(tmp_path, edited(text, HS, "backend: simulated", "backend: basler"))
    allowed = "only with backend simulated; this one is basler"
    assert [problem for problem in found if ".simulated" in problem] == [
        f"rig.yaml:5: cameras.HS.simulated: is not allowed; {allowed}"
    ]


def test_the_buffers_of_simulated_cameras_have_room_in_memory(tmp_path: Path) -> None:
    """HS has room for 400 pictures, VIS and NIR for 100 each of 96x64; 4 GiB are 400 of 10.7 MB."""
    size = "width: 96, height: 64"
    assert told(tmp_path, edited(RIG, HS, size, "width: 4096, height: 2600")) == []  # 4.26 GB
    (message,) = told(tmp_path, edited(RIG, HS, size, "width: 4096, height: 2700"))  # 4.42 GB
    assert message == (
        "rig.yaml:4: cameras: the buffers of simulated cameras take 4.1 GiB; at most 4 GiB for 4 s "
        "(HS 4.1, VIS 0.0, NIR 0.0). Lower width or height of the largest, or box.rate_hz"
    )
    deep = "width: 4096, height: 2600, pixel_format: Mono12"
    assert "take 7.9 GiB" in told(tmp_path, edited(RIG, HS, size, deep))[0]
    large = edited(RIG, VIS, size, "width: 8192, height: 8192")
    assert "VIS 6.2" in told(tmp_path, large)[0]
    assert told(tmp_path, edited(large, VIS, "divisor: 4", "divisor: 20")) == []  # twenty pictures of 64 MiB
    real = edited(large, VIS, "backend: simulated", "backend: basler")
    assert "GiB" not in " ".join(told(tmp_path, real))
