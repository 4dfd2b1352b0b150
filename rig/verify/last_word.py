"""Where the box fell silent in a run whose end it never told: what came after could not be seen, and is not judged."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rig.session.pulses import pulses_known, pulses_sent
from rig.session.run import Run, Stream
from rig.streams import NO_PULSE
from rig.verify.findings import Finding, Numbers, Word, counted, ranges_of, spelled_pulses


@dataclass(frozen=True)
class LastWord:
    """The last event that the box told of. `pulse` is NO_PULSE when it told of none."""

    pulse: int
    box_ticks: int

    def spelled(self) -> str:
        """In words."""
        return "the box told of no pulse" if self.pulse == NO_PULSE else f"the box's last word is of pulse {self.pulse}"


def last_word(run: Run) -> LastWord | None:
    """The last pulse or edge that the box told of; None when it told the end of the run: then nothing came after."""
    if pulses_sent(run) is not None:
        return None
    own = [rows[rows["run_id"] == run.run_id]["box_ticks"] for rows in (run.pulses, run.edges)]
    ticks = max((int(rows.max()) for rows in own if len(rows)), default=0)
    return LastWord(int(run.pulses["pulse_number"].max(initial=NO_PULSE)), ticks)


def untold_pulses(run: Run, stream: Stream) -> Numbers:
    """Pulses that frames claim after the last one told, where the box never told its end: it may have sent them."""
    claimed: Numbers = stream.pulse_numbers[stream.pulse_numbers != NO_PULSE]
    if pulses_sent(run) is not None:
        return claimed[:0]
    beyond = claimed[claimed >= pulses_known(run)]
    return np.asarray(np.unique(beyond[np.mod(beyond, np.int64(stream.divisor)) == 0]), np.int64)


def told_untold(untold: Numbers, stream: Stream) -> str:
    """These pulses in words."""
    claim = counted(len(untold), "frame claims", "frames claim")
    return f"{claim} {spelled_pulses(ranges_of(untold, stream.divisor))}, after the last that the box told of"


def seen_in_part(finding: Finding, run: Run, stream: Stream, unseen: str) -> Finding:
    """The finding about a stream, NOT MEASURED instead of good when frames came after the box's last word.

    `unseen`: what about these could not be seen, in words.
    """
    untold = untold_pulses(run, stream)
    if len(untold) == 0 or finding.word is Word.NOT_MEASURED:
        return finding
    where = ranges_of(untold, stream.divisor)
    text = f"{finding.text}; {told_untold(untold, stream)}: "
    is_bad = finding.word is Word.FAIL
    word, ranges = (Word.FAIL, finding.ranges) if is_bad else (Word.NOT_MEASURED, where)
    return replace(finding, word=word, text=text + unseen, ranges=ranges)
