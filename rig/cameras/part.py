"""A camera's part of rig.yaml from the features that it has now."""

from __future__ import annotations

from collections.abc import Sequence

from rig.cameras.found import FeatureRow, FoundCamera
from rig.cameras.nodes import OLDER_NAMES
from rig.config.rules import EMULATION
from rig.config.written import OWN_KEYS, CameraPart, Feature, Scalar, camera_part

FOR_RECORDING: dict[str, Scalar] = {  # a recording is refused with any other value
    "AcquisitionFrameRateEnable": False,
    "BalanceWhiteAuto": "Off",
    "ExposureAuto": "Off",
    "GainAuto": "Off",
}
FOR_EMULATION: dict[str, Scalar] = {"AcquisitionFrameRate": 1000.0}  # there it caps the rate also when it is off


def part_of(stream: str, found: FoundCamera, rows: Sequence[FeatureRow], *, line: int, divisor: int) -> CameraPart:
    """All that can be written, as it is now; what a camera knows by two names by the present one."""
    older = {name for new, names in OLDER_NAMES.items() if any(row.name == new for row in rows) for name in names}
    features = [Feature(r.name, r.value, r.allowed) for r in rows if r.is_writable and r.name not in older]
    return _part(stream, found, features, line, divisor)


def first_part_of(
    stream: str, found: FoundCamera, rows: Sequence[FeatureRow], *, line: int, divisor: int
) -> CameraPart:
    """The picture as it is now, what a recording needs otherwise as it needs it, and nothing else.

    The exposure time is not taken over: what suits free run or an automatic is too long between two pulses.
    """
    needed = FOR_RECORDING | (FOR_EMULATION if found.backend == EMULATION else {})
    kept = [row for row in rows if row.name in (OWN_KEYS.keys() - {"ExposureTime"}) | needed.keys()]
    features = [Feature(row.name, needed.get(row.name, row.value), row.allowed) for row in kept if row.is_writable]
    return _part(stream, found, features, line, divisor)


def _part(stream: str, found: FoundCamera, features: Sequence[Feature], line: int, divisor: int) -> CameraPart:
    what = f"{found.vendor} {found.model}, {found.interface}"
    return camera_part(stream, found.backend, found.serial, features, what=what, line=line, divisor=divisor)
