"""What is known of a film clip before it is shown: that it is the right file, and when each picture is due.

    file and sha256 in the protocol --> the file found --> the sha256 agrees --> every picture decoded --> FilmClip
                                                                                 once (known.py)

A film is refused when it cannot be shown exactly as it was filmed; `counted.py` says why.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rig.clips.counted import Counted
from rig.clips.known import counted_once, sha256_of
from rig.config.model import Look
from rig.config.yaml import Document, problem_at
from rig.elicitation.protocol import ElicitationProtocol, ProtocolFile
from rig.errors import ClipError, RigError, raise_all

PACKAGE = "package:"  # before NAME/PATH of a film inside an installed Python package


@dataclass(frozen=True)
class FilmClip:
    """A film clip that was once decoded from end to end: the whole of its file, or from in_s to before out_s."""

    name: str  # in the protocol
    path: Path
    sha256: str  # of the file, 64 hexadecimal digits
    width: int  # px
    height: int  # px
    fps: float  # counted from the times of the pictures, never the header's
    pts_s: tuple[float, ...]  # time of each of its pictures after the first one, s
    first: int = 0  # film frame of the file that is the clip's film frame 0; above 0 when it has an in_s
    at_s: float = 0.0  # when that one is due on the clock of the file, s
    may_jump: bool = False  # whether its pictures, decoded from a key frame on, are those counted from the file's start
    ready_s: float | None = field(default=None, compare=False)  # what coming to its first took when it was counted, s

    @property
    def jump_s(self) -> float | None:
        """Where to jump to for its film frame 0; None: it is counted from the file's start."""
        return self.at_s if self.may_jump else None

    @property
    def frames(self) -> int:
        """How many pictures of the file are the clip."""
        return len(self.pts_s)

    @property
    def seconds(self) -> float:
        """How long it plays, the last picture's own time on the screen included, s."""
        return self.frames / self.fps

    def to_json(self) -> dict[str, Any]:
        """Plain data for another process."""
        return {**vars(self), "path": str(self.path)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> FilmClip:
        """The clip that `to_json` wrote."""
        return cls(**{**data, "path": Path(data["path"]), "pts_s": tuple(data["pts_s"])})


def find_clip(
    name: str,
    file: str,
    sha256: str,
    beside: Path,
    in_s: float | None = None,
    out_s: float | None = None,
    *,
    counted: Counted | None = None,
) -> FilmClip:
    """The clip `name` of a protocol: found, checked and decoded, the film frames in [in_s, out_s) of the file.

    `file` is a path relative to the folder `beside`, or `package:NAME/PATH` for a file inside a Python package, which
    is not imported. `counted`: what is known of this part of the file with this sha256; it is not decoded then, nor
    where that is known from before. Blocks while it decodes. Raises ClipError naming file, value and what is allowed.
    """
    path = find_film(name, file, sha256, beside)
    return _clip(name, path, sha256, counted or counted_once(path, sha256, in_s, out_s))


def find_film(name: str, file: str, sha256: str, beside: Path) -> Path:
    """The film file of a clip, with the right sha256. It is not decoded. Raises ClipError."""
    if not file or not sha256:
        raise ClipError(
            f"clip {name}",
            "has no film yet",
            allowed="file and sha256 are needed",
            hint=f"Import your own copy: rig clips import PROTOCOL {name} FILE",
        )
    path = find_file(name, file, beside)
    _require_sha256(name, path, sha256)
    return path


def find_clips(file: ProtocolFile, counted: Mapping[str, Counted] | None = None) -> dict[str, FilmClip]:
    """All clips of a protocol, by name, as `find_each`. Raises ClipError, or a ProblemList of all that is wrong."""
    found, problems = find_each(file, counted)
    raise_all(problems)
    return found


def find_each(
    file: ProtocolFile, counted: Mapping[str, Counted] | None = None
) -> tuple[dict[str, FilmClip], list[RigError]]:
    """The clips that can be shown, by name, and what is wrong with the others. Blocks while it decodes them.

    `counted`: what is known of clips of this very protocol, by name; they are not decoded.
    """
    found: dict[str, FilmClip] = {}
    problems: list[RigError] = []
    for name, clip in file.protocol.clips.items():
        beside = file.document.path.parent
        try:
            known = (counted or {}).get(name)
            part = (clip.in_s, clip.out_s)
            found[name] = find_clip(name, clip.file or "", clip.sha256 or "", beside, *part, counted=known)
        except ClipError as error:
            problems.append(where_written(error, file.document, name))
    return found, problems


def where_written(error: ClipError, document: Document, name: str) -> RigError:
    """What is wrong with which film it is said to be, at the line that says so; what is wrong in the film as it is."""
    if not error.subject.startswith(f"clip {name}"):
        return error
    path = error.subject.removeprefix(f"clip {name}").strip(" ()")
    fields = {"value": " with ".join(filter(None, (path, error.value))), "allowed": error.allowed, "hint": error.hint}
    return problem_at(document, ("clips", name, "file"), error.problem, ClipError, **fields)


def clip_problems(look: Look[ElicitationProtocol]) -> list[RigError]:
    """What is wrong with the clips of a protocol that has mistakes, as far as it says which clips they are."""
    problems: list[RigError] = []
    for name in look.names("clips"):
        try:
            _look_at_clip(look, name)
        except ClipError as error:
            problems.append(where_written(error, look.document, name))
    return problems


def _look_at_clip(look: Look[ElicitationProtocol], name: str) -> None:
    file, sha256 = look.get(str, "clips", name, "file"), look.get(str, "clips", name, "sha256")
    in_s, out_s = look.get(float, "clips", name, "in_s"), look.get(float, "clips", name, "out_s")
    beside = look.document.path.parent
    if file is not None and sha256 is not None:
        find_clip(name, file, sha256, beside, in_s, out_s)
    elif file is not None:
        read_clip(name, find_file(name, file, beside), in_s, out_s)


def find_file(name: str, file: str, beside: Path) -> Path:
    """The file of a clip, which exists and may be read. Raises ClipError."""
    path = _package_file(name, file) if file.startswith(PACKAGE) else beside / file
    hint = "Put the film there, or mend `file` in the protocol"
    require_file(name, path, allowed="a film file, or package:NAME/PATH", hint=hint)
    return path


def read_clip(name: str, path: Path, in_s: float | None = None, out_s: float | None = None) -> FilmClip:
    """A film as it is, its sha256 counted, decoded if not known. Blocks. Raises ClipError when it cannot be shown."""
    sha256 = sha256_of(path)
    return _clip(name, path, sha256, counted_once(path, sha256, in_s, out_s))


def _clip(name: str, path: Path, sha256: str, film: Counted) -> FilmClip:
    size = (film.width, film.height)
    return FilmClip(name, path, sha256, *size, film.fps, film.pts_s, film.first, film.at_s, film.may_jump, film.ready_s)


def _package_file(name: str, file: str) -> Path:
    package, _, inside = file.removeprefix(PACKAGE).partition("/")
    try:
        # Only a top-level name is looked up without running any code of the package.
        spec = importlib.util.find_spec(package) if package.isidentifier() else None
    except ValueError:
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise ClipError(
            f"clip {name}",
            "is no installed Python package",
            value=package or file,
            allowed="package:NAME/PATH of a file in an installed package",
            hint="Install that package, or give the film's path beside the protocol",
        )
    return Path(spec.submodule_search_locations[0]) / inside


def require_file(name: str, path: Path, *, allowed: str = "a film file", hint: str = "") -> None:
    """That the film meant for clip `name` exists and may be read. Raises ClipError."""
    require_film(f"clip {name} ({path})", path, allowed=allowed, hint=hint)


def require_film(subject: str, path: Path, *, allowed: str = "a film file", hint: str = "") -> None:
    """That a film is a file, and may be read; `subject` is how it is called. Raises ClipError."""
    try:
        if not path.exists():
            raise ClipError(subject, "does not exist", allowed=allowed, hint=hint)
        if not path.is_file():
            raise ClipError(subject, "is not a file", allowed=allowed)
        path.open("rb").close()
    except (OSError, ValueError) as exc:
        raise ClipError(subject, f"cannot be read: {exc}", hint="Check the name and the permissions") from None


def _require_sha256(name: str, path: Path, sha256: str) -> None:
    found = sha256_of(path)
    if found != sha256:
        raise ClipError(
            f"clip {name} ({path})",
            "is another film than the protocol names",
            value=f"sha256 {found}",
            allowed=f"sha256 {sha256}",
            hint="Fetch the right film, or, if this one is right, pin it by rig clips import",
        )
