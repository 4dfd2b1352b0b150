"""Faults planted in one set-up are all named by one `rig check`, each with what to do; `rig record` refuses them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.check.preflight import check
from rig.errors import ProblemList
from tests import commands
from tests.films import make_film, sha256_of
from tests.rigs import record, write_protocol

RIG = """\
schema: 1
name: planted
box: {port: sim://planted, rate_hz: 100, inputs: {HS: 0, marker: 6}}
cameras:
  HS:
    {backend: simulated, serial: SIM-HS, line: 0, divisor: 1, exposure_us: 300, width: 640, height: 480,
     pulse_width_us: 9950, trigger_source: Line3, simulated: {row_time_us: 20},
     features: {LineSelector: Line3, LineMode: Output, LineInverter: true, LineDebouncerTime: 60.0,
                ExposureAuto: Continuous, GainAuto: Once, BalanceWhiteAuto: Continuous}}
  VIS:
    {backend: simulated, serial: SIM-VIS, line: 1, divisor: 4, exposure_us: 36000, width: 640, height: 480,
     pulse_width_us: 200, simulated: {row_time_us: 10},
     features: {LineDebouncerTime: 150.0, AcquisitionFrameRateEnable: true, AcquisitionFrameRate: 20.0}}
  NIR:
    {backend: simulated, serial: SIM-NIR, line: 2, divisor: 4, exposure_us: 8000, width: 640, height: 480,
     features: {Gian: 3.0, Gain: 30.0, DeviceTemperature: 20.0, ReverseX: 1}}
  UV:
    {backend: simulated, serial: SIM-UV, line: 3, divisor: 4, exposure_us: 8000, width: 640, height: 480,
     features: {Gain: 1.03, TriggerActivation: FallingEdge, TriggerDelay: 36000.0}}
screen: {backend: simulated, width: 960, height: 540, refresh_hz: 60}
simulation: {seed: 1}
"""
HS, VIS, NIR, UV = (f"camera {name} (SIM-{name}): " for name in ("HS", "VIS", "NIR", "UV"))
PLANTED = [
    "rig.yaml:18: cameras.UV.line: 3 is not there; 0 to 2, of the box at sim://planted",
    "rig.yaml:3: box.inputs.marker: 6 is not there; 0 to 5, of the box at sim://planted",
    f"{HS}ExposureAuto: Continuous is not allowed; Off. Write ExposureAuto: Off in cameras.HS.features",
    f"{HS}GainAuto: Once is not allowed; Off. Write GainAuto: Off in cameras.HS.features",
    f"{HS}BalanceWhiteAuto: Continuous is not allowed; Off. Write BalanceWhiteAuto: Off in cameras.HS.features",
    f"{HS}LineMode: Output is not allowed; Input. Write {{LineSelector: Line3, LineMode: Input}} in "
    "cameras.HS.features",
    f"{HS}LineInverter: true is not allowed; false. Write {{LineSelector: Line3, LineInverter: false}} in "
    "cameras.HS.features",
    # 480 rows of 20 us each.
    f"{HS}its highest frame rate: 104.2 Hz is too low; at least 105.3 Hz for 100 pulses a second. Shorten exposure_us, "
    "lower height, or give it more of its USB or network link",
    "rig.yaml:7: cameras.HS.pulse_width_us: 9950 us is too long; at most 9940 us, and then low until the next: 0 for "
    f"its input, 60 for its LineDebouncerTime. Shorten it, or lower LineDebouncerTime of {HS.removesuffix(': ')}",
    f"{VIS}AcquisitionFrameRate: 20 Hz caps its rate; at least 26.3 Hz for 25 pulses a second. "
    "Write AcquisitionFrameRateEnable: false in cameras.VIS.features",
    # 480 rows of 10 us each.
    f"{VIS}ExposureTime: 36000 us is too long; at most 35200 us of the 40000 us from pulse to pulse, besides its "
    "readout 4800 us. Shorten exposure_us, or lower height",
    "rig.yaml:12: cameras.VIS.pulse_width_us: 200 us is too short; at least 250 us: 100 for its opto-coupled input, "
    f"150 for its LineDebouncerTime. Lengthen it, or lower LineDebouncerTime of {VIS.removesuffix(': ')}",
    f"{NIR}Gian: 3 does not exist. Correct it in rig.yaml: cameras.NIR",
    f"{NIR}Gain: 30 is out of range; 0 to 24 in steps of 0.1. Correct it in rig.yaml: cameras.NIR",
    f"{NIR}DeviceTemperature: 20 is not writable. Correct it in rig.yaml: cameras.NIR",
    f"{NIR}ReverseX: 1 is neither true nor false; true or false. Correct it in rig.yaml: cameras.NIR",
    f"{UV}Gain: 1.03 reads back as 1; 0 to 24 in steps of 0.1. Correct it in rig.yaml: cameras.UV",
    f"{UV}TriggerActivation: FallingEdge is not one of its choices; RisingEdge. Correct it in rig.yaml: cameras.UV",
    f"{UV}its highest frame rate: 22.7 Hz is too low; at least 26.3 Hz for 25 pulses a second. Shorten exposure_us, "
    "lower height, or give it more of its USB or network link",
    # 480 rows of 8 us each.
    f"{UV}ExposureTime: 8000 us is too long; at most 160 us of the 40000 us from pulse to pulse, besides TriggerDelay "
    "36000 us, its readout 3840 us. Write TriggerDelay: 0.0 in cameras.UV.features",
]


SCREEN = """\
schema: 1
name: screen
box: {port: sim://screen, rate_hz: 100}
cameras:
  HS: {backend: simulated, serial: SIM-HS, line: 0, divisor: 1, exposure_us: 4000, width: 96, height: 64}
screen: {backend: simulated, width: 960, height: 540, refresh_hz: 60}
simulation: {seed: 1}
"""
WORDS = """\
schema: 1
name: words
title: t
languages: [en, zh]
stakes: {kind: pay, start: 5, each: -0.5, unit: \u5186}
operator: {guesses: {"1": happy}}
clips:
  lost: {file: nowhere.mp4, sha256: ZEROS, title: t, licence: l}
  other: {file: film.mp4, sha256: ZEROS, title: t, licence: l, valence: positive}
  new: {title: t, licence: l, target: happy}
blocks:
  - kind: instruction
    name: hello
    text:
      en: You are paid {pay}.
      zh: \u770b \u5186 {pay}
    max_seconds: 9
  - {kind: instruction, name: endless, text: ENDLESS, max_seconds: 9}
  - kind: trials
    name: films
    clips: all
    each:
      - {kind: clip, name: film}
      - kind: self-report
        name: report
        max_seconds: 9
        questions:
          - {kind: scale, name: strong, text: How strong?, points: 5, low: {en: a, zh: \u770b}, high: b}
          - {kind: text, name: words, text: {en: Why?, zh: ENDLESS}}
          - {kind: sam, name: own, text: And now?, dimension: valence, images: nowhere}
  - kind: questionnaire
    name: statements
    statements_file: statements.yaml
    scale: {points: 5, low: a, high: b}
    per_page: 20
    max_seconds: 9
""".replace("ENDLESS", "word " * 900).replace("ZEROS", "0" * 64)
STATEMENTS = "statements:\n" + 44 * "  - I often hide what I feel.\n" + "  - \u770b\u770b\n"
# 960 px on 530 mm, 600 mm away: 0.6 degrees are 0.6 * 1200 mm * tan(0.5 degrees) * 960 px / 530 mm = 11.4 px.
NO_FIT = "letters of 0.6 degrees, 11 px, at least. Shorten it, or spread it over more pages"
FONT = "in the font DejaVuSans.ttf. Write other letters, or give screen.font in rig.yaml one that has them"
SMALL = "does not fit on a screen of 960x540 px"
WRONG_WORDS = [
    f"p.yaml:16: U+5186 CJK UNIFIED IDEOGRAPH-5186, U+770B CJK UNIFIED IDEOGRAPH-770B are not {FONT}",
    f"p.yaml:28: U+770B is not {FONT}",
    f"statements.yaml:46: U+770B is not {FONT}",
    f"p.yaml:5: U+5186 is not {FONT}",
    # Where its first question stands, once for both languages; the trials come three times, and it is told once.
    f"p.yaml:18: blocks.1: its text of 4499 letters {SMALL} in en; {NO_FIT}",
    "p.yaml:30: blocks.2.each.1.questions.2: nowhere/1.png is no picture: [Errno 2] No such file or directory: "
    "'nowhere/1.png' in en. Put a picture there, 1.png to 9.png, or leave images out",
    f"p.yaml:31: blocks.3: its page of 20 items, and 1 more of it, {SMALL} in en; {NO_FIT}",
    f"p.yaml:29: blocks.2.each.1.questions.1: its page of 1 items {SMALL} in zh; {NO_FIT}",
    "p.yaml:8: clips.lost.file: nowhere.mp4 does not exist; a film file, or package:NAME/PATH. "
    "Put the film there, or mend `file` in the protocol",
    "p.yaml:9: clips.other.file: film.mp4 with sha256 FOUND is another film than the protocol names; "
    f"sha256 {'0' * 64}. "
    "Fetch the right film, or, if this one is right, pin it by rig clips import",
    "p.yaml:10: clips.new.file: has no film yet; file and sha256 are needed. "
    "Import your own copy: rig clips import PROTOCOL new FILE",
    "ledger.sqlite: is no ledger, or is damaged (file is not a database). "
    "Move it away, or put back a copy of the ledger; nothing in it was changed",
]
SILENT = [
    "the protocol does not say the edition of: lost, other, new",
    "the protocol does not say the norms of: lost, other, new",
    "the protocol does not say the valence of: lost, new",
    "the protocol does not say the target of: lost, other",
]


def planted(folder: Path) -> tuple[Path, Path]:
    """The rig, and a protocol that is right."""
    (folder / "rig.yaml").write_text(RIG)
    return folder / "rig.yaml", write_protocol(folder, ("still", 1, "all"))


def said(error: object, folder: Path) -> str:
    return str(error).replace(f"{folder}/", "")


def test_all_planted_faults_are_named_in_one_list(tmp_path: Path) -> None:
    rig, protocol = planted(tmp_path)
    found = check(str(rig), str(protocol), tmp_path)
    assert [said(problem, tmp_path) for problem in found.problems] == PLANTED


def test_a_recording_is_refused_for_the_same_faults_and_leaves_nothing(tmp_path: Path) -> None:
    rig, protocol = planted(tmp_path)
    with pytest.raises(ProblemList) as refused:
        record(tmp_path, rig, protocol)
    assert [said(problem, tmp_path) for problem in refused.value.problems] == PLANTED
    assert list((tmp_path / "sessions").glob("sub-*/ses-*/*")) == []


def test_letters_pages_clips_and_a_damaged_ledger_are_named_in_one_list(tmp_path: Path) -> None:
    (tmp_path / "rig.yaml").write_text(SCREEN)
    (tmp_path / "p.yaml").write_text(WORDS)
    (tmp_path / "statements.yaml").write_text(STATEMENTS)
    (tmp_path / "ledger.sqlite").write_text("this was never a ledger, it is a text")
    film = make_film(tmp_path / "film.mp4", 3)
    found = check(str(tmp_path / "rig.yaml"), str(tmp_path / "p.yaml"), tmp_path, with_devices=False)
    told = [said(problem, tmp_path).replace(sha256_of(film), "FOUND") for problem in found.problems]
    assert told == WRONG_WORDS
    assert [warning for warning in found.warnings if "protocol" in warning] == SILENT


def test_the_command_tells_what_was_asked_got_and_allowed_and_then_all_faults(tmp_path: Path) -> None:
    rig, protocol = planted(tmp_path)
    done = commands.run("check", protocol, "--rig", rig, cwd=tmp_path)
    assert done.returncode == 2
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["camera", "feature", "asked", "got", "allowed"] in rows
    assert ["Gian", "3", "nothing", "does", "not", "exist"] in rows
    assert ["Gain", "30", "0", "0", "to", "24", "in", "steps"] in rows  # it kept what it had
    assert ["Gain", "1.03", "1", "0", "to", "24", "in", "steps"] in rows
    assert ["BalanceWhiteAuto", "Continuous", "Continuous"] in [row[:3] for row in rows]
    assert "screen simulated: 960x540 px, paced at 60 Hz, not measured" in done.stdout.splitlines()
    assert max(map(len, done.stdout.splitlines())) <= 80
    told = [line.strip() for line in said(done.stderr, tmp_path).splitlines()]
    assert told == [f"rig: {len(PLANTED)} problems:", *PLANTED]
