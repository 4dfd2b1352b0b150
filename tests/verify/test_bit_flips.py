"""Whatever single bit of a run's rows is another, every check says something of it, and none breaks on it."""

from __future__ import annotations

import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest

import rig
from rig.errors import RigError
from rig.verify.verdict import CHECKS
from tests.handmade import DIVISORS, Plan, make_run

FLIPS, PARTS = 24, 2
ROWS_ALONE = [check for check in CHECKS if "checksums" not in check.name]  # those look at pictures


def tables_of(path: Path) -> list[tuple[int, int]]:
    """Where the rows of each table that has any lie in the file: place and length in bytes."""
    places: list[tuple[int, int]] = []

    def look(_: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and "seq" in (item.dtype.names or ()) and len(item):
            places.append((int(item.id.get_chunk_info(0).byte_offset), len(item) * item.dtype.itemsize))

    with h5py.File(path) as file:
        file.visititems(look)
    return places


@pytest.mark.parametrize("part", range(PARTS))
def test_no_check_breaks_on_a_bit_that_is_another(tmp_path: Path, part: int) -> None:
    path = make_run(tmp_path, Plan(wired={"HS": 1}, body_groups=12, lost={"HS": {30}}, ghosts={"VIS": [44]}))
    tables, whole = tables_of(path), path.read_bytes()
    path.chmod(0o600)
    random = np.random.default_rng(part)
    for _ in range(FLIPS // PARTS):
        place, length = tables[random.integers(len(tables))]
        data = bytearray(whole)
        data[place + int(random.integers(length))] ^= 1 << int(random.integers(8))
        path.write_bytes(data)
        with rig.open(path) as session, warnings.catch_warnings():
            warnings.simplefilter("error")
            for check in ROWS_ALONE:
                try:
                    assert check.function(session.runs[0])
                except RigError as said:
                    assert str(said)


@pytest.mark.parametrize("table", ["acquisition/pulses", "acquisition/HS/frames", "acquisition/HS/frames same"])
def test_rows_between_which_no_time_passes_are_judged_without_a_warning(tmp_path: Path, table: str) -> None:
    path = make_run(tmp_path, Plan(body_groups=12))
    path.chmod(0o600)
    name, _, is_same = table.partition(" ")
    with h5py.File(path, "r+") as file:
        rows = file[name][:]
        ticks = "box_ticks" if "pulses" in name else "camera_ticks"
        rows[ticks][21 if not is_same else slice(None)] = rows[ticks][20]
        file[name][:] = rows
    with rig.open(path) as session, warnings.catch_warnings():
        warnings.simplefilter("error")
        words = {check.name: [f.word for f in check.function(session.runs[0])] for check in ROWS_ALONE}
    assert "FAIL" in words["tables"] + words["order"] + words["box"]
    assert set(words["intervals"]) and len(DIVISORS) == len(words["intervals"])
