"""Checks what the participant saw: every step, every picture of every film, refreshes on time, light as logged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rig.clock import NS
from rig.elicitation.steps import Step
from rig.session.layout import EDGES, Outcome
from rig.session.run import Run
from rig.session.runfile import Rows
from rig.session.timeline import map_box
from rig.verify.findings import Finding, Numbers, Word, ranges_of, spelled
from rig.verify.last_word import last_word
from rig.verify.wired import box_input, rig_part

MAY_SKIP_BEHIND = 4  # the player may drop film frames only when so many behind
MOST_SKIPS = 5  # written out
LATE_PERIODS = 1.5
LENGTH_PERIODS = 2  # a step may end so many refreshes off its length
SLOWEST_REFRESH_NS = NS / 24  # of a screen that rig.yaml allows; where there are no flips to tell
LIGHT_BEFORE_NS, LIGHT_AFTER_NS = 20_000_000, 40_000_000  # where an edge of the photodiode is looked for
UNSEEN_SHARE = 0.02  # of the patch's changes that may have no edge before it fails
LOSS_NS = NS  # events that the box dropped were due so long, at most, before their loss was noticed
NO_INPUT = -1


def check_steps(run: Run) -> list[Finding]:
    """Every planned step was on the screen from its onset to its end, one after another, for as long as planned."""
    planned, rows = run.steps, {int(row["step"]): row for row in run.trials}
    limit = f"every step, in order; a fixed length within {LENGTH_PERIODS} refreshes"
    looked_at = f"{len(planned)} steps planned, {len(rows)} begun"
    if not planned:
        return [Finding("steps", "", Word.NOT_MEASURED, None, limit, looked_at, "the run does not say its steps")]
    ended = [s for s in planned if s.index in rows and min(_times_of(rows[s.index])) >= 0]
    times = [time for step in ended for time in _times_of(rows[step.index])]
    over = {s.index: (_length_ns(rows[s.index]) - _planned_ns(s)) / _refresh_ns(run) for s in ended}
    faults = {
        "never begun": [s for s in planned if s.index not in rows],
        "begun and never ended": [s for s in planned if s.index in rows and s not in ended],
        "ended too early": [s for s in ended if s.seconds is not None and over[s.index] < -LENGTH_PERIODS],
        "out of order": [s for s, back in zip(ended, _is_back(times), strict=True) if back],
        "longer than planned": [s for s in ended if over[s.index] > LENGTH_PERIODS],
    }
    return [_steps_finding(run, faults, limit, looked_at)]


def _steps_finding(run: Run, faults: dict[str, list[Step]], limit: str, looked_at: str) -> Finding:
    wrong = [step for steps in faults.values() for step in steps]
    if not wrong:
        return Finding("steps", "", Word.PASS, 0, limit, looked_at, f"all {len(run.steps)} steps were shown, in order")
    # A run that was stopped misses steps because of that, which its ending tells.
    is_excused = run.outcome is not Outcome.FINISHED and not faults["out of order"]
    is_only_long = len(wrong) == len(faults["longer than planned"])
    word = Word.WARN if is_excused or is_only_long else Word.FAIL
    text = "; ".join(f"{fault}: {', '.join(step.name for step in steps)}" for fault, steps in faults.items() if steps)
    where = ranges_of(np.array([step.index for step in wrong], np.int64))
    return Finding("steps", "", word, len({step.index for step in wrong}), limit, looked_at, text, where)


def _times_of(row: np.void) -> tuple[int, int]:
    return int(row["onset_host_ns"]), int(row["ended_host_ns"])


def _length_ns(row: np.void) -> int:
    onset, ended = _times_of(row)
    return ended - onset


def _planned_ns(step: Step) -> float:
    """How long a step lasts, or may last at most."""
    return (step.max_seconds if step.seconds is None else step.seconds) * NS


def _is_back(times: list[int]) -> list[bool]:
    """For each step, whether it begins before the one before it ends, or ends before it begins."""
    back = np.diff(times, prepend=times[:1]) < 0
    return [bool(pair.any()) for pair in back.reshape(-1, 2)]


def _refresh_ns(run: Run) -> float:
    """The usual time between two flips within a step."""
    intervals = _intervals_ns(run.flips)
    return float(np.median(intervals)) if len(intervals) else SLOWEST_REFRESH_NS


def check_film_frames(run: Run) -> list[Finding]:
    """Every picture of every film was on the screen for at least one flip, in order."""
    steps = [step for step in run.steps if step.clip is not None]
    if not steps:
        return [Finding("film frames", "", Word.PASS, 0, "0 never shown", "0 films", "this protocol shows no film")]
    return [_film_frames(run, step) for step in steps]


def _film_frames(run: Run, step: Step) -> Finding:
    flips = run.flips[(run.flips["step"] == step.index) & (run.flips["film_frame"] >= 0)]
    frames = len(run.clip(str(step.clip))["pts"])
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


def check_late_flips(run: Run) -> list[Finding]:
    """Refreshes that came late while a step was on the screen. Reported, never failed on."""
    flips = run.flips
    intervals = _intervals_ns(flips) / 1e6
    limit, looked_at = f"within {LATE_PERIODS:g} refresh periods", f"{len(intervals)} intervals between flips"
    if len(intervals) == 0:
        return [Finding("late flips", "", Word.NOT_MEASURED, None, limit, looked_at, "no flips")]
    period, worst = float(np.median(intervals)), float(intervals.max())
    logged = int(flips["late"][1:][_is_within_step(flips)].sum())
    counted = int((intervals > LATE_PERIODS * period).sum())
    text = f"{logged} late by the screen's log, {counted} by the times; median {period:.2f} ms, longest {worst:.1f} ms"
    word = Word.WARN if logged or counted else Word.PASS
    return [Finding("late flips", "", word, max(logged, counted), limit, looked_at, text)]


def _is_within_step(flips: Rows) -> NDArray[np.bool_]:
    """For each flip but the first, whether it shows the same step as the one before, (n - 1,).

    Between two steps the screen is made ready for the next one: nothing is shown that could come late.
    """
    return np.asarray((flips["step"][1:] >= 0) & (flips["step"][1:] == flips["step"][:-1]))


def _intervals_ns(flips: Rows) -> Numbers:
    return np.asarray(np.diff(flips["host_ns"])[_is_within_step(flips)], np.int64)


def check_photodiode(run: Run) -> list[Finding]:
    """The light of the screen's patch changed when the flips that changed it say, as far as edges could be told."""
    limit = f"-{LIGHT_BEFORE_NS // 10**6} to +{LIGHT_AFTER_NS // 10**6} ms from flip to light"
    number = box_input(run, "photodiode")
    edges = run.edges[run.edges["input"] == (NO_INPUT if number is None else number)]
    times, levels = patch_changes(run)
    looked_at = f"{len(times)} changes of the patch on film flips, {len(edges)} edges"
    light = _Light.seen_in(run, edges, times, levels)
    word, text = _no_light(light) if np.isnan(light.delays_ms).all() else _how_it_came(light)
    is_expected = word is Word.NOT_MEASURED and len(times) > 0 and has_photodiode(run)
    if is_expected and len(edges) == 0 and light.unseen:
        text += ", though rig.yaml names the photodiode's input: look at its cable"
    median = None if np.isnan(light.delays_ms).all() else float(np.nanmedian(light.delays_ms))
    text = "; ".join([text, *light.notes])
    return [Finding("photodiode", "", word, median, limit, looked_at, text, is_expected=is_expected)]


@dataclass(frozen=True)
class _Light:
    """What became of each change of the patch."""

    delays_ms: NDArray[np.float64]  # nan: no edge
    edges: int
    unseen: int  # without an edge, though it would have been told
    beyond: int  # after the last edge that could be told
    in_losses: int  # around events that were lost
    end: str  # why no later edge could be told

    @classmethod
    def seen_in(cls, run: Run, edges: Rows, times: Numbers, levels: NDArray[np.uint8]) -> _Light:
        delays = light_delays_ms(run, edges, times, levels)
        end_host_ns, end = _edges_end(run)
        is_beyond = np.isnan(delays) & (times + LIGHT_AFTER_NS > end_host_ns)
        is_in_loss = np.isnan(delays) & ~is_beyond & _is_near_loss(run, times)
        unseen = int((np.isnan(delays) & ~is_beyond & ~is_in_loss).sum())
        return cls(delays, len(edges), unseen, int(is_beyond.sum()), int(is_in_loss.sum()), end)

    @property
    def judged(self) -> int:
        """Changes of which it is known whether the light followed."""
        return len(self.delays_ms) - self.beyond - self.in_losses

    @property
    def notes(self) -> list[str]:
        """Why others could not be judged, in words."""
        notes = [f"{self.end}: of {self.beyond} changes after that no edge could be seen"] if self.beyond else []
        lost = f"{self.in_losses} changes have none where events of the box were lost: theirs may be among them"
        return notes + ([lost] if self.in_losses else [])


def _no_light(light: _Light) -> tuple[Word, str]:
    """Word and text when no change of the patch has an edge."""
    if len(light.delays_ms) == 0:
        return Word.NOT_MEASURED, "no film flip changed the patch"
    if light.edges == 0:
        return Word.NOT_MEASURED, "no photodiode edge was recorded"
    return (Word.FAIL, "no edge fits any flip") if light.unseen else (Word.NOT_MEASURED, "no change can be judged")


def _how_it_came(light: _Light) -> tuple[Word, str]:
    """Word and text when some changes have an edge."""
    seen = light.delays_ms[np.isfinite(light.delays_ms)]
    median, worst = float(np.median(seen)), float(seen[np.argmax(np.abs(seen - np.median(seen)))])
    text = f"light {median:.1f} ms after the flip (median), SD {seen.std():.2f}, worst {worst:.1f} ms"
    text += f"; {light.unseen} not seen"
    if light.unseen > UNSEEN_SHARE * light.judged:
        return Word.FAIL, text
    if light.beyond or light.in_losses > UNSEEN_SHARE * len(light.delays_ms):
        return Word.NOT_MEASURED, text
    return (Word.WARN if light.unseen or light.in_losses else Word.PASS), text


def _edges_end(run: Run) -> tuple[float, str]:
    """Host time of the last edge that could be told, and why none could after it; infinity: all could."""
    silence = last_word(run)
    if silence is not None:
        return float(map_box(run)(silence.box_ticks)), silence.spelled()
    if len(run.edges) and any(e.get("table") == EDGES for e in run.log):
        last = run.edges[-1]
        return float(map_box(run)(int(last["box_ticks"]))), f"the room for edges was full at pulse {last['last_pulse']}"
    return float("inf"), ""


def _is_near_loss(run: Run, times: Numbers) -> NDArray[np.bool_]:
    """For each time, whether events of the box were lost around it, (n,)."""
    noticed = [int(e["host_ns"]) for e in run.log if e.get("kind") == "events_lost"]
    near = [(times >= at - LOSS_NS) & (times <= at) for at in noticed]
    return np.asarray(np.any(near, axis=0) if near else np.zeros(len(times), bool))


def has_photodiode(run: Run) -> bool:
    """Whether the rig.yaml in the session names the photodiode's input, and its screen has a patch for it."""
    return box_input(run, "photodiode") is not None and rig_part(run, "screen").get("patch_px", 1) != 0


def patch_changes(run: Run) -> tuple[Numbers, NDArray[np.uint8]]:
    """Flips of a film that changed the patch: host ns and new level (1 white), each (n,)."""
    flips = run.flips
    changed = np.zeros(len(flips), bool)
    changed[1:] = flips["patch"][1:] != flips["patch"][:-1]
    chosen = flips[changed & (flips["film_frame"] >= 0)]
    return np.asarray(chosen["host_ns"], np.int64), np.asarray(chosen["patch"], np.uint8)


def light_delays_ms(run: Run, edges: Rows, times: Numbers, levels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """From each change of the patch to the nearest edge of its level within the window, ms; nan without one."""
    seen = map_box(run)(np.asarray(edges["box_ticks"], np.int64))
    delays = np.full(len(times), np.nan)
    for level in (0, 1):
        lights, wanted = np.sort(seen[edges["level"] == level]), levels == level
        if len(lights) == 0:
            continue
        place = np.searchsorted(lights, times[wanted])
        before = lights[np.clip(place - 1, 0, len(lights) - 1)] - times[wanted]
        after = lights[np.clip(place, 0, len(lights) - 1)] - times[wanted]
        nearest = np.where(np.abs(before) < np.abs(after), before, after).astype(np.float64)
        nearest[(nearest < -LIGHT_BEFORE_NS) | (nearest > LIGHT_AFTER_NS)] = np.nan
        delays[wanted] = nearest / 1e6
    return delays
