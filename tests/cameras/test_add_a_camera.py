"""The example of docs/how-to/add-a-camera.md, as it stands there, takes the contract on a make-believe package."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rig.cameras import camera as seam
from rig.cameras.features import Feature
from rig.config.rig import Camera
from rig.errors import DeviceNotFound
from rig.sim.camera import SimulatedCamera
from rig.testing.camera import Bench, CameraContract, inabilities
from tests.cameras import acme
from tests.cameras.benches import BUFFERS, NAME, VirtualLink, rig, virtual_bench

PAGE = (Path(__file__).parents[2] / "docs/how-to/add-a-camera.md").read_text()
DRIVER, TEST = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True, scope="module")
def the_driver_of_the_page() -> Iterator[None]:
    """`rig.cameras.acme` and the package it needs can be imported."""
    module = ModuleType("rig.cameras.acme")
    added = {"acme": acme, "rig.cameras.acme": module}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in added.items():
            patch.setitem(sys.modules, name, value)
        exec(compile(DRIVER, "add-a-camera.md", "exec"), module.__dict__)
        yield


@contextmanager
def acme_bench() -> Iterator[Bench]:
    """The bench of the simulated camera, with the driver of the page in its place."""
    with virtual_bench() as bench:
        simulated = bench.camera
        assert isinstance(simulated, SimulatedCamera) and isinstance(simulated._link, VirtualLink)

        def opened(features: dict[str, Feature]) -> seam.Camera:
            config = rig(features=features).cameras[NAME]
            driver: type[seam.Camera] = sys.modules["rig.cameras.acme"].AcmeCamera
            return driver(NAME, config, bench.clock, buffers=BUFFERS)  # type: ignore[call-arg]

        acme.Device.there, acme.Device.held = (simulated, simulated._link.wire.sensor), {}
        yield replace(bench, camera=opened({}), reopen=opened)


class TestTheDriverOfThePage(CameraContract):
    @contextmanager
    def bench(self) -> Iterator[Bench]:
        with acme_bench() as bench:
            yield bench


def test_the_page_shows_what_the_contract_prints() -> None:
    with acme_bench() as bench:
        lines = inabilities(bench, bench.camera.describe(), bench.camera.arm(0))
    declared = [line for line in lines if not line.startswith("not tried")]
    assert "Acme A1 (AcmeCamera):\n" + "".join(f"  {line}\n" for line in declared) in PAGE


def test_the_test_of_the_page_calls_what_there_is() -> None:
    """But for the generator, which is the reader's own."""
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(TEST.replace("from tests.cameras.generator import Generator\n", ""), "add-a-camera.md", "exec"), names)
    assert issubclass(names["TestAcmeCamera"], CameraContract)
    assert not Camera.model_validate(names["CONFIG"] | {"backend": "simulated"}).features
    told = set(re.findall(r"^ {16}(\w+)=", TEST, re.MULTILINE))
    assert told <= {field.name for field in fields(Bench)}


def test_a_camera_that_is_not_there_is_not_found() -> None:
    with acme_bench() as bench:
        assert bench.unplug is not None and bench.reopen is not None
        bench.unplug()
        with pytest.raises(DeviceNotFound, match=r"camera HS \(SIM-HS\): does not answer"):
            bench.reopen({})
