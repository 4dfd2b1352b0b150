"""What a laboratory should know of its clips before a participant sees them: `rig clips check`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from shlex import quote
from typing import Any

import av

from rig.clips.cadence import Cadence, cadence, require_refresh
from rig.clips.decode import opened
from rig.clips.manifest import FilmClip, find_clip, find_file, where_written
from rig.clips.sound import ENDS_WITH_S, LOUDNESS_LUFS, Sound, sound_of, spelled_loudness
from rig.elicitation.protocol import ProtocolFile
from rig.errors import ClipError, RigError

LOUDNESS_OFF_LU = 1.0  # EBU R 128: what a programme may be off where it cannot be met exactly
LONG_S = 1.0  # before a neutral screen; longer still while a session is recorded, which needs the processor as well
HOLES = ("title", "edition", "licence", "norms", "valence", "target")  # what a study of clips has to report


@dataclass
class Examined:
    """One clip of a protocol, as far as it can be read."""

    name: str
    title: str  # empty: no film is chosen yet
    file: str  # as in the protocol; empty until it is imported
    codec: str = ""
    width: int = 0  # px
    height: int = 0  # px
    clip: FilmClip | None = None  # when it can be shown
    sound: Sound | None = None
    cadence: Cadence | None = None  # on the screen of the rig that was given
    notes: list[str] = field(default_factory=list)  # worth knowing; the clip can be shown nevertheless
    holes: list[str] = field(default_factory=list)  # keys of the manifest that say nothing
    problems: list[RigError] = field(default_factory=list)  # why it cannot be shown

    def to_json(self) -> dict[str, Any]:
        """Plain data; what is not known is null."""
        clip = self.clip
        counted = ("fps", "frames", "seconds", "first", "sha256")
        return {
            **{name: getattr(self, name) for name in ("name", "title", "file", "codec", "width", "height")},
            **{name: getattr(clip, name) if clip else None for name in counted},
            "sound": _plain(asdict(self.sound)) if self.sound else None,
            "cadence": _cadence_json(self.cadence) if self.cadence else None,
            "notes": self.notes,
            "holes": self.holes,
            "problems": [str(problem) for problem in self.problems],
        }


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """JSON knows no infinity: the loudness of silence is null."""
    return {key: value if not isinstance(value, float) or isfinite(value) else None for key, value in values.items()}


def _cadence_json(found: Cadence) -> dict[str, Any]:
    flips = {str(count): frames for count, frames in sorted(Counter(found.flips).items())}
    return {"pattern": found.pattern, "even": found.is_even, "film_frames_by_flips": flips}


def examine(file: ProtocolFile, refresh_hz: float | None = None) -> Iterator[Examined]:
    """Look at every clip of a protocol, one by one; `refresh_hz` of the screen, if one is asked about.

    Blocks while it decodes each from end to end: the sound, and the pictures where they are not known yet.
    """
    for name, said in file.protocol.clips.items():
        found = Examined(name, said.title or "", said.file or "")
        found.holes = [key for key in HOLES if not getattr(said, key)]
        try:
            _examine(found, said, file.document.path.parent, refresh_hz)
        except ClipError as error:
            found.problems.append(where_written(error, file.document, name))
        yield found


def _examine(found: Examined, said: Any, beside: Path, refresh_hz: float | None) -> None:
    """Fill in what can be found. Raises ClipError at the first thing that keeps the clip from being shown."""
    if found.file:
        _read_header(found, find_file(found.name, found.file, beside))
    clip = find_clip(found.name, found.file, said.sha256 or "", beside, said.in_s, said.out_s)
    found.clip, found.width, found.height = clip, clip.width, clip.height
    begins_s = clip.first / clip.fps
    found.sound = sound_of(clip.path, begins_s, begins_s + clip.seconds)
    found.notes += _sound_notes(found.sound, begins_s, clip.seconds, to_its_end=said.out_s is None)
    found.notes += wait_notes(clip)
    if refresh_hz is not None:
        found.cadence = cadence(clip.frames, clip.fps, refresh_hz)
        require_refresh(clip, refresh_hz)


def _read_header(found: Examined, path: Path) -> None:
    """Codec and size as the header says, so that a film that is refused has them, too."""
    try:
        with opened(path) as container:
            for stream in container.streams.video[:1]:
                codec = stream.codec_context
                found.codec, found.width, found.height = codec.name, codec.width, codec.height
    except (av.error.FFmpegError, OSError):
        return  # reading it as a clip says what is wrong


def _sound_notes(sound: Sound | None, begins_s: float, seconds: float, *, to_its_end: bool) -> Iterator[str]:
    """How the sound lies beside the clip's pictures, and whether it is too loud or too soft."""
    if sound is None:
        yield "it has no sound"
        return
    if (late_s := sound.begins_s - begins_s) > ENDS_WITH_S:
        yield f"its sound begins {late_s:.2f} s after the pictures"
    elif late_s < -ENDS_WITH_S and begins_s == 0:
        yield f"its sound begins {-late_s:.2f} s before the pictures; it is heard from their beginning on"
    if (longer_s := sound.ends_s - begins_s - seconds) < -ENDS_WITH_S:
        yield f"its sound ends {-longer_s:.2f} s before the pictures"
    elif longer_s > ENDS_WITH_S and to_its_end:
        yield f"its sound goes on for {longer_s:.2f} s after the pictures; it ends with them"
    if abs(sound.loudness_lufs - LOUDNESS_LUFS) > LOUDNESS_OFF_LU:
        yield f"{spelled_loudness(sound.loudness_lufs)}, not {LOUDNESS_LUFS:g}: see rig clips normalise"


def wait_notes(clip: FilmClip) -> Iterator[str]:
    """That a participant will wait until the screen has come to the clip in its file, and what to do."""
    if clip.first and clip.ready_s is not None and clip.ready_s > LONG_S:
        yield (
            f"{clip.path}: {clip.first} film frames lie before it. Coming to it took {clip.ready_s:.1f} s when it was "
            "counted, and the participant waits so long before a neutral screen. Cut it out: rig clips normalise "
            f"{quote(str(clip.path))} NEW.mp4 --in-s IN --out-s OUT; take in_s and out_s out of the protocol; import it"
        )
