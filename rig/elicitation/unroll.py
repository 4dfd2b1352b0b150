"""From a protocol to the steps of one session: for this language, this row of the order, and this visit.

blocks --> those of this visit and variant --> trials: each of their blocks for each clip --> pages --> steps
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rig.elicitation import blocks
from rig.elicitation.blocks import Block, Part, Penalty, Questionnaire, SelfReport, Tailored, Trials
from rig.elicitation.order import among, rows, sequence
from rig.elicitation.protocol import ElicitationProtocol, Withdrawal
from rig.elicitation.questions import choices, declining, item, on_scale
from rig.elicitation.steps import DELETE, KEEP, Choice, Item, Kind, Step
from rig.elicitation.texts import Text, require_language, said, value_of
from rig.elicitation.words import GOES_ON, WITHDRAWAL_KEYS
from rig.errors import ProtocolError

WITHDRAWN = "withdrawn"  # the step that only who withdrew sees
RECORDINGS = "withdrawn-recordings"  # what is asked there; the answer is KEEP or DELETE
REST_S = 1800.0  # the longest break inside of a questionnaire
WITHDRAWN_S = 300.0  # how long it waits for an answer
MARKER_S = 0.1  # six flips at 60 Hz; it cannot be missed in the flip log
FILM_ROOM_S = 5.0  # what a film may take longer than it plays: flips that come late
FIXED_ROOM_S = 1.0  # the same of a screen of fixed length


def unroll(
    protocol: ElicitationProtocol,
    streams: Sequence[str],
    clip_seconds: Mapping[str, float],
    *,
    language: str = "",
    row: int = 0,
    visit: int = 1,
    chosen: Mapping[str, Sequence[str]] | None = None,
) -> list[Step]:
    """The steps of a session, in order.

    `clip_seconds`: how long each clip plays. `language`: one of the protocol's, "" for its default. `row`: of the
    subject ledger, from 0; it says in which order the clips come, and the variant. `chosen`: for each questionnaire by
    whose answers trials are tailored, the clips that fit this participant (tailoring.py). Raises UserError for a
    language that the protocol lacks, ProtocolError for a visit in which nothing comes, tailored trials without clips,
    or an order of theirs that cannot be kept.
    """
    speech = require_language(language, protocol.languages)
    if not any(block.visit in (None, visit) for block in protocol.blocks):
        raise ProtocolError("--visit", "has nothing in this protocol", value=str(visit))
    unrolling = _Unrolling(protocol, tuple(streams), clip_seconds, speech, row, visit, chosen or {})
    return [replace(step, index=index) for index, step in enumerate(unrolling.steps())]


def rows_of(protocol: ElicitationProtocol) -> int | None:
    """How many rows a protocol has before they begin again; None: each is a new draw.

    Who comes again keeps the row, so it is the same for all visits, also for the first one if that has no trials.
    Every variant comes with every row of the order. Trials of several lengths take as many as the longest order has.
    """
    trials = [block for block in protocol.blocks if isinstance(block, Trials)]
    numbers = [rows(protocol.order, len(_names(protocol, block))) for block in trials]
    known = [number for number in numbers if number is not None]
    return None if len(known) < len(numbers) else max(known, default=1) * max(len(protocol.variants), 1)


def variant_of(protocol: ElicitationProtocol, row: int) -> str:
    """The variant of a row; "" in a protocol without any. Rows that follow each other take turns."""
    return protocol.variants[row % len(protocol.variants)] if protocol.variants else ""


def _names(protocol: ElicitationProtocol, trials: Trials) -> list[str]:
    """The clips of trials as they are written; of tailored ones as many as there will be, which ones is not known."""
    if isinstance(trials.clips, Tailored):
        return list(protocol.clips)[: trials.clips.count]
    return list(protocol.clips) if trials.clips == "all" else list(trials.clips)


@dataclass(frozen=True)
class _Trial:
    """One round of trials, or what is outside of all."""

    number: int = 0
    clip: str = ""
    target: str = ""

    @property
    def prefix(self) -> str:
        """What the names of its steps and answers begin with; it does not tell the clip."""
        return f"trial{self.number:02d}-" if self.number else ""


@dataclass(frozen=True)
class _Page:
    """What is asked together."""

    name: str
    items: tuple[Item, ...]
    least_caught: int = 0


class _Unrolling:
    """One protocol for one participant."""

    def __init__(
        self,
        protocol: ElicitationProtocol,
        streams: tuple[str, ...],
        clip_seconds: Mapping[str, float],
        language: str,
        row: int,
        visit: int,
        chosen: Mapping[str, Sequence[str]],
    ) -> None:
        self._protocol, self._streams, self._clip_seconds = protocol, streams, clip_seconds
        self._language, self._default = language, protocol.languages[0]
        self._row, self._visit, self._chosen = row // max(len(protocol.variants), 1), visit, chosen
        self._variant = variant_of(protocol, row)

    def steps(self) -> Iterator[Step]:
        """All steps, without their index."""
        trial = _Trial()
        for block in filter(self._is_for, self._protocol.blocks):
            if not isinstance(block, Trials):
                yield from self._block(block, _Trial())
                continue
            for clip in self._clips(block):
                trial = _Trial(trial.number + 1, clip, self._protocol.clips[clip].target or "")
                for inner in filter(self._is_for, block.each):
                    yield from self._block(inner, trial)
        yield from self._withdrawn(self._protocol.withdrawal)

    def _is_for(self, part: Part) -> bool:
        return part.visit in (None, self._visit) and part.variant in (None, self._variant)

    def _clips(self, trials: Trials) -> list[str]:
        """The clips of trials in this participant's order."""
        names, order = _names(self._protocol, trials), self._protocol.order
        if isinstance(trials.clips, Tailored):
            names = list(self._chosen.get(trials.clips.by, ()))
            if not names:
                hint = f"Record the visit that asks {trials.clips.by} first"
                raise ProtocolError(trials.name, "is tailored to answers that are not there", hint=hint)
            order = among(order, names)
        return sequence({name: self._protocol.clips[name] for name in names}, order, self._row, order.seed)

    def _say(self, text: Text | None) -> str:
        return "" if text is None else said(text, self._language)

    def _step(self, block: Block, kind: Kind, trial: _Trial, name: str = "", **given: Any) -> Step:
        store = tuple(self._streams if block.store == "all" else () if block.store == "none" else block.store)
        reason = "" if len(store) == len(self._streams) else f"protocol: {block.name}"
        named = {"name": trial.prefix + (name or block.name), "trial": trial.number, "target": trial.target}
        plain: dict[str, Any] = {"text": "", "keys": {}, "seconds": None, "clip": None}
        return Step(index=0, kind=kind, store=store, reason=reason, **{**plain, **named, **given})

    def _block(self, block: Any, trial: _Trial) -> Iterator[Step]:
        match block:
            case SelfReport():
                yield from self._pages(block, trial, "question", self._paged(block, trial))
            case Questionnaire() | Penalty():
                yield from self._questionnaire(block, trial)
            case blocks.Debrief():
                yield self._until_key(block, trial)
                for question, asked in zip(block.questions, self._items(block, trial), strict=True):
                    ends = declining(question, self._default)
                    for step in self._pages(block, trial, "debrief", [_Page(asked.name, (asked,))]):
                        yield replace(step, ends_run=ends)
            case _:
                yield self._one(block, trial)

    def _one(self, block: Any, trial: _Trial) -> Step:
        """The step of a block that is only one."""
        match block:
            case blocks.Consent():
                return self._consent(block, trial)
            case blocks.Baseline() | blocks.WashOut() if block.seconds:
                text = self._say(block.text) if self._protocol.window else ""
                return self._lasting(block, trial, block.seconds, text=text)
            case blocks.Marker():
                return self._lasting(block, trial, MARKER_S)
            case blocks.ClipBlock():
                return self._film(block, trial)
            case blocks.Guess():
                return self._step(block, "guess", trial, text=self._say(block.text), max_seconds=block.max_seconds)
        return self._until_key(block, trial)

    def _consent(self, block: blocks.Consent, trial: _Trial) -> Step:
        """The text and, as its one item, what is answered to it."""
        asked = Item(block.name, "choice", "", choices(block.answers, self._language, self._default))
        ends = tuple(value_of(block.answers[key], self._default) for key in block.declines)
        text, longest = self._say(block.text), block.max_seconds
        return self._step(block, "consent", trial, text=text, items=(asked,), ends_run=ends, max_seconds=longest)

    def _until_key(self, block: Any, trial: _Trial) -> Step:
        keys, text = {block.key: block.key}, self._say(block.text)
        return self._step(block, block.kind, trial, text=text, keys=keys, max_seconds=block.max_seconds)

    def _lasting(self, block: Any, trial: _Trial, seconds: float, text: str = "") -> Step:
        longest = seconds + FIXED_ROOM_S
        return self._step(block, block.kind, trial, text=text, seconds=seconds, max_seconds=longest)

    def _film(self, block: blocks.ClipBlock, trial: _Trial) -> Step:
        clip = block.clip or trial.clip
        return self._step(block, "clip", trial, clip=clip, max_seconds=self._clip_seconds[clip] + FILM_ROOM_S)

    def _items(self, block: Any, trial: _Trial) -> list[Item]:
        """The questions of a block, or its statements as questions on their common scale."""
        name = trial.prefix + block.name
        found = [item(question, name, self._language, self._default) for question in block.questions]
        if isinstance(block, Questionnaire | Penalty) and block.scale is not None:
            scale: dict[str, Any] = on_scale(block.scale, self._language)
            found += [
                Item(f"{name}-{number:03d}", "scale", self._say(text), may_skip=block.may_skip, **scale)
                for number, text in enumerate(block.statements, start=1)
            ]
        return found

    def _paged(self, block: SelfReport | Questionnaire | Penalty, trial: _Trial) -> list[_Page]:
        """The pages of a block; each is named after the block, after its one question, or by its number."""
        items = self._items(block, trial)
        groups = _by_guesses(block, items) if isinstance(block, Penalty) else [(0, items)]
        parts = [(caught, part) for caught, group in groups for part in _batched(group, block.per_page)]
        names = [f"{block.name}-page{number}" for number in range(1, len(parts) + 1)]
        if block.per_page == 1:
            names = [part[0].name.removeprefix(trial.prefix) for _, part in parts]
        elif len(parts) == 1:
            names = [block.name]
        return [_Page(name, part, caught) for name, (caught, part) in zip(names, parts, strict=True)]

    def _pages(self, block: Any, trial: _Trial, kind: Kind, pages: Sequence[_Page], text: str = "") -> Iterator[Step]:
        for page in pages:
            asked = {"items": page.items, "least_caught": page.least_caught, "max_seconds": block.max_seconds}
            yield self._step(block, kind, trial, page.name, text=text, **asked)

    def _questionnaire(self, block: Questionnaire | Penalty, trial: _Trial) -> Iterator[Step]:
        """Its pages, with a break before a page when so many questions are behind since the last."""
        kind: Kind = "penalty" if isinstance(block, Penalty) else "question"
        text, asked, breaks, before = self._say(block.text), 0, 0, 0
        pages = self._paged(block, trial)
        for page in pages:
            if block.break_every and asked >= block.break_every:
                asked, breaks = 0, breaks + 1
                yield self._rest(block, trial, f"{block.name}-break{breaks}", page.least_caught)
            asked += len(page.items)
            # How many a penalty has depends on the guesses: the course knows.
            in_all = sum(len(other.items) for other in pages if other.least_caught <= page.least_caught)
            for step in self._pages(block, trial, kind, [page], text):
                yield replace(step, asked_before=before, asked_in_all=in_all)
            before += len(page.items)

    def _rest(self, block: Questionnaire | Penalty, trial: _Trial, name: str, caught: int) -> Step:
        step = self._step(block, "break", trial, name, text=self._say(block.break_text), max_seconds=REST_S)
        return replace(step, keys={GOES_ON: GOES_ON}, store=(), reason=f"protocol: {block.name}", least_caught=caught)

    def _withdrawn(self, asked: Withdrawal) -> Iterator[Step]:
        """What only who withdrew sees: a text, and the question what becomes of the recordings."""
        if asked.text is None and not asked.ask:
            return
        keep, delete = WITHDRAWAL_KEYS["keep"], WITHDRAWAL_KEYS["delete"]
        answers = (Choice(keep, KEEP, self._say(asked.keep)), Choice(delete, DELETE, self._say(asked.delete)))
        item = Item(RECORDINGS, "choice", self._say(asked.question), answers)
        yield Step(
            index=0,
            kind="debrief",
            name=WITHDRAWN,
            text=self._say(asked.text),
            keys={} if asked.ask else {GOES_ON: GOES_ON},
            seconds=None,
            max_seconds=WITHDRAWN_S,
            clip=None,
            store=(),
            reason="withdrawal",
            items=(item,) if asked.ask else (),
            only_withdrawn=True,
        )


def _by_guesses(block: Penalty, items: Sequence[Item]) -> list[tuple[int, Sequence[Item]]]:
    """Which questions come from how many right guesses on, up to the cap."""
    due, step = items[: block.cap], block.per_caught
    return [(begin // step + 1, due[begin : begin + step]) for begin in range(0, len(due), step)]


def _batched(items: Sequence[Item], size: int) -> list[tuple[Item, ...]]:
    return [tuple(items[begin : begin + size]) for begin in range(0, len(items), size)]
