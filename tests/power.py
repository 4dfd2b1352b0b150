"""A disk that loses its power: logs what is asked of it, and makes what a cut at any moment would leave.

    write, reserve, cut --> may be there or not, block by block, each in any state since the last sync of that file
    name, rename, remove, new folder --> may have happened or not, each, until the folder that it lies in is synced

A block may even be torn: the first sectors of a write are there, and the rest of it is not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rig import host

BLOCK, SECTOR = 4096, 512
ROOT = 0  # the number of the folder that is logged


@dataclass(frozen=True)
class Op:
    """What was asked of the disk. `file` is a number of its own, whatever name the file or folder has."""

    kind: str  # create, mkdir, rename, remove | write, size, times, sync, made | folder: its sync
    file: int
    name: str = ""
    new_name: str = ""
    folder: int = -1  # the number of the one that the name lies in
    offset: int = 0  # of a write; the length, of a size; ns, of a time
    data: bytes = b""


@dataclass
class _File:
    """A file as it is on the disk, and what was asked since its last sync."""

    content: bytearray = field(default_factory=bytearray)
    modified_ns: int = 0  # 0: nobody has said
    asked: list[Op] = field(default_factory=list)

    def sync(self) -> None:
        for op in self.asked:
            if op.kind == "write":
                _put(self.content, op.offset, op.data)
            elif op.kind == "times":
                self.modified_ns = op.offset
            else:
                _cut(self.content, op.offset)
        self.asked.clear()

    def write_after_cut(self, path: Path, random: Random) -> None:
        """Put at `path` what is left of it without power."""
        times = [op.offset for op in self.asked if op.kind == "times"]
        path.write_bytes(self._after_cut(random))
        if modified_ns := random.choice([self.modified_ns, *times]) if times else self.modified_ns:
            os.utime(path, ns=(modified_ns, modified_ns))

    def _after_cut(self, random: Random) -> bytes:
        content, sizes = bytearray(self.content), [len(self.content)]
        by_block: dict[int, list[tuple[int, bytes]]] = {}
        for op in (op for op in self.asked if op.kind != "times"):
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

    def __init__(self, folder: Path, *, is_shared: bool = False) -> None:
        """`is_shared`: others than functions of rig.host write to its files too, as HDF5 does; seen at each sync."""
        self.folder, self._is_shared = folder.resolve(), is_shared
        self.ops: list[Op] = []
        self._numbers = {".": ROOT}
        self._made_otherwise: set[int] = set()  # not by functions of rig.host: what is in them is seen at their sync
        self._start: dict[int, _File] = {}
        self._start_names: dict[tuple[int, str], int] = {}
        for path in sorted(self.folder.rglob("*")):
            number = self._numbers[self._name(path)] = len(self._numbers)
            self._start_names[(self._numbers[self._name(path.parent)], path.name)] = number
            if path.is_file():
                self._start[number] = _File(bytearray(path.read_bytes()), path.stat().st_mtime_ns)
        self._next = len(self._numbers)

    @contextmanager
    def logging(self) -> Iterator[DiskLog]:
        """While in here, what rig.host is asked for is done, and logged."""
        with pytest.MonkeyPatch.context() as patch:
            for name in ("write_at", "open_private", "cut", "reserve", "put_times"):
                patch.setattr(host, name, self._wrapped(getattr(host, name), getattr(self, f"_{name}")))
            for name in (
                "sync_file", "sync_data", "sync_folder", "rename", "remove", "make_folder", "remove_folder",
            ):  # fmt: skip
                patch.setattr(host, name, self._wrapped(getattr(host, name), getattr(self, f"_{name}"), after=True))
            yield self

    def _wrapped(self, real: Any, note: Any, *, after: bool = False) -> Any:
        def both(*arguments: Any) -> Any:
            if after:  # nothing is safe before a sync has returned, and a name that was refused is none
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

    def _create(self, name: str, kind: str = "create") -> None:
        self._numbers[name], self._next = self._next, self._next + 1
        self.ops.append(Op(kind, self._numbers[name], name, folder=self._folder_of(name)))

    def _folder_of(self, name: str) -> int:
        return self._numbers[str(Path(name).parent)]

    def _open_private(self, path: Path) -> None:
        if self._name(path) not in self._numbers:
            self._create(self._name(path))

    def _make_folder(self, path: Path) -> None:
        self._create(self._name(path), "mkdir")

    def _write_at(self, fd: int, data: Any, offset: int) -> None:
        self.ops.append(Op("write", self._number(fd), offset=offset, data=bytes(memoryview(data).cast("B"))))

    def _cut(self, fd: int, size: int) -> None:
        self.ops.append(Op("size", self._number(fd), offset=size))

    def _reserve(self, fd: int, size: int) -> None:
        self.ops.append(Op("size", self._number(fd), offset=max(size, os.fstat(fd).st_size)))

    def _put_times(self, path: Path, modified_ns: int) -> None:
        self.ops.append(Op("times", self.number_of(path), offset=modified_ns))

    def _sync_file(self, fd: int) -> None:
        number = self._number(fd)
        if number in self._made_otherwise or self._is_shared:
            self._made_otherwise.discard(number)
            data = Path(f"/proc/self/fd/{fd}").read_bytes()  # it may be open for writing only
            self.ops.append(Op("made", number, data=data))
        self.ops.append(Op("sync", number))

    _sync_data = _sync_file

    def _rename(self, old: Path, new: Path) -> None:
        """Of a folder, with all that lies in it."""
        before, after = self._name(old), self._name(new)
        folder, number = self._folder_of(before), self._numbers[before]
        assert folder == self._folder_of(after), "from one folder to another: not modelled"
        moved = {n: after + n.removeprefix(before) for n in self._numbers if n == before or n.startswith(f"{before}/")}
        self._numbers |= {renamed: self._numbers.pop(name) for name, renamed in moved.items()}
        self.ops.append(Op("rename", number, before, after, folder=folder))

    def _remove(self, path: Path) -> None:
        name = self._name(path)
        self.ops.append(Op("remove", self._numbers.pop(name, -1), name, folder=self._folder_of(name)))

    _remove_folder = _remove

    def _sync_folder(self, folder: Path) -> None:
        if folder.resolve().is_relative_to(self.folder):
            self.ops.append(Op("folder", self.number_of(folder), self._name(folder)))

    def cut_at(self, place: int, random: Random, into: Path) -> None:
        """Make in the folder `into` what is left when the power goes after operation number `place` was asked for."""
        files, names = deepcopy(self._start), dict(self._start_names)
        unsure: list[Op] = []  # names that are not safe yet
        for op in self.ops[:place]:
            match op.kind:
                case "write" | "size" | "times":
                    files.setdefault(op.file, _File()).asked.append(op)
                case "sync":
                    files.setdefault(op.file, _File()).sync()
                case "made":
                    files.setdefault(op.file, _File()).content[:] = op.data
                    files[op.file].asked = [asked for asked in files[op.file].asked if asked.kind == "times"]
                case "folder":
                    _name_files(names, [known for known in unsure if known.folder == op.file])
                    unsure = [other for other in unsure if other.folder != op.file]
                case "create":
                    files.setdefault(op.file, _File())
                    unsure.append(op)
                case _:
                    unsure.append(op)
        _name_files(names, [op for op in unsure if random.random() < 0.5])
        _put_folder(ROOT, into, names, files, random)


def _put_folder(
    number: int, into: Path, names: dict[tuple[int, str], int], files: dict[int, _File], random: Random
) -> None:
    """What has a name in the folder of this number, and what lies below it."""
    for name, child in [(name, child) for (folder, name), child in names.items() if folder == number]:
        if child in files:
            files[child].write_after_cut(into / name, random)
        else:
            (into / name).mkdir()
            _put_folder(child, into / name, names, files, random)


def _name_files(names: dict[tuple[int, str], int], ops: list[Op]) -> None:
    for op in ops:
        if op.kind in ("rename", "remove"):
            names.pop((op.folder, Path(op.name).name), None)
        if op.kind != "remove":
            names[(op.folder, Path(op.new_name or op.name).name)] = op.file
