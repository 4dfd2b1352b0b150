"""From the name that somebody types to the file that is meant: rigs and protocols, one's own before the shipped ones.

A word with a slash in it, or one that ends in .yaml, is a path. Any other word is a name, looked up here:

    rig NAME        ./calibration/NAME/rig.yaml    then the one shipped with the program
    protocol NAME   ./protocols/NAME.yaml          then the one shipped with the program
"""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from stat import S_ISDIR

from rig.config.backends import REPLAY
from rig.errors import ConfigError, ProtocolError, RigError, UserError

RIGS, PROTOCOLS, RIG_FILE = "calibration", "protocols", "rig.yaml"
_WRITE_PATH = "For a file elsewhere give its path, with a slash in it"


def find_rig(name_or_path: str | None) -> Path:
    """The rig.yaml that is meant; None: the only one in ./calibration. A folder stands for the rig.yaml in it.

    Raises ConfigError, which lists the rigs that are there. The file is not opened.
    """
    if name_or_path is None:
        return _only_rig()
    if name_or_path.startswith(REPLAY):
        allowed = "only with rig record and rig check, as none of its devices is there"
        raise ConfigError("--rig", "means a recorded session", value=name_or_path, allowed=allowed)
    if _is_path(name_or_path):
        return _existing(Path(name_or_path), RIG_FILE, "rig", ConfigError)
    return _named(name_or_path, "rig", _rigs(Path()), _rigs(shipped()), ConfigError)


def find_protocol(name_or_path: str) -> Path:
    """The protocol file that is meant. Raises ProtocolError, which lists the protocols that are there.

    The file is not opened.
    """
    if _is_path(name_or_path):
        return _existing(Path(name_or_path), "", "protocol", ProtocolError)
    return _named(name_or_path, "protocol", _protocols(Path()), _protocols(shipped()), ProtocolError)


def look_up(what: str, path: Path, error: type[RigError]) -> os.stat_result | None:
    """What lies at a path that somebody typed; None when nothing does, or a link that leads nowhere.

    `what` says in an error what the path was to be. Raises `error` when the system cannot even look: the name is too
    long or no name at all, links lead in a circle, or a folder on the way may not be entered.
    """
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as exc:
        problem = f"cannot be looked up: {getattr(exc, 'strerror', exc)}"
        raise error(f"{what} {path}".lstrip(), problem, hint="Check the name and the permissions") from None


def require_folder(what: str, path: Path) -> None:
    """Raise UserError unless a path that somebody typed is a folder."""
    found = look_up(what, path, UserError)
    if found is None or not S_ISDIR(found.st_mode):
        raise UserError(f"{what} {path}", "is not a folder" if found else "does not exist", allowed="a folder")


def shipped() -> Path:
    """The folder that holds the shipped `calibration` and `protocols`: in the package, or around it in a checkout."""
    package = Path(__file__).parents[1]
    return package / "shipped" if (package / "shipped").is_dir() else package.parent


def _is_path(word: str) -> bool:
    return "/" in word or "\\" in word or word.endswith((".yaml", ".yml"))


def _rigs(root: Path) -> dict[str, Path]:
    """Only folders with a rig.yaml count, so that a folder of measurements alone hides no shipped rig."""
    return {p.parent.name: p for p in sorted((root / RIGS).glob(f"*/{RIG_FILE}")) if p.is_file()}


def _protocols(root: Path) -> dict[str, Path]:
    return {p.stem: p for p in sorted((root / PROTOCOLS).glob("*.yaml")) if p.is_file()}


def _only_rig() -> Path:
    own = _rigs(Path())
    if len(own) == 1:
        return next(iter(own.values()))
    if own:
        raise ConfigError("--rig", "is missing", allowed=f"./{RIGS} holds several: {', '.join(own)}")
    hint = f"Name a shipped one, e.g. --rig {next(iter(_rigs(shipped())), 'demo')}"
    raise ConfigError(
        "--rig", f"is missing, and ./{RIGS} holds no rig", allowed=_listed({}, _rigs(shipped())), hint=hint
    )


def _existing(path: Path, inside: str, what: str, error: type[UserError]) -> Path:
    found = look_up(what, path, error)
    if inside and found is not None and S_ISDIR(found.st_mode):
        path = path / inside
        found = look_up(what, path, error)
    if found is None:
        raise error(f"{what} {path}", "does not exist", hint=f"Looked from {_here()}")
    return path


def _here() -> str:
    """The folder that the program runs in, which may be gone by now."""
    try:
        return str(Path.cwd())
    except OSError:
        return "a folder that is gone"


def _named(name: str, what: str, own: dict[str, Path], ours: dict[str, Path], error: type[UserError]) -> Path:
    known = {**ours, **own}
    if name in known:
        return known[name]
    near = get_close_matches(name.lower(), known, n=1)
    hint = f"Did you mean {near[0]}?" if near else _WRITE_PATH
    raise error(what, "is not known", value=repr(name), allowed=_listed(own, ours), hint=hint)


def _listed(own: dict[str, Path], ours: dict[str, Path]) -> str:
    names = [*own, *(f"{name} (shipped)" for name in ours if name not in own)]
    return f"there are: {', '.join(names) or 'none'}"
