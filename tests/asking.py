"""Asks the process of warm.py for a `rig` command: `asking.py SOCKET ARGUMENTS...` is one, as a shell starts it."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

MOST_BYTES = 1 << 17  # of arguments, folder and environment


def ask(address: str, arguments: list[str], cwd: str, fds: tuple[int, int, int]) -> int:
    """Its exit code; `fds` are its standard input, output and error."""
    request = {"arguments": arguments, "cwd": cwd, "env": dict(os.environ)}
    data = json.dumps(request).encode()
    assert len(data) <= MOST_BYTES
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(address)
        socket.send_fds(connection, [data], fds)
        return int(connection.recv(16))


if __name__ == "__main__":
    sys.exit(ask(sys.argv[1], sys.argv[2:], str(Path.cwd()), (0, 1, 2)) % 256)
