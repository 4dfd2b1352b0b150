"""What each family of Basler cameras is asked for and says, on node maps as their maker documents them."""

from __future__ import annotations

import pytest

from rig.cameras.basler import family
from rig.cameras.basler.family import BLOCK_IDS, EMULATED, GIGE, USB, Chunks, Numbering
from rig.cameras.camera import Delay, Discipline, Origin, Shutter, TicksMark
from rig.cameras.nodes import ask
from rig.clock import HostClock
from rig.config.rig import Camera
from rig.streams import NO_COUNTER
from tests.cameras.fake_nodes import BIG, Fake, FakeNodes, ace_2_gige, ace_gige, ace_usb, one_of

LINE1 = "Line1"
WANTED = {"Timestamp", "CounterValue", "Triggerinputcounter", "ExposureTime", "LineStatusAll"}
CAMERA = Camera.model_validate(
    {
        "backend": "basler",
        "serial": "1",
        "line": 0,
        "divisor": 1,
        "exposure_us": 4000,
        "start_delay_us": 17.5,
        "width": 640,
        "height": 480,
    }
)


def enabled(nodes: FakeNodes) -> set[str]:
    return {chunk for chunk, is_enabled in nodes.features["ChunkEnable"].of.items() if is_enabled}


@pytest.mark.parametrize(
    ("nodes", "chunks"),
    [
        (
            ace_usb(),
            Chunks("ChunkTimestamp", TicksMark.FRAME_START, "ChunkCounterValue", "FrameTrigger", "ChunkExposureTime",
                   "ChunkLineStatusAll"),
        ),
        (
            ace_gige(),
            Chunks("ChunkTimestamp", TicksMark.FRAME_START, "ChunkTriggerinputcounter", "FrameTrigger",
                   "ChunkExposureTime", "ChunkLineStatusAll"),
        ),
        (
            ace_2_gige(),
            Chunks("BslChunkTimestampValue", TicksMark.EXPOSURE_START, "ChunkCounterValue", LINE1,
                   "ChunkExposureTime", "ChunkLineStatusAll"),
        ),
    ],
    ids=["ace USB", "ace GigE", "ace 2"],
)  # fmt: skip
def test_each_family_brings_what_it_can_with_every_frame_and_counts_from_0(nodes: FakeNodes, chunks: Chunks) -> None:
    before = nodes.read("ChunkSelector")
    assert family.enable_chunks(nodes, LINE1) == chunks
    assert enabled(nodes) == WANTED & set(nodes.choices("ChunkSelector"))
    assert nodes.read("ChunkModeActive") is True
    assert nodes.features["CounterEventSource"].of == {"Counter1": chunks.counter_source}
    assert nodes.features["CounterResetSource"].of == {"Counter1": "Software"}
    assert nodes.done == ["CounterReset"]
    assert nodes.read("ChunkSelector") == before


def test_a_counter_that_ends_is_given_its_longest_duration() -> None:
    nodes = ace_2_gige()
    family.enable_chunks(nodes, LINE1)
    assert nodes.features["CounterDuration"].of == {"Counter1": 2**31 - 1}


def test_an_old_camera_counts_frames_and_says_so() -> None:
    nodes = ace_usb()
    nodes.features["CounterEventSource"] = one_of("FrameStart")
    assert family.enable_chunks(nodes, LINE1).counter_source == "FrameStart"


def test_a_counter_that_cannot_be_set_to_0_is_not_used() -> None:
    nodes = ace_gige()
    nodes.commands = ()
    chunks = family.enable_chunks(nodes, LINE1)
    assert (chunks.counter, chunks.counter_source) == ("", "")


def test_a_camera_without_chunks_has_none() -> None:
    nodes = ace_usb()
    del nodes.features["ChunkSelector"]
    assert family.enable_chunks(nodes, LINE1) == Chunks()


def test_what_comes_with_a_frame_is_read_to_the_last_bit() -> None:
    chunks = Chunks("BslChunkTimestampValue", TicksMark.EXPOSURE_START, "ChunkCounterValue", LINE1, "ChunkExposureTime",
                    "ChunkLineStatusAll")  # fmt: skip
    stamps = {"FrameStart": 1, "ExposureStart": BIG, "ExposureEnd": 3}
    frame = FakeNodes(
        {
            "BslChunkTimestampSelector": one_of(*stamps),
            "BslChunkTimestampValue": Fake(0, by="BslChunkTimestampSelector", of=dict(stamps)),
            "ChunkCounterSelector": one_of("Counter2", "Counter1"),
            "ChunkCounterValue": Fake(0, by="ChunkCounterSelector", of={"Counter2": 9, "Counter1": 4321}),
            "ChunkExposureTime": Fake(4000.5),
            "ChunkLineStatusAll": Fake(0b101),
        }
    )
    told = family.read_chunks(chunks, frame)
    assert (told.ticks, told.counter, told.exposure_us, told.line_status) == (BIG, 4321, 4000.5, 0b101)


def test_what_does_not_come_with_a_frame_is_not_made_up() -> None:
    told = family.read_chunks(family.enable_chunks(ace_usb(), LINE1), FakeNodes({}))
    assert (told.ticks, told.counter, told.exposure_us, told.line_status) == (None, NO_COUNTER, None, 0)


@pytest.mark.parametrize(
    ("device_class", "extended", "numbering"),
    [
        (GIGE, "Off", Numbering(1, BLOCK_IDS)),
        (GIGE, "On", Numbering(1, 0)),
        (USB, "Off", Numbering(0, 0)),
        (EMULATED, "Off", Numbering(0, 0)),
    ],
)
def test_frame_numbers_start_and_wrap_as_the_connection_has_it(
    device_class: str, extended: str, numbering: Numbering
) -> None:
    nodes = FakeNodes({"GevGVSPExtendedIDMode": one_of(extended)})
    assert family.numbering(device_class, nodes) == numbering


def test_the_clock_is_as_fast_as_the_camera_says() -> None:
    assert family.ticks_hz(GIGE, ace_gige()) == 125_000_000
    assert family.ticks_hz(GIGE, ace_2_gige()) == 1_000_000_000
    assert family.ticks_hz(USB, ace_usb()) == 1_000_000_000
    assert family.ticks_hz(EMULATED, ace_usb()) == 0


@pytest.mark.parametrize("make", [ace_usb, ace_gige, ace_2_gige])
def test_its_clock_is_latched_between_two_readings_of_the_host_clock(make: type[FakeNodes]) -> None:
    pairs = family.latch(make(), HostClock(), "HS")
    assert len(pairs) == family.LATCHES
    for pair in pairs:
        assert (pair.clock, pair.reading, pair.reading_end) == ("camera:HS", BIG, BIG)
        assert pair.host_before_ns <= pair.host_after_ns
    assert family.latch(FakeNodes({}), HostClock(), "HS") == ()


def test_a_clock_follows_ptp_only_once_it_says_so() -> None:
    nodes = ace_2_gige()
    assert family.discipline(nodes, has_clock=True) is Discipline.FREE  # it is still "Uncalibrated"
    nodes.write("PtpStatus", "Slave")
    assert family.discipline(nodes, has_clock=True) is Discipline.PTP
    assert "PtpDataSetLatch" in nodes.done
    nodes.write("PtpEnable", False)
    assert family.discipline(nodes, has_clock=True) is Discipline.FREE
    assert family.discipline(ace_gige(), has_clock=True) is Discipline.PTP
    assert family.discipline(ace_usb(), has_clock=False) is Discipline.NONE


def test_delays_say_where_they_come_from_and_are_those_of_the_trigger_line() -> None:
    nodes = ace_usb()
    assert family.delays(nodes, CAMERA) == {
        "exposure_start": Delay(17.5, Origin.DECLARED),
        "debouncer": Delay(10.0, Origin.DEVICE),
        "trigger": Delay(0.0, Origin.DEVICE),
    }
    assert nodes.read("LineSelector") == "Line2"  # as it was
    old = family.delays(ace_gige(), CAMERA)
    assert (old["debouncer"].us, old["trigger"].us) == (5.0, 2.0)


def test_a_rolling_shutter_says_its_row_time() -> None:
    nodes = ace_gige()
    assert family.shutter(nodes) == (Shutter.ROLLING, pytest.approx(35.0))  # acA2500-14: 35 us, says its manual
    nodes.write("ShutterMode", "GlobalResetRelease")
    assert family.shutter(nodes) == (Shutter.GLOBAL, 0.0)
    assert family.shutter(ace_usb()) == (Shutter.GLOBAL, 0.0)


def test_only_the_trigger_of_frames_is_left_on_and_there_is_room_for_the_picture() -> None:
    nodes = ace_gige()
    family.prepare(nodes)
    assert nodes.features["TriggerMode"].of == {"AcquisitionStart": "Off"}
    assert (nodes.read("AcquisitionMode"), nodes.read("OffsetX"), nodes.read("OffsetY")) == ("Continuous", 0, 0)


def test_the_settings_are_those_of_the_trigger_line_under_their_present_names() -> None:
    nodes = ace_usb()
    settings = family.settings(nodes, LINE1)
    assert (settings["LineMode"], settings["LineFormat"], settings["LineDebouncerTime"]) == (
        "Input",
        "OptoCoupled",
        10.0,
    )
    assert settings["ExposureAuto"] == "Off"
    assert nodes.read("LineSelector") == "Line2"
    assert family.settings(ace_gige(), LINE1)["ResultingFrameRate"] == 14.0
    assert family.settings(ace_2_gige(), LINE1)["ResultingFrameRate"] == 160.0
    assert "BalanceWhiteAuto" not in settings  # it has none


@pytest.mark.parametrize(
    ("make", "events"),
    [
        (
            ace_usb,
            {"FrameStartOvertrigger": "EventFrameStartOvertriggerData", "OverTemperature": "EventOverTemperatureData"},
        ),
        (
            ace_gige,
            {"FrameStartOvertrigger": "FrameStartOvertriggerEventData", "EventOverrun": "EventOverrunEventData"},
        ),
        (
            ace_2_gige,
            {
                "FrameTriggerMissed": "EventFrameTriggerMissedData",
                "FrameBufferOverrun": "EventFrameBufferOverrunData",
                "TemperatureStatusChanged": "EventTemperatureStatusChangedData",
            },
        ),
    ],
)
def test_it_tells_the_events_that_it_has(make: type[FakeNodes], events: dict[str, str]) -> None:
    nodes = make()
    assert family.enable_events(nodes) == events
    assert nodes.features["EventNotification"].of == dict.fromkeys(events, "On")


def test_an_event_says_when_it_happened() -> None:
    assert family.event_ticks(ace_usb(), "FrameStartOvertrigger") == BIG
    assert family.event_ticks(ace_gige(), "FrameStartOvertrigger") == 7
    assert family.event_ticks(ace_2_gige(), "FrameTriggerMissed") == 0


@pytest.mark.parametrize(
    ("name", "value", "problem", "allowed"),
    [
        ("ExposureTime", 4000.0, "", "20 to 1e+07"),
        ("ExposureTime", 4000, "", "20 to 1e+07"),
        ("ExposureTime", 5.0, "is out of range", "20 to 1e+07"),
        ("ExposureTime", 4000.4, "reads back as 4000", "20 to 1e+07"),
        ("ExposureTime", "long", "is no number", "20 to 1e+07"),
        ("Width", 645, "is between two steps", "8 to 1440 in steps of 8"),
        ("Width", 640.5, "is no whole number", "8 to 1440 in steps of 8"),
        ("Width", True, "is no whole number", "8 to 1440 in steps of 8"),
        ("ChunkModeActive", 1, "is neither true nor false", "true or false"),
        ("ExposureAuto", "on", "is not one of its choices", "Off, Once, Continuous"),
        ("LineFormat", "TTL", "is not writable", "OptoCoupled"),
        ("LineFormat", "OptoCoupled", "", "OptoCoupled"),  # it cannot be written, and need not be
        ("Brightness", 1, "does not exist", ""),
    ],
)
def test_a_feature_is_taken_or_says_why_not(name: str, value: str | float | bool, problem: str, allowed: str) -> None:
    state = ask(ace_usb(), name, value)
    assert (state.name, state.asked, state.problem, state.allowed) == (name, value, problem, allowed)


def test_an_old_camera_is_asked_by_the_present_name_of_a_feature() -> None:
    nodes = ace_gige()
    state = ask(nodes, "ExposureTime", 4000.0)
    assert (state.name, state.got, state.problem) == ("ExposureTime", 4000.0, "")
    assert nodes.read("ExposureTimeAbs") == 4000.0
