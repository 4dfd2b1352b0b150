"""Which clips fit a participant best, by the answers of an earlier visit. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from rig.elicitation.blocks import Tailored, Trials
from rig.elicitation.protocol import ElicitationProtocol
from rig.errors import ProtocolError


def questionnaires(protocol: ElicitationProtocol, visit: int) -> list[str]:
    """The questionnaires of earlier visits whose answers this visit needs."""
    return list(dict.fromkeys(tailored.by for tailored in _tailored(protocol, visit)))


def choose(protocol: ElicitationProtocol, answers: Mapping[str, str], visit: int) -> dict[str, list[str]]:
    """For each questionnaire that tailors this visit, the clips that fit, as `unroll` takes them.

    `answers`: what was answered on earlier visits, by the name of the question (BLOCK-QUESTION). The best clip of each
    target comes first, then the second best of each, until there are as many as asked for; of equals the one that the
    manifest names first. One that was left out counts as nothing. Raises ProtocolError without any answer.
    """
    chosen: dict[str, list[str]] = {}
    for tailored in _tailored(protocol, visit):
        scores = _scores(protocol, tailored.by, answers)
        if not scores:
            hint = "Record the visit that asks it first, to its end"
            raise ProtocolError(tailored.by, "was not answered on an earlier visit", hint=hint)
        chosen[tailored.by] = _best(protocol, scores)[: tailored.count]
    return chosen


def _tailored(protocol: ElicitationProtocol, visit: int) -> list[Tailored]:
    here = [block for block in protocol.blocks if isinstance(block, Trials) and block.visit in (None, visit)]
    return [block.clips for block in here if isinstance(block.clips, Tailored)]


def _scores(protocol: ElicitationProtocol, by: str, answers: Mapping[str, str]) -> dict[str, float]:
    """How well each clip fits, for those whose question was asked."""
    asked = {name: f"{by}-{clip.fits}" for name, clip in protocol.clips.items() if clip.fits is not None}
    return {name: float(answers[item] or 0) for name, item in asked.items() if item in answers}


def _best(protocol: ElicitationProtocol, scores: Mapping[str, float]) -> list[str]:
    """The clips, round by round through their targets."""
    rounds: dict[str, list[str]] = {}
    for name in sorted(scores, key=lambda name: -scores[name]):
        rounds.setdefault(protocol.clips[name].target or "", []).append(name)
    place = {name: number for names in rounds.values() for number, name in enumerate(names)}
    return sorted(scores, key=lambda name: (place[name], -scores[name]))
