"""The rules of which room imports which (pyproject.toml, importlinter) hold, and each of them can fail."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# contract: the import planted, and where
PLANTED = {
    "Every room stands on its floor": ("rig.errors", "rig.streams"),
    "Reading a session needs no device software": ("rig.session.reader", "serial"),
    "The recorder never judges itself": ("rig.record", "rig.verify"),
    "The simulator and its judge share nothing of their own": ("rig.sim", "rig.verify"),
    "Writer and reader meet only in the layout": ("rig.session.writer", "rig.session.reader"),
    "Only wiring and the contract tests know the simulator": ("rig.record", "rig.sim"),
    "PsychoPy is imported in one place": ("rig.stimulus.player", "psychopy"),
    "pypylon is imported in one room": ("rig.cameras.camera", "pypylon"),
    "pylsl is imported in one place": ("rig.operate.link", "pylsl"),
    "pyserial is imported by the port and by its simulated wire": ("rig.trigger.driver", "serial"),
    "Only the session's room opens HDF5 files": ("rig.record", "h5py"),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package that imports may be planted in."""
    shutil.copytree(ROOT / "rig", tmp_path / "rig", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_import_is_allowed(copy: Path) -> None:
    result = _lint(copy)
    assert result.returncode == 0, result.stdout
    assert f"Contracts: {len(PLANTED)} kept, 0 broken." in result.stdout


def test_every_contract_breaks_on_a_planted_import_and_names_it(copy: Path) -> None:
    for importer, imported in PLANTED.values():
        _append(copy, importer, f"import {imported}\n")
    result = _lint(copy)
    assert result.returncode == 1
    assert f"Contracts: 0 kept, {len(PLANTED)} broken." in result.stdout
    broken = result.stdout.split("Broken contracts")[1]
    for name, (importer, imported) in PLANTED.items():
        _, title, report = broken.partition(f"\n{name}\n---")
        assert title, f"{name} is not among the broken contracts"
        assert any(_names(line, importer, imported) for line in report.splitlines()), name


def test_a_new_room_without_a_floor_breaks_the_floors(copy: Path) -> None:
    (copy / "rig" / "attic.py").write_text('"""A room nobody placed."""\n')
    result = _lint(copy, "--contract", "floors")
    assert result.returncode == 1
    assert "rig.attic" in result.stdout


def _names(line: str, importer: str, imported: str) -> bool:
    words = line.replace("(", " ").split()
    return importer in words and any(word == imported or word.startswith(imported + ".") for word in words)


def _append(copy: Path, module: str, line: str) -> None:
    path = copy.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    path.write_text(path.read_text() + line)


def _lint(copy: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run lint-imports there; the copy in the working folder comes before the installed package."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", *options]
    return subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=60)
