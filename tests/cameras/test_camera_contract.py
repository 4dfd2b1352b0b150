"""The contract of a camera, taken by the simulated one, and proof that the contract catches a bad one."""

from __future__ import annotations

import ast
import inspect
import traceback
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import pytest

from rig.config.rig import Faults
from rig.errors import DeviceLost, RigError
from rig.sim.camera import SimulatedCamera
from rig.testing.camera import Bench, CameraContract
from tests.cameras.benches import FAULTS, WRAPPING, WorldThread, real_time_bench, virtual_bench
from tests.cameras.mutant_table import MUTANTS
from tests.cameras.mutants import Mutant

WRAPS = "numbers_start_again_where_it_said"


class TestSimulatedCameraInVirtualTime(CameraContract):
    def bench(self) -> AbstractContextManager[Bench]:
        return virtual_bench()


class TestSimulatedCameraBehindASocketInRealTime(CameraContract):
    def bench(self) -> AbstractContextManager[Bench]:
        return real_time_bench()


class TestSimulatedCameraWhoseNumbersHave16Bits(CameraContract):
    """1 to 65535, and they start again within each test."""

    def bench(self) -> AbstractContextManager[Bench]:
        return virtual_bench(faults=WRAPPING)


class TestSimulatedCameraThatCanDoLess(CameraContract):
    """No clock, no counter, and a rolling shutter with packed pictures."""

    def bench(self) -> AbstractContextManager[Bench]:
        sensor = {"timestamps": False, "counter": "none", "shutter": "rolling"}
        return virtual_bench(pixel_format="Mono12p", simulated=sensor)


class TestSimulatedCameraThatCountsFrames(CameraContract):
    """In colour."""

    def bench(self) -> AbstractContextManager[Bench]:
        return virtual_bench(pixel_format="RGB8", simulated={"counter": "frame"})


def check(make: type[SimulatedCamera], test: str, *, faults: dict[str, Any] | None = None, first_edge: int = 0) -> None:
    """Take one test of the contract with such a camera."""
    usual = WRAPPING if test == WRAPS else FAULTS
    asked = usual if faults is None else FAULTS | faults

    class Taken(CameraContract):
        def bench(self) -> AbstractContextManager[Bench]:
            return virtual_bench(make, faults=asked, first_edge=first_edge)

    getattr(Taken(), f"test_{test}")()


@pytest.mark.parametrize("test", MUTANTS)
def test_a_camera_that_misbehaves_fails_the_test_that_forbids_it(test: str) -> None:
    check(Mutant, test)
    for mutant in MUTANTS[test]:
        with pytest.raises((AssertionError, RigError)):
            check(mutant, test)


TESTS = [name.removeprefix("test_") for name in dir(CameraContract) if name.startswith("test_")]


def test_every_test_of_the_contract_has_a_mutant() -> None:
    assert set(MUTANTS) == set(TESTS)


def test_every_assertion_of_the_contract_catches_a_mutant() -> None:
    """Each is the first to fail for one of them, so that none is there in vain."""
    modules = [inspect.getfile(part) for part in CameraContract.__mro__ if part.__module__.startswith("rig.")]
    caught = set()
    for test, mutants in MUTANTS.items():
        for mutant in mutants:
            with pytest.raises((AssertionError, RigError)) as found:
                check(mutant, test)
            lines = [(step.filename, step.lineno) for step in traceback.extract_tb(found.tb)]
            caught.add(next((line for line in reversed(lines) if line[0] in modules), None))
    asserts = {
        (module, node.lineno)
        for module in modules
        for node in ast.walk(ast.parse(Path(module).read_text()))
        if isinstance(node, ast.Assert)
    }
    assert asserts - caught == set()


# What the simulator itself does wrong when rig.yaml asks for it, each by a test that catches it.
MIDDLE = {"first_pulse": 0, "last_pulse": 23}  # the camera has them to itself; what is to happen does so at the 13th
WINDOW = {"first_pulse": 12, "last_pulse": 15}
IN_ORDER, ANY_ORDER = "every_trigger_gives_one_frame_in_order", "buffers_are_given_back_in_any_order"
FORBIDDEN: dict[str, tuple[str, dict[str, Any]]] = {
    "lost_frames": (IN_ORDER, WINDOW),
    "unnumbered_frames": (IN_ORDER, WINDOW),
    "lost_pulses": (IN_ORDER, WINDOW),
    "ghost_frames": (IN_ORDER, WINDOW),
    "duplicate_frames": (IN_ORDER, WINDOW),
    "damaged_frames": ("every_frame_says_how_it_was_exposed", WINDOW),
    "timeouts": (IN_ORDER, MIDDLE),
    "long_exposures": (IN_ORDER, MIDDLE),
    "overheatings": (IN_ORDER, MIDDLE),
    "disconnects": (ANY_ORDER, MIDDLE),
    "bus_resets": (ANY_ORDER, MIDDLE),
    "frozen_frames": (IN_ORDER, WINDOW),
    "ghost_swallows": (IN_ORDER, MIDDLE),
    "clock_steps_back": ("timestamps_pass_as_time_does_on_the_wire", MIDDLE),
    "clock_steps": ("timestamps_pass_as_time_does_on_the_wire", MIDDLE),
    "bumped_numbers": ("arming_says_where_its_numbers_start", {}),
    "kept_numbers": ("numbers_and_counter_start_again_as_the_new_baseline_says", {}),
    "stale_frames": ("no_frame_of_an_earlier_epoch_comes_after_rearming", {}),
    "rounded_features": ("every_feature_that_is_asked_for_is_told_as_it_reads", {}),
}
# A camera may be late, wrap its numbers if it says so, and use a buffer as soon as it is released.
ALLOWED = {
    "late_frames": WINDOW,
    "stalls": MIDDLE,
    "first_frame_delay_s": {"first_frame_delay_s": 0.3},
    "wrapping_numbers": WRAPPING,
    "scribbles": {},
    "away_s": {},  # how long it is away is nobody's promise
}
IN_LINE = 11  # edges before the first of a test


def once(fault: str) -> dict[str, Any]:
    """A key of simulation.faults, switched on, or so that it happens once."""
    return {fault: True if Faults.model_fields[fault].annotation is bool else 1}


@pytest.mark.parametrize("fault", FORBIDDEN)
def test_a_simulated_camera_that_fails_as_it_is_told_fails_the_contract(fault: str) -> None:
    test, window = FORBIDDEN[fault]
    check(SimulatedCamera, test, first_edge=IN_LINE, faults=window)
    with pytest.raises((AssertionError, RigError)):
        check(SimulatedCamera, test, first_edge=IN_LINE, faults=window | once(fault))


@pytest.mark.parametrize("fault", ALLOWED)
def test_a_simulated_camera_that_is_late_passes(fault: str) -> None:
    for test in TESTS:
        check(SimulatedCamera, test, first_edge=IN_LINE, faults=once(fault) | ALLOWED[fault])


def test_every_fault_of_cameras_is_forbidden_or_allowed() -> None:
    of_others = {"dropped_bytes", "late_boot_s", "swallowed_starts", "reset_at_pulse", "drift_ppm", "dead_line"}
    of_the_screen = {"photodiode_off", "skipped_film_frames", "held_film_frames", "dropped_flips", "late_flips"}
    set_up_wrong = {
        *("swapped_cables", "falling_edge", "free_run", "free_run_hz", "free_run_pulse"),
        *("undeclared_delay_us", "start_jitter_us", "timestamp_jitter_us", "clock_ppm"),
    }
    windows = {"first_pulse", "last_pulse"}
    assert set(Faults.model_fields) - of_others - of_the_screen - set_up_wrong - windows == {*FORBIDDEN, *ALLOWED}


@pytest.mark.parametrize(("delay_us", "is_high"), [(0.0, True), (150.0, True), (200.0, False)])
def test_a_pulse_that_is_over_when_an_exposure_begins_is_not_seen(delay_us: float, is_high: bool) -> None:
    features, line = {"TriggerDelay": delay_us}, {"trigger_source": "Line3", "pulse_width_us": 200}
    with virtual_bench(features=features, start_delay_us=10.0, **line) as bench:
        bench.camera.arm(0)
        _, (frame,) = bench.take(1)
        assert frame.line_status == is_high << 2


def test_a_camera_whose_world_has_ended_is_lost() -> None:
    with closing(WorldThread()) as world, closing(SimulatedCamera("HS", world.link, world.clock)) as camera:
        camera.arm(0)
        world.end()
        for use in (lambda: camera.grab(1), lambda: camera.arm(1), camera.stop, camera.describe):
            with pytest.raises(DeviceLost, match="camera HS: the simulated world is gone"):
                use()
