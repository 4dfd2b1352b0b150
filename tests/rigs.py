"""Small rigs and protocols for tests: everything simulated, pictures of 96x64."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rig.config.rig import read_rig
from rig.elicitation.protocol import read_protocol
from rig.record.recording import Recorded, Recording, Request, Status
from tests.films import make_film, sha256_of

RIG = """\
schema: 1
name: small
box: {{port: sim://small, rate_hz: 100}}
cameras:
  HS: {{backend: simulated, serial: SIM-HS, line: 0, divisor: 1, exposure_us: 4000, SIZE}}
  VIS: {{backend: simulated, serial: SIM-VIS, line: 1, divisor: 4, exposure_us: 8000, SIZE}}
  NIR: {{backend: simulated, serial: SIM-NIR, line: 2, divisor: 4, exposure_us: 8000, SIZE}}
screen: {{backend: simulated, width: 960, height: 540, refresh_hz: 60}}
simulation:
  seed: {seed}
  faults: {{{faults}}}
""".replace("SIZE", "start_delay_us: 0, width: 96, height: 64")  # the delay is declared: skew can be judged
PROTOCOL = """\
schema: 1
name: still
title: a neutral screen
blocks:
"""
BLOCK = "  - {{kind: baseline, name: {name}, seconds: {seconds}, store: {store}}}\n"


QUESTION = """\
  - kind: self-report
    name: felt
    max_seconds: 5
    questions: [{kind: choice, name: q, text: "?", answers: {"1": yes, "2": no}}]
"""


def write_rig(folder: Path, *, seed: int = 1, faults: str = "") -> Path:
    """A rig.yaml in `folder`."""
    path = folder / f"rig-{seed}.yaml"
    path.write_text(RIG.format(seed=seed, faults=faults))
    return path


def write_protocol(folder: Path, *blocks: tuple[str, float, str]) -> Path:
    """A protocol of baselines: (name, seconds, store)."""
    path = folder / "still.yaml"
    lines = [BLOCK.format(name=name, seconds=seconds, store=store) for name, seconds, store in blocks]
    path.write_text(PROTOCOL + "".join(lines))
    return path


def write_film_protocol(folder: Path, frames: int = 50) -> Path:
    """A protocol of a second of baseline, a film of its own with numbered pictures, and a question about it."""
    film = make_film(folder / "film.mp4", frames)
    clip = f"{{file: film.mp4, sha256: {sha256_of(film)}, title: t, licence: l}}"
    path = write_protocol(folder, ("before", 1, "all"))
    text = path.read_text().replace("blocks:", f"clips:\n  film: {clip}\nblocks:")
    path.write_text(text + "  - {kind: clip, name: clip1, clip: film}\n" + QUESTION)
    return path


def record(
    folder: Path,
    rig: Path,
    protocol: Path,
    *,
    virtual: bool = True,
    scripted: bool = True,
    subject: str = "001",
    on_status: Callable[[Status], None] = lambda _: None,
) -> Recorded:
    """One session below `folder`/sessions."""
    files = read_rig(rig), read_protocol(protocol)
    request = Request(*files, subject, folder / "sessions", scripted=scripted, virtual=virtual)
    return Recording(request, on_status).record()
