"""What rig.yaml asks of a camera's features, and what became of each: asked, allowed, got."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isclose

from rig.config.rig import Camera
from rig.errors import DeviceNotReady

Feature = str | int | float | bool
SAME = 1e-6  # relative difference of two floats that one register holds
PLAIN = 1e6, 1e15  # from where on to where a number is told by its digits, as no short one could be


@dataclass(frozen=True)
class FeatureState:
    """A feature that rig.yaml asks for, by its name in the camera's node map."""

    name: str
    asked: Feature
    allowed: str  # the range or choices that the device gives now, in words; empty if it gives none
    got: Feature | None  # as it read after it was written; None: it cannot be read
    refusal: str = ""  # why it was not taken, e.g. "does not exist"; empty if it was

    @property
    def problem(self) -> str:
        """What is wrong with it, in words; empty when it reads as asked."""
        if self.refusal:
            return self.refusal
        return "" if self.got is not None and same(self.asked, self.got) else f"reads back as {spelled(self.got)}"


def same(asked: Feature, got: Feature) -> bool:
    """Whether a feature reads as it was asked for."""
    if isinstance(asked, bool) or isinstance(got, bool) or isinstance(asked, str) or isinstance(got, str):
        return type(asked) is type(got) and asked == got
    return isclose(asked, got, rel_tol=SAME)


def spelled(value: Feature | None) -> str:
    """A feature's value for people."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.0f}" if PLAIN[0] <= abs(value) < PLAIN[1] else f"{value:g}"
    return str(value)


def asked_of(camera: Camera) -> dict[str, Feature]:
    """The features that a camera's part of rig.yaml asks for, in the order in which they are to be written."""
    asked: dict[str, Feature] = {
        "PixelFormat": camera.pixel_format,
        "Width": camera.width,  # before the offsets, whose limits depend on it
        "Height": camera.height,
        "OffsetX": camera.offset_x,
        "OffsetY": camera.offset_y,
        "TriggerSelector": "FrameStart",
        "TriggerMode": "On",
        "TriggerSource": camera.trigger_source,
        "ExposureTime": camera.exposure_us,
    }
    return {**asked, **camera.features}


def feature_problems(device: str, features: Sequence[FeatureState]) -> list[DeviceNotReady]:
    """An error for each feature that is not as asked; `device` names camera and serial number."""
    return [
        DeviceNotReady(f"{device}: {f.name}", f.problem, value=spelled(f.asked), allowed=f.allowed)
        for f in features
        if f.problem
    ]
