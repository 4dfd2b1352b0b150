"""Where in the code a stretch may lie, against light summed up by other code; frames followed, against all paths."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from rig.verify.pixels import correlating, following
from rig.verify.pixels.correlating import PIECE_PULSES, places_alike
from tests.verify.led_light import HS, PERIOD, VIS, VIS_20_MS, levels

PIECE = PIECE_PULSES * 3 // 4  # the code is looked through in pieces that begin so far apart
LONG = replace(HS, exposure_us=25_000)
FRAMES, GUESSES = 160, 8


@pytest.mark.parametrize("first", [0, 1, PIECE - 1, PIECE, 9 * PIECE - 3, PERIOD - 300, PERIOD - 1])
@pytest.mark.parametrize("exposures", [HS, LONG, VIS_20_MS, replace(VIS, divisor=7), replace(HS, divisor=64)])
def test_the_place_is_found_wherever_it_lies_in_the_code(exposures, first: int) -> None:
    pulses = first + exposures.divisor * np.arange(FRAMES)
    seen = levels(pulses, exposures)[:, 0] + np.random.default_rng(first).normal(0, 0.2, FRAMES)
    places = places_alike(seen, exposures.divisor, exposures.shares, GUESSES)
    assert first in places.tolist()
    assert len(set(places.tolist())) == GUESSES


def test_the_places_are_those_of_all_that_correlate_best() -> None:
    """What each place of the code would show is laid beside the frames one place after the other."""
    seen = np.random.default_rng(1).normal(size=24)
    shown = levels(np.arange(PERIOD), VIS_20_MS)[:, 0]
    due = np.stack([np.roll(shown, -VIS_20_MS.divisor * k) for k in range(len(seen))]).astype(np.float32)
    spread = np.sqrt(np.maximum(due.var(axis=0), 0.02))
    best = np.argsort(-((seen - seen.mean()) @ due) / spread)[:GUESSES]
    assert set(places_alike(seen, VIS_20_MS.divisor, VIS_20_MS.shares, GUESSES).tolist()) == set(best.tolist())


def test_a_long_exposure_takes_no_more_memory_than_a_short_one() -> None:
    """Not a whole code for each of the pulses that it goes on over."""
    code_bytes = PERIOD * np.dtype(float).itemsize
    tracemalloc.start()
    try:
        correlating._shown.__wrapped__((1 / 40,) * 40)
        assert tracemalloc.get_traced_memory()[1] < 8 * code_bytes
    finally:
        tracemalloc.stop()


def test_the_chances_of_several_guesses_are_those_over_all_paths() -> None:
    steps, fits = following._steps(), np.random.default_rng(2).random((2, 3, len(following._steps())))
    chances, factors = following._chances(fits)
    begin = np.full(len(steps), 1 / (len(steps) - 1))
    begin[-1] = following._LEAVE
    for number, (one, two, three) in enumerate(fits):
        paths = np.einsum("a,a,ab,b,bc,c->abc", begin, one, steps, two, steps, three)
        assert factors[number].prod() == pytest.approx(paths.sum())
        for frame, others in enumerate([(1, 2), (0, 2), (0, 1)]):
            assert chances[number, frame] == pytest.approx(paths.sum(axis=others) / paths.sum())
