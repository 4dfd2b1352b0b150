"""What is known of a film clip before it is shown: that it is the right file, and when each picture is due.

    file and sha256 in the protocol --> the file found --> the sha256 agrees --> every picture decoded --> FilmClip

A clip is refused when it cannot be shown exactly as it was filmed: pictures at uneven times, changing size,
rotated by a header, not square in their pixels, or in half pictures (interlaced).
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import av

from rig.clips.decode import decoded
from rig.config.model import Look
from rig.elicitation.protocol import ElicitationProtocol, ProtocolFile
from rig.errors import ClipError, RigError, raise_all

# Containers round times to milliseconds, so intervals of a constant rate differ by up to 1 ms.
UNEVEN_S = 0.0015
NORMALISE = "Encode the film anew with a constant frame rate, upright and whole pictures: H.264 in .mp4"


@dataclass(frozen=True)
class FilmClip:
    """A film clip that was decoded from end to end."""

    name: str  # in the protocol
    path: Path
    sha256: str  # of the file, 64 hexadecimal digits
    width: int  # px
    height: int  # px
    fps: float  # counted from the times of the pictures, never the header's
    pts_s: tuple[float, ...]  # time of each picture after the first one, s

    @property
    def frames(self) -> int:
        """How many pictures it has."""
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


def find_clip(name: str, file: str, sha256: str, beside: Path) -> FilmClip:
    """The clip `name` of a protocol: found, checked and decoded from end to end.

    `file` is a path relative to the folder `beside`, or `package:NAME/PATH` for a file inside a Python package, which
    is not imported. Blocks while it decodes. Raises ClipError naming file, value and what is allowed.
    """
    path = _found(name, file, beside)
    _require_sha256(path, sha256)
    return replace(read_clip(name, path), sha256=sha256)


def find_clips(file: ProtocolFile) -> dict[str, FilmClip]:
    """All clips of a protocol, by name. Raises ClipError, or a ProblemList of all that is wrong."""
    found: dict[str, FilmClip] = {}
    problems: list[RigError] = []
    for name, clip in file.protocol.clips.items():
        try:
            found[name] = find_clip(name, clip.file, clip.sha256, file.document.path.parent)
        except ClipError as error:
            problems.append(error)
    raise_all(problems)
    return found


def clip_problems(look: Look[ElicitationProtocol]) -> list[RigError]:
    """What is wrong with the clips of a protocol that has mistakes, as far as it says which clips they are."""
    problems: list[RigError] = []
    for name in look.names("clips"):
        file, sha256 = look.get(str, "clips", name, "file"), look.get(str, "clips", name, "sha256")
        try:
            if file is not None and sha256 is not None:
                find_clip(name, file, sha256, look.document.path.parent)
            elif file is not None:
                read_clip(name, _found(name, file, look.document.path.parent))
        except ClipError as error:
            problems.append(error)
    return problems


def _found(name: str, file: str, beside: Path) -> Path:
    """The file of a clip, which exists and may be read. Raises ClipError."""
    path = _package_file(name, file) if file.startswith("package:") else beside / file
    _require_file(name, path)
    return path


def read_clip(name: str, path: Path) -> FilmClip:
    """A film read and decoded as it is, its sha256 counted. Blocks. Raises ClipError when it cannot be shown."""
    _require_plain_track(path)
    first, times = _decode(path)
    return FilmClip(name, path, _sha256(path), first.width, first.height, _constant_rate(path, times), tuple(times))


def _package_file(name: str, file: str) -> Path:
    package, _, inside = file.removeprefix("package:").partition("/")
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


def _require_file(name: str, path: Path) -> None:
    subject = f"clip {name} ({path})"
    allowed = "a film file, or package:NAME/PATH"
    try:
        if not path.exists():
            raise ClipError(
                subject, "does not exist", allowed=allowed, hint="Put the film there, or mend `file` in the protocol"
            )
        if not path.is_file():
            raise ClipError(subject, "is not a file", allowed=allowed)
        path.open("rb").close()
    except (OSError, ValueError) as exc:
        raise ClipError(subject, f"cannot be read: {exc}", hint="Check the name and the permissions") from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_sha256(path: Path, sha256: str) -> None:
    found = _sha256(path)
    if found != sha256:
        raise ClipError(
            str(path),
            "is another film than the protocol names",
            value=f"sha256 {found}",
            allowed=f"sha256 {sha256}",
            hint="Fetch the right film, or, if this one is right, write its sha256 into the protocol",
        )


def _require_plain_track(path: Path) -> None:
    try:
        with av.open(str(path)) as container:
            tracks = len(container.streams.video)
            aspect = container.streams.video[0].sample_aspect_ratio if tracks else None
    except (av.error.FFmpegError, OSError) as exc:
        reason = exc.strerror or str(exc)
        raise ClipError(str(path), f"is no film: {reason}", allowed="a film such as H.264 in .mp4") from None
    if tracks != 1:
        raise ClipError(str(path), "is not allowed", value=f"{tracks} video tracks", allowed="one video track")
    if aspect not in (None, 0, 1):
        raise ClipError(
            str(path), "is not allowed", value=f"pixels of shape {aspect}", allowed="square ones", hint=NORMALISE
        )


def _decode(path: Path) -> tuple[Any, list[float]]:
    """The first frame, and the time of each after it in s."""
    first: Any = None
    times: list[float] = []
    for index, frame in enumerate(decoded(path)):
        first = first or frame
        for fault in _faults(first, frame):
            raise ClipError(str(path), f"cannot be shown: {fault} at film frame {index}", hint=NORMALISE)
        times.append(float((frame.pts - first.pts) * frame.time_base))
    if len(times) < 2:
        raise ClipError(str(path), f"has too few pictures: {len(times)}", allowed="at least 2", hint=NORMALISE)
    return first, times


def _faults(first: Any, frame: Any) -> Iterator[str]:
    """What would make the participant see something else than the film."""
    if frame.pts is None:
        yield "a picture without a time"
    if frame.is_corrupt:
        yield "a damaged picture"
    if (frame.width, frame.height) != (first.width, first.height):
        yield f"the size changes from {first.width}x{first.height} to {frame.width}x{frame.height}"
    if frame.rotation:
        yield f"rotated by {frame.rotation} degrees in its header"
    if frame.interlaced_frame:
        yield "interlaced pictures"


def _constant_rate(path: Path, times: list[float]) -> float:
    """Frames a second. Raises ClipError naming the shortest and the longest interval and where they are."""
    mean = times[-1] / (len(times) - 1)
    intervals = [after - before for before, after in pairwise(times)]
    shortest, longest = min(intervals), max(intervals)
    if mean <= 0 or longest - mean > UNEVEN_S or mean - shortest > UNEVEN_S:
        raise ClipError(
            str(path),
            "has no constant frame rate: its intervals are "
            f"from {_place(intervals, shortest, times)} to {_place(intervals, longest, times)}",
            allowed=f"every interval within {UNEVEN_S * 1000:g} ms of their mean ({mean * 1000:.1f} ms)",
            hint=NORMALISE,
        )
    return 1 / mean


def _place(intervals: list[float], interval: float, times: list[float]) -> str:
    index = intervals.index(interval)
    return f"{interval * 1000:.1f} ms (after film frame {index}, at {times[index]:.2f} s)"
