"""What an archived session holds, file by file, in a file beside its runs; and what of a copy under way is done.

The manifest, `sub-<ID>_ses-<NN>_archive.json`: `schema` 1, `kind` "rig-archive", `created_utc`, `checksums` "xxh3_128",
and `files`, each with `name` (in the session's folder), `bytes`, `checksum` (hexadecimal), `modified_ns` (UTC) of the
source, and `compressed` (whether its pictures are, and were not in the source).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rig.clock import utc_now
from rig.errors import SessionExists
from rig.private import write_private
from rig.session import copying
from rig.session.copying import Identity

MANIFEST_SCHEMA, CHECKSUMS = 1, "xxh3_128"
NOTHING_TOUCHED = "Nothing was touched. Give another DEST, or move that folder away"


@dataclass(frozen=True)
class Kept:
    """One file of an archived session. `checksum` is of the file as it lies in the archive."""

    name: str
    bytes: int
    checksum: str
    modified_ns: int
    compressed: bool


def manifest_name(session: str) -> str:
    """The manifest's file name; `session` is e.g. `sub-001_ses-01`."""
    return f"{session}_archive.json"


def manifest_of(kept: list[Kept]) -> bytes:
    """The manifest's content."""
    head = {"schema": MANIFEST_SCHEMA, "kind": "rig-archive", "created_utc": utc_now(), "checksums": CHECKSUMS}
    return (json.dumps({**head, "files": [asdict(file) for file in kept]}, indent=1) + "\n").encode()


def read_manifest(path: Path) -> dict[str, Kept]:
    """The files of an archived session by name. Raises SessionExists when it is no manifest of ours."""
    try:
        data = json.loads(path.read_bytes())
        if (data["schema"], data["checksums"]) == (MANIFEST_SCHEMA, CHECKSUMS):
            return {file["name"]: Kept(**file) for file in data["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    problem = "holds something that rig archive did not put there"
    raise SessionExists(str(path.parent), problem, hint=NOTHING_TOUCHED)


class Progress:
    """What of a copy is done, on the disk beside it: each file's blocks, and the files that are proved to be equal.

    It counts for the same source file (size, time of its last change, inode) and the same copy only.
    """

    def __init__(self, path: Path) -> None:
        """Read it from `path`; what is not there or cannot be read counts as nothing done."""
        self.path = path
        self._files: dict[str, dict[str, Any]] = {}
        try:
            self._files = dict(json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError):
            pass

    def blocks(self, name: str, source: Identity, part: Path) -> list[str]:
        """Checksums of the blocks of a file that are copied and synced."""
        done = self._of(name, source)
        blocks = [str(digest) for digest in done.get("blocks", [])]
        is_there = part.exists() and part.stat().st_size >= min(len(blocks) * copying.BLOCK, source.size)
        return blocks if is_there else []

    def proved(self, name: str, source: Identity, part: Path) -> Kept | None:
        """A file that was read back and found equal; None when it was not, or its copy is another one now."""
        done = self._of(name, source)
        is_same = "kept" in done and part.exists() and done.get("part") == list(Identity.of(part.stat()))
        return Kept(**done["kept"]) if is_same else None

    def note_blocks(self, name: str, source: Identity, blocks: list[str]) -> None:
        """These blocks are copied and synced. Raises StorageError."""
        self._write(name, {"source": source, "blocks": blocks})

    def note_proved(self, source: Identity, part: Path, kept: Kept) -> None:
        """This file was read back and is equal, and its copy is synced. Raises StorageError."""
        self._write(kept.name, {"source": source, "part": Identity.of(part.stat()), "kept": asdict(kept)})

    def start_anew(self, name: str) -> None:
        """Nothing of this file counts. Raises StorageError."""
        self._write(name, {})

    def _of(self, name: str, source: Identity) -> dict[str, Any]:
        done = self._files.get(name, {})
        return done if done.get("source") == list(source) else {}

    def _write(self, name: str, done: dict[str, Any]) -> None:
        self._files[name] = json.loads(json.dumps(done))
        write_private(self.path, json.dumps(self._files).encode())
