"""What each family of Basler cameras is asked for and says, on node maps as their maker documents them."""

from __future__ import annotations

import pytest

from rig.cameras.basler import family
from rig.cameras.basler.family import BLOCK_IDS, EMULATED, GIGE, USB, Chunks, Numbering
from rig.cameras.camera import Delay, Discipline, Origin, Shutter, TicksMark
from rig.cameras.features import Feature
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


@pytest.mark.parametrize(("make", "counts"), [(ace_gige, "FrameTrigger"), (ace_2_gige, LINE1)])
def test_a_counter_whose_source_cannot_be_written_is_used_if_it_is_the_right_one(
    make: type[FakeNodes], counts: str
) -> None:
    nodes = make()
    source = nodes.features["CounterEventSource"]
    source.is_writable, source.of = False, {"Counter1": counts}
    assert family.enable_chunks(nodes, LINE1).counter_source == counts
    source.of = {"Counter1": "ExposureEnd"}
    assert family.enable_chunks(nodes, LINE1).counter == ""


def test_a_source_that_the_camera_refuses_gives_way_to_the_next_one() -> None:
    nodes = ace_2_gige()
    nodes.features["CounterEventSource"].refuses = [LINE1]
    assert family.enable_chunks(nodes, LINE1).counter_source == "FrameTrigger"
    assert nodes.features["CounterEventActivation"].of == {}  # only a line has edges


def test_a_counter_of_a_line_counts_rising_edges_or_is_not_used() -> None:
    nodes = ace_2_gige()
    family.enable_chunks(nodes, LINE1)
    assert nodes.features["CounterEventActivation"].of == {"Counter1": "RisingEdge"}
    other = ace_2_gige()
    other.features["CounterEventActivation"] = Fake("AnyEdge", ("AnyEdge",), is_writable=False)
    assert family.enable_chunks(other, LINE1).counter == ""


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
    stamps: dict[str, Feature] = {"FrameStart": 1, "ExposureStart": BIG, "ExposureEnd": 3}
    frame = FakeNodes(
        {
            "BslChunkTimestampSelector": one_of(*stamps),
            "BslChunkTimestampValue": Fake(0, by="BslChunkTimestampSelector", of=stamps),
            "ChunkCounterSelector": one_of("Counter2", "Counter1"),
            "ChunkCounterValue": Fake(0, by="ChunkCounterSelector", of={"Counter2": 9, "Counter1": 4321}),
            "ChunkExposureTime": Fake(4000.5),
            "ChunkLineStatusAll": Fake(0b101),
        }
    )
    told = family.read_chunks(chunks, frame)
    assert (told.ticks, told.counter, told.exposure_us, told.line_status) == (BIG, 4321, 4000.5, 0b101)


def test_the_mark_is_that_of_the_time_stamps_which_the_camera_gives() -> None:
    nodes = ace_2_gige()
    nodes.features["BslChunkTimestampSelector"] = one_of("ExposureEnd", "FrameStart")
    chunks = family.enable_chunks(nodes, LINE1)
    assert (chunks.ticks, chunks.ticks_mark) == ("BslChunkTimestampValue", TicksMark.FRAME_START)
    stamps: dict[str, Feature] = {"FrameStart": 1, "ExposureEnd": 3}
    frame = FakeNodes(
        {
            "BslChunkTimestampSelector": one_of("ExposureEnd", "FrameStart"),
            "BslChunkTimestampValue": Fake(0, by="BslChunkTimestampSelector", of=stamps),
        }
    )
    assert family.read_chunks(chunks, frame).ticks == 1


def test_a_time_stamp_of_another_moment_than_the_mark_is_not_taken() -> None:
    chunks = family.enable_chunks(ace_2_gige(), LINE1)
    selector = Fake("FrameStart", ("FrameStart", "ExposureStart"), refuses=["ExposureStart"])
    frame = FakeNodes({"BslChunkTimestampSelector": selector, "BslChunkTimestampValue": Fake(1)})
    told = family.read_chunks(chunks, frame)
    assert (told.ticks, chunks.lacking(told)) == (None, "BslChunkTimestampValue")


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


def test_an_input_filter_is_a_debouncer_by_another_name() -> None:
    assert family.delays(ace_2_gige(), CAMERA)["debouncer"] == Delay(3.0, Origin.DEVICE)
    settings = family.settings(ace_2_gige(), LINE1)
    assert (settings["LineDebouncerTime"], settings["BslInputHoldOffTime"]) == (3.0, 50.0)


def test_a_start_delay_that_nobody_declared_is_the_cameras_own_or_not_known() -> None:
    undeclared = CAMERA.model_copy(update={"start_delay_us": None})
    assert family.delays(ace_2_gige(), undeclared)["exposure_start"] == Delay(12.5, Origin.DEVICE)
    assert family.delays(ace_2_gige(), CAMERA)["exposure_start"] == Delay(17.5, Origin.DECLARED)
    assert "exposure_start" not in family.delays(ace_usb(), undeclared)


def test_a_shutter_is_rolling_only_in_the_mode_in_which_rows_begin_one_after_another() -> None:
    nodes = ace_gige()
    assert family.shutter(nodes) is Shutter.ROLLING
    nodes.write("ShutterMode", "GlobalResetRelease")
    assert family.shutter(nodes) is Shutter.GLOBAL
    assert family.shutter(ace_usb()) is Shutter.GLOBAL


@pytest.mark.parametrize(
    ("low", "high", "step", "becomes"),
    [
        (500, 60_000, 1, 1000),
        (500, 60_000, 500, 1000),
        (0, 60_000, 300, 900),
        (150, 60_000, 400, 950),
        (3000, 60_000, 500, 3000),  # it cannot be shorter
    ],
)
def test_the_heartbeat_is_the_longest_of_at_most_a_second_that_the_connection_takes(
    low: int, high: int, step: int, becomes: int
) -> None:
    transport = FakeNodes({"HeartbeatTimeout": Fake(3000, low=low, high=high, step=step)})
    assert family.set_heartbeat(transport) == becomes
    assert transport.read("HeartbeatTimeout") == becomes


def test_a_heartbeat_is_told_as_it_reads() -> None:
    assert (
        family.set_heartbeat(FakeNodes({"HeartbeatTimeout": Fake(3000, low=500, high=5000, is_writable=False)})) == 3000
    )
    assert family.set_heartbeat(FakeNodes({})) is None


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


def test_older_cameras_have_another_word_for_telling_an_event() -> None:
    nodes = ace_gige()
    nodes.features["EventNotification"] = one_of("Off", "GenICamEvent", by="EventSelector")
    assert set(family.enable_events(nodes)) == {"FrameStartOvertrigger", "EventOverrun"}
    assert set(nodes.features["EventNotification"].of.values()) == {"GenICamEvent"}


def test_an_event_says_when_it_happened() -> None:
    assert family.event_ticks(ace_usb(), "FrameStartOvertrigger") == BIG
    assert family.event_ticks(ace_gige(), "FrameStartOvertrigger") == 7
    assert family.event_ticks(ace_2_gige(), "FrameTriggerMissed") == 0


@pytest.mark.parametrize(
    ("name", "value", "problem", "allowed"),
    [
        ("ExposureTime", 4000.0, "", "20 to 10000000"),
        ("ExposureTime", 4000, "", "20 to 10000000"),
        ("ExposureTime", 5.0, "is out of range", "20 to 10000000"),
        ("ExposureTime", 4000.4, "reads back as 4000", "20 to 10000000"),
        ("ExposureTime", "long", "is no number", "20 to 10000000"),
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
