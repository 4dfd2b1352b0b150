"""A folder in which permissions count, also when the tests run as root, whom none stops."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

NOBODY = 65534


@contextmanager
def without_root() -> Iterator[tuple[Path, Callable[[Path, int], None]]]:
    """A folder of our own, outside of root's, and a function that sets a mode, put back at the end."""
    is_root, changed = os.geteuid() == 0, []

    def take_rights(path: Path, mode: int) -> None:
        changed.append(path)
        path.chmod(mode)

    with TemporaryDirectory(prefix="rights-") as name:
        if is_root:
            os.chown(name, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        try:
            yield Path(name), take_rights
        finally:
            if is_root:
                os.seteuid(0)
            for path in changed:
                path.chmod(0o700)
