"""What was counted of films, kept for the user of this machine: each is decoded once, not before every participant.

    sha256 of the film, its part, how it is counted --> the name of a small file --> Counted
                                                 none there, or none whole --> decoded, counted, and kept

Nothing rests on these files. One that is not just as this user wrote it is as if it were not there, and where none can
be written films are decoded each time.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path

import av

from rig import host
from rig.clips.counted import COUNTING, Counted, count
from rig.errors import ClipError, StorageError
from rig.private import write_private

FOLDER = "rig/films"  # below what the system has for such
MOST_BYTES = 1 << 26  # of one of them: half a day of film


def counted_once(path: Path, sha256: str, in_s: float | None = None, out_s: float | None = None) -> Counted:
    """What `count` finds in a film, whose sha256 was counted just now; decoded only where that is not known yet.

    Blocks while it decodes. Raises ClipError when it cannot be shown, which is not kept, or is another film by then.
    """
    key = _key(path, sha256, in_s, out_s)
    found = _kept(key)
    if found is None:
        found = count(path, in_s, out_s)
        if sha256_of(path) != sha256:
            raise ClipError(str(path), "was replaced while it was counted", hint="Try again when nobody writes to it")
        with suppress(OSError, StorageError):
            _keep(key, found)
    return found


def sha256_of(path: Path) -> str:
    """The sha256 of a film, 64 hexadecimal digits. Raises ClipError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise ClipError(
            str(path), f"cannot be read: {exc.strerror}", hint="Check the disk and the permissions"
        ) from None


def _key(path: Path, sha256: str, in_s: float | None, out_s: float | None) -> str:
    """All that a count depends on. FFmpeg tells by the end of a name, too, what a file may be."""
    how = [COUNTING, av.__version__, sorted(av.library_versions.items())]
    return _digest(json.dumps([sha256, path.suffix.lower(), in_s, out_s, how]))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _place(key: str) -> Path:
    return host.cache_folder() / FOLDER / f"{key}.json"


def _kept(key: str) -> Counted | None:
    """None: nothing is there, or it is not whole, or not this user's."""
    try:
        digest, _, text = host.read_own(_place(key), MOST_BYTES).decode("ascii").partition("\n")
    except (OSError, ValueError):
        return None
    if digest != _digest(key + text):
        return None
    values = json.loads(text)
    return Counted(**values | {"pts_s": tuple(values["pts_s"])})


def _keep(key: str, counted: Counted) -> None:
    """Raises OSError, StorageError."""
    place, text = _place(key), json.dumps(vars(counted))
    place.parent.mkdir(mode=host.PRIVATE_FOLDER, parents=True, exist_ok=True)
    write_private(place, f"{_digest(key + text)}\n{text}".encode())
