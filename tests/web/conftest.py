"""One Chromium for all the tests that a process runs, and one server for each page that none of them changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.web.browser import Address, chromium, serving
from tests.web.sessions import coloured, copied, judged, labelled


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def run_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run file of `coloured`."""
    return coloured(tmp_path_factory.mktemp("coloured"))


@pytest.fixture(scope="session")
def address(run_path: Path) -> Iterator[Address]:
    """The viewer of it, its film beside it."""
    with serving("replay", run_path, cwd=run_path.parents[3]) as (_, [address]):
        yield address


@pytest.fixture(scope="session")
def trouble(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The session `judged`."""
    return judged(tmp_path_factory.mktemp("troubled"))


@pytest.fixture(scope="session")
def trouble_address(trouble: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """The viewer of it, when one coder has labelled it and closed."""
    session = copied(trouble, tmp_path_factory.mktemp("viewed"))
    labelled(session)
    with serving("replay", session, cwd=session) as (_, [address]):
        yield address
