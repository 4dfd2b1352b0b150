"""Pictures of every pixel format come out of a run file as they went in, and as grey and colours when asked for."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
import xxhash

import rig
from rig.errors import NotASession, SessionError
from rig.pixels import FORMATS
from rig.session.arming import HEADER_ROOM, Header, reserved_bytes
from rig.session.layout import Outcome, Room, StreamSpec, data_path, frames_path
from rig.session.writer import SessionWriter
from tests.handmade import Plan, make_run

HEIGHT, WIDTH = 65, 97  # odd, so that packed rows end within a byte
NAMES = list(FORMATS)


def spec_of(name: str, *, height: int = HEIGHT, width: int = WIDTH, capacity: int = 4) -> StreamSpec:
    return StreamSpec("HS", height, width, capacity, FORMATS[name])


def pictures_of(spec: StreamSpec, count: int) -> list[np.ndarray]:
    """Random bytes; of unpacked samples within their bits."""
    rng, form = np.random.default_rng(spec.capacity), spec.pixel_format
    top = 256 if form.is_packed else 1 << form.bits
    shape = form.shape(spec.height, spec.width)
    return [rng.integers(0, top, shape).astype(form.dtype) for _ in range(count)]


def opened(path: Path, spec: StreamSpec, *, run: int = 1) -> SessionWriter:
    """A run with one stream, being recorded."""
    form = spec.pixel_format
    stream = {"divisor": 1, "line": 0, "pixel_format": form.name, "width": spec.width, "height": spec.height}
    attributes = {"schema": 1, "subject": "1", "session": 1, "run": run, "run_id": run, "continues": 0}
    attributes |= {"created_host_ns": 5}
    header = Header({**attributes, "streams": '["HS"]'}, {"HS": stream}, {})
    return SessionWriter(path, header, Room((spec,), seconds=1, pulses=10, edges=10))


def store(writer: SessionWriter, pictures: list[np.ndarray]) -> None:
    """Pictures and their rows."""
    for index, picture in enumerate(pictures):
        writer.store_frame(data_path("HS"), index, picture)
        checksum = xxhash.xxh3_64_intdigest(picture.tobytes())
        writer.append(frames_path("HS"), (1, 4, 0, index, index, index, index, 0.0, 0, index, checksum))


def write(path: Path, spec: StreamSpec, pictures: list[np.ndarray], *, run: int = 1) -> Path:
    """A closed run with one stream and nothing but pictures and their rows."""
    writer = opened(path, spec, run=run)
    store(writer, pictures)
    writer.close(Outcome.FINISHED)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_pictures_of_a_run_are_those_that_were_delivered(tmp_path: Path, name: str) -> None:
    spec = spec_of(name)
    pictures = pictures_of(spec, 3)
    with rig.open(write(tmp_path / "run.h5", spec, pictures)) as session:
        stream = session.streams["HS"]
        assert (stream.pixel_format.name, stream.width, stream.height) == (name, WIDTH, HEIGHT)
        assert stream.data.shape == (3, *pictures[0].shape)
        assert stream.data.dtype == pictures[0].dtype
        assert all(np.array_equal(stream.data[i], pictures[i]) for i in range(3))
        grey, rgb = stream.grey(2), stream.rgb(2)
        assert (grey.shape, grey.dtype) == ((HEIGHT, WIDTH), np.float32)
        assert (rgb.shape, rgb.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)
        assert np.array_equal(grey, session.runs[0].streams["HS"].grey(2))
        assert np.array_equal(rgb, session.runs[0].streams["HS"].rgb(2))
        with pytest.raises(IndexError):
            stream.grey(3)


@pytest.mark.parametrize(
    ("name", "type_and_shape"),
    [
        ("Mono8", r"H5T_STD_U8LE DATASPACE SIMPLE \{ \( 3, 65, 97 \)"),
        ("Mono12", r"H5T_STD_U16LE DATASPACE SIMPLE \{ \( 3, 65, 97 \)"),
        ("BayerRG12", r"H5T_STD_U16LE DATASPACE SIMPLE \{ \( 3, 65, 97 \)"),
        ("RGB8", r"H5T_STD_U8LE DATASPACE SIMPLE \{ \( 3, 65, 97, 3 \)"),
        ("Mono10p", r"H5T_STD_U8LE DATASPACE SIMPLE \{ \( 3, 7882 \)"),
        ("BGR8", r"H5T_STD_U8LE DATASPACE SIMPLE \{ \( 3, 65, 97, 3 \)"),
        ("BayerGB10", r"H5T_STD_U16LE DATASPACE SIMPLE \{ \( 3, 65, 97 \)"),
        ("BayerRG10p", r"H5T_STD_U8LE DATASPACE SIMPLE \{ \( 3, 7882 \)"),
        ("Mono12p", r"H5T_STD_U8LE DATASPACE SIMPLE \{ \( 3, 9458 \)"),
        ("Mono10Packed", r"H5T_STD_U8LE DATASPACE SIMPLE \{ \( 3, 9458 \)"),
        ("BayerGR12Packed", r"H5T_STD_U8LE DATASPACE SIMPLE \{ \( 3, 9458 \)"),
    ],
)
def test_other_programs_see_the_documented_type_and_shape(tmp_path: Path, name: str, type_and_shape: str) -> None:
    spec = spec_of(name)
    path = write(tmp_path / "run.h5", spec, pictures_of(spec, 3))
    command = ["h5dump", "-H", "-d", "/acquisition/HS/data", str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.search(type_and_shape, " ".join(said.split())), said
    with h5py.File(path) as file:
        attributes = dict(file["/acquisition/HS"].attrs)
    assert (attributes["pixel_format"], attributes["width"], attributes["height"]) == (name, WIDTH, HEIGHT)


@pytest.mark.parametrize("name", ["Mono12", "Mono12p", "Mono10Packed", "RGB8"])
def test_room_is_reserved_for_the_bytes_of_the_format(tmp_path: Path, name: str) -> None:
    room = Room((spec_of(name, capacity=600),), seconds=1, pulses=10, edges=10)
    writer = SessionWriter(tmp_path / "run.h5", Header({}, {}, {}), room)
    try:
        taken = sum(path.stat().st_blocks for path in tmp_path.iterdir()) * 512
    finally:
        os.close(writer.fd)
    assert taken <= reserved_bytes(room) <= taken + HEADER_ROOM


def test_a_changed_byte_of_a_packed_picture_is_refused_in_every_form(tmp_path: Path) -> None:
    spec = spec_of("Mono10p")
    path = write(tmp_path / "run.h5", spec, pictures_of(spec, 2))
    path.chmod(0o600)
    with h5py.File(path, "r+") as file:
        file["/acquisition/HS/data"][1, 7000] ^= 1
    with rig.open(path) as session:
        joined, own = session.streams["HS"], session.runs[0].streams["HS"]
        for read in (joined.grey, joined.rgb, joined.data.read, own.grey, own.rgb, own.shown, own.data.read):
            read(0)
            with pytest.raises(SessionError, match=r"frame 1 .* differs"):
                read(1)


@pytest.mark.parametrize(
    ("attribute", "value", "problem"),
    [
        ("pixel_format", "Mono9", "'Mono9' is no pixel format"),
        ("pixel_format", 8, "'8' is no pixel format"),
        ("pixel_format", "Mono12", "another layout"),
        ("pixel_format", "RGB8", "another layout"),
        ("pixel_format", "RGB8Packed", r"'RGB8Packed' is no pixel format.*Mono10Packed; or RGB or BGR, followed by 8"),
        ("pixel_format", "Mono12p", "another layout"),
        ("pixel_format", None, "no pixel format"),
        ("width", None, "lacks the number width"),
        ("width", 95, "another layout"),
        ("width", 2**62, "another layout"),
        ("height", 0, "is no size"),
        ("height", -64, "is no size"),
    ],
)
def test_pictures_that_are_not_as_their_stream_says_are_no_session(
    tmp_path: Path, attribute: str, value: object, problem: str
) -> None:
    path = make_run(tmp_path, Plan(body_groups=2, closed=False))
    with h5py.File(path, "r+") as file:
        attributes = file["acquisition/VIS"].attrs
        if value is None:
            del attributes[attribute]
        else:
            attributes[attribute] = value
    with pytest.raises(NotASession, match=problem), rig.open(path) as session:
        session.streams["VIS"].data[0]


def test_runs_with_pictures_of_different_kinds_are_read_each_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "sub-1" / "ses-01"
    folder.mkdir(parents=True)
    for run, name in ((1, "Mono8"), (2, "Mono12")):
        spec = spec_of(name)
        write(folder / f"sub-1_ses-01_run-{run:02d}_session.h5", spec, pictures_of(spec, 1), run=run)
    with rig.open(folder) as session:
        with pytest.raises(SessionError, match=r"run-02.*97x65 Mono12, and run 1 97x65 Mono8"):
            _ = session.streams["HS"].data
        assert [run.streams["HS"].grey(0).shape for run in session.runs] == [(HEIGHT, WIDTH)] * 2
