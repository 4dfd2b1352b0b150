"""Files as people write them: what is read, and how every mistake is told, with its line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.config.yaml import MAX_BYTES, MAX_PROBLEMS, Document, read_document
from rig.errors import ConfigError, ProblemList, UserError

ROOT = Path(__file__).parents[2]
SHIPPED = [ROOT / "calibration/demo/rig.yaml", ROOT / "protocols/demo.yaml", ROOT / "protocols/no-film.yaml"]


def read(tmp_path: Path, content: str | bytes) -> Document:
    path = tmp_path / "rig.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_document(path, ConfigError)


def told(tmp_path: Path, content: str | bytes) -> list[str]:
    """The messages about a file that is not allowed, without the folder."""
    with pytest.raises(UserError) as caught:
        read(tmp_path, content)
    problems = caught.value.problems if isinstance(caught.value, ProblemList) else [caught.value]
    return [str(problem).replace(f"{tmp_path}/", "") for problem in problems]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("5", 5),
        ("-5", -5),
        ("+100", 100),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e2", 100.0),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("'25'", "25"),
        ('"true"', "true"),
        ("NO", "NO"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("True", "True"),
        ("007", "007"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("1:30", "1:30"),
        ("2026-01-02", "2026-01-02"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("１００", "１００"),
        ("123456789012345678", 123456789012345678),
        ("|\n  two\n  lines\n", "two\nlines\n"),
        ("[1, a, true]", [1, "a", True]),
        ("{b: 1}", {"b": 1}),
    ],
)
def test_a_plain_value_means_what_it_looks_like(written: str, meant: Any, tmp_path: Path) -> None:
    data = read(tmp_path, f"a: {written}").data
    assert data == {"a": meant}
    assert type(data["a"]) is type(meant)


def test_minus_zero_is_zero(tmp_path: Path) -> None:
    assert str(read(tmp_path, "a: -0.0").data["a"]) == "0.0"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: 1\nb: .nan", "rig.yaml:2: b: .nan is not allowed; a finite number"),
        ("a: -.INF", "rig.yaml:1: a: -.INF is not allowed; a finite number"),
        ("a: 1e400", "rig.yaml:1: a: 1e400 is not allowed; a finite number"),
        (f"a: {'9' * 19}", f"rig.yaml:1: a: {'9' * 19} is not allowed; a number of at most 18 digits"),
        (f"a: {'9' * 9999}", f"rig.yaml:1: a: {'9' * 40} is not allowed; a number of at most 18 digits"),
        ("a: 1\na: 2", "rig.yaml:2: a: a second one is not allowed; every key once; the first is on line 1"),
        ("b:\n  5: x", 'rig.yaml:2: b: the key 5 is not allowed; keys are text: write "5"'),
        ("true: x", 'rig.yaml:1: the key true is not allowed; keys are text: write "true"'),
        (": x", 'rig.yaml:1: an empty key is not allowed; keys are text: write ""'),
        ("[a, b]: x", "rig.yaml:1: a key that is not text is not allowed; a word"),
        (
            "a: !!python/object/apply:os.system [x]",
            "rig.yaml:1: a: the tag tag:yaml.org,2002:python/object/apply:os.system ",
        ),
        ("a: !!str 5", "rig.yaml:1: a: the tag tag:yaml.org,2002:str is not allowed; plain values without a tag"),
        ("a: ! 5", "rig.yaml:1: a: the tag ! is not allowed; plain values without a tag"),
        ("a: &x 1", "rig.yaml:1: a: an anchor or alias is not allowed; every value written out"),
        ("&x a: 1", "rig.yaml:1: an anchor or tag at the key 'a' is not allowed; plain keys"),
        ("a: 1\n---\nb: 2", "rig.yaml:2: a second document is not allowed; one document a file"),
        (
            "a:\n\tb: 1",
            "rig.yaml:2: is not YAML: found character '\\t' that cannot start any token. Indent with spaces",
        ),
        ("a: 1\n b: 2", "rig.yaml:2: is not YAML: mapping values are not allowed here. Compare its indentation"),
        ("a: 1\nb: x\0y", "rig.yaml:2: is not YAML: unacceptable character #x0000"),
        ("a: 1\nb: ä".encode("latin1"), "rig.yaml:2: is not UTF-8. Save the file as UTF-8"),
        ("a: 1".encode("utf-16"), "rig.yaml:1: is not UTF-8. Save the file as UTF-8"),
        ("", "rig.yaml: is empty"),
        ("# nothing but this\n", "rig.yaml: is empty"),
        ("---\n", "rig.yaml: is empty"),
        ("a: " + "[" * 5000, "rig.yaml:1: a.0.0: nesting this deep is not allowed; at most 20 levels"),
        ("a: " + "{a: " * 5000, "rig.yaml:1: a.a.a: nesting this deep is not allowed; at most 20 levels"),
        ("? " * 9000, "rig.yaml:1: ?.?.?: nesting this deep is not allowed; at most 20 levels"),
        ('"\\e[31m": 1', "rig.yaml:1: the key '\\x1b[31m' is not allowed; keys without control characters"),
        ('a: "\\e[31m"', "rig.yaml:1: a: '\\x1b[31m' is not allowed; text without control characters"),
        ('a: "\\ud800"', "rig.yaml:1: a: '\\ud800' is not allowed; text without control characters"),
        (b"a: 1\n" * (MAX_BYTES // 5 + 1), "rig.yaml: is too large; at most 256 KiB"),
    ],
    ids=range(31),
)
def test_what_is_not_allowed_is_told_with_its_line(content: str | bytes, message: str, tmp_path: Path) -> None:
    first = told(tmp_path, content)[0]
    assert first.startswith(message)
    assert first.isprintable()


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    content = "a: .nan\nb: !x 1\na: 2\n5: x\nc: [1, *b]\n"
    assert [message.split(":")[1] for message in told(tmp_path, content)] == ["1", "2", "3", "4", "5"]


def test_a_file_full_of_mistakes_is_not_listed_to_its_end(tmp_path: Path) -> None:
    assert len(told(tmp_path, "- .nan\n" * 30_000)) == MAX_PROBLEMS


def test_aliases_that_would_grow_without_end_are_refused_unexpanded(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))
    assert "an anchor or alias is not allowed" in told(tmp_path, bomb)[0]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_lines_are_counted_alike_whatever_the_editor(end: str, mark: bytes, tmp_path: Path) -> None:
    content = mark + end.join(["# ä", "a: 1", "b:", "  - x", "  - c: 2", "    d: 3"]).encode()
    document = read(tmp_path, content)
    assert document.data == {"a": 1, "b": ["x", {"c": 2, "d": 3}]}
    assert [document.line(p) for p in [("a",), ("b",), ("b", 0), ("b", 1, "d"), ("b", 1, "new")]] == [2, 3, 4, 6, 5]


def test_a_folder_a_pipe_and_nothing_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, message in [("", "is not a file"), ("pipe", "is not a file"), ("none", "does not exist")]:
        with pytest.raises(ConfigError, match=message):
            read_document(tmp_path / name, ConfigError)


def test_a_name_too_long_or_not_allowed_is_told(tmp_path: Path) -> None:
    for name in ["x" * 5000, "a\0b"]:
        with pytest.raises(ConfigError, match="cannot be read"):
            read_document(tmp_path / name, ConfigError)


def only_user_errors(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        read_document(path, ConfigError)
    except UserError as exc:
        str(exc).encode()


@given(
    content=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda t: t.encode("utf-8", "surrogatepass")))
)
def test_any_bytes_are_read_or_told_about(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    only_user_errors(tmp_path_factory.getbasetemp() / "any.yaml", content)


@given(
    parts=st.lists(
        st.sampled_from([*list("ab1-:?!&*|>%@`'\"{}[],#\t \n\\"), "- ", ": ", "\n  ", "---\n", "\\ud800"]), max_size=60
    )
)
def test_any_mixture_of_yaml_signs_is_read_or_told_about(
    parts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    only_user_errors(tmp_path_factory.getbasetemp() / "signs.yaml", "".join(parts).encode())


@given(data=st.data())
def test_a_shipped_file_with_a_part_replaced_is_read_or_told_about(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = data.draw(st.sampled_from(SHIPPED)).read_text()[:1500]
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    middle = data.draw(st.text(st.sampled_from("ab10.:-\n \t[]{}&*!'\"#?|"), max_size=8))
    only_user_errors(tmp_path_factory.getbasetemp() / "part.yaml", (text[:start] + middle + text[end:]).encode())
