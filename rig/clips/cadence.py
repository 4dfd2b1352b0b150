"""Which film frame belongs on the screen at which refresh: one rule for the real and the simulated screen.

behind the clock by   0      keep the film frame that is shown
                      1..3   show the next one: a late refresh costs time, never a film frame
                      4..    catch up with the clock at once; the frames between are lost, and logged
"""

from __future__ import annotations

from rig.clips.manifest import FilmClip
from rig.clock import NS
from rig.errors import ClipError

SKIP_BEHIND = 4  # measured with stalls of 75 ms: skipping at once lost 1 frame in 20, catching up none


def due(since_first_ns: int, period_ns: int, fps: float) -> int:
    """The film frame due at a flip `since_first_ns` after the flip of film frame 0; beyond the last when over.

    A film frame is due at the flip nearest to its time, `period_ns` being the time between two flips.
    """
    return int((since_first_ns + period_ns / 2) * fps / NS)


def advance(shown: int, wanted: int) -> tuple[int, int]:
    """The film frame to show next, and how many are skipped before it; `shown` is on the screen, -1 none yet."""
    behind = wanted - shown
    if behind <= 0:
        return shown, 0
    if behind < SKIP_BEHIND:
        return shown + 1, 0
    return wanted, behind - 1


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
