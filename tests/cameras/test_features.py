"""Features as people read them."""

from __future__ import annotations

import pytest

from rig.cameras.features import Feature, spelled


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e6, "1000000"),
        (1_234_567.0, "1234567"),
        (-2.5e7, "-25000000"),
        (360_000_000, "360000000"),
        (4000.0, "4000"),
        (0.01, "0.01"),
        (1.7976931348623157e308, "1.79769e+308"),  # no limit
        (True, "true"),
        ("Off", "Off"),
        (None, "nothing"),
    ],
)
def test_numbers_are_told_by_their_digits(value: Feature | None, text: str) -> None:
    assert spelled(value) == text
