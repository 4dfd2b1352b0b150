"""Commands in this process whose benches are opened in virtual time: what they say does not hang on the machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rig import wiring
from rig.cli.app import app
from rig.clock import Clock
from rig.config.rig import Rig
from rig.selftest import rehearsal
from rig.wiring import Devices, open_virtual

Run = Callable[..., Result]


def open_bench(rig: Rig, folder: Path, *, with_cameras: bool) -> tuple[Devices, Clock]:
    virtual = open_virtual(rig, {}, truth=None, scripted=False)
    return virtual.devices, virtual.clock


@pytest.fixture
def run_virtually(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `rig ARGUMENTS` in tmp_path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(wiring, "open_bench", open_bench)
    monkeypatch.setattr(rehearsal, "rehearse", partial(rehearsal.rehearse, virtual=True))
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])
