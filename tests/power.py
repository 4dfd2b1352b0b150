"""A disk that loses its power: logs what is asked of it, and makes what a cut at any moment would leave.

    write, reserve, cut --> may be there or not, block by block, each in any state since the last sync of that file
    name, rename, remove --> may have happened or not, each, until the folder is synced

A block may even be torn: the first sectors of a write are there, and the rest of it is not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rig import host

BLOCK, SECTOR = 4096, 512


@dataclass(frozen=True)
class Op:
    """What was asked of the disk. `file` is a number of its own, whatever name the file has."""

    kind: str  # create, rename, remove, folder | write, size, sync, made
    file: int = -1
    name: str = ""
    new_name: str = ""
    offset: int = 0  # of a write; the length, of a size
    data: bytes = b""


@dataclass
class _File:
    """A file as it is on the disk, and what was asked since its last sync."""

    content: bytearray = field(default_factory=bytearray)
    asked: list[Op] = field(default_factory=list)

    def sync(self) -> None:
        for op in self.asked:
            if op.kind == "write":
                _put(self.content, op.offset, op.data)
            else:
                _cut(self.content, op.offset)
        self.asked.clear()

    def after_cut(self, random: Random) -> bytes:
        """What is left of it without power."""
        content, sizes = bytearray(self.content), [len(self.content)]
        by_block: dict[int, list[tuple[int, bytes]]] = {}
        for op in self.asked:
            sizes.append(op.offset if op.kind == "size" else max(sizes[-1], op.offset + len(op.data)))
            for start in range(op.offset - op.offset % BLOCK, op.offset + len(op.data), BLOCK):
                first, end = max(start, op.offset), min(start + BLOCK, op.offset + len(op.data))
                by_block.setdefault(start, []).append((first, op.data[first - op.offset : end - op.offset]))
        for writes in by_block.values():
            _some_writes(content, writes, random)
        _cut(content, random.choice(sizes))
        return bytes(content)


def _some_writes(content: bytearray, writes: list[tuple[int, bytes]], random: Random) -> None:
    """The first few of the writes to one block, and of the next one perhaps some sectors."""
    reached = random.randint(0, len(writes))
    for first, data in writes[:reached]:
        _put(content, first, data)
    if reached < len(writes) and random.random() < 0.3:
        first, data = writes[reached]
        end = first - first % SECTOR + SECTOR * random.randint(0, BLOCK // SECTOR)
        _put(content, first, data[: max(0, end - first)])


def _put(content: bytearray, offset: int, data: bytes) -> None:
    content.extend(bytes(max(0, offset + len(data) - len(content))))
    content[offset : offset + len(data)] = data


def _cut(content: bytearray, size: int) -> None:
    del content[size:]
    content.extend(bytes(size - len(content)))


class DiskLog:
    """The log of everything below a folder; what lies there at the start is on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.ops: list[Op] = []
        self._numbers: dict[str, int] = {}
        self._made_otherwise: set[int] = set()  # not by functions of rig.host: what is in them is seen at their sync
        self._start: dict[str, bytes] = {}
        for path in sorted(p for p in self.folder.rglob("*") if p.is_file()):
            self._start[self._name(path)] = path.read_bytes()
            self._numbers[self._name(path)] = len(self._numbers)
        self._next = len(self._numbers)

    @contextmanager
    def logging(self) -> Iterator[DiskLog]:
        """While in here, what rig.host is asked for is done, and logged."""
        with pytest.MonkeyPatch.context() as patch:
            for name in ("write_at", "open_private", "rename", "remove", "cut", "reserve"):
                patch.setattr(host, name, self._wrapped(getattr(host, name), getattr(self, f"_{name}")))
            for name in ("sync_file", "sync_data", "sync_folder"):
                patch.setattr(host, name, self._wrapped(getattr(host, name), getattr(self, f"_{name}"), after=True))
            yield self

    def _wrapped(self, real: Any, note: Any, *, after: bool = False) -> Any:
        def both(*arguments: Any) -> Any:
            if after:  # nothing is safe before a sync has returned
                result = real(*arguments)
                note(*arguments)
                return result
            asked = len(self.ops)
            note(*arguments)
            try:
                return real(*arguments)
            except OSError:
                del self.ops[asked:]
                raise

        return both

    def _name(self, path: Path) -> str:
        return str(path.resolve().relative_to(self.folder))

    def number_of(self, path: Path) -> int:
        """The number of the file that has this name now."""
        return self._numbers[self._name(path)]

    def _number(self, fd: int) -> int:
        name = self._name(Path(f"/proc/self/fd/{fd}").readlink())
        if name not in self._numbers:
            self._create(name)
            self._made_otherwise.add(self._numbers[name])
        return self._numbers[name]

    def _create(self, name: str) -> None:
        self._numbers[name], self._next = self._next, self._next + 1
        self.ops.append(Op("create", self._numbers[name], name))

    def _open_private(self, path: Path) -> None:
        if self._name(path) not in self._numbers:
            self._create(self._name(path))

    def _write_at(self, fd: int, data: Any, offset: int) -> None:
        self.ops.append(Op("write", self._number(fd), offset=offset, data=bytes(memoryview(data).cast("B"))))

    def _cut(self, fd: int, size: int) -> None:
        self.ops.append(Op("size", self._number(fd), offset=size))

    def _reserve(self, fd: int, size: int) -> None:
        self.ops.append(Op("size", self._number(fd), offset=max(size, os.fstat(fd).st_size)))

    def _sync_file(self, fd: int) -> None:
        number = self._number(fd)
        if number in self._made_otherwise:
            self._made_otherwise.remove(number)
            self.ops.append(Op("made", number, data=os.pread(fd, os.fstat(fd).st_size, 0)))
        self.ops.append(Op("sync", number))

    _sync_data = _sync_file

    def _rename(self, old: Path, new: Path) -> None:
        number = self._numbers.pop(self._name(old))
        self._numbers[self._name(new)] = number
        self.ops.append(Op("rename", number, self._name(old), self._name(new)))

    def _remove(self, path: Path) -> None:
        self.ops.append(Op("remove", self._numbers.pop(self._name(path), -1), self._name(path)))

    def _sync_folder(self, folder: Path) -> None:
        self.ops.append(Op("folder", name=self._name(folder)))

    def cut_at(self, place: int, random: Random, into: Path) -> None:
        """Make in the folder `into` what is left when the power goes after operation number `place` was asked for."""
        files = {number: _File(bytearray(data)) for number, data in enumerate(self._start.values())}
        names = {name: number for number, name in enumerate(self._start)}
        unsure: list[Op] = []  # names that are not safe yet
        for op in self.ops[:place]:
            file = files.setdefault(op.file, _File())
            match op.kind:
                case "write" | "size":
                    file.asked.append(op)
                case "sync":
                    file.sync()
                case "made":
                    file.content[:] = op.data
                    file.asked.clear()
                case "folder":
                    _name_files(names, unsure)
                    unsure.clear()
                case _:
                    unsure.append(op)
        _name_files(names, [op for op in unsure if random.random() < 0.5])
        for name, number in names.items():
            path = into / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files[number].after_cut(random))


def _name_files(names: dict[str, int], ops: list[Op]) -> None:
    for op in ops:
        if op.kind != "create":
            names.pop(op.name, None)
        if op.kind != "remove":
            names[op.new_name or op.name] = op.file
