"""What several keys of a protocol must be together: names, clips, questions, what is at stake, and the order.

A rule leaves out what is wrong or missing already, so that one mistake hides no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rig.config.model import Look
from rig.config.yaml import Place
from rig.elicitation.film_rules import check_clips, check_order, check_tailored
from rig.elicitation.places import block_places, indices, kinds, languages, question_places, words
from rig.elicitation.texts import check_texts, every_text
from rig.elicitation.words import GOES_ON, WITHDRAWAL_KEYS

_ONCE = "every block and question needs a name of its own"
# Of trials, of pages and breaks of a questionnaire, and of what is asked after a withdrawal.
_GIVEN = re.compile(r"trial\d+-.*|.*-(page|break)\d+|.*-\d{3,}|withdrawn(-recordings)?")
_OTHER = "another one than trial1-..., ...-page1, ...-break1, ...-001 or withdrawn"
_ONE_OF_THREE = "one of questions, statements and statements_file"
_WAITING = ("instruction", "debrief", "break")  # blocks.Waiting
_TYPED = ("scale", "sam", "text")  # questions that are answered by many keys


def check_rules(look: Look[Any]) -> None:
    """Note everything that does not fit together."""
    check_texts(look, languages(look))
    _check_lists(look)
    _check_names(look)
    check_clips(look)
    for place, kind in kinds(look):
        _check_block(look, place, kind)
    _check_values(look)
    _check_withdrawal(look)
    _check_stakes(look)
    _check_guesses(look)
    _check_visits(look)
    _check_window(look)
    check_tailored(look)
    check_order(look)


def _check_lists(look: Look[Any]) -> None:
    """What is listed, is listed once; and a variant that a block is for is one of them."""
    for key in ("languages", "variants"):
        seen: set[str] = set()
        for index, name in words(look, key):
            if name in seen:
                look.note((key, index), "is there twice", value=name, allowed="each once")
            seen.add(name)
    variants = None if look.get(list, "variants") is None else [name for _, name in words(look, "variants")]
    for place in block_places(look):
        variant = look.get(str, *place, "variant")
        if variants is not None and variant is not None and variant not in variants:
            allowed = f"one of variants: {', '.join(variants) or 'none given'}"
            look.note((*place, "variant"), "is no variant of this protocol", value=variant, allowed=allowed)


def _check_names(look: Look[Any]) -> None:
    """Every step and every answer is told from every other by its name."""
    seen: set[str] = set()
    for place, name in _names(look):
        if _GIVEN.fullmatch(name):
            look.note(place, "is a name that the program gives", value=name, allowed=_OTHER)
        if name in seen:
            look.note(place, "is used twice", value=name, allowed=_ONCE)
        seen.add(name)


def _names(look: Look[Any]) -> Iterator[tuple[Place, str]]:
    """Where the name of each block and question is written, and what it is; a question's begins with its block's."""
    for place in block_places(look):
        block = look.get(str, *place, "name")
        if block is not None:
            yield (*place, "name"), block
        for inner in question_places(look, place):
            question = look.get(str, *inner, "name")
            if block is not None and question is not None:
                yield (*inner, "name"), f"{block}-{question}"


def _check_block(look: Look[Any], place: Place, kind: str) -> None:
    match kind:
        case "wash-out":
            _check_wash_out(look, place)
        case "questionnaire" | "penalty":
            _check_asking(look, place)
        case "consent":
            _check_consent(look, place)
    for inner in question_places(look, place):
        if kind == "debrief":
            _check_consent(look, inner)
        elif _is_given(look, *inner, "declines"):
            look.note((*inner, "declines"), "is not allowed here", allowed="only in questions of a debrief")


def _check_wash_out(look: Look[Any], place: Place) -> None:
    has = {key: _is_given(look, *place, key) for key in ("seconds", "key", "max_seconds")}
    if has not in ({"seconds": True, "key": False, "max_seconds": False}, dict(has, seconds=False, key=True)):
        look.note(place, "has no clear end", allowed="seconds, or key and max_seconds instead of it")
    elif has["key"] and not has["max_seconds"]:
        look.note((*place, "max_seconds"), "is missing", allowed="the longest wait for the key, in seconds")


def _is_given(look: Look[Any], *place: str | int) -> bool:
    """Whether a key is written, right or wrong."""
    return place in look.document.lines and (place in look.unsound or look.get(object, *place) is not None)


def _check_asking(look: Look[Any], place: Place) -> None:
    given = [key for key in ("questions", "statements", "statements_file") if _is_given(look, *place, key)]
    if len(given) != 1:
        problem = f"has {' and '.join(given)}" if given else "asks nothing"
        look.note(place, problem, allowed=_ONE_OF_THREE)
    has_scale = _is_given(look, *place, "scale")
    if given and has_scale == ("questions" in given):
        allowed = "only with statements" if has_scale else "the scale of all statements"
        look.note((*place, "scale"), "is not allowed here" if has_scale else "is missing", allowed=allowed)
    if _is_given(look, *place, "break_every") != _is_given(look, *place, "break_text"):
        look.note(place, "has half a break", allowed="break_every and break_text, or neither")


def _check_consent(look: Look[Any], place: Place) -> None:
    answers, declines = look.names(*place, "answers"), words(look, *place, "declines")
    for index, key in declines:
        if answers and key not in answers:
            allowed = f"one of answers: {', '.join(answers)}"
            look.note((*place, "declines", index), "is no answer", value=key, allowed=allowed)
    if answers and set(answers) <= {key for _, key in declines}:
        look.note((*place, "declines"), "names all answers", allowed="an answer that goes on must be left")


def _check_values(look: Look[Any]) -> None:
    """No two answers of a question are stored as the same."""
    for place in _answer_places(look):
        seen: set[str] = set()
        for key in look.names(*place):
            value = _value(look, (*place, key))
            if value is not None and value in seen:
                look.note((*place, key), "is stored for two answers", value=value, allowed="a value for each answer")
            seen |= {value} if value is not None else set()


def _answer_places(look: Look[Any]) -> Iterator[Place]:
    yield ("operator", "guesses")
    for place in block_places(look):
        yield (*place, "answers")
        yield from ((*inner, "answers") for inner in question_places(look, place))


def _value(look: Look[Any], place: Place) -> str | None:
    """What is stored of an answer."""
    default = next(iter(languages(look)), "")
    for where in (place, (*place, "value"), (*place, default)):
        if (value := look.get(str, *where)) is not None:
            return value
    return None


def _check_withdrawal(look: Look[Any]) -> None:
    """Its key means nothing else, and what is asked then is written."""
    key = look.get(str, "withdrawal", "key")
    for place, meant in _keys_meant(look):
        if key is not None and meant == key:
            look.note(place, "is the key of withdrawal", value=str(key), allowed="another key")
    for place, meant in _keys_given(look):
        if key is not None and meant == key:
            allowed = "another key of withdrawal"
            look.note(
                place, "is pressed here, written or not, and is the key of withdrawal", value=str(key), allowed=allowed
            )
    if key not in (None, "escape") and any(look.get(str, *place, "kind") in _TYPED for place in _questions(look)):
        allowed = "escape in a protocol with questions of the kinds scale, sam or text, whose answers take many keys"
        look.note(("withdrawal", "key"), "is not allowed", value=str(key), allowed=allowed)
    for needed in ("question", "keep", "delete"):
        if look.get(bool, "withdrawal", "ask") and not _is_given(look, "withdrawal", needed):
            look.note(("withdrawal", needed), "is missing", allowed="a text, as withdrawal.ask is true")


def _questions(look: Look[Any]) -> Iterator[Place]:
    return (inner for place in block_places(look) for inner in question_places(look, place))


def _keys_meant(look: Look[Any]) -> Iterator[tuple[Place, str | None]]:
    """Where keys are written that do something else, and which they are."""
    yield from (((*place, "key"), look.get(str, *place, "key")) for place in block_places(look))
    for place in _answer_places(look):
        yield from (((*place, key), key) for key in look.names(*place) if place[0] == "blocks")


def _keys_given(look: Look[Any]) -> Iterator[tuple[Place, str]]:
    """What is ended or answered by a key that stands nowhere in the file, and which."""
    for place, kind in kinds(look):
        if kind in _WAITING and not _is_given(look, *place, "key"):
            yield (*place, "key"), GOES_ON
        if _is_given(look, *place, "break_text"):
            yield (*place, "break_text"), GOES_ON
    if look.get(bool, "withdrawal", "ask"):
        yield from ((("withdrawal", answer), key) for answer, key in WITHDRAWAL_KEYS.items())
    elif _is_given(look, "withdrawal", "text"):
        yield ("withdrawal", "text"), GOES_ON


def _check_stakes(look: Look[Any]) -> None:
    """What is at stake is there, and nothing else is told to be."""
    stakes = look.get(str, "stakes", "kind")
    penalties = [place for place, kind in kinds(look) if kind == "penalty"]
    if stakes == "penalty" and not penalties:
        look.note(
            ("stakes", "kind"), "is not possible", value="penalty", allowed="only with a block of the kind penalty"
        )
    for place in penalties if stakes not in ("penalty", None) else []:
        look.note((*place, "kind"), "is not possible", value="penalty", allowed="only with stakes.kind penalty")
    for key in ("start", "each", "unit"):
        if stakes == "pay" and not _is_given(look, "stakes", key):
            look.note(("stakes", key), "is missing", allowed="start, each and unit, as stakes.kind is pay")
    for place, _, text in every_text(look):
        if "{pay}" in text and stakes not in ("pay", None):
            look.note(place, "speaks of {pay}", allowed="only with stakes.kind pay")
    for place in penalties:
        check_cap(look, place, sum(len(look.get(list, *place, key) or []) for key in ("questions", "statements")))


def check_cap(look: Look[Any], place: Place, asked: int) -> None:
    """A penalty asks no more than it has questions; `asked`: how many, 0 when it is not known."""
    cap = look.get(int, *place, "cap")
    if cap is not None and asked and cap > asked:
        look.note((*place, "cap"), "is not allowed", value=str(cap), allowed=f"at most the {asked} questions here")


def _check_guesses(look: Look[Any]) -> None:
    """There is something to guess, and the right guess is among what can be guessed."""
    guesses = [look.get(str, "operator", "guesses", key) for key in look.names("operator", "guesses")]
    guess = next((place for place, kind in kinds(look) if kind == "guess"), None)
    has_stakes = look.get(str, "stakes", "kind") in ("penalty", "pay")
    has_none = not guesses and not look.unsound & {("operator",), ("operator", "guesses")}
    if has_none and (guess or has_stakes):
        why = "a block of the kind guess" if guess else "stakes"
        look.note(("operator", "guesses"), "is missing", allowed=f"key: target, as there is {why}")
    elif has_none:
        for place, _, text in every_text(look):
            if "{caught}" in text:
                look.note(place, "speaks of {caught}", allowed="only with operator.guesses")
    for name in look.names("clips"):
        target = look.get(str, "clips", name, "target")
        if target is not None and guesses and None not in guesses and target not in guesses:
            allowed = f"one of operator.guesses: {', '.join(map(str, guesses))}"
            look.note(("clips", name, "target"), "cannot be guessed", value=target, allowed=allowed)


def _check_window(look: Look[Any]) -> None:
    """Without a window nothing is shown, and nobody is asked anything."""
    if look.get(bool, "window") is not False:
        return
    for place, kind in kinds(look):
        if kind not in ("baseline", "wash-out", "marker"):
            allowed = "baseline, wash-out and marker, as window is false"
            look.note((*place, "kind"), "is not possible", value=kind, allowed=allowed)
        for key in ("text", "key"):
            if _is_given(look, *place, key):
                look.note((*place, key), "is not possible", allowed="none, as window is false")


def _check_visits(look: Look[Any]) -> None:
    """Every visit up to the last has something to show."""
    places = [("blocks", index) for index in indices(look, "blocks")]
    visits = [look.get(int, *place, "visit") for place in places]
    for visit in range(1, max((each or 1 for each in visits), default=1)):
        if None not in visits and visit not in visits:
            allowed = f"a block for each visit up to {max(each or 1 for each in visits)}"
            look.note(("blocks",), "shows nothing", value=f"visit {visit}", allowed=allowed)
