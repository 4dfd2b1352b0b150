"""The example of docs/how-to/add-a-camera.md, as it stands there, takes the contract on a make-believe package."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
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
from tests.cameras.benches import BUFFERS, FEATURES, NAME, VirtualLink, known, rig, virtual_bench

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


KNOWN = replace(  # no delay, no counter, no lines, no events
    known(rig()), delays={}, shortest_period_us=0.0, counter_source="", line_status=0, notices_early=False
)


@contextmanager
def acme_bench(make: Any = None) -> Iterator[Bench]:
    """The bench of the simulated camera, with the driver of the page in its place."""
    with virtual_bench() as bench:
        simulated = bench.camera
        assert isinstance(simulated, SimulatedCamera) and isinstance(simulated._link, VirtualLink)

        link = simulated._link

        def opened(features: dict[str, Feature]) -> seam.Camera:
            config = rig(features=FEATURES | features).cameras[NAME]
            driver = make or sys.modules["rig.cameras.acme"].AcmeCamera
            return driver(NAME, config, bench.clock, buffers=BUFFERS)

        def reopened(features: dict[str, Feature]) -> seam.Camera:
            assert link.is_closed, "somebody else has it"
            return opened(features)

        acme.Device.there, acme.Device.held = (simulated, link.wire.sensor), {}
        yield replace(bench, camera=opened({}), reopen=reopened, known=KNOWN)


class TestTheDriverOfThePage(CameraContract):
    @contextmanager
    def bench(self) -> Iterator[Bench]:
        with acme_bench() as bench:
            yield bench


def misses_every_second(camera: type[seam.Camera]) -> type[seam.Camera]:
    class MissesEverySecond(camera):  # type: ignore[valid-type, misc]
        is_odd = False

        def grab(self, timeout_s: float) -> Any:
            came = super().grab(timeout_s)
            self.is_odd ^= came is not None
            return came if self.is_odd else None

    return MissesEverySecond


def test_the_contract_catches_a_driver_of_another_make_that_misbehaves() -> None:
    class Misbehaving(CameraContract):
        @contextmanager
        def bench(self) -> Iterator[Bench]:
            with acme_bench(misses_every_second(sys.modules["rig.cameras.acme"].AcmeCamera)) as bench:
                yield bench

    with pytest.raises(AssertionError, match="of 7 frames"):
        Misbehaving().test_every_trigger_gives_one_frame_in_order()


def test_a_missing_package_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "acme", None)
    with pytest.raises(DeviceNotFound, match="pip install acme"):
        exec(compile(DRIVER, "add-a-camera.md", "exec"), {"__name__": "page"})


USE = """
from rig import wiring
from rig.clock import HostClock
from rig.config.backends import ACME
from rig.config.rig import Camera, Rig
from rig.errors import DeviceNotFound
SIZE = {"width": 96, "height": 64}
config = Camera.model_validate({"backend": ACME, "serial": "1", "line": 0, "divisor": 1, "exposure_us": 1000} | SIZE)
rig = Rig.model_construct(box=Rig.model_fields["box"].annotation(port="/dev/none", rate_hz=100))
try:
    wiring.drivers.open_camera(rig, "HS", config, HostClock())
except DeviceNotFound as error:
    print(error)
"""


def test_the_lines_that_name_it_are_where_the_page_says(tmp_path: Path) -> None:
    """They are applied to a copy, and a rig.yaml may name the backend then, whose driver is found."""
    root = Path(__file__).parents[2]
    shutil.copytree(root / "rig", tmp_path / "rig", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "pyproject.toml", tmp_path)
    steps = PAGE[PAGE.index("## 2.") : PAGE.index("## 3.")]
    file = tmp_path
    for before, diff in re.findall(r"(.*?)^```diff\n(.*?)^```$", steps, re.MULTILINE | re.DOTALL):
        named = re.findall(r"In `([\w/.]+)`", before)
        file = tmp_path / named[-1] if named else file
        old, new = ("\n".join(re.findall(rf"^\{sign}(.*)$", diff, re.MULTILINE)) for sign in "-+")
        text = file.read_text()
        assert text.count(old) == 1, old
        file.write_text(text.replace(old, new))
    tomllib.loads((tmp_path / "pyproject.toml").read_text())
    (tmp_path / "rig/cameras/acme.py").write_text(DRIVER)
    told = subprocess.run([sys.executable, "-c", USE], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert told.stdout == "cameras of Acme: need a package that is not there. pip install acme\n", told.stderr


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
        bench.camera.close()
        with pytest.raises(DeviceNotFound, match=r"camera HS \(SIM-HS\): does not answer"):
            bench.reopen({})
