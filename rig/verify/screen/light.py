"""Checks that the light of the screen came as its flips were logged, by a photodiode at an input of the box.

    flip --(host ns)--> change of the patch ........ how late? ........ edge <--(box ticks, clock pairs)-- photodiode

It alone measures when the participant saw a picture: a screen, and what lies between it and the program, delays what
was flipped, and tells nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rig.clock import NS
from rig.session.layout import EDGES
from rig.session.run import Run
from rig.session.runfile import Rows
from rig.session.timeline import map_box
from rig.verify.findings import Finding, Numbers, Word
from rig.verify.last_word import last_word
from rig.verify.screen.flips import graded
from rig.verify.tolerances import limit
from rig.verify.wired import box_input, rig_part

# Where the light of a film's first and last change is looked for: nothing else changed the patch around them.
EARLIEST_NS, LATEST_NS = -20_000_000, 300_000_000
QUIET_NS = 400_000_000  # without a change before a film's first one: the latest light of the last film came before
APART_NS = 30_000_000  # by which the light of other changes may come earlier or later than is usual in their film
WINDOW = f"looked for {APART_NS // 10**6} ms either way of how late it is usual, up to {LATEST_NS // 10**6} ms late"
LOSS_NS = NS  # events that the box dropped were due so long, at most, before their loss was noticed
NO_INPUT = -1

Values = NDArray[np.float64]


def check_photodiode(run: Run) -> list[Finding]:
    """The light of the screen's patch changed when the flips that changed it say, as far as edges could be told.

    FAIL where more changes than the limit have no light, or where it comes so unevenly that no lab may allow it; WARN
    above the limit of its standard deviation. However late it comes evenly, up to LATEST_NS, is no fault: it can be
    taken off. FAIL where it comes before its flip, by more than screen and box may be off each other.
    """
    most = limit(run, "light_sd_ms")
    edges = _edges(run)
    times, levels = patch_changes(run)
    looked_at = f"{len(times)} changes of the patch on film flips, {len(edges)} edges"
    light = _Light.seen_in(run, edges, times, levels)
    latency = Latency.of(light.delays_ms)
    word, text = _no_light(light) if latency is None else _how_it_came(light, latency, run)
    is_expected = word is Word.NOT_MEASURED and len(times) > 0 and has_photodiode(run)
    if is_expected and len(edges) == 0 and light.unseen:
        text += ", though rig.yaml names the photodiode's input: look at its cable"
    median = None if latency is None else round(latency.median_ms, 3)
    text = "; ".join([text, *light.notes])
    limits = f"SD {most}; {limit(run, 'light_unseen_percent')} without light; {WINDOW}"
    finding = Finding("photodiode", "", word, median, limits, looked_at, text, (), most.origin)
    return [replace(finding, is_expected=is_expected)]


def _edges(run: Run) -> Rows:
    """Edges of the photodiode; none where rig.yaml names no input for it."""
    number = box_input(run, "photodiode")
    return np.asarray(run.edges[run.edges["input"] == (NO_INPUT if number is None else number)])


@dataclass(frozen=True)
class Latency:
    """How long after its flip a change of the patch was seen, ms: how far a film second may lie off the frames."""

    median_ms: float
    sd_ms: float
    worst_ms: float  # farthest from the median
    seen: int  # changes with light

    @classmethod
    def of(cls, delays_ms: NDArray[np.float64]) -> Latency | None:
        """Of each change, nan where none was seen; None where none was seen at all."""
        seen = delays_ms[np.isfinite(delays_ms)]
        if len(seen) == 0:
            return None
        median = float(np.median(seen))
        return cls(median, float(seen.std()), float(seen[np.argmax(np.abs(seen - median))]), len(seen))

    def __str__(self) -> str:
        return (
            f"light {self.median_ms:.1f} ms after the flip (median), SD {self.sd_ms:.2f}, worst {self.worst_ms:.1f} ms"
        )


def light_latency(run: Run) -> Latency | None:
    """From a film's flip to its light: the error bar of every film second; None without a photodiode that saw any."""
    return Latency.of(film_delays_ms(run))


def film_delays_ms(run: Run) -> NDArray[np.float64]:
    """From each change of the patch on film flips (see `patch_changes`) to its light, ms; nan where none was seen."""
    return light_delays_ms(run, _edges(run), *patch_changes(run))


def stimulus_onset(findings: Iterable[Finding]) -> str:
    """The report's headline about when the participant saw a film frame. Without a photodiode: NOT MEASURED."""
    found = next((finding for finding in findings if finding.check == "photodiode"), None)
    return f"Stimulus onset: {found.word}, {found.text}" if found else f"Stimulus onset: {Word.NOT_MEASURED}"


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
        usual_ns = float(np.nanmedian(delays)) * 1e6 if np.isfinite(delays).any() else LATEST_NS
        is_beyond = np.isnan(delays) & (times + usual_ns + APART_NS > end_host_ns)
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


def _how_it_came(light: _Light, latency: Latency, run: Run) -> tuple[Word, str]:
    """Word and text when some changes have an edge."""
    text = f"{latency}; {light.unseen} not seen"
    most, bound = limit(run, "light_unseen_percent").value / 100, limit(run, "host_residual_ms")
    if latency.median_ms < -bound.value:
        text += f"; light cannot come before its flip, and clocks are off by {bound} at most: are flips logged late?"
        return Word.FAIL, text
    by_sd = graded(latency.sd_ms, limit(run, "light_sd_ms"))
    if by_sd is Word.FAIL or light.unseen > most * light.judged:
        return Word.FAIL, text
    if light.beyond or light.in_losses > most * len(light.delays_ms):
        return Word.NOT_MEASURED, text
    return (Word.WARN if light.unseen or light.in_losses else by_sd), text


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
    noticed = [int(e["host_ns"]) for e in run.log_of("events_lost")]
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
    """From each change of the patch to the edge of its level that it caused, ms, (n,); nan where none was seen.

    A film's changes come as regularly as its frames, so that of each alone nobody could tell which edge is its own.
    Its first and last one can: before and after them the patch stood still.
    """
    seen = map_box(run)(np.asarray(edges["box_ticks"], np.int64))
    lights = [np.sort(seen[edges["level"] == level]) for level in (0, 1)]
    begins = np.flatnonzero(np.diff(times, prepend=-np.inf) >= QUIET_NS)
    films = np.split(np.arange(len(times)), begins[1:])
    found = [_of_film(lights, times[film], levels[film]) for film in films]
    return np.concatenate([np.zeros(0), *found]) / 1e6


def _of_film(lights: list[Values], times: Numbers, levels: NDArray[np.uint8]) -> Values:
    """As `light_delays_ms`, of changes without a pause between them, ns.

    Of all delays at which the first or the last change has an edge, that at which most others have one, too.
    """
    delays = [np.full(len(times), np.nan)]
    for change in sorted({0, len(times) - 1} if len(times) else ()):
        own = lights[levels[change]]
        first, end = np.searchsorted(own, times[change] + np.array([EARLIEST_NS, LATEST_NS]))
        for usual_ns in own[first:end] - times[change]:
            rough = _around(lights, times, levels, usual_ns)
            delays.append(_around(lights, times, levels, float(np.nanmedian(rough))))
    return max(delays, key=_fits)


def _fits(delays: Values) -> tuple[int, bool, float]:
    """How well delays fit: the more of them, then not before the flip, then the earlier, the better."""
    seen = delays[np.isfinite(delays)]
    usual_ns = float(np.median(seen)) if len(seen) else 0.0
    return len(seen), usual_ns >= 0, -usual_ns


def _around(lights: list[Values], times: Numbers, levels: NDArray[np.uint8], usual_ns: float) -> Values:
    """From each change to the edge of its level nearest to a delay, ns; nan where none is within APART_NS of it."""
    delays = np.full(len(times), np.nan)
    for level, own in enumerate(lights):
        is_own, padded = levels == level, np.r_[-np.inf, own, np.inf]
        due = times[is_own] + usual_ns
        place = np.searchsorted(own, due)
        before, after = padded[place], padded[place + 1]
        nearest = np.where(due - before < after - due, before, after)
        delays[is_own] = np.where(np.abs(nearest - due) <= APART_NS, nearest - times[is_own], np.nan)
    return delays
