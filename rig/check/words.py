"""Whether a participant can read what a protocol says: letters that the font lacks, and pages that do not fit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rig.check.visits import every_visit, told
from rig.config.model import Look
from rig.config.rig import RigFile, Screen
from rig.config.yaml import Place, problem_at
from rig.elicitation.places import block_places, question_places
from rig.elicitation.protocol import ElicitationProtocol, texts_of
from rig.elicitation.steps import Step
from rig.elicitation.unroll import WITHDRAWN
from rig.errors import ConfigError, ProtocolError, RigError
from rig.stimulus.pages.fonts import missing_letters
from rig.stimulus.pages.page import Page, boxes_of, letters_of, look_of

A_SECOND = 1.0  # as good as any other length: no page depends on that of a film
_TRIAL = re.compile(r"^trial\d+-")
_PART = re.compile(r"-((page|break)\d+|\d{3,})$")  # of a questionnaire; no name of a protocol ends so
_FONT = ("screen", "font")


def word_problems(
    look: Look[ElicitationProtocol], protocol: ElicitationProtocol | None, rig: RigFile
) -> list[RigError]:
    """What of a protocol's texts, in all languages, cannot be written in the rig's font, or fits on no page.

    `protocol`: without it, when something in its file is wrong, only the letters are looked at. Raises ConfigError when
    there is no font, or none that can be read.
    """
    font, texts = _font(rig), [*texts_of(look), *_unit(look)]
    problems = _unwritable(texts, font)
    if protocol is None:
        return problems
    pages = _pages(protocol, rig)
    problems += _unfit(look, rig.rig.screen, pages, is_spoken=len(protocol.languages) > 1)
    return problems + _signs_lacking(rig, font, pages, {letter for _, text in texts for letter in text})


def _font(rig: RigFile) -> Path:
    try:
        font = look_of(rig.rig.screen).font
        missing_letters(font, "")
    except ConfigError as error:
        fields = {"value": error.value, "allowed": error.allowed, "hint": error.hint}
        raise problem_at(rig.document, _FONT, error.problem, ConfigError, **fields) from None
    return font


def _unit(look: Look[ElicitationProtocol]) -> Iterator[tuple[str, str]]:
    """The unit of the pay, which stands where a text says {pay}, and where it is written."""
    if unit := look.get(str, "stakes", "unit"):
        yield f"{look.document.path}:{look.document.line(('stakes', 'unit'))}", unit


def _unwritable(texts: Sequence[tuple[str, str]], font: Path) -> list[RigError]:
    """The letters that the font lacks, text by text."""
    problems: list[RigError] = []
    named: set[str] = set()
    for where, text in texts:
        if lacking := missing_letters(font, text):
            problems.append(_lacks(where, lacking, named, font))
            named.update(lacking)
    return problems


def _lacks(where: str, lacking: Sequence[str], named: set[str], font: Path) -> RigError:
    """In full only where it first comes: a text in another script lacks hundreds, again and again."""
    spelled = [letter.split()[0] if letter in named else letter for letter in lacking]
    problem = f"is not in the font {font.name}" if len(spelled) == 1 else f"are not in the font {font.name}"
    hint = "Write other letters, or give screen.font in rig.yaml one that has them"
    return ProtocolError(where, problem, value=", ".join(spelled), hint=hint)


def _pages(protocol: ElicitationProtocol, rig: RigFile) -> list[tuple[Step, str]]:
    """Every page once, with the first language that it is in."""
    seconds = dict.fromkeys(protocol.clips, A_SECOND)
    found: dict[str, tuple[Step, str]] = {}
    for language in protocol.languages:
        for steps in every_visit(protocol, list(rig.rig.cameras), seconds, language):
            for step in map(_as_seen, told(protocol, steps)):
                found.setdefault(repr(step), (step, language))
    return list(found.values())


def _as_seen(step: Step) -> Step:
    """The step without all that is not on its page: so a trial's pages are those of every other trial."""
    items = tuple(replace(item, name=_TRIAL.sub("", item.name)) for item in step.items)
    return Step(
        0, step.kind, _TRIAL.sub("", step.name), step.text, {}, None, 1.0, None, (), "", items,
        asked_before=step.asked_before, asked_in_all=step.asked_in_all,
    )  # fmt: skip


def _unfit(
    look: Look[ElicitationProtocol], screen: Screen, pages: Sequence[tuple[Step, str]], *, is_spoken: bool
) -> list[RigError]:
    """The pages that cannot be shown: of those that one block or question makes, the first one is told."""
    places, found = _places(look), dict[tuple[Place, str], list[RigError]]()
    for step, language in pages:
        spoken = f" in {language}" if is_spoken else ""
        for problem in _why_unfit(step, screen):
            found.setdefault((_place(places, step), spoken), []).append(problem)
    return [_told(look, *where, problems) for where, problems in found.items()]


def _why_unfit(step: Step, screen: Screen) -> Iterator[RigError]:
    """Why its page cannot be shown, if it cannot."""
    try:
        boxes_of(step, screen)
        if any(item.images for item in step.items):  # pictures of the laboratory's own are read when it is drawn
            Page(step, (screen.width, screen.height), look_of(screen))
    except ProtocolError as error:
        yield error


def _places(look: Look[ElicitationProtocol]) -> dict[str, Place]:
    """Where blocks and questions stand, by the names that their steps and items have."""
    found: dict[str, Place] = {WITHDRAWN: ("withdrawal",)}
    for block in block_places(look):
        name = look.get(str, *block, "name")
        found[f"{name}"] = block
        found |= {f"{name}-{look.get(str, *place, 'name')}": place for place in question_places(look, block)}
    return found


def _place(places: dict[str, Place], step: Step) -> Place:
    """Of a page of questions, where the first of them stands."""
    names = [item.name for item in step.items[:1]] + [step.name]
    bare = [_PART.sub("", name) for name in names]
    return next(places[name] for name in (*names, *bare) if name in places)


def _told(look: Look[ElicitationProtocol], place: Place, spoken: str, found: Sequence[RigError]) -> RigError:
    first = found[0]
    value = f"{first.value}, and {len(found) - 1} more of it," if len(found) > 1 else first.value
    fields = {"value": value, "allowed": first.allowed, "hint": first.hint}
    return problem_at(look.document, place, first.problem + spoken, ProtocolError, **fields)


def _signs_lacking(rig: RigFile, font: Path, pages: Sequence[tuple[Step, str]], written: set[str]) -> list[RigError]:
    """What the program itself writes on pages, besides the letters of texts: numbers, keys, signs of buttons."""
    own = {letter for step, _ in pages for letter in letters_of(step)} - written
    lacking = missing_letters(font, "".join(own))
    if not lacking:
        return []
    problem = "is lacking in the font" if len(lacking) == 1 else "are lacking in the font"
    allowed = "a font with all signs that pages have"
    return [problem_at(rig.document, _FONT, problem, ConfigError, value=", ".join(lacking), allowed=allowed)]
