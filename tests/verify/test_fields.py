"""Rows and attributes that were damaged: none may pass for good, whatever counts and pairs beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from rig.session.run import Run
from rig.verify.findings import Finding, Word
from rig.verify.verdict import verify_run
from tests.handmade import Plan, make_run
from tests.rigs import record, write_protocol, write_rig
from tests.verify.wired_sessions import changed, said

Edit = Callable[[h5py.File], None]


def judged(path: Path, edit: Edit) -> dict[tuple[str, str], Finding]:
    path.chmod(0o600)
    with h5py.File(path, "r+") as file:
        edit(file)
    with Run(path) as run:
        verdict = verify_run(run)
    assert not verdict.is_complete
    return {(f.check, f.stream): f for f in verdict.findings}


def field(path: str, name: str, value: float) -> Edit:
    """Change one field of the first row but one, or of the only one."""

    def edit(file: h5py.File) -> None:
        rows = file[path][:]
        rows[name][min(1, len(rows) - 1)] = value
        file[path][:] = rows

    return edit


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("acquisition/HS/frames", "evidence", 200),
        ("acquisition/HS/frames", "status", 99),
        ("acquisition/VIS/frames", "arrived_host_ns", -(2**62)),
        ("acquisition/HS/frames", "arrived_host_ns", 2**62),
        ("acquisition/HS/frames", "exposure_us", float("nan")),
        ("acquisition/NIR/frames", "exposure_us", -1),
        ("acquisition/HS/frames", "counter", -2),
        ("line_walk/HS/frames", "status", 7),
        ("acquisition/HS/gaps", "cause", 200),
        ("acquisition/HS/gaps", "frames_exposed", -1),
        ("acquisition/NIR/extras", "arrived_host_ns", 0),
        ("acquisition/pulses", "arrived_host_ns", 2**62),
        ("acquisition/edges", "level", 2),
        ("stimulus/presentation/flips", "screen_s", float("inf")),
        ("stimulus/presentation/flips", "patch", 9),
        ("acquisition/clock_pairs", "host_after_ns", 2**62),
        ("intervals/trials", "step", -3),
        ("telemetry/syncs", "returned_host_ns", 2**62),
        ("acquisition/box_status", "box_ticks", -5),
    ],
)
def test_a_field_that_cannot_be_fails_by_table_and_row(tmp_path: Path, path: str, name: str, value: float) -> None:
    run = make_run(tmp_path, Plan(lost={"HS": {50}}, ghosts={"NIR": [100]}))
    found = said(changed(run, tmp_path, field(path, name, value)), "values")["values", ""]
    assert (found.word, found.value) == (Word.FAIL, 1)
    assert f"{path}: {name} of 1 rows cannot be" in found.text


@pytest.mark.parametrize("missing", [2**62, 2, 0, -5])
def test_a_gap_that_counts_more_than_it_spans_or_nothing_fails_the_recount(tmp_path: Path, missing: int) -> None:
    run = make_run(tmp_path, Plan(lost={"HS": {50}}))
    finding = said(changed(run, tmp_path, field("acquisition/HS/gaps", "missing", missing)), "recount")["recount", "HS"]
    assert finding.word is Word.FAIL
    assert "more pulses lost than spanned, or fewer than one, in 1 gap row" in finding.text


@pytest.mark.parametrize(
    ("stored", "told", "armed"), [("BayerRG8", "BayerBG8", "BayerRG8"), ("BayerGB12", "Mono12", "BayerGB12")]
)
def test_a_pixel_format_other_than_the_camera_had_fails_though_every_checksum_is_right(
    tmp_path: Path, stored: str, told: str, armed: str
) -> None:
    rig = write_rig(tmp_path)
    rig.write_text(rig.read_text().replace("serial: SIM-VIS,", f"serial: SIM-VIS, pixel_format: {stored},"))
    path = record(tmp_path, rig, write_protocol(tmp_path, ("still", 1, "all"))).path
    with Run(path) as run:
        good = {(f.check, f.stream): f.word for f in verify_run(run).findings}
    assert {good["pictures", name] for name in ("HS", "VIS", "NIR")} == {Word.PASS}
    assert good["values", ""] is Word.PASS

    found = judged(path, lambda file: file["acquisition/VIS"].attrs.__setitem__("pixel_format", told))
    assert found["checksums", "VIS"].word is Word.PASS
    finding = found["pictures", "VIS"]
    assert (finding.word, finding.value) == (Word.FAIL, 2)
    assert f"pixel_format {told}, but {stored} by rig.yaml" in finding.text
    assert f"pixel_format {told}, but {armed} by the camera, armed for epoch 1" in finding.text


def test_sizes_swapped_with_the_pictures_turned_on_their_side_fail(tmp_path: Path) -> None:
    def edit(file: h5py.File) -> None:
        group = file["acquisition/NIR"]
        data = group["data"][:].reshape(-1, 96, 64)
        del group["data"]
        group.create_dataset("data", data=np.ascontiguousarray(data), maxshape=(None, 96, 64), chunks=(1, 96, 64))
        group.attrs["width"], group.attrs["height"] = 64, 96

    found = judged(make_run(tmp_path), edit)
    assert found["checksums", "NIR"].word is Word.PASS
    assert (found["pictures", "NIR"].word, found["pictures", "NIR"].value) == (Word.FAIL, 2)
