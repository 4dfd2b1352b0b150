"""Frames that no pulse asked for, each by its kind: exposed by a false edge, delivered twice, left over from before.

In parts that were not stored the recorder's EXTRA rows are all there is of them, and do not always tell the kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from rig.session.pulses import pulses_sent
from rig.session.run import Run, Stream
from rig.session.runfile import Rows
from rig.streams import NO_PULSE
from rig.verify.arms import FIRST_EPOCH, baselines
from rig.verify.counters.vague import unknown_places
from rig.verify.findings import Finding, Numbers, Word, counted, ranges_of, spelled_pulses
from rig.verify.numbers import without

Keys = NDArray[np.void]


class Kind(StrEnum):
    """What a frame without a pulse is, in words for people."""

    GHOST = "exposed at a moment without a pulse"
    TWICE = "delivered twice (frame number and timestamp of another)"
    LEFT_OVER = "left over from an earlier arm of the camera"
    UNCLEAR = "of which neither number nor timestamp tells what they are"


HINTS = {Kind.GHOST: ": look for ringing on the trigger cable"}


@dataclass(frozen=True)
class Extras:
    """The extras of a stream, stored or not, without the frames of which nobody knows the pulse; each (n,)."""

    after_pulses: Numbers  # the last pulse of the stream with a frame before each
    kinds: list[Kind]

    @property
    def found(self) -> list[Kind]:
        """The kinds that there are."""
        return [kind for kind in Kind if kind in self.kinds]

    def count(self, kind: Kind) -> int:
        """How many are of a kind."""
        return self.kinds.count(kind)

    def after(self, kind: Kind) -> tuple[tuple[int, int], ...]:
        """After which pulses those of a kind came, as ranges."""
        return ranges_of(self.after_pulses[[own is kind for own in self.kinds]])


def extra_rows(stream: Stream, *, stored: bool) -> Rows:
    """The recorder's rows of extras that were stored, or were not: then the row is all there is of them."""
    rows = stream.extras[stream.extras["epoch"] >= FIRST_EPOCH]
    return np.asarray(rows[(rows["frame_index"] >= 0) == stored])


def last_pulse(stream: Stream, place: int) -> int:
    """The pulse of the last frame before `place` that has one."""
    numbers = stream.pulse_numbers[:place]
    known = numbers[numbers != NO_PULSE]
    return int(known[-1]) if len(known) else NO_PULSE


def places_of_extras(stream: Stream) -> Numbers:
    """Places of stored frames that surely have no pulse, int64, rising."""
    return without(np.flatnonzero(stream.pulse_numbers == NO_PULSE), unknown_places(stream))


def extras_of(run: Run, stream: Stream) -> Extras:
    """Every extra of a stream, the stored ones first, and of which kind each is."""
    places, unstored = places_of_extras(stream), extra_rows(stream, stored=False)
    before = np.array([last_pulse(stream, int(place)) for place in places], np.int64)
    keys = np.concatenate([_keys(stream.frames[places]), _keys(unstored)])
    kinds = _kinds(run, stream, places, keys)
    return Extras(np.r_[before, np.asarray(unstored["after_pulse"], np.int64)], kinds)


def _keys(rows: Rows) -> Keys:
    """What no two frames of a camera share: epoch, frame number and timestamp."""
    keys = np.zeros(len(rows), [("epoch", "<i8"), ("frame_number", "<u8"), ("camera_ticks", "<u8")])
    for name in keys.dtype.names or ():
        keys[name] = rows[name]
    return keys


def _kinds(run: Run, stream: Stream, places: Numbers, keys: Keys) -> list[Kind]:
    """The kind of each extra; `places` are those of the first ones, which are stored."""
    if not len(keys):  # as nearly always: the frames of an hour need not be looked at
        return []
    others = np.delete(stream.frames, places)
    if not stream.baseline.get("ticks_hz"):
        seen = {int(number) for number in others["frame_number"]}
        return [Kind.TWICE if int(key["frame_number"]) in seen else Kind.UNCLEAR for key in keys]
    walk = run.walk_streams[stream.name].frames
    known = {tuple(key) for key in np.concatenate([_keys(others), _keys(walk)]).tolist()}
    exposures = {key[1:] for key in known}
    kinds = []
    for index, key in enumerate(keys.tolist()):
        is_stored = index < len(places)
        if key in known:
            kinds.append(Kind.TWICE)
        elif key[1:] in exposures or _is_older(run, stream, key, int(places[index]) if is_stored else None):
            kinds.append(Kind.LEFT_OVER)
        else:
            kinds.append(Kind.GHOST if is_stored else Kind.UNCLEAR)
        known.add(key)
    return kinds


def _is_older(run: Run, stream: Stream, key: tuple[int, int, int], place: int | None) -> bool:
    """Whether a frame was exposed before its camera was armed: by its clock as read then, or as it began anew."""
    epoch, _, ticks = key
    pairs = baselines(run, stream).get(epoch, {}).get("clock_pairs", ())
    if pairs and ticks < min(int(pair["reading"]) for pair in pairs):
        return True
    if place is None or bool((stream.frames["epoch"][:place] == epoch).any()):
        return False
    since = stream.frames[place + 1 :]
    since = since[(since["epoch"] == epoch) & (since["pulse_number"] != NO_PULSE)]
    return len(since) > 0 and ticks > int(since["camera_ticks"][0])


def check_extras(run: Run) -> list[Finding]:
    """Frames that no pulse asked for."""
    return [_extras(run, stream) for stream in run.streams.values()]


def _extras(run: Run, stream: Stream) -> Finding:
    unstored, unknown = len(extra_rows(stream, stored=False)), unknown_places(stream)
    looked_at, limit = f"{len(stream.frames)} frames, {unstored} extras that were not stored", "0 extras"
    extras = extras_of(run, stream)
    count = len(extras.kinds)
    if not count and len(unknown):
        frames = counted(len(unknown), "frame came", "frames came")
        where = " after the box's last words in a run whose end it never told" if pulses_sent(run) is None else ""
        before = ranges_of(np.array([last_pulse(stream, int(place)) for place in unknown], np.int64))
        text = f"{frames}{where}: of which pulse nobody knows"
        return Finding("extras", stream.name, Word.NOT_MEASURED, None, limit, looked_at, text, before)
    if not count:
        return Finding("extras", stream.name, Word.PASS, 0, limit, looked_at, "no frame without a pulse")
    note = f" ({unstored} of them in parts not stored)" if unstored else ""
    note += f", beside {len(unknown)} of which nobody knows the pulse" if len(unknown) else ""
    told = [f"{extras.count(k)} {k}, after {_after(extras.after(k))}{HINTS.get(k, '')}" for k in extras.found]
    text = f"{counted(count, 'frame', 'frames')} without a pulse{note}: {'; '.join(told)}"
    return Finding("extras", stream.name, Word.WARN, count, limit, looked_at, text, ranges_of(extras.after_pulses))


def _after(ranges: tuple[tuple[int, int], ...]) -> str:
    return "the arming" if ranges == ((NO_PULSE, NO_PULSE),) else spelled_pulses(ranges)
