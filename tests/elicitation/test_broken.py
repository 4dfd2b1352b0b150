"""Broken protocols, one for each mistake that somebody could make; each line that is wrong says so itself.

A file of `tests/data/protocols/broken` has `#! key: message` behind every mistake in it. All are told, each with its
file and line, and nothing else is.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from rig.clips.manifest import find_clips
from rig.elicitation.protocol import read_protocol
from rig.errors import ClipError, ProblemList, ProtocolError, UserError

BROKEN = Path(__file__).parents[1] / "data/protocols/broken"
FILES = sorted(BROKEN.glob("*.yaml"))
MARK = " #! "
# Behind the end of a file no comment can stand.
NO_MARK = {"yaml_not_closed.yaml": ["broken/yaml_not_closed.yaml:5: is not YAML"]}


def told(path: Path) -> list[str]:
    with pytest.raises(UserError) as caught:
        find_clips(read_protocol(path))
    problems = caught.value.problems if isinstance(caught.value, ProblemList) else [caught.value]
    assert all(isinstance(problem, ProtocolError | ClipError) for problem in problems)
    return [str(problem).replace(f"{BROKEN}/", "broken/") for problem in problems]


def marked(path: Path) -> list[str]:
    """`file:line: message` for each mark in a file, and in the file of statements that belongs to it."""
    beside = path.parent / "statements" / path.name
    files = [path, beside] if beside.exists() else [path]
    return [
        f"broken/{file.relative_to(BROKEN)}:{number}: {mark.strip()}"
        for file in files
        for number, line in enumerate(file.read_text().split("\n"), start=1)
        for mark in line.split(MARK)[1:]
    ] + NO_MARK.get(path.name, [])


def test_there_are_at_least_forty() -> None:
    assert len(FILES) >= 40
    assert all(marked(path) for path in FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_broken_protocol_is_told_with_file_and_line(path: Path) -> None:
    messages, expected = told(path), marked(path)
    missing = [each for each in expected if not any(message.startswith(each) for message in messages)]
    others = [message for message in messages if not any(message.startswith(each) for each in expected)]
    assert (missing, others) == ([], [])
    assert len(messages) == len(expected)
