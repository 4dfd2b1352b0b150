"""Whether video files of any rig are of the same pulses: by the code of the sync LEDs in their pictures alone.

files --> the one whose B1 and B2 are seen to change --> the divisors of the others, by rates and by pulses in common
      --> of each: lost and repeated frames, free running --> between them: frames of the same index, timestamps
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rig.config.judging import TOLERANCES
from rig.streams import NO_PULSE
from rig.verify.findings import Finding, Numbers, Word, counted, ranges_of, spelled
from rig.verify.pixels.code import CODE_PERIOD
from rig.verify.pixels.led_code import Slip, find_slips
from rig.verify.pixels.leds import FEWEST_FRAMES
from rig.verify.videos.video import MOST, Film, Read, tell

VIDEO_SCHEMA = 1
DIVISORS = (1, 2, 4, 8, 16)  # of which the decimated code is again one that can be found without knowing it
WHOLE_RATIO = 0.05  # by which rates in the files' headers may differ from a whole ratio
APART = 1000  # pulses between the first frames, up to which a divisor is believed that no rate tells: 1 % by chance
WANDERS = 0.5  # pulses by which exposures of a triggered camera do not move against the code
SLOPE_PARTS = 8  # of a file: rates are taken over so long a part, and the median of them, that losses do not move
CRYSTALS_PPM = 200.0  # by which the clocks of two cameras may differ: each crystal is within 100
SHORT_MS = 1.0  # timestamps of many files are whole milliseconds
NO_CODE = "no sync LED is seen to blink: nothing is known of its frames"
BY_CODE = "B1 and B2 change as they must"
COUNTED = "B1 and B2 are not seen to change, so its frames are counted as pulses"

Seconds = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Judged:
    """One file with what its LEDs say; None: no LED, or a divisor that nobody can tell."""

    film: Film
    told: Read | None
    how: str  # how the divisor is known, in words

    @property
    def ratio(self) -> float:
        """Pulses from one frame to the next, without the frames that are lost."""
        told = self.told
        if told is None or len(told.phases) < 2:
            return float(told.divisor) if told else np.nan
        return told.divisor + float(np.polyfit(told.phases[:, 0], self._wandering, 1)[0])

    @property
    def ratio_blur(self) -> float:
        """How well `ratio` is known: exposures that see one code seem to stand, so phases lie on no line."""
        if self.told is None or len(self.told.phases) < 2:
            return np.nan
        frame = self.told.phases[:, 0]
        worst = np.abs(self._wandering - np.polyval(np.polyfit(frame, self._wandering, 1), frame)).max()
        return 3 * float(worst) / float(np.ptp(frame))  # errors up to `worst` bend a fitted slope by no more

    @property
    def wandered(self) -> float:
        """By how many pulses its exposures moved against the code, at most."""
        return float(np.ptp(self._wandering)) if self.told is not None and len(self.told.phases) else 0.0

    @property
    def _wandering(self) -> NDArray[np.float64]:
        """Phases of the pieces, pulses; without steps of whole frames, which are lost or repeated ones."""
        assert self.told is not None
        return np.unwrap(self.told.phases[:, 1], period=self.told.divisor)

    @property
    def is_free(self) -> bool:
        """Whether it is seen to run at a rate of its own."""
        return self.wandered > WANDERS

    @property
    def slips(self) -> list[Slip]:
        """Where frames are lost or repeated; the drift of a camera that runs free is taken off."""
        told = self.told
        if told is None or len(told.known) == 0:
            return []
        frames = told.known
        off = (told.numbers[frames] - told.numbers[frames[0]] - self.ratio * (frames - frames[0])) / told.divisor
        level = np.median(off - np.rint(off))
        whole = np.full(len(told.numbers), NO_PULSE, np.int64)
        whole[frames] = told.divisor * (frames + np.rint(off - level).astype(np.int64) + len(told.numbers))
        return find_slips(whole, told.divisor)


@dataclass(frozen=True)
class VideoVerdict:
    """What verify says about video files of one recording."""

    files: tuple[dict[str, Any], ...]
    findings: tuple[Finding, ...]

    @property
    def is_good(self) -> bool:
        """Everything was measured, and nothing failed."""
        return bool(self.findings) and all(finding.word in (Word.PASS, Word.WARN) for finding in self.findings)

    @property
    def is_synchronised(self) -> bool:
        """Whether that proves that two files or more are of the same pulses."""
        return self.is_good and len(self.files) > 1

    @property
    def summary(self) -> str:
        """Synchronised or not, and what is behind it."""
        failed, unmeasured = self._checks(Word.FAIL), self._checks(Word.NOT_MEASURED)
        if self.is_good:
            warned = self._checks(Word.WARN)
            good = "synchronised" if self.is_synchronised else "in order; one file alone proves no synchrony"
            return good + (f", to look at: {', '.join(warned)}" if warned else "")
        parts = [f"failed: {', '.join(failed)}"] if failed else []
        parts += [f"not measured: {', '.join(unmeasured)}"] if unmeasured else []
        return f"NOT synchronised: {'; '.join(parts)}" if failed else f"not proved: {'; '.join(parts)}"

    def _checks(self, word: Word) -> list[str]:
        return list(dict.fromkeys(finding.check for finding in self.findings if finding.word is word))

    def to_json(self) -> dict[str, Any]:
        """Plain data: what each file is, and what was found."""
        return {
            "schema": VIDEO_SCHEMA,
            "kind": "rig-video-verdict",
            "files": list(self.files),
            "good": self.is_good,
            "synchronised": self.is_synchronised,
            "headline": self.summary,
            "findings": [finding.to_json() for finding in self.findings],
        }


def judge_films(films: list[Film]) -> VideoVerdict:
    """Judge video files of one recording, by their pictures and timestamps."""
    judged = _understood(films)
    reference = next((each for each in judged if each.told is not None), None)
    findings = [finding for each in judged for finding in _alone(each)]
    if reference is not None:
        others = [each for each in judged if each is not reference]
        findings += [finding for each in others for finding in _together(each, reference)]
    return VideoVerdict(tuple(map(_described, judged)), tuple(findings))


# Divisors -------------------------------------------------------------------------------------------------------------


def _understood(films: list[Film]) -> list[Judged]:
    """All files with their divisors; first the one that the others are held against, then in their order."""
    seen = sorted((film for film in films if film.place is not None), key=lambda film: -_number(film.rate_hz))
    base = next((film for film in seen if film.knows_divisor), seen[0] if seen else None)
    if base is None:
        return [Judged(film, None, NO_CODE) for film in films]
    first = _base(base)
    return [first, *(_against(film, first) for film in films if film is not base)]


def _base(film: Film) -> Judged:
    if film.knows_divisor:
        divisor = film.exposures.divisor
        return Judged(film, tell(film, divisor), BY_CODE)
    return Judged(film, tell(film, 1), COUNTED)


def _against(film: Film, base: Judged) -> Judged:
    """A file by its own B1 and B2, else by its rate to that of the base; else by the pulses that both are of."""
    if film.place is None:
        return Judged(film, None, NO_CODE)
    if film.knows_divisor:
        return Judged(film, tell(film, film.exposures.divisor), BY_CODE)
    assert base.told is not None
    by_rate = _by_rate(base.told.divisor * base.film.rate_hz / film.rate_hz)
    if by_rate is not None and _overlap(told := tell(film, by_rate), base.told):
        return Judged(film, told, f"by the rates of the files, and by pulses that {base.film.name} shows too")
    fitting = [told for told in (tell(film, divisor) for divisor in DIVISORS) if _begin_together(told, base.told)]
    if len(fitting) == 1:
        return Judged(film, fitting[0], f"by pulses that {base.film.name} shows too; the files' rates say otherwise")
    return Judged(film, None, f"no divisor of {', '.join(map(str, DIVISORS))} gives pulses that {base.film.name} shows")


def _by_rate(ratio: float) -> int | None:
    """The divisor that a ratio of rates asks for; None when it is near none."""
    return next((divisor for divisor in DIVISORS if abs(ratio / divisor - 1) <= WHOLE_RATIO), None)


def _overlap(told: Read, base: Read) -> bool:
    if len(told.known) == 0 or len(base.known) == 0:
        return False
    own, other = (each.numbers[each.known] for each in (told, base))
    to_end, to_begin = _later(own[0], other[-1]), _later(own[-1], other[0])
    return to_end <= 0 <= to_begin


def _begin_together(told: Read, base: Read) -> bool:
    if len(told.known) < MOST * len(told.numbers) or len(base.known) == 0:
        return False
    return abs(_later(told.numbers[told.known[0]], base.numbers[base.known[0]])) <= APART


def _later(pulse: int, other: int) -> int:
    """How many pulses one comes after another; LED A alone tells them up to its period."""
    return int((pulse - other + CODE_PERIOD // 2) % CODE_PERIOD - CODE_PERIOD // 2)


# One file -------------------------------------------------------------------------------------------------------------


def _alone(judged: Judged) -> Iterable[Finding]:
    yield _leds(judged)
    if judged.film.place is not None:
        yield _divisor(judged)
    if judged.told is not None and len(judged.told.known):
        yield _lost(judged)
        yield _repeated(judged)
        yield _free_run(judged)


def _leds(judged: Judged) -> Finding:
    """The code could be read in the pictures."""
    film, limit = judged.film, f"{MOST:.0%} of the frames decoded"
    looked_at = f"{film.frames} frames"
    if film.place is None or judged.told is None:
        text = NO_CODE if film.place is None else "sync LEDs are seen, but which pulses they show could not be told"
        text = f"{film.frames} frames are too few to tell the LEDs' code" if film.frames < FEWEST_FRAMES else text
        return Finding("sync LEDs", film.name, Word.NOT_MEASURED, None, limit, looked_at, text)
    told = judged.told
    share = len(told.known) / film.frames
    untold = np.setdiff1d(np.arange(film.frames), told.known)
    text = f"{len(told.known)} of {film.frames} frames decoded, contrast to noise {told.contrast_to_noise:.1f}"
    if len(told.known):
        text += f"; pulses {told.numbers[told.known[0]]} to {told.numbers[told.known[-1]]}"
    text += f"; not frames {spelled(ranges_of(untold))}" if len(untold) else ""
    word = Word.PASS if share >= MOST else Word.NOT_MEASURED
    return Finding("sync LEDs", film.name, word, share, limit, looked_at, text, ranges_of(untold))


def _divisor(judged: Judged) -> Finding:
    """Every how-many-th pulse its frames are of."""
    limit = f"one of {', '.join(map(str, DIVISORS))}"
    if judged.told is None:
        return Finding("divisor", judged.film.name, Word.NOT_MEASURED, None, limit, "", judged.how)
    divisor = judged.told.divisor
    text = f"a frame every {divisor} pulses: {judged.how}" if divisor > 1 else f"a frame every pulse: {judged.how}"
    word = Word.WARN if judged.how is COUNTED else Word.PASS
    return Finding("divisor", judged.film.name, word, divisor, limit, f"{judged.film.frames} frames", text)


def _lost(judged: Judged) -> Finding:
    slips = [slip for slip in judged.slips if slip.missing > 0]
    lost = sum(slip.missing for slip in slips)
    where = _spelled(f"{slip.missing} between frames {slip.frame} and {slip.next_frame}" for slip in slips)
    frames = counted(lost, "frame is", "frames are")
    text = f"{frames} not there: {where}" if lost else "the code goes on from each frame to the next"
    return _counted("lost frames", judged, lost, text, slips)


def _repeated(judged: Judged) -> Finding:
    slips = [slip for slip in judged.slips if slip.missing < 0]
    extra = -sum(slip.missing for slip in slips)
    where = _spelled(f"{-slip.missing} between frames {slip.frame} and {slip.next_frame}" for slip in slips)
    text = (
        f"{counted(extra, 'frame is', 'frames are')} too many, of a pulse that was shown before: {where}"
        if extra
        else "no frame shows a pulse again"
    )
    return _counted("repeated frames", judged, extra, text, slips)


def _counted(check: str, judged: Judged, count: int, text: str, slips: list[Slip]) -> Finding:
    assert judged.told is not None
    looked_at = f"{len(judged.told.known)} of {judged.film.frames} frames"
    if judged.is_free and judged.told.divisor == 1:
        text = "cannot be told: of a camera that runs free, one pulse more or less is no frame"
        return Finding(check, judged.film.name, Word.NOT_MEASURED, None, "0", looked_at, text)
    where = tuple((slip.frame, slip.next_frame) for slip in slips)
    return Finding(check, judged.film.name, Word.FAIL if count else Word.PASS, count, "0", looked_at, text, where)


def _spelled(words: Iterable[str], most: int = 6) -> str:
    told = list(words)
    return ", ".join(told[:most]) + (f" and at {len(told) - most} more places" if len(told) > most else "")


def _free_run(judged: Judged) -> Finding:
    """Its exposures stay where they are in the code, as those of a triggered camera do."""
    told, name = judged.told, judged.film.name
    assert told is not None
    limit, looked_at = f"{WANDERS:g} pulses of wandering", f"{len(told.phases)} pieces of {judged.film.frames} frames"
    if len(told.phases) < 2:
        return Finding("free run", name, Word.NOT_MEASURED, None, limit, looked_at, "too few frames decoded")
    ppm = (told.divisor / judged.ratio - 1) * 1e6
    if not judged.is_free:
        blur_ppm = 1e6 / (told.divisor * float(np.ptp(told.phases[:, 0])))  # a pulse from its first piece to its last
        text = f"its exposures stay where they are in the code: its rate is that of the pulses, to {blur_ppm:.0f} ppm"
        return Finding("free run", name, Word.PASS, judged.wandered, limit, looked_at, text)
    pulses = (judged.ratio - told.divisor) * judged.film.frames
    text = (
        f"unsynchronised: a frame every {judged.ratio:.4f} pulses (to {judged.ratio_blur:.4f}) instead of"
        f" {told.divisor}, {ppm:+.0f} ppm faster than due; it moved by {pulses:+.2f} pulses against them"
    )
    return Finding("free run", name, Word.FAIL, ppm, limit, looked_at, text)


# Against another file -------------------------------------------------------------------------------------------------


def _together(judged: Judged, base: Judged) -> Iterable[Finding]:
    if judged.told is not None and len(judged.told.known):
        yield _same_index(judged, base)
        yield _timestamps(judged, base)


def _same_index(judged: Judged, base: Judged) -> Finding:
    """Frame i is of the same pulse as the frame of the other file that has the same place in time."""
    own, other = judged.told, base.told
    assert own is not None
    assert other is not None
    name, limit = judged.film.name, "0 pulses"
    frames = own.known[own.known * own.divisor % other.divisor == 0]
    partners = frames * own.divisor // other.divisor
    within = partners < len(other.numbers)
    frames, partners = frames[within], partners[within]
    both = other.numbers[partners] != NO_PULSE
    frames, partners = frames[both], partners[both]
    looked_at = f"{len(frames)} frames with a partner"
    if len(frames) == 0:
        return Finding("same index", name, Word.NOT_MEASURED, None, limit, looked_at, "no two frames to compare")
    later = np.array([_later(a, b) for a, b in zip(own.numbers[frames], other.numbers[partners], strict=True)])
    return _index_finding(judged, base, frames, later, looked_at)


def _index_finding(judged: Judged, base: Judged, frames: Numbers, later: Numbers, looked_at: str) -> Finding:
    assert judged.told is not None
    assert base.told is not None
    step = f"{judged.told.divisor / base.told.divisor:g}i" if judged.told.divisor != base.told.divisor else "i"
    against = f"frame i against frame {step} of {base.film.name}"
    worst = int(later[np.argmax(np.abs(later))])
    if worst == 0:
        text = f"both are of the same pulse: {against}"
        return Finding("same index", judged.film.name, Word.PASS, 0, "0 pulses", looked_at, text)
    changes = np.flatnonzero(np.r_[True, np.diff(later) != 0])
    where = _spelled(f"{later[k]:+d} from frame {frames[k]} on" for k in changes)
    text = f"{against} is of another pulse: later by {where}"
    wrong = ranges_of(frames[later != 0])
    return Finding("same index", judged.film.name, Word.FAIL, worst, "0 pulses", looked_at, text, wrong)


def _timestamps(judged: Judged, base: Judged) -> Finding:
    """By its timestamps the file runs as long as the pulses in its pictures do, by the timestamps of the other file."""
    clocks = TOLERANCES["camera_ppm"]
    limit = f"{CRYSTALS_PPM:g} ppm, or {SHORT_MS:g} ms where that is more; above {clocks.ceiling:g} ppm fails"
    hz = _pulses_hz(base)
    assert judged.told is not None
    known = judged.told.known
    seconds = judged.film.times_s[known[-1]] - judged.film.times_s[known[0]]
    by_pulses = (judged.told.numbers[known[-1]] - judged.told.numbers[known[0]]) / hz
    drift_s, name = float(seconds - by_pulses), judged.film.name
    looked_at = f"{seconds:.2f} s"
    if not np.isfinite(drift_s) or seconds <= 0:
        return Finding("timestamps", name, Word.NOT_MEASURED, None, limit, "", "the files have no timestamps that rise")
    astray_s, frame = _farthest_astray(judged, hz)
    # The pulse of a frame is known to a whole one only where exposures wander.
    blur_s = 1 / hz if judged.is_free or base.is_free else 0.0
    ppm = drift_s / float(by_pulses) * 1e6 if by_pulses else 0.0
    text = (
        f"{drift_s:+.3f} s against the pulses at the end, {ppm:+.0f} ppm"
        f"; {hz:.3f} pulses a second by the timestamps of {base.film.name}"
    )
    text += f"; known to {blur_s:.3f} s" if blur_s else ""
    between = judged.told.divisor / hz
    if astray_s > between + blur_s:
        text += f"; in between frame {frame} is {astray_s:.3f} s from where its pulse is"
        limit += f"; a frame {between * 1000:.0f} ms off its pulse fails"
        return Finding("timestamps", name, Word.FAIL, drift_s * 1000, limit, looked_at, text, unit="ms")
    # Clocks that drift are no loss of synchrony, which the pulses in the pictures tell; beyond any clock it is no time.
    off_s, length_s = max(0.0, abs(drift_s) - blur_s), abs(float(by_pulses))
    levels = (Word.FAIL, clocks.ceiling), (Word.WARN, CRYSTALS_PPM)
    reached = [word for word, most in levels if off_s > max(SHORT_MS / 1000, most * 1e-6 * length_s)]
    word = reached[0] if reached else Word.PASS
    return Finding("timestamps", name, word, drift_s * 1000, limit, looked_at, text, unit="ms")


def _farthest_astray(judged: Judged, hz: float) -> tuple[float, int]:
    """How far the timestamp of a frame lies from the line through the first and the last, s, and which frame's."""
    assert judged.told is not None
    known = judged.told.known
    off_s = judged.film.times_s[known] - judged.told.numbers[known] / hz
    off_s = off_s - np.interp(known, known[[0, -1]], off_s[[0, -1]])
    worst = int(np.argmax(np.abs(np.nan_to_num(off_s))))
    return float(abs(np.nan_to_num(off_s)[worst])), int(known[worst])


def _pulses_hz(judged: Judged) -> float:
    """Pulses in a second of the file's timestamps: the median over parts, so that lost frames do not move it."""
    assert judged.told is not None
    known = judged.told.known
    size = max(1, len(known) // SLOPE_PARTS)
    pulses, times_s = judged.told.numbers[known], judged.film.times_s[known]
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = (pulses[size:] - pulses[:-size]) / (times_s[size:] - times_s[:-size])
    return float(np.median(rates)) if len(rates) else np.nan


# In words -------------------------------------------------------------------------------------------------------------


def _number(value: float) -> float:
    return value if np.isfinite(value) else 0.0


def _described(judged: Judged) -> dict[str, Any]:
    """What is known of a file, as plain data."""
    film, told = judged.film, judged.told
    described: dict[str, Any] = {"file": film.name, "frames": film.frames, "rate_hz": _number(film.rate_hz) or None}
    if told is None or len(told.known) == 0:
        return {**described, "decoded": 0, "divisor": None, "first_pulse": None, "last_pulse": None}
    first, last = (int(told.numbers[told.known[k]]) for k in (0, -1))
    return {
        **described, "decoded": len(told.known), "divisor": told.divisor, "first_pulse": first, "last_pulse": last,
    }  # fmt: skip
