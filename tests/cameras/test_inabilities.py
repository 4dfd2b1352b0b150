"""What docs/reference/simulation.md says that cameras declare is what they declare."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from rig.testing.camera import Bench, inabilities
from tests.cameras.benches import virtual_bench
from tests.cameras.emulated import contract_bench

PAGE = (Path(__file__).parents[2] / "docs/reference/simulation.md").read_text()
CAMERAS = {
    "simulated": virtual_bench,
    "simulated, `timestamps: false`": lambda: virtual_bench(simulated={"timestamps": False}),
    "simulated, `counter: none`": lambda: virtual_bench(simulated={"counter": "none"}),
    "simulated, `counter: frame`": lambda: virtual_bench(simulated={"counter": "frame"}),
    "basler-emulation": contract_bench,
}


@pytest.mark.parametrize("name", CAMERAS)
def test_the_page_tells_what_each_camera_declares_that_it_cannot_do(name: str) -> None:
    opened: AbstractContextManager[Bench] = CAMERAS[name]()
    with opened as bench:
        told = inabilities(bench, bench.camera.describe(), bench.camera.arm(0))
    declared = [text for text in told if not text.startswith("not tried")]
    assert f"| {name} | {'; '.join(declared) or 'nothing'} |\n" in PAGE
