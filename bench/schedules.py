"""Sessions under seeded schedules of camera faults: prints Markdown, fails where a session differs from the truth.

python -m bench.schedules [--first N] [--seeds N]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tests.record.schedules import run_schedule, schedule


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds")
    options = parser.parse_args()
    print("| seed | pulses lost | extras | exact | s | what went wrong |")
    print("|---|---|---|---|---|---|")
    differ = 0
    for seed in range(options.first, options.first + options.seeds):
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            outcomes = run_schedule(Path(folder), seed)
        wrong = [outcome for outcome in outcomes if not outcome.is_exact]
        differ += bool(wrong)
        lost, extra = sum(len(o.true_gaps) for o in outcomes), sum(len(o.true_extras) for o in outcomes)
        exact = "; ".join(str(outcome) for outcome in wrong) or "yes"
        seconds = time.perf_counter() - began
        what = f"{schedule(seed).counter}: {schedule(seed).faults}"
        print(f"| {seed} | {lost} | {extra} | {exact} | {seconds:.1f} | {what} |", flush=True)
    print(f"\n{options.seeds - differ} of {options.seeds} schedules exact")
    return int(differ > 0)


if __name__ == "__main__":
    raise SystemExit(main())
