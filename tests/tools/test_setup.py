"""tools/setup does what is missing and nothing else, whatever state an earlier set-up left behind."""

from __future__ import annotations

import os
import shutil
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, for a checkout in a folder of its own; commands are noted, not run."""
    loader = SourceFileLoader("setup_script", str(ROOT / "tools/setup"))
    spec = spec_from_loader("setup_script", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    for name in ["requirements.lock", "pyproject.toml", "setup.py"]:
        shutil.copy(ROOT / name, tmp_path)
    paths = {"ROOT": tmp_path, "VENV": tmp_path / ".venv", "LOCK": tmp_path / "requirements.lock"}
    for name, path in {**paths, "STAMP": tmp_path / ".venv/set-up-from"}.items():
        monkeypatch.setattr(module, name, path)
    module.ran = []  # type: ignore[attr-defined]

    def run(command: list[str], *, check: bool = True) -> int:
        module.ran.append(command)  # type: ignore[attr-defined]
        module.VENV.mkdir(exist_ok=True)
        return 0

    monkeypatch.setattr(module, "run", run)
    return module


def ran(setup: ModuleType) -> list[str]:
    """What was done since the last look: venv, build tools, lock, project."""
    words = {"venv": "venv", "--no-deps": "project"}
    done = [next((words[w] for w in command if w in words), Path(command[-1]).name) for command in setup.ran]
    setup.ran.clear()
    return ["tools" if word.startswith("tmp") else word for word in done]


ANEW = ["venv", "tools", "requirements.lock", "project"]


def test_an_environment_is_made_once_and_then_left_alone(setup: ModuleType) -> None:
    setup.make_environment()
    assert ran(setup) == ANEW
    setup.make_environment()
    assert ran(setup) == []


def test_an_interrupted_set_up_begins_anew(setup: ModuleType) -> None:
    (setup.VENV / "bin").mkdir(parents=True)
    (setup.VENV / "half").touch()
    setup.make_environment()
    assert ran(setup) == ANEW
    assert not (setup.VENV / "half").exists()


def test_a_new_lock_begins_anew_and_a_new_project_file_installs_only_the_project(setup: ModuleType) -> None:
    setup.make_environment()
    ran(setup)
    (setup.ROOT / "pyproject.toml").write_text("# changed")
    setup.make_environment()
    assert ran(setup) == ["project"]
    setup.LOCK.write_text(setup.LOCK.read_text() + "# changed")
    setup.make_environment()
    assert ran(setup) == ANEW


def test_a_failing_install_leaves_no_stamp(setup: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    setup.make_environment()
    (setup.ROOT / "pyproject.toml").write_text("# changed")

    def fail(*arguments: str) -> None:
        raise SystemExit(1)

    monkeypatch.setattr(setup, "pip", fail)
    with pytest.raises(SystemExit):
        setup.make_environment()
    assert not setup.STAMP.exists()


def test_setuptools_is_installed_first_and_from_the_lock(setup: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[str] = []
    monkeypatch.setattr(setup, "pip", lambda *arguments: installed.append(Path(arguments[-1]).read_text()))
    setup.make_from_lock()
    lines = installed[0].splitlines()
    assert lines[0].startswith("setuptools==")
    assert all(line.strip().startswith(("--hash=sha256:", "# via")) for line in lines[1:])
    assert "--hash=sha256:" in installed[0]


@pytest.fixture
def dpkg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Debian on which only xvfb is installed, libglib under its newer name, and libfontconfig1 half removed."""
    states = "xvfb) echo installed;; libglib2.0-0t64) echo installed;; libfontconfig1) echo config-files;; *) exit 1;;"
    fake = tmp_path / "bin/dpkg-query"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\ncase "$4" in {states} esac\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")


@pytest.mark.usefixtures("dpkg")
def test_exactly_the_missing_packages_are_found(setup: ModuleType) -> None:
    assert setup.missing_packages(setup.APT["demo"]) == ["libglu1-mesa", "libfontconfig1", "libfribidi0"]
    compilers = ["gcc", "libc6-dev", "gcc-avr", "avr-libc", "libsimavr-dev"]
    missing = ["libglu1-mesa", "libfontconfig1", "libfribidi0", "hdf5-tools", "chromium", "poppler-utils", *compilers]
    assert setup.missing_packages(setup.APT["test"]) == missing
    assert setup.missing_packages(setup.APT["bench"]) == [*missing, "nodejs", "npm"]
    assert setup.missing_packages(setup.APT["check"]) == []


def test_without_root_and_sudo_one_line_names_the_missing_packages(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(SystemExit) as caught:
        setup.install_system_packages(["libglu1-mesa", "hdf5-tools"])
    line = "sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends libglu1-mesa hdf5-tools'"
    assert str(caught.value).strip() == line
    assert ran(setup) == []


def test_lists_of_packages_are_fetched_only_when_installing_fails(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    setup.install_system_packages(["xvfb"])
    assert [command[-1] for command in setup.ran] == ["xvfb"]
    commands: list[str] = []

    def fail_first(command: list[str], *, check: bool = True) -> int:
        commands.append(command[-1])
        return len(commands) == 1

    monkeypatch.setattr(setup, "run", fail_first)
    setup.install_system_packages(["xvfb"])
    assert commands == ["xvfb", "update", "xvfb"]


def test_an_unknown_set_is_told_what_there_is(setup: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["tools/setup", "tests"])
    with pytest.raises(SystemExit, match=r"usage: tools/setup demo\|test\|check"):
        setup.main()
