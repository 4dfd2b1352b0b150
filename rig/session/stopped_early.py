"""Where a run that is played ends when it is stopped before its recorded end: with the group that is sent then.

groups      | 92 | 93 | 94 | 95 ...  recorded on and on
stopped              ^
the end                    |         no postamble: it is not in the recording
"""

from __future__ import annotations

from dataclasses import dataclass

from rig.clock import NS
from rig.session.pulses import BODY_SLOT, OPENING
from rig.session.run import Run
from rig.session.runfile import Rows
from rig.session.timeline import TICK_NS

LATE_NS = NS // 10  # so far ahead of the clock devices may have been asked, and so late what they tell may be
NEAR_NS = NS  # beyond a group and a postamble a recorder waits for the end so long without complaint


@dataclass(frozen=True)
class EarlyEnd:
    """The end of a run that was stopped while it was played. Times are recorded host ns."""

    pulses: int  # that were sent
    box_ticks: int  # of the last of them that was told
    told_ns: int  # when the box tells it
    until_ns: int  # nothing is told after it


def early_end(run: Run, stopped_ns: int, recorded_ns: int) -> EarlyEnd | None:
    """The end of a run that is stopped at a recorded time, and that was recorded up to `recorded_ns`.

    None where the recorded end is so near that the recorder waits for it.
    """
    group, period_ns = int(run.plan["group"]), int(run.plan["period_ticks"]) * TICK_NS
    if recorded_ns - stopped_ns <= (BODY_SLOT + 2) * group * period_ns + NEAR_NS:
        return None
    seen = [rows["pulse_number"][rows["arrived_host_ns"] <= stopped_ns + LATE_NS] for rows in _told(run)]
    by_then = max(int(pulses.max(initial=0)) for pulses in seen)
    pulses = max(by_then // group + 1, len(OPENING) + 1) * group  # without its preamble nobody knows its pulses
    own = [rows[(rows["pulse_number"] >= 0) & (rows["pulse_number"] < pulses)] for rows in _told(run)]
    last_ns = max(int(rows["arrived_host_ns"].max(initial=stopped_ns)) for rows in own)
    return EarlyEnd(pulses, int(own[0]["box_ticks"].max(initial=0)), last_ns, last_ns + LATE_NS)


def _told(run: Run) -> list[Rows]:
    """What tells of pulses: the box, and the frames of each camera."""
    return [run.pulses, *(stream.frames for stream in run.streams.values())]
