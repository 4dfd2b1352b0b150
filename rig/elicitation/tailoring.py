"""Which clips fit a participant best, by the answers of an earlier visit. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from math import comb
from random import Random

from rig.elicitation.blocks import Tailored, Trials
from rig.elicitation.order import among, conflict, in_words
from rig.elicitation.protocol import ElicitationProtocol
from rig.errors import ProtocolError

ALL_CHOICES = 5000  # choices of clips up to which each is looked at, 14 for 7; beyond, so many by chance:
SOME_CHOICES = 500


def questionnaires(protocol: ElicitationProtocol, visit: int) -> list[str]:
    """The questionnaires of earlier visits whose answers this visit needs."""
    return list(dict.fromkeys(tailored.by for tailored in _tailored(protocol, visit)))


def choose(protocol: ElicitationProtocol, answers: Mapping[str, str], visit: int) -> dict[str, list[str]]:
    """For each questionnaire that tailors this visit, the clips that fit, as `unroll` takes them.

    `answers`: what was answered on earlier visits, by the name of the question (BLOCK-QUESTION). The best clip of each
    target comes first, then the second best of each, until there are as many as asked for; of equals the one that the
    manifest names first. One that was left out counts as nothing. Raises ProtocolError with fewer answers than clips.
    """
    chosen: dict[str, list[str]] = {}
    for tailored in _tailored(protocol, visit):
        scores = _scores(protocol, tailored.by, answers)
        if len(scores) < tailored.count:
            raise _too_few(tailored, len(scores))
        chosen[tailored.by] = _best(protocol, scores)[: tailored.count]
    return chosen


def _too_few(tailored: Tailored, answers: int) -> ProtocolError:
    hint = "Record the visit that asks it first, to its end"
    if not answers:
        return ProtocolError(tailored.by, "was not answered on an earlier visit", hint=hint)
    allowed = f"{tailored.count} or more, as trials show so many clips (count)"
    told = f"{answers} answers" if answers > 1 else "1 answer"
    return ProtocolError(tailored.by, "are too few on earlier visits", value=told, allowed=allowed, hint=hint)


def unkeepable(protocol: ElicitationProtocol) -> Iterator[str]:
    """A warning for each tailored trials whose clips, as some participant would choose them, no order can hold."""
    for block in protocol.blocks:
        if isinstance(block, Trials) and isinstance(block.clips, Tailored):
            yield from _against(protocol, block.name, block.clips.count)


def _against(protocol: ElicitationProtocol, trials: str, count: int) -> Iterator[str]:
    for names in _choices(protocol, count):
        clips = {name: protocol.clips[name] for name in names}
        if against := conflict(clips, among(protocol.order, names)):
            whose = f"order: {in_words(against)} cannot be kept for every choice of clips in {trials}"
            yield f"{whose}, such as {', '.join(names)}: who chooses so cannot be recorded on that visit"
            return


def _choices(protocol: ElicitationProtocol, count: int) -> Iterator[list[str]]:
    """What participants may choose who answer all: every choice, or where there are many, some by chance."""
    fitting = [name for name, clip in protocol.clips.items() if clip.fits is not None]
    if comb(len(fitting), min(count, len(fitting))) <= ALL_CHOICES:
        every = map(list, combinations(fitting, min(count, len(fitting))))
        yield from (names for names in every if _is_by_rounds(protocol, names, fitting))
        return
    random = Random(0)
    for _ in range(SOME_CHOICES):
        scores = {name: random.random() for name in fitting}
        yield _best(protocol, scores)[:count]


def _is_by_rounds(protocol: ElicitationProtocol, names: Sequence[str], fitting: Sequence[str]) -> bool:
    """Whether no target has two clips more than another that has one left."""
    taken = Counter(protocol.clips[name].target or "" for name in names)
    there = Counter(protocol.clips[name].target or "" for name in fitting)
    least = min((taken[target] for target in there if taken[target] < there[target]), default=max(taken.values()))
    return max(taken.values()) <= least + 1


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
