"""Whatever comes from the line: the driver never fails, and never tells of an event that was not sent."""

from __future__ import annotations

import pytest

from tests.trigger.fuzz import fuzz


@pytest.mark.parametrize("seed", range(2))
def test_fifty_thousand_spoiled_bytes_make_no_event_and_no_error(seed: int) -> None:
    result = fuzz(seed, 50_000)
    assert result.bytes_fed >= 50_000
    assert result.invented == set()
    assert len(result.told) > 500  # what came whole between them was told
    assert result.bad_frames > 300
