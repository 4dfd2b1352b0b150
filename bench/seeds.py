"""Which seeded schedules a benchmark runs."""

from __future__ import annotations

import argparse


def seeds_asked(about: str | None) -> range:
    """The seeds that the command line asks for, 200 unless it says otherwise. `about`: the benchmark's docstring."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds")
    options = parser.parse_args()
    return range(options.first, options.first + options.seeds)
