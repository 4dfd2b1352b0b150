"""What a rig asks of its trigger box, held against what the box says it can do, before anything is armed.

A box that does not say how many lines or inputs it has, how many pulses it counts in a group, or how many events it
can tell, is taken to have enough.
"""

from __future__ import annotations

from rig.config.rig import RigFile
from rig.config.yaml import Place, problem_at
from rig.errors import ConfigError, DeviceNotReady, RigError
from rig.record.plan import edges_per_s
from rig.streams import DeviceInfo

NEEDED = ("record", "walk")  # kinds of runs that every recording is made of


def beyond_box(rig_file: RigFile, box: DeviceInfo) -> list[RigError]:
    """Everything in rig.yaml that this box cannot do, each naming its key and the limit."""
    rig, document, port = rig_file.rig, rig_file.document, rig_file.rig.box.port
    problems: list[RigError] = [
        DeviceNotReady(f"trigger box at {port}", f"cannot send {kind.upper()} runs", hint="Flash our firmware")
        for kind in NEEDED
        if not box.capabilities.get(kind, True)
    ]
    lines: dict[Place, int] = {("cameras", name, "line"): camera.line for name, camera in rig.cameras.items()}
    inputs: dict[Place, int] = {("box", "inputs", name): number for name, number in rig.box.inputs.items()}
    problems += _not_there(rig_file, lines, box.declared("lines"))
    problems += _not_there(rig_file, inputs, box.declared("inputs"))
    problems += _group_too_long(rig_file, box.declared("group_pulses"))
    most = box.declared("events_per_s")
    if most and rig.box.rate_hz > most:
        problem, allowed = "is too fast", f"at most the {most} events a second that the box at {port} can tell"
        value = f"{rig.box.rate_hz:g}"
        problems.append(problem_at(document, ("box", "rate_hz"), problem, ConfigError, value=value, allowed=allowed))
    return problems


def _not_there(rig_file: RigFile, asked: dict[Place, int], count: int | None) -> list[RigError]:
    """Numbers of lines or inputs that the box, which has `count` of them, does not have."""
    allowed = f"0 to {(count or 0) - 1}, of the box at {rig_file.rig.box.port}"
    return [
        problem_at(rig_file.document, place, "is not there", ConfigError, value=str(number), allowed=allowed)
        for place, number in asked.items()
        if count is not None and number >= count
    ]


def _group_too_long(rig_file: RigFile, most: int | None) -> list[RigError]:
    """Divisors that meet again only after more pulses than the box, which can count `most`, counts in one group."""
    rig = rig_file.rig
    if most is None or rig.group <= most:
        return []
    divisors = ", ".join(str(camera.divisor) for camera in rig.cameras.values())
    problem = f"the divisors {divisors} meet again only after {rig.group} pulses"
    allowed = f"after at most {most} with the box at {rig.box.port}"
    return [problem_at(rig_file.document, ("cameras",), problem, ConfigError, allowed=allowed)]


def box_warnings(rig_file: RigFile, box: DeviceInfo) -> list[str]:
    """What this box may not do in full, in words."""
    rig, most = rig_file.rig, box.declared("events_per_s")
    wired = edges_per_s(rig)
    if not most or not wired or rig.box.rate_hz > most or rig.box.rate_hz + wired <= most:
        return []
    text = f"box.inputs: up to {wired:.0f} edges a second, with {rig.box.rate_hz:g} pulses, are more than the {most} "
    text += f"events a second that the box at {rig.box.port} can tell"
    return [f"{text}: edges beyond that are dropped and counted; pulses are told first"]
