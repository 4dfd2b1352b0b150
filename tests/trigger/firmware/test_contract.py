"""The contract of a trigger box, taken by the firmware, paced like a real chip, behind the unmodified driver."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rig.testing.trigger import Bench, TriggerBoxContract
from tests.trigger.firmware.benches import firmware_bench


class TestFirmware(TriggerBoxContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self._folder = tmp_path

    @contextmanager
    def bench(self) -> Iterator[Bench]:
        with firmware_bench(self._folder) as bench:
            yield bench
