"""Keys, letters and pointer become answers with their times. Boxes are those of a real page; no picture is drawn."""

from __future__ import annotations

from unicodedata import category

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.elicitation.steps import Step
from rig.stimulus.pages.boxes import BoxKind, named
from rig.stimulus.pages.form import Form
from rig.stimulus.pages.page import Page
from rig.streams import Answer
from tests.stimulus.pages.asked import FEELINGS, SIZES, choice, look, questionnaire, sam, scale, step, words

BEGAN = 1_000
SIZE = SIZES[0]


def _form(asked: Step, **options: bool) -> Form:
    return Form(asked, BEGAN, Page(asked, SIZE, look(SIZE)).boxes, **options)


def _middle(asked: Step, kind: BoxKind, name: str = "", value: str = "") -> tuple[int, int]:
    box = next(named(Page(asked, SIZE, look(SIZE)).boxes, kind, name, value))
    return box.left + box.width // 2, box.top + box.height // 2


def _click(form: Form, place: tuple[int, int], host_ns: int) -> list[Answer]:
    """Move there, press 10 ns later, let go 10 ns later."""
    assert form.mouse(*place, False, host_ns) == []
    answers = form.mouse(*place, True, host_ns + 10)
    assert form.mouse(*place, False, host_ns + 20) == []
    return answers


def test_key_of_a_choice_answers_it_with_its_value() -> None:
    form = _form(step(choice()))
    assert form.key("9", 1_500) == []  # no choice has it
    assert form.key("3", 2_000) == [Answer(7, "felt", "disgust", BEGAN, 2_000, 2_000)]
    assert form.is_complete
    assert form.key("4", 2_100) == []


def test_click_on_a_choice_answers_it_and_its_first_move_is_the_pointers() -> None:
    asked = step(choice())
    form = _form(asked)
    answers = _click(form, _middle(asked, "choice", "felt", "fear"), 5_000)
    assert answers == [Answer(7, "felt", "fear", BEGAN, 5_000, 5_010)]


def test_click_beside_everything_answers_nothing() -> None:
    form = _form(step(choice()))
    assert (_click(form, (2, 2), 5_000), form.is_complete) == ([], False)


def test_scale_takes_digits_and_arrows_until_return() -> None:
    form = _form(step(scale()))
    assert form.key("return", 1_100) == []  # nothing is chosen yet
    assert form.key("6", 1_150) == []  # there are five points
    values = []
    for number, key in enumerate(["5", "right", "left", "left", "2"]):
        assert form.key(key, 1_200 + number) == []
        values.append(form.state[0].value)
    assert values == ["5", "5", "4", "3", "2"]
    assert form.key("return", 1_300) == [Answer(7, "strong", "2", BEGAN, 1_200, 1_300)]


def test_first_arrow_begins_in_the_middle_and_0_is_the_tenth_point() -> None:
    form = _form(step(scale(points=10)))
    form.key("left", 1_100)
    assert form.state[0].value == "5"
    form.key("0", 1_200)
    assert form.state[0].value == "10"


def test_arrows_go_the_way_they_point_on_a_page_read_from_right_to_left() -> None:
    form = _form(step(scale("ar")))
    form.key("3", 1_100)
    form.key("left", 1_200)
    assert form.state[0].value == "4"


@pytest.mark.parametrize(("item", "kind"), [(scale(), "point"), (sam(), "manikin")])
def test_only_item_of_a_page_may_be_corrected_until_its_button_is_clicked(item, kind) -> None:  # type: ignore[no-untyped-def]
    asked = step(item)
    form, button = _form(asked), _middle(asked, "button", "", "confirm")
    assert _click(form, button, 1_500) == []  # there is nothing to confirm
    assert _click(form, _middle(asked, kind, item.name, "2"), 2_000) == []
    assert _click(form, _middle(asked, kind, item.name, "5"), 3_000) == []
    assert _click(form, button, 4_000) == [Answer(7, item.name, "5", BEGAN, 2_000, 4_010)]


def test_value_follows_a_pointer_that_is_dragged_along_the_scale() -> None:
    asked = step(scale(points=100))
    form = _form(asked)
    for value in ("20", "50", "80"):
        form.mouse(*_middle(asked, "point", "strong", value), True, 2_000)
    assert form.state[0].value == "80"


def test_on_a_page_of_several_a_click_answers_any_and_keys_answer_in_order() -> None:
    asked = questionnaire(count=3)
    form = _form(asked)
    assert _click(form, _middle(asked, "point", "q1", "4"), 2_000) == [Answer(7, "q1", "4", BEGAN, 2_000, 2_010)]
    assert form.current is not None
    assert form.current.name == "q0"
    form.key("2", 3_000)
    assert form.key("return", 3_100) == [Answer(7, "q0", "2", BEGAN, 3_000, 3_100)]
    form.key("5", 4_000)  # q2 came to be asked when q0 was answered
    assert form.key("return", 4_100) == [Answer(7, "q2", "5", 3_100, 4_000, 4_100)]
    assert form.is_complete
    assert _click(form, _middle(asked, "point", "q1", "1"), 5_000) == []


def test_pointer_that_crosses_an_item_before_it_is_asked_is_not_its_first_move() -> None:
    asked = questionnaire(count=2)
    form = _form(asked)
    form.mouse(*_middle(asked, "point", "q1", "1"), False, 2_000)
    form.key("1", 3_000)
    form.key("return", 3_100)
    form.key("2", 4_000)
    assert form.key("return", 4_100) == [Answer(7, "q1", "2", 3_100, 4_000, 4_100)]


def test_skipped_differs_from_empty() -> None:
    skipped = _form(step(words())).key("tab", 2_000)
    empty = _form(step(words())).key("return", 2_000)
    assert skipped == [Answer(7, "words", "", BEGAN, 2_000, 2_000, is_skipped=True)]
    assert empty == [Answer(7, "words", "", BEGAN, 2_000, 2_000, is_skipped=False)]


def test_only_what_may_be_left_out_can_be_skipped() -> None:
    asked = step(words(may_skip=False))
    form = _form(asked)
    assert not list(named(Page(asked, SIZE, look(SIZE)).boxes, "button", "", "skip"))
    assert (form.key("tab", 2_000), form.is_complete) == ([], False)


def test_skip_button_skips_and_forgets_what_was_typed() -> None:
    asked = step(words())
    form = _form(asked)
    form.typed("never mind", 2_000)
    answers = _click(form, _middle(asked, "button", "", "skip"), 3_000)
    assert answers == [Answer(7, "words", "", BEGAN, 2_000, 3_010, is_skipped=True)]


TYPED = [
    "Ärger",
    "ß",
    "радость",
    "שלום עולם",
    "مرحبا",
    "😀",
    "👩\u200d👩\u200d👧",
    "e\u0301",
    "   ",
    "1 = 2\u00a0%",
    "=A1",
]


@pytest.mark.parametrize("text", TYPED)
def test_text_is_stored_as_it_was_typed(text: str) -> None:
    form = _form(step(words()))
    for number, letter in enumerate(text):
        form.typed(letter, 2_000 + number)
    assert form.key("return", 3_000) == [Answer(7, "words", text, BEGAN, 2_000, 3_000)]


@pytest.mark.parametrize("sign", ["\t", "\r", "\n", "\x1b", "\x00", "\u202e", "\ud800", "\u2028"])
def test_text_takes_no_sign_that_would_hide_or_turn_it(sign: str) -> None:
    form = _form(step(words()))
    form.typed(f"a{sign}b", 2_000)
    assert form.state[0].value == "ab"


def test_backspace_takes_one_letter_with_its_accent_and_none_of_nothing() -> None:
    form = _form(step(words()))
    form.key("backspace", 2_000)
    form.typed("ne\u0301", 2_100)
    seen = []
    for number in range(3):
        form.key("backspace", 2_200 + number)
        seen.append(form.state[0].value)
    assert seen == ["n", "", ""]


def test_text_takes_10_000_letters_and_no_more_than_it_says() -> None:
    form = _form(step(words(most_letters=10_000)))
    for number in range(10_100):
        form.typed("n", 2_000 + number)
    (answer,) = form.key("return", 20_000)
    assert answer.answer == "n" * 10_000


def test_letter_of_the_key_that_answered_one_item_is_not_typed_into_the_next() -> None:
    form = _form(step(choice(), words()))
    form.key("4", 2_000)
    form.typed("4", 2_000)  # the same press
    form.key("h", 2_500)
    form.typed("h", 2_500)
    assert [filled.value for filled in form.state] == ["fear", "h"]


def test_click_on_a_field_lets_its_text_be_typed_before_its_turn() -> None:
    asked = step(choice(), words())
    form = _form(asked)
    _click(form, _middle(asked, "field", "words"), 2_000)
    form.typed("first", 2_500)
    assert form.key("return", 3_000) == [Answer(7, "words", "first", BEGAN, 2_000, 3_000)]
    assert form.key("1", 4_000) == [Answer(7, "felt", "happiness", BEGAN, 4_000, 4_000)]


def test_button_held_since_the_page_before_is_no_click() -> None:
    asked = step(choice())
    form, place = _form(asked, is_button_down=True), _middle(asked, "choice", "felt", "fear")
    assert form.mouse(*place, True, 2_000) == []
    form.mouse(*place, False, 3_000)
    assert form.mouse(*place, True, 4_000) == [Answer(7, "felt", "fear", BEGAN, 2_000, 4_000)]


MIXED = step(choice(may_skip=True), scale(), sam(), words(most_letters=5), scale(name="again", points=11))
PAGE = Page(MIXED, (1920, 1080), look((1920, 1080)))
ALLOWED = {
    "felt": {*FEELINGS},
    "strong": {str(n) for n in range(1, 6)},
    "valence": {str(n) for n in range(1, 10)},
    "again": {str(n) for n in range(1, 12)},
}
KEYS = st.sampled_from([*"0123456789abz", "left", "right", "up", "return", "tab", "backspace", "space", "escape", ""])
PLACES = st.one_of(
    st.sampled_from([(b.left + b.width // 2, b.top + b.height // 2) for b in PAGE.boxes]),
    st.tuples(st.integers(-5, 2_000), st.integers(-5, 1_200)),
)
DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just("key"), KEYS),
        st.tuples(st.just("typed"), st.text(max_size=4)),
        st.tuples(st.just("mouse"), st.tuples(PLACES, st.booleans())),
    ),
    max_size=60,
)


def _do(form: Form, kind: str, deed: object, host_ns: int) -> list[Answer]:
    if kind == "mouse":
        (x, y), is_down = deed  # type: ignore[misc]
        return form.mouse(x, y, is_down, host_ns)
    return getattr(form, kind)(deed, host_ns) or []


@settings(max_examples=150)
@given(DEEDS)
def test_whatever_is_done_each_item_is_answered_at_most_once_with_what_it_allows(deeds) -> None:  # type: ignore[no-untyped-def]
    form = Form(MIXED, BEGAN, PAGE.boxes)
    answers: list[Answer] = []
    for number, (kind, deed) in enumerate(deeds):
        answers += _do(form, kind, deed, BEGAN + number)
        assert len(form.state) == 5
    names = [answer.question for answer in answers]
    assert len(set(names)) == len(names)
    assert form.is_complete == (len(names) == 5)
    for answer in answers:
        assert BEGAN <= answer.onset_host_ns <= answer.first_key_host_ns <= answer.confirmed_host_ns
        if answer.is_skipped:
            assert (answer.answer, answer.question in ("felt", "words")) == ("", True)
        elif answer.question == "words":
            assert len(answer.answer) <= 5
            assert all(category(letter) not in ("Cc", "Cs") for letter in answer.answer)
        else:
            assert answer.answer in ALLOWED[answer.question]


def test_what_is_chosen_or_typed_and_not_confirmed_is_told_when_the_page_ends() -> None:
    asked = step(scale(), words(), scale(name="more"))
    form = _form(asked)
    form.key("4", 2_500)
    _click(form, _middle(asked, "field", "words"), 3_000)
    form.typed("half a sen", 3_500)
    cut = [
        Answer(7, "strong", "4", BEGAN, 2_500, 9_000, is_confirmed=False),
        Answer(7, "words", "half a sen", BEGAN, 3_000, 9_000, is_confirmed=False),
    ]
    assert form.unconfirmed(9_000) == cut
    form.key("return", 4_000)
    assert form.unconfirmed(9_000) == cut[:1]
