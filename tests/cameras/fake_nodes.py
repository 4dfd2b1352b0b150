"""Node maps of Basler's families as docs.baslerweb.com and the ace manuals describe them, without any camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rig.cameras.features import Feature
from rig.cameras.nodes import Allowed, Nodes, Refused

BIG = 2**53 + 1  # a float would round it


@dataclass
class Fake:
    """A feature; `by` is its selector, of whose every choice it has a value of its own."""

    value: Feature | None
    choices: Sequence[str] = ()
    low: float | None = None
    high: float | None = None
    step: float = 1
    by: str = ""
    is_writable: bool = True
    rounds_to: float = 0
    refuses: Sequence[Feature] = ()  # although they are among its choices
    of: dict[str, Feature] = field(default_factory=dict)


class FakeNodes(Nodes):
    """Takes what a camera would; commands are remembered."""

    def __init__(self, features: dict[str, Fake], commands: Sequence[str] = ()) -> None:
        self.features, self.commands, self.done = features, commands, []

    def is_there(self, name: str) -> bool:
        return name in self.features or name in self.commands

    def is_writable(self, name: str) -> bool:
        return name in self.features and self.features[name].is_writable

    def read(self, name: str) -> Feature | None:
        if name not in self.features:
            return None
        fake = self.features[name]
        return fake.of.get(str(self.read(fake.by)), fake.value) if fake.by else fake.value

    def write(self, name: str, value: Feature) -> None:
        fake = self.features[name]
        if value in fake.refuses:
            raise Refused("Node is not writable.")
        if fake.rounds_to and not isinstance(value, str):
            value = round(value / fake.rounds_to) * fake.rounds_to
        if fake.by:
            fake.of[str(self.read(fake.by))] = value
        else:
            fake.value = value

    def execute(self, name: str) -> None:
        if name not in self.commands:
            raise Refused("is no command")
        self.done.append(name)

    def allowed(self, name: str) -> Allowed:
        fake = self.features[name]
        return Allowed(type(fake.value), fake.low, fake.high, fake.step, tuple(fake.choices))


def one_of(*choices: str, by: str = "") -> Fake:
    return Fake(choices[0], choices, by=by)


def _common() -> dict[str, Fake]:
    return {
        "AcquisitionMode": one_of("SingleFrame", "Continuous"),
        "PixelFormat": one_of("Mono8", "Mono12"),
        "Width": Fake(1440, low=8, high=1440, step=8),
        "Height": Fake(1080, low=8, high=1080, step=2),
        "OffsetX": Fake(64, low=0, high=800, step=8),
        "OffsetY": Fake(64, low=0, high=600, step=2),
        "TriggerMode": Fake("On", ("Off", "On"), by="TriggerSelector"),
        "TriggerSource": one_of("Line1", "Line3", "Software", by="TriggerSelector"),
        "LineSelector": one_of("Line2", "Line1", "Line3"),
        "LineMode": Fake("Input", ("Input", "Output"), by="LineSelector", of={"Line2": "Output"}),
        "ExposureAuto": one_of("Off", "Once", "Continuous"),
        "ChunkModeActive": Fake(False),
        "ChunkEnable": Fake(False, by="ChunkSelector"),
        "CounterResetSource": one_of("Off", "Line1", "Software", by="CounterSelector"),
        "EventNotification": one_of("Off", "On", by="EventSelector"),
    }


def ace_usb() -> FakeNodes:
    features = _common() | {
        "TriggerSelector": one_of("FrameBurstStart", "FrameStart"),
        "ExposureTime": Fake(5000.0, low=20.0, high=10e6, rounds_to=1.0),
        "TriggerDelay": Fake(0.0, low=0.0, high=1e6),
        "LineDebouncerTime": Fake(5.0, low=0.0, high=20_000.0, by="LineSelector", of={"Line1": 10.0}),
        "LineFormat": Fake("OptoCoupled", ("OptoCoupled",), by="LineSelector", is_writable=False),
        "ChunkSelector": one_of("Image", "Gain", "ExposureTime", "Timestamp", "LineStatusAll", "CounterValue"),
        "CounterSelector": one_of("Counter1"),
        "CounterEventSource": one_of("FrameStart", "FrameTrigger", by="CounterSelector"),
        "TimestampLatchValue": Fake(BIG),
        "ResultingFrameRate": Fake(200.0),
        "SensorReadoutTime": Fake(3000.0),
        "DeviceTemperature": Fake(41.5),
        "EventSelector": one_of("ExposureEnd", "FrameStartOvertrigger", "OverTemperature"),
        "EventFrameStartOvertriggerData": Fake(None),
        "EventFrameStartOvertriggerTimestamp": Fake(BIG),
        "EventOverTemperatureData": Fake(None),
    }
    return FakeNodes(features, ("CounterReset", "TimestampLatch"))


def ace_gige() -> FakeNodes:
    features = _common() | {
        "TriggerSelector": one_of("AcquisitionStart", "FrameStart"),
        "ExposureTimeAbs": Fake(5000.0, low=20.0, high=10e6),
        "TriggerDelayAbs": Fake(2.0, low=0.0, high=1e6),
        "LineDebouncerTimeAbs": Fake(0.0, low=0.0, high=20_000.0, by="LineSelector", of={"Line1": 5.0}),
        "ShutterMode": one_of("Rolling", "GlobalResetRelease"),
        "ReadoutTimeAbs": Fake(37_800.0),
        "ResultingFrameRateAbs": Fake(14.0),
        "ChunkSelector": one_of(
            "DynamicRangeMax", "Timestamp", "LineStatusAll", "Framecounter", "Triggerinputcounter", "ExposureTime"
        ),
        "CounterSelector": one_of("Counter2", "Counter1"),
        "CounterEventSource": one_of("FrameStart", "FrameTrigger", by="CounterSelector"),
        "GevTimestampTickFrequency": Fake(125_000_000),
        "GevTimestampValue": Fake(BIG),
        "GevIEEE1588": Fake(True),
        "GevIEEE1588StatusLatched": one_of("Slave", "Listening"),
        "TemperatureAbs": Fake(39.0),
        "EventSelector": one_of("ExposureEnd", "FrameStartOvertrigger", "EventOverrun"),
        "FrameStartOvertriggerEventData": Fake(None),
        "FrameStartOvertriggerEventTimestamp": Fake(7),
        "EventOverrunEventData": Fake(None),
    }
    return FakeNodes(features, ("CounterReset", "GevTimestampControlLatch", "GevIEEE1588DataSetLatch"))


def ace_2_gige() -> FakeNodes:
    features = _common() | {
        "TriggerSelector": one_of("FrameBurstStart", "FrameStart"),
        "ExposureTime": Fake(5000.0, low=20.0, high=10e6),
        "ChunkSelector": one_of("Image", "ExposureTime", "Timestamp", "LineStatusAll", "CounterValue", "FrameID"),
        "BslChunkTimestampSelector": one_of("FrameStart", "ExposureStart", "ExposureEnd"),
        "BslExposureStartDelay": Fake(12.5),
        "BslInputFilterTime": Fake(0.0, low=0.0, high=1e6, by="LineSelector", of={"Line1": 3.0}),
        "BslInputHoldOffTime": Fake(0.0, low=0.0, high=1e6, by="LineSelector", of={"Line1": 50.0}),
        "CounterSelector": one_of("Counter2", "Counter1"),
        "CounterEventSource": one_of("FrameStart", "Line1", "FrameTrigger", by="CounterSelector"),
        "CounterEventActivation": one_of("FallingEdge", "RisingEdge", "AnyEdge", by="CounterSelector"),
        "CounterDuration": Fake(1, low=1, high=2**31 - 1, by="CounterSelector"),
        "TimestampLatchValue": Fake(BIG),
        "PtpEnable": Fake(True),
        "PtpStatus": one_of("Uncalibrated", "Slave"),
        "BslResultingAcquisitionFrameRate": Fake(160.0),
        "EventSelector": one_of("FrameTriggerMissed", "FrameBufferOverrun", "TemperatureStatusChanged"),
        "EventFrameTriggerMissedData": Fake(None),
        "EventFrameBufferOverrunData": Fake(None),
        "EventTemperatureStatusChangedData": Fake(None),
    }
    return FakeNodes(features, ("CounterReset", "TimestampLatch", "PtpDataSetLatch"))
