"""Whatever goes wrong with cameras, the gaps and extras of the session equal what was done, pulse by pulse.

Twelve schedules here, of each kind with each kind of counter; all 200 by `python -m bench.schedules`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.record.schedules import run_schedule


@pytest.mark.parametrize("seed", range(12))
def test_gaps_and_extras_of_a_seeded_schedule_equal_the_truth(tmp_path: Path, seed: int) -> None:
    assert [str(outcome) for outcome in run_schedule(tmp_path, seed) if not outcome.is_exact] == []
