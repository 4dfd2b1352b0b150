"""Whatever is written into a protocol: it is read, or every mistake is told with file and line; and nothing else."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rig.config.yaml import read_document
from rig.elicitation.protocol import read_protocol
from rig.elicitation.unroll import unroll
from rig.errors import ProblemList, ProtocolError, UserError

ROOT = Path(__file__).parents[2]
SOURCES = [ROOT / "protocols/casme2.yaml", ROOT / "protocols/samm.yaml", ROOT / "tests/data/protocols/rtl.yaml"]
TEXTS = [path.read_text() for path in SOURCES]
DATA = [read_document(path, ProtocolError).data for path in SOURCES]
STRANGE = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**6), st.floats(-10, 10), st.text(max_size=5),
    st.sampled_from(["all", "none", "strong", "clip", "trials", "penalty", "y", "en", "fear1", [], {}, ["HS"]]),
    st.lists(st.integers(0, 3), max_size=3), st.dictionaries(st.text(max_size=3), st.integers(0, 3), max_size=2),
)  # fmt: skip
SUBJECT = re.compile(r"[^:\n]+\.yaml(:\d+)?")


def places(data: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [at, *(place for key, value in inner for place in places(value, (*at, key)))]


def read_or_told(path: Path) -> None:
    """Read it and unroll it in every way, or be told what is wrong and where."""
    try:
        protocol = read_protocol(path).protocol
        for language in protocol.languages:
            for visit in (1, 2):
                chosen = {"pre": list(protocol.clips)[:3]}
                unroll(
                    protocol, ["HS"], dict.fromkeys(protocol.clips, 1.0), language=language, visit=visit, chosen=chosen
                )
    except UserError as error:
        problems = error.problems if isinstance(error, ProblemList) else [error]
        assert all(SUBJECT.match(each.subject) or each.subject in ("order", "films", "--visit") for each in problems)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "p.yaml"


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_protocol_with_any_value_anywhere_is_read_or_told(path: Path, data: st.DataObject) -> None:
    document = copy.deepcopy(DATA[data.draw(st.integers(0, len(DATA) - 1))])
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(places(document)[1:]))
        inner = document
        for key in way:
            inner = inner[key]
        if data.draw(st.booleans()):
            inner[last] = data.draw(STRANGE)
        else:
            del inner[last]
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False))
    read_or_told(path)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(TEXTS), st.integers(0, 10**6), st.integers(0, 40), st.text(max_size=12))
def test_a_protocol_with_any_letters_anywhere_is_read_or_told(
    path: Path, text: str, at: int, cut: int, letters: str
) -> None:
    begin = at % len(text)
    path.write_bytes((text[:begin] + letters + text[begin + cut :]).encode("utf-8", "surrogatepass"))
    read_or_told(path)
