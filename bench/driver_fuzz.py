"""The host's end of the box's line under a million spoiled bytes: prints Markdown, fails for an event nobody sent.

    python -m bench.driver_fuzz [--bytes N] [--seeds N]

A damaged message passes a 16-bit checksum once in 65,536 times by chance; the table shows how many were refused.
"""

from __future__ import annotations

import argparse
import time

from tests.trigger.fuzz import fuzz


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=int, default=1_000_000)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    print("| seed | bytes | damaged messages refused | events told | told but never sent | s |")
    print("|---|---|---|---|---|---|")
    invented = 0
    for seed in range(options.seeds):
        began = time.perf_counter()
        result = fuzz(seed, options.bytes)
        seconds = time.perf_counter() - began
        invented += len(result.invented)
        counts = f"{result.bytes_fed} | {result.bad_frames} | {len(result.told)} | {len(result.invented)}"
        print(f"| {seed} | {counts} | {seconds:.1f} |")
    return int(invented > 0)


if __name__ == "__main__":
    raise SystemExit(main())
