"""What the rig.yaml in a session says is wired to the box."""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML

from rig.session.run import Run


def rig_part(run: Run, part: str) -> dict[str, Any]:
    """A part of the rig.yaml in the session; {} without it."""
    config = YAML(typ="safe", pure=True).load(run.config("rig"))
    found = config.get(part) if isinstance(config, dict) else None
    return found if isinstance(found, dict) else {}


def box_input(run: Run, signal: str) -> int | None:
    """The box input of `photodiode`, `marker`, or a camera's ExposureActive line; None when none is named."""
    inputs = rig_part(run, "box").get("inputs")
    number = inputs.get(signal) if isinstance(inputs, dict) else None
    return number if isinstance(number, int) and not isinstance(number, bool) else None
