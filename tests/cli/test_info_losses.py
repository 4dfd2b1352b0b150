"""What `rig info` says of losses, in words that cannot be taken for a count of pulses."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from rig.cli.app import app
from tests.handmade import Plan, make_run


@pytest.mark.parametrize(
    ("plan", "hs"),
    [
        (Plan(), "264 frames 96x64 Mono8, every pulse, SIM-HS, none lost, SIMULATED"),
        (
            Plan(lost={"HS": {50, 60}}),
            "262 frames 96x64 Mono8, every pulse, SIM-HS, 2 pulses lost in 2 gaps, SIMULATED",
        ),
        (Plan(ghosts={"HS": [50]}), "265 frames 96x64 Mono8, every pulse, SIM-HS, none lost, 1 without a pulse number"),
        (
            Plan(closed=False, outcome="incomplete", has_ended=False, written=200),
            "200 frames 96x64 Mono8, every pulse, SIM-HS, no loss that was noted before the run broke off, SIMULATED",
        ),
    ],
)
def test_losses_are_told_as_far_as_they_are_known(tmp_path: Path, plan: Plan, hs: str) -> None:
    shown = CliRunner().invoke(app, ["info", str(make_run(tmp_path, plan))])
    assert f"  HS       {hs}" in shown.output
