"""Packer threads give the writer each picture in its turn, whoever was quicker, and hold no more than they may."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from rig.record.messages import AppendRow, StoreFrame
from rig.record.packers import Kind, Packers, Packing
from rig.session import packing
from rig.streams import Frame, Status

PATH, SHAPE = "/acquisition/HS/data", (64, 96)
ENDS_WITHIN_S = 30


def store_frame(index: int) -> StoreFrame:
    pixels = np.full(SHAPE, index, np.uint8)
    frame = Frame("HS", 1, index, 0, 0, 0.0, 0, Status.OK, "", 0, pixels, index)
    return StoreFrame(PATH, index, frame)


class Bench:
    """Packers with room for so many payloads, and the frames that they gave back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, waiting: int) -> None:
        self.released: list[int] = []
        self.gates = {index: threading.Event() for index in range(100)}  # a picture is packed when its gate is open
        self._pack, self.given = packing.pack, threading.Condition()
        monkeypatch.setattr(packing, "pack", self._gated)
        self.packers = Packers({PATH: Kind(SHAPE, np.dtype("u1"), waiting)}, self._release)

    def _gated(self, picture: np.ndarray, out: np.ndarray) -> memoryview:
        assert self.gates[int(picture[0, 0])].wait(ENDS_WITHIN_S)
        return self._pack(picture, out)

    def _release(self, frame: Frame) -> None:
        with self.given:
            self.released.append(frame.frame_number)
            self.given.notify_all()

    def open(self, *indices: int) -> None:
        for index in indices:
            self.gates[index].set()

    def wait_for(self, *indices: int) -> None:
        """Until the frames of these pictures have been given back."""
        with self.given:
            assert self.given.wait_for(lambda: set(indices) <= set(self.released), ENDS_WITHIN_S)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr("rig.host.cores", lambda: 2)
    made = Bench(monkeypatch, waiting=3)
    made.packers.start()
    yield made
    made.open(*made.gates)
    made.packers.join()


def take(bench: Bench, *indices: int) -> list[Packing]:
    taken = [bench.packers.take(store_frame(index)) for index in indices]
    assert all(isinstance(job, Packing) for job in taken)
    return [job for job in taken if isinstance(job, Packing)]


def number_of(payload: memoryview) -> int:
    return int(packing.unpack(bytes(payload), SHAPE, np.dtype("u1"), is_raw=False)[0, 0])


def test_what_is_no_picture_of_a_compressed_stream_goes_on_as_it_is(bench):
    row, other = AppendRow("/log/rows", (1,)), StoreFrame("/acquisition/VIS/data", 0, store_frame(0).frame)
    assert bench.packers.take(row) is row
    assert bench.packers.take(other) is other


def test_a_slow_picture_is_waited_for_and_a_frame_goes_back_as_soon_as_it_is_packed(bench):
    slow, quick = take(bench, 0, 1)
    bench.open(1)
    bench.wait_for(1)
    assert bench.released == [1]
    bench.open(0)
    assert [number_of(job.payload()) for job in (slow, quick)] == [0, 1]


def test_no_more_payloads_wait_than_there_are_buffers_and_none_is_lost(bench):
    bench.open(*bench.gates)
    jobs = take(bench, *range(9))  # never blocks
    bench.wait_for(0, 1, 2)
    for index, job in enumerate(jobs):
        assert len(bench.released) <= index + 3
        assert number_of(job.payload()) == index
        job.close()
    assert sorted(bench.released) == list(range(9))


def test_what_packing_raises_reaches_the_writer_and_the_frame_goes_back(bench, monkeypatch):
    def broken(_picture: np.ndarray, _out: np.ndarray) -> memoryview:
        raise MemoryError("no more of it")

    monkeypatch.setattr(packing, "pack", broken)
    (job,) = take(bench, 0)
    with pytest.raises(MemoryError, match="no more of it"):
        job.payload()
    job.close()
    bench.wait_for(0)


def test_at_the_end_all_that_was_taken_is_packed(monkeypatch):
    bench = Bench(monkeypatch, waiting=3)
    bench.packers.start()
    bench.open(*bench.gates)
    jobs = take(bench, *range(3))
    bench.packers.join()
    assert sorted(bench.released) == [0, 1, 2]
    assert [number_of(job.payload()) for job in jobs] == [0, 1, 2]
