"""Damaged run files never give anything but a RigError or the right picture."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rig
from rig.errors import RigError
from rig.session.reader import Session
from rig.verify.verdict import verify_run
from tests.handmade import Plan, make_run, number_in

FEW = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


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
                session.at(seconds=0.1)
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
