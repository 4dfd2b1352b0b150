"""`rig clips normalise`: make a film that can be shown of one that cannot, or not well."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

MIN_FPS, MAX_FPS = 1, 240  # beyond what any film has and any screen shows


def normalise(
    file: Annotated[Path, typer.Argument(help="The film.", metavar="FILE")],
    out: Annotated[Path, typer.Argument(help="The new film, a name that ends in .mp4.", metavar="OUT")],
    fps: Annotated[str | None, typer.Option(help="Another frame rate, such as 25 or 24000/1001.")] = None,
    in_s: Annotated[float | None, typer.Option(min=0, help="Where to begin, s after the first picture.")] = None,
    out_s: Annotated[float | None, typer.Option(min=0, help="Before which moment to end, s.")] = None,
) -> None:
    """Write a film anew: upright, in whole pictures of square pixels, at most 1920x1080, its sound at -23 LUFS.

    H.264 and AAC in .mp4. The frame rate is never changed unless --fps says so: a film without a constant rate is
    refused without it, and with it film frames are left out or shown again. What has changed is printed, with the
    number of film frames before and after. The film itself stays as it is; nothing is overwritten.
    Exit code 0: written; 2: refused, with the reason.

    Example: rig clips normalise phone.mov disgust1.mp4
    """
    from rig.cli.terminal import printable
    from rig.clips.normalise import normalise as run_normalise

    rate = _rate(fps) if fps is not None else None
    done = run_normalise(file, out, fps=rate, in_s=in_s, out_s=out_s)
    for line in done.changes:
        typer.echo(printable(line))
    seconds = len(done.film.pts_s) / done.film.fps
    typer.echo(printable(f"wrote {done.path}: {seconds:.2f} s at {done.film.fps:.3f} film frames a second"))


def _rate(text: str) -> Fraction:
    """A frame rate that somebody typed."""
    from rig.errors import UserError

    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not MIN_FPS <= rate <= MAX_FPS:
        allowed = f"a rate from {MIN_FPS} to {MAX_FPS}, such as 25 or 24000/1001"
        raise UserError("--fps", "is not allowed", value=text, allowed=allowed)
    return rate
