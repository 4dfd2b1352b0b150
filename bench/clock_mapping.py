"""How well box ticks are mapped to the host clock, on simulated round trips whose truth is known.

    python -m bench.clock_mapping [--seeds N]

Ten minutes of pings at 5 Hz over three kinds of USB bridge; prints Markdown. The residual is what the pairs scatter
by; the bound is half of the fast round trips, in which latencies that differ between the two ways can hide. Exit
status 1 when an error is beyond its limit or, with either clock, beyond the bound that is told with the map.
"""

from __future__ import annotations

import argparse

import numpy as np

from rig.session.timeline import fit_box
from rig.streams import PULSE
from tests.latencies import BAUD, LIMIT_MS, BoxClock, errors_ms, round_trips

USUAL, WARMING_UP = "wanders by 3 ppm", "warms up, 20 ppm"  # the limits are meant for the first
CLOCKS = {USUAL: BoxClock(), WARMING_UP: BoxClock(wander_ppm=20.0)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=50)
    seeds = parser.parse_args().seeds
    print(f"| bridge | box clock | worst error, {seeds} seeds | median of worst | limit | residual | bound |")
    print("|---|---|---|---|---|---|---|")
    results = [row(bridge, name, seeds) for bridge in LIMIT_MS for name in CLOCKS]
    return int(not all(results))


def row(bridge: str, name: str, seeds: int) -> bool:
    """Print one line; whether it keeps the limit, where there is one, and in every seed the bound."""
    worst, residuals, bounds = [], [], []
    for seed in range(seeds):
        clock = CLOCKS[name]
        to_host = fit_box(round_trips(bridge, clock, seed), np.zeros(0, PULSE), baud=BAUD[bridge])
        worst.append(float(np.abs(errors_ms(to_host, clock)).max()))
        residuals.append(to_host.residual / 1e6)
        bounds.append(to_host.bound / 1e6)
    limit_ms = LIMIT_MS[bridge] if name == USUAL else np.inf
    limit = f"{limit_ms:g} ms" if name == USUAL else "none"
    print(
        f"| {bridge} | {name} | {max(worst):.3f} ms | {np.median(worst):.3f} ms | {limit} "
        f"| {np.median(residuals):.3f} ms | {np.median(bounds):.3f} ms |"
    )
    return max(worst) <= limit_ms and all(error <= bound for error, bound in zip(worst, bounds, strict=True))


if __name__ == "__main__":
    raise SystemExit(main())
