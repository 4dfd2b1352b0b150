"""What holds for every test: nothing is left behind, examples are repeatable, and the real rig is left alone."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from hypothesis import settings

from rig import host
from tests import commands
from tests.leaks import nothing_left_by_a_test, nothing_left_by_fixtures

__all__ = ["nothing_left_by_a_test", "nothing_left_by_fixtures"]

# The same examples every time: a test that fails once must fail again.
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None, max_examples=40)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--hardware", action="store_true", help="run the tests that need the real rig")


def pytest_configure(config: pytest.Config) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it, and so would its commands
    config.addinivalue_line("markers", "hardware: needs the real rig; run with --hardware")
    if not hasattr(config, "workerinput"):  # workers have the one of who leads them
        config.add_cleanup(_with_own_cache())


def _with_own_cache() -> Callable[[], None]:
    """What `rig` keeps of films is kept apart from the user's; other programs find theirs as ever. Gives its end."""
    folder, users = Path(tempfile.mkdtemp(prefix="rig-cache-")), host.cache_folder()
    for path in users.iterdir() if users.is_dir() else ():
        if path.name != "rig":
            (folder / path.name).symlink_to(path)
    os.environ["XDG_CACHE_HOME"] = str(folder)
    return lambda: shutil.rmtree(folder, ignore_errors=True)  # a program may just write there


def pytest_sessionstart(session: pytest.Session) -> None:
    is_only_leading = session.config.getoption("numprocesses", None) and not hasattr(session.config, "workerinput")
    if not is_only_leading:
        commands.warm_up()


def pytest_sessionfinish() -> None:
    commands.cool_down()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None]:
    """What is collected lives to the end: it is not looked through for garbage, then or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--hardware"):
        return
    for item in items:
        if item.get_closest_marker("hardware"):
            item.add_marker(pytest.mark.skip(reason="needs the real rig: pytest --hardware"))
