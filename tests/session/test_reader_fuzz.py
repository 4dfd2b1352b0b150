"""Damaged run files never give anything but a RigError or the right picture."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rig
from rig.cli.info import describe
from rig.errors import RigError
from rig.export.contact_sheet import contact_sheet
from rig.session.reader import Session
from rig.verify.verdict import contents, verify_run
from tests.foreign import change_log, change_text
from tests.handmade import Plan, make_run, number_in

FEW = settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@cache
def _good() -> bytes:
    with TemporaryDirectory() as folder:
        return make_run(Path(folder), Plan(body_groups=2, closed=False, outcome="incomplete")).read_bytes()


def _read_all(data: bytes) -> None:
    """Read everything; whatever picture is handed over as good must be the one that was recorded."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "damaged.h5"
        path.write_bytes(data)
        try:
            with rig.open(path) as session:
                _check_pictures(session)
                _ = session.pulses, session.flips, session.log, session.answers, session.steps, session.clock_pairs
                verify_run(session.runs[0])
                _ask(session)
        except RigError:
            pass


def _ask(session: Session) -> None:
    """What info, verify, replay and the contact sheet ask; each may refuse, and none may fail otherwise."""
    questions = [
        lambda: describe(session),
        lambda: contents(session.runs[0]),
        lambda: session.at(seconds=0.1),
        lambda: session.at(clip="clip1", seconds=0.1),
        lambda: contact_sheet(session, instants=1),
        lambda: [(s.grey(0), s.rgb(0)) for s in session.streams.values() if len(s.data)],
    ]
    for question in questions:
        try:
            question()
        except RigError:
            pass


def _check_pictures(session: Session) -> None:
    for stream in session.streams.values():
        for index in range(len(stream.data)):
            try:
                picture = stream.data[index]
            except RigError:
                continue
            assert number_in(picture) == index * stream.divisor


@given(st.binary(max_size=400))
@FEW
def test_random_bytes(data: bytes) -> None:
    _read_all(data)
    _read_all(b"\x89HDF\r\n\x1a\n" + data)


@given(st.floats(0, 1, exclude_max=True))
@FEW
def test_truncation(share: float) -> None:
    _read_all(_good()[: int(len(_good()) * share)])


@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=40))
@FEW
def test_flipped_bytes_anywhere(flips: list[tuple[float, int]]) -> None:
    data = bytearray(_good())
    for share, mask in flips:
        data[int(share * len(data))] ^= mask
    _read_all(bytes(data))


@given(st.lists(st.tuples(st.integers(0, 60_000), st.integers(1, 255)), min_size=1, max_size=8))
@FEW
def test_flipped_bytes_in_the_head(flips: list[tuple[int, int]]) -> None:
    data = bytearray(_good())
    for place, mask in flips:
        data[place % len(data)] ^= mask
    _read_all(bytes(data))


ODD: list[Any] = [None, True, 0, -1, 1, 2**70, 10**400, 1e308, float("nan"), "", "x", "\0/../", [], [1], {}, {"a": 1}]
ODD_ATTRIBUTES = [
    0,
    -5,
    2**62,
    1.5,
    "",
    "[]",
    "/../x",
    np.array([1, 2]),
    np.zeros((2, 2)),
    h5py.Empty("f"),
    b"\xff",
]
TEXTS = ["plan", "steps", "devices", "versions", "streams"]
PLACES = ["/", "/acquisition/HS", "/acquisition/VIS", "/config/clips/bunny", "/config/protocol", "/config/rig"]


def _spoilt(value: Any, data: st.DataObject) -> Any:
    """The value with one place in it changed or gone; the place is drawn, from the top down."""
    inside = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    if not inside or data.draw(st.integers(0, 5)) == 0:
        return data.draw(st.sampled_from(ODD))
    key = data.draw(st.sampled_from(inside))
    if data.draw(st.integers(0, 8)) == 0:
        del value[key]
    else:
        value[key] = _spoilt(value[key], data)
    return value


def _spoil_an_entry(entries: list[Any], data: st.DataObject) -> None:
    """Of each kind of entry alike, as most are of a few kinds."""
    kind = data.draw(st.sampled_from(sorted({str(entry.get("kind")) for entry in entries})))
    place = data.draw(st.sampled_from([i for i, entry in enumerate(entries) if str(entry.get("kind")) == kind]))
    entries[place] = _spoilt(entries[place], data)


def _with_spoilt_attribute(file: h5py.File, data: st.DataObject) -> None:
    attributes = file[data.draw(st.sampled_from(PLACES))].attrs
    key = data.draw(st.sampled_from(sorted(attributes)))
    if data.draw(st.integers(0, 8)) == 0:
        del attributes[key]
    else:
        attributes[key] = data.draw(st.sampled_from(ODD_ATTRIBUTES))


@given(st.data())
@settings(FEW, max_examples=40)
def test_foreign_texts_and_attributes(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "foreign.h5"
        path.write_bytes(_good())
        with h5py.File(path, "r+") as file:
            what = data.draw(st.sampled_from([*TEXTS, "/log", "/stimulus/answers", "attribute", "attribute"]))
            if what == "attribute":
                _with_spoilt_attribute(file, data)
            elif what.startswith("/"):
                change_log(file, what, lambda entries: _spoil_an_entry(entries, data))
            else:
                change_text(file, what, lambda value: _spoilt(value, data))
        _read_all(path.read_bytes())
