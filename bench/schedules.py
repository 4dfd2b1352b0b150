"""Sessions under seeded schedules of camera faults: prints Markdown, fails where a session differs from the truth.

python -m bench.schedules [--first N] [--seeds N]
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bench.seeds import seeds_asked
from tests.record.schedules import run_schedule, schedule


def main() -> int:
    seeds = seeds_asked(__doc__)
    print("| seed | pulses lost | extras | exact | s | what went wrong |")
    print("|---|---|---|---|---|---|")
    differ = 0
    for seed in seeds:
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
    print(f"\n{len(seeds) - differ} of {len(seeds)} schedules exact")
    return int(differ > 0)


if __name__ == "__main__":
    raise SystemExit(main())
