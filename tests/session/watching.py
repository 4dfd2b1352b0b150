"""A process that reads a session each time it is asked to, while it is recorded; see test_reading.

    python -m tests.session.watching FOLDER

Says "ready" first. Each line that it is sent lets it open the session, read it and say so. At the end of its input it
reads once more, and prints JSON: how often it opened the session before and after its end, what it saw of each picture
the first time, as CRC-32 by stream, and how many pictures it read a second time.
"""

from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path

import rig
from rig.errors import SessionError
from rig.session.layout import Outcome
from rig.session.reader import Session


def main() -> None:
    folder, seen, opened, again = Path(sys.argv[1]), {}, {"open": 0, "closed": 0, "between": 0}, 0
    print("ready", flush=True)
    is_last = False
    while not is_last:
        is_last = not sys.stdin.readline()
        try:
            with rig.open(folder) as session:
                is_over = session.runs[0].outcome is not Outcome.INCOMPLETE
                again += look(session, seen)
            opened["closed" if is_over else "open"] += 1
        except SessionError:  # being closed at this moment
            opened["between"] += 1
        print("looked", flush=True)
    print(json.dumps({"opened": opened, "seen": seen, "again": again}))


def look(session: Session, seen: dict[str, list[int]]) -> int:
    """Read every picture that is new, and some old ones again; how many of these."""
    again = 0
    for name, stream in session.streams.items():
        known = seen.setdefault(name, [])
        for index in range(0, len(known), 17):
            assert zlib.crc32(stream.data[index].tobytes()) == known[index], (name, index)
            again += 1
        known += [zlib.crc32(picture.tobytes()) for picture in stream.data[len(known) :]]
    return again


if __name__ == "__main__":
    main()
