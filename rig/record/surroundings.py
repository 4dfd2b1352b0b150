"""What a recording ran on, for those who read it later: this computer, and the programs with their versions."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

from rig import clock, host
from rig.session.description import HDF5

VERSIONS_OF = (
    "rig", "numpy", "h5py", "hdf5plugin", "xxhash", "pydantic", "ruamel.yaml", "psychopy", "pyserial", "pypylon", "av",
)  # fmt: skip
_CHECKOUT = Path(__file__).parents[2]


def versions() -> dict[str, str]:
    """Versions of everything that had a part in the file. `rig_commit` only where it is known."""
    commit = rig_commit()
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "hdf5": HDF5,
        **{name: _version(name) for name in VERSIONS_OF},
        **({"rig_commit": commit} if commit else {}),
    }


@cache
def _version(name: str) -> str:
    return metadata.version(name)  # reads and parses a file each time


@cache
def rig_commit() -> str:
    """The commit of this program, with -dirty behind it when its files were changed since; "" when nothing tells."""
    told = metadata.distribution("rig").read_text("direct_url.json")
    commit = json.loads(told or "{}").get("vcs_info", {}).get("commit_id", "")
    if commit or not (_CHECKOUT / ".git").exists():
        return str(commit)
    command = ["git", "-C", str(_CHECKOUT), "describe", "--always", "--dirty", "--exclude=*", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def computer(folder: Path) -> dict[str, str | int]:
    """This computer, and the disk of `folder`. What the system does not tell is left out."""
    uname, refused = platform.uname(), host.real_time_refused(host.Priority.RECORDER)
    disk, file_system = _disk_of(folder)
    found: dict[str, str | int] = {
        "name": uname.node,
        "system": _distribution() or f"{uname.system} {uname.release}",
        "kernel": f"{uname.system} {uname.release} {uname.version}",
        "processor": _after("model name", "proc/cpuinfo") or uname.processor or uname.machine,
        "cores": os.cpu_count() or 0,
        "memory_bytes": 1024 * int(_after("MemTotal", "proc/meminfo").partition(" ")[0] or 0),
        "disk": disk,
        "file_system": file_system,
        "real_time": refused or "granted",
        "time_zone": clock.time_zone(),
    }
    return {name: value for name, value in found.items() if value}


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return ""


def _after(key: str, file: str) -> str:
    """What stands behind `key:` in a file that the system shows; "" when it does not."""
    text = next(iter(host.settings(file).values()), "")
    found = (line.partition(":") for line in text.splitlines())
    return next((value.strip() for name, _, value in found if name.strip() == key), "")


def _disk_of(folder: Path) -> tuple[str, str]:
    """Device and file system that a folder lies on; empty where the system does not tell."""
    text = next(iter(host.settings("proc/self/mounts").values()), "")
    mounts = [line.split(" ")[:3] for line in text.splitlines()]
    place = folder.resolve()
    above = [(len(Path(where).parts), device, kind) for device, where, kind in mounts if place.is_relative_to(where)]
    _, device, kind = max(above, default=(0, "", ""), key=lambda found: found[0])
    return device, kind
