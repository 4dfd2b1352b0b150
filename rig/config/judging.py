"""What rig.yaml and a protocol may say about the verdict: limits that may lie elsewhere than usual, checks required.

The judge itself (rig.verify) is another room; what it is asked is known here, so that a mistake in a file is told
before anybody is recorded.
"""

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
    "box_ppm": Tolerance(
        1000, 6000, "ppm", "between the box's clock and the host's; crystals are within 100, a ceramic resonator is not"
    ),
    "host_residual_ms": Tolerance(
        2, 10, "ms", "of clock pairs around their fit; the jitter accepted between screen and cameras"
    ),
    "midpoint_ms": Tolerance(0.1, 1, "ms", "between the middles of two exposures, and what their lengths predict"),
    "exposure_ms": Tolerance(0.1, 1, "ms", "between an exposure by ExposureActive, and the exposure time set"),
    "late_flips_percent": Tolerance(1, 5, "%", "of refreshes that came late"),
    "held_refreshes": Tolerance(1, 3, "refreshes", "that a film frame stayed longer than rate and refresh predict"),
    "film_drift_ms": Tolerance(40, 200, "ms", "between the film and its own clock, at its end; a film frame at 25 fps"),
    "sound_ms": Tolerance(
        40, 200, "ms", "between the beginnings of a film's sound and of its pictures; a film frame at 25 fps"
    ),
    "light_sd_ms": Tolerance(2, 10, "ms", "standard deviation of the time from flip to light"),
    "light_unseen_percent": Tolerance(2, 5, "%", "of changes of the patch that no edge follows"),
    "saturated_percent": Tolerance(1, 10, "%", "of pixels at full scale, sync LEDs apart"),
    "dark_percent": Tolerance(50, 90, "%", "of pixels that are nearly black"),
    "blur_px": Tolerance(2, 4, "px", "standard deviation of the blur of edges"),
    "flicker_percent": Tolerance(2, 10, "%", "amplitude of a beat of the lamps, to their light"),
    "leak_percent": Tolerance(2, 10, "%", "of the light of the other camera's lamps in a picture"),
    "frozen_frames": Tolerance(0, 1, "frames", "equal to the one before, bit by bit"),
    "warming_celsius": Tolerance(
        10, 30, "degrees Celsius", "that a camera warms up in a run; its dark current doubles in about 7"
    ),
    "buffers_percent": Tolerance(50, 90, "%", "of a camera's buffers that may wait for the disk at once"),
}

# The checks of rig verify, in their order, each with why it matters to the one who uses the data.
WHY: dict[str, str] = {
    "schema": "A file that is not laid out as described is read wrongly by every program that trusts the description.",
    "identity": "Under another name, a recording is taken for another participant's or another session's.",
    "files": "Without one of its files a part of the session is missing, and nothing in the others shows it.",
    "pulses": "All cameras are counted by the pulses: where one is unknown, no frame can be tied to it.",
    "box": "A box that restarted counts from 0 again, and one number would name two moments.",
    "box report": "Only the box knows what it sent too late or could not tell; no row of the recorder shows it.",
    "exposures": "The camera's own exposure signal tells a trigger it swallowed from a picture lost on the way.",
    "schedule": "The pulses are the time base: every onset, apex and offset is read from their numbers.",
    "frames": "The frame that is lost may be the apex, and whoever counts by file index is off from there on.",
    "extras": "A frame without a pulse moves every later one by a frame for whoever counts by file index.",
    "recount": "What the recorder says of losses is believed only if a second count, from the rows alone, agrees.",
    "order": "Frames out of order, or one pulse twice, make a face move backward or stand still.",
    "pairing": "A VIS or NIR picture is compared with the HS frame of its pulse; a wrong pair compares two moments.",
    "line walk": "VIS and NIR get the same pulses: two swapped cables show in no count, clock or code.",
    "preamble": "Counts cannot tell a missed first frame from a missed last one; every number would be off by one.",
    "postamble": "The closing pattern shows that no number slipped between the first frame and the last.",
    "evidence": "A pulse number that rests on when a frame arrived may be tens of pulses off.",
    "stamps": "A frame exposed at another moment than its pulse shows another face than its number says.",
    "intervals": "How long an expression lasts is read from the intervals between frames.",
    "free run": "A camera that runs freely drifts against the others, and no number or single picture shows it.",
    "skew": "Cameras that start apart show two different moments of a face under one pulse number.",
    "exposure time": "A longer exposure blurs a fast movement and moves its middle; the feature alone proves neither.",
    "midpoints": "A picture shows the middle of its exposure: streams are compared by these, not by their starts.",
    "box rate": "It joins screen and cameras: a rate that is off moves every frame against the film.",
    "host clock": "A time service that slews the host clock stretches the film against the cameras.",
    "steps": "Which film or question a frame belongs to is taken from here.",
    "film frames": "A film frame that was never shown cannot have moved anybody.",
    "film cadence": "A film frame that stands still shows the participant another movement than the film has.",
    "film drift": "A film that runs slow or fast reaches its emotional moment at another time than its pts say.",
    "sound": "Sound that comes apart from its picture, or not at all, is another film than the one that was chosen.",
    "late flips": "Late refreshes move the film against the time from which reactions are counted.",
    "photodiode": "Only light shows when the participant could see a film frame; logged flips leave the display out.",
    "acknowledged": "What is not on the disk yet is lost when the power fails.",
    "features": "A camera that fell back to running free, or changed its exposure, is not the one that was set up.",
    "sync LEDs": "The pictures themselves say their pulse: a slip that counters and clocks both miss shows here.",
    "checksums": "A picture of which one bit changed is not what the camera saw.",
    "walk checksums": "The pictures of the line walk prove which camera hangs on which line.",
    "rows": "A hole in a table is a frame, pulse or flip of which nothing is known.",
    "tables": "A time or number that changed on the disk moves frames without any other trace.",
    "values": "A word or time that cannot be makes other programs count what was never recorded.",
    "pictures": "A wrong pixel format shows wrong colours under right checksums.",
    "saturation": "Where a picture is white all over, no muscle can be seen to move.",
    "darkness": "In the dark, noise hides the small movements that this is about.",
    "blur": "Out of focus, a movement of a pixel or two, as a micro-expression makes, is gone.",
    "flicker": "Light that beats looks like movement to every method that compares pictures.",
    "leak": "Light of another camera's lamps changes a picture whenever that camera exposes, and not in between.",
    "frozen": "A picture shown twice stands for a moment that nobody recorded.",
    "temperature": "A sensor that warms up gets noisier, and one that is too hot stops.",
    "disk": "Buffers that are nearly full are the last thing before frames are lost.",
    "ending": "A run that broke off lacks its end, and its alarms say what went wrong on the way.",
}
CHECK_NAMES = tuple(WHY)


def why_of(name: str) -> str:
    """Why a check matters; of a name in a session from another version, that there is no such check here."""
    return WHY.get(name, "this version has no such check.")
