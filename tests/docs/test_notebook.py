"""The notebook and the commands about a clip do what they say, on a small session with a film."""

from __future__ import annotations

import base64
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import av
import h5py
import numpy as np
import pytest
from PIL import Image

import rig
from tests import commands
from tests.rigs import record, write_film_protocol, write_rig

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs/how-to"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sessions/sub-001/ses-01, a film of one second in it, and the notebook in its place."""
    folder = tmp_path_factory.mktemp("checkout")
    simulated = write_rig(folder, faults="lost_frames: 3, first_pulse: 150, last_pulse: 200")
    record(folder, simulated, write_film_protocol(folder, 25))
    (folder / "docs/how-to").mkdir(parents=True)
    shutil.copy(HOW_TO / "motion-energy.ipynb", folder / "docs/how-to")
    return folder


def outputs(path: Path) -> tuple[str, list[np.ndarray]]:
    """What the cells of a notebook printed, and their figures."""
    said = [out for cell in json.loads(path.read_text())["cells"] for out in cell.get("outputs", [])]
    figures = [base64.b64decode(out["data"]["image/png"]) for out in said if "data" in out]
    pictures = [np.asarray(Image.open(io.BytesIO(png)).convert("RGB")) for png in figures]
    return "".join(line for out in said for line in out.get("text", [])), pictures


def first_pulse_of_film(checkout: Path) -> int:
    with rig.open(checkout / "sessions/sub-001/ses-01") as session:
        line, begin_host_ns = session.locate(0.0, "clip1")
        return int(line.pulse_numbers[line.exposed_host_ns >= begin_host_ns][0])


def test_the_notebook_plots_the_motion_energy_of_the_clip(checkout: Path) -> None:
    """The face is small here, so that its energy is the mean difference of the samples, by h5py and numpy."""
    path = checkout / "docs/how-to/motion-energy.ipynb"
    command = [sys.executable, ROOT / "docs/notebook.py", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=commands.ENDS_WITHIN_S, check=False)
    assert done.returncode == 0, done.stderr
    said, figures = outputs(path)
    pulses, lost, flips = map(int, re.findall(r"(\d+) (?:pulses|without|flips)", said))
    mean = float(re.findall(r"mean ([0-9.]+)", said)[0])
    with h5py.File(next(checkout.glob("sessions/**/*_session.h5"))) as file:
        shown = file["/stimulus/presentation/flips"][:]
        rows, data = file["/acquisition/HS/frames"][:], file["/acquisition/HS/data"][:].astype(int)
    assert flips == (shown["film_frame"] >= 0).sum()
    place = {int(row["pulse_number"]): index for index, row in enumerate(rows[rows["seq"] > 0])}
    first = first_pulse_of_film(checkout)
    during = range(first, first + pulses)
    assert lost == sum(pulse not in place for pulse in during) > 0
    faces = {pulse: data[place[pulse], 16:56, 24:72] for pulse in range(first - 5, first + pulses) if pulse in place}
    pairs = [(faces[p - 5], faces[p]) for p in during if p in faces and p - 5 in faces]
    assert mean == pytest.approx(np.mean([np.abs(one - other).mean() for one, other in pairs]), abs=2e-3)
    assert len(figures) == 1
    assert len(np.unique(figures[0].reshape(-1, 3), axis=0)) > 20


def test_the_notebook_is_shown_with_what_it_says_of_the_demo() -> None:
    said, figures = outputs(HOW_TO / "motion-energy.ipynb")
    assert re.match(r"clip1: 527 pulses of HS, 0 without a frame, \d+ flips\nmotion energy: mean", said)
    assert [figure.shape for figure in figures] == [(396, 720, 3)]
    assert (HOW_TO / "motion-energy.ipynb").stat().st_size < 100_000


def test_a_clip_is_shown_to_others_as_the_page_says(checkout: Path) -> None:
    told = re.findall(r"^\$ rig (.*)$", (HOW_TO / "read-in-python.md").read_text(), re.MULTILINE)
    assert len(told) == 2
    for line in told:
        done = commands.run(*shlex.split(line), cwd=checkout)
        assert done.returncode == 0, done.stderr
    with av.open(str(checkout / "clip1.mkv")) as video:
        assert video.streams.video[0].width >= 640
    assert list(checkout.glob("sessions/sub-001/ses-01/*_clip1_contact-sheet.png"))
