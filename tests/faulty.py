"""Sessions by seed: clean ones, and ones in which one kind of fault is committed, with what was committed and where.

Nothing of the judge is known here: what should be found is said by the simulator's own truth, or by what this module
wrote into rig.yaml or into a finished file. tests/fault_kinds.py says what kinds there are.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rig.session.folder import beside
from rig.sim.faults import BOX, Fault, read_truth
from rig.streams import NO_PULSE
from tests.films import make_film, sha256_of
from tests.handmade import note_checksums
from tests.rigs import record

STREAMS = {"HS": 1, "VIS": 4, "NIR": 4}
FILM = "clip1"  # the step that shows the film, and its index among the steps
FILM_STEP = 1
PROTOCOL = """\
schema: 1
name: truth
title: a neutral screen and a film
clips:
  film: {{file: film.mp4, sha256: {sha256}, title: t, licence: l}}
blocks:
  - {{kind: baseline, name: before, seconds: {seconds}}}
  - {{kind: clip, name: clip1, clip: film}}
"""
Random = np.random.Generator
Edit = Callable[[h5py.File], None]


@dataclass(frozen=True)
class Place:
    """Where a fault is: a stream, a film's step, or "" for the whole run; and its pulses, film frames or steps.

    `first` is NO_PULSE where it is no matter of one.
    """

    stream: str
    first: int = NO_PULSE
    last: int = NO_PULSE


@dataclass
class Plan:
    """One session: its rig.yaml as data, how long it is, and what is wrong with it."""

    seed: int
    rig: dict[str, Any]
    seconds: float = 4.0  # of the neutral screen before the film
    film_frames: int = 75
    film_fps: int = 25
    amount: str = ""  # what is injected, in words
    is_above: bool = True  # the tolerance, so that it must be found; below it nothing may be
    places: list[Place] = field(default_factory=list)  # of what is no matter of the simulator's truth
    strikes: frozenset[Fault] = frozenset()  # of the truth, each at its own place
    edit: Edit | None = None  # of the finished file

    def camera(self, name: str) -> dict[str, Any]:
        """The part of rig.yaml about a camera."""
        return self.rig["cameras"][name]

    def sensor(self, name: str) -> dict[str, Any]:
        """The part about what a simulated camera is made of."""
        return self.camera(name).setdefault("simulated", {})

    @property
    def simulation(self) -> dict[str, Any]:
        """The part about the simulated world."""
        return self.rig["simulation"]

    @property
    def faults(self) -> dict[str, Any]:
        """The part about its faults."""
        return self.simulation.setdefault("faults", {})

    @property
    def pulses(self) -> int:
        """About how many pulses the body of the run has, at least."""
        return int(100 * (self.seconds + self.film_frames / self.film_fps))


def usual_plan(seed: int) -> Plan:
    """A small rig with everything wired, in which nothing is wrong."""
    camera = {"backend": "simulated", "width": 96, "height": 64}
    exposures_us = {"HS": 4000, "VIS": 8000, "NIR": 8000}
    cameras = {
        name: {**camera, "serial": f"SIM-{name}", "line": line, "divisor": divisor, "exposure_us": exposures_us[name]}
        for line, (name, divisor) in enumerate(STREAMS.items())
    }
    cameras["NIR"]["simulated"] = {"spectrum": "near_infrared"}
    inputs = {"photodiode": 5, "HS": 0, "VIS": 1, "NIR": 2}
    rig = {
        "schema": 1, "name": "truth", "cameras": cameras, "simulation": {"seed": seed},
        "box": {"port": "sim://truth", "rate_hz": 100, "inputs": inputs},
        "screen": {"backend": "simulated", "width": 960, "height": 540, "refresh_hz": 60},
    }  # fmt: skip
    return Plan(seed, rig)


def recorded(plan: Plan, folder: Path) -> Path:
    """Record the session in virtual time, and edit its file where the plan says so; returns the run file."""
    film = make_film(folder / "film.mp4", plan.film_frames, fps=plan.film_fps)
    (folder / "rig.yaml").write_text(json.dumps(plan.rig, indent=1))
    (folder / "truth.yaml").write_text(PROTOCOL.format(sha256=sha256_of(film), seconds=plan.seconds))
    path = record(folder, folder / "rig.yaml", folder / "truth.yaml").path
    if plan.edit:
        path.chmod(0o600)
        with h5py.File(path, "r+") as file:
            plan.edit(file)
            note_checksums(file)
    return path


def committed(plan: Plan, path: Path) -> list[Place]:
    """Where the plan's faults are: as planned, and as the simulator's truth says that they were committed."""
    truth = beside(path, "truth.jsonl")
    struck = [each for each in read_truth(truth) if each.fault in plan.strikes] if truth.exists() else []
    of_films = [Place(each.stream, each.film_frame, each.film_frame) for each in struck if each.film_frame >= 0]
    names = {BOX: ""}  # what is wrong with the box is wrong with the whole run
    of_pulses = [Place(names.get(e.stream, e.stream), e.pulse, e.pulse) for e in struck if e.film_frame < 0]
    return plan.places + of_films + of_pulses
