"""Keeps measured starts of exposure as a delay result: a dated folder among what was measured on the rig.

calibration/demo/2026-11-26T170000Z_delay/result.yaml

Every later session carries it, and its verdict uses it for cameras of the same serial number, exposure time and trigger
settings.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path

from rig import host
from rig.clock import utc_now
from rig.config.measured import folder_for_results
from rig.config.rig import RigFile
from rig.errors import StorageError
from rig.private import write_private
from rig.selftest.starts import Start

RESULT = "result.yaml"
SCHEMA = 1
DECIMALS = 3  # ns: finer than any start is known


def keep_starts(rig_file: RigFile, starts: Sequence[Start], *, is_simulated: bool) -> Path:
    """Write a new result and return its path. A start not measured is null: no older one may stand for it.

    Nothing is ever overwritten. Raises StorageError naming the folder that cannot be written.
    """
    made = utc_now()
    text = _text(rig_file.rig.name, starts, made, is_simulated=is_simulated)
    folder = _new_folder(folder_for_results(rig_file.document.path, rig_file.rig.name), made)
    write_private(folder / RESULT, text.encode())
    return folder / RESULT


def _new_folder(parent: Path, made: str) -> Path:
    """A folder named after the second at which it was made."""
    folder = parent / f"{datetime.fromisoformat(made):%Y-%m-%dT%H%M%SZ}_delay"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        host.make_folder(folder)
    except FileExistsError:
        raise StorageError(
            str(folder), "is there already", hint="Measure again: a second later it has a name"
        ) from None
    except OSError as exc:
        hint = "What is measured on a rig is kept below ./calibration: run it where you may write"
        raise StorageError(str(folder), f"cannot be made: {exc.strerror}", hint=hint) from None
    return folder


def _text(rig: str, starts: Sequence[Start], made: str, *, is_simulated: bool) -> str:
    """The file. A word of JSON is one of YAML, whatever a device is called."""
    head = {
        "schema": SCHEMA,
        "what": "delay",
        "rig": rig,
        "made": made,
        "software": {"rig": metadata.version("rig")},
        "simulated": is_simulated,
    }
    lines = [f"{key}: {json.dumps(value)}" for key, value in head.items()]
    lines += [
        "# us after the pulse; start_us: of row 0, null: not measured; residual: of the fit, to the LED's swing",
        "cameras:",
    ]
    lines += [f"  {start.stream}: {json.dumps(_camera(start))}" for start in starts]
    return "\n".join(lines) + "\n"


def _camera(start: Start) -> dict[str, str | int | float | None]:
    numbers = {
        "exposure_us": start.exposure_us,
        "start_us": start.start_us,
        "start_sd_us": start.start_sd_us,
        "length_us": start.length_us,
        "row_time_us": start.row_time_us,
        "row_time_measured_us": start.row_time_measured_us,
    }
    rounded = {key: _rounded(value, DECIMALS) for key, value in numbers.items()}
    residual = _rounded(start.residual, 2 * DECIMALS)
    about: dict[str, str | int | float | None] = {"serial": start.serial, "model": start.model, **start.settings}
    return {**about, **rounded, "frames": start.frames, "residual": residual}


def _rounded(value: float | None, decimals: int) -> float | None:
    return None if value is None else round(value, decimals)
