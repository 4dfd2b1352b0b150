"""rig.yaml against its model: every field refuses what it cannot mean, in words a lab member understands."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.config.rig import read_rig
from rig.errors import ProblemList, UserError

DEMO = (
    (Path(__file__).parents[2] / "calibration/demo/rig.yaml").read_text().partition("\n")[2]
)  # without the line for editors
SENSOR = "spectrum: visible, shutter: rolling, row_time_us: 9, full_well_e: 9000, read_noise_e: 7, "
SENSOR += "black_level: 5, white_exposure_us: 3000, blur_px: 1.5, nir_leak_percent: 6, timestamps: true, "
SENSOR += "leds: {in_view: true, x: 10, y: 30, size_px: 4, spacing_px: 11, contrast: 0.1}, counter: frame"
EVERYTHING = DEMO.replace(
    "SIM-HS, line: 0,", "SIM-HS, line: 0, pulse_width_us: 1000, features: {Gain: 1.5, Name: x, On: true},"
)
EVERYTHING = EVERYTHING.replace("height: 480}", f"height: 480, simulated: {{{SENSOR}}}}}", 1)
EVERYTHING = EVERYTHING.replace("  rate_hz: 100\n", "  rate_hz: 100\n  led_phase_us: 9000\n")
EVERYTHING += "  scene: chart\n  box_ppm: 80\n  display_latency_ms: 12\n  display_jitter_ms: 2\n"
EVERYTHING += "  ripple_percent: 5\n  mains_hz: 49.98\n  strobed_lamps: true\n"
EVERYTHING += "  loop_back: 4\n  faults: {lost_frames: 1, lost_pulses: 2, ghost_frames: 3, dropped_bytes: 4, "
EVERYTHING += "swallowed_starts: 5, dead_line: VIS, late_boot_s: 1.5, reset_at_pulse: 50, drift_ppm: 30, "
EVERYTHING += "frozen_frames: 6, clock_steps_back: 7, ghost_swallows: 8, swapped_cables: [HS, VIS], "
EVERYTHING += "falling_edge: NIR, undeclared_delay_us: {HS: 300}, start_jitter_us: {HS: 20, VIS: 21.5}, "
EVERYTHING += "timestamp_jitter_us: {VIS: 22}, clock_ppm: {NIR: -5000}, free_run: VIS, free_run_hz: 25.0545, "
EVERYTHING += "free_run_pulse: 200, photodiode_off: true, skipped_film_frames: 9, held_film_frames: 10, "
EVERYTHING += "dropped_flips: 11, late_flips: 12, first_pulse: 40, last_pulse: 1000}\n"

WHOLE = {
    "photodiode": "5",
    "led_phase_us": "9000",
    "line": "0",
    "divisor": "1",
    "pulse_width_us": "1000",
    "width": "640",
    "height": "480",
    "patch_px": "40",
    "seed": "1",
    "lost_frames": "1",
    "lost_pulses": "2",
    "ghost_frames": "3",
    "loop_back": "4",
    "dropped_bytes": "4",
    "swallowed_starts": "5",
    "reset_at_pulse": "50",
    "size_px": "4",
    "spacing_px": "11",
    "frozen_frames": "6",
    "clock_steps_back": "7",
    "ghost_swallows": "8",
    "free_run_pulse": "200",
    "skipped_film_frames": "9",
    "held_film_frames": "10",
    "dropped_flips": "11",
    "late_flips": "12",
    "first_pulse": "40",
    "last_pulse": "1000",
}
REAL = {
    "rate_hz": "100",
    "exposure_us": "4000",
    "refresh_hz": "60",
    "row_time_us": "9",
    "full_well_e": "9000",
    "read_noise_e": "7",
    "black_level": "5",
    "white_exposure_us": "3000",
    "box_ppm": "80",
    "display_latency_ms": "12",
    "late_boot_s": "1.5",
    "drift_ppm": "30",
    "display_jitter_ms": "2",
    "ripple_percent": "5",
    "mains_hz": "49.98",
    "blur_px": "1.5",
    "nir_leak_percent": "6",
    "contrast": "0.1",
    "free_run_hz": "25.0545",
}
NO_NUMBER = ["nan", ".nan", ".inf", "-.inf", "1e400", "true", "'25'", "007", "1_000", "0x10", "null", "[1]", "{a: 1}"]
TOO_LARGE = ["1000000000", "-1000000000", "9" * 30]
NO_WHOLE = ["1.0", "1.5"]


def told(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "rig.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_rig(path)
    problems = caught.value.problems if isinstance(caught.value, ProblemList) else [caught.value]
    return [str(problem).replace(f"{tmp_path}/", "") for problem in problems]


def changed(old: str, new: str, text: str = DEMO) -> str:
    assert old in text
    return text.replace(old, new, 1)


def test_the_shipped_rig_and_one_with_every_key_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rig.yaml"
    path.write_text(EVERYTHING)
    file = read_rig(path)
    assert file.rig.cameras["HS"].features == {"Gain": 1.5, "Name": "x", "On": True}
    assert (file.rig.group, file.rig.box.period_ticks, file.folder) == (4, 20_000, tmp_path)
    assert file.rig.simulation is not None
    assert file.rig.simulation.faults.ghost_frames == 3
    assert file.rig.simulation.scene == "chart"
    assert file.rig.cameras["HS"].simulated.shutter == "rolling"
    assert file.rig.simulation.faults.start_jitter_us == {"HS": 20, "VIS": 21.5}


ENDLESS = {"seed"}  # no upper end but that of the file's numbers
OPTIONAL = {"loop_back", "reset_at_pulse", "white_exposure_us", "free_run_pulse"}  # null leaves them out


def fields_without(bad: str) -> dict[str, str]:
    """The fields in which this is no such number, and what they hold."""
    fields = WHOLE if bad in NO_WHOLE else WHOLE | REAL
    allowed = {"null": OPTIONAL, "1000000000": ENDLESS}.get(bad, set())
    return {field: good for field, good in fields.items() if field not in allowed}


@pytest.mark.parametrize("bad", [*NO_NUMBER, *TOO_LARGE, *NO_WHOLE])
def test_each_number_field_refuses_what_is_no_such_number(bad: str, tmp_path: Path) -> None:
    """All at once: none hides another."""
    text, fields = EVERYTHING, fields_without(bad)
    for field, good in fields.items():
        text = changed(f"{field}: {good}", f"{field}: {bad}", text)
    messages = told(tmp_path, text)
    for field in fields:
        line = text[: text.index(f"{field}: {bad}")].count("\n") + 1
        (message,) = [each for each in messages if f".{field}: " in each.partition(" is not allowed; ")[0]]
        assert message.startswith(f"rig.yaml:{line}: ")
        assert " is not allowed; " in message
    assert len(messages) == len(fields)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "rate_hz: 100",
            "rate_hz: 100\n  rat_hz: 3",
            "rig.yaml:7: box.rat_hz: is an unknown key; the keys here are backend, port, baud, rate_hz, inputs, "
            "led_phase_us. Did you mean rate_hz?",
        ),
        ("name: demo", "name: de mo", "rig.yaml:3: name: 'de mo' is not allowed; letters, digits, - and _; at most 64"),
        ("schema: 1", "schema: 2", "rig.yaml:2: schema: 2 is not allowed; 1, the version of this file's layout"),
        ("schema: 1", "schema: true", "rig.yaml:2: schema: true is not allowed; 1, the version of this file's layout"),
        ("schema: 1\n", "", "rig.yaml:1: schema: is missing; 1, the version of this file's layout"),
        ("line: 0, ", "", "rig.yaml:9: cameras.HS.line: is missing; trigger line of the box, 0 to 7, each used once"),
        (
            "line: 1",
            "line: 0",
            "rig.yaml:10: cameras.VIS.line: 0 is used twice; a trigger line of its own for each camera; HS has "
            "this one",
        ),
        ("divisor: 1", "divisor: 2", "rig.yaml:8: cameras: no camera has divisor 1; the base rate is the rate of the"),
        ("  HS:", "  hs:", "rig.yaml:9: cameras.hs: 'hs' is not allowed; a name such as HS: capitals and digits"),
        (
            "backend: simulated",
            "backend: baslr",
            "rig.yaml:9: cameras.HS.backend: 'baslr' is not allowed; which driver",
        ),
        ("display: virtual", "display: tv", "rig.yaml:16: screen.display: 'tv' is not allowed; X display such as :0"),
        (
            "line: 0,",
            "line: 0, features: {Gain: [1]},",
            "rig.yaml:9: cameras.HS.features.Gain: a list is not allowed; GenICam features passed to the camera",
        ),
        (
            "line: 0,",
            "line: 0, pulse_width_us: 9990,",
            "rig.yaml:9: cameras.HS.pulse_width_us: 9990 is not allowed; at least 32 us shorter than the base period",
        ),
        (
            "seed: 1",
            "faults: {first_pulse: 50, last_pulse: 49}",
            "rig.yaml:22: simulation.faults: last_pulse (49) is before first_pulse (50)",
        ),
        (
            "seed: 1",
            "faults: {lost_frames: 2000}",
            "rig.yaml:22: simulation.faults.lost_frames: 2000 is not allowed; frames",
        ),
        (
            "name: demo\nbox:\n",
            "name: demo\nbox: 5\nx:\n",
            "rig.yaml:4: box: 5 is not allowed; the keys here are backend, port, ",
        ),
    ],
)
def test_a_mistake_is_told_in_words_that_help(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert told(tmp_path, changed(old, new))[0].startswith(message)


def test_all_mistakes_are_told_at_once_in_the_file_s_order(tmp_path: Path) -> None:
    text = DEMO.replace("schema: 1", "schema: 3").replace("rate_hz: 100", "rate_hz: -1").replace("seed: 1", "sed: 1")
    assert [m.split(" is ")[0] for m in told(tmp_path, text)] == [
        "rig.yaml:2: schema: 3",
        "rig.yaml:6: box.rate_hz: -1",
        "rig.yaml:22: simulation.sed:",
    ]


@pytest.mark.parametrize("whole", ["- 1", "text", "5", "true"])
def test_a_file_that_is_no_group_of_keys_is_told_which_keys_it_needs(whole: str, tmp_path: Path) -> None:
    (message,) = told(tmp_path, whole)
    assert "is not allowed; the keys here are schema, name, box, cameras, screen, tolerances, simulation" in message


TEXTS = ("port: sim://demo", "serial: SIM-HS", "user_id: SIM-HS", "features: {Name: x}", "wires: x")
UNSEEN = {
    "\\n": "U+000A",
    "\\t": "U+0009",
    "\\L": "U+2028 LINE SEPARATOR",
    "\\P": "U+2029 PARAGRAPH SEPARATOR",
    "\\u202E": "U+202E RIGHT-TO-LEFT OVERRIDE",
    "\\u200B": "U+200B ZERO WIDTH SPACE",
    "\\uFEFF": "U+FEFF ZERO WIDTH NO-BREAK SPACE",
    "\\_": "U+00A0 NO-BREAK SPACE",
}


@pytest.mark.parametrize("escape", UNSEEN)
@pytest.mark.parametrize("where", TEXTS)
def test_a_text_about_a_device_has_only_letters_that_can_be_seen(where: str, escape: str, tmp_path: Path) -> None:
    """`N` of YAML, U+0085, is a control character and refused before."""
    key, text = where.replace("features: {Name: x}", "Name: x").split(": ")
    written = f'{key}: "{text}{escape}"'
    written = f"features: {{{written}}}" if key == "Name" else written
    match key:
        case "port":
            mistaken = changed(where, written)
        case "wires":
            mistaken = changed("seed: 1", f"seed: 1\n  {written}")
        case "Name":
            mistaken = changed("serial: SIM-HS", f"serial: SIM-HS, {written}")
        case _:
            mistaken = changed("serial: SIM-HS", written)
    (message, *_) = told(tmp_path, mistaken)
    assert f"{key}: '{text}" in message
    assert f"is not allowed; one line of letters that can be seen, without {UNSEEN[escape]}" in message


@pytest.mark.parametrize("name", ['""', '"a b"', '"\\u202E"', '"2"', "Gäin"])
def test_a_feature_has_a_name_of_a_feature(name: str, tmp_path: Path) -> None:
    (message,) = told(tmp_path, changed("serial: SIM-HS", f"serial: SIM-HS, features: {{{name}: 1}}"))
    assert message.endswith("is not allowed; a GenICam name such as Gain: letters, digits and _, first no digit")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "width: 640,",
            "width: 640.0,",
            "640.0 is not allowed; a whole number: width of the picture in pixels, 96 to 8192. Write 640",
        ),
        (
            "width: 640,",
            "width: 640.5,",
            "640.5 is not allowed; a whole number: width of the picture in pixels, 96 to 8192",
        ),
        (
            "seed: 1",
            "faults: {lost_frames: 1e3}",
            "1000.0 is not allowed; a whole number: frames exposed but never delivered, 0 to 1000. Write 1000",
        ),
    ],
)
def test_where_a_whole_number_is_wanted_it_is_said(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert told(tmp_path, changed(old, new))[0].endswith(message)
