"""A recorder that opens a box which still sends a run of a killed one waits for its end before it does anything."""

from __future__ import annotations

import pytest

from rig import wiring
from rig.config.rig import Box
from rig.errors import DeviceNotReady
from rig.testing.trigger import plan
from rig.trigger import wire
from rig.trigger.box import RunLeftOver, TriggerBox
from tests.trigger.benches import VirtualRig, virtual_rig
from tests.trigger.test_driver import Line


def opened_after_a_kill(rig: VirtualRig) -> TriggerBox:
    rig.box.start(plan(), 5)
    rig.bench.wait(0.5)
    rig.box._port.close()
    return wiring.drivers.open_box(Box(port=rig.url, rate_hz=100), rig.url, rig.clock)


def test_the_box_is_idle_when_the_recorder_has_opened_it() -> None:
    with virtual_rig() as rig:
        box = opened_after_a_kill(rig)
        sent = len(rig.wires.seen)
        assert RunLeftOver(5) in box.events(1.0)
        rig.bench.box = box
        rig.bench.wait(1.0)
        assert len(rig.wires.seen) == sent > 0
        box.close()


def test_a_run_left_over_that_does_not_end_keeps_the_recorder_from_arming_anything() -> None:
    with virtual_rig(to_box=Line(*((wire.Stop.TYPE, n) for n in range(1, 1000)))) as rig:
        with pytest.raises(DeviceNotReady, match="still sends run 5, and does not stop") as caught:
            opened_after_a_kill(rig)
        assert "Switch it off and on" in str(caught.value)
