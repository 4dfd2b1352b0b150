"""Checks each film: every picture on the screen, none for longer than predicted, all of them at the film's own pace.

    clip's pts --> due at the flip nearest to its time --> so many refreshes until the next one is due
    flips ------> first shown at a flip ................. so many refreshes until the next one was shown

A picture that comes late leaves less time until the next one: as it is caught up, none is held too long for that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rig.clock import NS
from rig.elicitation.steps import Step
from rig.session.presented import ScreenEnd, screen_end
from rig.session.run import Run
from rig.session.runfile import Rows
from rig.verify.findings import Finding, Numbers, Word, ranges_of, spelled
from rig.verify.screen.due import Due
from rig.verify.screen.flips import refresh_ns
from rig.verify.tolerances import Limit, Origin, limit

MAY_SKIP_BEHIND = 4  # the player may drop film frames only when so many behind
MOST_SKIPS = 5  # written out
TIE = 0.1  # of a refresh: a film frame due in the middle between two flips may come with either, as flips jitter
END_S = 1.0  # the drift at the end of a film is that of so much of it: a single late flip is none


def check_film_frames(run: Run) -> list[Finding]:
    """Every picture of every film was on the screen for at least one flip, in order.

    Of a film that operator or participant ended, every one until then; of one that was shown again, the last time. Of
    one in which the window or the recorder was lost the rest is NOT MEASURED: nobody knows what was shown of it.
    """
    due = Due(run)
    if not due.films:
        return [_without_films(run, "film frames", "0 never shown", Origin.DEFAULT)]
    end = screen_end(run)
    return [_of_step(run, step, due, end if end and end.step == step.index else None) for step in due.films]


def _without_films(run: Run, check: str, limit: str, origin: Origin) -> Finding:
    """No film came: either none was to, or the run was cut before the first."""
    is_cut = not run.outcome.is_orderly and any(step.clip is not None for step in run.steps[run.first_step :])
    if is_cut:
        text = "the run was cut before its first film"
        return Finding(check, "", Word.NOT_MEASURED, None, limit, "0 films", text, (), origin)
    return Finding(check, "", Word.PASS, 0, limit, "0 films", "no film was to be shown", (), origin)


def _of_step(run: Run, step: Step, due: Due, end: ScreenEnd | None) -> Finding:
    """The finding on a film; `end`: where what is known of it breaks off."""
    flips = run.film_flips(step)
    first = int(flips["film_frame"].max(initial=-1)) + 1
    if end is None or first == len(run.clip(str(step.clip))["pts"]):
        return _film_frames(run, step, is_cut=due.was_cut(step))
    unknown = f"{end.why}: what was shown is not known from film frame {first} on"
    if not len(flips):
        return Finding("film frames", step.name, Word.NOT_MEASURED, None, "0 never shown", "0 flips", unknown)
    known = _film_frames(run, step, is_cut=True)
    word, value = (known.word, known.value) if known.word is Word.FAIL else (Word.NOT_MEASURED, None)
    return replace(known, word=word, value=value, text=f"{unknown}; before it {known.text}")


def _film_frames(run: Run, step: Step, *, is_cut: bool) -> Finding:
    flips = run.film_flips(step)
    frames = len(run.clip(str(step.clip))["pts"])
    if is_cut and len(flips):
        frames = min(frames, int(flips["film_frame"].max()) + 1)
    never = np.setdiff1d(np.arange(frames), flips["film_frame"])
    backward = int((np.diff(flips["film_frame"]) < 0).sum())
    limit, looked_at = "0 never shown", f"{frames} film frames, {len(flips)} flips"
    if len(flips) == 0:
        return Finding("film frames", step.name, Word.FAIL, frames, limit, looked_at, f"{step.clip} was never shown")
    if len(never) == 0 and not backward:
        return Finding("film frames", step.name, Word.PASS, 0, limit, looked_at, f"all {frames} film frames were shown")
    where = ranges_of(never)
    parts = [f"{len(never)} of {frames} film frames were never shown: {spelled(where)}"] if len(never) else []
    parts += [f"the film went back {backward} times"] if backward else []
    skips = _skips(flips)
    parts += [skip.spelled() for skip in skips[:MOST_SKIPS]]
    unexplained = len(never) - sum(skip.frames for skip in skips)
    parts += [f"{unexplained} without such a reason"] if skips and unexplained else []
    text = "; ".join(parts)
    return Finding("film frames", step.name, Word.FAIL, len(never), limit, looked_at, text, where)


@dataclass(frozen=True)
class Skip:
    """Film frames that the player dropped because it was too far behind the clock."""

    before: int  # the film frame shown after them
    frames: int
    behind: int  # film frames, before the player caught up
    gap_ms: float  # without a flip, just before

    def spelled(self) -> str:
        """In words."""
        return f"skipped before {self.before} while {self.behind} behind, after {self.gap_ms:.1f} ms without a flip"


def _skips(flips: Rows) -> list[Skip]:
    """The skips that the player's own rule allows: it was four or more film frames behind before them.

    The log's `behind` is the lag that was left with the new film frame on the screen.
    """
    intervals = np.diff(flips["host_ns"], prepend=flips["host_ns"][:1]) / 1e6
    skipped = flips["skipped"].astype(np.int64)
    behind = skipped + 1 + flips["behind"]
    allowed = np.flatnonzero((skipped > 0) & (behind >= MAY_SKIP_BEHIND))
    return [Skip(int(flips["film_frame"][i]), int(skipped[i]), int(behind[i]), float(intervals[i])) for i in allowed]


@dataclass(frozen=True)
class Pace:
    """The film frames of one step in the order in which they were shown, by its flips and the times in its clip."""

    film_frames: Numbers  # (n,)
    refresh_ns: float  # measured
    stays: Numbers  # refreshes on the screen, (n,); 0 for a last one of which nobody knows when it left
    due: Numbers  # refreshes until the next one was due, (n,)
    pts_s: NDArray[np.float64]  # its time in the film, (n,)
    late_ms: NDArray[np.float64]  # against that time, counted from the first one, (n,)

    @property
    def held(self) -> Numbers:
        """Refreshes longer than predicted, (n,); 0 for one that was shorter, or left at an unknown time."""
        return np.asarray(np.maximum(self.stays - self.due, 0), np.int64)

    @property
    def end_ms(self) -> float:
        """How late the film was at its end."""
        return float(np.median(self.late_ms[self.pts_s > self.pts_s[-1] - END_S]))


def pace_of(flips: Rows, pts_s: NDArray[np.float64], fps: float, taken_off_ns: int | None) -> Pace:
    """How a film was shown: FLIP rows of its film frames, one at least, and when the last left the screen, host ns."""
    changed = np.flatnonzero(np.diff(flips["film_frame"], prepend=-1))
    film_frames = np.asarray(flips["film_frame"][changed], np.int64)
    shown = np.asarray(flips["host_ns"][changed], np.int64)
    refresh, times_ns = refresh_ns(flips), np.append(pts_s, pts_s[-1] + 1 / fps) * NS
    onset = shown[0] - times_ns[film_frames[0]]
    until_next = (onset + times_ns[film_frames + 1] - shown) / refresh
    due = np.maximum(np.ceil(until_next - 0.5 + TIE), 1).astype(np.int64)
    left = np.append(shown[1:], shown[-1] if taken_off_ns is None else taken_off_ns)
    stays = np.rint((left - shown) / refresh).astype(np.int64)
    own_ns = times_ns[film_frames]
    return Pace(film_frames, refresh, stays, due, own_ns / NS, (shown - onset - own_ns) / 1e6)


Judge = Callable[[Step, Pace, Limit, str], Finding]


def check_film_cadence(run: Run) -> list[Finding]:
    """No picture of a film was on the screen for longer than its rate and the screen's refresh predict.

    WARN above the limit, never FAIL: a picture held that briefly is caught up, and the time of each is known. One that
    is held for four film frames makes the player leave some out, and a film that does not catch up drifts: both fail.
    """
    most = limit(run, "held_refreshes")
    return _of_films(run, "film cadence", most, _cadence)


def _cadence(step: Step, pace: Pace, most: Limit, looked_at: str) -> Finding:
    longest, too_long = int(pace.held.max()), pace.held > most.value
    where = ranges_of(pace.film_frames[too_long])
    due = " to ".join(str(n) for n in sorted({int(pace.due.min()), int(pace.due.max())}))
    text = f"at {NS / pace.refresh_ns:.2f} Hz film frames were due for {due} refreshes"
    text += f", and stayed at most {longest} longer"
    if where:
        text += f"; {int(too_long.sum())} were held too long: {spelled(where)}"
    word = Word.WARN if where else Word.PASS
    return Finding("film cadence", step.name, word, longest, str(most), looked_at, text, where, most.origin)


def check_film_drift(run: Run) -> list[Finding]:
    """Each film kept to its own clock: the time of its pictures against the host's, from its first one on.

    FAIL where it ends above the limit; WARN where it was above it on the way, and caught up.
    """
    return _of_films(run, "film drift", limit(run, "film_drift_ms"), _drift)


def _drift(step: Step, pace: Pace, most: Limit, looked_at: str) -> Finding:
    late, end = pace.late_ms, pace.end_ms
    worst = int(np.argmax(np.abs(late)))
    where = ranges_of(pace.film_frames[np.abs(late) > most.value])
    word = Word.FAIL if abs(end) > most.value else Word.WARN if where else Word.PASS
    text = f"{end:+.1f} ms late at its end; worst {late[worst]:+.1f} ms, at film frame {pace.film_frames[worst]}"
    return Finding("film drift", step.name, word, round(end, 3), str(most), looked_at, text, where, most.origin)


def _of_films(run: Run, check: str, most: Limit, judge: Judge) -> list[Finding]:
    """The findings of a check on each film that was shown."""
    steps = Due(run).films
    if not steps:
        return [_without_films(run, check, str(most), most.origin)]
    return [_of_film(run, check, step, most, judge) for step in steps]


def _of_film(run: Run, check: str, step: Step, most: Limit, judge: Judge) -> Finding:
    flips, clip = run.film_flips(step), run.clip(str(step.clip))
    if len(flips) == 0:
        text = f"{step.clip} was never shown"
        return Finding(check, step.name, Word.NOT_MEASURED, None, str(most), "0 flips", text, (), most.origin)
    later = run.flips["host_ns"][run.flips["host_ns"] > flips["host_ns"][-1]]
    pace = pace_of(flips, clip["pts"], float(clip["fps"]), int(later.min()) if len(later) else None)
    return judge(step, pace, most, f"{len(pace.film_frames)} film frames shown, {len(flips)} flips")
