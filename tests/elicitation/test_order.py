"""The order of the clips: rules hold in every row, squares are balanced, and what cannot hold is named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise, permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.elicitation.blocks import Clip, Valence
from rig.elicitation.order import Kind, Order, conflict, rows, sequence
from rig.elicitation.protocol import read_protocol
from rig.errors import ProtocolError

PROTOCOLS = Path(__file__).parents[2] / "protocols"
SHIPPED = {name: read_protocol(PROTOCOLS / f"{name}.yaml").protocol for name in ("smic", "smic-sub")}
SMIC = SHIPPED["smic"].clips
SEEDS = range(1000)


def clips(spelled: str) -> dict[str, Clip]:
    """Clips by the first letters of their valences; a capital is a strong one: `nNp`."""
    names: dict[str, Valence] = {"n": "negative", "o": "neutral", "p": "positive", "m": "mixed"}
    return {
        f"{letter}{index}": Clip(title="t", licence="l", valence=names[letter.lower()], strong=letter.isupper())
        for index, letter in enumerate(spelled)
    }


def letters(order: list[str]) -> str:
    """The first letters of an order's names: what the rules speak of."""
    return "".join(name[0] for name in order)


def keeps(spelled: str, *, after_neutral: bool = True) -> bool:
    """SMIC's rules, told in another way than the code tells them: on the spelled order alone."""
    lower = spelled.lower()
    return (
        lower[0] == "o"
        and not any(letter * 3 in lower for letter in "nopm")
        and not (spelled[1].isupper() and after_neutral)
        and lower[-1] == "p"
    )


RULES = {"neutral_first": True, "most_of_a_valence": 2, "not_first": "strong", "end_on": "positive"}


def spelled(order: list[str], manifest: dict[str, Clip]) -> str:
    short = {"negative": "n", "neutral": "o", "positive": "p", "mixed": "m", None: "?"}
    return "".join(
        short[manifest[n].valence].upper() if manifest[n].strong else short[manifest[n].valence] for n in order
    )


@pytest.mark.parametrize(("name", "kind"), [("smic", "random"), ("smic", "latin-square"), ("smic-sub", "random")])
def test_over_a_thousand_seeds_every_order_of_smic_s_films_keeps_the_rules(name: str, kind: Kind) -> None:
    """By the rules that its file has; only the kind of order is another one."""
    films, order = SHIPPED[name].clips, SHIPPED[name].order.model_copy(update={"kind": kind})
    seen = set()
    for seed in SEEDS:
        found = sequence(films, order, seed % 13, seed)
        assert sorted(found) == sorted(films)
        assert keeps(spelled(found, films)), (seed, found)
        seen.add(tuple(found))
    assert len(seen) > 990  # it is not the same order again and again


def test_over_a_thousand_seeds_a_williams_design_keeps_the_rules() -> None:
    manifest = clips("onNnnppmmm")
    for seed in SEEDS:
        found = sequence(manifest, Order(kind="williams", **RULES), seed, seed)  # type: ignore[arg-type]
        assert keeps(spelled(found, manifest)), (seed, found)


@pytest.mark.parametrize("size", [2, 3, 4, 5, 8, 13, 16])
@pytest.mark.parametrize("kind", ["latin-square", "williams"])
def test_in_a_square_every_clip_comes_equally_often_at_every_place(kind: Kind, size: int) -> None:
    manifest, order = clips("n" * size), Order(kind=kind)
    number = rows(order, size)
    assert number == (size if kind == "latin-square" or size % 2 == 0 else 2 * size)
    square = [sequence(manifest, order, row, 7) for row in range(number)]
    for place in zip(*square, strict=True):
        assert set(Counter(place).values()) == {number // size}
    if kind == "williams":
        follows = Counter(pair for row in square for pair in pairwise(row))
        assert len(follows) == size * (size - 1)
        assert len(set(follows.values())) == 1
    assert sequence(manifest, order, number, 7) == square[0]


def test_clips_that_rules_pin_stay_and_the_others_are_balanced_between_them() -> None:
    order = Order(kind="latin-square", **RULES)  # type: ignore[arg-type]
    number = rows(order, 16)
    assert number == 13
    square = [sequence(SMIC, order, row, 3) for row in range(number)]
    assert [len(set(place)) for place in zip(*square, strict=True)] == [1, 1, *[13] * 13, 1]


@pytest.mark.parametrize("spelling", ["oNnpp", "onmmmpp"])
def test_a_random_order_is_any_that_is_allowed_equally_often(spelling: str) -> None:
    manifest, order = clips(spelling), Order(kind="random", **RULES)  # type: ignore[arg-type]
    allowed = {p for p in permutations(manifest) if keeps(letters(list(p)))}
    drawn = Counter(tuple(sequence(manifest, order, row, 1)) for row in range(4000))
    assert set(drawn) == allowed
    expected = 4000 / len(allowed)
    chi_square = sum((drawn[each] - expected) ** 2 / expected for each in allowed)
    assert chi_square < len(allowed) - 1 + 4 * (2 * (len(allowed) - 1)) ** 0.5


def is_kept(order: Sequence[str], neutral: bool, most: int | None, strong: bool, end: str | None) -> bool:
    """Any rules, told of the first letters alone."""
    text = letters(list(order))
    first_shown = text[1:2] if neutral else text[:1]
    return (
        (not neutral or text[:1].lower() == "o")
        and (most is None or not any(letter * (most + 1) in text.lower() for letter in "nopm"))
        and not (strong and (first_shown or text).isupper())
        and (end is None or text[-1].lower() == end[0])
    )


@given(
    st.text("nNopPm", min_size=2, max_size=6),
    st.booleans(),
    st.sampled_from([None, 1, 2]),
    st.booleans(),
    st.sampled_from([None, "positive", "negative"]),
)
def test_a_random_order_is_found_exactly_when_there_is_one(
    spelling: str, neutral: bool, most: int | None, strong: bool, end: str | None
) -> None:
    manifest = clips(spelling)
    given_rules = {"neutral_first": neutral, "most_of_a_valence": most, "end_on": end}
    order = Order(kind="random", not_first="strong" if strong else [], **given_rules)  # type: ignore[arg-type]
    allowed = [each for each in permutations(manifest) if is_kept(each, neutral, most, strong, end)]
    assert (conflict(manifest, order) == []) == bool(allowed)
    if allowed:
        assert tuple(sequence(manifest, order, 0, 0)) in allowed
    else:
        with pytest.raises(ProtocolError, match="order"):
            sequence(manifest, order, 0, 0)


@pytest.mark.parametrize(
    ("spelling", "given_rules", "named"),
    [
        ("nnp", {"neutral_first": True}, ["neutral_first"]),
        ("nnp", {"neutral_first": True, "end_on": "positive", "most_of_a_valence": 2}, ["neutral_first"]),
        ("onnn", {"most_of_a_valence": 2, "neutral_first": True}, ["most_of_a_valence", "neutral_first"]),
        ("nnn", {"most_of_a_valence": 2}, ["most_of_a_valence"]),
        ("NNp", {"not_first": "strong", "end_on": "positive"}, ["not_first", "end_on"]),
        ("on", {"neutral_first": True, "end_on": "neutral"}, ["neutral_first", "end_on"]),
        ("np", {"kind": "fixed", "end_on": "negative"}, ["kind fixed", "end_on"]),
        ("nnnp", {"kind": "latin-square", "most_of_a_valence": 2}, ["kind latin-square", "most_of_a_valence"]),
        ("nnnp", {"kind": "latin-square", "most_of_a_valence": 3}, []),
    ],
)
def test_rules_that_cannot_hold_together_are_named_and_no_others(
    spelling: str, given_rules: dict[str, object], named: list[str]
) -> None:
    order = Order(**{"kind": "random", **given_rules})  # type: ignore[arg-type]
    assert sorted(conflict(clips(spelling), order)) == sorted(named)


def test_not_first_means_the_first_after_the_neutral_one_that_opens() -> None:
    manifest = clips("oNnp")
    both = [sequence(manifest, Order(kind="random", neutral_first=True, not_first=["N1"]), 0, seed) for seed in SEEDS]
    assert {order[0] for order in both} == {"o0"}
    assert {order[1] for order in both} == {"n2", "p3"}
    alone = [sequence(manifest, Order(kind="random", not_first=["N1"]), 0, seed) for seed in SEEDS]
    assert {order[0] for order in alone} == {"o0", "n2", "p3"}
    assert "N1" in {order[1] for order in alone}


def test_row_and_seed_give_the_same_order_for_ever() -> None:
    """Written down once: an order that was recorded must be found again by every later version."""
    manifest = clips("onNnppm")
    order = Order(kind="random", **RULES)  # type: ignore[arg-type]
    assert " ".join(sequence(manifest, order, 5, 42)) == "o0 n3 m6 N2 p5 n1 p4"
    square = Order(kind="latin-square", **RULES)  # type: ignore[arg-type]
    assert " ".join(sequence(manifest, square, 2, 42)) == "o0 n1 N2 p4 n3 m6 p5"
