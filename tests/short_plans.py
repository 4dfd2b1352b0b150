"""Plans that are too short for their session, so that it goes on in further files after a few seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from rig.config.rig import Rig
from rig.elicitation.steps import Step
from rig.record import plan as planning
from rig.record import preparing
from rig.record.plan import Lead, RunPlan

PLANNED_S, NEXT_S, LEAD_S = 4.0, 5.0, 2.0


def shorten_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for 4 s in the first file of a session, and for 5 s in each further one, made 2 s before it is needed."""
    monkeypatch.setattr(planning, "LEAD_S", LEAD_S)
    monkeypatch.setattr(planning, "NEXT_S", NEXT_S)
    monkeypatch.setattr(planning, "LEAST_NEXT_S", NEXT_S / 2)
    monkeypatch.setattr(preparing, "plan_run", _plan_short)


def _plan_short(rig: Rig, steps: list[Step], lead: Lead | None = None) -> RunPlan:
    plan = planning.plan_run(rig, steps, lead)
    streams = tuple(replace(spec, capacity=plan.frames(spec.name, PLANNED_S)) for spec in plan.streams)
    return replace(plan, streams=streams, seconds=PLANNED_S)


def files_of(run: Path) -> list[Path]:
    """All run files of a session, in order."""
    return sorted(run.parent.glob("*_session.h5"))


def joined(files: list[Path], dataset: str) -> np.ndarray:
    """A dataset over all files, read by plain h5py."""
    parts = []
    for path in files:
        with h5py.File(path) as file:
            parts.append(file[dataset][:])
    return np.concatenate(parts)
