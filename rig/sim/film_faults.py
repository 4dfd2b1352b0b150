"""What goes wrong with the films on the simulated screen, by seed; told to the truth as it is committed.

film frames wanted   0 0 0 1 1 2 2 2 3 3 4 4 4     of a film at 25 fps and 60 Hz
frame 1 is skipped   0 0 0 0 0 2 2 2 3 3 4 4 4     never shown
frame 1 is held      0 0 0 1 1 1 1 1 2 3 4 4 4     until the one after the next is due; then all follow in turn
flip dropped at 1    0 0 0 - 1 2 2 2 3 3 4 4 4     the refresh brings nothing
flip late at 1       0 0 0  1 1 2 2 2 3 3 4 4 4    between two refreshes
"""

from __future__ import annotations

import numpy as np

from rig.config.rig import Faults
from rig.sim.faults import Fault, Truth
from rig.stimulus.showing import Showing
from rig.streams import NO_FILM

APART = 8  # film frames from one fault to the next, at least: each is over before
LATE = (0.6, 0.9)  # of a refresh
KINDS = {  # key of simulation.faults, and the fault
    "skipped_film_frames": Fault.SKIPPED_FILM_FRAME,
    "held_film_frames": Fault.HELD_FILM_FRAME,
    "dropped_flips": Fault.DROPPED_FLIP,
    "late_flips": Fault.LATE_FLIP,
}


class FilmFaults:
    """Those of one screen. As many as a film has room for, one in APART of its frames, each film by itself."""

    def __init__(self, faults: Faults, seed: int, truth: Truth) -> None:
        self._kinds = [fault for key, fault in KINDS.items() for _ in range(getattr(faults, key))]
        self._seed, self._truth = seed, truth
        self._placed: dict[int, Fault] = {}
        self._late: dict[int, float] = {}
        self._told: set[int] = set()

    def begin(self, showing: Showing) -> None:
        """A step is about to be shown."""
        frames = showing.clip.frames if showing.clip else 0
        rng = np.random.default_rng((self._seed, 29, showing.step.index))
        places = rng.permutation(np.arange(APART, frames - APART, APART)) + int(rng.integers(APART))
        kinds = [self._kinds[number] for number in rng.permutation(len(self._kinds))]
        self._placed = dict(zip(map(int, places), kinds, strict=False))
        self._late = {frame: rng.uniform(*LATE) for frame in self._placed}
        self._told.clear()

    def shown(self, showing: Showing, due_ns: int) -> int:
        """The film frame of the flip due then."""
        frame = showing.target(due_ns)
        if frame in (NO_FILM, showing.film_frame):
            return frame
        if self._is(Fault.HELD_FILM_FRAME, showing.film_frame) and showing.wanted(due_ns) <= showing.film_frame + 1:
            self._tell(showing, showing.film_frame)
            return showing.film_frame
        if self._is(Fault.SKIPPED_FILM_FRAME, frame):
            self._tell(showing, frame)
            return frame - 1 if showing.wanted(due_ns) <= frame else frame + 1
        if self._is(Fault.LATE_FLIP, frame):
            self._tell(showing, frame)
        return frame

    def drops(self, showing: Showing, due_ns: int) -> bool:
        """Whether the refresh due then brings no flip: the first one of a film frame, once."""
        frame = self._first(Fault.DROPPED_FLIP, showing, due_ns)
        return frame is not None and self._tell(showing, frame)

    def late_share(self, showing: Showing, due_ns: int) -> float:
        """How late the flip due then is, in refreshes."""
        frame = self._first(Fault.LATE_FLIP, showing, due_ns)
        return 0.0 if frame is None else self._late[frame]

    def _first(self, fault: Fault, showing: Showing, due_ns: int) -> int | None:
        """The film frame, if the flip due then is the first of one that this fault strikes."""
        if not self._placed:
            return None
        frame = showing.target(due_ns)
        return frame if frame != showing.film_frame and self._is(fault, frame) else None

    def _is(self, fault: Fault, film_frame: int) -> bool:
        return self._placed.get(film_frame) is fault

    def _tell(self, showing: Showing, film_frame: int) -> bool:
        """Tell the truth, once; whether it was the first time."""
        is_first = film_frame not in self._told
        if is_first:
            self._told.add(film_frame)
            self._truth.add(self._placed[film_frame], showing.step.name, film_frame=film_frame)
        return is_first
