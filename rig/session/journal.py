"""Changes many places of a file at once: all of them, or, whatever happens meanwhile, none.

    pages --> run.journal.part --sync--> run.journal --sync folder--> into the run file --sync--> journal removed
                                              |
              from here on it will be done: `replay` does it again, as often as it takes

A journal is `magic, checksum (xxh3_64 of the rest), length of the file before and after, its witness, number of pages`,
then each page behind its number. It is only ever applied to the file that it was made for.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Container, Mapping
from pathlib import Path

import xxhash

from rig import host
from rig.errors import StorageError
from rig.private import made
from rig.session.overlay import PAGE

_MAGIC = b"rig-journal 1\n\0\0"
_HEAD, _SIZES, _NUMBER = struct.Struct("<16sQ"), struct.Struct("<QQQQ"), struct.Struct("<Q")
_WITNESSES = 64  # pages that do not change, by which a journal knows its file again


def journal_of(path: Path) -> Path:
    """Where the journal of a run file lies while there is one."""
    return path.with_suffix(".journal")


def reserve(path: Path, size: int) -> None:
    """Keep room on the disk for the journal of a run file, so that it can be closed when the disk is full.

    Raises OSError.
    """
    with made(part_of(path)) as fd:
        host.reserve(fd, size)
        host.sync_file(fd)


def part_of(path: Path) -> Path:
    """Where a journal lies until it is whole."""
    return path.with_suffix(".journal-part")


def commit(path: Path, pages: Mapping[int, bytes | bytearray], size: int) -> None:
    """Write pages of PAGE bytes into a file by number, and give it its length. Raises OSError.

    What the file holds now has to be on the disk: pages that are as they were are not written again.
    """
    pages = _changed(path, pages)
    journal = journal_of(path)
    part = part_of(path)
    before, witness = path.stat().st_size, _witness(path, size, pages)
    body = _SIZES.pack(before, size, witness, len(pages)) + b"".join(
        _NUMBER.pack(n) + bytes(p) for n, p in sorted(pages.items())
    )
    data = _HEAD.pack(_MAGIC, xxhash.xxh3_64_intdigest(body)) + body
    with made(part) as fd:
        host.write_at(fd, data, 0)
        host.cut(fd, len(data))
        host.sync_file(fd)
    host.rename(part, journal)
    host.sync_folder(path.parent)
    _apply(path, pages, size)
    _remove(journal)


def _changed(path: Path, pages: Mapping[int, bytes | bytearray]) -> dict[int, bytes | bytearray]:
    """The pages that differ from the file's: when HDF5 cuts a table it writes the rest of it as zeros once more."""
    with host.opened(path) as fd:
        return {number: page for number, page in pages.items() if host.read_at(fd, PAGE, number * PAGE) != page}


def _witness(path: Path, size: int, pages: Container[int]) -> int:
    """A checksum over some pages all over a file that a commit of `pages`, to the length `size`, leaves as they are."""
    there = min(path.stat().st_size, size) // PAGE
    numbers = (there * place // _WITNESSES for place in range(_WITNESSES))
    found = xxhash.xxh3_64()
    with host.opened(path) as fd:
        for number in dict.fromkeys(numbers):
            if number not in pages:
                found.update(host.read_at(fd, PAGE, number * PAGE))
    return found.intdigest()


def replay(path: Path) -> bool:
    """Finish a commit that was broken off; returns whether there was one. Raises OSError, StorageError.

    One that broke off before it was decided has not touched the file.
    """
    journal = journal_of(path)
    if not journal.exists():
        return False
    pages, before, size, witness = _read(journal)
    if not path.exists() or path.stat().st_size not in (before, size) or _witness(path, size, pages) != witness:
        hint = "Put the file back beside which it was made, under the same name. Nothing was changed"
        raise StorageError(str(journal), f"is not the journal of {path.name}", hint=hint)
    _apply(path, pages, size)
    _remove(journal)
    return True


def _remove(journal: Path) -> None:
    host.remove(journal)
    host.sync_folder(journal.parent)


def _apply(path: Path, pages: Mapping[int, bytes | bytearray], size: int) -> None:
    host.make_private(path)
    with host.opened(path, os.O_RDWR) as fd:
        for number, page in pages.items():
            if number * PAGE < size:
                host.write_at(fd, memoryview(page), number * PAGE)
        host.cut(fd, size)
        host.sync_file(fd)


def _read(journal: Path) -> tuple[dict[int, bytes], int, int, int]:
    """The pages by number, the length of the file before and after, and its witness.

    Raises StorageError when the journal is not whole.
    """
    data = journal.read_bytes()
    body = data[_HEAD.size :]
    if len(body) < _SIZES.size or _HEAD.unpack_from(data) != (_MAGIC, xxhash.xxh3_64_intdigest(body)):
        hint = "It was changed after it was written, or is none. The run file was not touched: keep both, and report it"
        raise StorageError(str(journal), "is damaged", hint=hint)
    before, size, witness, count = _SIZES.unpack_from(body)
    pages = {}
    for place in range(_SIZES.size, _SIZES.size + count * (_NUMBER.size + PAGE), _NUMBER.size + PAGE):
        (number,) = _NUMBER.unpack_from(body, place)
        pages[number] = body[place + _NUMBER.size :][:PAGE]
    return pages, before, size, witness
