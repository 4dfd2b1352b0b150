"""A recording and elicitation rig for micro-expression labs: record a session, verify its synchrony, replay it.

    protocols/*.yaml --> elicitation --> steps --> stimulus (child) ------ flips, answers ----+
                                                     | photodiode patch                       |
    calibration/*/rig.yaml --> wiring --> box -------+-- pulses --> cameras                   v
                                           |                           |               record --> run file
                                           +--- pulses and edges ------+--> frames ------^   (closed: read-only)
                                                                                                  |
                                                     verify, info, replay, export <-- session <---+

Every folder of this package is one room of that drawing. To read a session from Python:

    import rig
    with rig.open("sessions/sub-001/ses-01") as session:
        instant = session.at(clip="clip1", seconds=3.2)
        hs = session.streams["HS"]
        hs.data[100:110], hs.times_s[100:110], hs.pulse_numbers[100:110]
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rig.session.reader import Session


def open(path: str | Path, *, clips: str | Path | None = None, by_leds: bool = True) -> Session:  # noqa: A001
    """Open a session for reading: its folder, or any file in it. Use it in a `with` statement.

    `clips`: a folder with the film clips, when they do not lie beside the protocol. `by_leds`: frames of cameras
    without timestamps have the pulse that rig verify read off the sync LEDs, if it did; False: the run's own word
    alone. Runs that cannot be read are named in `unreadable`; raises NotASession, Truncated, or another SessionError
    when none can. Never writes.
    """
    from rig.session.reader import Session

    return Session(Path(path), clips=Path(clips) if clips else None, by_leds=by_leds)
