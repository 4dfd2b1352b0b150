"""The driver of Basler cameras on the cameras that pylon emulates: the contract, and what it says of errors."""

from __future__ import annotations

from contextlib import AbstractContextManager

from rig.testing.camera import Bench, CameraContract
from tests.cameras.emulated import contract_bench


class TestEmulatedBaslerCamera(CameraContract):
    def bench(self) -> AbstractContextManager[Bench]:
        return contract_bench()
