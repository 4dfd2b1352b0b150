"""From protocols to steps: trials, pages, languages, penalty, visits and variants, what is kept and what is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rig.elicitation.course import Course
from rig.elicitation.protocol import ElicitationProtocol, look_at_protocol, read_protocol, texts_of
from rig.elicitation.steps import Step
from rig.elicitation.tailoring import choose, questionnaires
from rig.elicitation.unroll import rows_of, unroll, variant_of
from rig.errors import ProtocolError, UserError

STREAMS = ["HS", "VIS", "NIR"]
SHIPPED = Path(__file__).parents[2] / "protocols"
RTL = Path(__file__).parents[1] / "data/protocols/rtl.yaml"
HEAD = "schema: 1\nname: p\ntitle: t\n"
CLIPS = """\
clips:
  calm: {title: t, licence: l, valence: neutral, target: calm}
  grim: {title: t, licence: l, valence: negative, target: bad, strong: true}
  gay: {title: t, licence: l, valence: positive, target: good}
operator: {guesses: {g: good, b: bad, c: calm}}
"""
TRIALS = """\
  - kind: trials
    name: films
    clips: all
    each:
      - {kind: wash-out, name: rest, key: space, max_seconds: 9}
      - {kind: clip, name: film}
      - {kind: guess, name: guess, max_seconds: 5}
"""
PENALTY = """\
  - kind: penalty
    name: penalty
    max_seconds: 30
    statements: [s1, s2, s3, s4, s5, s6, s7]
    scale: {points: 5, low: no, high: yes}
    per_page: 2
    per_caught: 3
    cap: 5
"""
Written = Callable[[str], ElicitationProtocol]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """A protocol with these keys behind its head."""

    def write(text: str) -> ElicitationProtocol:
        (tmp_path / "p.yaml").write_text(HEAD + text)
        return read_protocol(tmp_path / "p.yaml").protocol

    return write


def steps(protocol: ElicitationProtocol, **given: Any) -> list[Step]:
    return unroll(protocol, STREAMS, dict.fromkeys(protocol.clips, 10.0), **given)


def shipped(name: str) -> ElicitationProtocol:
    return read_protocol(SHIPPED / f"{name}.yaml").protocol


def test_trials_show_their_blocks_for_every_clip_and_no_name_tells_which(written: Written) -> None:
    found = steps(written(f"{CLIPS}blocks:\n  - {{kind: baseline, name: b, seconds: 1}}\n{TRIALS}"))
    assert [(s.name, s.kind, s.trial, s.clip, s.target) for s in found] == [
        ("b", "baseline", 0, None, ""),
        ("trial01-rest", "wash-out", 1, None, "calm"),
        ("trial01-film", "clip", 1, "calm", "calm"),
        ("trial01-guess", "guess", 1, None, "calm"),
        ("trial02-rest", "wash-out", 2, None, "bad"),
        ("trial02-film", "clip", 2, "grim", "bad"),
        ("trial02-guess", "guess", 2, None, "bad"),
        ("trial03-rest", "wash-out", 3, None, "good"),
        ("trial03-film", "clip", 3, "gay", "good"),
        ("trial03-guess", "guess", 3, None, "good"),
    ]
    assert [step.index for step in found] == list(range(10))
    assert (found[1].keys, found[1].seconds, found[1].max_seconds) == ({"space": "space"}, None, 9.0)
    assert (found[2].max_seconds, found[3].keys) == (15.0, {})


def test_a_penalty_asks_more_the_more_often_the_operator_was_right_and_never_above_its_cap(written: Written) -> None:
    found = steps(written(f"{CLIPS}stakes: {{kind: penalty}}\nblocks:\n{TRIALS}{PENALTY}"))
    pages = [step for step in found if step.kind == "penalty"]
    asked = [sum(len(page.items) for page in pages if caught >= page.least_caught) for caught in range(4)]
    assert asked == [0, 3, 5, 5]
    assert [item.name for page in pages for item in page.items] == [f"penalty-00{n}" for n in range(1, 6)]
    assert {page.store for page in pages} == {()}
    assert len({page.name for page in pages}) == len(pages) == 3


@pytest.mark.parametrize("per_page", [1, 2, 7, 20])
def test_every_question_is_asked_once_whatever_the_page_holds(written: Written, per_page: int) -> None:
    asked = PENALTY.replace("penalty", "questionnaire", 1).replace("    per_caught: 3\n    cap: 5\n", "")
    found = steps(written("blocks:\n" + asked.replace("per_page: 2", f"per_page: {per_page}")))
    assert [item.text for step in found for item in step.items] == [f"s{n}" for n in range(1, 8)]
    assert max(len(step.items) for step in found) == min(per_page, 7)
    assert len({step.name for step in found}) == len(found) == -(-7 // per_page)


def test_a_long_questionnaire_has_breaks_that_are_not_stored(written: Written) -> None:
    asked = PENALTY.replace("penalty", "questionnaire", 1).replace("    per_caught: 3\n    cap: 5\n", "")
    found = steps(written(f"blocks:\n{asked}    break_every: 4\n    break_text: Rest.\n"))
    assert [(s.kind, len(s.items)) for s in found] == [
        ("question", 2), ("question", 2), ("break", 0), ("question", 2), ("question", 1),
    ]  # fmt: skip
    assert (found[2].text, found[2].store, found[2].reason) == ("Rest.", (), "protocol: penalty")


def test_consent_break_and_penalty_are_kept_only_when_the_protocol_says_so(written: Written) -> None:
    text = """\
blocks:
  - kind: consent
    name: c
    text: May we?
    answers: {"y": {value: yes, text: Yes}, n: No}
    declines: [n]
    max_seconds: 9
  - {kind: break, name: b, text: Rest., max_seconds: 9STORE}
  - {kind: marker, name: m}
"""
    consent, rest, marker = steps(written(text.replace("STORE", "")))
    assert (consent.store, rest.store, marker.store) == ((), (), tuple(STREAMS))
    assert (consent.reason, marker.reason) == ("protocol: c", "")
    assert steps(written(text.replace("STORE", ", store: [HS]")))[1].store == ("HS",)
    (item,) = consent.items
    assert [(choice.key, choice.value, choice.label) for choice in item.choices] == [
        ("y", "yes", "Yes"),
        ("n", "No", "No"),
    ]
    assert (item.name, consent.ends_run, consent.text) == ("c", ("No",), "May we?")
    assert marker.seconds is not None
    assert 0 < marker.seconds < 0.2


def test_a_question_of_a_debrief_says_which_answers_take_consent_back(written: Written) -> None:
    text = """blocks:
  - kind: debrief
    name: d
    text: Thank you.
    max_seconds: 9
    questions:
      - kind: choice
        name: again
        text: Still?
        answers: {"y": "Yes", "n": {value: withdrawn, text: "No"}}
        declines: ["n"]
      - {kind: text, name: more, text: Anything else?}
"""
    assert [step.ends_run for step in steps(written(text))] == [(), ("withdrawn",), ()]


@pytest.mark.parametrize(
    ("kind", "declines", "problem"),
    [
        ("self-report", '["n"]', "is not allowed here; only in questions of a debrief"),
        ("debrief, text: Thanks.", "[x]", "x is no answer; one of answers: y, n"),
        ("debrief, text: Thanks.", '["n", "y"]', "names all answers; an answer that goes on must be left"),
    ],
)
def test_what_cannot_take_consent_back_is_told(written: Written, kind: str, declines: str, problem: str) -> None:
    asked = f'{{kind: choice, name: q, text: Still?, answers: {{"y": "Yes", "n": "No"}}, declines: {declines}}}'
    with pytest.raises(ProtocolError, match=problem):
        written(f"blocks:\n  - {{kind: {kind}, name: d, max_seconds: 9, questions: [{asked}]}}\n")


def test_every_language_has_the_same_steps_in_its_own_words() -> None:
    protocol = read_protocol(RTL).protocol
    arabic, english = steps(protocol), steps(protocol, language="en")
    assert arabic == steps(protocol, language="ar")
    assert [step.name for step in arabic] == [step.name for step in english]
    assert arabic[1].text.startswith("سترى")
    assert english[1].text.startswith("You will see")
    felt, said = arabic[2].items[0], english[2].items[0]
    assert (
        [choice.value for choice in felt.choices]
        == [choice.value for choice in said.choices]
        == ["فرح", "حزن", "لا شيء"]
    )
    assert [choice.label for choice in said.choices] == ["happiness", "sadness", "nothing"]
    with pytest.raises(UserError, match="fi is no language of this protocol; one of ar, en"):
        steps(protocol, language="fi")


def test_norwegian_and_answers_that_look_like_truth_values_stay_text(written: Written) -> None:
    protocol = written("""\
languages: [en, no]
blocks:
  - kind: self-report
    name: r
    max_seconds: 9
    questions:
      - kind: choice
        name: q
        text: {en: Yes or no?, no: Ja eller nei?}
        answers: {"y": {en: yes, no: on}, n: {en: no, no: off}}
""")
    (item,) = steps(protocol, language="no")[0].items
    assert (item.text, [(choice.value, choice.label) for choice in item.choices]) == (
        "Ja eller nei?", [("yes", "on"), ("no", "off")],
    )  # fmt: skip


def test_who_withdraws_is_asked_at_the_end_and_nobody_else() -> None:
    *others, last = steps(read_protocol(RTL).protocol, language="en")
    assert not any(step.only_withdrawn for step in others)
    assert (last.only_withdrawn, last.kind, last.text) == (True, "debrief", "You have ended the session.")
    assert [(choice.value, choice.label) for choice in last.items[0].choices] == [
        ("keep", "Keep them"),
        ("delete", "Delete them"),
    ]
    assert last.store == ()


@pytest.mark.parametrize("name", ["smic", "smic-sub", "casme2", "samm"])
def test_who_withdraws_from_a_shipped_protocol_is_asked_once_what_becomes_of_the_recordings(name: str) -> None:
    course = Course(steps(shipped(name), visit=2, chosen={"pre": ["fear1"]}))  # only samm is tailored
    course.next()
    course.withdraw()
    assert [step.name for step in iter(course.next, None)] == ["debrief", "withdrawn"]


def test_a_row_says_the_variant_and_every_variant_meets_every_order() -> None:
    protocol = shipped("casme2")
    number = rows_of(protocol)
    assert number == 22
    met = set()
    for row in range(number):
        found = steps(protocol, row=row)
        told = [step.name for step in found if step.name in ("neutral-face", "suppress")]
        assert told == [{"neutral-throughout": "neutral-face"}.get(variant_of(protocol, row), "suppress")]
        met.add((told[0], *(step.clip for step in found if step.kind == "clip")))
    assert len(met) == 22
    assert len({order[1:] for order in met}) == 11


def test_two_variants_and_four_orders_are_eight_rows(written: Written) -> None:
    clips = CLIPS.replace("clips:\n", "clips:\n  sour: {title: t, licence: l, target: bad}\n")
    protocol = written(f"variants: [a, b]\norder: {{kind: latin-square}}\n{clips}blocks:\n{TRIALS}")
    assert rows_of(protocol) == 8
    met = {(variant_of(protocol, row), *(s.clip for s in steps(protocol, row=row) if s.clip)) for row in range(8)}
    assert len(met) == 8


def test_a_second_visit_shows_the_clips_that_the_first_one_s_answers_chose() -> None:
    protocol = shipped("samm")
    first = steps(protocol, visit=1)
    assert not any(step.kind == "clip" for step in first)
    asked = [item for step in first for item in step.items if item.kind == "scale"]
    assert (len(asked), questionnaires(protocol, 1), questionnaires(protocol, 2)) == (14, [], ["pre"])
    likes_second = {item.name: "6" if item.name.endswith("2") else "2" for item in asked}
    chosen = choose(protocol, likes_second, visit=2)
    shown = [step.clip for step in steps(protocol, visit=2, chosen=chosen) if step.kind == "clip"]
    emotions = ["contempt", "disgust", "fear", "anger", "sadness", "happiness", "surprise"]
    assert sorted(filter(None, shown)) == sorted(f"{emotion}2" for emotion in emotions)
    with pytest.raises(ProtocolError, match="Record the visit that asks pre first"):
        steps(protocol, visit=2)
    with pytest.raises(ProtocolError, match="pre: was not answered on an earlier visit"):
        choose(protocol, {}, visit=2)


def test_what_fits_best_comes_first_and_what_was_skipped_counts_as_nothing() -> None:
    answers = {
        item.name: "1" for step in steps(shipped("samm"), visit=1) for item in step.items if item.kind == "scale"
    }
    answers |= {"pre-fear2": "7", "pre-fear1": "6", "pre-sadness1": "", "pre-sadness2": "1"}
    (chosen,) = choose(shipped("samm"), answers, visit=2).values()
    assert chosen[0] == "fear2"
    assert "sadness2" in chosen
    assert "sadness1" not in chosen
    assert "fear1" not in chosen  # the second of its kind comes after the first of all others


def test_smic_shows_sixteen_films_and_has_a_penalty_of_five_hundred_statements() -> None:
    protocol = shipped("smic")
    for row in range(rows_of(protocol) or 0):
        found = steps(protocol, row=row)
        assert sorted(step.clip for step in found if step.clip) == sorted(protocol.clips)
        assert [step.trial for step in found if step.kind == "guess"] == list(range(1, 17))
    asked = [(step.least_caught, item) for step in found if step.kind == "penalty" for item in step.items]
    assert [sum(least <= caught for least, _ in asked) for caught in (0, 1, 2, 10, 16)] == [0, 50, 100, 500, 500]
    assert len({item.text for _, item in asked}) == 500
    assert not any(clip in step.name for step in found for clip in protocol.clips)


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_protocol_unrolls_to_steps_that_survive_json_and_are_told_apart(path: Path) -> None:
    protocol = read_protocol(path).protocol
    found = steps(protocol)
    assert [Step.from_json(step.to_json()) for step in found] == found
    names = [step.name for step in found]
    items = [item.name for step in found for item in step.items]
    assert (len(set(names)), len(set(items))) == (len(names), len(items))
    assert all(replace(step, items=()).max_seconds > 0 for step in found)
    assert all(bool(step.keys) + bool(step.items) + bool(step.clip) + (step.seconds is not None) == 1
               for step in found if step.kind != "guess")  # fmt: skip


def test_every_text_that_a_participant_reads_is_listed_with_its_line() -> None:
    """Independent truth: the texts of all steps, and the file's own lines."""
    for name in ("smic", "demo", "samm"):
        path = SHIPPED / f"{name}.yaml"
        look = look_at_protocol(path)
        listed = texts_of(look)
        known = {text for _, text in listed} | {"+"}
        protocol = look.require()
        for visit in (1, 2):
            chosen = {"pre": [f"{e}1" for e in ("fear", "happiness", "anger", "surprise")]}
            for step in steps(protocol, visit=visit, chosen=chosen):
                labels = [choice.label for item in step.items for choice in item.choices]
                ends = [end for item in step.items for end in (item.text, item.low, item.high)]
                assert {step.text, *labels, *ends} - {""} <= known
        for where, text in listed:
            file, line = where.rsplit(":", 1)
            assert text.split("\n")[0] in "".join(Path(file).read_text().split("\n")[int(line) - 1 : int(line) + 1])
