"""The scripted participant at its desk: what the script says becomes strokes of keys and button."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.clock import NS
from rig.config.rig import Screen as Config
from rig.errors import DeviceNotReady
from rig.sim.participant import ScriptedParticipant, Stroke, strokes
from rig.sim.script import Deed

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


def test_display_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceNotReady, match="display :987"):
        ScriptedParticipant(":987", CONFIG, 1, tmp_path)
