"""A camera's part of rig.yaml from the features that it has now."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from rig.cameras.found import FeatureRow, FoundCamera
from rig.cameras.nodes import OTHER_NAMES
from rig.config.backends import EMULATION
from rig.config.rules import OWN_KEYS
from rig.config.written import CameraPart, Feature, Scalar, camera_part

FOR_RECORDING: dict[str, Scalar] = {  # a recording is refused with any other value
    "AcquisitionFrameRateEnable": False,
    "BalanceWhiteAuto": "Off",
    "ExposureAuto": "Off",
    "GainAuto": "Off",
}
FOR_EMULATION: dict[str, Scalar] = {"AcquisitionFrameRate": 1000.0}  # there it caps the rate also when it is off

# What is of one camera only, follows from others, is set by the driver itself, or is for testing cameras.
NOT_TO_COPY = re.compile(
    "DeviceUserID|DeviceFirmware.*|DeviceDelayRegister|PayloadSize|WidthMax|HeightMax|.*DecompressedImageSize|"
    "Chunk.*|Event.*|UserSet.*|ForceFailedBuffer.*|Test.*|ImageFile.*"
)


def part_of(stream: str, found: FoundCamera, rows: Sequence[FeatureRow], *, line: int, divisor: int) -> CameraPart:
    """What can be written and copied, as it is now; what a camera knows by two names by the present one."""
    kept = [row for row in _by_present_names(rows) if row.is_writable and not NOT_TO_COPY.fullmatch(row.name)]
    return _part(stream, found, [Feature(row.name, row.value, row.allowed) for row in kept], line, divisor)


def first_part_of(
    stream: str, found: FoundCamera, rows: Sequence[FeatureRow], *, line: int, divisor: int
) -> CameraPart:
    """The picture as it is now, what a recording needs otherwise as it needs it, and nothing else.

    The exposure time is not taken over: what suits free run or an automatic is too long between two pulses.
    """
    needed = FOR_RECORDING | (FOR_EMULATION if found.backend == EMULATION else {})
    kept = [row for row in _by_present_names(rows) if row.name in (OWN_KEYS.keys() - {"ExposureTime"}) | needed.keys()]
    features = [Feature(row.name, needed.get(row.name, row.value), row.allowed) for row in kept if row.is_writable]
    return _part(stream, found, features, line, divisor)


def _by_present_names(rows: Sequence[FeatureRow]) -> list[FeatureRow]:
    """Each register once, by the name by which rig.yaml asks for it."""
    present = {old: new for new, others in OTHER_NAMES.items() for old in others}
    named = {present.get(row.name, row.name): row for row in rows if row.name in present}
    named |= {row.name: row for row in rows if row.name not in present}
    doubled = {f"{name}Raw" for name in named}
    return [replace(row, name=name) for name, row in sorted(named.items()) if name not in doubled]


def _part(stream: str, found: FoundCamera, features: Sequence[Feature], line: int, divisor: int) -> CameraPart:
    what = f"{found.vendor} {found.model}, {found.interface}"
    return camera_part(stream, found.backend, found.serial, features, what=what, line=line, divisor=divisor)
