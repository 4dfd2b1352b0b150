"""rig.yaml as the program writes it: a first one from what was found, to be edited, and one camera's part of it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from rig.config.backends import EMULATION
from rig.config.rules import OWN_KEYS, RIG_SETS, SIMULATED_PORT, SOFTWARE
from rig.config.yaml import MAX_DIGITS
from rig.pixels import FORMATS

Scalar = str | int | float | bool
STREAMS = ("HS", "VIS", "NIR")  # names of the first cameras; further ones are CAM4, CAM5, ...
SCHEMA_FILE = "rig.schema.json"  # beside the rig.yaml that names it
SLOW = 4  # divisor of all cameras but the first
_PLAIN = re.compile(r"(sim://)?[A-Za-z/][A-Za-z0-9_./-]*")
_WORDS = ("true", "false", "null")  # which mean something else than text


@dataclass(frozen=True)
class Feature:
    """A feature of a camera that can be written: its value now, and what it may be."""

    name: str
    value: Scalar
    allowed: str = ""


@dataclass(frozen=True)
class CameraPart:
    """What is to be written of one camera."""

    stream: str
    backend: str
    serial: str
    what: str = ""  # who it is, for the comment beside it
    line: int = 0
    divisor: int = 1
    own: dict[str, Feature] = field(default_factory=dict)  # by key
    features: tuple[Feature, ...] = ()
    simulated: dict[str, Scalar] = field(default_factory=dict)  # what a simulated one is made of, by key


def camera_part(
    stream: str, backend: str, serial: str, features: Sequence[Feature], *, what: str, line: int, divisor: int
) -> CameraPart:
    """A camera's part with all of its writable features, those of rig.yaml's own keys under these.

    Selectors come first: what the others read belongs to them.
    """
    own = {OWN_KEYS[f.name]: f for f in features if f.name in OWN_KEYS}
    if backend == EMULATION:
        own["trigger_source"] = Feature("TriggerSource", SOFTWARE)
    others = [f for f in features if f.name not in OWN_KEYS and f.name not in RIG_SETS and _can_be_written(f.value)]
    others.sort(key=lambda f: (not f.name.endswith("Selector"), f.name))
    return CameraPart(stream, backend, serial, what, line, divisor, own, tuple(others))


def stream_names(count: int) -> list[str]:
    """Names for so many cameras."""
    return [*STREAMS, *(f"CAM{number}" for number in range(len(STREAMS) + 1, count + 1))][:count]


def scalar(value: Scalar) -> str:
    """A value in YAML that is read as the same value."""
    if isinstance(value, bool) or not isinstance(value, str):
        return json.dumps(value)
    return value if _PLAIN.fullmatch(value) and value not in _WORDS else json.dumps(value, ensure_ascii=False)


def _can_be_written(value: Scalar) -> bool:
    """Whether rig.yaml can hold it."""
    if isinstance(value, str):
        return value.isprintable()
    return bool(abs(value) < 10**MAX_DIGITS)  # nan is not


def _line(indent: int, key: str, value: Scalar, comment: str = "") -> str:
    text = f"{' ' * indent}{key}: {scalar(value)}"
    return f"{text}  # {_one_line(comment)}\n" if comment else f"{text}\n"


def _one_line(text: str) -> str:
    """Foreign text for a comment: it may neither end it nor steer a terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def spelled_part(part: CameraPart) -> str:
    """One camera's part of rig.yaml, indented to stand under `cameras:`."""
    text = f"  {part.stream}:" + (f"  # {_one_line(part.what)}\n" if part.what else "\n")
    text += _line(4, "backend", part.backend)
    text += _line(4, "serial", part.serial)
    text += _line(4, "line", part.line, "trigger line of the box that it is wired to")
    text += _line(4, "divisor", part.divisor, "on every how manyth pulse it is exposed")
    text += "".join(_own_line(part, key, default) for key, default in _OWN_DEFAULTS.items())
    if part.simulated:
        text += "    simulated:\n" + "".join(_line(6, key, value) for key, value in part.simulated.items())
    if part.features:
        text += "    features:\n" + "".join(_line(6, f.name, f.value, f.allowed) for f in part.features)
    return text


_OWN_DEFAULTS: dict[str, Scalar | None] = {  # None: left out when the camera has no such feature
    "exposure_us": 4000,
    "width": 640,
    "height": 480,
    "offset_x": None,
    "offset_y": None,
    "pixel_format": "Mono8",
    "trigger_source": None,
}


def _own_line(part: CameraPart, key: str, default: Scalar | None) -> str:
    """The line of a key that stands for a feature."""
    found = part.own.get(key)
    if found is None:
        return "" if default is None else _line(4, key, default)
    if key == "trigger_source" and not re.fullmatch(f"Line[1-9]|{SOFTWARE}", str(found.value)):
        return ""
    if key == "pixel_format" and found.value not in FORMATS:
        return _line(4, key, default or "", f"it is {found.value} now, which is not recorded")
    return _line(4, key, found.value, found.allowed)


def first_rig(name: str, port: str, port_is: str, cameras: Sequence[CameraPart]) -> str:
    """A whole rig.yaml. `port_is`: what is known of the box at this port, for the comment beside it."""
    is_simulated = port.startswith(SIMULATED_PORT)
    text = f"# yaml-language-server: $schema={SCHEMA_FILE}\n"
    text += "# What is true of this rig. Go through it, then: rig check --rig " + name + "\n"
    text += f"schema: 1\nname: {scalar(name)}\n" + _box(port, port_is, cameras) + "cameras:\n"
    text += "".join(spelled_part(part) for part in cameras)
    return text + (_SIMULATED_SCREEN if is_simulated else _REAL_SCREEN)


def _box(port: str, port_is: str, cameras: Sequence[CameraPart]) -> str:
    wired = ", ".join(f"{part.stream}: {part.line}" for part in cameras if part.line < len(STREAMS))
    text = "box:\n" + _line(2, "port", port, port_is)
    text += _line(2, "rate_hz", 100, "pulses a second, the rate of the fastest camera")
    text += "  # What is wired to which input of the box: photodiode, marker, and a camera's ExposureActive line.\n"
    if port.startswith(SIMULATED_PORT):
        return f"{text}  inputs: {{photodiode: 5, {wired}, marker: 3}}\n"
    return f"{text}  # inputs: {{photodiode: 5, {wired}}}\n"


_REAL_SCREEN = """\
screen:
  backend: psychopy
  display: ":0"  # the participant's screen; virtual for one that nobody sees
  width: 1920  # its size in pixels
  height: 1080
  refresh_hz: 60  # what it really does
  patch_px: 40  # side of the white patch under the photodiode, lower right corner; 0: none
  sound: true  # whether clips are heard, on this computer's sound device
"""
_SIMULATED_SCREEN = """\
screen:
  backend: psychopy
  virtual_time_backend: simulated  # for rig record --speed max
  display: virtual  # one that the rig starts itself; ":0" for a real one
  width: 960
  height: 540
  refresh_hz: 60
  patch_px: 40
simulation:
  seed: 1  # another one makes other noise
  bridge: 16u2
"""
