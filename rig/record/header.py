"""What a run file says about itself from the start: who, which rig, which protocol, which devices, which versions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rig.clips.manifest import FilmClip
from rig.clock import utc_now
from rig.config.measured import Measured
from rig.config.rig import RigFile
from rig.config.yaml import Document
from rig.elicitation.protocol import ProtocolFile
from rig.record import surroundings
from rig.record.plan import RunPlan
from rig.session import description
from rig.session.arming import Header, Value
from rig.session.folder import SessionFolder
from rig.session.layout import SCHEMA, Outcome
from rig.streams import DeviceInfo

_MAY_SAY = ("in_s", "out_s", "edition", "valence", "target")  # of a clip


@dataclass(frozen=True)
class Subject:
    """Where a run belongs."""

    folder: SessionFolder
    run: int
    run_id: int
    row: int = 0  # of the ledger: which order of the clips
    visit: int = 1


def header(
    subject: Subject,
    rig_file: RigFile,
    protocol_file: ProtocolFile,
    clips: dict[str, FilmClip],
    plan: RunPlan,
    devices: dict[str, DeviceInfo],
    created_host_ns: int,
) -> Header:
    """The header of one run file. Raises ConfigError naming a file beside rig.yaml that cannot be kept in it."""
    kept = rig_file.keep()
    attributes: dict[str, Value] = {
        "schema": SCHEMA,
        "subject": subject.folder.subject,
        "session": subject.folder.number,
        "run": subject.run,
        "continues": 0,
        "resumes": plan.lead.resumes,
        "first_step": plan.lead.first,
        "caught_before": plan.lead.caught,
        "withdrawn_before": plan.lead.is_withdrawn,
        "row": subject.row,
        "visit": subject.visit,
        "run_id": subject.run_id,
        "rig": rig_file.rig.name,
        "protocol": protocol_file.protocol.name,
        "simulated": any(info.simulated for info in devices.values()),
        "outcome": str(Outcome.INCOMPLETE),
        "created_utc": utc_now(),
        "created_host_ns": created_host_ns,
        "streams": json.dumps(plan.names),
    }
    texts = {
        "rig": rig_file.document.text,
        "protocol": protocol_file.document.text,
        "steps": json.dumps([step.to_json() for step in plan.steps]),
        "devices": json.dumps({name: asdict(info) for name, info in devices.items()}),
        "versions": json.dumps(surroundings.versions()),
        "host": json.dumps(surroundings.computer(subject.folder.path)),
        "plan": json.dumps(_plan(plan)),
        "description": description.text(),
        "rig_files": json.dumps([asdict(other) for other in kept.others]),
        "/README": description.readme(),
    }
    measured, about = _measured(kept.measured)
    about |= {"rig": {"path": kept.path, "sha256": kept.sha256}, "protocol": about_file(protocol_file.document)}
    return Header(attributes, _streams(plan, devices), texts | measured, about, _clips(protocol_file, clips))


def about_file(document: Document) -> dict[str, Value]:
    """Where it lies, and its sha256."""
    return {"path": str(document.path.resolve()), "sha256": hashlib.sha256(document.path.read_bytes()).hexdigest()}


def _measured(measured: Sequence[Measured]) -> tuple[dict[str, str], dict[str, dict[str, Value]]]:
    """What was measured on the rig, as texts below /config, and where each comes from."""
    names = {f"calibration/{each.name.replace('/', ':')}": each for each in measured}
    about: dict[str, dict[str, Value]] = {
        name: {"path": str(each.path.resolve()), "sha256": each.sha256} for name, each in names.items()
    }
    return {name: each.text for name, each in names.items()}, about


def _plan(plan: RunPlan) -> dict[str, object]:
    return {
        "period_ticks": plan.pulses.period_ticks,
        "led_phase_ticks": plan.pulses.led_phase_ticks,
        "group": plan.pulses.group,
        "lines": {name: asdict(line) for name, line in plan.lines.items()},
    }


def _streams(plan: RunPlan, devices: dict[str, DeviceInfo]) -> dict[str, dict[str, Value]]:
    return {
        spec.name: {
            "divisor": plan.lines[spec.name].divisor,
            "line": plan.lines[spec.name].line,
            "serial": devices[spec.name].serial,
            "simulated": devices[spec.name].simulated,
            "pixel_format": spec.pixel_format.name,
            "width": spec.width,
            "height": spec.height,
        }
        for spec in plan.streams
    }


def _clips(
    protocol_file: ProtocolFile, clips: dict[str, FilmClip]
) -> dict[str, tuple[dict[str, Value], np.ndarray[tuple[int], np.dtype[np.float64]]]]:
    return {
        name: (_clip(protocol_file.protocol.clips[name].model_dump(), clip), np.array(clip.pts_s, np.float64))
        for name, clip in clips.items()
    }


def _clip(said: dict[str, Any], clip: FilmClip) -> dict[str, Value]:
    """What the protocol says of a clip, as far as it does, and what was decoded of it."""
    always = {name: said[name] or "" for name in ("file", "sha256", "title", "licence")}
    given = {name: said[name] for name in _MAY_SAY if said.get(name) not in (None, "")}
    decoded = {"fps": clip.fps, "width": clip.width, "height": clip.height, "first": clip.first}
    return {**always, **given, **decoded, "at_s": clip.at_s, "may_jump": int(clip.may_jump)}
