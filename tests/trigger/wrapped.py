"""A box inside another one: whoever changes what it says or tells overrides that method alone."""

from __future__ import annotations

from rig.streams import DeviceInfo
from rig.trigger.box import BoxEvent, PulsePlan, TriggerBox


class Wrapped(TriggerBox):
    """Passes everything on."""

    def __init__(self, box: TriggerBox) -> None:
        self.box = box

    def describe(self) -> DeviceInfo:
        return self.box.describe()

    def start(self, plan: PulsePlan, run_id: int) -> None:
        self.box.start(plan, run_id)

    def stop(self) -> None:
        self.box.stop()

    def ping(self) -> None:
        self.box.ping()

    def events(self, timeout_s: float) -> list[BoxEvent]:
        return self.box.events(timeout_s)

    def close(self) -> None:
        self.box.close()
