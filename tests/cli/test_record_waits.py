"""`rig record --wait` says how it is started."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from rig.cli.app import app
from rig.errors import UserError
from rig.record import recording
from tests.rigs import write_protocol, write_rig


@pytest.mark.parametrize(
    ("out", "command"), [("sessions", "rig operate"), ("other place", "rig operate --out 'other place'")]
)
def test_it_names_the_command_that_starts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, command: str
) -> None:
    def refuse(*_: object) -> None:
        raise UserError("recording", "is not what is looked at here")

    monkeypatch.setattr(recording, "Recording", refuse)
    monkeypatch.chdir(tmp_path)
    protocol = write_protocol(tmp_path, ("still", 1, "all"))
    arguments = [protocol, "--rig", write_rig(tmp_path), "--subject", "001", "--out", out, "--wait"]
    said = CliRunner().invoke(app, ["record", *map(str, arguments)]).stdout.splitlines()
    assert f"waits:      for the start, given in another terminal: {command}" in said
