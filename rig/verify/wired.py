"""What the rig.yaml and the protocol in a session say: what is wired to the box, and whatever else a check needs."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML

from rig.session.run import Run


def rig_part(run: Run, part: str) -> dict[str, Any]:
    """A part of the rig.yaml in the session; {} without it."""
    return config_part(run, "rig", part)


def config_part(run: Run, text: str, part: str) -> dict[str, Any]:
    """A part of a YAML text below /config, "rig" or "protocol"; {} without it. Raises what reading YAML raises."""
    found = config_value(run, text, part)
    return found if isinstance(found, dict) else {}


def config_value(run: Run, text: str, key: str) -> Any:
    """What stands at a key of a YAML text below /config; None without it. Raises what reading YAML raises."""
    return yaml_of(run.config(text)).get(key)


@lru_cache(maxsize=8)
def yaml_of(text: str) -> dict[str, Any]:
    """A YAML text as plain data; {} when it is no map. Raises what reading YAML raises."""
    config = YAML(typ="safe", pure=True).load(text)
    return config if isinstance(config, dict) else {}


def box_input(run: Run, signal: str) -> int | None:
    """The box input of `photodiode`, `marker`, or a camera's ExposureActive line; None when none is named."""
    inputs = rig_part(run, "box").get("inputs")
    number = inputs.get(signal) if isinstance(inputs, dict) else None
    return number if isinstance(number, int) and not isinstance(number, bool) else None
