"""The cameras that pylon emulates, on a simulated trigger wire."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import RLock

from pypylon import genicam

from rig.cameras.basler import family
from rig.cameras.basler.camera import BaslerCamera
from rig.clock import Clock
from rig.config.backends import EMULATED_SERIAL
from rig.config.rig import Camera

EMULATED_CAMERAS = "PYLON_CAMEMU"  # environment variable: how many cameras pylon emulates
_environment = RLock()  # cameras that were lost are opened again by threads of their own


class EmulatedBaslerCamera(BaslerCamera):
    """A camera that pylon emulates: a real node map and grab loop, without time stamps, counter or a trigger line.

    It takes about 10.5 ms for a frame, and swallows a trigger that comes meanwhile without any trace.
    """

    DEVICE_CLASSES = (family.EMULATED,)

    def __init__(self, name: str, config: Camera, clock: Clock, *, buffers: int) -> None:
        """As BaslerCamera. Pylon emulates as many cameras as its serial number needs: 0815-0002 is the third."""
        index = re.fullmatch(f"{EMULATED_SERIAL}([0-9]{{4}})", config.serial or "")
        self._needed = 1 + int(index[1]) if index else 1
        super().__init__(name, config, clock, buffers=buffers)

    def trigger(self) -> None:
        """Its trigger line rises: the simulated wire calls this, from a thread of its own; nothing if not armed."""
        if self._is_armed:
            with suppress(genicam.GenericException):  # stopped or closed in this moment
                self._device.camera.TriggerSoftware.Execute()

    def close(self) -> None:
        """See Camera.close."""
        with _emulating(self._needed):  # pylon would leave files open that belong to its emulation
            super().close()

    def _open(self) -> None:
        with _emulating(self._needed):
            super()._open()


@contextmanager
def _emulating(cameras: int) -> Iterator[None]:
    """Within it pylon finds at least so many emulated cameras; afterwards nobody does who did not ask for them."""
    with _environment:
        before = os.environ.get(EMULATED_CAMERAS)
        os.environ[EMULATED_CAMERAS] = str(max(cameras, int(before or 0)))
        try:
            yield
        finally:
            if before is None:
                del os.environ[EMULATED_CAMERAS]
            else:
                os.environ[EMULATED_CAMERAS] = before
