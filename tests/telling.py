"""Runs the command `rig` and tells, in a file that survives its sudden end, what cameras delivered and what was safe.

    python -m tests.telling FILE ARGUMENTS...

Every line is a JSON object: `at` a moment of interest, `truth` a frame and its `digest`, `safe` frames whose row was
written before a sync that has just returned.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from rig import host
from rig.sim.camera import SimulatedCamera
from tests.crashes import Key, frame_tables, keys_in, watching


class Teller:
    """Watches rig.host; all threads of the recorder come through here."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._tables: dict[str, dict[str, tuple[int, int]]] = {}
        self._written: dict[str, set[tuple[str, int, int]]] = {}
        self._lock = threading.Lock()

    def tell(self, **said: Any) -> None:
        os.write(self._fd, (json.dumps(said) + "\n").encode())

    def watch(self) -> None:
        for name in ("write_at", "sync_data", "rename", "reserve", "cut"):
            setattr(host, name, getattr(self, f"_{name}")(getattr(host, name)))
        SimulatedCamera.grab = watching(SimulatedCamera.grab, self._came)  # type: ignore[method-assign]

    def _came(self, key: Key, picture: bytes) -> None:
        self.tell(truth=key, digest=picture.hex())

    def _write_at(self, real: Any) -> Any:
        def write_at(fd: int, data: Any, offset: int) -> None:
            real(fd, data, offset)
            name = _name(fd)
            if keys := keys_in(offset, bytes(memoryview(data).cast("B")), self._tables.get(name, {})):
                with self._lock:
                    self._written.setdefault(name, set()).update(keys)

        return write_at

    def _sync_data(self, real: Any) -> Any:
        def sync_data(fd: int) -> None:
            with self._lock:
                keys = self._written.pop(_name(fd), set())
            self.tell(at="sync")
            real(fd)
            self.tell(safe=sorted(keys))

        return sync_data

    def _reserve(self, real: Any) -> Any:
        def reserve(fd: int, size: int) -> None:
            self.tell(at="arm")
            real(fd, size)

        return reserve

    def _rename(self, real: Any) -> Any:
        def rename(old: Path, new: Path) -> None:
            if old.suffix == ".arming":
                self._tables[str(new.resolve())] = frame_tables(old)
            real(old, new)
            if ".part-" not in old.name:  # what lies beside a run: the channel, the events
                self.tell(at="armed" if old.suffix == ".arming" else "close")

        return rename

    def _cut(self, real: Any) -> Any:
        def cut(fd: int, size: int) -> None:
            if ".part-" not in _name(fd):
                self.tell(at="close")
            real(fd, size)

        return cut


def _name(fd: int) -> str:
    return str(Path(f"/proc/self/fd/{fd}").readlink())


def tell() -> None:
    Teller(sys.argv[1]).watch()
    sys.argv[:2] = ["rig"]
    from rig.__main__ import main

    main()


if __name__ == "__main__":
    tell()
