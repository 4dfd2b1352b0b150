"""Copies one file so that nothing is believed: each part is synced, read back from its disk, and compared.

    source --read--> checksum of each block --write, sync--> copy --drop from memory, read--> compared

A block counts as copied when its sync returned. A copy that was broken off goes on behind its last such block.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import xxhash

from rig import host
from rig.clock import NS, Clock
from rig.errors import ChecksumError, StorageError
from rig.private import made

BLOCK = 64 << 20  # has one checksum; so much at most is copied again after an interruption
PIECE, SMALL_PIECE = 16 << 20, 2 << 20  # written before it is synced; while somebody records
BESIDE_BYTES_S = 50_000_000  # read or written a second while somebody records
BUSY_NS = NS // 10  # a piece that takes longer shows that the disk has more to do than it can
REST = 3  # then the disk is left to the recorder for so many times as long
LOOK_NS = 2 * NS  # how often is looked whether somebody records


class Pace:
    """How much is read or written at a time, and how long the disk is then left to a recorder that needs it."""

    def __init__(self, clock: Clock, is_recording: Callable[[], bool], tell: Callable[[int], None]) -> None:
        """`is_recording` is asked every two seconds; `tell` is given the bytes of each piece that is done with."""
        self._clock, self._is_recording, self._tell = clock, is_recording, tell
        self._since_ns, self._look_ns = clock.now_ns(), 0
        self._is_slow = False

    @property
    def piece(self) -> int:
        """Bytes to handle until `rest` is called."""
        now = self._clock.now_ns()
        if now >= self._look_ns:
            self._is_slow, self._look_ns = self._is_recording(), now + LOOK_NS
        return SMALL_PIECE if self._is_slow else PIECE

    def rest(self, done: int) -> None:
        """A piece of `done` bytes is handled, and synced if it was written."""
        self._tell(done)
        now = self._clock.now_ns()
        if self._is_slow:
            took_ns = now - self._since_ns
            is_busy = took_ns > BUSY_NS
            self._clock.sleep_until(now + REST * took_ns if is_busy else self._since_ns + done * NS // BESIDE_BYTES_S)
        self._since_ns = self._clock.now_ns()


class Identity(NamedTuple):
    """By what a file is known to be as it was. Times in ns, UTC."""

    size: int
    modified_ns: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> Identity:
        """The identity of a file that was looked up."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ino)


def copy_blocks(source: Path, target: Path, blocks: int, pace: Pace) -> Iterator[str]:
    """Copy a file with its holes, behind so many blocks that are copied; yields the checksum of each block once synced.

    `target` is made when it is missing. Raises OSError, StorageError when the source becomes shorter.
    """
    with host.opened(source) as given, made(target) as copy:
        size = os.fstat(given).st_size
        host.cut(copy, min(blocks * BLOCK, size))
        for start in range(blocks * BLOCK, size, BLOCK):
            end = min(start + BLOCK, size)
            digest = xxhash.xxh3_128()
            while start < end:
                start += _copy_piece(given, copy, start, end, digest, pace)
            host.cut(copy, end)  # a hole at the end is written by nobody
            host.sync_file(copy)
            yield digest.hexdigest()


def _copy_piece(given: int, copy: int, start: int, end: int, digest: xxhash.xxh3_128, pace: Pace) -> int:
    """Copy some bytes from `start` on, and sync them; returns how many."""
    data = _read_piece(given, start, end, pace)
    digest.update(data)
    for begin, stop in host.data_ranges(given, start, start + len(data)):
        host.write_at(copy, memoryview(data)[begin - start : stop - start], begin)
    host.sync_data(copy)
    host.forget(given)
    pace.rest(len(data))
    return len(data)


def read_back(path: Path, blocks: list[str], pace: Pace) -> str:
    """Read a synced copy from its disk and compare it with the checksums of its source; the checksum of all of it.

    Raises ChecksumError for a block that differs, OSError.
    """
    whole = xxhash.xxh3_128()
    for number, digest in enumerate(_digests(path, whole, pace)):
        if number >= len(blocks) or digest != blocks[number]:
            place = f"{number * BLOCK:,} to {(number + 1) * BLOCK:,}"
            hint = "The source was not touched. Run the same command again: this file is copied anew"
            raise ChecksumError(str(path), f"read back, it differs from its source in bytes {place}", hint=hint)
    return whole.hexdigest()


def checksum_of(path: Path, pace: Pace) -> str:
    """The checksum (xxh3_128, hexadecimal) of a file as it lies on its disk. Raises OSError."""
    whole = xxhash.xxh3_128()
    for _ in _digests(path, whole, pace):
        pass
    return whole.hexdigest()


def _digests(path: Path, whole: xxhash.xxh3_128, pace: Pace) -> Iterator[str]:
    """The checksum of each block of a file, read from the disk; all of it goes into `whole`."""
    with host.opened(path) as fd:
        host.forget(fd)
        size = os.fstat(fd).st_size
        for start in range(0, size, BLOCK):
            end, digest = min(start + BLOCK, size), xxhash.xxh3_128()
            while start < end:
                data = _read_piece(fd, start, end, pace)
                digest.update(data)
                whole.update(data)
                host.forget(fd)
                pace.rest(len(data))
                start += len(data)
            yield digest.hexdigest()


def _read_piece(fd: int, start: int, end: int, pace: Pace) -> bytes:
    """Some bytes from `start` on, at least one. Raises OSError, StorageError when there is none."""
    data = host.read_at(fd, min(pace.piece, end - start), start)
    if not data:
        raise StorageError("the file", "became shorter while it was read", hint="Run the same command again")
    return data
