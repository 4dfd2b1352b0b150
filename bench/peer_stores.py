"""Other ways to store frames, behind the interface of stores.py, each as its own documentation shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import h5py
import numpy as np
import tifffile
import zarr

from bench.stores import Picture, Shape, Store, Stored, sync_path

FPS = 100


class H5pyNaive(Store):
    """h5py as a first script has it: one more row, assigned, the file closed at the end; a chunk a frame."""

    def __init__(self, path: Path, shape: Shape) -> None:
        super().__init__(path, shape)
        self._file = h5py.File(path, "w")
        size = (shape.height, shape.width)
        self._data = self._file.create_dataset("data", (0, *size), "u1", maxshape=(None, *size), chunks=(1, *size))

    def put(self, index: int, picture: Picture) -> None:
        self._data.resize(index + 1, axis=0)
        self._data[index] = picture

    def close(self) -> None:
        self._file.close()

    @staticmethod
    def opened(path: Path, shape: Shape) -> Iterator[Stored]:  # noqa: ARG004
        with h5py.File(path) as file:
            data = file["data"]
            yield Stored.one_by_one(len(data), lambda index: data[index])


class H5pySwmr(Store):
    """h5py's single writer, many readers, tuned: grown by 1000, chunks handed over whole, flushed as asked."""

    GROW = 1000

    def __init__(self, path: Path, shape: Shape) -> None:
        super().__init__(path, shape)
        self._file = h5py.File(path, "w", libver="latest")
        size = (shape.height, shape.width)
        self._data = self._file.create_dataset("data", (0, *size), "u1", maxshape=(None, *size), chunks=(1, *size))
        self._stored = self._file.create_dataset("stored", (1,), "u8", maxshape=(None,), chunks=(1,))  # frames
        self._file.swmr_mode = True
        self._put = 0

    def put(self, index: int, picture: Picture) -> None:
        if index == len(self._data):
            self._data.resize(index + self.GROW, axis=0)
        self._data.id.write_direct_chunk((index, 0, 0), picture)
        self._put = index + 1

    def flush(self) -> None:
        self._data.flush()
        self._stored[0] = self._put
        self._stored.flush()

    def close(self) -> None:
        self._data.resize(self._put, axis=0)
        self.flush()
        self._file.close()

    @staticmethod
    def opened(path: Path, shape: Shape) -> Iterator[Stored]:  # noqa: ARG004
        with h5py.File(path, libver="latest", swmr=True) as file:
            data = file["data"]
            yield Stored.one_by_one(int(file["stored"][0]), lambda index: data[index])


class Zarr(Store):
    """zarr v3, a chunk a frame, its own default compression (zstd)."""

    options: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, path: Path, shape: Shape) -> None:
        super().__init__(path, shape)
        size = (shape.height, shape.width)
        self._data: Any = zarr.create_array(
            path, shape=(shape.frames, *size), chunks=(1, *size), dtype="u1", **self.options
        )
        self._put = self._synced = 0

    def put(self, index: int, picture: Picture) -> None:
        self._data[index] = picture
        self._put = index + 1

    def sync(self) -> None:
        # A chunk is a file. One of nothing but the fill value, 0, is none; no picture here is.
        ready = self._put
        for index in range(self._synced, ready):
            sync_path(self.path / f"c/{index}/0/0")
        self._synced = ready

    def close(self) -> None:
        sync_path(self.path)

    @staticmethod
    def opened(path: Path, shape: Shape) -> Iterator[Stored]:  # noqa: ARG004
        data: Any = zarr.open_array(path, mode="r")
        frames = len(list((path / "c").iterdir())) if (path / "c").exists() else 0
        yield Stored.one_by_one(frames, lambda index: np.asarray(data[index]))


class ZarrRaw(Zarr):
    """zarr v3 without compression."""

    options = {"compressors": None}  # noqa: RUF012


class Tifffile(Store):
    """One contiguous series, as tifffile's own example for frames has it; read through `memmap`."""

    options: dict[str, Any] = {"contiguous": True}  # noqa: RUF012

    def __init__(self, path: Path, shape: Shape) -> None:
        super().__init__(path, shape)
        self._tiff = tifffile.TiffWriter(path, bigtiff=True)

    def put(self, index: int, picture: Picture) -> None:  # noqa: ARG002
        self._tiff.write(picture, **self.options)

    def flush(self) -> None:
        self._tiff.filehandle.flush()

    def close(self) -> None:
        self._tiff.close()

    @staticmethod
    def opened(path: Path, shape: Shape) -> Iterator[Stored]:
        data = tifffile.memmap(path, mode="r").reshape(-1, shape.height, shape.width)
        yield Stored.one_by_one(len(data), lambda index: np.array(data[index]))


class TifffilePages(Tifffile):
    """A page a frame, without tifffile's own description: more is in the file at every moment."""

    options = {"contiguous": False, "metadata": None}  # noqa: RUF012

    @staticmethod
    def opened(path: Path, shape: Shape) -> Iterator[Stored]:  # noqa: ARG004
        with tifffile.TiffFile(path) as tiff:
            pages = tiff.pages
            yield Stored.one_by_one(len(pages), lambda index: pages[index].asarray())


class Ffv1(Store):
    """FFV1 version 3 in Matroska by PyAV: four slices, coded in parallel; every frame stands alone."""

    def __init__(self, path: Path, shape: Shape) -> None:
        super().__init__(path, shape)
        self._container = av.open(str(path), "w", format="matroska")
        self._stream: Any = self._container.add_stream("ffv1", rate=FPS, options={"level": "3", "slices": "4"})
        self._stream.width, self._stream.height, self._stream.pix_fmt = shape.width, shape.height, "gray"
        self._stream.gop_size = 1
        self._stream.thread_type = "SLICE"

    def put(self, index: int, picture: Picture) -> None:
        frame = av.VideoFrame.from_ndarray(picture, format="gray")
        frame.pts = index
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        self._container.mux(self._stream.encode())
        self._container.close()

    @staticmethod
    def opened(path: Path, shape: Shape) -> Iterator[Stored]:  # noqa: ARG004
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "SLICE"

            def read(index: int) -> Picture:
                pts = round(index / FPS / stream.time_base)
                container.seek(pts, stream=stream)
                return next(f.to_ndarray() for f in container.decode(stream) if f.pts >= pts)

            def in_order() -> Iterable[Picture]:
                container.seek(0)
                return (frame.to_ndarray() for frame in container.decode(stream))

            frames = sum(packet.size > 0 for packet in container.demux(stream))
            yield Stored(frames, read, in_order)
