"""Reads one run: what its cameras, box and screen told, whether it was closed in order or left behind by a crash.

A run that outlasted its plan lies in several files, one after the other (runfile.py); they are read as one.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rig import pixels
from rig.elicitation.steps import Step
from rig.errors import NotASession
from rig.session import layout, texts
from rig.session.folder import RUN_SUFFIX, run_name
from rig.session.opening import FOREIGN, reading
from rig.session.pictures import Part, Pictures
from rig.session.runfile import Json, Rows, RunFile, joined, number_in
from rig.streams import (
    BOX_STATUS,
    CLOCK_PAIR,
    DISK,
    EDGE,
    EXTRA,
    FLIP,
    FRAME,
    GAP,
    NO_PULSE,
    NOT_STORED,
    PULSE,
    QUEUE,
    SYNC,
    TRIAL,
)

MOST_DIVISOR = 1 << 16  # far above what a trigger box can do; keeps the least common multiple of several small


class Shown(ABC):
    """Frames of one camera, with pictures of one kind. Width and height in px."""

    pixel_format: pixels.PixelFormat
    width: int
    height: int

    @property
    @abstractmethod
    def frames(self) -> Rows:
        """Frame rows, FRAME (n,)."""

    @property
    @abstractmethod
    def data(self) -> Pictures:
        """The pictures as delivered, read when they are asked for."""

    @property
    @abstractmethod
    def pulse_numbers(self) -> NDArray[np.int64]:
        """The pulse of each frame within its run, int64 (n,); NO_PULSE for an extra."""

    def grey(self, index: int) -> pixels.Grey:
        """Picture `index` for measuring: linear, float32 (height, width), 0 to 1; see rig.pixels.grey.

        Raises as `data[index]` does.
        """
        return pixels.grey(self.data[index], self.pixel_format, self.height, self.width)

    def rgb(self, index: int) -> pixels.Shown:
        """Picture `index` for people: uint8 (height, width, 3); see rig.pixels.rgb. Raises as `data[index]` does."""
        return pixels.rgb(self.data[index], self.pixel_format, self.height, self.width)


class Stream(Shown):
    """One camera's frames in one run, oldest first."""

    def __init__(self, run: Run, name: str, *, walk: bool = False) -> None:
        self.run, self.name, self._walk = run, name, walk
        attributes = run.attributes(f"{layout.ACQUISITION}/{name}")
        self.divisor = number_in(attributes, "divisor", run.path)  # of the pulses; 4 gives 25 fps at 100 Hz
        if not 1 <= self.divisor <= MOST_DIVISOR:
            allowed = f"1 to {MOST_DIVISOR}"
            raise NotASession(f"{run.path}: {name}", "is no divisor", value=str(self.divisor), allowed=allowed)
        self.line = number_in(attributes, "line", run.path)  # trigger line of the box
        self.serial = str(attributes.get("serial", ""))
        self.is_simulated = _flag(attributes, "simulated", run.path)
        self.pixel_format = _pixel_format(attributes, f"{run.path}: {name}")
        self.width, self.height = (number_in(attributes, side, run.path) for side in ("width", "height"))  # px
        if min(self.width, self.height) < 1:
            size = f"{self.width}x{self.height} px"
            raise NotASession(f"{run.path}: {name}", "is no size", value=size, allowed="at least 1x1 px", hint=FOREIGN)

    @cached_property
    def frames(self) -> Rows:
        """Frame rows, FRAME (n,): only those with a picture."""
        path = layout.frames_path(self.name, walk=self._walk)
        return joined(part.file.table(path, FRAME)[: len(part)] for part in self.parts)

    @property
    def pulse_numbers(self) -> NDArray[np.int64]:
        """See Shown.pulse_numbers; by the sync LEDs where the run goes by them."""
        by_leds = None if self._walk else self.run.by_leds.get(self.name)
        return self._told_pulses if by_leds is None else by_leds

    @cached_property
    def _told_pulses(self) -> NDArray[np.int64]:
        return joined(part.pulse_numbers for part in self.parts)

    @cached_property
    def parts(self) -> list[Part]:
        """What each file of the run holds of it."""
        shape, dtype = self.pixel_format.shape(self.height, self.width), self.pixel_format.dtype
        rows, data = (of(self.name, walk=self._walk) for of in (layout.frames_path, layout.data_path))
        parts = []
        for file in self.run.files:
            pictures = file.pictures(data, shape, dtype)
            names = ("pulse_number", "checksum")
            told = file.columns(rows, FRAME, names)[: pictures.shape[0]]
            parts.append(Part(file, pictures, *(np.ascontiguousarray(told[name]) for name in names)))
        return parts

    @cached_property
    def data(self) -> Pictures:
        """The pictures as delivered, read lazily."""
        return Pictures(self.name, self.parts)

    def shown(self, index: int) -> pixels.Shown:
        """The same without a third axis where there are no colours; see rig.pixels.shown."""
        return pixels.shown(self.data[index], self.pixel_format, self.height, self.width)

    @cached_property
    def gaps(self) -> Rows:
        """Pulses without a frame, GAP (n,); empty for the line walk."""
        return np.zeros(0, GAP) if self._walk else self.run.table(layout.gaps_path(self.name), GAP)

    @cached_property
    def extras(self) -> Rows:
        """Frames without a pulse, EXTRA (n,); empty for the line walk."""
        return np.zeros(0, EXTRA) if self._walk else self.run.table(layout.extras_path(self.name), EXTRA)

    @cached_property
    def baseline(self) -> Json:
        """What the camera's numbers stood at when armed (fields of cameras.Baseline); {} if never armed."""
        return self.run.armed(self.name, 0 if self._walk else 1)

    @property
    def start_delay_us(self) -> float:
        """From the trigger to the start of exposure, as the camera said when armed; 0 if it did not."""
        return float(sum(delay["us"] for delay in self.baseline.get("delays", {}).values()))

    @property
    def row_time_us(self) -> float:
        """From the start of one row's exposure to that of the next; 0 where all begin at once, or it is not known."""
        return float(self.baseline.get("row_time_us", 0.0))

    @cached_property
    def _by_pulse(self) -> NDArray[np.int64] | None:
        """Indices of the frames, in the order of their pulses; None: they are in that order, and need no copy."""
        numbers = self.pulse_numbers
        return None if (numbers[1:] >= numbers[:-1]).all() else np.argsort(numbers, kind="stable")

    @cached_property
    def _pulses_in_order(self) -> NDArray[np.int64]:
        return self.pulse_numbers if self._by_pulse is None else self.pulse_numbers[self._by_pulse]

    def index_at(self, pulses: ArrayLike) -> NDArray[np.int64]:
        """Index of the frame that each of `pulses` exposed, int64 of the same shape; -1: lost, or not stored.

        So `other.index_at(stream.pulse_numbers)` lays two streams beside each other.
        """
        wanted, count = np.asarray(pulses, np.int64), len(self._pulses_in_order)
        if not count:
            return np.full(wanted.shape, -1, np.int64)
        places = np.searchsorted(self._pulses_in_order, wanted).clip(max=count - 1)
        is_there = (self._pulses_in_order[places] == wanted) & (wanted != NO_PULSE)
        return np.where(is_there, places if self._by_pulse is None else self._by_pulse[places], -1)

    def frame_of(self, pulse: int) -> int | None:
        """Index of the frame that pulse `pulse` exposed; None when it was lost or not stored."""
        index = int(self.index_at(pulse))
        return None if index < 0 else index


class Run:
    """One run, open for reading; closed by `close` or at the end of a `with` statement.

    `path`, `number` and `created_*` are those of its first file.
    """

    def __init__(self, *paths: Path) -> None:
        """`paths`: its files, in order; see reader.runs_of. Raises NotASession, Truncated."""
        self.files: list[RunFile] = []
        with ExitStack() as undo:
            undo.callback(self.close)
            self.files += map(RunFile, paths)
            self._read_head()
            undo.pop_all()

    def _read_head(self) -> None:
        first = self.files[0]
        self.path, self.schema, self.subject = first.path, first.schema, first.subject
        self.rig, self.protocol = (str(first.head.get(key, "")) for key in ("rig", "protocol"))
        self.session, self.number, self.run_id = first.session, first.number, first.run_id
        self.is_simulated = _flag(first.head, "simulated", self.path)
        self.created_utc = str(first.head.get("created_utc", ""))  # ISO 8601 with offset
        self.created_host_ns = first.created_host_ns
        self.outcome = self.files[-1].outcome
        self.by_leds: dict[str, NDArray[np.int64]] = {}  # pulses of streams that go by their LEDs: see led_pairing
        self.streams = {name: Stream(self, name) for name in first.stream_names}
        self.walk_streams = {name: Stream(self, name, walk=True) for name in first.stream_names}

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the files back; a second call does nothing."""
        for file in self.files:
            file.close()

    @property
    def misplaced(self) -> str:
        """How the names of files and folders contradict whose run this is; empty when none does."""
        return "; ".join(file.misplaced for file in self.files if file.misplaced)

    @property
    def missing_files(self) -> list[str]:
        """Names of its files that are not there: each file says which one it continues, and which one follows."""
        numbers = {file.number for file in self.files}
        told = {file.continues for file in self.files if file.continues}
        told |= {entry["run"] for entry in self.log if entry.get("kind") == "goes_on"}
        return [run_name(self.subject, self.session, number) + RUN_SUFFIX for number in sorted(told - numbers)]

    @property
    def bytes(self) -> int:
        """The size of its files."""
        return sum(file.path.stat().st_size for file in self.files)

    @property
    def is_being_recorded(self) -> bool:
        """Whether a recorder held the last file when this was first asked."""
        return self.files[-1].is_being_recorded

    @property
    def first_step(self) -> int:
        """The step with which it began: those before it were shown in the run that it resumed."""
        return int(self.attributes("/").get("first_step", 0))

    @property
    def caught_before(self) -> int:
        """How many guesses of the operator were right in earlier runs of its session."""
        return int(self.attributes("/").get("caught_before", 0))

    @property
    def is_withdrawn_before(self) -> bool:
        """Whether the participant withdrew in an earlier run of its session."""
        return bool(self.attributes("/").get("withdrawn_before", False))

    def attributes(self, path: str) -> Json:
        """The attributes of an object in the first file. Raises Truncated when they cannot be read."""
        return self.files[0].attributes(path)

    def table(self, path: str, dtype: np.dtype[np.void]) -> Rows:
        """The written rows of a table, (n,) of `dtype`."""
        return joined(file.table(path, dtype) for file in self.files)

    def texts(self, path: str) -> list[Json]:
        """A log's JSON objects with their `host_ns`."""
        return [entry for file in self.files for entry in file.texts(path)]

    def config(self, name: str) -> str:
        """A text of /config: rig, protocol, steps, devices, versions or plan; "" when it is missing."""
        return self.files[0].config(name)

    @cached_property
    def measured(self) -> dict[str, str]:
        """The texts of what was measured on the rig before the run, by file name; see rig.config.measured."""
        names = self.files[0].config_names("calibration")
        return {name: self.config(f"calibration/{name}") for name in names}

    def _config_json(self, name: str) -> Any:
        with reading(self.path, f"{layout.CONFIG}/{name}"):
            return json.loads(self.config(name) or "{}")

    def clip(self, name: str) -> Json:
        """A clip as it was played: file, sha256, title, licence, fps, width, height, first, pts float64 (frames,), s.

        `first` is the film frame of the file that is the clip's film frame 0; `at_s`, when that one is due on the clock
        of the file; files of early versions have neither. `jump_s` is the same where a jump finds it, else None.
        """
        path = f"{layout.CONFIG}/clips/{name}"
        with reading(self.path, path):
            attributes = texts.clip(self.attributes(path))
            jump_s = attributes.get("at_s") if attributes.get("may_jump") else None
            return {**attributes, "jump_s": jump_s, "pts": np.asarray(self.files[0].array(f"{path}/pts"), np.float64)}

    @cached_property
    def pulses(self) -> Rows:
        """Pulses that the box told, PULSE (n,)."""
        return self.table(layout.PULSES, PULSE)

    def pulse_columns(self, *names: str) -> Rows:
        """Some fields of `pulses`, newly read."""
        return joined(file.columns(layout.PULSES, PULSE, names) for file in self.files)

    @cached_property
    def walk_pulses(self) -> Rows:
        """Pulses of the line walk, PULSE (n,)."""
        return self.table(layout.WALK_PULSES, PULSE)

    @cached_property
    def edges(self) -> Rows:
        """Edges at the box's inputs, EDGE (n,)."""
        return self.table(layout.EDGES, EDGE)

    @cached_property
    def box_reports(self) -> Rows:
        """How the box said it was, BOX_STATUS (n,), of the line walk too."""
        return self.table(layout.BOX_REPORTS, BOX_STATUS)

    @cached_property
    def flips(self) -> Rows:
        """Refreshes of the participant's screen, FLIP (n,)."""
        return self.table(layout.FLIPS, FLIP)

    @cached_property
    def clock_pairs(self) -> Rows:
        """Other clocks read against the host clock, CLOCK_PAIR (n,)."""
        return self.table(layout.CLOCK_PAIRS, CLOCK_PAIR)

    @cached_property
    def trials(self) -> Rows:
        """Steps with onset and end, TRIAL (n,), host ns; one row each time that a step was shown."""
        return _last_of(self.table(layout.TRIALS, TRIAL), ["step", "onset_host_ns"])

    def film_flips(self, step: Step) -> Rows:
        """Flips on which a step's film was on the screen, the last time that it was shown, FLIP (n,)."""
        earlier_ends = self.trials["ended_host_ns"][self.trials["step"] == step.index][:-1]
        is_last = self.flips["host_ns"] > earlier_ends.max(initial=-1)
        return np.asarray(self.flips[(self.flips["step"] == step.index) & (self.flips["film_frame"] >= 0) & is_last])

    @cached_property
    def not_stored(self) -> Rows:
        """Pulses not stored on purpose, NOT_STORED (n,); one row an interval; last_pulse -1: open at the end."""
        return _last_of(self.table(layout.NOT_STORED_ROWS, NOT_STORED), ["stream", "first_pulse"])

    @cached_property
    def syncs(self) -> Rows:
        """When frames reached the disk, SYNC (n,)."""
        return self.table(layout.SYNCS, SYNC)

    @cached_property
    def queues(self) -> Rows:
        """How many frames waited to be written, every second, QUEUE (n,)."""
        return self.table(layout.QUEUES, QUEUE)

    @cached_property
    def disk_use(self) -> Rows:
        """What was asked of the disk and how long it took, every second, DISK (n,)."""
        return self.table(layout.DISK_USE, DISK)

    @cached_property
    def log(self) -> list[Json]:
        """What the recorder noted, oldest first: dicts with `kind` and `host_ns`."""
        entries = self.texts(layout.LOG)
        with reading(self.path, layout.LOG):
            return [texts.log_entry(entry) for entry in entries]

    def log_of(self, kind: str, stream: str | None = None) -> list[Json]:
        """The entries of a kind in the log, of one stream or device if that is named, oldest first."""
        found = [entry for entry in self.log if entry.get("kind") == kind]
        return found if stream is None else [entry for entry in found if entry.get("stream") == stream]

    def armed(self, stream: str, epoch: int) -> Json:
        """What a camera said when it was armed for an epoch (fields of cameras.Baseline); {} if it never was."""
        told = [entry for entry in self.log_of("armed", stream) if entry.get("epoch") == epoch]
        return dict(told[-1]["baseline"]) if told else {}

    @cached_property
    def answers(self) -> list[Json]:
        """What the participant answered, and the operator guessed: dicts with step, question, answer, host ns."""
        with reading(self.path, layout.ANSWERS):
            return [texts.answer(entry) for entry in self.texts(layout.ANSWERS)]

    @cached_property
    def steps(self) -> list[Step]:
        """The steps that the screen was to show, in order."""
        with reading(self.path, "steps"):
            return [Step.from_json(step) for step in texts.steps(self._config_json("steps") or [])]

    @cached_property
    def plan(self) -> Json:
        """The pulse plan: period_ticks, led_phase_ticks, group, lines {STREAM: {line, divisor, width_ticks}}."""
        with reading(self.path, f"{layout.CONFIG}/plan"):
            return texts.plan(self._config_json("plan"))

    @cached_property
    def devices(self) -> Json:
        """Who each device said it was: {name: fields of DeviceInfo}."""
        with reading(self.path, f"{layout.CONFIG}/devices"):
            return texts.fitting(self._config_json("devices"), {})

    @cached_property
    def base(self) -> Stream:
        """The fastest stream, on whose pulses all others lie (HS)."""
        return min(self.streams.values(), key=lambda stream: stream.divisor)


def _pixel_format(attributes: Json, subject: str) -> pixels.PixelFormat:
    name = str(attributes.get("pixel_format", ""))
    if name in pixels.FORMATS:
        return pixels.FORMATS[name]
    value = repr(name)[:80]
    raise NotASession(subject, "is no pixel format", value=value, allowed=pixels.IN_WORDS, hint=FOREIGN)


def _flag(attributes: Json, name: str, path: Path) -> bool:
    value = attributes.get(name, False)
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise NotASession(str(path), f"lacks the true or false of {name}", hint=FOREIGN)


def _last_of(rows: Rows, keys: list[str]) -> Rows:
    """The last row of each key, in the order in which the keys first came."""
    last = {tuple(row[key] for key in keys): index for index, row in enumerate(rows)}
    return rows[list(last.values())]
