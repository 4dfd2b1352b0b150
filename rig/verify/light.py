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
from rig.verify.flips import graded
from rig.verify.last_word import last_word
from rig.verify.tolerances import limit
from rig.verify.wired import box_input, rig_part

LIGHT_BEFORE_NS, LIGHT_AFTER_NS = 20_000_000, 40_000_000  # where an edge of the photodiode is looked for
WINDOW = f"looked for from -{LIGHT_BEFORE_NS // 10**6} to +{LIGHT_AFTER_NS // 10**6} ms after the flip"
LOSS_NS = NS  # events that the box dropped were due so long, at most, before their loss was noticed
NO_INPUT = -1


def check_photodiode(run: Run) -> list[Finding]:
    """The light of the screen's patch changed when the flips that changed it say, as far as edges could be told.

    FAIL where more changes than the limit have no light, or where it comes so unevenly that no lab may allow it; WARN
    above the limit of its standard deviation. However late it comes evenly is no fault: it can be taken off.
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


def _how_it_came(light: _Light, latency: Latency, run: Run) -> tuple[Word, str]:
    """Word and text when some changes have an edge."""
    text = f"{latency}; {light.unseen} not seen"
    most = limit(run, "light_unseen_percent").value / 100
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
    """From each change of the patch to an edge of its level within the window, ms; nan without one.

    Of two within it, it is that which comes as late as those do that are alone there.
    """
    seen = map_box(run)(np.asarray(edges["box_ticks"], np.int64))
    around = np.full((2, len(times)), np.nan)  # ns from each change to the last edge before it, and to the first after
    for level in (0, 1):
        lights, wanted = np.sort(seen[edges["level"] == level]), levels == level
        place = np.searchsorted(lights, times[wanted])
        padded = np.r_[np.nan, lights, np.nan]
        around[:, wanted] = padded[[place, place + 1]] - times[wanted]
    around[(around < -LIGHT_BEFORE_NS) | (around > LIGHT_AFTER_NS)] = np.nan
    before, after = around
    alone = np.isnan(before) != np.isnan(after)
    usual = float(np.median(np.where(np.isnan(before), after, before)[alone])) if alone.any() else 0.0
    is_before = np.isnan(after) | (np.abs(before - usual) < np.abs(after - usual))
    return np.asarray(np.where(is_before, before, after) / 1e6)
