"""Pins a laboratory's own film to a clip of a protocol: its path and its sha256, written into the protocol's file.

    FILE --> can be shown --> lies beside the protocol, or is copied there --> file: and sha256: of that clip

Only these two values change in the text of the protocol, and the new text takes the old one's place at once.
"""

from __future__ import annotations

import codecs
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from stat import S_IWUSR
from typing import Any

from rig import host
from rig.clips.known import sha256_of
from rig.clips.manifest import PACKAGE, FilmClip, read_clip, require_file
from rig.clips.splice import spliced
from rig.config.find import PROTOCOLS, shipped
from rig.config.yaml import Document, problem_at, read_document
from rig.errors import ClipError, ProtocolError, RigError

CLIPS = "clips"  # folder beside a protocol for films that lay elsewhere
STATEMENTS = "statements_file"  # a key of a protocol that names a file beside it


@dataclass(frozen=True)
class Pinned:
    """What was done."""

    protocol: Path  # that was written
    film: FilmClip
    file: str  # as it is written in the protocol
    is_copied: bool  # whether the film was copied beside the protocol
    is_own: bool  # whether the shipped protocol was copied first


def pin(protocol: Path, name: str, film: Path) -> Pinned:
    """Write `file` and `sha256` of clip `name` into a protocol. A shipped one is copied to ./protocols first.

    A film that lies elsewhere than below the protocol's folder is copied into `clips` beside it. Blocks while it
    decodes the film. Raises ClipError when that cannot be shown, ProtocolError when the protocol cannot be read, is
    read-only or has no such clip; the protocol is as it was then.
    """
    document = read_document(protocol, ProtocolError)
    said = _clip_in(document, name)
    require_file(name, film)
    found = read_clip(name, film, _seconds(said.get("in_s")), _seconds(said.get("out_s")))
    own = _own(protocol)
    _refuse_read_only(own)
    file, is_copied = _file_beside(own, film), not _is_below(own, film)
    values = {"file": file, "sha256": found.sha256}
    try:
        if own != protocol:
            _copy_statements(document, own)
        target = own.resolve()  # what a link leads to is written, and the link stays
        with _staged(target, document, name, values) as part:
            if is_copied:
                _copy(film, own.parent / file, found.sha256)
            part.replace(target)
        host.sync_folder(target.parent)
    except OSError as exc:
        raise ProtocolError(str(own), f"cannot be written: {exc.strerror}", hint="Check disk and permissions") from None
    return Pinned(own, found, file, is_copied, own != protocol)


def _clip_in(document: Document, name: str) -> dict[str, Any]:
    clips = document.data.get("clips") if isinstance(document.data, dict) else None
    known = clips if isinstance(clips, dict) else {}
    said = known.get(name)
    if not isinstance(said, dict) or not said:
        allowed = f"one of clips: {', '.join(known) or 'none given'}"
        problem = "says nothing yet, not even a title" if name in known else "is no clip of this protocol"
        raise problem_at(document, ("clips",), problem, ProtocolError, value=name, allowed=allowed)
    return said


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _own(protocol: Path) -> Path:
    """The protocol to be written: itself, or in place of a shipped one a copy below ./protocols."""
    ours = (shipped() / PROTOCOLS).resolve()
    if not protocol.resolve().is_relative_to(ours) or Path(PROTOCOLS).resolve() == ours:
        return protocol
    own = Path(PROTOCOLS) / protocol.name
    if own.exists():
        raise ProtocolError(str(protocol), "is shipped, and never changed", hint=f"Use your own copy of it, {own}")
    return own


def _refuse_read_only(own: Path) -> None:
    """A new text takes the old one's place whatever the old one's rights: so they are looked at."""
    if own.exists() and host.is_read_only(own.resolve()):
        hint = f"Import into a copy of it, or let it be written: chmod u+w {quote(str(own))}"
        raise ProtocolError(str(own), "is read-only", hint=hint)


def _is_below(protocol: Path, film: Path) -> bool:
    return film.resolve().is_relative_to(protocol.parent.resolve())


def _file_beside(protocol: Path, film: Path) -> str:
    """How the film is called in the protocol: its path from there, once it lies there."""
    if not _is_below(protocol, film):
        return f"{CLIPS}/{film.name}"
    file = film.resolve().relative_to(protocol.parent.resolve()).as_posix()
    return f"./{file}" if file.startswith(PACKAGE) else file


def _copy_statements(document: Document, own: Path) -> None:
    """The files that a shipped protocol names go with it."""
    own.parent.mkdir(parents=True, exist_ok=True)
    for name in _named(document.data):
        beside, copy = document.path.parent / name, own.parent / name
        if beside.is_file() and not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(beside, copy)


def _named(data: Any) -> Iterator[str]:
    """Every file of statements in a protocol's data."""
    if isinstance(data, list):
        for each in data:
            yield from _named(each)
    if isinstance(data, dict):
        for key, value in data.items():
            if key == STATEMENTS and isinstance(value, str):
                yield value
            yield from _named(value)


@contextmanager
def _staged(own: Path, document: Document, name: str, values: dict[str, str]) -> Iterator[Path]:
    """The protocol's new text on the disk, beside the old one, found to mean what was wanted; gone afterwards."""
    clips = document.data["clips"]
    wanted = {**document.data, "clips": {**clips, name: {**clips[name], **values}}}
    part = own.with_name(f".{own.name}.part")
    try:
        _write(part, spliced(document.text, ("clips", name), values), document.path)
        if not _means(part, wanted):
            hint = "Give the film a plain name, or write file and sha256 by hand"
            raise problem_at(document, ("clips", name), "cannot be changed by a program", ProtocolError, hint=hint)
        yield part
    finally:
        part.unlink(missing_ok=True)


def _write(part: Path, text: str, old: Path) -> None:
    has_mark = old.read_bytes().startswith(codecs.BOM_UTF8)
    with part.open("wb") as file:
        file.write(text.encode("utf-8-sig" if has_mark else "utf-8"))
        file.flush()
        host.sync_data(file.fileno())
    shutil.copymode(old, part)
    part.chmod(part.stat().st_mode | S_IWUSR)  # a copy of what is shipped read-only is one's own


def _means(part: Path, wanted: Any) -> bool:
    try:
        return bool(read_document(part, ProtocolError).data == wanted)
    except RigError:
        return False  # such as the name of a film with a letter in it that no protocol may hold


def _copy(film: Path, to: Path, sha256: str) -> None:
    """Copy a film, byte by byte the one that was looked at. Raises ClipError when another one lies there."""
    to.parent.mkdir(exist_ok=True)
    if to.exists():
        if sha256_of(to) != sha256:
            raise ClipError(str(to), "is another film", hint="Nothing is overwritten: rename yours, or move that away")
        return
    part = to.with_name(f".{sha256[:16]}.part")
    try:
        shutil.copyfile(film, part)
        if sha256_of(part) != sha256:
            raise ClipError(str(film), "changed while it was copied", hint="Import it again")
        part.replace(to)
    finally:
        part.unlink(missing_ok=True)
