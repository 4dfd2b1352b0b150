"""How much brighter a camera's pictures are while another one's lamps flash, where there are pictures of both.

    between    a faster stream (HS): its pictures at pulses of slower ones, against those before and after
    walk       streams of the same pulses (VIS, NIR): the line walk exposes one at a time, the run all together

Lamps that are always lit are in all pictures alike: of them nothing can be told.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rig.session.run import Run, Stream
from rig.verify.clocks.paired import BOX_HZ
from rig.verify.findings import Numbers
from rig.verify.looks import looks

FEWEST_PAIRS = 50  # pictures with the lamps, each with one before and one after
FEWEST_WALK = 3  # pictures of the walk
FIRST_S = 1.0  # of the run are held against the walk: the screen shows the same
STEADY_S = 20.0  # of the run tell how much the light changes by itself
LEAST_LIGHT, MOST_LIGHT = 0.03, 0.95  # of full scale: mean of a tile that can get brighter by a part
SURE = 5.0  # standard errors
LEAST = 0.001  # of the light: less is nothing that anybody could see

Levels = NDArray[np.float64]


@dataclass(frozen=True)
class Leak:
    """`share` of the light of its own lamps that comes beside it; `error` is how much it may be off."""

    share: float
    error: float
    pictures: int

    @property
    def is_seen(self) -> bool:
        """Whether there is light of other lamps beyond doubt."""
        return self.share > max(LEAST, self.error)


def between_pulses(run: Run, stream: Stream) -> Leak | None:
    """A stream at the pulses of slower ones, against its neighbours; None without enough of both."""
    others = {other.divisor for other in run.streams.values() if other.divisor > stream.divisor}
    if not others:
        return None
    seen, step = looks(run, stream), stream.divisor
    pulses = stream.pulse_numbers
    before, after = stream.index_at(pulses - step), stream.index_at(pulses + step)
    with_lamps = _is_shared(pulses, others)
    alone = ~_is_shared(pulses - step, others) & ~_is_shared(pulses + step, others)
    lit = np.flatnonzero(with_lamps & alone & (before >= 0) & (after >= 0) & seen.is_good)
    lit = lit[seen.is_good[before[lit]] & seen.is_good[after[lit]]]
    if len(lit) < FEWEST_PAIRS:
        return None
    usual = (_tiles(seen.tiles[before[lit]]) + _tiles(seen.tiles[after[lit]])) / 2
    chosen = _usable(usual)
    if not chosen.any():
        return None
    more = _more(_tiles(seen.tiles[lit])[:, chosen], usual[:, chosen])
    of_tiles = np.nanmedian(more, axis=0)
    # Sync LEDs blink in few tiles, other lamps light all of them.
    spread = np.nanmedian(np.abs(more - of_tiles)) * 1.4826
    return Leak(float(np.median(of_tiles)), SURE * float(spread) / len(lit) ** 0.5, len(lit))


def against_walk(run: Run, stream: Stream) -> Leak | None:
    """A stream as the run began, against its pictures of the line walk; None without enough of them."""
    if not any(other.divisor == stream.divisor for other in run.streams.values() if other is not stream):
        return None
    walk = looks(run, run.walk_streams[stream.name])
    fps = BOX_HZ / (run.plan["period_ticks"] * stream.divisor)
    own = looks(run, stream)
    tiles = _tiles(own.tiles[: round(STEADY_S * fps)][own.is_good[: round(STEADY_S * fps)]])
    alone = _tiles(walk.tiles[walk.is_good])
    first = tiles[: max(1, round(FIRST_S * fps))]
    if len(alone) < FEWEST_WALK or len(tiles) < FEWEST_WALK:
        return None
    usual = np.median(alone, axis=0)
    chosen = _usable(alone)
    if not chosen.any():
        return None
    more = np.median(first, axis=0)[chosen] / usual[chosen] - 1
    share = float(np.median(more))
    # A head that moved meanwhile made some tiles brighter and others darker.
    apart = SURE * float(np.median(np.abs(more - share))) / len(more) ** 0.5
    light = np.median(tiles[:, chosen] / np.median(tiles[:, chosen], axis=0), axis=1)
    return Leak(share, max(apart, float(np.ptp(np.quantile(light, [0.02, 0.98])))), len(alone))


def _more(tiles: Levels, usual: Levels) -> Levels:
    """By what share tiles are brighter than usual; nan where there is no light at all, as beside a dark LED."""
    return np.divide(tiles, usual, out=np.full_like(tiles, np.nan), where=usual > 0) - 1


def _is_shared(pulses: Numbers, divisors: set[int]) -> NDArray[np.bool_]:
    return np.asarray(np.any([pulses % divisor == 0 for divisor in divisors], axis=0) & (pulses >= 0), bool)


def _tiles(tiles: NDArray[np.float32]) -> Levels:
    return tiles.reshape(len(tiles), int(np.prod(tiles.shape[1:]))).astype(np.float64)


def _usable(tiles: Levels) -> NDArray[np.bool_]:
    means = np.median(tiles, axis=0)
    return np.asarray((means >= LEAST_LIGHT) & (means <= MOST_LIGHT))
