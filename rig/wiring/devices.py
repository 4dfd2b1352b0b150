"""The open devices of a rig, in real time and in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from rig.cameras.camera import Camera
from rig.clock import VirtualClock
from rig.elicitation.steps import Step
from rig.session.playback import Playback
from rig.stimulus.screen import Screen
from rig.trigger.box import TriggerBox


@dataclass
class Devices:
    """The open devices of a rig; `close` gives all of them back, the last one first."""

    cameras: dict[str, Camera] = field(default_factory=dict)
    on_step: Callable[[Step], None] = lambda _: None  # a scripted participant is told what is on the screen
    playback: Playback | None = None  # of a rig that is replayed
    _closers: list[Callable[[], None]] = field(default_factory=list)
    _box: TriggerBox | None = None
    _screen: Screen | None = None

    @property
    def box(self) -> TriggerBox:
        """The trigger box."""
        assert self._box is not None
        return self._box

    @property
    def screen(self) -> Screen:
        """The participant's screen."""
        assert self._screen is not None
        return self._screen

    @property
    def by_name(self) -> dict[str, Camera | TriggerBox | Screen]:
        """Those that are open: cameras by stream, `box` and `screen`."""
        others = {"box": self._box, "screen": self._screen}
        return {**self.cameras, **{name: device for name, device in others.items() if device is not None}}

    def has_camera(self, camera: Camera) -> None:
        """Take over an open camera."""
        self.cameras[camera.name] = camera
        self.closing(camera.close)

    def has_box(self, box: TriggerBox) -> None:
        """Take over the open trigger box."""
        self._box = box
        self.closing(box.close)

    def has_screen(self, screen: Screen) -> None:
        """Take over the open screen."""
        self._screen = screen
        self.closing(screen.close)

    def closing(self, close: Callable[[], None]) -> None:
        """Call `close` when the devices are closed, before all that was given earlier."""
        self._closers.append(close)

    def close(self) -> None:
        """Close everything; never raises."""
        while self._closers:
            self._closers.pop()()


class Moving(Protocol):
    """What goes on by itself in virtual time. Times are host ns."""

    def next_host_ns(self) -> int | None:
        """When something is due next; None when nothing is."""

    def run_until(self, host_ns: int) -> None:
        """Do everything that is due by then."""


@dataclass(frozen=True)
class Virtual:
    """A rig in virtual time: its devices, and what moves them on."""

    devices: Devices
    clock: VirtualClock
    world: Moving
    next_screen_ns: Callable[[], int | None]
    is_telling: Callable[[], bool]  # whether box or cameras have something that was not taken yet
