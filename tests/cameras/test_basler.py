"""The driver of Basler cameras, with stand-ins for devices that only a lab has."""

from __future__ import annotations

import numpy as np
import pytest

from rig import wiring
from rig.cameras.basler.device import pylon
from rig.cameras.basler.family import BLOCK_IDS, GIGE
from rig.cameras.camera import Camera, TicksMark
from rig.clock import NS
from rig.config.rig import Rig
from rig.errors import DeviceLost, DeviceNotFound, ProblemList
from rig.record.camera_rules import camera_warnings
from rig.streams import NO_COUNTER, CameraEvent, CameraEventKind, Frame, Status
from tests.cameras.fake_nodes import BIG, Fake, FakeNodes, ace_gige, ace_usb
from tests.cameras.stand_in import CONFIG, SERIAL, SHAPE, USER_ID, Found, Result, stand_in


def chunks(counter: int) -> dict[str, Fake]:
    return {
        "ChunkTimestamp": Fake(BIG + counter),
        "ChunkCounterValue": Fake(counter),
        "ChunkExposureTime": Fake(4001.0),
        "ChunkLineStatusAll": Fake(1),
    }


def grabbed(camera: Camera) -> Frame:
    """The next frame; events before it are left out."""
    for _ in range(10):
        came = camera.grab(0)
        if isinstance(came, Frame):
            return came
    raise AssertionError("no frame")


def test_a_frame_brings_its_chunks_and_is_pylons_own_buffer() -> None:
    with stand_in(ace_usb()) as rig:
        camera = rig.open()
        baseline = camera.arm(1)
        result = Result(0, chunks(1))
        rig.device.camera.results.append(result)
        frame = grabbed(camera)
        assert (frame.stream, frame.epoch, frame.frame_number, frame.counter) == ("HS", 1, 0, 1)
        assert (frame.camera_ticks, frame.exposure_us, frame.line_status) == (BIG + 1, 4001.0, 1)
        assert (baseline.ticks_hz, baseline.ticks_mark) == (1_000_000_000, TicksMark.FRAME_START)
        assert (baseline.counter, baseline.counter_source) == (0, "FrameTrigger")
        assert np.shares_memory(frame.pixels, result.memory)
        assert frame.pixels.shape == SHAPE
        assert not result.is_released
        camera.release(frame)
        assert result.is_released


def test_every_frame_is_kept_in_order_and_the_pool_is_as_deep_as_asked() -> None:
    with stand_in(ace_usb()) as rig:
        rig.open().arm(0)
        assert rig.device.camera.MaxNumBuffer.Value == 200
        assert rig.device.camera.strategy == pylon.GrabStrategy_OneByOne


@pytest.mark.parametrize(
    ("rate_hz", "divisor", "buffers"), [(100, 1, 400), (100, 4, 100), (500, 1, 2000), (50, 10, 20)]
)
def test_the_pool_of_a_rigs_camera_holds_four_seconds_of_frames(rate_hz: int, divisor: int, buffers: int) -> None:
    rig_file = Rig.model_validate(
        {
            "schema": 1,
            "name": "deep",
            "box": {"port": "/dev/rig-box", "rate_hz": rate_hz},
            "cameras": {"HS": CONFIG | {"serial": "1", "line": 1}, "CAM": CONFIG | {"divisor": divisor}},
            "screen": {"backend": "simulated", "width": 960, "height": 540, "refresh_hz": 60},
        }
    )
    with stand_in(ace_usb()) as rig:
        camera = wiring.drivers.open_camera(rig_file, "CAM", rig_file.cameras["CAM"], rig.clock)
        camera.arm(0)
        assert rig.device.camera.MaxNumBuffer.Value == buffers


def test_block_ids_of_a_gige_camera_wrap_from_65535_to_1() -> None:
    with stand_in(ace_gige(), Found(device_class=GIGE)) as rig:
        baseline = rig.open().arm(0)
    assert (baseline.first_frame_number, baseline.first_valid_number, baseline.number_modulus) == (1, 1, BLOCK_IDS)
    assert baseline.number_after(65_534) == 65_535
    assert baseline.number_after(65_535) == 1
    assert baseline.numbers_skipped(65_535, 2) == 2  # 65535 and 1 are missing


def test_a_failed_buffer_is_a_damaged_frame_with_pylons_error_text() -> None:
    with stand_in(ace_gige(), Found(device_class=GIGE)) as rig:
        camera = rig.open()
        camera.arm(0)
        result = Result(7, {}, time_stamp=99, error="The buffer was incompletely grabbed.")
        rig.device.camera.results.append(result)
        frame = grabbed(camera)
        assert (frame.status, frame.frame_number) == (Status.DAMAGED, 7)
        assert (frame.camera_ticks, frame.counter) == (0, NO_COUNTER)  # its own time stamp is of another moment
        assert frame.error == "0xE1000014 The buffer was incompletely grabbed."
        camera.release(frame)
        assert result.is_released


def test_a_buffer_that_is_too_small_is_a_damaged_frame() -> None:
    with stand_in(ace_usb()) as rig:
        camera = rig.open()
        camera.arm(0)
        result = Result(0, chunks(1))
        result.memory = result.memory[:10]
        rig.device.camera.results.append(result)
        frame = grabbed(camera)
        assert frame.status == Status.DAMAGED
        assert "smaller than 6144 bytes" in frame.error
        assert frame.pixels.shape == SHAPE


def test_a_picture_whose_rows_are_padded_is_a_damaged_frame() -> None:
    with stand_in(ace_usb()) as rig:
        camera = rig.open()
        camera.arm(0)
        result = Result(0, chunks(1))
        result.PaddingX = 4
        rig.device.camera.results.append(result)
        frame = grabbed(camera)
        assert frame.status == Status.DAMAGED
        assert "rows are padded by 4 bytes" in frame.error


@pytest.mark.parametrize("chunk", ["ChunkTimestamp", "ChunkCounterValue"])
def test_a_frame_without_the_chunk_that_its_pulse_rests_on_is_damaged(chunk: str) -> None:
    with stand_in(ace_usb()) as rig:
        camera = rig.open()
        camera.arm(0)
        came = chunks(1)
        del came[chunk]
        rig.device.camera.results.append(Result(0, came, time_stamp=99))
        frame = grabbed(camera)
        assert (frame.status, frame.error) == (Status.DAMAGED, f"it came without its {chunk}")
        assert frame.camera_ticks == 0


def test_a_camera_without_chunks_has_the_time_stamps_of_its_buffers() -> None:
    nodes = ace_usb()
    del nodes.features["ChunkSelector"]
    with stand_in(nodes) as rig:
        camera = rig.open()
        assert camera.arm(0).ticks_mark is TicksMark.FRAME_START
        rig.device.camera.results.append(Result(0, {}, time_stamp=99))
        frame = grabbed(camera)
        assert (frame.status, frame.camera_ticks) == (Status.OK, 99)


def test_its_temperature_is_told_now_and_then() -> None:
    with stand_in(ace_usb()) as rig:
        camera = rig.open()
        camera.arm(0)
        first, second = camera.grab(0), camera.grab(0)
        assert isinstance(first, CameraEvent)
        assert (first.kind, first.value, second) == (CameraEventKind.TEMPERATURE, 41.5, None)
        rig.clock.sleep_until(rig.clock.now_ns() + 11 * NS)
        assert isinstance(camera.grab(0), CameraEvent)


def test_what_the_camera_noticed_comes_beside_the_frames() -> None:
    with stand_in(ace_usb()) as rig:
        camera = rig.open()
        camera.arm(0)
        event = CameraEvent("HS", CameraEventKind.OVERTRIGGER, "FrameStartOvertrigger", None, BIG, 5)
        rig.device.waiting.append(event)
        rig.device.camera.results.append(Result(0, chunks(1)))
        assert camera.grab(0) == event
        assert grabbed(camera).frame_number == 0


@pytest.mark.parametrize("noticed", ["by an exception", "by a time-out"])
def test_a_camera_that_is_gone_is_named_with_its_serial_number(noticed: str) -> None:
    with stand_in(ace_usb()) as rig:
        camera = rig.open()
        camera.arm(0)
        camera.grab(0)
        rig.device.is_gone = noticed == "by a time-out"
        rig.device.camera.is_broken = noticed == "by an exception"  # pylon has not told that it was removed
        with pytest.raises(DeviceLost) as lost:
            camera.grab(0)
        assert lost.value.subject == f"camera HS ({SERIAL})"
        assert rig.device.is_closed
        for use in (camera.describe, camera.stop, lambda: camera.grab(0)):
            with pytest.raises(DeviceLost):
                use()


def test_a_camera_that_is_back_is_armed_again_and_old_frames_stay_good() -> None:
    with stand_in(ace_usb()) as rig:
        camera = rig.open()
        camera.arm(0)
        result = Result(0, chunks(1))
        rig.device.camera.results.append(result)
        held = grabbed(camera)
        rig.device.is_gone = True
        with pytest.raises(DeviceLost):
            camera.grab(0)
        found, rig.there = rig.there, [Found("99999999")]
        with pytest.raises(DeviceLost, match="is not back"):
            camera.arm(1)
        rig.there = found
        assert camera.arm(1).epoch == 1
        assert len(rig.devices) == 2
        rig.device.camera.results.append(Result(0, chunks(1)))
        assert grabbed(camera).epoch == 1
        assert np.all(held.pixels == 0)
        camera.release(held)
        assert result.is_released


def test_a_camera_is_found_by_its_serial_number_or_its_user_id() -> None:
    with stand_in(ace_usb(), Found("11111111", "right"), Found()) as rig:
        assert rig.open().describe().serial == SERIAL
        assert rig.open(serial=None, user_id=USER_ID).describe().serial == SERIAL
        with pytest.raises(DeviceNotFound) as not_found:
            rig.open(serial="33333333")
    assert "33333333" in not_found.value.subject
    assert f"11111111 (acA1440-220um), {SERIAL} (acA1440-220um)" in not_found.value.allowed


def test_features_that_are_refused_keep_it_from_being_armed_all_in_one_list() -> None:
    asked = {"Brightness": 1, "LineFormat": "TTL", "ExposureTime": 5.0}
    with stand_in(ace_usb()) as rig:
        camera = rig.open(features=asked)
        states = {state.name: state for state in camera.describe().features}
        assert {name: states[name].problem for name in asked} == {
            "Brightness": "does not exist",
            "LineFormat": "is not writable",
            "ExposureTime": "is out of range",
        }
        with pytest.raises(ProblemList) as refused:
            camera.arm(0)
    assert [problem.subject for problem in refused.value.problems] == [
        f"camera HS ({SERIAL}): {name}" for name in ("ExposureTime", "Brightness", "LineFormat")
    ]


def test_a_feature_that_changed_after_opening_keeps_it_from_being_armed() -> None:
    nodes = ace_usb()
    with stand_in(nodes) as rig:
        camera = rig.open()
        nodes.write("ExposureTime", 9000.0)
        with pytest.raises(Exception, match="ExposureTime: 4000 reads back as 9000"):
            camera.arm(0)


def test_stop_reads_features_and_clock_once_more() -> None:
    nodes = ace_usb()
    with stand_in(nodes) as rig:
        camera = rig.open()
        baseline = camera.arm(0)
        assert baseline.features["ExposureTime"] == 4000.0
        assert {pair.clock for pair in baseline.clock_pairs} == {"camera:HS"}
        nodes.write("ExposureTime", 4100.0)  # as an automatic exposure would
        at_stop = camera.stop()
        assert at_stop.features["ExposureTime"] == 4100.0
        assert at_stop.clock_pairs


@pytest.mark.parametrize(("heartbeat_ms", "is_warned"), [(None, False), (1000, False), (1001, True), (60_000, True)])
def test_a_heartbeat_that_tells_a_loss_too_late_is_told_and_warned_of(
    heartbeat_ms: int | None, is_warned: bool
) -> None:
    with stand_in(ace_gige(), Found(device_class=GIGE)) as rig:
        camera = rig.open()
        rig.device.heartbeat_ms = heartbeat_ms
        info = camera.describe()
    assert info.capabilities.get("heartbeat_ms") == heartbeat_ms
    said = f"camera HS ({SERIAL}): HeartbeatTimeout stays at {heartbeat_ms} ms"
    warned = camera_warnings({"HS": info})  # what rig check prints
    assert [text.startswith(said) for text in warned] == [True] * is_warned


def test_it_says_what_it_can() -> None:
    def can(nodes: FakeNodes, device_class: str) -> dict[str, object]:
        with stand_in(nodes, Found(device_class=device_class)) as rig:
            return rig.open().describe().capabilities

    dumb = ace_gige()
    dumb.features["CounterEventSource"].refuses = ["FrameTrigger", "FrameStart"]
    dumb.features["EventNotification"].is_writable = False
    assert (can(dumb, GIGE)["counter_source"], can(dumb, GIGE)["events"]) == ("", "")
    assert can(ace_gige(), GIGE) == {
        "interface": "gige",
        "counter_source": "FrameTrigger",
        "timestamps": True,
        "clock_pairs": True,
        "events": "EventOverrun, FrameStartOvertrigger",
        "ptp": True,
        "pylon": pylon.GetPylonVersionString(),
    }
