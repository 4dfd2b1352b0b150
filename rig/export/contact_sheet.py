"""Lays out what the cameras and the screen showed at the same moments: one row a moment, one column a view."""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm

import numpy as np
from PIL import Image

from rig.clock import NS
from rig.export.tiles import Tiles, captioned
from rig.session.reader import Session, nothing_to_show
from rig.session.timeline import Timeline

CONTACT_SHEET_FILE = "contact-sheet.png"
CELL_WIDTH, CELL_HEIGHT = 320, 240  # px


@dataclass(frozen=True)
class _Place:
    """A moment worth a row: the start of exposure of a pulse that all cameras share."""

    line: Timeline
    pulse: int


def contact_sheet(session: Session, *, instants: int = 8, clip: str | None = None) -> Image.Image:
    """The sheet, RGB. `instants` moments spread over all films, each at a pulse that every camera was sent.

    With `clip` they are spread over that film, in the last run that showed it; without films over the runs. Raises
    UserError when no pulse was recorded, and for a clip that was not shown, naming those that were.
    """
    places = _places(session, instants, clip)
    names = [*session.streams, "screen"]
    sheet = Tiles((CELL_WIDTH, CELL_HEIGHT), len(names), len(places))
    sheet.head(heading(session))
    for row, place in enumerate(places):
        instant = place.line.at_pulse(place.pulse)
        at_s = instant.seconds + session.placed_timelines[instant.run][1] / NS
        for column, name in enumerate(names, row * len(names)):
            view = instant.film if name == "screen" else instant.views.get(name)
            if view is None:
                sheet.put(column, None, "not in this run", "")
            else:
                sheet.put(column, view.picture, view.reason, captioned(view, instant, at_s))
    return sheet.image


def heading(session: Session) -> str:
    """Whose session it is, in a line."""
    run = session.runs[0]
    kind = "SIMULATED   " if session.is_simulated else ""
    return (
        f"{kind}sub-{run.subject} ses-{run.session:02d}   rig {run.rig}   protocol {run.protocol}   {run.created_utc}"
    )


def _places(session: Session, instants: int, clip: str | None) -> list[_Place]:
    """Moments spread evenly over the films' time on the screen, at multiples of all divisors."""
    lines = session.timelines if clip is None else [session.locate(0.0, clip)[0]]
    spans = [(line, *span) for line in lines if line.length_ns for span in _spans(line, clip)]
    total = sum(end - start for _, start, end in spans)
    if not spans or total <= 0:
        raise nothing_to_show(session.path)
    places: list[_Place] = []
    for wanted in (np.arange(instants) + 0.5) * total / instants:
        for line, start, end in spans:
            if wanted < end - start:
                places.append(_Place(line, _shared_pulse(line, start + round(wanted))))
                break
            wanted -= end - start
    return places


def _spans(line: Timeline, clip: str | None) -> list[tuple[int, int]]:
    """Host ns from the first to the last flip of each film, where cameras ran; without films the whole run."""
    first, last = line.start_host_ns, line.start_host_ns + line.length_ns
    steps = [step for name, step in line.clip_steps.items() if clip in (None, name)]
    flips = [line.run.film_flips(step)["host_ns"] for step in steps]
    spans = [(max(first, int(f[0])), min(last, int(f[-1]))) for f in flips]
    return [span for span in spans if span[0] < span[1]] or [(first, last)]


def _shared_pulse(line: Timeline, host_ns: int) -> int:
    """The last pulse at or before `host_ns` that went to every camera and that the box told of."""
    every = lcm(*(stream.divisor for stream in line.run.streams.values()))
    told = line.run.pulses["pulse_number"]
    shared = told[(told % every == 0) & (told <= line.pulse_at(host_ns))]
    return int(shared[-1]) if len(shared) else int(told[0])
