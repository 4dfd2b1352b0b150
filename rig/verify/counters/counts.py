"""Counts pulses and frames apart, and compares: what was sent, what came, what is lost, and what came unasked.

Nothing here believes the recorder's own gap rows; they are counted anew from the box's pulses and the frames.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rig.session.pulses import pulses_known, pulses_sent, told_lost, unstored_pulses
from rig.session.run import Run, Stream
from rig.session.runfile import Rows
from rig.streams import NO_PULSE
from rig.verify.arms import FIRST_EPOCH, baselines, same_arm
from rig.verify.clocks.paired import by_clock, clock_steps
from rig.verify.counters import camera_numbers
from rig.verify.counters.extras import extra_rows, last_pulse, places_of_extras
from rig.verify.counters.vague import is_counted, ranges_in, spanned, unknown_places, vague_gaps, vague_pulses
from rig.verify.findings import (
    Finding,
    Numbers,
    Word,
    counted,
    due_pulses,
    lost_pulses,
    ranges_of,
    spelled,
    spelled_pulses,
)
from rig.verify.last_word import last_word, seen_in_part, told_untold, untold_pulses
from rig.verify.numbers import distinct, in_both, in_either, without


def check_pulses(run: Run) -> list[Finding]:
    """Every pulse that the box counted was also told, once, in order, in this run."""
    told, sent = np.asarray(run.pulses["pulse_number"], np.int64), pulses_sent(run)
    looked_at = f"{len(told)} pulses told"
    limit = "the box's own count of the run"
    if len(told) == 0:
        return [Finding("pulses", "", Word.FAIL, 0, limit, looked_at, "no pulse was recorded")]
    missing = ranges_of(without(np.arange(pulses_known(run)), told))
    foreign = int((run.pulses["run_id"] != run.run_id).sum())
    beyond = int((told >= pulses_known(run)).sum())
    wrong = foreign + beyond + int((np.diff(told) <= 0).sum())
    if wrong:
        pulses = counted(wrong, "pulse is", "pulses are")
        text = f"{pulses} of another run, told twice, out of order, or beyond the box's own count"
        return [Finding("pulses", "", Word.FAIL, wrong, limit, looked_at, text, missing)]
    off_plan = _off_plan(run, told)
    if len(off_plan):
        where = ranges_of(off_plan)
        text = f"{counted(len(off_plan), 'pulse', 'pulses')} went to other lines than planned: {spelled(where)}"
        return [Finding("pulses", "", Word.FAIL, len(off_plan), limit, looked_at, text, where)]
    if sent is None:
        text = f"the box never told its end; the last pulse told of is {told[-1]}"
        return [Finding("pulses", "", Word.NOT_MEASURED, None, limit, looked_at, text, missing)]
    if missing:
        lost = sent - len(told)
        text = f"the box sent {sent}; its message of {lost} was lost (not the pulse itself): {spelled(missing)}"
        return [Finding("pulses", "", Word.WARN, lost, limit, looked_at, text, missing)]
    return [Finding("pulses", "", Word.PASS, sent, limit, looked_at, f"the box sent {sent} pulses and told of each")]


def _off_plan(run: Run, told: Numbers) -> Numbers:
    """Pulses whose lines are not those that the plan gives to their number."""
    planned = np.zeros(len(told), np.int64)
    for line in run.plan.get("lines", {}).values():
        planned |= (np.mod(told, np.int64(line["divisor"])) == 0).astype(np.int64) << int(line["line"])
    return np.asarray(told[planned != run.pulses["lines"]], np.int64)


def check_box(run: Run) -> list[Finding]:
    """The box neither restarted nor lost its count: its timer only ever rises."""
    back = np.flatnonzero(np.diff(run.pulses["box_ticks"]) <= 0)
    alarms = run.log_of("alarm", "box")
    boots = [str(e["text"]) for e in alarms if "restarted" in str(e.get("text", ""))]
    looked_at, limit = f"{len(run.pulses)} pulses, {len(run.log)} log entries", "no restart, timer rising"
    if len(back) or boots:
        where = _restarts(run, back)
        text = (
            "the box restarted during the run"
            + (f", {'at' if len(back) else 'after'} pulse {spelled(where)}" if where else "")
            + "".join(f"; {boot}" for boot in boots)
        )
        return [Finding("box", "", Word.FAIL, len(back) + len(boots), limit, looked_at, text, where)]
    word = last_word(run)
    if word is not None:
        text = f"it ran until its last word; {word.spelled()}: whether it restarted after that could not be seen"
        return [Finding("box", "", Word.NOT_MEASURED, None, limit, looked_at, text)]
    return [Finding("box", "", Word.PASS, 0, limit, looked_at, "the box ran through")]


def _restarts(run: Run, back: Numbers) -> tuple[tuple[int, int], ...]:
    """Pulses before which the timer fell back; else, where it told nothing more, the last one that it told of."""
    if len(back):
        return ranges_of(np.asarray(run.pulses["pulse_number"][back + 1], np.int64))
    word = last_word(run)
    return ((word.pulse, word.pulse),) if word is not None and word.pulse != NO_PULSE else ()


def check_frames(run: Run) -> list[Finding]:
    """Each stream has a frame for every pulse that went to it and was to be stored, and exposed no more than these."""
    unseen = "whether one is lost there could not be seen"
    found = {name: _with_exposed(_frames(run, stream), run, stream) for name, stream in run.streams.items()}
    return [seen_in_part(found[name], run, stream, unseen) for name, stream in run.streams.items()]


def _with_exposed(finding: Finding, run: Run, stream: Stream) -> Finding:
    """The finding with three counts beside each other: pulses sent, exposures by the camera's numbers, frames stored.

    Exposures that neither a frame nor a lost pulse explains are WARN, as a ghost whose frame is here.
    """
    sent, stored = -(-pulses_known(run) // stream.divisor), len(stream.frames)
    text = f"{finding.text}; {sent} pulses sent to it, {camera_numbers.exposed(run, stream)} exposed by its numbers, "
    seen = camera_numbers.between(run, stream)
    unasked, behind = int(seen.unasked.sum()), ranges_of(seen.before[seen.unasked > 0], stream.divisor)
    text += f"{stored} stored"
    if not unasked:
        return replace(finding, text=text)
    exposures = counted(unasked, "exposure", "exposures")
    text += f": {exposures} without a pulse, of which no frame came, after {spelled_pulses(behind)}"
    is_good = finding.word is Word.PASS
    return replace(finding, text=text, word=Word.WARN if is_good else finding.word, ranges=finding.ranges or behind)


def _frames(run: Run, stream: Stream) -> Finding:
    if len(vague_gaps(stream)) or is_counted(stream):
        return _frames_by_count(run, stream)
    due, lost = due_pulses(run, stream), lost_pulses(run, stream)
    unseen = in_both(told_lost(run, stream), unstored_pulses(run, stream))
    got = len(stream.frames)
    ranges = ranges_of(lost, stream.divisor)
    looked_at, limit = f"{len(due)} pulses due, {got} frames got", "0 lost"
    if len(due) == 0 and got == 0:
        return Finding("frames", stream.name, Word.NOT_MEASURED, None, limit, looked_at, "no pulse was to be stored")
    note = _unseen_note(unseen, stream)
    if len(lost) == 0:
        text = f"{len(due)} of {len(due)} pulses have a frame{note}"
        word = Word.WARN if note else Word.PASS
        return Finding("frames", stream.name, word, 0, limit, looked_at, text, ranges_of(unseen, stream.divisor))
    unknown = unknown_places(stream)
    doubtful = lost[lost > last_pulse(stream, int(unknown[0]))] if len(unknown) else lost[:0]
    if len(doubtful) == len(lost):
        frames = counted(len(unknown), "frame", "frames")
        text = f"{len(lost)} of {len(due)} pulses have no frame by number, {frames} no known pulse{note}"
        return Finding("frames", stream.name, Word.NOT_MEASURED, None, limit, looked_at, text, ranges)
    tail = _cut_off(run, stream, lost)
    end = f", {len(tail)} of them after the last stored frame of a run that did not end in order" if len(tail) else ""
    text = f"{len(lost)} of {len(due)} pulses have no frame{end}: {spelled(ranges)}{note}"
    return Finding("frames", stream.name, Word.FAIL, len(lost), limit, looked_at, text, ranges)


def _frames_by_count(run: Run, stream: Stream) -> Finding:
    """Losses that are counted, and of which nobody can say exactly which pulses they are."""
    due, gaps = due_pulses(run, stream), vague_gaps(stream)
    missing, vague = int(stream.gaps["missing"].sum()), int(gaps["missing"].sum())
    looked_at = f"{len(due)} pulses due, {len(stream.frames)} frames got"
    if not missing:
        text = (
            f"no fewer frames came than the {len(due)} pulses that were due; of {len(unknown_places(stream))} nobody "
        )
        text += "knows the pulse, and whether one is lost and another came unasked cannot be told"
        return Finding("frames", stream.name, Word.NOT_MEASURED, None, "0 lost", looked_at, text)
    text = f"{missing} of {len(due)} pulses have no frame by count; {vague} of them lie somewhere in "
    text += f"{spelled(ranges_in(gaps))}: which ones cannot be told from when frames arrived"
    return Finding("frames", stream.name, Word.FAIL, missing, "0 lost", looked_at, text, ranges_in(stream.gaps))


def _unseen_note(unseen: Numbers, stream: Stream) -> str:
    """Triggers whose frame was not to be stored, but did not even come: a cable at fault loses others, too."""
    if len(unseen) == 0:
        return ""
    pulses = counted(len(unseen), "pulse", "pulses")
    return f"; in parts not stored no frame came for {pulses}: {spelled(ranges_of(unseen, stream.divisor))}"


def _cut_off(run: Run, stream: Stream, lost: Numbers) -> Numbers:
    """Lost pulses behind the last stored frame of a run that did not end in order: no row can tell of them."""
    if run.outcome.is_orderly:
        return lost[:0]
    return np.asarray(lost[lost > stream.pulse_numbers.max(initial=NO_PULSE)], np.int64)


def check_recount(run: Run) -> list[Finding]:
    """The recorder's gap and extra rows are exactly what a second count finds."""
    unseen = "rows about those could not be counted again"
    return [seen_in_part(_recount(run, stream), run, stream, unseen) for stream in run.streams.values()]


def _recount(run: Run, stream: Stream) -> Finding:
    lost, told, unstored = lost_pulses(run, stream), told_lost(run, stream), unstored_pulses(run, stream)
    lost = without(lost, without(_cut_off(run, stream, lost), told))  # these may be told, and need not be
    unseen = in_both(told, unstored)  # a gap is told in a part not stored too, where nothing else can be counted
    vague = vague_pulses(run, stream)
    differ = without(np.setxor1d(lost, without(told, unstored)), vague)
    differ = in_either(differ, in_both(stream.pulse_numbers, vague))
    uncounted = _uncounted(run, stream, vague) if len(unstored) == 0 else 0
    kept = in_both(stream.pulse_numbers, unstored)
    found = np.flatnonzero(stream.pulse_numbers == NO_PULSE)
    strays = np.setxor1d(found, extra_rows(stream, stored=True)["frame_index"])
    dropped, beyond = _dropped_extras(stream, unstored), _beyond_span(stream)
    uncaused = camera_numbers.wrong_gaps(run, stream)
    faults = {
        f"lost or told lost, not both: {spelled_pulses(ranges_of(differ, stream.divisor))}": len(differ),
        f"told not stored, with a frame: {spelled_pulses(ranges_of(kept, stream.divisor))}": len(kept),
        f"{uncounted} pulses lack a frame by count, more or less than the gap rows say": abs(uncounted),
        f"not told as extras: {counted(len(strays), 'frame', 'frames')} without a pulse": len(strays),
        f"{counted(len(dropped), 'extra was', 'extras were')} not stored though all was to be": len(dropped),
        f"more pulses lost than spanned, or fewer than one, in {counted(beyond, 'gap row', 'gap rows')}": beyond,
        f"gap rows from pulses {spelled(ranges_of(uncaused, stream.divisor))} on say another number of exposures than "
        "the camera's own numbers": len(uncaused),
    }
    looked_at = f"{len(stream.gaps)} gap rows, {len(stream.extras)} extra rows"
    limit = "rows equal to a second count"
    if any(faults.values()):
        text = "; ".join(fault for fault, count in faults.items() if count)
        where = ranges_of(np.r_[differ, kept, uncaused], stream.divisor)
        return Finding("recount", stream.name, Word.FAIL, sum(faults.values()), limit, looked_at, text, where)
    text = _as_recorded(stream, len(without(lost, vague)), len(found))
    beside = len(extra_rows(stream, stored=False))
    text += f"; in parts not stored {len(unseen)} lost and {beside} extra are told" if len(unseen) or beside else ""
    return Finding("recount", stream.name, Word.PASS, 0, limit, looked_at, text)


def _as_recorded(stream: Stream, lost: int, unnumbered: int) -> str:
    """What was found again, in words: what is lost by number, beside what is by count alone."""
    unknown, vague = len(unknown_places(stream)), int(vague_gaps(stream)["missing"].sum())
    if not unknown:
        return f"{lost + vague} lost and {unnumbered} extra, as recorded"
    return (
        f"{lost + vague} lost by count, {unnumbered - unknown} extra and {unknown} frames of unknown pulse, as recorded"
    )


def _uncounted(run: Run, stream: Stream, vague: Numbers) -> int:
    """Where only the count is known: pulses without a numbered frame, less frames without a number, less those told."""
    told = int(vague_gaps(stream)["missing"].sum())
    if len(vague) == 0 or (told == 0 and pulses_sent(run) is None):  # of a run whose end is unknown none need be told
        return 0
    lacking = len(without(vague, stream.pulse_numbers)) - len(unknown_places(stream))
    return max(0, lacking) - told


def _beyond_span(stream: Stream) -> int:
    """Gap rows whose `missing` cannot be."""
    missing = stream.gaps["missing"]
    return int(((missing < 1) | (missing > spanned(stream))).sum())


def _dropped_extras(stream: Stream, unstored: Numbers) -> Numbers:
    """Pulses after which an extra was not stored, although the pulses around it were."""
    before = np.asarray(extra_rows(stream, stored=False)["after_pulse"], np.int64)
    own = before - np.mod(before, np.int64(stream.divisor))
    return np.asarray(before[~np.isin(own, unstored) & ~np.isin(own + stream.divisor, unstored)])


def check_order(run: Run) -> list[Finding]:
    """Frames are in order: pulse numbers, the camera's own numbers and its timestamps all rise, none twice."""
    return [_order(run, stream) for stream in run.streams.values()]


def _order(run: Run, stream: Stream) -> Finding:
    faults = _disorder(run, stream)
    untold = untold_pulses(run, stream)
    looked_at, limit = f"{len(stream.frames)} frames", "all rising, each once"
    if any(map(len, faults.values())):
        text = "; ".join(f"{len(rows)} x {fault}" for fault, rows in faults.items() if len(rows))
        pulses = np.concatenate(list(faults.values()))
        where = ranges_of(pulses[pulses != NO_PULSE], stream.divisor)
        text += f": at pulses {spelled(where)}" if where else ""
        return Finding("order", stream.name, Word.FAIL, len(pulses), limit, looked_at, text, where)
    if len(untold):
        where = ranges_of(untold, stream.divisor)
        text = f"{told_untold(untold, stream)}: nothing proves that these were sent; in order apart from that"
        return Finding("order", stream.name, Word.NOT_MEASURED, None, limit, looked_at, text, where)
    return Finding("order", stream.name, Word.PASS, 0, limit, looked_at, "in order, each pulse once")


def _disorder(run: Run, stream: Stream) -> dict[str, Numbers]:
    """The pulse of each frame that is out of order, by what is wrong with it; NO_PULSE where nobody knows it."""
    frames, modulus = stream.frames, int(stream.baseline.get("number_modulus", 0))
    claimed = stream.pulse_numbers[stream.pulse_numbers != NO_PULSE]
    judged = np.delete(frames, places_of_extras(stream))  # a frame without a pulse is no fault of the others' order
    arms = [judged[arm] for arm in same_arm(judged["epoch"].astype(np.int64))]
    clocks = by_clock(judged, clock_steps(run, stream)) if stream.baseline.get("ticks_hz", 1) else []
    known_arms = list(baselines(run, stream)) or [FIRST_EPOCH]
    own = np.r_[np.arange(0, pulses_known(run), stream.divisor), untold_pulses(run, stream)]
    return {
        "pulse claimed twice or out of order": claimed[1:][np.diff(claimed) <= 0],
        "pulse claimed that never went to this stream": without(claimed, own),
        "camera number repeated or falling": _at_falls(
            [(arm, camera_numbers.number_steps(arm, stream.divisor, modulus)) for arm in arms]
        ),
        "timestamp not rising": _at_falls([(part, _steps(part["camera_ticks"])) for part in clocks]),
        "frame of another arm of the camera": stream.pulse_numbers[~np.isin(frames["epoch"], known_arms)],
        "arm that begins again": stream.pulse_numbers[1:][np.diff(frames["epoch"].astype(np.int64)) < 0],
    }


def _steps(values: Numbers) -> Numbers:
    return np.asarray(np.diff(values.astype(np.int64)), np.int64)


def _at_falls(parts: list[tuple[Rows, Numbers]]) -> Numbers:
    """The pulses of frames whose step from the one before, of the same part, is not upward."""
    found = [np.asarray(rows["pulse_number"][1:][steps <= 0], np.int64) for rows, steps in parts]
    return np.concatenate([np.zeros(0, np.int64), *found])


def check_pairing(run: Run) -> list[Finding]:
    """Every frame of a slower stream lies on the base stream's frame of the same pulse."""
    others = [stream for stream in run.streams.values() if stream is not run.base]
    if not others:
        return [Finding("pairing", "", Word.PASS, 0, "all paired", "0 other streams", "there is only one stream")]
    unseen = "which of them the base stream was to have could not be seen"
    return [seen_in_part(_pairing(run, stream), run, stream, unseen) for stream in others]


def _pairing(run: Run, stream: Stream) -> Finding:
    base, due = run.base, due_pulses(run, run.base)
    own = distinct(stream.pulse_numbers[stream.pulse_numbers != NO_PULSE])
    off = own[np.mod(own, np.int64(stream.divisor)) != 0]
    alone = without(own, base.pulse_numbers)
    later = alone[alone >= pulses_known(run)]  # than the box's last word
    not_kept = without(alone, np.r_[due, later])  # the base stream was not to be stored then
    unclear = in_both(in_both(alone, due), vague_pulses(run, base))
    lost = without(in_both(alone, due), unclear)
    paired = len(own) - len(alone)
    limit, looked_at = f"all on {base.name}, same pulse, a multiple of {stream.divisor}", f"{len(own)} frames"
    if len(own) == 0:
        return Finding("pairing", stream.name, Word.NOT_MEASURED, None, limit, looked_at, "no frame has a pulse")
    note = f"; {len(not_kept)} where {base.name} was not to be stored" if len(not_kept) else ""
    note += f"; {len(later)} without one after the last pulse told of" if len(later) else ""
    if len(off) or len(lost):
        parts = [f"pulses {spelled(ranges_of(off))} are no multiple of {stream.divisor}"] if len(off) else []
        parts += [f"{base.name} lost pulses {spelled(ranges_of(lost, stream.divisor))}"] if len(lost) else []
        where = ranges_of(np.r_[off, lost], stream.divisor)
        wrong = len(in_either(off, lost))
        return Finding("pairing", stream.name, Word.FAIL, wrong, limit, looked_at, "; ".join(parts) + note, where)
    text = f"{paired} of {len(own)} on their {base.name} frame{note}"
    if len(unclear):
        text += f"; whether {base.name} has one of pulses {spelled(ranges_of(unclear, stream.divisor))} nobody knows"
        where = ranges_of(unclear, stream.divisor)
        return Finding("pairing", stream.name, Word.NOT_MEASURED, None, limit, looked_at, text, where)
    return Finding("pairing", stream.name, Word.PASS, 0, limit, looked_at, text)
