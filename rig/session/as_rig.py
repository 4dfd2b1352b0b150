"""A recorded session as a rig: the rig.yaml that it was recorded with, its devices replaced by what they told.

--rig replay:sessions/sub-001/ses-01    every camera, the box and the screen play that session (playback.py)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from rig.config.backends import REPLAY, REPLAYED
from rig.config.measured import Kept, Measured, Other
from rig.config.model import Look
from rig.config.rig import Rig, RigFile, look_at_rig
from rig.errors import NotASession, UserError
from rig.session.layout import CONFIG
from rig.session.opening import FOREIGN, reading
from rig.session.playback import run_meant
from rig.session.run import Run

RESUMED = "goes on with an earlier run of its session, and cannot be replayed by itself"


def is_replay(rig_name: str) -> bool:
    """Whether the name of a rig means a recorded session."""
    return rig_name.startswith(REPLAY)


def look_at_replay(rig_name: str) -> tuple[Look[Rig], RigFile]:
    """The rig of the session that `replay:SESSION` names. Its `document` is named after the run file that holds it.

    Raises UserError for a session with several runs, or a run that is still being recorded or goes on with an earlier
    one; SessionError for what is no session; ConfigError, or a ProblemList, when its rig.yaml is no longer allowed.
    """
    with Run(*run_meant(Path(rig_name.removeprefix(REPLAY)))) as run:
        _refuse(run)
        look = look_at_rig(run.path, run.config("rig"))
        return look, RigFile(_replayed(look.require(), run.path), look.document, _kept(run))


def run_replayed(rig: Rig) -> Path | None:
    """The run file that a rig replays; None for any other rig."""
    return Path(rig.box.port.removeprefix(REPLAY)) if rig.box.backend == REPLAYED else None


def _refuse(run: Run) -> None:
    if run.is_being_recorded:
        raise UserError(str(run.path), "is being recorded right now", hint="Replay it when that has ended")
    if run.attributes("/").get("resumes"):
        raise UserError(str(run.path), RESUMED, allowed="a session that was recorded from its first step on")
    if not run.config("rig"):
        raise NotASession(str(run.path), "holds no rig.yaml", hint=FOREIGN)


def _replayed(rig: Rig, run_path: Path) -> Rig:
    """The rig with every device replayed. No font is looked for, as nothing is drawn, and nothing is simulated."""
    cameras = {name: camera.model_copy(update={"backend": REPLAYED}) for name, camera in rig.cameras.items()}
    box = rig.box.model_copy(update={"backend": REPLAYED, "port": f"{REPLAY}{run_path.resolve()}"})
    screen = rig.screen.model_copy(update={"backend": REPLAYED, "font": None})
    return rig.model_copy(update={"cameras": cameras, "box": box, "screen": screen, "simulation": None})


def _kept(run: Run) -> Kept:
    """What the session keeps of the rig's files, which the next one keeps as well."""
    with reading(run.path, CONFIG):
        others = tuple(Other(**other) for other in json.loads(run.config("rig_files") or "[]"))
        return Kept(*_place(run, "rig"), _measured(run), others)


def _measured(run: Run) -> tuple[Measured, ...]:
    found = []
    for key, text in run.measured.items():
        path, sha256 = _place(run, f"calibration/{key}")
        found.append(Measured(key.replace(":", "/"), Path(path), text, sha256))
    return tuple(found)


def _place(run: Run, name: str) -> tuple[str, str]:
    """Where a text of /config lay, and its sha256."""
    about: Mapping[str, object] = run.attributes(f"{CONFIG}/{name}")
    return str(about.get("path", "")), str(about.get("sha256", ""))
