"""Clips that fit each participant: too few answers choose none, and every choice is looked at before anybody comes."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from rig.check.preflight import check
from rig.config.find import find_protocol
from rig.elicitation.protocol import ElicitationProtocol, read_protocol
from rig.elicitation.tailoring import choose, unkeepable
from rig.errors import ProtocolError

HEAD = "schema: 1\nname: p\ntitle: t\n"
CLIPS = """clips:
  grim: {valence: negative, target: bad, fits: a}
  sour: {valence: negative, target: bad, fits: b}
  gay: {valence: positive, target: good, fits: c}
  fair: {valence: mixed, target: good, fits: d}
"""
BLOCKS = """blocks:
  - kind: questionnaire
    name: pre
    visit: 1
    max_seconds: 9
    questions:
      - {kind: scale, name: a, text: A, points: 9, low: x, high: y}
      - {kind: scale, name: b, text: B, points: 9, low: x, high: y}
      - {kind: scale, name: c, text: C, points: 9, low: x, high: y}
      - {kind: scale, name: d, text: D, points: 9, low: x, high: y}
  - {kind: trials, name: films, visit: 2, clips: {by: pre, count: 2}, each: [{kind: clip, name: film}]}
"""


def protocol(folder: Path, order: str, count: int = 2) -> ElicitationProtocol:
    (folder / "p.yaml").write_text(f"{HEAD}order: {order}\n{CLIPS}{BLOCKS.replace('count: 2', f'count: {count}')}")
    return read_protocol(folder / "p.yaml").protocol


@pytest.mark.parametrize(("answered", "told"), [("ab", "2 answers"), ("a", "1 answer")])
def test_fewer_answers_than_clips_are_told_with_their_number(answered: str, told: str, tmp_path: Path) -> None:
    answers = {f"pre-{name}": "5" for name in answered}
    with pytest.raises(ProtocolError, match=f"pre: {told} are too few .* 3 or more"):
        choose(protocol(tmp_path, "{}", count=3), answers, visit=2)


@pytest.mark.parametrize(
    ("order", "told"),
    [
        ("{kind: random, end_on: positive}", "end_on"),  # not for who likes the fair one better than the gay one
        ("{kind: random, end_on: negative}", ""),  # the first two are of two targets, so one is bad
        ("{kind: random, most_of_a_valence: 1}", ""),
    ],
)
def test_an_order_that_some_choice_cannot_keep_is_told_before_anybody_comes(
    order: str, told: str, tmp_path: Path
) -> None:
    """Truth: who likes which clip is tried out, answer by answer."""
    found = list(unkeepable(protocol(tmp_path, order)))
    assert [told in warning for warning in found] == ([True] if told else [])
    assert all("cannot be kept for every choice of clips in films, such as " in warning for warning in found)


def test_every_choice_that_a_participant_can_come_to_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set()
    monkeypatch.setattr("rig.elicitation.tailoring.conflict", lambda clips, _order: seen.add(frozenset(clips)) or [])
    for count in (1, 2, 3, 4):
        seen.clear()
        made = protocol(tmp_path, "{}", count=count)
        list(unkeepable(made))
        likes = (
            dict(zip(("pre-a", "pre-b", "pre-c", "pre-d"), map(str, each), strict=True))
            for each in product(range(1, 5), repeat=4)
        )
        assert seen == {frozenset(choose(made, answers, visit=2)["pre"]) for answers in likes}


def test_many_choices_are_looked_at_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rig.elicitation.tailoring.ALL_CHOICES", 1)
    monkeypatch.setattr("rig.elicitation.tailoring.SOME_CHOICES", 20)
    seen = []
    monkeypatch.setattr("rig.elicitation.tailoring.conflict", lambda clips, _order: seen.append(set(clips)) or [])
    samm = read_protocol(find_protocol("samm")).protocol
    assert list(unkeepable(samm)) == []
    assert len(seen) == 20
    assert all(len({samm.clips[name].target for name in names}) == 7 for names in seen)


def test_rig_check_warns_of_it(tmp_path: Path) -> None:
    protocol(tmp_path, "{kind: random, end_on: positive}")
    found = check(None, str(tmp_path / "p.yaml"), tmp_path, with_devices=False)
    assert [warning for warning in found.warnings if warning.startswith("order: end_on cannot be kept")]
