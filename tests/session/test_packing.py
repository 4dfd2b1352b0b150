"""Payloads are those of HDF5's own filter: each reads the other's. A damaged one is told of, and never crashes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  it makes h5py know the filter
import numpy as np
import pytest

from rig.pixels import FORMATS
from rig.session import packing
from rig.session.packing import DamagedPayload, pack, room_for, unpack
from tests.waiting import wait_for

SHAPES = [((480, 640), "u1"), ((65, 101), "u1"), ((64, 97, 3), "u1"), ((65, 99), "<u2"), ((12_347,), "u1")]
HEAD = 12


def pictures(shape: tuple[int, ...], dtype: np.dtype) -> dict[str, np.ndarray]:
    """Pure noise, which nothing compresses; a camera's noise on a slope; and one grey."""
    draw = np.random.default_rng(5)
    most = np.iinfo(dtype).max
    slope = np.linspace(10, 200, int(np.prod(shape))).reshape(shape)
    return {
        "noise": draw.integers(0, most, shape, dtype, endpoint=True),
        "camera": (slope + draw.normal(0, 2, shape)).astype(dtype),
        "grey": np.full(shape, 7, dtype),
    }


def packed(picture: np.ndarray) -> bytes:
    return bytes(pack(picture, np.empty(room_for(picture.shape, picture.dtype), np.uint8)))


def unpacked(payload: bytes, picture: np.ndarray) -> np.ndarray:
    return unpack(payload, picture.shape, picture.dtype, is_raw=len(payload) == picture.nbytes)


def filtered(folder: Path, picture: np.ndarray) -> h5py.File:
    """A file with room for one picture, compressed by the filter."""
    file = h5py.File(folder / "filtered.h5", "w")
    shape, options = (1, *picture.shape), {"compression": packing.FILTER, "compression_opts": packing.OPTIONS}
    file.create_dataset("data", shape, picture.dtype, chunks=shape, **options)
    return file


@pytest.mark.parametrize("kind", ["noise", "camera", "grey"])
@pytest.mark.parametrize(("shape", "kind_of_sample"), SHAPES)
def test_hdf5_reads_what_is_packed_and_we_read_what_hdf5_packs(shape, kind_of_sample, kind, tmp_path):
    picture = pictures(shape, np.dtype(kind_of_sample))[kind]
    payload, at = packed(picture), (0,) * (1 + len(shape))
    with filtered(tmp_path, picture) as file:
        mask = packing.STORED_RAW if len(payload) == picture.nbytes else 0
        file["data"].id.write_direct_chunk(at, payload, mask)
    with h5py.File(tmp_path / "filtered.h5") as file:
        np.testing.assert_array_equal(file["data"][0], picture)
    with filtered(tmp_path, picture) as file:
        file["data"][0] = picture
        file.flush()
        _, of_hdf5 = file["data"].id.read_direct_chunk(at)
    np.testing.assert_array_equal(unpack(of_hdf5, shape, picture.dtype, is_raw=False), picture)
    if len(payload) < picture.nbytes:
        assert payload == of_hdf5.ljust(packing.LEAST_BYTES, b"\0")


@pytest.mark.parametrize("name", FORMATS)
def test_pictures_of_every_format_come_back_equal(name):
    form = FORMATS[name]
    for picture in pictures(form.shape(65, 97), form.dtype).values():
        np.testing.assert_array_equal(unpacked(packed(picture), picture), picture)


def test_what_does_not_get_smaller_is_kept_as_it_is_and_a_payload_is_never_longer_than_its_picture():
    for kind, picture in pictures((480, 640), np.dtype("u1")).items():
        payload = packed(picture)
        assert (payload == picture.tobytes()) == (kind == "noise")
        assert packing.LEAST_BYTES <= len(payload) <= picture.nbytes


def test_a_picture_that_is_not_contiguous_is_packed_as_it_looks():
    whole = pictures((480, 1280), np.dtype("u1"))["camera"]
    picture = whole[:, ::2]
    np.testing.assert_array_equal(unpacked(packed(picture), picture), picture)


def test_every_cut_payload_is_told():
    picture = pictures((65, 101), np.dtype("u1"))["camera"]
    payload = packed(picture)
    for length in range(len(payload)):
        with pytest.raises(DamagedPayload):
            unpack(payload[:length], picture.shape, picture.dtype, is_raw=False)


def test_a_raw_payload_of_another_length_is_told():
    picture = pictures((65, 101), np.dtype("u1"))["noise"]
    with pytest.raises(DamagedPayload):
        unpack(packed(picture)[:-1], picture.shape, picture.dtype, is_raw=True)


DAMAGE = """\
import numpy as np
from rig.session.packing import DamagedPayload, pack, room_for, unpack
draw = np.random.default_rng({seed})
told = 0
for shape, kind in (((480, 640), "u1"), ((65, 99), "<u2")):
    picture = (100 + draw.normal(0, 2, shape)).astype(kind)
    payload = bytes(pack(picture, np.empty(room_for(shape, picture.dtype), np.uint8)))
    for turn in range(3000):
        bad = bytearray(payload)
        if turn % 3 == 0:
            at = int(draw.integers(len(bad)))
            bad[at] ^= 1 << int(draw.integers(8))
        elif turn % 3 == 1:
            at = int(draw.integers(len(bad)))
            bad[at : at + 64] = draw.integers(0, 256, 64, np.uint8).tobytes()
        else:
            bad[12:] = draw.integers(0, 256, len(bad) - 12, np.uint8).tobytes()
        try:
            unpack(bytes(bad), shape, picture.dtype, is_raw=False)
        except DamagedPayload:
            told += 1
print(told)
"""


def test_no_damage_whatever_crashes_the_reader():
    """In a process of its own: a crash of the library would take this one with it."""
    ended = subprocess.run([sys.executable, "-c", DAMAGE.format(seed=1)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 2000


def test_the_lock_of_python_is_not_held_while_a_picture_is_packed():
    """With so long a switch interval another thread gets on only where the lock is given up: here, in the call."""
    picture = pictures((2048, 2048), np.dtype("u1"))["camera"]
    out = np.empty(room_for(picture.shape, picture.dtype), np.uint8)
    counted, is_over = [0], threading.Event()

    def count() -> None:
        while not is_over.is_set():
            counted[0] += 1
            time.sleep(0)

    def gets_on() -> bool:
        before = counted[0]
        pack(picture, out)
        return counted[0] > before

    interval = sys.getswitchinterval()
    thread = threading.Thread(target=count)
    thread.start()
    sys.setswitchinterval(60)
    try:
        wait_for(gets_on)
    finally:
        sys.setswitchinterval(interval)
        is_over.set()
        thread.join()
