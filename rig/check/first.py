"""A first rig.yaml from the cameras and trigger boxes that are found, for somebody to go through."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rig import host, wiring
from rig.cameras.found import FoundCamera
from rig.cameras.part import first_part_of
from rig.config.find import RIG_FILE, RIGS
from rig.config.rig import MOST_CAMERAS, NAME, NAME_IN_WORDS, Rig
from rig.config.rules import SIMULATED_PORT
from rig.config.schema import schema_of
from rig.config.written import SCHEMA_FILE, SLOW, CameraPart, Feature, Scalar, first_rig, stream_names
from rig.errors import DeviceError, DeviceNotFound, UserError
from rig.trigger import wire
from rig.trigger.port import BAUD, serial_ports

BOX_PORT = "/dev/rig-box"  # what our udev rules call a box
# Stream, exposure in us, and what the camera is made of.
SIMULATED: tuple[tuple[str, int, dict[str, Scalar]], ...] = (
    ("HS", 4000, {}),
    ("VIS", 8000, {}),
    ("NIR", 8000, {"spectrum": "near_infrared"}),
)


@dataclass(frozen=True)
class FoundBox:
    """A trigger box at a serial port, or the port where one is expected."""

    port: str
    what: str  # who it is, or why nobody is there
    lines: int | None = None  # trigger lines that it has; None: not known

    @property
    def is_simulated(self) -> bool:
        """Whether it is a program."""
        return self.port.startswith(SIMULATED_PORT)


def new_rig_folder(name: str) -> Path:
    """Where a new rig of this name lies. Raises UserError when it is no name, or there is such a rig already."""
    if not re.fullmatch(NAME, name):
        raise UserError("NAME", "is not allowed", value=repr(name), allowed=NAME_IN_WORDS)
    folder = Path(RIGS) / name
    if (folder / RIG_FILE).exists():
        raise UserError(str(folder / RIG_FILE), "is there already", hint="Edit it, or choose another name")
    return folder


def found_cameras() -> list[FoundCamera]:
    """The cameras that answer. Raises DeviceNotFound when none does."""
    found = wiring.find_cameras()
    if not found:
        hint = "Plug them in, or make a rig of simulated ones with --simulated"
        raise DeviceNotFound("cameras", "none answers", hint=hint)
    return found


def parts_of(found: Sequence[FoundCamera]) -> list[CameraPart]:
    """What is to be written of each of these cameras, the first one as the fastest."""
    names = zip(stream_names(len(found)), found, strict=True)
    return [
        first_part_of(stream, camera, wiring.dump_features(camera), line=line, divisor=SLOW if line else 1)
        for line, (stream, camera) in enumerate(names)
    ]


def most_cameras(box: FoundBox) -> int:
    """So many cameras a rig with this box can have."""
    return min(MOST_CAMERAS, box.lines or MOST_CAMERAS)


def simulated_cameras() -> list[CameraPart]:
    """What is to be written of three simulated cameras."""
    return [
        CameraPart(
            stream,
            "simulated",
            f"SIM-{stream}",
            line=line,
            divisor=SLOW if line else 1,
            own={"exposure_us": Feature("ExposureTime", exposure_us)},
            simulated=sensor,
        )
        for line, (stream, exposure_us, sensor) in enumerate(SIMULATED)
    ]


def simulated_box(name: str) -> FoundBox:
    """The box of simulated and emulated cameras."""
    return FoundBox(f"{SIMULATED_PORT}{name}", "a simulated box", wire.LINES)


def found_box() -> FoundBox:
    """The first trigger box that answers at a serial port; where none does, the port at which one is expected.

    Asks every port with a device on it, which takes up to 4 s each and restarts an Uno.
    """
    for port in serial_ports():
        try:
            devices, _ = wiring.open_port(port, baud=BAUD)
        except DeviceError:  # another device, or one that is in use
            continue
        info = devices.box.describe()
        devices.close()
        is_named = Path(BOX_PORT).exists() and Path(BOX_PORT).resolve() == Path(port).resolve()
        who = f"{info.model}, serial {info.serial}"
        return FoundBox(BOX_PORT if is_named else port, who, info.declared("lines"))
    return FoundBox(BOX_PORT, "no trigger box answered; write its serial port here")


def write_rig(folder: Path, name: str, box: FoundBox, cameras: list[CameraPart]) -> Path:
    """Write rig.yaml, and beside it the schema that editors complete it by: both as a whole, or nothing.

    Raises UserError, also when there is a rig.yaml already.
    """
    path, schema = folder / RIG_FILE, folder / SCHEMA_FILE
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        texts = {
            path: first_rig(name, box.port, box.what, cameras),
            schema: json.dumps(schema_of(Rig), indent=1) + "\n",
        }
        _write_all(texts)
    except OSError as error:
        for place in missing:
            with suppress(OSError):
                place.rmdir()
        hint = "Nothing was written: check the disk and the permissions, then do it again"
        raise UserError(str(path), f"cannot be written: {error.strerror}", hint=hint) from None
    return path


def _write_all(texts: dict[Path, str]) -> None:
    """Write all of them beside where they belong, then put them there; the first one only where nothing is yet."""
    parts = {path: path.with_name(f".{path.name}.part-{os.getpid()}") for path in texts}
    try:
        for path, part in parts.items():
            with part.open("w", encoding="utf-8") as file:
                file.write(texts[path])
                file.flush()
                host.sync_data(file.fileno())
        next(iter(texts)).touch(exist_ok=False)
        for path, part in parts.items():
            part.replace(path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
