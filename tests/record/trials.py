"""A short protocol with everything that may change the way through it: consent, trials of films, penalty, debrief."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rig.config.rig import read_rig
from rig.elicitation.protocol import read_protocol
from rig.record.recording import Recorded, Recording, Request, Status
from tests.films import make_film, sha256_of

PROTOCOL = """\
schema: 1
name: short
title: three short films
withdrawal: {{text: It is over., ask: true, question: What of the recordings?, keep: keep them, delete: delete them}}
stakes: {{kind: penalty}}
operator: {{blind: true, guesses: {{f: fear, j: joy}}}}
clips:
{clips}
blocks:
  - kind: consent
    name: consent
    text: Do you agree?
    max_seconds: 20
    answers: {{"1": {{value: "yes", text: I agree}}, n: {{value: "no", text: I do not}}}}
    declines: [n]
  - kind: trials
    name: films
    clips: all
    each:
      - {{kind: clip, name: film}}
      - {{kind: wash-out, name: rest, seconds: 1, store: none}}
      - {{kind: guess, name: guess, text: Please wait., max_seconds: {guess_s}}}
  - {{kind: penalty, name: penalty, scale: {{points: 3, low: no, high: yes}}, per_caught: 2, cap: 4,
      statements: [One, Two, Three, Four], max_seconds: 20}}
  - {{kind: debrief, name: end, text: Thank you., key: space, max_seconds: 10}}
"""


def write_trials(folder: Path, *targets: str, frames: int = 25, guess_s: int = 3) -> Path:
    """A protocol with a trial for each target, of `frames` film frames at 25 fps."""
    film = make_film(folder / "film.mp4", frames)
    said = f"file: film.mp4, sha256: {sha256_of(film)}, title: t, licence: l"
    clips = [f"  film{n}: {{{said}, valence: negative, target: {target}}}" for n, target in enumerate(targets, 1)]
    path = folder / "short.yaml"
    path.write_text(PROTOCOL.format(clips="\n".join(clips), guess_s=guess_s))
    return path


def record_with(
    folder: Path, rig: Path, protocol: Path, act: Callable[[Recording, Status], None], **more: object
) -> Recorded:
    """One session in virtual time; `act` sees each second of it, and may speak as the operator."""
    files = read_rig(rig), read_protocol(protocol)
    given = {"subject": "001", "out": folder / "sessions", "scripted": True, "virtual": True, **more}
    recording = Recording(Request(*files, **given), lambda status: act(recording, status))
    return recording.record()
