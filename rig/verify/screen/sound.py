"""Checks the sound of each film that was played with its own: it begins with the film's first picture."""

from __future__ import annotations

from rig.elicitation.steps import Step
from rig.session.heard import Heard, heard_in
from rig.session.run import Run
from rig.verify.findings import Finding, Word
from rig.verify.screen.due import Due
from rig.verify.tolerances import Limit, limit


def check_sound(run: Run) -> list[Finding]:
    """When the sound device began, against the flip that showed film frame 0: FAIL above the limit, or if it never did.

    NOT MEASURED where no film was played with its sound: there was no device for it, or none of them has any.
    """
    most, films = limit(run, "sound_ms"), Due(run).films
    told = [(step, heard) for heard in heard_in(run) if (step := _shown_at(run, heard.film_began_ns, films))]
    if told:
        return [_sound(step, heard, most) for step, heard in told]
    word, text = Word.NOT_MEASURED, "no film was played with its sound"
    if not films:
        word, text = Word.PASS, "no film was to be shown"
    return [Finding("sound", "", word, None, str(most), "0 films with sound", text, (), most.origin)]


def _shown_at(run: Run, host_ns: int, films: list[Step]) -> Step | None:
    """The film of which a flip was then."""
    steps = set(run.flips["step"][run.flips["host_ns"] == host_ns].tolist())
    return next((step for step in films if step.index in steps), None)


def _sound(step: Step, heard: Heard, most: Limit) -> Finding:
    late_ms, looked_at = heard.late_ms, "by the sound device's clock"
    if late_ms is None:
        return Finding("sound", step.name, Word.FAIL, None, str(most), looked_at, heard.fault, (), most.origin)
    word = Word.FAIL if abs(late_ms) > most.value else Word.PASS
    text = f"its sound began {late_ms:+.1f} ms from film frame 0"
    return Finding("sound", step.name, word, round(late_ms, 3), str(most), looked_at, text, (), most.origin)
