"""What can be said of a camera that no rig.yaml names yet: who it is, a picture of it, and all its features."""

from __future__ import annotations

from dataclasses import dataclass

from rig.cameras.features import Feature


@dataclass(frozen=True)
class FoundCamera:
    """A camera that answers."""

    backend: str  # as in rig.yaml: cameras.<STREAM>.backend
    vendor: str
    model: str
    serial: str
    user_id: str  # stored in the camera by its owner; empty if it is not set
    interface: str  # how it is connected: usb, gige, emulation, or as its driver calls it
    is_simulated: bool


@dataclass(frozen=True)
class FeatureRow:
    """One feature of a camera as it reads now, by its name in the camera's node map."""

    name: str
    value: Feature
    allowed: str  # the range or choices that the device gives now, in words; empty if it gives none
    is_writable: bool
