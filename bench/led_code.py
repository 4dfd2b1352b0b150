"""The sync LED code, measured: faults found, errors by noise, and time; on made-up light, then in whole pictures.

    python -m bench.led_code [--trials N]     N: sessions with a fault and without, 20000 if not said

The light is that of tests/verify/led_light.py, which knows the code from its page alone; the pictures are those of
simulated sessions, whose burnt-in numbers are the truth (bench/led_places.py). Exit status 1 when a slip is missed, a
clean session blamed, a share of frames with a wrong number beyond its limit, LEDs not found, or some where none are.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from bench.led_places import in_pictures, without_leds
from rig.streams import NO_PULSE
from rig.verify.pixels.code import LedTiming
from rig.verify.pixels.led_code import MIN_CONFIDENCE, decode, find_slips
from tests.verify.led_light import HS, VIS, VIS_20_MS, seen, window, with_slip

CONTRAST_TO_NOISE = 65.0  # a tenth of 245 grey values over the noise of 8 x 8 px of the demo rig, 3 each
BY_NOISE = (65.0, 10.0, 6.0, 4.0, 3.0, 2.0, 1.0)
WINDOWS = 30  # decoded for each line of the table
MOST_WRONG_PERCENT = 100 * (1 - MIN_CONFIDENCE)  # a number is given with this confidence

Rng = np.random.Generator


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20_000)
    trials = parser.parse_args().trials
    missed = count("one HS frame lost, a neighbour doubled: not found", slip_is_missed, trials)
    blamed = count("no fault: a slip seen, or a number missing", clean_is_blamed, trials)
    kept = [by_noise(), in_pictures(), without_leds()]
    return int(missed + blamed > 0 or not all(kept))


def count(what: str, is_wrong: Callable[[Rng], bool], trials: int) -> int:
    """Print, and return, how many of the trials went wrong."""
    rng = np.random.default_rng(1)
    began_s = time.process_time()
    wrong = sum(is_wrong(rng) for _ in range(trials))
    took_ms = (time.process_time() - began_s) * 1000 / trials
    print(f"{what}: {wrong} of {trials} ({took_ms:.1f} ms CPU each)", flush=True)
    return wrong


def slip_is_missed(rng: Rng) -> bool:
    """Whether the pulse without a frame and the frame that is there twice are not exactly what is found."""
    lost, repeated = two_places(rng)
    pulses = window(HS, rng, 2.01)
    found = decode(seen(with_slip(pulses, lost, repeated), HS, rng, CONTRAST_TO_NOISE), HS).numbers
    slips = {slip.missing: (slip.pulse, slip.next_pulse) for slip in find_slips(found, 1)}
    return slips != {1: (pulses[lost] - 1, pulses[lost] + 1), -1: (pulses[repeated], pulses[repeated])}


def two_places(rng: Rng) -> tuple[int, int]:
    """Two of 200 frames, neither the first nor the last; as often near each other as far apart."""
    while True:
        lost = int(rng.integers(2, 199))
        repeated = lost + int(rng.choice([-1, 1]) * 196 ** rng.uniform())
        if 2 <= repeated < 199 and repeated != lost:
            return lost, repeated


def clean_is_blamed(rng: Rng) -> bool:
    pulses = window(HS, rng)
    return not np.array_equal(decode(seen(pulses, HS, rng, CONTRAST_TO_NOISE), HS).numbers, pulses)


def by_noise() -> bool:
    """Windows of 2 and 10 s without fault: which share of frames gets its number, and which a wrong one.

    Whether all lines of the table keep the limit for the latter.
    """
    kept = []
    columns = f"{'right %':>9}{'none %':>8}{'wrong %':>9}{'CPU ms':>8}"
    print(f"{'stream, exposure':<22}{'window':>7}{'contrast/noise':>16}{columns}")
    for name, exposures in {"HS 4 ms": HS, "VIS 8 ms": VIS, "VIS 20 ms": VIS_20_MS}.items():
        for ratio in BY_NOISE:
            kept.append(line(f"{name:<22}{2:>5} s{ratio:>16g}", exposures, 2, ratio))
        for ratio in BY_NOISE[3:] if exposures is not HS else ():
            kept.append(line(f"{name:<22}{10:>5} s{ratio:>16g}", exposures, 10, ratio))
    return all(kept)


def line(title: str, exposures: LedTiming, seconds: float, ratio: float) -> bool:
    """Print one line; whether few enough of its numbers are wrong."""
    rng, took_s = np.random.default_rng(2), 0.0
    right, none = [], []
    for _ in range(WINDOWS):
        pulses = window(exposures, rng, seconds)
        light = seen(pulses, exposures, rng, ratio)
        began_s = time.process_time()
        numbers = decode(light, exposures).numbers
        took_s += time.process_time() - began_s
        right.append(np.mean(numbers == pulses))
        none.append(np.mean(numbers == NO_PULSE))
    shares = np.array([np.mean(right), np.mean(none)]) * 100
    wrong = max(0.0, 100 - shares.sum())
    print(f"{title}{shares[0]:>9.2f}{shares[1]:>8.2f}{wrong:>9.2f}{took_s * 1000 / WINDOWS:>8.1f}", flush=True)
    return wrong <= MOST_WRONG_PERCENT


if __name__ == "__main__":
    raise SystemExit(main())
