"""The self-test passes a good box and a right wiring, and names each thing that is wrong with another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from rig.cameras.camera import Baseline, Camera, Feature
from rig.config.rig import Rig, read_rig
from rig.errors import DeviceLost, DeviceNotReady, UserError
from rig.record.plan import pulse_plan
from rig.selftest.cameras import Walk, name_cameras, walk_lines
from rig.selftest.loop_back import loop_back
from rig.selftest.results import Result
from rig.streams import BoxStatus, DeviceInfo, Edge, Frame, Pulse
from rig.trigger.box import BoxEvent, EventsLost, TriggerBox
from rig.verify.findings import Word
from rig.wiring import Virtual, open_virtual
from tests.rigs import RIG
from tests.trigger.other_make import Capabilities, OtherMake, example
from tests.trigger.wrapped import Wrapped

FAST = "rate_hz: 200, led_phase_us: 4700"
Alter = Callable[[BoxEvent], list[BoxEvent]]


def rig_of(folder: Path, simulation: str = "", **replaced: str) -> Rig:
    text = RIG.format(seed=1, faults="").replace("  faults: {}\n", simulation)
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "rig.yaml").write_text(text)
    return read_rig(folder / "rig.yaml").rig


@contextmanager
def opened(rig: Rig) -> Iterator[Virtual]:
    virtual = open_virtual(rig, {}, truth=None, scripted=False)
    try:
        yield virtual
    finally:
        virtual.devices.close()


class Altered(Wrapped):
    """A box whose events are changed on their way, or that says something else of itself."""

    def __init__(self, box: TriggerBox, alter: Alter, **capabilities: int | bool) -> None:
        super().__init__(box)
        self.alter, self.capabilities = alter, capabilities

    def describe(self) -> DeviceInfo:
        info = self.box.describe()
        return replace(info, capabilities={**info.capabilities, **self.capabilities})

    def events(self, timeout_s: float) -> list[BoxEvent]:
        return [changed for event in self.box.events(timeout_s) for changed in self.alter(event)]


def same(event: BoxEvent) -> list[BoxEvent]:
    return [event]


def looped(
    rig: Rig, alter: Alter = same, *, seconds: float = 3, input_number: int | None = None, **capabilities: int | bool
) -> dict[str, Result]:
    """The results by name."""
    with opened(rig) as virtual:
        box = Altered(virtual.devices.box, alter, **capabilities)
        plan, _ = pulse_plan(rig)
        results = loop_back(box, virtual.clock, plan, seconds=seconds, input_number=input_number)
        return {result.name: result for result in results}


def failed(results: dict[str, Result]) -> set[str]:
    return {name for name, result in results.items() if result.word is not Word.PASS}


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return rig_of(tmp_path, "  loop_back: 5\n  box_ppm: 80\n")


def test_a_good_box_with_a_wire_passes_everything(rig: Rig) -> None:
    results = looped(rig)
    assert failed(results) == set()
    assert len(results) == 7
    assert results["edge after pulse"].text == "0 to 0 us"
    assert results["loop-back wire"].text.endswith("between line 0 (D4) and input 5 (D8)")


def test_as_many_pulses_are_sent_and_seen_as_the_box_really_sent(rig: Rig) -> None:
    with opened(rig) as virtual:
        wire = loop_back(virtual.devices.box, virtual.clock, pulse_plan(rig)[0], seconds=3)[0]
        assert wire.value == virtual.world.box.pulses_sent
        assert virtual.world.box.pulses_sent >= 300


def test_without_a_wire_the_two_pins_to_connect_are_named(tmp_path: Path) -> None:
    results = looped(rig_of(tmp_path))
    assert "connect line 0 (D4) with input 5 (D8) by a wire" in results["loop-back wire"].text
    assert results["loop-back wire"].word is Word.FAIL
    assert results["edge after pulse"].word is results["jitter of the edges"].word is Word.NOT_MEASURED


def test_what_rig_yaml_has_at_the_input_is_to_be_taken_off(tmp_path: Path) -> None:
    rig = rig_of(tmp_path)
    with opened(rig) as virtual:
        plan, _ = pulse_plan(rig)
        wire, *_ = loop_back(virtual.devices.box, virtual.clock, plan, seconds=1, signals={"HS": 0, "photodiode": 5})
    assert "photodiode is wired there, take it off" in wire.text
    assert "HS" not in wire.text


def test_a_wire_to_another_input_is_found_where_it_is_said_to_be(tmp_path: Path) -> None:
    rig = rig_of(tmp_path, "  loop_back: 3\n")
    assert "connect line 0 (D4) with input 5 (D8)" in looped(rig)["loop-back wire"].text
    results = looped(rig, input_number=3)
    assert "the firmware polls this input" in results["edge after pulse"].limit
    assert failed(results) == {"jitter of the edges"}
    assert results["jitter of the edges"].word is Word.NOT_MEASURED
    assert results["jitter of the edges"].text == "no timed edge: input 3 (A3) is polled"


def test_an_input_that_the_box_has_not_is_refused(rig: Rig) -> None:
    with pytest.raises(UserError, match="--input: 6 is not allowed; 0 to 5"):
        looped(rig, input_number=6)


def test_one_edge_that_is_missing_is_told(rig: Rig) -> None:
    def without_one(event: BoxEvent) -> list[BoxEvent]:
        return [] if isinstance(event, Edge) and event.level and event.last_pulse == 100 else [event]

    results = looped(rig, without_one)
    assert failed(results) == {"loop-back wire"}
    sent, seen = (int(word) for word in results["loop-back wire"].text.split() if word.isdecimal() and int(word) > 50)
    assert sent == seen + 1


@pytest.mark.parametrize(
    ("ticks", "wrong"),
    [(2, set()), (3, {"jitter of the edges"}), (5, {"jitter of the edges", "edge after pulse"})],
)
def test_an_edge_that_comes_late_breaks_the_limits_of_a_timed_input(rig: Rig, ticks: int, wrong: set[str]) -> None:
    def late(event: BoxEvent) -> list[BoxEvent]:
        is_it = isinstance(event, Edge) and event.last_pulse == 100
        return [replace(event, box_ticks=event.box_ticks + ticks)] if is_it else [event]

    results = looped(rig, late)
    assert failed(results) == wrong
    assert results["jitter of the edges"].value == ticks / 2


@pytest.mark.parametrize(("ticks", "wrong"), [(300, set()), (301, {"edge after pulse"})])
def test_a_polled_input_may_be_late_by_150_us(rig: Rig, ticks: int, wrong: set[str]) -> None:
    def late(event: BoxEvent) -> list[BoxEvent]:
        is_it = isinstance(event, Edge) and event.last_pulse == 100
        return [replace(event, box_ticks=event.box_ticks + ticks)] if is_it else [event]

    assert failed(looped(rig, late, timed_input=False)) == wrong | {"jitter of the edges"}  # not measured


def test_jitter_that_the_box_itself_does_not_know_of_is_found_at_the_timed_input(rig: Rig) -> None:
    """Our firmware stamps a pulse with its planned tick; only the edge that comes back was measured."""

    def trembling(event: BoxEvent) -> list[BoxEvent]:
        is_it = isinstance(event, Edge)
        return [replace(event, box_ticks=event.box_ticks + event.last_pulse % 4)] if is_it else [event]

    results = looped(rig, trembling)
    assert failed(results) == {"jitter of the edges"}
    assert (results["jitter of the edges"].value, results["pulses on plan"].value) == (1.5, 0)


def test_edges_of_something_else_at_the_timed_input_are_no_jitter_of_a_polled_one(tmp_path: Path) -> None:
    def with_photodiode(event: BoxEvent) -> list[BoxEvent]:
        other = replace(event, input=5, box_ticks=event.box_ticks * 7) if isinstance(event, Edge) else None
        return [event, other] if other else [event]

    rig = rig_of(tmp_path, "  loop_back: 3\n")
    assert looped(rig, with_photodiode, input_number=3)["jitter of the edges"].word is Word.NOT_MEASURED


def test_a_pulse_one_tick_off_its_plan_is_told_as_the_boxs_own_word(rig: Rig) -> None:
    def off(event: BoxEvent) -> list[BoxEvent]:
        is_it = isinstance(event, Pulse) and event.pulse_number == 100
        return [replace(event, box_ticks=event.box_ticks + 1)] if is_it else [event]

    results = looped(rig, off)
    assert failed(results) == {"pulses on plan"}
    assert results["pulses on plan"].value == 1
    assert "by the box's own word" in results["pulses on plan"].text


@pytest.mark.parametrize(
    ("ppm", "word"),
    [(80, Word.PASS), (-4000, Word.PASS), (6000, Word.FAIL), (-6000, Word.FAIL), (4990, Word.NOT_MEASURED)],
)
def test_the_rate_is_judged_only_as_surely_as_it_was_measured(tmp_path: Path, ppm: float, word: Word) -> None:
    rate = looped(rig_of(tmp_path, f"  loop_back: 5\n  box_ppm: {ppm}\n"), seconds=10)["rate against the computer"]
    assert rate.word is word
    assert rate.value is not None
    sure_ppm = float(rate.text.split("sure to ")[1].split()[0])
    assert abs(rate.value - ppm) <= sure_ppm + 1
    assert sure_ppm < 500


def test_lost_events_are_told(rig: Rig) -> None:
    def lost(event: BoxEvent) -> list[BoxEvent]:
        is_it = isinstance(event, Pulse) and event.pulse_number == 100
        return [EventsLost(5, 2), event] if is_it else [event]

    results = looped(rig, lost)
    assert failed(results) == {"events"}
    assert results["events"].value == 2


def test_edges_that_the_box_sent_late_are_told(rig: Rig) -> None:
    def late(event: BoxEvent) -> list[BoxEvent]:
        return [replace(event, edges_late=3)] if isinstance(event, BoxStatus) else [event]

    assert failed(looped(rig, late)) == {"late edges"}


def test_a_box_that_never_reports_is_not_called_good(rig: Rig) -> None:
    def mute(event: BoxEvent) -> list[BoxEvent]:
        return [] if isinstance(event, BoxStatus) else [event]

    results = looped(rig, mute)
    assert failed(results) == {"late edges"}
    assert results["late edges"].word is Word.NOT_MEASURED


def test_pulses_come_no_faster_than_the_box_can_tell_them_and_their_edges(tmp_path: Path) -> None:
    rig = rig_of(tmp_path, "  loop_back: 5\n", **{"rate_hz: 100": FAST, "exposure_us: 4000": "exposure_us: 2000"})
    assert rig.box.rate_hz == 200
    with opened(rig) as virtual:
        box = Altered(virtual.devices.box, same, events_per_s=300)
        loop_back(box, virtual.clock, pulse_plan(rig)[0], seconds=2)
        assert 200 <= virtual.world.box.pulses_sent <= 210


def other_make(rig: Rig, capabilities: Capabilities, input_number: int | None = None) -> dict[str, Result]:
    with opened(rig) as virtual:
        box, plan = OtherMake(virtual.devices.box, capabilities), pulse_plan(rig)[0]
        results = loop_back(box, virtual.clock, plan, seconds=2, input_number=input_number)
        return {result.name: result for result in results}


def test_a_box_of_another_make_is_tested_as_far_as_it_declares_itself(tmp_path: Path) -> None:
    results = other_make(rig_of(tmp_path, "  loop_back: 0\n"), example())
    assert results["loop-back wire"].word is Word.PASS
    assert "the hardware stamps this input" in results["edge after pulse"].limit  # as it declares, of its only one
    assert failed(other_make(rig_of(tmp_path, "  loop_back: 5\n"), {**example(), "inputs": 6})) == set()


def test_a_box_that_declares_nothing_is_tested_at_the_input_that_is_named(rig: Rig) -> None:
    with pytest.raises(UserError, match="--input: is needed, as the box does not declare its inputs"):
        other_make(rig, {})
    results = other_make(rig, {}, 5)
    assert failed(results) == {"jitter of the edges"}
    assert results["jitter of the edges"].word is Word.NOT_MEASURED


def test_a_box_without_inputs_is_refused(rig: Rig) -> None:
    with pytest.raises(DeviceNotReady, match="serial SIM1: has no input that a wire could lead to"):
        other_make(rig, {"inputs": 0})


def test_a_test_that_is_to_end_ends_its_run_in_order(rig: Rig) -> None:
    with opened(rig) as virtual:
        box = virtual.world.box
        is_ended = lambda: box.pulses_sent > 50  # noqa: E731
        loop_back(virtual.devices.box, virtual.clock, pulse_plan(rig)[0], seconds=1000, is_ended=is_ended)
        assert box._running() is None
        assert 50 < box.pulses_sent < 80


# Cameras


def walked(truth: Rig, declared: Rig, without: str = "") -> dict[str, Result]:
    """The results by line: cameras wired as in `truth`, rig.yaml as `declared`, one camera that gives no frames."""
    with opened(truth) as virtual:
        cameras = {name: Watched(c, is_blind=name == without) for name, c in virtual.devices.cameras.items()}
        walk = walk_lines(cameras, virtual.devices.box, virtual.clock, pulse_plan(declared)[0])
        assert all(camera.is_stopped for camera in cameras.values())
        serials = {name: camera.describe().serial for name, camera in virtual.devices.cameras.items()}
        return {result.name: result for result in name_cameras(walk, declared, serials)}


class Watched(Camera):
    """A camera that gives no frames if it is blind, and notes that it was stopped."""

    def __init__(self, camera: Camera, *, is_blind: bool = False) -> None:
        self.name, self.camera, self.is_blind, self.is_stopped = camera.name, camera, is_blind, False

    def describe(self) -> DeviceInfo:
        return self.camera.describe()

    def arm(self, epoch: int) -> Baseline:
        return self.camera.arm(epoch)

    def grab(self, timeout_s: float) -> Frame | None:
        frame = self.camera.grab(timeout_s)
        if frame is None or not self.is_blind:
            return frame
        self.camera.release(frame)
        return None

    def release(self, frame: Frame) -> None:
        self.camera.release(frame)

    def stop(self) -> dict[str, Feature]:
        self.is_stopped = True
        return self.camera.stop()

    def close(self) -> None:
        self.camera.close()


def test_each_line_names_the_camera_that_it_exposed(tmp_path: Path) -> None:
    results = walked(rig_of(tmp_path), rig_of(tmp_path))
    assert {name: result.text for name, result in results.items()} == {
        "line 0 (D4)": "HS exposed 3 of 3",
        "line 1 (D5)": "VIS exposed 5 of 5",
        "line 2 (D6)": "NIR exposed 7 of 7",
    }
    assert failed(results) == set()


def test_swapped_cables_are_named(tmp_path: Path) -> None:
    swapped = {"SIM-VIS, line: 1": "SIM-VIS, line: 2", "SIM-NIR, line: 2": "SIM-NIR, line: 1"}
    results = walked(rig_of(tmp_path, **swapped), rig_of(tmp_path))
    assert failed(results) == {"line 1 (D5)", "line 2 (D6)"}
    assert results["line 1 (D5)"].text == "NIR exposed 5 of 5; are the cables of VIS and NIR swapped?"
    assert results["line 2 (D6)"].text == "VIS exposed 7 of 7; are the cables of NIR and VIS swapped?"


def test_a_camera_that_is_not_exposed_is_named_with_its_serial_number(tmp_path: Path) -> None:
    rig = rig_of(tmp_path)
    results = walked(rig, rig, without="NIR")
    assert failed(results) == {"line 2 (D6)"}
    assert results["line 2 (D6)"].text == "nobody exposed; is the cable of NIR (SIM-NIR) on it?"


def test_a_rig_of_two_fast_cameras_is_walked_slowly_enough_to_tell_them_apart(tmp_path: Path) -> None:
    text = RIG.format(seed=1, faults="").replace("rate_hz: 100", FAST).replace("divisor: 4", "divisor: 1")
    text = text.replace("exposure_us: 8000", "exposure_us: 4000")
    (tmp_path / "fast.yaml").write_text(text)
    rig = read_rig(tmp_path / "fast.yaml").rig
    assert failed(walked(rig, rig)) == set()


def hand_walk(*frames: tuple[str, float]) -> Walk:
    """Pulses 0, 120, 240 ms on line 0 and 360 to 840 ms on line 1; frames of (camera, arrived ms)."""
    pulses = [Pulse(1, i, 1 if i < 3 else 2, 0, round(i * 120e6)) for i in range(8)]
    kept = [
        Frame(name, 0, i, 0, -1, 0.0, 0, None, "", round(ms * 1e6), None, 0)  # type: ignore[arg-type]
        for i, (name, ms) in enumerate(frames)
    ]
    return Walk(pulses, kept)


ON_0 = [("HS", i * 120 + 10) for i in range(3)]
ON_1 = [("VIS", i * 120 + 20) for i in range(3, 8)]


@pytest.mark.parametrize(
    ("frames", "line", "text"),
    [
        (
            [*ON_0[:2], *ON_1],
            0,
            "HS exposed 2 of 3; is the cable of HS (h) loose, or its exposure longer than the period?",
        ),
        (
            [*ON_0, *ON_1, ("HS", 370.0)],
            1,
            "HS exposed 1 of 5 and VIS exposed 5 of 5; HS must not be on it, or ran free",
        ),
        (ON_1, 0, "nobody exposed; is the cable of HS (h) on it?"),
        (
            [*ON_0, *[("HS", ms) for _, ms in ON_1]],
            1,
            "HS exposed 5 of 5; is the cable of VIS (v) on it, and not that of HS?",
        ),
    ],
)
def test_what_is_wrong_with_a_line_is_told(
    tmp_path: Path, frames: list[tuple[str, float]], line: int, text: str
) -> None:
    rig = read_two(tmp_path)
    results = {result.name[:6]: result for result in name_cameras(hand_walk(*frames), rig, {"HS": "h", "VIS": "v"})}
    assert results[f"line {line}"].text == text
    assert results[f"line {line}"].word is Word.FAIL
    assert results[f"line {1 - line}"].word is Word.PASS


def test_a_frame_that_comes_before_the_pulse_is_told_belongs_to_it(tmp_path: Path) -> None:
    early = [(name, ms - 25) for name, ms in ON_0 + ON_1]
    assert (
        failed({r.name: r for r in name_cameras(hand_walk(*early), read_two(tmp_path), {"HS": "h", "VIS": "v"})})
        == set()
    )


def test_a_camera_that_exposes_before_any_pulse_is_told(tmp_path: Path) -> None:
    walk = hand_walk(("HS", -50), *ON_0, *ON_1)
    *_, last = name_cameras(walk, read_two(tmp_path), {"HS": "h", "VIS": "v"})
    assert (last.name, last.word) == ("camera HS", Word.FAIL)
    assert "TriggerMode" in last.text


def read_two(folder: Path) -> Rig:
    lines = RIG.format(seed=1, faults="").splitlines(keepends=True)
    (folder / "two.yaml").write_text("".join(line for line in lines if "SIM-NIR" not in line))
    return read_rig(folder / "two.yaml").rig


def test_cameras_are_stopped_also_when_the_box_fails(rig: Rig) -> None:
    def bad(_: BoxEvent) -> list[BoxEvent]:
        raise DeviceLost("trigger box", "is gone")

    with opened(rig) as virtual:
        cameras = {name: Watched(camera) for name, camera in virtual.devices.cameras.items()}
        with pytest.raises(DeviceLost):
            walk_lines(cameras, Altered(virtual.devices.box, bad), virtual.clock, pulse_plan(rig)[0])
        assert all(camera.is_stopped for camera in cameras.values())


def test_a_walk_that_is_to_end_ends_in_order_and_the_cameras_are_stopped(rig: Rig) -> None:
    with opened(rig) as virtual:
        cameras, box = {name: Watched(camera) for name, camera in virtual.devices.cameras.items()}, virtual.world.box
        is_ended = lambda: box.pulses_sent > 4  # noqa: E731
        walk_lines(cameras, virtual.devices.box, virtual.clock, pulse_plan(rig)[0], is_ended=is_ended)
        assert box._running() is None
        assert 4 < box.pulses_sent < 8
        assert all(camera.is_stopped for camera in cameras.values())


def test_every_buffer_of_the_cameras_is_given_back(rig: Rig) -> None:
    with opened(rig) as virtual:
        for _ in range(2):  # the second walk would otherwise find some taken
            walk_lines(virtual.devices.cameras, virtual.devices.box, virtual.clock, pulse_plan(rig)[0])
        for camera in virtual.devices.cameras.values():
            assert not camera._link.states.any()  # type: ignore[attr-defined]
