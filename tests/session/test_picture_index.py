"""Where HDF5's own index of a stream's pictures is damaged, each picture says for itself whether it can be read."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from rig.errors import SessionError
from rig.session.run import Run
from tests.handmade import Plan, make_run


def damaged(path: Path) -> None:
    """Flip a byte in the index of the pictures of HS, and in nothing else."""
    whole = path.read_bytes()
    for found in re.finditer(b"EAIB|EADB", whole):
        path.write_bytes(whole[: found.end() + 9] + bytes([whole[found.end() + 9] ^ 1]) + whole[found.end() + 10 :])
        with h5py.File(path) as file:
            try:
                file["acquisition/HS/data"].id.chunk_iter(lambda _: None)
            except RuntimeError:
                return
    raise AssertionError("no index was found")


def test_every_picture_is_told_to_be_bad_and_nothing_else_is_raised(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan())
    damaged(path)
    with Run(path) as run:
        stream = run.streams["HS"]
        out = np.zeros((4, *stream.data.shape[1:]), stream.data.dtype)
        assert not stream.data.fill(out, 0).any()
        with pytest.raises(SessionError, match=r"HS.*cannot be read"):
            stream.data.read(0)
        with pytest.raises(SessionError, match="cannot be read"):
            stream.data.mapped(0)
