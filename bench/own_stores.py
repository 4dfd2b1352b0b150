"""Our way to store frames, behind the interface of stores.py: what the recorder's grab and writer threads do."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import xxhash
from numpy.typing import NDArray

import rig
from bench.stores import Picture, Shape, Store, Stored, stamped
from rig import host
from rig.record.rows import frame_row
from rig.session import packing
from rig.session.arming import Header, Value
from rig.session.layout import SCHEMA, Outcome, Room, StreamSpec, data_path
from rig.session.writer import SessionWriter
from rig.streams import Evidence, Frame, Status

SMIC = {"HS": 1, "VIS": 4, "NIR": 4}  # divisor of each stream
BATCH, BATCHES = 8, 3  # frames handed over at once: so many come while the writer sleeps; batches that may wait
AHEAD = 16  # pictures that may be packed before their turn; fewer than there are pictures


class Rig(Store):
    """A run file: pictures, a checksum and a row for each. `divisors`: its streams, interleaved as a rig does."""

    is_compressed = False

    def __init__(self, path: Path, shape: Shape, divisors: dict[str, int] | None = None) -> None:
        super().__init__(path, shape)
        divisors = divisors or {"HS": 1}
        period = max(divisors.values())
        self._order = [name for pulse in range(period) for name, d in divisors.items() if pulse % d == 0]
        self._stored = dict.fromkeys(divisors, 0)
        room = Room(self._specs(), seconds=60, pulses=shape.frames, edges=1000)
        self._writer = SessionWriter(path, _header(shape, divisors), room)

    def _specs(self) -> tuple[StreamSpec, ...]:
        shape, order = self.shape, self._order
        share = {name: -(-shape.frames * order.count(name) // len(order)) + len(order) for name in self._stored}
        return tuple(
            StreamSpec(name, shape.height, shape.width, share[name], is_compressed=self.is_compressed) for name in share
        )

    def arriving(self, pictures: Picture) -> Iterator[Picture]:
        """A thread of its own takes the checksums, as the grab threads do, and waits when no buffer is free."""
        grabbed: SimpleQueue[list[Frame]] = SimpleQueue()
        free: SimpleQueue[None] = SimpleQueue()
        for _ in range(BATCHES):
            free.put(None)
        grabber = threading.Thread(target=self._grab, args=(pictures, grabbed, free))
        grabber.start()
        left = self.shape.frames
        while left:
            for self._frame in (batch := grabbed.get()):
                yield self._frame.pixels
            left -= len(batch)
            free.put(None)
        grabber.join()

    def _grab(self, pictures: Picture, grabbed: SimpleQueue[list[Frame]], free: SimpleQueue[None]) -> None:
        for first in range(0, self.shape.frames, BATCH):
            free.get()
            batch = range(first, min(first + BATCH, self.shape.frames))
            grabbed.put([self._grabbed(index, stamped(pictures, index)) for index in batch])

    def _grabbed(self, index: int, picture: Picture) -> Frame:
        frame = _frame(self._order[index % len(self._order)], index, picture)
        frame.checksum = xxhash.xxh3_64_intdigest(picture.data)
        return frame

    def put(self, index: int, picture: Picture) -> None:
        name = self._frame.stream
        self._store(data_path(name), self._stored[name], picture)
        row = frame_row(self._frame, index, Evidence.COUNTER)
        self._writer.append(row.path, row.row)
        self._stored[name] += 1

    def _store(self, path: str, index: int, picture: Picture) -> None:
        self._writer.store_frame(path, index, picture)

    def flush(self) -> None:
        self._writer.flush()

    def sync(self) -> None:
        host.sync_data(self._writer.fd)

    def close(self) -> None:
        self._writer.close(Outcome.FINISHED)

    @staticmethod
    def opened(path: Path, shape: Shape) -> Iterator[Stored]:  # noqa: ARG004
        with rig.open(path) as session:
            stream = session.runs[0].streams["HS"]
            yield Stored.one_by_one(len(stream.frames), stream.data.read)


class RigPacked(Rig):
    """The same with lossless compression, by as many threads as there are cores."""

    is_compressed = True

    def arriving(self, pictures: Picture) -> Iterator[Picture]:
        room = packing.room_for(pictures.shape[1:], pictures.dtype)
        buffers = np.full((AHEAD, room), 0, np.uint8)  # written to once, so that no picture waits for a page of memory
        made: deque[Future[tuple[Frame, memoryview]]] = deque()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for index in range(self.shape.frames):
                if len(made) == AHEAD:
                    yield self._turn(made.popleft())
                picture = stamped(pictures, index)
                made.append(pool.submit(self._packed, index, picture, buffers[index % AHEAD]))
            while made:
                yield self._turn(made.popleft())

    def _packed(self, index: int, picture: Picture, buffer: NDArray[np.uint8]) -> tuple[Frame, memoryview]:
        return self._grabbed(index, picture), packing.pack(picture, buffer)

    def _turn(self, made: Future[tuple[Frame, memoryview]]) -> Picture:
        self._frame, self._payload = made.result()
        return self._frame.pixels

    def _store(self, path: str, index: int, picture: Picture) -> None:  # noqa: ARG002
        self._writer.store_packed(path, index, self._payload)


def _frame(stream: str, number: int, picture: Picture) -> Frame:
    now = time.perf_counter_ns()
    return Frame(stream, 1, number, now, number, 5000.0, 0, Status.OK, "", now, picture, slot=0)


def _header(shape: Shape, divisors: dict[str, int]) -> Header:
    attributes: dict[str, Value] = {"schema": SCHEMA, "subject": "1", "session": 1, "run": 1, "run_id": 1}
    attributes |= {"continues": 0, "created_host_ns": 0, "streams": json.dumps(list(divisors)), "outcome": "incomplete"}
    size: dict[str, Value] = {"pixel_format": "Mono8", "height": shape.height, "width": shape.width, "line": 0}
    return Header(attributes, {name: {"divisor": d, **size} for name, d in divisors.items()}, {})
