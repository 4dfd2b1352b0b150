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
from rig.errors import NotASession, ProblemList, RigError, SessionError, UserError
from rig.session.layout import CONFIG
from rig.session.opening import FOREIGN, reading
from rig.session.playback import run_meant
from rig.session.run import Run

OTHER_RIG = "It was recorded by another program, or another version of this one"
MOST_NAMED = 5


def is_replay(rig_name: str) -> bool:
    """Whether the name of a rig means a recorded session."""
    return rig_name.startswith(REPLAY)


def look_at_replay(rig_name: str) -> tuple[Look[Rig], RigFile]:
    """The rig of the session that `replay:SESSION` names. Its `document` is named after the run file that holds it.

    Raises UserError for a session with several runs, or a run that is still being recorded; SessionError for what is
    no session, lacks a file, or has changed since it was written, or has a rig.yaml that is none now.
    """
    session = rig_name.removeprefix(REPLAY)
    if not session:
        raise UserError("--rig", "names no session", value=rig_name, allowed=f"{REPLAY}SESSION")
    with Run(*run_meant(Path(session))) as run:
        _refuse(run)
        look = look_at_rig(run.path, run.config("rig"))
        return look, RigFile(_replayed(_required(look, run), run.path), look.document, _kept(run))


def _required(look: Look[Rig], run: Run) -> Rig:
    """Raises SessionError: nobody can mend the text in a session."""
    try:
        return look.require()
    except RigError as error:
        first = error.problems[0] if isinstance(error, ProblemList) else error
        line = str(first).removeprefix(f"{run.path}:")
        problem = f"the rig.yaml in it is none that can be used now: line {line}"
        raise SessionError(str(run.path), problem, hint=OTHER_RIG) from None


def run_replayed(rig: Rig) -> Path | None:
    """The run file that a rig replays; None for any other rig."""
    return Path(rig.box.port.removeprefix(REPLAY)) if rig.box.backend == REPLAYED else None


def _refuse(run: Run) -> None:
    if run.is_being_recorded:
        raise UserError(str(run.path), "is being recorded right now", hint="Replay it when that has ended")
    if not run.config("rig"):
        raise NotASession(str(run.path), "holds no rig.yaml", hint=FOREIGN)
    if gone := run.missing_files:
        problem = f"cannot be replayed: a part of its run is in {', '.join(gone)}, which is not here"
        raise SessionError(str(run.path), problem, hint="Put all files of a run into one folder")
    sums = [(path, *pair) for file in run.files for path, pair in file.checksums.items()]
    changed = [path for path, found, noted in sums if noted not in (None, found)]
    missing = [f"{what} (missing)" for file in run.files for what in file.differences().missing]
    if other := missing + changed:
        problem = f"cannot be replayed: not as written are {', '.join(other[:MOST_NAMED])}"
        raise SessionError(str(run.path), problem, hint="rig verify tells more of it")


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
