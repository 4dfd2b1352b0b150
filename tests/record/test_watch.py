"""While recording, a loss is told within a second of the pulse it struck, and nothing is told where nothing was lost.

In virtual time; the moment is that of the pulse in the truth that the simulator wrote, or of the cut made here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rig.clock import NS, VirtualClock
from rig.config.rig import read_rig
from rig.elicitation.protocol import read_protocol
from rig.elicitation.steps import Step
from rig.record.messages import Tick
from rig.record.recording import Recording, Request
from rig.record.states import RunState
from rig.record.watch import LATE_TICK_S, SCREEN, SILENT_S, Watch
from rig.session.folder import beside
from rig.session.layout import Outcome
from rig.session.run import Run
from rig.session.timeline import map_box
from rig.sim import protocol_sim
from rig.sim.camera import SimulatedCamera
from rig.sim.faults import Fault, lost_pulses, read_truth
from rig.sim.screen import SimulatedScreen
from rig.stimulus.screen import READY_S, MakingReady, StepBegan
from rig.streams import CameraEvent, Frame
from tests.record.test_run import Rehearsal
from tests.rigs import record, write_film_protocol, write_protocol, write_rig

DIVISORS = {"HS": 1, "VIS": 4, "NIR": 4}
WITHIN_S = 1.0
BODY = "first_pulse: 100, last_pulse: 290"
LOSSES = (
    "lost_frames: 12",
    "lost_pulses: 12",
    "unnumbered_frames: 12",
    "damaged_frames: 12",
    "timeouts: 3",
    "overheatings: 3",
    "long_exposures: 3",
    "disconnects: 1",
    "bus_resets: 1",
)


def recorded(folder: Path, faults: str = "", *, counter: str = "line", seed: int = 1) -> Path:
    """A run of 4 s."""
    rig = write_rig(folder, seed=seed, faults=faults)
    rig.write_text(rig.read_text().replace("height: 64", f"height: 64, simulated: {{counter: {counter}}}"))
    return record(folder, rig, write_protocol(folder, ("still", 4, "all"))).path


def alarms(path: Path, source: str) -> list[dict[str, Any]]:
    """The alarms about a device in a run's log."""
    with Run(path) as run:
        return [e for e in run.log if e["kind"] == "alarm" and e["stream"] == source]


def seconds_after(path: Path, pulse: int, host_ns: int) -> float:
    """From a pulse, as the box's clock has it, to a host time."""
    with Run(path) as run:
        (ticks,) = run.pulses["box_ticks"][run.pulses["pulse_number"] == pulse]
        return float(host_ns - map_box(run)(int(ticks))) / NS


@pytest.mark.parametrize(
    ("losses", "counter"), [*((losses, "line") for losses in LOSSES), *((losses, "none") for losses in LOSSES[:3])]
)
def test_a_loss_is_told_within_a_second_of_its_pulse(tmp_path: Path, losses: str, counter: str) -> None:
    path = recorded(tmp_path, f"{losses}, {BODY}", counter=counter)
    truth = read_truth(beside(path, "truth.jsonl"))
    struck = {name: lost for name in DIVISORS if (lost := lost_pulses(truth, name))}
    assert struck
    for name, lost in struck.items():
        after_s = seconds_after(path, lost[0], alarms(path, name)[0]["host_ns"])
        assert -0.001 < after_s < WITHIN_S, name  # to a ms, as host and box clock are known
    assert {name for name in DIVISORS if alarms(path, name)} == set(struck)


@pytest.mark.parametrize("faults", ["", f"ghost_frames: 12, {BODY}", "stalls: 3, first_pulse: 0, last_pulse: 380",
                                    "late_frames: 12, first_pulse: 0, last_pulse: 380",
                                    "duplicate_frames: 12, first_pulse: 0, last_pulse: 380"])  # fmt: skip
def test_where_no_pulse_lacks_its_frame_nothing_is_told(tmp_path: Path, faults: str) -> None:
    path = recorded(tmp_path, faults)
    assert [alarms(path, name) for name in (*DIVISORS, "box", SCREEN)] == [[]] * 5


def write_slow_rig(folder: Path) -> Path:
    """HS at 32 Hz, VIS and NIR at 4 Hz, the slowest that may be."""
    rig = write_rig(folder)
    rig.write_text(rig.read_text().replace("rate_hz: 100", "rate_hz: 32").replace("divisor: 4", "divisor: 8"))
    return rig


def test_a_slow_run_in_order_tells_nothing_of_its_pauses(tmp_path: Path) -> None:
    path = record(tmp_path, write_slow_rig(tmp_path), write_protocol(tmp_path, ("still", 8, "all"))).path
    assert [alarms(path, name) for name in (*DIVISORS, "box", SCREEN)] == [[]] * 5


def test_a_camera_clock_that_was_set_by_a_whole_period_is_first_taken_for_a_loss_and_then_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By timestamp and number it looks like a trigger that never came, until a frame comes as quickly as ever."""
    grab: Callable[..., Frame | CameraEvent | None] = SimulatedCamera.grab

    def shifted(camera: SimulatedCamera, timeout_s: float) -> Frame | CameraEvent | None:
        got = grab(camera, timeout_s)
        if isinstance(got, Frame) and got.stream == "VIS" and got.epoch == 1 and got.frame_number >= 60:
            got.camera_ticks += 40_000_000
            got.arrived_host_ns += 30_000_000 if got.frame_number < 72 else 0  # the computer is busy for a while
        return got

    monkeypatch.setattr(SimulatedCamera, "grab", shifted)
    path = recorded(tmp_path, counter="none")
    with Run(path) as run:
        assert len(run.streams["VIS"].gaps) == 0
        told = [e for e in run.log if "VIS: lost no frame after all" in e.get("text", "")]
    assert [e["text"] for e in alarms(path, "VIS")] == ["frames are being lost"]
    assert len(told) == 1


@pytest.mark.parametrize(
    ("name", "write", "divisor", "within_s"),
    [("HS", write_rig, 1, WITHIN_S), ("VIS", write_rig, 4, WITHIN_S), ("VIS", write_slow_rig, 8, 1.35)],
)
def test_a_camera_that_dies_in_silence_is_told_of_within_a_second_or_five_periods(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    write: Callable[[Path], Path],
    divisor: int,
    within_s: float,
) -> None:
    """Its last frame is the 8th; the moment is that of the pulse that should have brought the 9th."""
    grab: Callable[..., Frame | CameraEvent | None] = SimulatedCamera.grab
    came: list[int] = []

    def silenced(camera: SimulatedCamera, timeout_s: float) -> Frame | CameraEvent | None:
        got = None if camera.name == name and len(came) == 8 else grab(camera, timeout_s)
        if isinstance(got, Frame) and got.stream == name and got.epoch == 1:
            came.append(got.frame_number)
        return got

    monkeypatch.setattr(SimulatedCamera, "grab", silenced)
    path = record(tmp_path, write(tmp_path), write_protocol(tmp_path, ("still", 2 + divisor / 3, "all"))).path
    (alarm,) = [e for e in alarms(path, name) if "has said nothing for" in e["text"]]
    assert 0 < seconds_after(path, 8 * divisor, alarm["host_ns"]) < within_s
    others = [other for other in DIVISORS if other != name]
    assert [alarms(path, other) for other in others] == [[], []]


def test_a_box_that_falls_silent_is_told_of_within_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its port stays open and no byte comes any more; its pulses go on."""
    began: list[int] = []

    class Silent(protocol_sim.VirtualEndpoint):
        def read(self, size: int, timeout_s: float | None) -> bytes:
            began.append(self._clock.now_ns())
            data = super().read(size, timeout_s)
            return b"" if self._clock.now_ns() - began[0] > 3 * NS else data

    monkeypatch.setattr(protocol_sim, "VirtualEndpoint", Silent)
    path = recorded(tmp_path)
    alarm = alarms(path, "box")[0]
    assert "has told of no pulse for 0.8 s; pulses may go on" in alarm["text"]
    assert 0 < alarm["host_ns"] - began[0] - 3 * NS < WITHIN_S * NS


def test_a_box_that_restarts_is_told_of_within_a_second(tmp_path: Path) -> None:
    path = recorded(tmp_path, "reset_at_pulse: 200")
    assert [t.fault for t in read_truth(beside(path, "truth.jsonl"))] == [Fault.RESET]
    assert 0 < seconds_after(path, 199, alarms(path, "box")[0]["host_ns"]) < WITHIN_S


def test_a_screen_that_stands_still_in_mid_film_is_told_of_within_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen_ns: list[int] = []

    def is_frozen(screen: SimulatedScreen) -> bool:
        showing = screen._showing
        if not frozen_ns and showing and showing.film_frame == 30:
            frozen_ns.append(screen._clock.now_ns())
        return bool(frozen_ns)

    events, next_host_ns = SimulatedScreen.events, SimulatedScreen.next_host_ns
    monkeypatch.setattr(SimulatedScreen, "events", lambda own, s: [] if is_frozen(own) else events(own, s))
    monkeypatch.setattr(SimulatedScreen, "next_host_ns", lambda own: None if is_frozen(own) else next_host_ns(own))
    files = read_rig(write_rig(tmp_path)), read_protocol(write_film_protocol(tmp_path, 60))
    recording = Recording(
        Request(*files, "001", tmp_path, scripted=True, virtual=True),
        lambda status: recording.stop() if status.alarms else None,  # without a screen it goes on until it is told to
    )
    path = recording.record().path
    alarm = alarms(path, SCREEN)[0]
    assert "has said nothing for 0.8 s" in alarm["text"]
    assert 0 < alarm["host_ns"] - frozen_ns[0] < WITHIN_S * NS


# the watch alone


def ticks(watch: Watch, clock: VirtualClock, seconds: float) -> list[tuple[list[str], list[str]]]:
    """Looks, 50 ms apart."""
    looks = []
    for _ in range(round(seconds / 0.05)):
        clock.sleep_until(clock.now_ns() + NS // 20)
        assert watch.held_up(clock.now_ns()) == 0
        looks.append(watch.look(clock.now_ns()))
    return looks


def test_who_is_heard_again_is_told_once_and_can_fall_silent_again() -> None:
    clock, watch = VirtualClock(), Watch({"HS": 0.01})
    watch.heard("HS", clock.now_ns())
    assert [look for look in ticks(watch, clock, 3) if any(look)] == [(["HS"], [])]
    watch.heard("HS", clock.now_ns())
    assert [look for look in ticks(watch, clock, 3) if any(look)] == [([], ["HS"]), (["HS"], [])]


def test_a_recorder_that_was_held_up_itself_blames_no_device() -> None:
    clock, watch = VirtualClock(), Watch({"HS": 0.01})
    watch.heard("HS", clock.now_ns())
    ticks(watch, clock, 0.1)
    clock.sleep_until(clock.now_ns() + 3 * NS)
    assert watch.held_up(clock.now_ns()) == 3 * NS - int(LATE_TICK_S * NS)
    assert watch.look(clock.now_ns()) == ([], [])
    assert [look for look in ticks(watch, clock, SILENT_S) if any(look)] == [(["HS"], [])]


def test_a_slow_stream_may_be_silent_for_five_of_its_own_periods_and_a_quick_one_beside_it_may_not() -> None:
    clock, watch = VirtualClock(), Watch({"HS": 0.01, "VIS": 1.0})
    for name in ("HS", "VIS"):
        watch.heard(name, clock.now_ns())
    told = np.array([[("HS" in look[0]), ("VIS" in look[0])] for look in ticks(watch, clock, 6)])
    first_s = (told.argmax(axis=0) + 1) * 0.05
    assert first_s.tolist() == pytest.approx([SILENT_S + 0.05, 5.05])


# a film that takes long to be made ready

FILM = Step(0, "clip", "clip1", "", {}, None, 20.0, "film", (), "")


def made_ready(rehearsal: Rehearsal, seconds: float) -> None:
    """The screen tells for so long that it is at it, and nothing else."""
    for _ in range(round(seconds / READY_S)):
        rehearsal.tell(MakingReady(0, rehearsal.now), READY_S)
        rehearsal.tell(Tick(), 0.01)


def test_a_film_that_is_made_ready_never_loses_the_screen(tmp_path: Path) -> None:
    """What is told of it while it lasts names no clip, and is over with the first flip."""
    rehearsal, told = Rehearsal(tmp_path), "screen: the film of step 1 is decoded up to its beginning"
    rehearsal.begin()
    made_ready(rehearsal, 1.5)
    assert [text for text in rehearsal.run.alarms if text.startswith(SCREEN)] == []
    made_ready(rehearsal, 60)
    assert [text.partition(";")[0] for text in rehearsal.run.standing_alarms if text.startswith(SCREEN)] == [told]
    assert (rehearsal.run.state, rehearsal.run.outcome) == (RunState.RECORDING, Outcome.INCOMPLETE)
    rehearsal.tell(StepBegan(0, rehearsal.now))
    assert [text for text in rehearsal.run.standing_alarms if text.startswith(SCREEN)] == []


def test_a_screen_that_stops_making_a_film_ready_is_told_of_and_lost_in_the_end() -> None:
    clock, watch = VirtualClock(), Watch({})
    watch.step_shown(FILM, clock.now_ns())
    for _ in range(400):
        watch.making_ready(clock.now_ns())
        assert ticks(watch, clock, READY_S) == [([], [])] * 5
    assert [look for look in ticks(watch, clock, 3) if any(look)] == [([SCREEN], [])]
    assert not watch.step_is_overdue(clock.now_ns())
    ticks(watch, clock, 22)
    assert watch.step_is_overdue(clock.now_ns())
