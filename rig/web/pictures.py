"""Answers with pictures: what every camera saw at some moments, one behind the other in one packet.

    u32 length of the header | header: JSON, blanks up to a multiple of 8 | picture, filled up to a multiple of 8 | ...

The header tells of each moment what the screen showed and which picture each camera has of it, and of each picture its
kind, size and place. A picture that belongs to several moments comes once. Kinds: grey8 and grey16 (uint8, uint16
little endian, of `bits` bits), rgb8 (three bytes a pixel), jpeg.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any

import numpy as np

from rig import pixels
from rig.errors import RigError, UserError
from rig.session.run import Stream
from rig.session.timeline import why_no_frame
from rig.web import asking
from rig.web.asking import Query
from rig.web.axis import Axis
from rig.web.film import jpeg
from rig.web.shelf import Opened

MOST_MOMENTS = 32  # in an answer
MOST_BYTES = 64 << 20  # of pictures in an answer; it has fewer moments then
MOVING_PX = 640 * 480 * 1.1  # of a picture while pages move; fewer where a whole factor gives no more
ALIGN = 8
_MINUS = re.compile(r"pinned:(?P<run>[0-9]{1,4}):(?P<pulse>[0-9]{1,15})|earlier:(?P<earlier>[1-9][0-9]{0,14})")
Json = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """Which moments a page asks for, and how their pictures are to be."""

    run: int
    pulses: range  # of the base stream; those outside the run are left out
    streams: list[str]
    is_moving: bool  # reduced
    is_jpeg: bool
    pinned: tuple[int, int] | None  # run and pulse of the reference of differences
    earlier: int | None  # base pulses from the reference of differences to the picture

    @classmethod
    def of(cls, query: Query, opened: Opened) -> Asked:
        """From an address. Raises UserError naming what is allowed."""
        pulse, step = asking.whole(query, "pulse"), asking.whole(query, "step", 1)
        count = asking.whole(query, "count", 1, least=1, most=MOST_MOMENTS)
        axis = opened.axis(asking.whole(query, "run"))
        wanted = range(pulse, pulse + count * step, step) if step else range(pulse, pulse + 1)
        pinned, earlier = _reference(query.get("minus", ""))
        return cls(
            axis.run.number,
            wanted,
            _streams(query.get("streams", ""), opened),
            asking.word(query, "size", ("full", "moving")) == "moving",
            asking.word(query, "as", ("raw", "jpeg")) == "jpeg",
            pinned,
            earlier,
        )


def _streams(names: str, opened: Opened) -> list[str]:
    known = list(opened.session.streams)
    asked = names.split(",") if names else known
    for name in asked:
        if name not in known:
            raise UserError("streams", "is no stream", value=repr(name)[:80], allowed=", ".join(known))
    return asked


def _reference(text: str) -> tuple[tuple[int, int] | None, int | None]:
    """What pictures are held against: (run, pulse), or so many base pulses earlier; (None, None): nothing."""
    if not text:
        return None, None
    found = _MINUS.fullmatch(text)
    if not found:
        allowed = "pinned:RUN:PULSE or earlier:PULSES"
        raise UserError("minus", "is not allowed", value=repr(text)[:80], allowed=allowed)
    if found["earlier"]:
        return None, int(found["earlier"])
    return (int(found["run"]), int(found["pulse"])), None


@dataclass(frozen=True)
class Place:
    """A stored picture."""

    stream: Stream
    pulse: int
    index: int


@dataclass(frozen=True)
class Wanted:
    """A picture of an answer: how it is called there, and what it is made of."""

    key: str
    place: Place
    reference: Place | None

    @property
    def most_bytes(self) -> int:
        """Bytes of it at full size."""
        stream = self.place.stream
        return stream.width * stream.height * {"grey8": 1, "grey16": 2, "rgb8": 3}[kind_of(stream)]


def kind_of(stream: Stream) -> str:
    """How pictures of a stream are sent."""
    form = stream.pixel_format
    if form.pattern or form.channels > 1:
        return "rgb8"
    return "grey8" if form.bits == 8 else "grey16"


def bits_of(stream: Stream) -> int:
    """Bits of a sample of pictures that are sent."""
    return 8 if kind_of(stream) == "rgb8" else stream.pixel_format.bits


def packet(opened: Opened, asked: Asked, tell: Callable[[Json], Json], is_given_up: Callable[[], bool]) -> bytes:
    """The answer; `tell` says what of a moment may be told. Blocks while pictures are read.

    A picture that is damaged is told with its reason. Once `is_given_up` nothing more is read, and the answer is empty.
    """
    axis = opened.axis(asked.run)
    wanted: dict[str, Wanted] = {}
    moments = [tell(moment) for moment in _moments(opened, axis, asked, wanted)]
    made, damaged = _made(wanted, asked, is_given_up)
    if is_given_up():
        return b""
    for view in (view for moment in moments for view in moment["views"].values()):
        if view["picture"] in damaged:
            view |= {"reason": damaged[view["picture"]], "picture": None}
    at, told = 0, []
    for entry, data in made:
        told.append({**entry, "bytes": len(data), "at": at})
        at += _padded(len(data))
    return _joined({"moments": moments, "pictures": told}, [data for _, data in made])


def _moments(opened: Opened, axis: Axis, asked: Asked, wanted: dict[str, Wanted]) -> Iterator[Json]:
    """The moments within the run, and among `wanted` their pictures, until these are too many for one answer."""
    size = 0
    for number, pulse in enumerate(p for p in asked.pulses if axis.first <= p <= axis.last):
        views: Json = {}
        found: dict[str, Wanted] = {}
        for name in asked.streams:
            views[name], picture = _view(opened, axis, asked, name, pulse)
            found |= {picture.key: picture} if picture and picture.key not in wanted else {}
        size += sum(picture.most_bytes for picture in found.values())
        if number and size > MOST_BYTES:
            return
        wanted |= found
        at_s, flips = float(axis.at_s(pulse)), on_screen(axis, pulse)
        yield {"run": asked.run, "pulse": pulse, "at_s": at_s, "flips": flips, "views": views}


def on_screen(axis: Axis, pulse: int) -> Json:
    """What the screen showed when the exposure of a pulse began."""
    now = axis.host_ns(pulse)
    shown = axis.line.on_screen(now)
    return {
        "clip": shown.clip,
        "film_frame": shown.film_frame,
        "step": shown.step.name if shown.step else None,
        "kind": shown.step.kind if shown.step else None,
        "flip_age_ms": (now - shown.flip_host_ns) / 1e6 if shown.flip_host_ns >= 0 else None,
        "reason": shown.reason,
    }


def _view(opened: Opened, axis: Axis, asked: Asked, name: str, pulse: int) -> tuple[Json, Wanted | None]:
    """What one camera saw at a pulse of the base stream, as the page is told, and its picture."""
    stream = axis.run.streams.get(name)
    if stream is None:
        reason = f"no camera {name} in this run"
        return {"pulse": pulse, "frame": None, "age_ms": None, "picture": None, "reason": reason}, None
    own = pulse - pulse % stream.divisor
    index = stream.frame_of(own)
    view: Json = {"pulse": own, "frame": index, "age_ms": _age_ms(axis, stream, own, pulse)}
    if index is None:
        return {**view, "picture": None, "reason": why_no_frame(stream, own)}, None
    try:
        wanted = _wanted(opened, asked, Place(stream, own, index))
    except UserError as error:
        return {**view, "picture": None, "reason": error.problem}, None
    return {**view, "picture": wanted.key, "reason": ""}, wanted


def _age_ms(axis: Axis, stream: Stream, own: int, pulse: int) -> float | None:
    """From the start of a frame's exposure to that of the moment's base pulse."""
    now, then = axis.line.exposed_by(axis.run.base, pulse), axis.line.exposed_by(stream, own)
    return None if now is None or then is None else (now - then) / 1e6


def _wanted(opened: Opened, asked: Asked, place: Place) -> Wanted:
    """Raises UserError when there is nothing to hold the picture against."""
    stream = place.stream
    reference = _held_against(opened, asked, place)
    parts = [stream.name, str(stream.run.number), str(place.pulse)]
    parts += ["moving"] if asked.is_moving and factor_of(stream) > 1 else []
    parts += [f"minus-{reference.stream.run.number}-{reference.pulse}"] if reference else []
    parts += ["jpeg"] if asked.is_jpeg else []
    return Wanted("/".join(parts), place, reference)


def _held_against(opened: Opened, asked: Asked, place: Place) -> Place | None:
    stream, pulse = place.stream, -1
    if asked.pinned is not None:
        run, pulse = asked.pinned
        other = opened.session.run(run).streams.get(stream.name)
        if other is None or _kind(other) != _kind(stream):
            raise UserError("reference", f"run {run} has no such pictures of {stream.name}")
        stream = other
    elif asked.earlier is not None:
        pulse = place.pulse - ceil(asked.earlier / stream.divisor) * stream.divisor
    else:
        return None
    own = pulse - pulse % stream.divisor
    index = stream.frame_of(own)
    if index is None:
        raise UserError("reference", f"no picture to compare with, of pulse {own}: {why_no_frame(stream, own)}")
    return Place(stream, own, index)


def _kind(stream: Stream) -> tuple[str, int, int]:
    return stream.pixel_format.name, stream.height, stream.width


def factor_of(stream: Stream) -> int:
    """By what pictures of a stream are reduced while pages move."""
    return max(1, ceil(sqrt(stream.width * stream.height / MOVING_PX)))


def _made(
    wanted: dict[str, Wanted], asked: Asked, is_given_up: Callable[[], bool]
) -> tuple[list[tuple[Json, memoryview]], dict[str, str]]:
    """What is told of each picture, and its bytes; and of those that cannot be read why."""
    made: list[tuple[Json, memoryview]] = []
    damaged: dict[str, str] = {}
    for key, picture in wanted.items():
        if is_given_up():
            break
        try:
            made.append(_picture(picture, asked))
        except RigError as error:
            damaged[key] = error.problem
    return made, damaged


def _picture(wanted: Wanted, asked: Asked) -> tuple[Json, memoryview]:
    stream = wanted.place.stream
    factor = factor_of(stream) if asked.is_moving else 1
    samples, kind, bits = samples_of(wanted.place, factor), kind_of(stream), bits_of(stream)
    if wanted.reference is not None:
        from rig.motion import registered_difference

        samples = registered_difference(samples_of(wanted.reference, factor), samples, bits)
        kind, bits = "grey8", 8
    height, width = samples.shape[:2]
    data = np.ascontiguousarray(samples).reshape(-1).view(np.uint8).data
    if asked.is_jpeg:
        data, kind, bits = memoryview(jpeg(_in_8_bits(samples, bits))), "jpeg", 8
    return {"key": wanted.key, "kind": kind, "bits": bits, "width": width, "height": height}, data


def samples_of(place: Place, factor: int = 1) -> pixels.Samples:
    """A picture as it is sent, reduced by `factor`: (height, width), or (height, width, 3) of red, green, blue.

    Raises ChecksumError, Truncated.
    """
    stream = place.stream
    stored = stream.data.read(place.index)
    read = pixels.shown if kind_of(stream) == "rgb8" else pixels.unpack
    samples = read(stored, stream.pixel_format, stream.height, stream.width)
    return reduced(samples, factor)


def reduced(samples: pixels.Samples, factor: int) -> pixels.Samples:
    """Pixels of `factor` x `factor` in one, their mean; what is over at the right and below is left out."""
    if factor == 1:
        return samples
    import cv2  # takes 0.2 s and some memory to load

    height, width = samples.shape[0] // factor, samples.shape[1] // factor
    whole = np.ascontiguousarray(samples[: height * factor, : width * factor])
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), samples.dtype)


def _in_8_bits(samples: pixels.Samples, bits: int) -> pixels.Shown:
    """The upper 8 bits, colours in the order of JPEG encoders: blue, green, red."""
    upper = (samples >> (bits - 8)).astype(np.uint8)
    return np.ascontiguousarray(upper[..., ::-1]) if upper.ndim == 3 else upper


def _padded(size: int) -> int:
    return -(-size // ALIGN) * ALIGN


def _joined(header: Json, pictures: list[memoryview]) -> bytes:
    text = json.dumps(header).encode()
    text += b" " * (_padded(4 + len(text)) - 4 - len(text))
    parts: list[bytes | memoryview] = [struct.pack("<I", len(text)), text]
    for data in pictures:
        parts += [data, bytes(_padded(len(data)) - len(data))]
    return b"".join(parts)
