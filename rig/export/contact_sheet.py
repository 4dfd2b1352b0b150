"""Lays out what the cameras and the screen showed at the same moments: one row a moment, one column a view."""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rig.session.reader import Session, nothing_to_show
from rig.session.timeline import FilmView, Instant, Timeline, View
from rig.streams import Picture

CONTACT_SHEET_FILE = "contact-sheet.png"
CELL_WIDTH, CELL_HEIGHT, CAPTION, MARGIN = 320, 240, 22, 8  # px
INK, PAPER, FAINT = (20, 20, 20), (255, 255, 255), (232, 232, 232)
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class _Place:
    """A moment worth a row: the start of exposure of a pulse that all cameras share."""

    line: Timeline
    pulse: int


def contact_sheet(session: Session, *, instants: int = 8) -> Image.Image:
    """The sheet, RGB. `instants` moments spread over all films, each at a pulse that every camera was sent.

    Without films they are spread over the runs. Raises UserError when no pulse was recorded.
    """
    rows = [place.line.at_pulse(place.pulse) for place in _places(session, instants)]
    names = [*session.streams, "screen"]
    height = 2 * MARGIN + CAPTION + len(rows) * (CELL_HEIGHT + CAPTION + MARGIN)
    sheet = Image.new("RGB", (2 * MARGIN + len(names) * (CELL_WIDTH + MARGIN), height), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    draw.text((MARGIN, MARGIN), _heading(session), INK, font=font)
    for row, instant in enumerate(rows):
        top = MARGIN + CAPTION + row * (CELL_HEIGHT + CAPTION + MARGIN)
        for column, name in enumerate(names):
            left = MARGIN + column * (CELL_WIDTH + MARGIN)
            view = instant.film if name == "screen" else instant.views.get(name)
            picture, reason, caption = _content(instant, view)
            _cell(sheet, draw, font, (left, top), picture, reason)
            draw.text((left, top + CELL_HEIGHT + 3), _fit(draw, caption, font), INK, font=font)
    return sheet


def _heading(session: Session) -> str:
    run = session.runs[0]
    kind = "SIMULATED   " if session.is_simulated else ""
    return (
        f"{kind}sub-{run.subject} ses-{run.session:02d}   rig {run.rig}   protocol {run.protocol}   {run.created_utc}"
    )


def _places(session: Session, instants: int) -> list[_Place]:
    """Moments spread evenly over the films' time on the screen, at multiples of all divisors."""
    spans = [(line, *span) for line in session.timelines if line.length_ns for span in _spans(line)]
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


def _spans(line: Timeline) -> list[tuple[int, int]]:
    """Host ns from the first to the last flip of each film, where cameras ran; without films the whole run."""
    first, last = line.start_host_ns, line.start_host_ns + line.length_ns
    flips = [line.run.film_flips(step)["host_ns"] for step in line.clip_steps.values()]
    spans = [(max(first, int(f[0])), min(last, int(f[-1]))) for f in flips]
    return [span for span in spans if span[0] < span[1]] or [(first, last)]


def _shared_pulse(line: Timeline, host_ns: int) -> int:
    """The last pulse at or before `host_ns` that went to every camera and that the box told of."""
    every = lcm(*(stream.divisor for stream in line.run.streams.values()))
    told = line.run.pulses["pulse_number"]
    shared = told[(told % every == 0) & (told <= line.pulse_at(host_ns))]
    return int(shared[-1]) if len(shared) else int(told[0])


def _content(instant: Instant, view: View | FilmView | None) -> tuple[Picture | None, str, str]:
    """Picture, the reason when there is none, and the caption."""
    if view is None:
        return None, "not in this run", ""
    if isinstance(view, View):
        return (
            view.picture,
            view.reason,
            f"{view.stream}  pulse {view.pulse}  run {instant.run}  {instant.seconds:.3f} s",
        )
    step = view.step.name if view.step else "screen"
    frame = f"  film frame {view.film_frame}" if view.film_frame >= 0 else ""
    flip = f"  flip {(instant.host_ns - view.flip_host_ns) / 1e6:.1f} ms before" if view.flip_host_ns >= 0 else ""
    return view.picture, view.reason, f"{step}{frame}{flip}"


def _cell(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    font: Font,
    corner: tuple[int, int],
    picture: Picture | None,
    reason: str,
) -> None:
    """Put a picture, or the reason why there is none, into its cell."""
    left, top = corner
    if picture is None:
        draw.rectangle((left, top, left + CELL_WIDTH, top + CELL_HEIGHT), fill=FAINT)
        for number, line in enumerate(_wrapped(draw, reason, font)[:8]):
            draw.text((left + 10, top + 90 + 18 * number), line, INK, font=font)
        return
    image = Image.fromarray(np.ascontiguousarray(picture)).convert("RGB")
    scale = min(CELL_WIDTH / image.width, CELL_HEIGHT / image.height)
    image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    sheet.paste(image, (left + (CELL_WIDTH - image.width) // 2, top + (CELL_HEIGHT - image.height) // 2))


def _fit(draw: ImageDraw.ImageDraw, text: str, font: Font) -> str:
    """`text`, cut where the cell ends."""
    while draw.textlength(text, font=font) > CELL_WIDTH:
        text = text[:-1]
    return text


def _wrapped(draw: ImageDraw.ImageDraw, text: str, font: Font) -> list[str]:
    """`text` in lines that fit a cell."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if draw.textlength(longer, font=font) <= CELL_WIDTH - 20:
            lines[-1] = longer
        else:
            lines.append(_fit(draw, word, font))
    return lines
