"""What rig.yaml and a protocol may say about the verdict: the limits that may lie elsewhere than usual, and how far."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    """A limit that a lab may set. The larger, the looser; above `ceiling` no file may set it."""

    usual: float
    ceiling: float
    unit: str
    text: str  # what it limits, and where the usual value comes from


TOLERANCES: dict[str, Tolerance] = {
    "skew_ms": Tolerance(
        1, 5, "ms", "between the starts of exposure of two cameras at one pulse; the field aims at 1 and accepts 5"
    ),
    "stamps_ms": Tolerance(
        1, 5, "ms", "between a frame and the pulse it claims, by its camera's clock; a trigger jitters by microseconds"
    ),
    "intervals_ms": Tolerance(1, 5, "ms", "between the time from frame to frame and that from pulse to pulse"),
    "camera_ppm": Tolerance(
        6000, 6000, "ppm", "between a camera's clock and the box's; its ceramic resonator is of the 0.5 % class"
    ),
    "box_ppm": Tolerance(6000, 6000, "ppm", "between the box's clock and the host's; the same"),
    "host_residual_ms": Tolerance(
        2, 10, "ms", "of clock pairs around their fit; the jitter accepted between screen and cameras"
    ),
    "midpoint_ms": Tolerance(0.1, 1, "ms", "between the middles of two exposures, and what their lengths predict"),
    "late_flips_percent": Tolerance(1, 5, "%", "of refreshes that came late"),
    "held_refreshes": Tolerance(1, 3, "refreshes", "that a film frame stayed longer than rate and refresh predict"),
    "film_drift_ms": Tolerance(40, 200, "ms", "between the film and its own clock, at its end; a film frame at 25 fps"),
    "light_sd_ms": Tolerance(2, 10, "ms", "standard deviation of the time from flip to light"),
    "light_unseen_percent": Tolerance(2, 5, "%", "of changes of the patch that no edge follows"),
    "saturated_percent": Tolerance(1, 10, "%", "of pixels at full scale, sync LEDs apart"),
    "dark_percent": Tolerance(50, 90, "%", "of pixels that are nearly black"),
    "blur_px": Tolerance(2, 4, "px", "standard deviation of the blur of edges"),
    "flicker_percent": Tolerance(2, 10, "%", "amplitude of a beat of the lamps, to their light"),
    "leak_percent": Tolerance(2, 10, "%", "of the light of the other camera's lamps in a picture"),
    "frozen_frames": Tolerance(0, 1, "frames", "equal to the one before, bit by bit"),
}
