"""The scripted participant at its desk: what the script says becomes strokes of keys and button."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from rig.clock import NS
from rig.config.rig import Screen as Config
from rig.config.rig import read_rig
from rig.errors import DeviceNotReady, UserError
from rig.sim.participant import Desk, ScriptedParticipant, Stroke, strokes
from rig.sim.script import Deed
from rig.stimulus.display import start_virtual
from rig.wiring import open_devices
from tests.check.test_displays import SIMULATED
from tests.rigs import write_rig

CONFIG = Config(backend="psychopy", width=480, height=270, refresh_hz=60)


def test_deeds_become_strokes_in_the_order_of_their_times() -> None:
    deeds = [Deed(1.0, key="1", hold_s=0.5), Deed(1.2, pointer=(3, 4, True)), Deed(1.3, text="ß")]
    assert strokes(deeds, NS) == [
        Stroke(2 * NS, "1", is_down=True),
        Stroke(2_200_000_000, is_down=True, at=(3, 4)),
        Stroke(2_300_000_000, "ß", is_down=True),
        Stroke(2_330_000_000, "ß"),
        Stroke(2_500_000_000, "1"),
    ]


def test_on_a_display_that_the_rig_did_not_start_no_key_is_ever_pressed(tmp_path: Path) -> None:
    """It answers, and has XTEST: as a person's desktop would."""
    with closing(start_virtual(480, 270, tmp_path)) as desktop:
        Desk(desktop.name).close()
        text = write_rig(tmp_path).read_text()
        real = f"{{backend: psychopy, display: '{desktop.name}', width: 480, height: 270, refresh_hz: 60}}"
        (tmp_path / "real.yaml").write_text(text.replace(SIMULATED, real))
        rig = read_rig(tmp_path / "real.yaml").rig
        with pytest.raises(UserError, match="--participant: scripted is not allowed on a real screen; human"):
            open_devices(rig, {}, tmp_path, truth=None, scripted=True)
    assert not list(tmp_path.glob("stimulus.log")), "not even a window was opened"
    assert not list(tmp_path.glob("participant.log"))


def test_display_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotReady, match="display :987"):
        ScriptedParticipant(":987", CONFIG, 1, tmp_path)
