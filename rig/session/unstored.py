"""The frames that a camera delivered and a run file does not hold: those not stored on purpose, and damaged ones.

    stored     40           56           by the box's pulses, the gap and extra rows and the frames around them:
    pulses     40 44 48 52 56            numbers, counter, ticks and arrival as they must have been
    not stored    ^^^^^^^^

Of the pictures nothing is known. Where the beginning of a run is not stored, the log tells when it was exposed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rig.clock import NS
from rig.session.pulses import pulse_times, pulses_known, told_lost, unstored_pulses
from rig.session.run import Run, Stream
from rig.session.runfile import Json, Rows
from rig.session.timeline import TICK_NS
from rig.streams import FRAME, NO_COUNTER, NO_PULSE, Status

Numbers = NDArray[np.int64]
RUN_EPOCH = 1
MOST_PULSES = 1 << 26  # of a run, 8 days at 100 Hz: what claims more is damaged
SAME_PERIODS = 0.02  # base periods; nearer to a frame's timestamp no camera takes another one
NEVER_NS, LAST_NS = -1, 2**63 - 1
FRAME_COUNTERS = ("FrameStart", "FrameTrigger")  # what counts exposures, not edges


def unstored_frames(run: Run, stream: Stream) -> Rows:
    """A FRAME row, (n,), of each frame of the recording run that was not stored on purpose, by arrival; `seq` is 0.

    Pulses of which a row tells that no frame came have none, nor have those of which nobody knows when they were sent.
    """
    known = _Known(run, stream)
    filled = known.filled()
    placed = _by_arrival(np.concatenate([stream.frames, filled]))
    dropped = [_before_return(run, stream.name, epoch, placed) for epoch in known.epochs if epoch > RUN_EPOCH]
    return _by_arrival(np.concatenate([filled, known.extras(), *dropped]))


def _by_arrival(rows: Rows) -> Rows:
    """Those that came at once, behind one that was late, in the order in which they were exposed."""
    return rows[np.lexsort((rows["camera_ticks"], rows["arrived_host_ns"]))]


def _before_return(run: Run, name: str, epoch: int, placed: Rows) -> Rows:
    """Frames of a camera that came back, before the group start at which its stream begins again, FRAME (n,).

    Their numbers lie between that announced when it was armed and that of its first frame of a pulse.
    """
    frames = placed[(placed["epoch"] == epoch) & (placed["pulse_number"] != NO_PULSE)]
    announced = run.armed(name, epoch).get("first_frame_number", 0)
    count = int(frames["frame_number"][0]) - announced if len(frames) > 1 else 0
    step, rows = np.diff(frames["pulse_number"][:2]), np.repeat(frames[:1], max(count, 0))
    if not len(rows) or count >= int(run.plan["group"]):
        return np.zeros(0, FRAME)
    rows["seq"], rows["pulse_number"] = 0, NO_PULSE
    steps = step // int(run.streams[name].divisor)
    for field in ("frame_number", "camera_ticks", "counter", "arrived_host_ns"):
        apart = np.diff(frames[field][:2].astype(np.int64)) // steps
        rows[field] = rows[field].astype(np.int64) - np.arange(count, 0, -1) * apart
    return rows


def damaged_frames(run: Run, stream: Stream, epoch: int) -> Iterator[tuple[str, Rows]]:
    """Of each frame of an epoch that was not delivered whole: the device's words, and its FRAME row, (1,).

    Its ticks and its counter were not kept, and are put between those of the frames around it.
    """
    frames = stream.frames[stream.frames["epoch"] == epoch]
    for told in run.log_of("damaged", stream.name):
        if told.get("epoch") == epoch:
            yield str(told.get("text", "")), _damaged(frames, epoch, told)


def _damaged(frames: Rows, epoch: int, told: Json) -> Rows:
    row, number = np.zeros(1, FRAME), int(told["frame_number"])
    if len(frames):
        row[:] = frames[max(0, int(np.searchsorted(frames["arrived_host_ns"], told["host_ns"])) - 1)]
        for field in ("camera_ticks", "counter"):
            row[field] = _along([number], frames["frame_number"], frames[field], slope=0)
    row["seq"], row["epoch"], row["status"], row["pulse_number"] = 0, epoch, int(Status.DAMAGED), NO_PULSE
    row["frame_number"], row["arrived_host_ns"] = number, int(told["host_ns"])
    return row


def loss_told(run: Run, name: str, armed_ns: int, until_ns: int | None) -> Json | None:
    """The alarm that a camera is lost which was armed at `armed_ns`, and again at `until_ns`; None: it was not.

    It has the words of an error about this camera; other alarms do not name it as one.
    """
    for told in run.log_of("alarm", name):
        is_own = armed_ns <= told["host_ns"] and (until_ns is None or told["host_ns"] < until_ns)
        if is_own and str(told["text"]).startswith(f"camera {name}"):
            return told
    return None


def _along(at: ArrayLike, keys: ArrayLike, values: ArrayLike, *, slope: float) -> Numbers:
    """Values at keys between known ones, which rise; straight on beyond them. Only differences become floats."""
    found, known, told = (np.asarray(each).astype(np.int64) for each in (at, keys, values))
    moved, key, apart = found - known[0], known - known[0], told - told[0]
    between = np.interp(moved, key, apart)
    between += slope * (np.minimum(moved, 0) + np.maximum(moved - key[-1], 0))
    return np.asarray(told[0] + np.rint(between).astype(np.int64))


def _counted_on(counted: Numbers, at: Numbers, frames: Rows, values: Rows, first: int) -> Numbers:
    """Values that go on by one with each that is `counted`; `first`: of the first, where no frame tells another."""
    if not len(frames):
        return np.asarray(first + counted[at] - 1)
    known = 2 * frames["pulse_number"]
    near = np.maximum(np.searchsorted(known, at, side="right") - 1, 0)
    return np.asarray(values.astype(np.int64)[near] + counted[at] - counted[known[near]])


class _Known:
    """What is known of the exposures of one stream, and of those among them that are not stored.

    Exposures are counted from the first pulse on: each pulse with a frame is one, so is each extra but a frame that
    came twice, and what gap rows say of the camera's numbers. So are edges: each pulse is one, and each such extra.
    """

    def __init__(self, run: Run, stream: Stream) -> None:
        self._run, self._stream = run, stream
        self._frames = stream.frames[stream.frames["pulse_number"] >= 0]
        self._times = pulse_times(run)
        stored = self._frames["pulse_number"].astype(np.int64)
        wanted = np.setdiff1d(unstored_pulses(run, stream), np.concatenate([told_lost(run, stream), stored]))
        self._wanted = np.asarray(wanted[np.isin(wanted, self._times.numbers)], np.int64)
        opening = run.log_of("opening", stream.name)
        self._opening = [pair for e in opening for pair in zip(e["pulses"], e["camera_ticks"], strict=True)]
        armed = run.log_of("armed", stream.name)
        self._armed_ns = {int(e["epoch"]): int(e["host_ns"]) for e in armed if e["epoch"] >= RUN_EPOCH}
        self.epochs = sorted(self._armed_ns)
        self._came_twice = self._twice()
        self._frameless = self._never_numbered()
        self._exposures, self._edges = self._counted(stored)

    def _twice(self) -> NDArray[np.bool_]:
        """Which extras, (n,), are a frame that came before: taken when that of the pulse before was."""
        extras, found = self._stream.extras, np.zeros(len(self._stream.extras), bool)
        for epoch in np.unique(extras["epoch"]).tolist() if len(self._times.numbers) else []:
            own, frames, baseline = extras["epoch"] == epoch, self._of_epoch(epoch), self._baseline(epoch)
            if ticks_hz := int(baseline.get("ticks_hz", 0)):
                taken = self._ticks(extras["after_pulse"][own], frames, baseline)
                apart_s = (extras["camera_ticks"][own].astype(np.int64) - taken) / ticks_hz
                found[own] = np.abs(apart_s) * NS < SAME_PERIODS * int(self._run.plan["period_ticks"]) * TICK_NS
        return found

    def _of_epoch(self, epoch: int) -> Rows:
        return self._frames[np.flatnonzero(self._frames["epoch"] == epoch)]

    def _baseline(self, epoch: int) -> Json:
        return self._run.armed(self._stream.name, epoch)

    def _never_numbered(self) -> Numbers:
        """Pulses, rising, to which the camera gave no frame number: most of them lost on the wire, and not counted."""
        gaps = self._stream.gaps[self._stream.gaps["missing"] > self._stream.gaps["frames_exposed"]]
        counts = (gaps["missing"] - gaps["frames_exposed"]).astype(np.int64)
        firsts, nth = np.repeat(gaps["first_pulse"], counts), np.arange(counts.sum())
        return np.unique(firsts + self._stream.divisor * (nth - np.repeat(np.cumsum(counts) - counts, counts)))

    def _counted(self, stored: Numbers) -> tuple[Numbers, Numbers]:
        """Exposures and edges so far, int64: at 2 p those up to pulse p, at 2 p + 1 those before the next one."""
        extras, gaps = self._stream.extras, self._stream.gaps
        last = max(pulses_known(self._run) - 1, int(stored.max(initial=0)))  # a frame may be of a pulse not told of
        exposures = np.zeros(2 * min(last, MOST_PULSES) + 2, np.int64)
        edges = np.zeros_like(exposures)
        edges[:: 2 * self._stream.divisor] = 1
        exposures[2 * np.concatenate([stored, self._wanted])] = 1
        edges[2 * self._frameless[self._frameless <= last]] = 0
        after = 2 * np.clip(extras["after_pulse"][~self._came_twice], 0, last) + 1
        np.add.at(exposures, after, 1)
        np.add.at(edges, after, 1)
        np.add.at(exposures, 2 * np.clip(gaps["first_pulse"], 0, last), gaps["frames_exposed"])
        return np.cumsum(exposures), np.cumsum(edges)

    def _as_told(self, counted: Numbers, before: int) -> Numbers:
        """The same with those counted all the same that got no frame number, as the counters around them tell.

        `before`: the counter when the camera was armed for the first time.
        """
        frames, more = self._frames, np.zeros_like(counted)
        known = np.concatenate([[-1], 2 * frames["pulse_number"]])
        told = np.concatenate([[before], frames["counter"].astype(np.int64)])
        off = np.diff(told) - np.diff(np.concatenate([[0], counted[known[1:]]]))
        off[np.diff(np.concatenate([[RUN_EPOCH], frames["epoch"]])) != 0] = 0  # counters began anew
        for place in np.flatnonzero(off > 0).tolist():
            lost = 2 * self._frameless
            more[lost[(known[place] < lost) & (lost < known[place + 1])][: off[place]]] = 1
        return np.asarray(counted + np.cumsum(more))

    def filled(self) -> Rows:
        """A row of each frame that its pulse alone tells of, FRAME (n,)."""
        rows = np.zeros(len(self._wanted), FRAME)
        if not len(rows):
            return rows
        rows["epoch"] = self._epochs_at(self._wanted)
        rows["pulse_number"] = self._wanted
        for epoch in np.unique(rows["epoch"]).tolist():
            own = rows["epoch"] == epoch
            rows[own] = self._filled_in(epoch, rows[own])
        return self._around_extras(self._as_again(rows))

    def _as_again(self, rows: Rows) -> Rows:
        """Rows by pulse; a frame that came twice has the timestamp that it had the second time."""
        again = self._stream.extras[self._came_twice]
        for place, row in zip(np.searchsorted(rows["pulse_number"], again["after_pulse"]), again, strict=True):
            if place < len(rows) and rows["pulse_number"][place] == row["after_pulse"]:
                rows["camera_ticks"][place] = row["camera_ticks"]
        return rows

    def _around_extras(self, rows: Rows) -> Rows:
        """Rows by pulse; those up to the pulse after which an extra came arrived no later, all others no sooner."""
        extras = self._stream.extras[np.argsort(self._stream.extras["after_pulse"], kind="stable")]
        arrived_ns = np.concatenate([[NEVER_NS], extras["arrived_host_ns"], [LAST_NS]])
        place = np.searchsorted(extras["after_pulse"], rows["pulse_number"])
        rows["arrived_host_ns"] = np.clip(
            rows["arrived_host_ns"],
            np.maximum.accumulate(arrived_ns)[place],
            np.minimum.accumulate(arrived_ns[::-1])[::-1][place + 1],
        )
        return rows

    def _epochs_at(self, pulses: Numbers) -> Numbers:
        """The epoch for which the camera was armed last when the box told of a pulse."""
        told, later = self._run.pulses, [self._armed_ns[epoch] for epoch in self.epochs[1:]]
        told_ns = _along(pulses, told["pulse_number"], told["arrived_host_ns"], slope=0)
        return np.asarray(RUN_EPOCH + np.searchsorted(later, told_ns))

    def _filled_in(self, epoch: int, rows: Rows) -> Rows:
        """The same rows with number, counter, ticks and arrival, all of one epoch."""
        baseline, frames, pulses = self._baseline(epoch), self._of_epoch(epoch), rows["pulse_number"]
        rows["frame_number"] = self._numbers(2 * pulses, frames, baseline)
        rows["counter"] = self._counters(2 * pulses, frames, baseline)
        rows["camera_ticks"] = self._ticks(pulses, frames, baseline) if baseline.get("ticks_hz") else 0
        rows["arrived_host_ns"] = np.minimum(self._arrivals(pulses, frames), self._gone_ns(epoch))
        asked_us = baseline.get("features", {}).get("ExposureTime", 0.0)
        rows["exposure_us"] = frames["exposure_us"][0] if len(frames) else asked_us
        rows["line_status"] = frames["line_status"][0] if len(frames) else 0
        return rows

    def _numbers(self, at: Numbers, frames: Rows, baseline: Json) -> Numbers:
        """By the exposures since the last stored frame, until the first one, or since the camera was armed."""
        first = int(baseline.get("first_frame_number", 0))
        numbers = _counted_on(self._exposures, at, frames, frames["frame_number"], first)
        modulus, lowest = int(baseline.get("number_modulus", 0)), int(baseline.get("first_valid_number", 0))
        return lowest + np.mod(numbers - lowest, np.int64(modulus)) if modulus else numbers

    def _counters(self, at: Numbers, frames: Rows, baseline: Json) -> Numbers:
        before = int(baseline.get("counter", NO_COUNTER))
        if before == NO_COUNTER:
            return np.full(len(at), NO_COUNTER, np.int64)
        counted = self._exposures if baseline.get("counter_source") in FRAME_COUNTERS else self._edges
        first = int(self._baseline(RUN_EPOCH).get("counter", NO_COUNTER))
        return _counted_on(self._as_told(counted, first), at, frames, frames["counter"], before + 1)

    def _ticks(self, pulses: Numbers, frames: Rows, baseline: Json) -> Numbers:
        """By the box's clock, between the frames whose ticks are known."""
        told = dict(zip(frames["pulse_number"].tolist(), frames["camera_ticks"].tolist(), strict=True))
        told = dict(self._opening if frames["epoch"][:1].tolist() in ([], [RUN_EPOCH]) else []) | told
        if not told:
            return np.zeros(len(pulses), np.int64)
        known = np.array(sorted(told.items()), np.int64)
        at, rate = self._box_ticks(known[:, 0]), int(baseline["ticks_hz"]) * TICK_NS / NS
        if len(known) > 1:
            rate = float((known[-1, 1] - known[0, 1]) / (at[-1] - at[0]))
        return _along(self._box_ticks(pulses), at, known[:, 1], slope=rate)

    def _arrivals(self, pulses: Numbers, frames: Rows) -> Numbers:
        """By the box's clock, between the arrivals of stored frames; else a period after the box told of the pulse."""
        told = self._run.pulses
        period_ns = self._stream.divisor * int(self._run.plan["period_ticks"]) * TICK_NS
        slope = float(np.diff(told["arrived_host_ns"][[0, -1]])[0] / max(1, np.diff(told["box_ticks"][[0, -1]])[0]))
        if not len(frames):
            return _along(self._box_ticks(pulses), told["box_ticks"], told["arrived_host_ns"], slope=slope) + period_ns
        at = self._box_ticks(frames["pulse_number"])
        return _along(self._box_ticks(pulses), at, frames["arrived_host_ns"], slope=slope)

    def _gone_ns(self, epoch: int) -> int:
        """When a camera armed for an epoch was lost; no frame comes later."""
        until_ns = next((at_ns for other, at_ns in self._armed_ns.items() if other > epoch), None)
        alarm = loss_told(self._run, self._stream.name, self._armed_ns.get(epoch, 0), until_ns)
        return LAST_NS if alarm is None else int(alarm["host_ns"])

    def _box_ticks(self, pulses: Numbers) -> Numbers:
        return _along(pulses, self._times.numbers, self._times.box_ticks, slope=float(self._run.plan["period_ticks"]))

    def extras(self) -> Rows:
        """Frames without a pulse that are not stored: their rows tell number, ticks and arrival; FRAME (n,)."""
        extras = self._stream.extras[self._stream.extras["frame_index"] < 0]
        rows = np.zeros(len(extras), FRAME)
        for field in ("epoch", "frame_number", "camera_ticks", "arrived_host_ns"):
            rows[field] = extras[field]
        rows["pulse_number"] = NO_PULSE
        for epoch in np.unique(rows["epoch"]).tolist():
            own = rows["epoch"] == epoch
            after = 2 * np.maximum(extras["after_pulse"][own], 0) + 1
            rows["counter"][own] = self._counters(after, self._of_epoch(epoch), self._baseline(epoch))
        return rows
