"""What was measured on a rig: dated files beside its rig.yaml, which every session carries as they were.

Of all other files there a session says which they were: pictures, tables, flat fields. What is measured on a rig whose
rig.yaml lies elsewhere, as that of a shipped one, is kept in ./calibration below the rig's name, and counts as well.

calibration/smic/rig.yaml
                 2026-03-01T101500Z_geometry/result.yaml    <-- a YAML file in a folder whose name begins with a date
                 2026-03-02_delay.yaml                      <-- or one whose own name does
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from rig.config.find import RIGS
from rig.errors import ConfigError

MOST_BYTES = 1 << 20  # of one file; what is larger is a picture or a table, and lies beside it
_DATED = re.compile(r"\d{4}-?\d{2}-?\d{2}")


@dataclass(frozen=True)
class Measured:
    """A dated file. `name` is its path below the rig's folder, with slashes."""

    name: str
    path: Path
    text: str
    sha256: str


def find_measured(folder: Path) -> list[Measured]:
    """The dated files of a rig, in the order of their names. Raises ConfigError naming one that cannot be kept."""
    found = [*folder.glob("*.yaml"), *folder.glob("*/*.yaml")]
    return [_read(path, folder) for path in sorted(found) if _DATED.match(path.relative_to(folder).parts[0])]


def measured_on(rig: Path, name: str) -> list[Measured]:
    """The dated files of the rig with this rig.yaml and name, beside it and in ./calibration/NAME, by their names.

    Of two of one name that beside rig.yaml counts. Raises ConfigError naming one that cannot be kept.
    """
    found = {each.name: each for folder in (Path(RIGS) / name, rig.parent) for each in find_measured(folder)}
    return [found[key] for key in sorted(found)]


def folder_for_results(rig: Path, name: str) -> Path:
    """Where results for a rig are kept: beside its rig.yaml if that lies in ./calibration, else in ./calibration/NAME.

    It need not exist.
    """
    is_own = rig.resolve().parent.parent == Path(RIGS).resolve()
    return rig.parent if is_own else Path(RIGS) / name


@dataclass(frozen=True)
class Other:
    """A file that a session only names. `name` as in Measured."""

    name: str
    bytes: int
    sha256: str


def find_others(rig: Path) -> list[Other]:
    """All other files beside a rig.yaml and in dated folders there, by name. Raises ConfigError for one unreadable."""
    folder = rig.parent
    kept = {rig, *(each.path for each in find_measured(folder))}
    beside = [path for path in folder.glob("*") if not path.name.startswith(".")]
    below = [path for dated in beside if dated.is_dir() and _DATED.match(dated.name) for path in dated.rglob("*")]
    return [_named(path, folder) for path in sorted({*beside, *below} - kept) if path.is_file()]


@dataclass(frozen=True)
class Kept:
    """What a session keeps of the files of a rig."""

    path: str  # of rig.yaml
    sha256: str  # of its bytes
    measured: tuple[Measured, ...]
    others: tuple[Other, ...]


def keep(rig: Path, name: str) -> Kept:
    """What a session keeps of the rig with this rig.yaml and name. Raises ConfigError for what cannot be kept."""
    digest = hashlib.sha256(rig.read_bytes()).hexdigest()
    return Kept(str(rig.resolve()), digest, tuple(measured_on(rig, name)), tuple(find_others(rig)))


def _named(path: Path, folder: Path) -> Other:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
            return Other(path.relative_to(folder).as_posix(), file.tell(), digest.hexdigest())
    except OSError as exc:
        hint = "Mend it, or take it out of the rig's folder: each session says which files were there"
        raise ConfigError(str(path), f"cannot be read: {exc.strerror}", hint=hint) from None


def _read(path: Path, folder: Path) -> Measured:
    hint = "Mend it, or take it out of the rig's folder: each session carries all that was measured"
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise ConfigError(
                str(path), "are too many", value=f"{size} bytes", allowed=f"up to {MOST_BYTES}", hint=hint
            )
        data = path.read_bytes()
        text = data.decode()
    except OSError as exc:
        raise ConfigError(str(path), f"cannot be read: {exc.strerror}", hint=hint) from None
    except UnicodeDecodeError as exc:
        raise ConfigError(str(path), f"is no UTF-8 text: {exc.reason} at byte {exc.start}", hint=hint) from None
    if "\0" in text:
        raise ConfigError(str(path), "is no text: it has a zero byte in it", hint=hint)
    return Measured(path.relative_to(folder).as_posix(), path, text, hashlib.sha256(data).hexdigest())
