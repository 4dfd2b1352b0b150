"""Sessions to look at, small and quickly made, and what their files hold: read by h5py alone."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xxhash

import rig
from rig.config.rig import read_rig
from rig.labels.coding import Coding
from rig.labels.label import Label
from rig.verify import verdict
from tests import handmade, rigs

STREAMS = {"HS": 1, "VIS": 4, "NIR": 4}
FORMATS = {"HS": "Mono8", "VIS": "RGB8", "NIR": "Mono12"}
HOSTILE = "<img src=x onerror='window.hacked=1'>\"'&</script><script>window.hacked=1</script>"
RUN_FILE = "sub-001_ses-01_run-01_session.h5"
LOST = {"HS": {40, 41, 42, 43, 44}, "VIS": {60}}  # of `troubled`
NOT_STORED = ("NIR", 100, 140)
TRIALS = (0, 1, 1)  # of its steps: an instruction, a clip and the question about it
DAMAGED, GHOST = 120, 30  # of HS; the latter an extra one behind it
LABELLED = (150, 155, 160)  # onset, apex and offset of `labelled`


def coloured(folder: Path) -> Path:
    """A recorded session of two seconds of a film, its cameras grey, in colour and of 12 bits; the film beside it."""
    text = rigs.RIG.format(seed=1, faults="")
    for stream, pixel_format in FORMATS.items():
        text = text.replace(f"SIM-{stream}, line", f"SIM-{stream}, pixel_format: {pixel_format}, line")
    rig_path = folder / "rig.yaml"
    rig_path.write_text(text)
    assert {name: camera.pixel_format for name, camera in read_rig(rig_path).rig.cameras.items()} == FORMATS
    return rigs.record(folder, rig_path, rigs.write_film_protocol(folder)).path


def sized(folder: Path, cameras: dict[str, str], *, rate_hz: int = 100, seconds: float = 1) -> Path:
    """A recorded session of these cameras, each with what its line in rig.yaml says beside its exposure."""
    folder.mkdir()
    lines = [
        f"  {name}: {{backend: simulated, serial: {name}, line: {line}, start_delay_us: 0, exposure_us: 1000, {own}}}"
        for line, (name, own) in enumerate(cameras.items())
    ]
    head, tail = rigs.RIG.format(seed=1, faults="").replace("rate_hz: 100", f"rate_hz: {rate_hz}").split("cameras:")
    rig_path = folder / "rig.yaml"
    rig_path.write_text("\n".join([head + "cameras:", *lines, tail[tail.index("screen:") :]]))
    return rigs.record(folder, rig_path, rigs.write_protocol(folder, ("before", seconds, "all"))).path


def added(path: Path, name: str, pixel_format: str, pictures: np.ndarray) -> None:
    """Put one more camera into a run file: its frames are those of HS, but for the pictures."""
    path.chmod(0o600)
    with h5py.File(path, "r+") as file:
        group = file["acquisition"].create_group(name)
        for part in ("gaps", "extras", "frames"):
            file.copy(f"acquisition/HS/{part}", group)
        rows = group["frames"][:]
        rows["checksum"] = [xxhash.xxh3_64_intdigest(picture.tobytes()) for picture in pictures]
        group["frames"][:] = rows
        group["data"] = pictures
        group.attrs.update(dict(file["acquisition/HS"].attrs) | {"pixel_format": pixel_format, "serial": name})
        file.attrs["streams"] = json.dumps([*json.loads(file.attrs["streams"]), name])


def replaced(path: Path, name: str, pictures: dict[int, np.ndarray]) -> None:
    """Put other pictures into a run file that is not closed, by pulse."""
    with h5py.File(path, "r+") as file:
        group = file[f"acquisition/{name}"]
        for pulse, picture in pictures.items():
            [at] = np.flatnonzero(group["frames"]["pulse_number"] == pulse)
            row = group["frames"][at]
            row["checksum"] = xxhash.xxh3_64_intdigest(picture.tobytes())
            group["data"][at], group["frames"][at] = picture, row


def troubled(folder: Path, **words: Any) -> Path:
    """Two runs made by hand, in which much is wrong; texts of people are hostile. `words`: fields of the first Plan."""
    protocol = f"name: {HOSTILE!r}\n{handmade.REQUIRED}"
    plan = handmade.Plan(lost=LOST, not_stored=[NOT_STORED], damaged={"HS": {DAMAGED}}, ghosts={"HS": [GHOST]},
                         alarm=HOSTILE, protocol_text=protocol, trials=TRIALS, **words)  # fmt: skip
    handmade.make_run(folder, plan)
    later = {"host_0": handmade.HOST_0 + 20_000_000_000, "created_utc": "2026-03-01T10:00:20+00:00"}
    second = handmade.Plan(run=2, body_groups=20, trials=TRIALS, **later)
    return handmade.make_run(folder, second).parent


def judged(folder: Path) -> Path:
    """`troubled`, its question and answer hostile too, with the verdict that it deserves."""
    session = troubled(folder, question=HOSTILE, answer=HOSTILE)
    with rig.open(session, by_leds=False) as opened:
        for run in opened.runs:
            verdict.save(run.path, verdict.verify_run(run))
    return session


def copied(session: Path, folder: Path) -> Path:
    """The same session below another folder."""
    return Path(shutil.copytree(session.parent, folder / session.parent.name)) / session.name


def labelled(session: Path) -> None:
    """Somebody has labelled it, and closed."""
    label = Label("a1", 1, LABELLED[0], LABELLED[1], LABELLED[2], "micro", emotion=HOSTILE)
    with rig.open(session) as opened:
        coding = Coding(opened, "zoe")
        coding.begin()
        coding.close(coding.save([label], coding.read().revision))


@dataclass(frozen=True)
class Stored:
    """The pictures of one stream, by pulse."""

    pictures: np.ndarray
    pulses: np.ndarray
    bits: int = 8  # of a sample

    def of(self, pulse: int) -> np.ndarray:
        [at] = np.flatnonzero(self.pulses == pulse)
        return np.asarray(self.pictures[at])

    def on_screen(self, pulse: int) -> np.ndarray:
        """What a screen shows of a pulse's frame: uint8 (height, width, 4)."""
        picture = self.of(pulse)
        grey = (picture >> self.bits - 8).astype(np.uint8)
        colours = grey if grey.ndim == 3 else np.repeat(grey[:, :, np.newaxis], 3, axis=2)
        return np.dstack([colours, np.full(colours.shape[:2], 255, np.uint8)])


def stored(path: Path, names: Iterable[str] = STREAMS) -> dict[str, Stored]:
    """Every stream of a run file, as its pictures lie there."""
    with h5py.File(path, locking=False) as file:
        return {name: _stored(file[f"acquisition/{name}"]) for name in names}


def _stored(group: h5py.Group) -> Stored:
    [bits] = re.findall("[0-9]+", group.attrs["pixel_format"])
    return Stored(group["data"][:], group["frames"]["pulse_number"], int(bits))
