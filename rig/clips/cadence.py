"""Which film frame belongs on the screen at which refresh: one rule for the real and the simulated screen.

    film frame     0     1        2     3        4
    due at flip    0     2 (2.4)  5 (4.8)  7     10 (9.6)      25 fps on 60 Hz
    flips             2     3        2     3        2          its cadence: 2-3-2-3-2

behind the clock by   0      keep the film frame that is shown
                      1..3   show the next one: a late refresh costs time, never a film frame
                      4..    catch up with the clock at once; the frames between are lost, and logged
"""

from __future__ import annotations

from dataclasses import dataclass

from rig.clips.manifest import FilmClip
from rig.clock import NS
from rig.errors import ClipError

# Of a refresh: a film frame due in the middle between two flips comes with the earlier one, though flips come up to so
# much early (24 fps on 60 Hz has every other one there, and may then have 0.9 ms of jitter). No multiple of
# 0.0025: so no film of a usual rate has a frame just there.
TIE = 0.053
# Refreshes: a flip so much before or after its turn came with another refresh. One nearer is stamped late, as flips of
# a real screen are by some 0.1 ms and those of a virtual one by some ms, or the film's first one was, and all others
# seem early; or the screen has drifted from the rate that rig.yaml says.
EARLY, LATE = 0.9, 0.6
# Refreshes: how near to a whole number of them a film frame must last to be even; 29.97 fps on 60 Hz is off by 0.002.
WHOLE = 0.01
PATTERN = 12  # flips of so many film frames are written out
SKIP_BEHIND = 4  # measured with stalls of 75 ms: skipping at once lost 1 frame in 20, catching up none


def due(since_first_ns: int, period_ns: int, fps: float) -> int:
    """The film frame due at a flip `since_first_ns` after the flip of film frame 0; beyond the last when over.

    A film frame is due at the flip nearest to its time, the earlier of two, `period_ns` being the time between flips.
    """
    return int((since_first_ns + period_ns * (0.5 + TIE)) * fps / NS)


def refreshes(since_first_ns: int, period_ns: int, flip_before: int) -> int:
    """The refresh of a flip, counted from that of film frame 0; `flip_before`: the refresh of the flip before it.

    A film's time is counted in refreshes, because flips are on their grid and their stamps are not: by the stamps a
    film frame due near the middle between two flips would come with either.
    """
    since, turn = since_first_ns / period_ns, flip_before + 1
    return turn if -EARLY < since - turn < LATE else round(since)


def advance(shown: int, wanted: int) -> tuple[int, int]:
    """The film frame to show next, and how many are skipped before it; `shown` is on the screen, -1 none yet."""
    behind = wanted - shown
    if behind <= 0:
        return shown, 0
    if behind < SKIP_BEHIND:
        return shown + 1, 0
    return wanted, behind - 1


@dataclass(frozen=True)
class Cadence:
    """How a clip will be shown on a screen that misses no flip."""

    flips: tuple[int, ...]  # of each film frame; 0: it is never shown
    refreshes: float  # that a film frame lasts, by the two rates

    @property
    def is_even(self) -> bool:
        """Whether all film frames are shown equally long: only when they last a whole number of refreshes."""
        return len(set(self.flips)) == 1 and abs(self.refreshes - round(self.refreshes)) < WHOLE

    @property
    def pattern(self) -> str:
        """Flips of the first film frames until they repeat, e.g. 2-3-2-3-2; with dots where they do not soon."""
        shown = self.flips[:PATTERN]
        lengths = range(1, len(shown) // 2 + 1)
        length = next((n for n in lengths if shown[n:] == shown[:-n]), PATTERN)
        rest = "" if all(n == shown[i % length] for i, n in enumerate(self.flips)) else "..."
        return "-".join(map(str, shown[:length])) + rest


def cadence(frames: int, fps: float, refresh_hz: float) -> Cadence:
    """The flips of each of a clip's film frames, by the rule that the screen goes by."""
    period_ns = round(NS / refresh_hz)
    flips, shown, flip = [0] * frames, 0, 0
    while shown < frames:
        flips[shown] += 1
        flip += 1
        wanted = due(flip * period_ns, period_ns, fps)
        shown = frames if wanted >= frames and shown == frames - 1 else advance(shown, min(wanted, frames - 1))[0]
    return Cadence(tuple(flips), refresh_hz / fps)


def patch_level(film_frame: int) -> int:
    """The photodiode patch: 1 (white) on even film frames, 0 (black) on odd ones and when no film is shown.

    So every new film frame makes an edge, the first one too, whatever was shown before.
    """
    return int(film_frame >= 0 and film_frame % 2 == 0)


def require_refresh(clip: FilmClip, refresh_hz: float) -> None:
    """Raises ClipError when the screen is too slow to show every film frame."""
    if clip.fps > refresh_hz * 1.002:  # 59.94 and 60 Hz are one rate here: catching up absorbs the difference
        raise ClipError(
            str(clip.path),
            "has more film frames than the screen has refreshes",
            value=f"{clip.fps:g} fps",
            allowed=f"at most {refresh_hz:g} fps",
            hint="Encode the film with fewer frames a second, or set screen.refresh_hz to the screen's true rate",
        )
