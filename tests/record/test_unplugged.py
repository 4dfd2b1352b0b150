"""The box's cable pulled in mid-session: told at once, and nothing is lost.

In real time on a pseudo terminal; how soon it is told, and what is judged, in virtual time.
"""

from __future__ import annotations

import os
import pty
import select
import threading
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from rig import wiring
from rig.clock import NS, Clock
from rig.config.rig import Box, read_rig
from rig.elicitation.protocol import read_protocol
from rig.record.recording import Recording, Request, Status
from rig.record.states import RunState
from rig.session.layout import Outcome
from rig.session.run import Run
from rig.sim import protocol_sim
from rig.trigger.port import SerialBox
from rig.verify.findings import Finding, Word
from rig.verify.verdict import verify_run
from tests.burnt_in import burnt_in_number
from tests.rigs import record, write_film_protocol, write_rig

ENDS_WITHIN_S = 30


class Cable:
    """A pseudo terminal between the box and the recorder, until it is pulled."""

    def __init__(self, endpoint: protocol_sim.Endpoint) -> None:
        self._far, self._near = pty.openpty()
        tty.setraw(self._near)
        self.port = os.ttyname(self._near)
        self._endpoint, self._is_pulled, self._is_gone = endpoint, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._carry, name="cable")
        self._thread.start()

    def pull(self) -> None:
        """Both ends are gone for the recorder when this returns; the box goes on, it has its own supply."""
        self._is_pulled.set()
        assert self._is_gone.wait(ENDS_WITHIN_S)

    def join(self) -> None:
        """Once the box is closed."""
        self._thread.join(ENDS_WITHIN_S)

    @property
    def is_pulled(self) -> bool:
        return self._is_pulled.is_set()

    def _carry(self) -> None:
        while not self._is_pulled.is_set():
            if select.select([self._far], [], [], 0)[0]:
                self._endpoint.write(os.read(self._far, 4096))
            data = self._endpoint.read(4096, 0.002)
            if data:
                os.write(self._far, data)
        os.close(self._near)
        os.close(self._far)
        self._is_gone.set()
        with suppress(OSError, ValueError):  # the box is closed
            while True:  # what it says is lost, and does not wait
                self._endpoint.read(4096, 0.05)


@pytest.fixture
def cables(monkeypatch: pytest.MonkeyPatch) -> list[Cable]:
    """The cable of the rig that is opened next."""
    made: list[Cable] = []

    def plug_in(box: Box, port: str, clock: Clock) -> SerialBox:
        made.append(Cable(protocol_sim._endpoints[port.removeprefix("sim://")]))
        return SerialBox(made[0].port, clock, baud=box.baud, hello_timeout_s=20)

    monkeypatch.setattr(wiring.opening, "open_box", plug_in)
    return made


def recording(folder: Path, film_frames: int, on_status: Callable[[Status], None]) -> Recording:
    files = read_rig(write_rig(folder)), read_protocol(write_film_protocol(folder, film_frames))
    return Recording(Request(*files, "001", folder / "sessions", scripted=True), on_status)


def test_a_cable_pulled_in_mid_session_is_told_with_its_port(tmp_path: Path, cables: list[Cable]) -> None:
    told: set[str] = set()

    def on_status(status: Status) -> None:
        told.update(status.alarms)
        has_begun = status.state is RunState.RECORDING and status.counts["HS"].arrived > 50
        if has_begun and not cables[0].is_pulled:
            cables[0].pull()

    recorded = recording(tmp_path, 75, on_status).record()
    cables[0].join()
    (alarm,) = (text for text in told if "connection lost" in text)
    assert alarm.startswith(
        f"box: trigger box at {cables[0].port}: connection lost, as when its cable is pulled. Check"
    )
    assert not any("multiple access" in text for text in told)  # what pyserial says of it
    assert recorded.outcome is Outcome.DEVICE_LOST
    _assert_recorded_on(recorded.path)


def _assert_recorded_on(path: Path) -> None:
    """All frames of all steps are there with their right pulses, and the verdict names what is not known."""
    with Run(path) as run:
        last_told = int(run.pulses["pulse_number"][-1])
        stream = run.streams["HS"]
        assert stream.frames["arrived_host_ns"].max() > run.trials["ended_host_ns"].max()
        for index in range(0, len(stream.frames), 20):
            assert burnt_in_number(stream.data[index]) == stream.pulse_numbers[index]
        verdict = verify_run(run)
    found = {f.check: f for f in verdict.findings if f.stream in ("", "HS")}
    assert not verdict.is_complete
    assert found["pulses"].word is Word.NOT_MEASURED
    assert f"the last pulse told of is {last_told}" in found["pulses"].text
    assert (found["box report"].word, found["box report"].is_expected) == (Word.NOT_MEASURED, True)
    assert found["ending"].word is Word.FAIL
    assert found["ending"].text.count("connection lost") == 1
    with Run(path) as run:
        (said,) = [e for e in run.log_of("alarm", "box") if "connection lost" in e["text"]]
    assert said["cause"]  # in the system's words, for us
    for check in ("frames", "stamps", "intervals", "recount"):
        assert found[check].word is Word.NOT_MEASURED, check
        assert f"frames claim pulses {last_told + 1}-" in found[check].text
    assert found["box"].word is found["schedule"].word is Word.NOT_MEASURED
    assert "the box's clock was not read: how it ran could not be seen" in found["box rate"].text
    assert f"last word is of pulse {last_told}" in found["box"].text
    # A disk that was slow meanwhile, or readings of the clock that were held up, are no fault of the box.
    of_computer = {"acknowledged", "host clock", "box rate"}
    failed = {finding.check for finding in verdict.findings if finding.word is Word.FAIL}
    assert failed - of_computer == {"ending"}
    assert found["checksums"].word is Word.PASS
    assert found["order"].word is Word.NOT_MEASURED
    assert f"{last_told + 1}-" in found["order"].text


def recorded_with_a_cut(folder: Path, monkeypatch: pytest.MonkeyPatch, cut_s: float) -> tuple[Path, int]:
    """A film with a photodiode in virtual time, cut off the box after so long: the file, and the moment in host ns."""
    began: list[int] = []

    class Cut(protocol_sim.VirtualEndpoint):
        def read(self, size: int, timeout_s: float) -> bytes:
            now = self._clock.now_ns()
            began.append(now)
            if now - began[0] > cut_s * NS:
                raise OSError(5, "device reports readiness to read")
            return super().read(size, timeout_s)

    monkeypatch.setattr(protocol_sim, "VirtualEndpoint", Cut)
    rig = write_rig(folder)
    rig.write_text(rig.read_text().replace("rate_hz: 100}", "rate_hz: 100, inputs: {photodiode: 5}}"))
    path = record(folder, rig, write_film_protocol(folder, 150)).path
    return path, began[0] + round(cut_s * NS)


def test_it_is_told_within_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, cut_ns = recorded_with_a_cut(tmp_path, monkeypatch, 4.0)
    with Run(path) as run:
        told_ns = [e["host_ns"] for e in run.log if e["kind"] == "alarm" and "connection lost" in e["text"]]
    assert len(told_ns) == 1
    assert 0 <= told_ns[0] - cut_ns <= NS


def judged_after_a_cut(folder: Path, monkeypatch: pytest.MonkeyPatch, cut_s: float) -> tuple[int, dict[str, Finding]]:
    """The last pulse that the box told of, and the verdict."""
    path, _ = recorded_with_a_cut(folder, monkeypatch, cut_s)
    with Run(path) as run:
        return int(run.pulses["pulse_number"][-1]), {f.check: f for f in verify_run(run).findings if f.stream == ""}


def test_flips_after_the_boxs_last_word_are_not_held_against_the_photodiode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In mid-film: those before it are judged, of the others it is said why not."""
    last, found = judged_after_a_cut(tmp_path, monkeypatch, 6.0)
    light = found["photodiode"]
    assert (light.word, light.is_expected) == (Word.NOT_MEASURED, True)
    assert "; 0 not seen; " in light.text
    assert f"the box's last word is of pulse {last}: of " in light.text


def test_a_box_that_fell_silent_before_the_film_is_not_blamed_on_the_photodiodes_cable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last, found = judged_after_a_cut(tmp_path, monkeypatch, 1.9)
    light = found["photodiode"]
    assert (light.word, light.value) == (Word.NOT_MEASURED, None)
    assert f"the box's last word is of pulse {last}" in light.text
    assert "cable" not in light.text
