"""The features of a simulated camera, as the node map of a real one: each has a type, limits, and may be read only.

What is asked for is written by `rig.cameras.nodes.ask`, as with a real camera; a number between two steps is rounded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rig.cameras.features import Feature
from rig.cameras.nodes import Allowed, Nodes, Refused
from rig.pixels import FORMATS

SENSOR_PX = 8192  # width and height of the whole sensor
LINES = tuple(f"Line{number}" for number in range(1, 10))
OPTO = LINES[:2]  # opto-coupled inputs, as on many real cameras
OF_A_LINE = ("LineMode", "LineFormat", "LineInverter", "LineSource", "LineDebouncerTime")
ROUNDED_US = 17.0  # step of an exposure register that rounds without a word
SETTINGS = (  # that decide whether and how fast it can be triggered
    "TriggerMode", "TriggerActivation", "TriggerDelay", "ExposureAuto", "GainAuto", "BalanceWhiteAuto",
    "AcquisitionFrameRateEnable", "AcquisitionFrameRate",
    "DeviceLinkThroughputLimitMode", "DeviceLinkThroughputLimit",
)  # fmt: skip


@dataclass
class Node:
    """One feature."""

    value: Feature
    allowed: Allowed
    is_writable: bool = True


class NodeMap(Nodes):
    """All features of one camera, as after it was switched on."""

    def __init__(self, serial: str, user_id: str, *, rounds: bool) -> None:
        """`rounds`: the exposure is held in coarse steps."""
        self._nodes = _geometry() | _trigger() | _automatic() | _link()
        self._nodes["ExposureTime"] = _number(10_000.0, 1, 1e6, ROUNDED_US if rounds else None)
        self._nodes["DeviceSerialNumber"] = _fixed(serial)
        self._nodes["DeviceUserID"] = Node(user_id, Allowed(str))

    def is_there(self, name: str) -> bool:
        """See Nodes.is_there."""
        return self._key(name) in self._nodes

    def is_writable(self, name: str) -> bool:
        """See Nodes.is_writable."""
        return self._nodes[self._key(name)].is_writable

    def read(self, name: str) -> Feature | None:
        """See Nodes.read."""
        return self._nodes[self._key(name)].value if self.is_there(name) else None

    def write(self, name: str, value: Feature) -> None:
        """See Nodes.write. A number between two steps is rounded."""
        node, step = self._nodes[self._key(name)], self.allowed(name).step
        if not isinstance(value, bool | str):
            held = round((value - (node.allowed.low or 0)) / step) * step + (node.allowed.low or 0) if step else value
            value = int(held) if node.allowed.kind is int else float(held)
        node.value = value

    def execute(self, name: str) -> None:
        """See Nodes.execute; there are no commands."""
        raise Refused(f"is no command: {name}")

    def allowed(self, name: str) -> Allowed:
        """See Nodes.allowed. An offset goes as far as there is sensor; what is seen is the same with any."""
        found = self._nodes[self._key(name)].allowed
        if name in ("OffsetX", "OffsetY"):
            return replace(found, high=SENSOR_PX - self.held("Width" if name == "OffsetX" else "Height"))
        return found

    def held(self, name: str) -> float:
        """A feature that is there, and a number."""
        return float(self._nodes[name].value)

    def settings(self) -> dict[str, Feature]:
        """What decides whether it can be triggered; a line's features are those of the line that triggers."""
        found = {name: self._nodes.get(name) for name in SETTINGS}
        found |= {name: self._nodes.get(f"{self.read('TriggerSource')} {name}") for name in OF_A_LINE}
        return {name: node.value for name, node in found.items() if node is not None}

    def _key(self, name: str) -> str:
        """Of a line's features there is one for each line; that of the selected line is meant."""
        return f"{self._nodes['LineSelector'].value} {name}" if name in OF_A_LINE else name


def _number(value: float, low: float, high: float, step: float | None = None) -> Node:
    return Node(value, Allowed(type(value), low, high, step))


def _choice(value: str, *others: str) -> Node:
    return Node(value, Allowed(str, choices=(value, *others)))


def _switch() -> Node:
    return Node(False, Allowed(bool))  # noqa: FBT003


def _fixed(value: Feature) -> Node:
    return Node(value, Allowed(type(value)), is_writable=False)


def _geometry() -> dict[str, Node]:
    return {
        "SensorWidth": _fixed(SENSOR_PX),
        "SensorHeight": _fixed(SENSOR_PX),
        "PixelFormat": _choice(*FORMATS),
        "Width": _number(SENSOR_PX, 16, SENSOR_PX, 1),
        "Height": _number(SENSOR_PX, 16, SENSOR_PX, 1),
        "OffsetX": _number(0, 0, 0, 1),
        "OffsetY": _number(0, 0, 0, 1),
        "ReverseX": _switch(),
        "Gain": _number(0.0, 0, 24, 0.1),
        "BlackLevel": _number(0.0, 0, 64),
        "Gamma": _number(1.0, 0, 4),
    }


def _trigger() -> dict[str, Node]:
    nodes = {
        "TriggerSelector": _choice("FrameStart"),
        "TriggerMode": _choice("Off", "On"),
        "TriggerSource": _choice("Software", *LINES),
        "TriggerActivation": _choice("RisingEdge"),
        "TriggerDelay": _number(0.0, 0, 1e6),
        "LineSelector": _choice(*LINES),
    }
    for line in LINES:
        nodes[f"{line} LineMode"] = _choice("Input") if line in OPTO else _choice("Input", "Output")
        nodes[f"{line} LineFormat"] = _fixed("OptoCoupled" if line in OPTO else "TTL")
        nodes[f"{line} LineInverter"] = _switch()
        nodes[f"{line} LineSource"] = _choice("ExposureActive")
        nodes[f"{line} LineDebouncerTime"] = _number(0.0, 0, 20_000)
    return nodes


def _automatic() -> dict[str, Node]:
    names = ("ExposureAuto", "GainAuto", "BalanceWhiteAuto")
    return {name: _choice("Off", "Once", "Continuous") for name in names}


def _link() -> dict[str, Node]:
    return {
        "AcquisitionFrameRateEnable": _switch(),
        "AcquisitionFrameRate": _number(100.0, 0.1, 1000),
        "DeviceLinkThroughputLimitMode": _choice("Off", "On"),
        "DeviceLinkThroughputLimit": _number(360_000_000, 1_000_000, 420_000_000, 1000),
        "DeviceTemperature": _fixed(41.0),
    }
