"""Our way to store frames, behind the interface of stores.py: the recorder's own storage, driven as its threads do.

    grab thread: picture, checksum, count --> packer threads, if compressed --> loop: Storage.do(picture), .do(row)
                                                                              flush --> a ticket --> sync

Of a recording only the core is missing, which finds the pulse of a frame.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import xxhash

import rig
from bench.stores import Picture, Shape, Store, Stored, stamped
from rig.clock import HostClock
from rig.record.messages import Action, StoreFrame
from rig.record.packers import Kind, Packers, Packing
from rig.record.rows import frame_row
from rig.record.storage import Storage, Ticket, sync
from rig.record.telemetry import Telemetry
from rig.session.arming import Header, Value
from rig.session.files import RunFiles
from rig.session.layout import SCHEMA, Outcome, Room, StreamSpec, data_path
from rig.streams import Evidence, Frame, Status

SMIC = {"HS": 1, "VIS": 4, "NIR": 4}  # divisor of each stream
BATCH, BATCHES = 8, 3  # frames handed over at once: so many come while the writer sleeps; batches that may wait
PAYLOADS = 16  # of compressed pictures, that may wait for the disk
LEAST_PICTURES = BATCH * BATCHES + PAYLOADS  # with fewer one might be stamped anew while it is still to be stored

Batch = list[tuple[Frame, Action | Packing]]


class Rig(Store):
    """A run file: pictures, a checksum and a row for each. `divisors`: its streams, interleaved as a rig does."""

    is_compressed = False

    def __init__(self, path: Path, shape: Shape, divisors: dict[str, int] | None = None) -> None:
        super().__init__(path, shape)
        divisors = divisors or {"HS": 1}
        period = max(divisors.values())
        self._order = [name for pulse in range(period) for name, d in divisors.items() if pulse % d == 0]
        self._paths = {name: data_path(name) for name in divisors}
        self._taken = dict.fromkeys(divisors, 0)
        self._free: SimpleQueue[None] = SimpleQueue()  # room for a batch in the cameras' buffers
        self._released = count(1)
        self._acknowledged = 0
        self._clock = HostClock()
        self._telemetry = Telemetry(self._clock, dict.fromkeys(divisors, BATCH * BATCHES), lambda: -1)
        room = Room(self._specs(), seconds=60, pulses=shape.frames, edges=1000)
        files = RunFiles(lambda _: path, _header(shape, divisors), room, least={}, next_room=lambda _: room)
        kind = Kind((shape.height, shape.width), np.dtype(np.uint8), PAYLOADS)
        kinds = dict.fromkeys(self._paths.values(), kind) if self.is_compressed else {}
        self._storage = Storage(files, self._release, self._telemetry, kinds)
        self._packers = Packers(kinds, self._release)

    def _specs(self) -> tuple[StreamSpec, ...]:
        shape, order = self.shape, self._order
        share = {name: -(-shape.frames * order.count(name) // len(order)) + len(order) for name in self._paths}
        return tuple(
            StreamSpec(name, shape.height, shape.width, share[name], is_compressed=self.is_compressed) for name in share
        )

    def arriving(self, pictures: Picture) -> Iterator[Picture]:
        """A thread of its own takes frames with their checksums, as the grab threads do, while a buffer is free."""
        assert len(pictures) >= LEAST_PICTURES
        grabbed: SimpleQueue[Batch] = SimpleQueue()
        for _ in range(BATCHES):
            self._free.put(None)
        self._packers.start()
        grabber = threading.Thread(target=self._grab, args=(pictures, grabbed), daemon=True)
        grabber.start()
        for _ in range(0, self.shape.frames, BATCH):
            for self._frame, self._action in grabbed.get():
                yield self._frame.pixels
        grabber.join()
        self._packers.join()

    def _grab(self, pictures: Picture, grabbed: SimpleQueue[Batch]) -> None:
        for first in range(0, self.shape.frames, BATCH):
            self._free.get()
            batch = range(first, min(first + BATCH, self.shape.frames))
            grabbed.put([self._grabbed(index, stamped(pictures, index)) for index in batch])

    def _grabbed(self, index: int, picture: Picture) -> tuple[Frame, Action | Packing]:
        name = self._order[index % len(self._order)]
        now = time.perf_counter_ns()
        frame = Frame(name, 1, index, now, index, 5000.0, 0, Status.OK, "", now, picture, slot=0)
        self._telemetry.took(frame)
        frame.checksum = xxhash.xxh3_64_intdigest(picture.data)
        action = StoreFrame(self._paths[name], self._taken[name], frame)
        self._taken[name] += 1
        return frame, self._packers.take(action)

    def _release(self, frame: Frame) -> None:
        self._telemetry.gave(frame)
        if next(self._released) % BATCH == 0:
            self._free.put(None)

    def put(self, index: int, picture: Picture) -> None:  # noqa: ARG002
        self._storage.do(self._action)
        self._storage.do(frame_row(self._frame, index, Evidence.COUNTER))

    def flush(self) -> None:
        self._storage.flush()

    def begin_sync(self) -> Callable[[], None]:
        return partial(self._sync, self._storage.take_ticket())

    def _sync(self, ticket: Ticket) -> None:
        with self._telemetry.syncing():
            self._acknowledged += sync(ticket, self._clock).frames

    def close(self) -> None:
        assert self._acknowledged == self.shape.frames
        self._storage.close(Outcome.FINISHED, self._clock)

    @staticmethod
    def opened(path: Path, shape: Shape) -> Iterator[Stored]:  # noqa: ARG004
        with rig.open(path) as session:
            stream = session.runs[0].streams["HS"]
            yield Stored.one_by_one(len(stream.frames), stream.data.read)


class RigPacked(Rig):
    """The same with lossless compression, by as many threads as there are cores."""

    is_compressed = True


def _header(shape: Shape, divisors: dict[str, int]) -> Header:
    attributes: dict[str, Value] = {"schema": SCHEMA, "subject": "1", "session": 1, "run": 1, "run_id": 1}
    attributes |= {"continues": 0, "created_host_ns": 0, "streams": json.dumps(list(divisors)), "outcome": "incomplete"}
    size: dict[str, Value] = {"pixel_format": "Mono8", "height": shape.height, "width": shape.width, "line": 0}
    return Header(attributes, {name: {"divisor": d, **size} for name, d in divisors.items()}, {})
