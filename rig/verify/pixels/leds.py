"""Finds the three sync LEDs in a stream's pictures: nobody says where they are.

pictures --> what blinks as LED A may --+--> decoded --> what follows A, B1, B2 around it --> place
             by the pulses claimed, or  |    says the pulses,
             by the code's own rule ----+    or that it is no LED
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rig.session.run import Run, Stream
from rig.streams import NO_PULSE
from rig.verify.clocks.exposed import told_exposure_us
from rig.verify.clocks.paired import BOX_HZ
from rig.verify.findings import Numbers
from rig.verify.pixels.blinking import (
    BLOCK_PX,
    LEAST_ALIKE,
    LEAST_RULE,
    Box,
    Follows,
    Levels,
    Mask,
    Region,
    Sample,
    keeps_the_rule,
    without_trend,
)
from rig.verify.pixels.code import CODE_PERIOD, ORDER, LedTiming, expected_levels
from rig.verify.pixels.following import MOST_LAG
from rig.verify.pixels.led_code import decode, decode_in_pieces
from rig.verify.wired import rig_part

SAMPLE_FRAMES = 160  # looked at to find the LEDs: eight times the 20 that the code needs, for noise and lost frames
FEWEST_FRAMES = 32  # in fewer the code is not sure
SEEDS = 6  # regions tried, the brightest first: the code is also seen in glasses and on the wall
BY_CHANCE = 4.0  # standard deviations: in random light one block in 15,000 goes further, and is then decoded in vain
LEAST_KNOWN = 0.25  # of the frames of a sample must be decoded from a region that is believed: the rest may run free
FAR_BLOCKS, FAR_SIDES = 48, 12  # from LED A the others are looked for: so many blocks, or so many times its side
SIMILAR = 4.0  # times larger or smaller in area and contrast than LED A the other two may be
GUARD_BLOCKS, RING_BLOCKS = 2, 3  # around an LED: left out for its glow, and taken for the light around it
SHORT_US = 1000  # an exposure that nobody tells is taken for a short one, which sees one code
GRAY_PERIOD = 4  # pulses until B1 and B2 repeat: streams of a divisor of 4 never see them change
LAPS = 4  # repetitions of LED A's code until B1 and B2 repeat with it


@dataclass(frozen=True, eq=False)
class LedPlace:
    """Where the LEDs lie in the pictures of one stream, and how their brightness is read there."""

    boxes: tuple[Box | None, ...]  # of A, B1, B2, px; None: not seen to change
    width: int  # of a picture, px
    index: NDArray[np.int64]  # (k,) pixels that are read, counted through a picture row by row
    weights: Levels  # (3, k): what each adds to the level of A, B1, B2; 0 for an LED without a box

    def levels(self, picture: NDArray[Any]) -> Levels:
        """Brightness of A, B1, B2 against what is around them, in the picture's own unit, float64 (3,).

        It rises where the code says lit. `picture`: unpacked, (height, width), grey or a Bayer mosaic as it is, or
        (height, width, 3).
        """
        pixels = picture.reshape(picture.shape[0] * self.width, -1)[self.index]
        return np.asarray(self.weights @ pixels.mean(axis=1, dtype=np.float64))

    @property
    def middle_row(self) -> float:
        """The row in which LED A has its middle, px."""
        box = self.boxes[0]
        return (box.top + box.bottom - 1) / 2 if box else 0.0


def led_timing(run: Run, stream: Stream, row: float = 0.0) -> LedTiming:
    """When a stream exposes its row `row`, and when the LEDs change, by plan, rows and what its camera said."""
    period_us, phase_us = (int(run.plan[name]) * 1e6 / BOX_HZ for name in ("period_ticks", "led_phase_ticks"))
    delay_us = stream.start_delay_us + row * stream.row_time_us
    return LedTiming(stream.divisor, _exposure_us(run, stream), delay_us, period_us, phase_us)


def _exposure_us(run: Run, stream: Stream) -> float:
    """As most frames report it, else as the camera read back when armed, else as the session's rig.yaml asks."""
    reported = stream.frames["exposure_us"][stream.frames["exposure_us"] > 0]
    if len(reported):
        return float(np.median(reported))
    read_back = told_exposure_us(stream.baseline.get("features", {}))
    asked = rig_part(run, "cameras").get(stream.name) or {}
    return read_back if read_back is not None else float(asked.get("exposure_us", SHORT_US))


def stored_stretches(run: Run, stream: Stream) -> list[Numbers]:
    """Places of frames (n,), split where none arrived for longer than the decoder bridges: nothing was stored there."""
    arrived_ns = stream.frames["arrived_host_ns"].astype(np.int64)
    bridged_ns = MOST_LAG * stream.divisor * int(run.plan["period_ticks"]) * (10**9 // BOX_HZ)
    return np.split(np.arange(len(arrived_ns)), np.flatnonzero(np.diff(arrived_ns) > bridged_ns) + 1)


def find_leds(
    pictures: Iterable[NDArray[Any]],
    exposures: LedTiming,
    claims: Numbers | None = None,
    *,
    row_us: float = 0.0,
) -> LedPlace | None:
    """Where the LEDs lie in consecutive pictures of one stream; None when none is seen, never a guess.

    `pictures`: at least FEWEST_FRAMES, grey, (height, width) from 0 to 1; a few may be damaged. `claims`: the pulses
    that they claim, int64 (n,), NO_PULSE where unknown: they help in noise, and need not be right. A place is believed
    only when the numbers decoded from it are sure, by the code alone. `exposures`: of row 0; each further row begins
    `row_us` later.
    """
    sample = Sample.of(pictures)
    return None if sample is None else find_leds_in(sample, exposures, claims, row_us=row_us)


def find_leds_in(
    sample: Sample, exposures: LedTiming, claims: Numbers | None = None, *, row_us: float = 0.0
) -> LedPlace | None:
    """The same in pictures that are in blocks already, to try one sample with several exposures."""
    if len(sample.blocks) < FEWEST_FRAMES:
        return None
    for region in _candidates(sample, exposures, claims):
        row = (region.box.top + region.box.bottom - 1) / 2 * BLOCK_PX
        of_row = replace(exposures, start_delay_us=exposures.start_delay_us + row * row_us)
        numbers = _decoded(sample, region, of_row)
        if numbers is not None:
            return _place(sample, region, numbers, of_row)
    return None


def _candidates(sample: Sample, exposures: LedTiming, claims: Numbers | None) -> Iterator[Region]:
    """What may be LED A: by the pulses that frames claim, then by the code's own rule."""
    if claims is not None:
        due, is_claimed = expected_levels(claims, exposures.shares)[:, 0], claims != NO_PULSE
        by_claims = sample.likeness(Follows(due, is_claimed))
        yield from by_claims.brightest(_least(LEAST_ALIKE, int(is_claimed.sum())), SEEDS)
    yield from sample.likeness(keeps_the_rule).brightest(_least(LEAST_RULE, len(sample.blocks) - ORDER), SEEDS)


def _least(least: float, terms: int) -> float:
    """The least likeness that counts: more where few terms were summed up, of which chance makes more."""
    return max(least, BY_CHANCE / sqrt(max(1, terms)))


def _decoded(sample: Sample, region: Region, exposures: LedTiming) -> Numbers | None:
    """The pulse of each picture by this region as LED A, NO_PULSE where it is not told; None: it is no LED."""
    levels = np.zeros((len(sample.blocks), 3))
    levels[:, 0] = region.sign * without_trend(sample.mean_of(region.blocks))
    for way in (decode, decode_in_pieces):
        numbers = way(levels, exposures).numbers
        if np.mean(numbers != NO_PULSE) >= LEAST_KNOWN:
            return numbers
    return None


# Where they lie -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Led:
    """One LED in a part of a picture, and the share of each exposure in which it was lit, (n,)."""

    region: Region
    due: Levels

    def is_like(self, other: _Led) -> bool:
        """Whether two can be on one board: about as large and as bright, and wired the same way."""
        ratios = (
            self.region.blocks.sum() / other.region.blocks.sum(),
            self.region.contrast / other.region.contrast,
        )
        is_similar = all(1 / SIMILAR <= ratio <= SIMILAR for ratio in ratios)
        return bool(is_similar and self.region.sign == other.region.sign)


def _place(sample: Sample, region: Region, numbers: Numbers, exposures: LedTiming) -> LedPlace:
    """The place of LED A, and of those others around it that are seen to follow their codes."""
    window = region.box.grown(max(FAR_BLOCKS, FAR_SIDES * region.box.side))
    near = replace(sample, blocks=sample.blocks[:, *window.within])
    is_known = numbers != NO_PULSE
    leds = _most_leds(near, numbers, is_known, exposures)
    boxes = tuple(led.region.box.in_px(window) if led else None for led in leds)
    weights = np.kron(_weights(near, leds, is_known), np.ones((1, BLOCK_PX, BLOCK_PX))) / BLOCK_PX**2
    _, rows, columns = np.nonzero(weights.any(axis=0, keepdims=True))
    index = (rows + window.top * BLOCK_PX) * sample.width + columns + window.left * BLOCK_PX
    return LedPlace(boxes, sample.width, index, weights[:, rows, columns])


def _most_leds(near: Sample, numbers: Numbers, is_known: Mask, exposures: LedTiming) -> list[_Led | None]:
    """LEDs A, B1, B2, in the repetition of LED A's code in which most are seen: by A alone nobody knows which it is."""
    most: list[_Led | None] = []
    for lap in range(1 if exposures.divisor % GRAY_PERIOD == 0 else LAPS):
        leds = _leds(near, numbers + lap * CODE_PERIOD, is_known, exposures)
        most = max(most, leds, key=lambda found: sum(led is not None for led in found))
        if None not in most:
            break
    return most


def _leds(near: Sample, numbers: Numbers, is_known: Mask, exposures: LedTiming) -> list[_Led | None]:
    """LEDs A, B1, B2 by the pulses of the pictures; None for one that is not seen to follow its code."""
    found: list[_Led | None] = []
    for due in expected_levels(numbers, exposures.shares).T:
        regions = near.likeness(Follows(due, is_known)).brightest(LEAST_ALIKE, SEEDS)
        leds = (_Led(region, due) for region in regions)
        first = found[0] if found else None
        found.append(next((led for led in leds if first is None or led.is_like(first)), None))
    return found


def _weights(near: Sample, leds: list[_Led | None], is_known: Mask) -> Levels:
    """What each block adds to the level of each LED, (3, down, across): its own blocks, less the light around it."""
    guards = np.zeros(near.blocks.shape[1:], bool)
    for led in leds:
        if led is not None:
            guards[led.region.box.grown(GUARD_BLOCKS).within] = True
    return np.stack([np.zeros(guards.shape) if led is None else _own(near, led, guards, is_known) for led in leds])


def _own(near: Sample, led: _Led, guards: Mask, is_known: Mask) -> Levels:
    around = np.zeros_like(guards)
    around[led.region.box.grown(GUARD_BLOCKS + RING_BLOCKS).within] = True
    around &= ~guards
    blocks, share = led.region.blocks, _share_of_surroundings(near, led, around, is_known)
    return np.asarray(led.region.sign * (blocks / blocks.sum() - share * around / max(1, around.sum())))


def _share_of_surroundings(near: Sample, led: _Led, around: Mask, is_known: Mask) -> float:
    """How much of a change of the light around an LED is seen on it too, 0 to 1; its own blinking apart."""
    if not around.any():
        return 0.0
    own, other = (near.mean_of(blocks)[is_known] for blocks in (led.region.blocks, around))
    parts = np.c_[np.ones(len(own)), led.due[is_known], other]
    return float(np.clip(np.linalg.lstsq(parts, own, rcond=None)[0][2], 0, 1))
