"""Whether rig verify finds what was really wrong, in seeded sessions of every kind of fault, and nothing in clean ones.

    python -m bench.ground_truth [--first N] [--seeds N] [--processes N] [--document]
    python -m bench.ground_truth --seed N

Each session is recorded in virtual time and judged; tests/fault_kinds.py says what goes wrong in it. Prints each
session that was judged wrongly, with its seed, then how many faults of each kind each line of evidence finds alone.
Exits 1 when a fault above its tolerance was missed, when a camera was blamed with which nothing was wrong, or when a
clean session was not complete or had a word above PASS.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.report import markdown, replace_part
from tests.fault_kinds import CLEAN_KIND, KINDS, ORDER, Kind
from tests.ground_truth import LINES, Result, run_seed

PAGE = Path(__file__).parents[1] / "docs/explanation/synchrony.md"
ROUNDS = 10  # sessions of each kind, and nearly twice as many clean ones
HEADS = ["what goes wrong", "injected", "tolerated", "sessions", "faults", *LINES, "verify", "below it, told"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--seeds", type=int, default=ROUNDS * len(ORDER), help="how many seeds")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--document", action="store_true")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds) if options.seed is None else [options.seed]
    began, results = time.perf_counter(), []
    for result in run_all(seeds, options.processes):
        results.append(result)
        if not result.is_right or options.seed is not None:
            print(f"{'right' if result.is_right else 'WRONG'}: {result}", flush=True)
    rows = [row for kind in KINDS if (row := row_of(kind, results))]
    table, told = markdown(HEADS, rows), summary(results)
    print(f"{table}\n\n{told}. It took {time.perf_counter() - began:.0f} s.")
    if options.document:
        replace_part("ground truth", f"{table}\n\n{told}.", Path(), PAGE)
    return int(not all(result.is_right for result in results))


def run_all(seeds: Sequence[int], processes: int) -> Iterator[Result]:
    """The results as they come."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if processes == 1 or len(seeds) == 1:
        yield from map(run_seed, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(run_seed, seeds)


def row_of(kind: Kind, results: Sequence[Result]) -> list[str]:
    """One row of the table; empty where no session has this fault."""
    own = [result for result in results if result.kind == kind.name]
    above, below = [r for r in own if not r.is_clean], [r for r in own if r.is_clean]
    if not own:
        return []
    faults, found = sum(r.places for r in above), sum(r.by_verify for r in above)
    alone = [str(sum(r.found[line] for r in above) or "") for line in LINES]
    alarms = f"{sum(bool(r.alarms) for r in below)} of {len(below)}" if below else ""
    return [kind.name, kind.injected, kind.limit, str(len(above)), str(faults), *alone, f"{found} of {faults}", alarms]


def summary(results: Sequence[Result]) -> str:
    """What came of all sessions, in a sentence."""
    clean = [r for r in results if r.kind == CLEAN_KIND.name]
    below = [r for r in results if r.is_clean and r.kind != CLEAN_KIND.name]
    above = [r for r in results if not r.is_clean]
    found = f"{sum(not r.missed and r.places > 0 for r in above)} of {len(above)}"
    sums = [f"{sum(r.is_right for r in own)} of {len(own)}" for own in (below, clean)]
    elsewhere, doubted = sum(bool(r.alarms) for r in above), sum(bool(r.doubts) for r in clean + below)
    return (
        f"{len(results)} sessions. All faults above the tolerance found: {found} sessions; in {elsewhere} of "
        f"them a camera was blamed with which nothing was wrong. Complete, and nothing above "
        f"PASS: {sums[0]} with less than the tolerance, {sums[1]} clean. A line alone doubted {doubted} of these"
    )


if __name__ == "__main__":
    raise SystemExit(main())
