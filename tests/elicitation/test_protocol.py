"""Protocols against their model: mistakes in blocks, questions, clips and what is stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.elicitation.protocol import look_at_protocol, read_protocol, store_problems
from rig.elicitation.unroll import unroll
from rig.errors import ProblemList, ProtocolError, UserError

FOLDER = Path(__file__).parents[2] / "protocols"
DEMO = (FOLDER / "demo.yaml").read_text().partition("\n")[2]  # without the line for editors
STREAMS = ["HS", "VIS", "NIR"]


def told(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_protocol(path)
    problems = caught.value.problems if isinstance(caught.value, ProblemList) else [caught.value]
    assert all(isinstance(problem, ProtocolError) for problem in problems)
    return [str(problem).replace(f"{tmp_path}/", "") for problem in problems]


def changed(old: str, new: str) -> str:
    assert old in DEMO
    return DEMO.replace(old, new, 1)


KINDS = (
    "one of consent, instruction, questionnaire, baseline, clip, self-report, wash-out, penalty, debrief, "
    "break, marker, trials"
)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kind: clip", "kind: klip", f"p.yaml:31: blocks.2.kind: 'klip' is not allowed; {KINDS}"),
        ("kind: clip", "kind: 5", f"p.yaml:31: blocks.2.kind: 5 is not allowed; {KINDS}"),
        ("kind: clip", "kind:", f"p.yaml:31: blocks.2.kind: nothing is not allowed; {KINDS}"),
        ("kind: clip\n    ", "", f"p.yaml:31: blocks.2.kind: is missing; {KINDS}"),
        (
            "  - kind: baseline",
            "  - x\n  - kind: baseline",
            "p.yaml:28: blocks.1: 'x' is not allowed; keys and values, with ",
        ),
        (
            "seconds: 3",
            "seconds: 3\n    sekonds: 4",
            "p.yaml:31: blocks.1.sekonds: is an unknown key; the keys here are name, visit, variant, store, kind, "
            "text, seconds. Did you mean seconds?",
        ),
        (
            "seconds: 3",
            "seconds: 0",
            "p.yaml:30: blocks.1.seconds: 0 is not allowed; a length in seconds, above 0, at most",
        ),
        ("seconds: 3", "seconds: '3'", "p.yaml:30: blocks.1.seconds: '3' is not allowed; a length in seconds, above 0"),
        (
            "seconds: 3",
            "seconds: true",
            "p.yaml:30: blocks.1.seconds: true is not allowed; a length in seconds, above 0",
        ),
        ("seconds: 3", "seconds: .nan", "p.yaml:30: blocks.1.seconds: .nan is not allowed; a finite number"),
        ("    seconds: 3\n", "", "p.yaml:28: blocks.1.seconds: is missing; a length in seconds, above 0, at most 7200"),
        ("    max_seconds: 12\n", "", "p.yaml:17: blocks.0.max_seconds: is missing; a length in seconds"),
        ("    max_seconds: 8\n", "", "p.yaml:34: blocks.3.max_seconds: is missing; a length in seconds"),
        (
            "clip: bunny",
            "clip: buny",
            "p.yaml:33: blocks.2.clip: buny is no clip of this protocol; one of clips: bunny, bikes",
        ),
        (
            "name: clip2",
            "name: clip1",
            "p.yaml:44: blocks.4.name: clip1 is used twice; every block and question needs a name",
        ),
        ("name: clip2", "name: NO way", "p.yaml:44: blocks.4.name: 'NO way' is not allowed; a name of letters, digits"),
        (
            '"1": positive',
            "1: positive",
            "p.yaml:41: blocks.3.questions.0.answers: the key 1 is not allowed; keys are text: ",
        ),
        (
            '"1": positive',
            '"11": x',
            "p.yaml:41: blocks.3.questions.0.answers.11: '11' is not allowed; a key of the keyboard",
        ),
        (
            '"1": positive',
            '"1": 5',
            "p.yaml:41: blocks.3.questions.0.answers.1: 5 is not allowed; two or more answers, key: ",
        ),
        (
            "max_seconds: 12",
            "max_seconds: 12\n    key: F1",
            "p.yaml:28: blocks.0.key: 'F1' is not allowed; the key that goes on",
        ),
        (
            "seconds: 3",
            "seconds: 3\n    store: some",
            "p.yaml:31: blocks.1.store: 'some' is not allowed; all, none, or a list",
        ),
        (
            "seconds: 3",
            "seconds: 3\n    store: [HS, 5]",
            "p.yaml:31: blocks.1.store: a list is not allowed; all, none, or",
        ),
        (
            "seconds: 3",
            "seconds: 3\n    store: []",
            "p.yaml:31: blocks.1.store: names no stream; to keep none write none",
        ),
        ("seconds: 3", "seconds: 3\n    store: [HS, HS]", "p.yaml:31: blocks.1.store: names a stream twice"),
        ("sha256: f25b", "sha256: F25B", "p.yaml:8: clips.bunny.sha256: 'F25B"),
        (
            "  bunny:",
            "  bun ny:",
            "p.yaml:6: clips.bun ny: 'bun ny' is not allowed; a name of letters, digits, - and _",
        ),
        ("blocks:\n", "blocks: []\nx:\n", "p.yaml:16: blocks: an empty list is not allowed; a list of blocks"),
        ("schema: 1", "schema: 1.0", "p.yaml:2: schema: 1.0 is not allowed; 1, the version of this file's layout"),
    ],
)
def test_a_mistake_is_told_in_words_that_help(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert told(tmp_path, changed(old, new))[0].startswith(message)


def test_all_mistakes_are_told_at_once_in_the_file_s_order(tmp_path: Path) -> None:
    text = (
        DEMO.replace("kind: clip", "kind: klip").replace("seconds: 3", "seconds: 0").replace("title: Bikes", "titel: x")
    )
    assert [m.split(":")[1] for m in told(tmp_path, text)] == ["14", "30", "31", "43"]


UNKNOWN = (
    "is an unknown key; the keys here are title, edition, file, sha256, in_s, out_s, valence, target, strong, norms, "
    "fits, licence. Did you mean title?"
)


def test_a_mistake_in_one_block_hides_none_between_blocks(tmp_path: Path) -> None:
    text = (
        changed("kind: baseline", "kind: baselin")
        .replace("name: clip2", "name: neutral")
        .replace("clip: bikes", "clip: b")
    )
    text = text.replace("title: Big", "titel: Big").replace("name: strength", "name: felt")
    assert [m.split(": ", 2)[1:] for m in told(tmp_path, text)] == [
        ["clips.bunny.titel", UNKNOWN],
        ["blocks.1.kind", f"'baselin' is not allowed; {KINDS}. There may be more to mend behind it"],
        ["blocks.3.questions.1.name", "report1-felt is used twice; every block and question needs a name of its own"],
        ["blocks.4.name", "neutral is used twice; every block and question needs a name of its own"],
        ["blocks.4.clip", "b is no clip of this protocol; one of clips: bunny, bikes"],
        ["blocks.5.questions.1.name", "report2-felt is used twice; every block and question needs a name of its own"],
    ]


def test_a_wrong_key_hides_no_missing_answer(tmp_path: Path) -> None:
    text = changed('{"1": positive, "2": negative, "3": surprise, "4": nothing}', '{"11": x}')
    wrong, too_few = told(tmp_path, text)
    assert too_few.startswith("p.yaml:41: blocks.3.questions.0.answers: a group of keys is not allowed; two or more")
    assert wrong.startswith("p.yaml:41: blocks.3.questions.0.answers.11: '11' is not allowed")


def test_a_stream_that_the_rig_does_not_have_is_named(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(changed("seconds: 3", "seconds: 3\n    store: [HS, UV]"))
    (problem,) = store_problems(look_at_protocol(path), STREAMS)
    assert str(problem) == f"{path}:31: blocks.1.store: UV is no stream of this rig; HS, VIS, NIR"


def test_the_demo_unrolls_to_the_steps_that_a_participant_meets() -> None:
    steps = unroll(read_protocol(FOLDER / "demo.yaml").protocol, STREAMS, {"bunny": 5.0, "bikes": 10.0})
    assert [(step.index, step.kind, step.name) for step in steps] == [
        (0, "instruction", "hide-your-feelings"),
        (1, "baseline", "neutral"),
        (2, "clip", "clip1"),
        (3, "question", "report1-felt"),
        (4, "question", "report1-strength"),
        (5, "clip", "clip2"),
        (6, "question", "report2-felt"),
        (7, "question", "report2-strength"),
    ]
    assert steps[2].clip == "bunny"
    (felt,), (strength,) = steps[3].items, steps[4].items
    assert [(c.key, c.value, c.label) for c in felt.choices] == [
        ("1", "positive", "positive"), ("2", "negative", "negative"),
        ("3", "surprise", "surprise"), ("4", "nothing", "nothing"),
    ]  # fmt: skip
    assert (strength.kind, strength.points, strength.low, strength.high) == ("scale", 5, "not at all", "very strong")
    assert {step.store for step in steps} == {("HS", "VIS", "NIR")}


@pytest.mark.parametrize(
    ("store", "kept", "reason"),
    [
        ("all", ("HS", "VIS", "NIR"), ""),
        ("none", (), "protocol: neutral"),
        ("[NIR, HS]", ("NIR", "HS"), "protocol: neutral"),
    ],
)
def test_a_block_that_keeps_less_says_why(store: str, kept: tuple[str, ...], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(changed("seconds: 3", f"seconds: 3\n    store: {store}"))
    step = unroll(read_protocol(path).protocol, STREAMS, {"bunny": 5.0, "bikes": 10.0})[1]
    assert (step.store, step.reason) == (kept, reason)
