"""In which order a participant sees the clips: by a rule, a row and a seed, and within what must hold of every order.

    fixed          as the names are written
    random         all orders that keep the rules are equally likely; a row is one draw
    latin-square   over all rows every clip comes once at every place
    williams       besides, every clip follows every other equally often (Williams 1949)

A square stands between the clips that rules pin to its beginning and its end; those are the same in all rows.
Pure. The same row and seed give the same order, on every machine and with every version of Python.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import groupby, permutations
from random import Random
from typing import Literal, TypeVar

from pydantic import Field

from rig.config.model import Model
from rig.elicitation.blocks import Clip, Valence
from rig.elicitation.words import Name
from rig.errors import ProtocolError

Kind = Literal["fixed", "random", "latin-square", "williams"]
Clips = Mapping[str, Clip]
T = TypeVar("T")
TRIES = 200  # arrangements looked at for a square; where there is one, most seeds find it among the first ten
RULES = ("neutral_first", "most_of_a_valence", "not_first", "end_on")
NO_LIMIT = 64  # of clips in a row, as many as trials may have


class Order(Model):
    """The order of the clips of all trials, and what must hold of it."""

    kind: Kind = Field(default="fixed", description="fixed (as written), random, latin-square or williams")
    seed: int = Field(default=1, ge=0, le=2**32 - 1, description="what random draws begin with, 0 to 4294967295")
    neutral_first: bool = Field(default=False, description="whether a neutral clip opens, true or false")
    most_of_a_valence: int | None = Field(
        default=None, ge=1, le=NO_LIMIT, description="how many clips of one valence may follow each other, 1 to 64"
    )
    not_first: Literal["strong"] | list[Name] = Field(
        default_factory=list,
        description="strong (all clips that are), or a list of clips: none of them comes first, nor next after the "
        "neutral one that opens",
    )
    end_on: Valence | None = Field(default=None, description="valence of the last clip")


def sequence(clips: Clips, order: Order, row: int, seed: int) -> list[str]:
    """The names of `clips` as row `row` (from 0) has them. Raises ProtocolError when rules cannot hold together."""
    if order.kind == "fixed":
        found = None if broken(list(clips), clips, order) else list(clips)
    elif order.kind == "random":
        drawing = _Draw(clips, order)
        found = drawing.draw(Random(f"{seed}/{row}")) if drawing.is_possible else None
    else:
        square = _square(clips, order, seed)
        found = square[row % len(square)] if square else None
    if found is None:
        raise ProtocolError("order", f"cannot be kept with {len(clips)} clips", value=in_words(conflict(clips, order)))
    return found


def rows(order: Order, clips: int) -> int | None:
    """How many rows there are before they begin again, for so many clips; None: every row is a new draw."""
    if order.kind == "random":
        return None
    free = max(clips - _opening(order) - (order.end_on is not None), 1)
    return {"fixed": 1, "latin-square": free, "williams": free * (1 + free % 2)}[order.kind]


def conflict(clips: Clips, order: Order) -> list[str]:
    """The rules that cannot hold together, as few of them as explain it; none when there is such an order."""
    if _is_possible(clips, order):
        return []
    without = {
        "kind": "random",
        **{name: Order.model_fields[name].get_default(call_default_factory=True) for name in RULES},
    }
    needed = [name for name in without if getattr(order, name) != without[name]]
    for name in list(needed):
        less = order.model_copy(update={name: without[name]})
        if not _is_possible(clips, less):
            order = less
            needed.remove(name)
    return [f"kind {order.kind}" if name == "kind" else name for name in needed]


def among(order: Order, names: Sequence[str]) -> Order:
    """The order for some of the clips: of those that may not come first only these."""
    if order.not_first == "strong":
        return order
    return order.model_copy(update={"not_first": [name for name in order.not_first if name in names]})


def in_words(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def broken(names: Sequence[str], clips: Clips, order: Order) -> list[str]:
    """The rules that an order does not keep."""
    valences = [clips[name].valence for name in names]
    longest = max((len(list(run)) for valence, run in groupby(valences) if valence), default=0)
    kept = {
        "neutral_first": not order.neutral_first or valences[:1] == ["neutral"],
        "most_of_a_valence": longest <= (order.most_of_a_valence or NO_LIMIT),
        "not_first": not barred(clips, order) & set(names[: _opening(order)][-1:]),
        "end_on": order.end_on is None or valences[-1:] == [order.end_on],
    }
    return [rule for rule in RULES if not kept[rule]]


def barred(clips: Clips, order: Order) -> set[str]:
    """The clips that may not come first."""
    if order.not_first == "strong":
        return {name for name, clip in clips.items() if clip.strong}
    return set(order.not_first)


def _opening(order: Order) -> int:
    """How many places at the beginning rules speak of: that of the neutral clip, and that of the first one after it."""
    return order.neutral_first + bool(order.not_first)


def _is_possible(clips: Clips, order: Order) -> bool:
    if order.kind == "fixed":
        return not broken(list(clips), clips, order)
    if order.kind == "random":
        return _Draw(clips, order).is_possible
    return bool(_square(clips, order, order.seed))


# --- one draw among all orders that keep the rules ---

Left = tuple[int, ...]  # how many clips of each group are left
Ways = Callable[..., int]
ANY = ""  # the group of the clips that no rule tells apart
NONE = -1  # the index of no group


class _Draw:
    """Draws among all orders that keep the rules, each as likely as any other.

    What the clips may begin with is tried one by one. Of the clips behind it only the valence matters, so their orders
    are counted by how many clips of each valence are left.
    """

    def __init__(self, clips: Clips, order: Order) -> None:
        self._clips, self._order = clips, order
        self._most = order.most_of_a_valence or NO_LIMIT
        self._group = {name: self._group_of(clip) for name, clip in clips.items()}
        self._totals = Counter(sorted(self._group.values()))
        self._groups = list(self._totals)
        self._ways_behind, self._ways_after = _ways(tuple(self._groups), self._most, order.end_on)
        self._openings = list(self._possible_openings())
        self._weights = [self._behind(opening) for opening in self._openings]

    @property
    def is_possible(self) -> bool:
        """Whether there is any order that keeps the rules."""
        return any(self._weights)

    def draw(self, random: Random) -> list[str]:
        """One of them. Only when there is any."""
        found = list(_pick(self._openings, self._weights, random))
        while len(found) < len(self._clips):
            left, last, run = self._state(found)
            weights = [number * self._ways_after(left, last, run, index) for index, number in enumerate(left)]
            group = _pick(self._groups, weights, random)
            names = [name for name in self._clips if name not in found and self._group[name] == group]
            found.append(_pick(names, [1] * len(names), random))
        return found

    def _group_of(self, clip: Clip) -> str:
        valence = clip.valence or ANY
        return valence if self._order.most_of_a_valence or valence == self._order.end_on else ANY

    def _possible_openings(self) -> Iterator[tuple[str, ...]]:
        """Everything that the clips may begin with, as far as rules speak of their beginning."""
        order, shut_out = self._order, barred(self._clips, self._order)
        for names in permutations(self._clips, min(_opening(order), len(self._clips))):
            is_neutral = not order.neutral_first or self._clips[names[0]].valence == "neutral"
            if is_neutral and not (order.not_first and names[-1] in shut_out):
                yield names

    def _behind(self, begun: Sequence[str]) -> int:
        """How many orders begin like this and keep the rules."""
        runs = [(group, len(list(run))) for group, run in groupby(self._group[name] for name in begun)]
        if any(length > self._most for group, length in runs if group != ANY):
            return 0
        return self._ways_behind(*self._state(begun))

    def _state(self, begun: Sequence[str]) -> tuple[Left, int, int]:
        """What is left behind a beginning, the group that it ends on, and how often in a row that came."""
        groups = [self._group[name] for name in begun]
        left = tuple(total - groups.count(group) for group, total in self._totals.items())
        run = next((run for run, group in enumerate(reversed(groups)) if group != groups[-1]), len(groups))
        return left, self._groups.index(groups[-1]) if groups else NONE, run


@lru_cache(maxsize=1)  # the rules of one protocol
def _ways(groups: tuple[str, ...], most: int, end_on: str | None) -> tuple[Ways, Ways]:
    """Two counts of orders that keep the rules.

    Of what is left behind `run` clips of the group `last` in a row, and of the same when `chosen` comes next.
    """

    @cache
    def behind(left: Left, last: int, run: int) -> int:
        if not any(left):
            return int(end_on is None or (last != NONE and groups[last] == end_on))
        return sum(number * after(left, last, run, index) for index, number in enumerate(left) if number)

    def after(left: Left, last: int, run: int, chosen: int) -> int:
        again = run + 1 if chosen == last and groups[chosen] != ANY else 1
        if again > most or not left[chosen]:
            return 0
        return behind((*left[:chosen], left[chosen] - 1, *left[chosen + 1 :]), chosen, again)

    return behind, after


def _pick(things: Sequence[T], weights: Sequence[int], random: Random) -> T:
    """One of them, by weight. `Random.random` alone is promised to stay the same with every version of Python."""
    total = sum(weights)
    at = min(int(random.random() * total), total - 1)
    for thing, weight in zip(things, weights, strict=True):
        at -= weight
        if at < 0:
            return thing
    raise AssertionError("no weight at all")


# --- squares ---


def _square(clips: Clips, order: Order, seed: int) -> list[list[str]]:
    """All rows of a square in which every row keeps the rules; none when no such arrangement was found."""
    drawing, random = _Draw(clips, order), Random(f"{seed}/square")
    for attempt in range(TRIES if drawing.is_possible else 0):
        begun = drawing.draw(random)
        first, last = _opening(order), len(begun) - (order.end_on is not None)
        labels = begun[first:last] if attempt % 2 else _spread(begun[first:last], clips)
        found = [[*begun[:first], *row, *begun[last:]] for row in _rows(labels, order.kind)]
        if all(not broken(row, clips, order) for row in found):
            return found
    return []


def _spread(names: Sequence[str], clips: Clips) -> Sequence[str]:
    """Arranged on a circle so that no valence stands beside itself; as they were when more than half are of one."""
    sizes = Counter(clips[name].valence for name in names)
    if 2 * max(sizes.values(), default=0) > len(names):
        return names
    by_size = sorted(names, key=lambda name: (-sizes[clips[name].valence], clips[name].valence or ANY))
    places = [*range(0, len(names), 2), *range(1, len(names), 2)]
    return [name for _, name in sorted(zip(places, by_size, strict=True))]


def _rows(labels: Sequence[str], kind: Kind) -> list[list[str]]:
    """The rows of a square. With an odd number of labels a Williams design has twice as many, mirrored ones as well."""
    size = len(labels)
    if kind == "latin-square" or size < 2:
        return [[*labels[row:], *labels[:row]] for row in range(max(size, 1))]
    zigzag = [0, *((place + 1) // 2 if place % 2 else size - place // 2 for place in range(1, size))]
    found = [[labels[(place + row) % size] for place in zigzag] for row in range(size)]
    return found + [row[::-1] for row in found] * (size % 2)
