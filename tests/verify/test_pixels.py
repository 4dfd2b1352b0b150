"""The check of the sync LEDs: what it says of sessions whose faults are known, with nothing but their pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rig.session.run import Run
from rig.session.runfile import Rows
from rig.streams import NO_PULSE
from rig.verify.findings import Finding, Word
from rig.verify.pixels import sync_leds
from rig.verify.pixels.sync_leds import check_pixels
from tests.record.clockless import make_clockless
from tests.rigs import record, write_protocol, write_rig

Recorder = Callable[..., Path]
OUT_OF_VIEW = "simulated: {leds: {in_view: false}}"


def _recorded(
    folder: Path, *blocks: tuple[str, float, str], faults: str = "", clocks: bool = True, out_of_view: str = ""
) -> Path:
    rig = write_rig(folder, faults=faults)
    if not clocks:
        make_clockless(rig)
    text = rig.read_text()
    for name in out_of_view.split():
        text = text.replace(f"serial: SIM-{name},", f"serial: SIM-{name}, {OUT_OF_VIEW},")
    rig.write_text(text)
    return record(folder, rig, write_protocol(folder, *blocks or [("still", 3.0, "all")])).path


def _findings(path: Path) -> dict[str, Finding]:
    with Run(path) as run:
        return {finding.stream: finding for finding in check_pixels(run)}


def _words(findings: dict[str, Finding]) -> dict[str, Word]:
    return {name: finding.word for name, finding in findings.items()}


ALL_PASS = dict.fromkeys(("HS", "VIS", "NIR"), Word.PASS)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _recorded(tmp_path_factory.mktemp("clean"))


def claim(run: Run, stream: str, frames: Rows) -> None:
    """Let these rows be those of a stream."""
    run.streams[stream].__dict__.update(frames=frames, _told_pulses=frames["pulse_number"])


@contextmanager
def _rewritten(path: Path, stream: str, first: int, last: int, change: int) -> Iterator[Run]:
    """The run, in which the frames of pulses `first` to `last` claim to be of others, and have no clock or counter."""
    with Run(path) as run:
        frames = run.streams[stream].frames.copy()
        of_range = (frames["pulse_number"] >= first) & (frames["pulse_number"] <= last)
        frames["pulse_number"][of_range] += change
        frames["camera_ticks"] = frames["counter"] = 0
        claim(run, stream, frames)
        yield run


def test_a_clean_session_passes_with_every_frame_decoded(clean: Path) -> None:
    findings = _findings(clean)
    assert _words(findings) == ALL_PASS
    with Run(clean) as run:
        for name, finding in findings.items():
            count = len(run.streams[name].frames)
            assert finding.looked_at == f"{count} of {count} frames decoded"


def test_without_timestamps_and_counters_the_pictures_alone_say_the_pulse(tmp_path: Path) -> None:
    assert _words(_findings(_recorded(tmp_path, clocks=False))) == ALL_PASS


@pytest.mark.parametrize(("stream", "change"), [("HS", 1), ("HS", -3), ("VIS", 4), ("NIR", -8)])
def test_frames_that_claim_another_pulse_are_named(clean: Path, stream: str, change: int) -> None:
    with _rewritten(clean, stream, 120, 160, change) as run:
        finding = next(found for found in check_pixels(run) if found.stream == stream)
    assert finding.word is Word.FAIL
    assert finding.ranges == ((120 + change, 160 + change),)
    assert f"by {-change:+d}" in finding.text


def test_a_stream_that_is_one_pulse_late_from_its_first_frame_on_is_named(clean: Path) -> None:
    with _rewritten(clean, "HS", 0, 10_000, 1) as run:
        finding = check_pixels(run)[0]
        assert (finding.word, finding.value) == (Word.FAIL, len(run.streams["HS"].frames))


def test_frames_without_a_pulse_are_told_with_the_pulse_that_their_picture_shows(clean: Path) -> None:
    with Run(clean) as run:
        frames = run.streams["HS"].frames.copy()
        frames["pulse_number"][100:103] = NO_PULSE
        shown = run.streams["HS"].frames["pulse_number"][100:103]
        claim(run, "HS", frames)
        finding = check_pixels(run)[0]
    assert (finding.word, finding.ranges) == (Word.WARN, ((shown[0], shown[2]),))
    assert f"frames that claim no pulse show the code of pulses {shown[0]}-{shown[2]}" in finding.text


def test_frames_in_parts_too_short_to_decode_count_as_not_decoded(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Run(clean) as run:
        told = sync_leds.told_by_leds(run, run.streams["HS"])
        assert told is not None
        is_tried = np.arange(len(told.numbers)) >= len(told.numbers) // 5
        numbers, sure = np.where(is_tried, told.numbers, NO_PULSE), np.where(is_tried, told.confidence, 0)
        part = replace(told, numbers=numbers, confidence=sure, is_tried=is_tried)
        monkeypatch.setattr(sync_leds, "told_by_leds", lambda _, stream: part if stream.name == "HS" else None)
        finding = check_pixels(run)[0]
    assert (finding.word, finding.is_expected) == (Word.NOT_MEASURED, False)  # a protocol may store short parts
    assert finding.looked_at == f"{is_tried.sum()} of {len(is_tried)} frames decoded"
    assert len(finding.ranges) == 1


@pytest.mark.parametrize(
    "faults", ["lost_frames: 3, lost_pulses: 3", "ghost_swallows: 1", "late_frames: 3, duplicate_frames: 2"]
)
def test_losses_and_ghosts_that_the_rows_tell_of_rightly_are_no_disagreement(tmp_path: Path, faults: str) -> None:
    blocks = ("still", 4, "all")
    assert Word.FAIL not in _words(_findings(_recorded(tmp_path, blocks, faults=faults))).values()


def test_swapped_cables_show_in_the_pictures_of_both_cameras(tmp_path: Path) -> None:
    findings = _findings(_recorded(tmp_path, faults="swapped_cables: [HS, VIS]"))
    assert _words(findings) == {"HS": Word.FAIL, "VIS": Word.FAIL, "NIR": Word.PASS}


def test_a_camera_that_runs_free_never_passes(tmp_path: Path) -> None:
    findings = _findings(_recorded(tmp_path, ("still", 5.0, "all"), faults="free_run: VIS, free_run_pulse: 200"))
    assert findings["VIS"].word is not Word.PASS
    assert findings["VIS"].ranges[-1][1] > 400
    assert findings["HS"].word is findings["NIR"].word is Word.PASS


def test_parts_that_were_not_to_be_stored_are_no_slip(tmp_path: Path) -> None:
    path = _recorded(tmp_path, ("a", 2, "all"), ("b", 2, "none"), ("c", 2, "all"))
    assert _words(_findings(path)) == ALL_PASS


def test_leds_out_of_view_of_one_camera_are_missed_where_another_sees_them(tmp_path: Path) -> None:
    findings = _findings(_recorded(tmp_path, ("still", 2, "all"), out_of_view="NIR"))
    assert _words(findings) == {**ALL_PASS, "NIR": Word.NOT_MEASURED}
    assert findings["NIR"].is_expected


def test_a_rig_without_leds_in_view_is_not_measured_and_not_expected_to_be(tmp_path: Path) -> None:
    findings = _findings(_recorded(tmp_path, ("still", 2, "all"), out_of_view="HS VIS NIR"))
    assert set(_words(findings).values()) == {Word.NOT_MEASURED}
    assert not any(finding.is_expected for finding in findings.values())
