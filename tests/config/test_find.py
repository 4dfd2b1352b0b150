"""From a name or a path to the rig or protocol that is meant, in a checkout and from an installed wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rig.config.find import find_protocol, find_rig
from rig.errors import ConfigError, ProtocolError

ROOT = Path(__file__).parents[2]
RIGS = sorted(path.parent.name for path in ROOT.glob("calibration/*/rig.yaml"))
SHIPPED = ", ".join(f"{name} (shipped)" for name in RIGS)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*files: str) -> None:
    for file in files:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).touch()


def test_a_shipped_name_is_found_from_any_folder() -> None:
    for name in {"demo", "smic", "smic-sub", *RIGS}:
        assert find_rig(name) == ROOT / f"calibration/{name}/rig.yaml"
    assert find_protocol("demo") == ROOT / "protocols/demo.yaml"


def test_one_s_own_comes_before_the_shipped_one() -> None:
    make("calibration/demo/rig.yaml", "protocols/demo.yaml")
    assert find_rig("demo") == Path("calibration/demo/rig.yaml")
    assert find_protocol("demo") == Path("protocols/demo.yaml")


def test_a_folder_without_rig_yaml_hides_no_rig() -> None:
    make("calibration/demo/lens.yaml", "calibration/smic/rig.yaml", "calibration/notes.txt")
    Path("calibration/odd/rig.yaml").mkdir(parents=True)
    assert find_rig("demo") == ROOT / "calibration/demo/rig.yaml"
    assert find_rig(None) == Path("calibration/smic/rig.yaml")


def test_a_path_is_taken_as_it_is_and_a_folder_stands_for_its_rig_yaml() -> None:
    make("labs/a/rig.yaml", "labs/b.yaml")
    assert find_rig("labs/a") == find_rig("labs/a/rig.yaml") == Path("labs/a/rig.yaml")
    assert find_rig("./labs/b.yaml") == Path("labs/b.yaml")
    assert find_protocol("labs/b.yaml") == Path("labs/b.yaml")


def test_without_a_name_several_rigs_are_listed() -> None:
    make("calibration/a/rig.yaml", "calibration/b/rig.yaml")
    with pytest.raises(ConfigError, match=r"^--rig: is missing; \./calibration holds several: a, b$"):
        find_rig(None)


def test_without_a_name_and_without_a_rig_the_shipped_ones_are_listed() -> None:
    with pytest.raises(ConfigError) as found:
        find_rig(None)
    assert f"holds no rig; there are: {SHIPPED}. Name a shipped one, e.g. --rig demo" in str(found.value)


def test_an_unknown_name_lists_what_is_there_and_the_nearest() -> None:
    make("calibration/smic/rig.yaml", "protocols/smic.yaml")
    with pytest.raises(ConfigError) as found:
        find_rig("smci")
    others = SHIPPED.replace("smic (shipped), ", "")
    assert str(found.value) == f"rig: 'smci' is not known; there are: smic, {others}. Did you mean smic?"
    listed = (
        r"^protocol: 'xyz' is not known; there are: smic, casme2 \(shipped\), demo \(shipped\), no-film \(shipped\), "
        r"samm \(shipped\), smic-sub \(shipped\)\. For a file elsewhere"
    )
    with pytest.raises(ProtocolError, match=listed):
        find_protocol("xyz")


@pytest.mark.parametrize("word", ["a/b", "a.yaml", "x" * 5000 + "/", "\0/", ".", "", "..", "*", "./loop"])
def test_what_is_not_there_is_an_error_for_people(word: str) -> None:
    Path("loop").symlink_to("loop")
    with pytest.raises(ConfigError):
        find_rig(word)
    with pytest.raises(ProtocolError):
        find_protocol(word)


def test_a_path_asked_for_in_a_folder_that_is_gone_is_an_error_for_people(here: Path) -> None:
    gone = here / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    with pytest.raises(ConfigError, match=r"does not exist\. Looked from a folder that is gone"):
        find_rig("./rig.yaml")


def test_a_wheel_carries_the_shipped_rigs_and_protocols(here: Path) -> None:
    for name in ["rig", "protocols", "calibration"]:
        shutil.copytree(ROOT / name, here / "src" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ["setup.py", "pyproject.toml", "README.md", "LICENSE"]:
        shutil.copy(ROOT / name, here / "src")
    build = [sys.executable, "-c", f"from setuptools.build_meta import build_wheel; build_wheel({str(here)!r})"]
    subprocess.run(build, cwd=here / "src", check=True, capture_output=True)
    (wheel,) = here.glob("*.whl")
    shutil.unpack_archive(wheel, here / "installed", "zip")
    shutil.rmtree(here / "src")
    code = (
        "from rig.config.find import *\n"
        "from rig.config.rig import read_rig\n"
        "from rig.elicitation.protocol import read_protocol\n"
        f"rigs = [find_rig(name) for name in {RIGS}]\n"
        "protocols = [find_protocol('demo'), find_protocol('no-film')]\n"
        "[read_rig(file) for file in rigs], [read_protocol(file) for file in protocols]\n"
        "print(*rigs, *protocols, sep='\\n')\n"
    )
    command = [sys.executable, "-c", code]
    env = {"PYTHONPATH": str(here / "installed")}
    found = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout.split()
    shipped = here / "installed/rig/shipped"
    names = [*(f"calibration/{name}/rig.yaml" for name in RIGS), "protocols/demo.yaml", "protocols/no-film.yaml"]
    assert found == [str(shipped / name) for name in names]
