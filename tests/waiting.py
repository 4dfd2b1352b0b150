"""Waiting for what another thread or process does: as long as a busy machine may need, and no longer than that."""

from __future__ import annotations

import time
from collections.abc import Callable

WAITS_S = 120
LOOK_S = 0.005


def wait_for(is_so: Callable[[], object], otherwise: str = "it never came") -> None:
    """Until something is so; fails with `otherwise` after WAITS_S."""
    until = time.monotonic() + WAITS_S
    while not is_so():
        assert time.monotonic() < until, otherwise
        time.sleep(LOOK_S)
