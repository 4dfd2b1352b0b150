"""What several keys of rig.yaml must be together: what the trigger box can send, and what the cameras can follow.

The box itself refuses such pulses when a run starts (docs/reference/wire-format.md); here they are told with their
line, before anything is plugged in. A rule leaves out what is wrong or missing already.
"""

from __future__ import annotations

from itertools import combinations
from math import ceil, inf, lcm
from typing import Any, TypeVar

from rig.config import backends
from rig.config.model import Look
from rig.config.yaml import Place
from rig.pixels import FORMATS

APART_US = 32  # between two different edges of the box
MAX_GROUP = 255  # pulses until all divisors meet again; a box may allow fewer
# Frames wait in the cameras' buffers until the preamble and the group after it are paired: 7 slowest periods.
MAX_SLOWEST_US = 255_000
READY_US = 100  # a camera is ready so long before its next pulse; one that still exposes swallows it
# Of frames, that the buffers of any camera hold: a disk that takes nothing for 2 s, and that longest wait for a number.
POOL_S = 4.0
LEAST_BUFFERS = 16
MOST_POOL_GIB = 4  # of all simulated cameras of a rig: shared memory, all of it written to before a run
SPAN_PULSES = 24  # of a camera, in which nothing else happens to it than a fault that takes several pulses

SIMULATED_PORT = "sim://"
SOFTWARE = "Software"  # how cameras without lines are triggered
# Features that have a key of their own in a camera's part, with what that key is called.
OWN_KEYS = {
    "ExposureTime": "exposure_us",
    "Width": "width",
    "Height": "height",
    "OffsetX": "offset_x",
    "OffsetY": "offset_y",
    "PixelFormat": "pixel_format",
    "TriggerSource": "trigger_source",
}
OLDER_KEYS = {"ExposureTimeAbs": "exposure_us", "ExposureTimeRaw": "exposure_us"}  # by names of older cameras
RIG_SETS = ("AcquisitionMode", "TriggerSelector", "TriggerMode")  # by itself, for every camera
STRIKE_ONCE = (
    "lost_frames", "lost_pulses", "ghost_frames", "unnumbered_frames", "duplicate_frames", "late_frames",
    "damaged_frames", "frozen_frames",
)  # fmt: skip
STRIKE_LONG = (
    "stalls", "timeouts", "long_exposures", "overheatings", "clock_steps", "disconnects", "bus_resets",
    "clock_steps_back", "ghost_swallows",
)  # fmt: skip
GHOSTS = ("ghost_frames", "ghost_swallows")
OF_ONE_CAMERA = ("dead_line", "falling_edge", "free_run")  # faults that name it
BY_CAMERA = ("undeclared_delay_us", "start_jitter_us", "timestamp_jitter_us", "clock_ppm")  # a number for each
_NOT_ASKED = {  # of what only the simulated box can do: key of simulation, and what it says when nothing is wanted
    ("loop_back",): None,
    ("faults", "dropped_bytes"): 0,
    ("faults", "swallowed_starts"): 0,
    ("faults", "late_boot_s"): 0,
    ("faults", "reset_at_pulse"): None,
    ("faults", "drift_ppm"): 0,
}

T = TypeVar("T")


def check_rules(look: Look[Any], period_us: float | None) -> None:
    """Note everything that does not fit together. `period_us`: the box's base period; None when it is not known."""
    _check_identities(look)
    _check_lines(look)
    _check_backends(look)
    _check_features(look)
    _check_inputs(look)
    _check_divisors(look, period_us)
    _check_edges(look, period_us)
    if period_us is not None:
        _check_exposures(look, period_us)
        _check_leds(look, period_us)
        _check_pools(look, period_us)
    _check_faults(look)
    _check_box_faults(look)
    _check_named_cameras(look)
    _check_seen_leds(look)
    _check_wires(look)


def _of_cameras(look: Look[Any], kind: type[T], key: str) -> dict[str, T]:
    """A key of every camera that has it right."""
    values = {name: look.get(kind, "cameras", name, key) for name in look.names("cameras")}
    return {name: value for name, value in values.items() if value is not None}


def _check_identities(look: Look[Any]) -> None:
    """Each camera is told from the others by one thing, its serial number or its user id, which no other one has."""
    owners: dict[tuple[str, str], str] = {}
    for name in look.names("cameras"):
        found = {key: look.get(str, "cameras", name, key) for key in ("serial", "user_id")}
        named = [(key, value) for key, value in found.items() if value is not None]
        is_sound = not look.unsound & {("cameras", name), *(("cameras", name, key) for key in found)}
        if len(named) != 1 and is_sound:
            problem = "has both serial and user_id" if named else "has no serial"
            look.note(("cameras", name), problem, allowed="serial, or user_id instead of it")
        for key, value in named:
            owner = owners.setdefault((key, value), name)
            if owner != name:
                allowed = f"a camera of its own for each stream; {owner} has this one"
                look.note(("cameras", name, key), "is used twice", value=value, allowed=allowed)


def _check_lines(look: Look[Any]) -> None:
    owners: dict[int, str] = {}
    for name, line in _of_cameras(look, int, "line").items():
        owner = owners.setdefault(line, name)
        if owner != name:
            allowed = f"a trigger line of its own for each camera; {owner} has this one"
            look.note(("cameras", name, "line"), "is used twice", value=str(line), allowed=allowed)


def _check_backends(look: Look[Any]) -> None:
    """Each camera can hear the box: a real one by its cable, the others on the wires of the simulation."""
    port, wires = look.get(str, "box", "port"), look.get(str, "simulation", "wires")
    is_simulated = None if port is None else port.startswith(SIMULATED_PORT)
    for name, backend in _of_cameras(look, str, "backend").items():
        allowed = ""
        match backend:
            case backends.BASLER if is_simulated or wires:
                allowed = "with a real box, as a simulated one fires no real camera"
            case backends.EMULATION if is_simulated is False:
                allowed = f"with a {SIMULATED_PORT} box"
            case backends.SIMULATED if is_simulated is False and not wires:
                allowed = f"with a {SIMULATED_PORT} box, or with simulation.wires"
        if allowed:
            look.note(("cameras", name, "backend"), "is not allowed", value=backend, allowed=allowed)
        _check_source(look, name, backend)
        if backend != backends.SIMULATED and look.names("cameras", name, "simulated"):
            allowed = f"only with backend {backends.SIMULATED}; this one is {backend}"
            look.note(("cameras", name, "simulated"), "is not allowed", allowed=allowed)


def _check_source(look: Look[Any], name: str, backend: str) -> None:
    """A camera of the emulation has no line that could rise, and every other one has."""
    source, is_emulated = look.get(str, "cameras", name, "trigger_source"), backend == backends.EMULATION
    if source is not None and (source == SOFTWARE) != is_emulated:
        allowed = f"{SOFTWARE if is_emulated else 'Line1 to Line9'} with backend {backend}"
        look.note(("cameras", name, "trigger_source"), "is not allowed", value=source, allowed=allowed)


def _check_features(look: Look[Any]) -> None:
    """What has a key of its own, or is set by the rig itself, is not asked for a second time."""
    for name in look.names("cameras"):
        for feature in look.names("cameras", name, "features"):
            key = (OWN_KEYS | OLDER_KEYS).get(feature)
            if key is None and feature not in RIG_SETS:
                continue
            allowed = f"cameras.{name}.{key} instead" if key else "nothing: the rig sets it as a recording needs it"
            look.note(("cameras", name, "features", feature), "is not allowed here", allowed=allowed)


def _check_inputs(look: Look[Any]) -> None:
    """Each input of the box hears one thing, and a camera that it hears is there."""
    owners: dict[int, str] = {}
    cameras = look.names("cameras")
    for name in look.names("box", "inputs"):
        number = look.get(int, "box", "inputs", name)
        owner = name if number is None else owners.setdefault(number, name)
        if owner != name:
            allowed = f"an input of its own for each signal; {owner} has this one"
            look.note(("box", "inputs", name), "is used twice", value=str(number), allowed=allowed)
        if name.isupper() and name not in cameras and cameras == list(filter(str.isupper, cameras)) != []:
            look.note(("box", "inputs", name), "is no camera of this rig", allowed=", ".join(cameras))


def _check_leds(look: Look[Any], period_us: float) -> None:
    """The sync LEDs change only while no camera exposes that takes every pulse; a delay not declared counts as 0."""
    led_us = look.get(int, "box", "led_phase_us")
    exposures, delays = _of_cameras(look, float, "exposure_us"), _of_cameras(look, float, "start_delay_us")
    for name, divisor in _of_cameras(look, int, "divisor").items():
        if divisor != 1 or led_us is None or name not in exposures:
            continue
        delay_us = delays.get(name, 0.0)
        ends_us = delay_us + exposures[name]
        if led_us <= ends_us and exposures[name] <= period_us - READY_US:
            allowed = f"less than box.led_phase_us ({led_us}) together with start_delay_us ({delay_us:g})"
            look.note(("cameras", name, "exposure_us"), "is not allowed", value=f"{exposures[name]:g}", allowed=allowed)


def _check_divisors(look: Look[Any], period_us: float | None) -> None:
    """Of cameras whose divisor is not known the group can only be longer."""
    divisors = _of_cameras(look, int, "divisor")
    group = lcm(*divisors.values())
    listed = ", ".join(map(str, divisors.values()))
    if len(divisors) == len(look.names("cameras")) > 0 and 1 not in divisors.values():
        look.note(("cameras",), "no camera has divisor 1; the base rate is the rate of the fastest camera")
    if group > MAX_GROUP:
        problem = f"the divisors {listed} meet again only after {group} pulses"
        look.note(("cameras",), problem, allowed=f"after at most {MAX_GROUP}")
    elif period_us is not None and group * period_us > MAX_SLOWEST_US:
        problem = f"the divisors {listed} meet again only after {group * period_us / 1e6:g} s"
        most = int(MAX_SLOWEST_US / period_us)
        allowed = f"after at most {MAX_SLOWEST_US / 1e6:g} s, which is {most} pulses at {1e6 / period_us:g} Hz"
        look.note(("cameras",), problem, allowed=allowed)


def _check_edges(look: Look[Any], period_us: float | None) -> None:
    """All pulses begin together; their ends and the change of the LEDs must not crowd each other."""
    edges: dict[Place, int] = {}
    if (led_us := look.get(int, "box", "led_phase_us")) is not None:
        edges["box", "led_phase_us"] = led_us
    for name, width_us in _of_cameras(look, int, "pulse_width_us").items():
        edges["cameras", name, "pulse_width_us"] = width_us
    for place, at_us in edges.items():
        if period_us is not None and at_us + APART_US > period_us:
            allowed = f"at least {APART_US} us shorter than the base period of {period_us:g} us"
            look.note(place, "is not allowed", value=str(at_us), allowed=allowed)
    for (other, other_us), (place, at_us) in combinations(edges.items(), 2):
        if 0 < abs(at_us - other_us) < APART_US:
            allowed = f"the same as {'.'.join(map(str, other))} ({other_us}), or at least {APART_US} us from it"
            look.note(place, "is not allowed", value=str(at_us), allowed=allowed)


def _check_exposures(look: Look[Any], period_us: float) -> None:
    """An exposure ends before the next pulse, or before the ghost half-way to it."""
    divisors = _of_cameras(look, int, "divisor")
    has_ghosts = any(look.get(int, "simulation", "faults", key) for key in GHOSTS)
    for name, exposure_us in _of_cameras(look, float, "exposure_us").items():
        every_us = divisors.get(name, inf) * period_us
        most_us = every_us / (2 if has_ghosts else 1) - READY_US
        if exposure_us > most_us:
            allowed = f"at most {most_us:g} us, as a pulse comes every {every_us:g} us"
            allowed += ", with ghosts between" if has_ghosts else ""
            look.note(("cameras", name, "exposure_us"), "is not allowed", value=f"{exposure_us:g}", allowed=allowed)


def buffers_of(rate_hz: float, divisor: int) -> int:
    """How many frames the buffers of a camera hold."""
    return max(LEAST_BUFFERS, ceil(POOL_S * rate_hz / divisor))


def _check_pools(look: Look[Any], period_us: float) -> None:
    """The buffers of all simulated cameras have room in memory."""
    gib: dict[str, float] = {}
    for name, backend in _of_cameras(look, str, "backend").items():
        width, height, divisor = (look.get(int, "cameras", name, key) for key in ("width", "height", "divisor"))
        form = FORMATS.get(look.get(str, "cameras", name, "pixel_format") or "")
        if backend == backends.SIMULATED and form and width and height and divisor:
            gib[name] = buffers_of(1e6 / period_us, divisor) * form.size(height, width) / 2**30
    if sum(gib.values()) > MOST_POOL_GIB:
        problem = f"the buffers of simulated cameras take {sum(gib.values()):.1f} GiB"
        listed = ", ".join(f"{name} {size:.1f}" for name, size in gib.items())
        hint = "Lower width or height of the largest, or box.rate_hz"
        look.note(("cameras",), problem, allowed=f"at most {MOST_POOL_GIB} GiB for {POOL_S:g} s ({listed})", hint=hint)


def _check_faults(look: Look[Any]) -> None:
    """Every fault that is asked for must have a place of its own."""
    here = ("simulation", "faults")
    first, last = look.get(int, *here, "first_pulse"), look.get(int, *here, "last_pulse")
    divisors = _of_cameras(look, int, "divisor")
    if first is not None and last is not None and last < first:
        look.note(here, f"last_pulse ({last}) is before first_pulse ({first})")
    elif first is not None and last is not None and len(divisors) == len(look.names("cameras")):
        _check_places(look, [last // divisor - (first - 1) // divisor for divisor in divisors.values()], first, last)
    if look.get(int, *here, "bus_resets") and len(look.names("cameras")) == 1:
        look.note((*here, "bus_resets"), "is not allowed", allowed="only with two cameras or more, as it takes two")


def _check_places(look: Look[Any], places: list[int], first: int, last: int) -> None:
    """`places`: how many pulses each camera has from `first` to `last`."""
    here = ("simulation", "faults")
    once = sum(look.get(int, *here, key) or 0 for key in STRIKE_ONCE)
    long = sum(look.get(int, *here, key) or 0 for key in STRIKE_LONG)
    spans = sum(own // SPAN_PULSES for own in places)
    most = sum(places) - long * SPAN_PULSES
    if long > spans:
        allowed = f"at most {spans} that take {SPAN_PULSES} pulses of a camera each, from {first} to {last}"
        look.note(here, "are too many", value=f"{long} faults", allowed=allowed)
    elif once > most:
        left = ", besides those that take several" if long else ""
        allowed = f"at most {most}, one for each pulse of each camera from {first} to {last}{left}"
        look.note(here, "are too many", value=f"{once} faults", allowed=allowed)


def _check_box_faults(look: Look[Any]) -> None:
    """Each lost byte has a pulse of its own."""
    here = ("simulation", "faults")
    first, last = look.get(int, *here, "first_pulse"), look.get(int, *here, "last_pulse")
    dropped = look.get(int, *here, "dropped_bytes") or 0
    if first is not None and last is not None and first <= last < first + dropped - 1:
        allowed = f"at most {last - first + 1}, one for each pulse from {first} to {last}"
        look.note((*here, "dropped_bytes"), "is not allowed", value=str(dropped), allowed=allowed)


def _check_named_cameras(look: Look[Any]) -> None:
    """Faults of a camera by its name: it is there."""
    here = ("simulation", "faults")
    named: list[tuple[Place, str | None]] = [((*here, key), look.get(str, *here, key)) for key in OF_ONE_CAMERA]
    named += [((*here, key, name), name) for key in BY_CAMERA for name in look.names(*here, key)]
    swapped = look.get(list, *here, "swapped_cables") or []
    named += [((*here, "swapped_cables", place), name) for place, name in enumerate(swapped)]
    cameras = look.names("cameras")
    are_names = cameras == list(filter(str.isupper, cameras)) != []
    for place, name in named:
        if name is not None and are_names and place not in look.unsound and name not in cameras:
            look.note(place, "is no camera of this rig", value=str(name), allowed=", ".join(cameras))
    if swapped and len(set(map(str, swapped))) != 2:
        look.note((*here, "swapped_cables"), "is not allowed", allowed="two different cameras, such as [VIS, NIR]")


def _check_seen_leds(look: Look[Any]) -> None:
    """The sync LEDs lie in the picture, one beside the other, and are drawn into each picture."""
    for name in look.names("cameras"):
        here: Place = ("cameras", name, "simulated", "leds")
        if look.get(dict, *here) is None or look.get(bool, *here, "in_view") is False:
            continue
        if look.get(int, *here[:-1], "pre_rendered"):
            look.note(here, "is not allowed", allowed="only without pre_rendered")
        size, spacing = look.get(int, *here, "size_px"), look.get(int, *here, "spacing_px")
        if size is None or spacing is None:
            continue
        if spacing < size:
            look.note((*here, "spacing_px"), "is not allowed", value=str(spacing), allowed=f"at least size_px ({size})")
        for key, takes, side in (("x", 2 * spacing + size, "width"), ("y", size, "height")):
            at, most = look.get(int, *here, key), look.get(int, "cameras", name, side)
            if at is not None and most is not None and at + takes > most:
                allowed = f"at most {most - takes}, as the LEDs take {takes} px of the picture's {most}"
                look.note((*here, key), "is not allowed", value=str(at), allowed=allowed)


def _check_wires(look: Look[Any]) -> None:
    """An input hears one thing; and what only the simulated box can do is not asked of one outside the simulation."""
    loop_back = look.get(int, "simulation", "loop_back")
    for name in look.names("box", "inputs"):
        if loop_back is not None and look.get(int, "box", "inputs", name) == loop_back:
            allowed = f"an input that nothing is wired to; {name} has this one"
            look.note(("simulation", "loop_back"), "is not allowed", value=str(loop_back), allowed=allowed)
    wires, port = look.get(str, "simulation", "wires"), look.get(str, "box", "port")
    if wires is None or port is None:
        return
    if port.startswith(SIMULATED_PORT):
        allowed = f"no {SIMULATED_PORT} port (box.port is {port}): the simulated box has wires of its own"
        look.note(("simulation", "wires"), "is not allowed", value=wires, allowed=allowed)
    for place, nothing in _NOT_ASKED.items():
        if look.get(object, "simulation", *place) not in (None, nothing):
            look.note(("simulation", *place), "is not possible with simulation.wires", allowed="only with a sim:// box")
