"""A session on cameras that pylon emulates: what they swallow leaves no trace with them, and is counted."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import h5py
import pytest

from rig.cameras.basler.emulation import EmulatedBaslerCamera
from rig.session.layout import Outcome
from rig.session.run import Run
from rig.verify.verdict import verify_run
from tests.cameras.emulated import is_ready
from tests.rigs import record, write_protocol

RIG = """\
schema: 1
name: emulated
box: {port: sim://emulated, rate_hz: 100}
cameras:
  HS: {backend: basler-emulation, serial: 0815-0000, line: 0, divisor: 1, exposure_us: 4000, width: 96, height: 64,
       trigger_source: Software, features: {AcquisitionFrameRateEnable: false, AcquisitionFrameRate: 1000.0}}
  VIS: {backend: basler-emulation, serial: 0815-0001, line: 1, divisor: 4, exposure_us: 4000, width: 96, height: 64,
        trigger_source: Software, features: {AcquisitionFrameRateEnable: false, AcquisitionFrameRate: 1000.0}}
screen: {backend: simulated, width: 960, height: 540, refresh_hz: 60}
simulation: {seed: 1}
"""
DIVISORS = {"HS": 1, "VIS": 4}
RECORDING = 1  # the epoch of the recording run
LATE = "NOT MEASURED"  # a frame that a busy machine delivers a period late ends what arrival can tell (decision 17)


class Wire:
    """What the wire saw: of every trigger of the recording run, whether the camera was ready for it.

    One that it is not ready for ends here: the emulation swallows it, as its contract shows, but might become ready
    between the question and the trigger, which no test could know.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._ready: dict[str, list[bool]] = defaultdict(list)
        trigger = EmulatedBaslerCamera.trigger

        def watched(camera: EmulatedBaslerCamera) -> None:
            is_taken = is_ready(camera)
            if camera._is_armed and camera._epoch == RECORDING:
                self._ready[camera.name].append(is_taken)
            if is_taken:
                trigger(camera)

        patch.setattr(EmulatedBaslerCamera, "trigger", watched)

    def sent(self, stream: str) -> int:
        return len(self._ready[stream])

    def swallowed(self, stream: str) -> list[int]:
        """The pulses that it was not ready for."""
        return [k * DIVISORS[stream] for k, is_taken in enumerate(self._ready[stream]) if not is_taken]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome, Wire]:
    folder = tmp_path_factory.mktemp("emulated")
    rig, protocol = folder / "rig.yaml", write_protocol(folder, ("still", 4, "all"))
    rig.write_text(RIG)
    with pytest.MonkeyPatch.context() as patch:
        wire = Wire(patch)
        recorded = record(folder, rig, protocol, virtual=False)
    return recorded.path, recorded.outcome, wire


def test_as_many_frames_are_lost_as_the_wire_found_the_camera_not_ready(
    session: tuple[Path, Outcome, Wire],
) -> None:
    path, outcome, wire = session
    assert outcome is Outcome.FINISHED
    with h5py.File(path) as run:
        for stream in DIVISORS:
            swallowed = wire.swallowed(stream)
            assert wire.sent(stream) == len(run["/acquisition/pulses"]) / DIVISORS[stream]
            assert len(run[f"/acquisition/{stream}/data"]) == wire.sent(stream) - len(swallowed)
            assert run[f"/acquisition/{stream}/gaps"]["missing"].sum() == len(swallowed)
    assert len(wire.swallowed("HS")) > wire.sent("HS") // 4  # at 100 Hz about every second one


def test_every_gap_is_an_interval_that_holds_its_lost_pulses(session: tuple[Path, Outcome, Wire]) -> None:
    path, _, wire = session
    with h5py.File(path) as run:
        for stream in DIVISORS:
            left = wire.swallowed(stream)
            for gap in run[f"/acquisition/{stream}/gaps"][:]:
                held = [pulse for pulse in left if gap["first_pulse"] <= pulse <= gap["last_pulse"]]
                assert len(held) == gap["missing"]
                left = [pulse for pulse in left if pulse not in held]
            assert not left


def test_no_frame_is_given_a_pulse_that_it_may_not_be_of(session: tuple[Path, Outcome, Wire]) -> None:
    path, _, wire = session
    with h5py.File(path) as run:
        for stream, divisor in DIVISORS.items():
            pulses = run[f"/acquisition/{stream}/frames"]["pulse_number"]
            swallowed = set(wire.swallowed(stream))
            taken = [k * divisor for k in range(wire.sent(stream)) if k * divisor not in swallowed]
            assert all(pulse in (-1, true) for pulse, true in zip(pulses.tolist(), taken, strict=True))


def test_such_a_session_is_never_called_synchronised_or_complete(session: tuple[Path, Outcome, Wire]) -> None:
    path, _, wire = session
    with Run(path) as run:
        verdict = verify_run(run)
    words = {(finding.check, finding.stream): str(finding.word) for finding in verdict.findings}
    assert words["frames", "HS"] == "FAIL"
    assert words["frames", "VIS"] in ({"FAIL"} if wire.swallowed("VIS") else {"PASS", LATE})
    for check in ("evidence", "stamps", "preamble", "intervals"):
        for stream in DIVISORS:
            assert words[check, stream] != "PASS", check
    assert not verdict.is_complete
