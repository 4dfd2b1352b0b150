"""The documents are current, lead where they say, and the lists of dependencies agree."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "tests/README.md", ROOT / "calibration/README.md"]


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_says_what_the_models_say() -> None:
    for path, text in _generator().pages().items():
        assert path.read_text() == text, "old: run python docs/generate.py"


def test_every_key_of_the_models_is_described() -> None:
    generator = _generator()
    for _, model in [*generator.RIG_PARTS, *generator.PROTOCOL_PARTS]:
        assert all(info.description for info in model.model_fields.values()), model


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target


def _canonical(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=;\[ ]", requirement)[0]).lower()


def _wanted() -> set[str]:
    lines = (ROOT / "requirements.in").read_text().splitlines()
    return {_canonical(line) for line in lines if line and not line.startswith("#")}


def test_what_the_package_needs_is_in_the_list_that_the_lock_is_made_from() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {_canonical(requirement) for requirement in project["dependencies"]} <= _wanted()


def test_the_lock_pins_everything_with_hashes_and_holds_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"\n(?=\S)", text.strip())
    assert _wanted() <= {_canonical(entry) for entry in entries}
    assert all(re.match(r"[a-z0-9-]+==\S+ ; sys_platform == 'linux'|[a-z0-9-]+==\S+ ; ", e) for e in entries)
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text
    assert "headless" not in text
