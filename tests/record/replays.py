"""Recorded sessions of many kinds, and each of them run again as a rig. All in virtual time."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from rig.elicitation.protocol import read_protocol
from rig.errors import DeviceLost
from rig.record.messages import OperatorSaid
from rig.record.recording import Recorded, Recording, Request, Status
from rig.record.states import RunState
from rig.session.as_rig import look_at_replay
from rig.sim.screen import SimulatedScreen
from rig.stimulus.screen import ScreenEvent
from rig.streams import Flip
from tests.record.trials import record_with, write_trials
from tests.rigs import record, write_film_protocol, write_protocol, write_rig

PIXEL_FORMATS = {"HS": "Mono12p", "VIS": "BayerRG12", "NIR": "Mono10"}
WINDOW = "first_pulse: 60, last_pulse: 300"
LOSSES = (
    "lost_frames: 4, lost_pulses: 4, duplicate_frames: 2, damaged_frames: 3, late_frames: 2, unnumbered_frames: 2, "
    f"frozen_frames: 1, timeouts: 1, {WINDOW}"
)


class Made(NamedTuple):
    """A recorded run, and the protocol that it was recorded with."""

    path: Path
    protocol: Path


Act = Callable[[Recording, Status], None]


def usual(folder: Path, *, faults: str = "", edit: Callable[[str], str] = str, seconds: float = 3) -> Made:
    """A neutral screen; `edit` changes the text of rig.yaml."""
    rig, protocol = write_rig(folder, faults=faults), write_protocol(folder, ("still", seconds, "all"))
    rig.write_text(edit(rig.read_text()))
    return Made(record(folder, rig, protocol).path, protocol)


def wired(text: str) -> str:
    """Every input of the box is used."""
    return text.replace("rate_hz: 100", "rate_hz: 100, inputs: {photodiode: 5, HS: 0, VIS: 1, NIR: 2}")


def clean(folder: Path) -> Made:
    rig, protocol = write_rig(folder), write_film_protocol(folder, frames=30)
    rig.write_text(wired(rig.read_text()))
    return Made(record(folder, rig, protocol).path, protocol)


def lossy(folder: Path) -> Made:
    return usual(folder, faults=LOSSES, edit=wired, seconds=4)


def ghosts(folder: Path) -> Made:
    return usual(folder, faults=f"ghost_frames: 5, ghost_swallows: 1, wrapping_numbers: true, {WINDOW}", seconds=4)


def events_lost(folder: Path) -> Made:
    return usual(folder, faults="dropped_bytes: 8, first_pulse: 60, last_pulse: 280")


def camera_back(folder: Path) -> Made:
    return usual(folder, faults="disconnects: 1, away_s: 0.5, first_pulse: 100, last_pulse: 180", edit=wired, seconds=4)


def hs_only(folder: Path) -> Made:
    return usual(
        folder,
        edit=lambda text: "".join(
            line for line in text.splitlines(True) if "serial: SIM-" not in line or "SIM-HS" in line
        ),
    )


def formats(folder: Path) -> Made:
    def edit(text: str) -> str:
        for name, form in PIXEL_FORMATS.items():
            text = text.replace(f"SIM-{name}", f"SIM-{name}, compression: bitshuffle-lz4, pixel_format: {form}")
        return text

    return usual(folder, edit=edit)


def killed(folder: Path) -> Made:
    """The run as it lies on the disk in the middle of a recording."""
    rig, protocol = write_rig(folder), write_protocol(folder, ("still", 4, "all"))
    run = folder / "sessions" / "sub-001" / "ses-01" / "sub-001_ses-01_run-01_session.h5"
    left = folder / "left" / "sub-001" / "ses-01"

    def cut(_: Recording, status: Status) -> None:
        if status.seconds > 3 and not left.exists():
            shutil.copytree(run.parent, left)

    record_with(folder, rig, protocol, cut)
    return Made(left / run.name, protocol)


def operated(folder: Path) -> Made:
    """A participant who consents and withdraws; an operator who starts, repeats, guesses and pauses."""
    rig, protocol = write_rig(folder), write_trials(folder, "fear", "joy", frames=25)
    rig.write_text(rig.read_text().replace("  faults:", "  withdraws_in_step: trial02-film\n  faults:"))
    said: set[str] = set()

    def says(recording: Recording, status: Status) -> None:
        def once(kind: str, **words: object) -> None:
            if kind not in said:
                said.add(kind)
                recording.say(OperatorSaid(kind, 0, **words))

        if status.held and status.state is RunState.RECORDING:
            once("start" if "start" not in said else "go_on")
        elif status.step == "trial01-film":
            once("repeat")
        elif status.step == "trial01-guess":
            once("guess", value="fear", confidence=4)
            once("pause")

    return Made(record_with(folder, rig, protocol, says, wait=True).path, protocol)


def in_parts(folder: Path) -> Made:
    """Nothing is stored, then all, then one stream alone."""
    rig, protocol = write_rig(folder), write_protocol(folder, ("a", 1, "none"), ("b", 1, "all"), ("c", 1, "[HS]"))
    return Made(record(folder, rig, protocol).path, protocol)


def stopped(folder: Path) -> Made:
    rig, protocol = write_rig(folder), write_protocol(folder, ("still", 20, "all"))

    def stop(recording: Recording, status: Status) -> None:
        if status.seconds > 3:
            recording.stop()

    return Made(record_with(folder, rig, protocol, stop).path, protocol)


def screen_lost(folder: Path) -> Made:
    """The window dies in the middle of the film; the recording goes on until somebody stops it."""
    rig, protocol = write_rig(folder), write_film_protocol(folder, frames=50)
    real = SimulatedScreen.events

    def events(screen: SimulatedScreen, timeout_s: float) -> list[ScreenEvent]:
        told = real(screen, timeout_s)
        if any(isinstance(event, Flip) and event.film_frame == 20 for event in told):
            raise DeviceLost("screen", "its process ended with code 1")
        return told

    def stop(recording: Recording, status: Status) -> None:
        if status.seconds > 6:
            recording.stop()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SimulatedScreen, "events", events)
        return Made(record_with(folder, rig, protocol, stop).path, protocol)


ENDED_OTHERWISE = (killed, operated, stopped, screen_lost)
MAKES = (clean, lossy, ghosts, events_lost, camera_back, hs_only, formats, *ENDED_OTHERWISE)
SESSIONS = {make.__name__: make for make in MAKES}


def replay(made: Made, out: Path, act: Act = lambda *_: None, **more: object) -> Recorded:
    """The session run again, in virtual time; by a name that is the path of its run file."""
    _, rig = look_at_replay(f"replay:{made.path}")
    given = {"subject": "again", "out": out, "virtual": True, **more}
    recording = Recording(Request(rig, read_protocol(made.protocol), **given), lambda status: act(recording, status))
    return recording.record()
