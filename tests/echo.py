"""A child process that sends back what it is told."""

from __future__ import annotations

import sys

from rig.children import Parent


def main() -> None:
    parent = Parent(int(sys.argv[1]))
    while (messages := parent.receive(1.0)) is not None:
        for message in messages:
            parent.send(message)


if __name__ == "__main__":
    main()
