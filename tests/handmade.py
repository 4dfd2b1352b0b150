"""Session files made by hand with plain h5py, so that readers are tested against an independent writer.

Every picture holds its pulse number (`number_in` reads it back); an extra's picture holds EXTRA_MARK.
Faults are planted by the fields of `Plan`; what is not planted is right.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xxhash

import rig.session
from rig.streams import BOX_STATUS, CLOCK_PAIR, EDGE, EXTRA, FLIP, FRAME, GAP, NOT_STORED, PULSE, SYNC, TEXT, TRIAL

PERIOD = 20_000  # box ticks: 100 Hz
HEIGHT, WIDTH = 64, 96
EXTRA_MARK = 0xFFFFFF
GREY = 110
HOST_0 = 5_000_000_000  # host ns at box tick 0
DIVISORS = {"HS": 1, "VIS": 4, "NIR": 4}
DELAYS = {"exposure_start": {"us": 20.0, "origin": "DECLARED"}}
FEATURES = {"PixelFormat": "Mono8", "Width": WIDTH, "Height": HEIGHT, "TriggerMode": "On"}
LINES = {"HS": 0, "VIS": 1, "NIR": 2}
CAMERA_HZ = {"HS": 1_000_000_000, "VIS": 125_000_000, "NIR": 1_000_000}
FLIP_NS = 16_666_667
FILM_FRAMES = 25
BOX_0 = 1_000_000  # box ticks at pulse 0
LATENCY_NS = 12_000_000  # flip to photodiode
# Its pictures show no sync LEDs and no face, so its protocol lists what must be measured.
REQUIRED = """\
requires:
  [schema, identity, files, pulses, box, schedule, frames, extras, recount, order, pairing, line walk, preamble,
   postamble, evidence, stamps, intervals, skew, box rate, steps, film frames, late flips, acknowledged, features,
   checksums, rows, tables, values, ending]
"""


@dataclass
class Plan:
    """What a run holds and what is wrong with it. Pulses are numbers of the recording run."""

    body_groups: int = 60
    closed: bool = True
    outcome: str = "finished"
    run: int = 1
    number_of_session: int = 1
    lost: dict[str, set[int]] = field(default_factory=dict)  # frames not there; gap rows are written
    silent: dict[str, set[int]] = field(default_factory=dict)  # frames not there, and no gap row
    ghosts: dict[str, list[int]] = field(default_factory=dict)  # an extra frame, 3 ms after each of these pulses
    claimed: dict[str, dict[int, int]] = field(default_factory=dict)  # frame of pulse -> pulse it claims
    not_stored: list[tuple[str, int, int]] = field(default_factory=list)
    damaged: dict[str, set[int]] = field(default_factory=dict)  # pulses whose picture is changed after the checksum
    walk_lines: dict[str, int] = field(default_factory=lambda: dict(LINES))  # where the cables really are
    walk_frames: dict[str, int] = field(default_factory=dict)  # another number of walk frames
    undeclared: set[str] = field(default_factory=set)  # streams whose start delay nobody declared
    has_walk: bool = True
    has_ended: bool = True
    pulses_lost_on_wire: set[int] = field(default_factory=set)  # events of these pulses never came
    film_holes: set[int] = field(default_factory=set)
    film_begins: bool = True
    late_flips: int = 0
    sound_late_ms: tuple[float | None, ...] = ()  # of each film as told in the log; None: it did not begin
    steps_missing: set[int] = field(default_factory=set)  # no row of them
    steps_open: set[int] = field(default_factory=set)  # begun, and no row closes them
    trials: tuple[int, int, int] = (0, 0, 0)  # of each step
    step_shift_s: dict[int, tuple[float, float]] = field(default_factory=dict)  # onset and end moved
    raw_ppm: float = 12.0  # of the host clock against CLOCK_MONOTONIC_RAW
    utc_step_s: float = 0.0  # by which UTC is set in mid-run
    has_other_clocks: bool = True
    photodiode: bool = True
    edges_missing: int = 0
    sync_delay_s: float = 0.5
    box_ppm: float = 80.0
    camera_ppm: float = 30.0  # of each camera's clock against the box's
    evidence: int = 4
    number_modulus: int = 0  # camera numbers wrap to 0 here
    jitter_ticks: dict[str, dict[int, float]] = field(default_factory=dict)  # base periods by which a frame is off
    host_0: int = HOST_0
    created_utc: str = "2026-03-01T10:00:00+00:00"
    written: int | None = None  # unclosed: only so many pulses' frames are there
    box_resets_at: int | None = None
    has_reports: bool = True  # of the box, after the line walk and after the run
    report: dict[str, int] = field(default_factory=dict)  # what the last report says otherwise
    events_lost: int = 0  # told in the log
    events_lost_s: float = 0.0  # after pulse 0
    events_lost_in_walk: int = 0  # before the report that follows the walk
    full_table: str = ""  # a table whose room was too small, as told in the log
    wired: dict[str, int] = field(default_factory=dict)  # camera: input of its ExposureActive line
    rises: dict[str, int] = field(default_factory=dict)  # camera: exposures more or less than there were
    alarm: str = ""
    question: str = "how"
    answer: str = "[red]happy"
    screen_lost_ns: int = 0  # when the recorder alarmed that its window was gone
    clip_file: str = "clip.mp4"
    clip_sha256: str = "0" * 64
    clip_frames: int = FILM_FRAMES
    protocol_path: str = "/nowhere/demo.yaml"
    protocol_text: str = "name: demo\n" + REQUIRED
    rig_text: str = ""  # besides the box's inputs

    @property
    def pulses(self) -> int:
        return 4 * (self.body_groups + 6)

    @property
    def run_id(self) -> int:
        """Of the recording; one less is that of the line walk."""
        return 75 + 2 * self.run


def picture_of(number: int) -> np.ndarray:
    """uint8 (64, 96), grey; in the middle of each third a byte of the number, too small to be too bright or dark."""
    picture = np.full((HEIGHT, WIDTH), GREY, np.uint8)
    for place in range(3):
        picture[29:35, 32 * place + 13 : 32 * place + 19] = (number >> (8 * place)) & 255
    return picture


def number_in(picture: np.ndarray) -> int:
    return sum(int(picture[32, 32 * place + 16]) << (8 * place) for place in range(3))


def pulse_ticks(plan: Plan) -> np.ndarray:
    """Box ticks of each pulse, spelled out slot by slot: x x . x . .   x ... x   . . x . x x."""
    slots = "xx.x.." + "x" * plan.body_groups + "..x.xx"
    starts = [i for i, s in enumerate(slots) if s == "x"]
    return np.array([BOX_0 + (4 * s + k) * PERIOD for s in starts for k in range(4)], np.int64)


def host_of(plan: Plan, ticks: np.ndarray | int) -> np.ndarray:
    return np.asarray(plan.host_0 + np.rint(np.asarray(ticks) * 500 * (1 + plan.box_ppm * 1e-6)).astype(np.int64))


def film_onset(plan: Plan) -> int:
    """Host ns of the flip that shows the clip's frame 0: 0.5 s after pulse 0."""
    return int(host_of(plan, BOX_0)) + 500_000_000


def make_run(directory: Path, plan: Plan | None = None, *, subject: str = "001") -> Path:
    """Write a run of a session below `directory`; returns its path."""
    plan = plan or Plan()
    folder = directory / f"sub-{subject}" / f"ses-{plan.number_of_session:02d}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"sub-{subject}_ses-{plan.number_of_session:02d}_run-{plan.run:02d}_session.h5"
    path.unlink(missing_ok=True)  # one made before is read-only
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        _Maker(file, plan).make(subject)
        note_attributes(file)
        if plan.closed:
            note_checksums(file)
    if plan.closed:
        path.chmod(0o400)
    return path


def note_attributes(file: h5py.File) -> None:
    """The checksum of all attributes, as they are now."""
    objects = {"/": file}
    file.visititems(lambda name, item: objects.__setitem__(f"/{name}", item))
    plain = {path: _plain(item) for path, item in objects.items()}
    text = json.dumps({path: found for path, found in plain.items() if found}, sort_keys=True)
    file.attrs["xxh3_64"] = np.uint64(xxhash.xxh3_64_intdigest(text.encode()))


def _plain(item: h5py.HLObject) -> dict[str, object]:
    own = {name: item.attrs[name] for name in item.attrs if name not in ("outcome", "xxh3_64")}
    return {name: value if isinstance(value, str) else value.item() for name, value in own.items()}


def note_checksums(file: h5py.File) -> None:
    """Of every data set but pictures, as it is now: after a table was edited, a file is as if it had been closed so."""

    def note(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and not name.endswith("/data"):
            held = item[()]
            data = held if isinstance(held, bytes) else held.tobytes()
            item.attrs["xxh3_64"] = np.uint64(xxhash.xxh3_64_intdigest(data))

    file.visititems(note)


class _Maker:
    def __init__(self, file: h5py.File, plan: Plan) -> None:
        self.file, self.plan, self.logged = file, plan, []
        self.ticks = pulse_ticks(plan)

    def make(self, subject: str) -> None:
        self.attributes(subject)
        self.config()
        self.walk()
        self.log("began", run_id=self.plan.run_id, walk=False, box_ticks=int(self.ticks[0]) - PERIOD)
        self.pulses()
        self.box_reports()
        for stream in DIVISORS:
            self.stream(stream)
        self.screen()
        self.clock_pairs()
        self.rest()

    def attributes(self, subject: str) -> None:
        self.file.attrs.update(
            schema=1, subject=subject, session=self.plan.number_of_session, run=self.plan.run, continues=0, rig="demo",
            protocol="demo", simulated=True, outcome=self.plan.outcome, run_id=np.uint32(self.plan.run_id),
            created_utc=self.plan.created_utc, created_host_ns=self.plan.host_0, streams=json.dumps(list(DIVISORS)),
        )  # fmt: skip

    def table(self, path: str, rows: np.ndarray, spare: int = 50) -> None:
        rows["seq"] = np.arange(1, len(rows) + 1)
        if not self.plan.closed:
            rows = np.concatenate([rows, np.zeros(spare, rows.dtype)])
        self.file.create_dataset(path, data=rows, maxshape=(None,), chunks=(max(1, len(rows)),))

    def text(self, path: str, entries: list[dict[str, Any]]) -> None:
        texts = [json.dumps(e).encode() for e in entries]
        rows = np.zeros(len(texts), TEXT)
        rows["length"] = [len(t) for t in texts]
        rows["offset"] = np.cumsum([0, *rows["length"]])[:-1]
        rows["host_ns"] = [e.get("host_ns", 0) for e in entries]
        self.table(f"{path}/rows", rows)
        data = np.frombuffer(b"".join(texts) + bytes(0 if self.plan.closed else 1000), np.uint8)
        self.file.create_dataset(f"{path}/text", data=data, maxshape=(None,), chunks=(max(1, len(data)),))

    def log(self, kind: str, **fields: Any) -> None:
        self.logged.append({"kind": kind, "host_ns": self.plan.host_0, **fields})

    def config(self) -> None:
        config = self.file.create_group("config")
        rig = f"box:\n  inputs: {json.dumps({'photodiode': 4, **self.plan.wired})}\n{self.plan.rig_text}"
        for name, text in (("rig", rig), ("protocol", self.plan.protocol_text)):
            config[name] = text
            config[name].attrs.update(
                path=self.plan.protocol_path if name == "protocol" else "/nowhere/rig.yaml", sha256="0"
            )
        steps = zip(STEPS, self.plan.trials, strict=True)
        config["steps"] = json.dumps([{**step, "trial": trial} for step, trial in steps])
        devices = {name: {"kind": "camera", "simulated": True} for name in DIVISORS}
        box = {"kind": "box", "simulated": True, "capabilities": {"protocol": 1, "baud": 0}}
        config["devices"] = json.dumps({**devices, "box": box})
        config["versions"] = "{}"
        lines = {n: {"line": LINES[n], "divisor": d, "width_ticks": 2000} for n, d in DIVISORS.items()}
        config["plan"] = json.dumps({"period_ticks": PERIOD, "led_phase_ticks": 18000, "group": 4, "lines": lines})
        clip = config.create_group("clips/bunny")
        clip.attrs.update(
            file=self.plan.clip_file,
            sha256=self.plan.clip_sha256,
            title="t",
            licence="l",
            fps=25.0,
            width=320,
            height=240,
        )
        clip["pts"] = np.arange(self.plan.clip_frames) / 25

    def walk(self) -> None:
        sent = [(line, k) for line in range(3) for k in range(3 + 2 * line)]
        rows = np.zeros(len(sent) if self.plan.has_walk else 0, PULSE)
        for i in range(len(rows)):
            rows[i] = (0, self.plan.run_id - 1, 1 << sent[i][0], i, 100_000 + 4 * PERIOD * i, self.plan.host_0)
        if self.plan.has_walk:
            self.log("began", run_id=self.plan.run_id - 1, walk=True, box_ticks=99_000)
            self.log(
                "ended",
                run_id=self.plan.run_id - 1,
                walk=True,
                pulses_sent=len(sent),
                box_ticks=100_000 + 4 * PERIOD * len(sent),
            )
        self.table("line_walk/pulses", rows)
        for stream in DIVISORS:
            cable = self.plan.walk_lines[stream]
            count = self.plan.walk_frames.get(stream, 3 + 2 * cable) if self.plan.has_walk else 0
            places = [i for i, (line, _) in enumerate(sent) if line == cable][:count]
            frames = self.frames(stream, np.array(places, np.int64), 100_000 + 4 * PERIOD * np.array(places, np.int64))
            frames["epoch"] = 0
            self.data(f"line_walk/{stream}", frames, frames["pulse_number"], set())

    def pulses(self) -> None:
        n = self.plan.pulses
        rows = np.zeros(n, PULSE)
        rows["run_id"], rows["pulse_number"], rows["box_ticks"] = self.plan.run_id, np.arange(n), self.ticks
        rows["lines"] = np.where(np.arange(n) % 4 == 0, 0b111, 0b001)
        rows["arrived_host_ns"] = host_of(self.plan, self.ticks) + 2_000_000
        if self.plan.box_resets_at is not None:
            rows = rows[: self.plan.box_resets_at]
            self.log("alarm", stream="box", text="restarted (boot 8, cause: brown out); pulses have stopped")
        keep = ~np.isin(rows["pulse_number"], list(self.plan.pulses_lost_on_wire))
        self.table("acquisition/pulses", rows[keep], 500)
        if self.plan.has_ended:
            self.log(
                "ended", run_id=self.plan.run_id, walk=False, pulses_sent=n, box_ticks=int(self.ticks[-1]) + PERIOD
            )

    def box_reports(self) -> None:
        """One after the line walk, one after the run; the counters go on from whatever they were."""
        plan = self.plan
        rows = np.zeros(2 if plan.has_reports and plan.has_ended else 0, BOX_STATUS)
        if len(rows):
            rows["run_id"], rows["box_ticks"] = [plan.run_id - 1, plan.run_id], [900_000, self.ticks[-1] + PERIOD + 9]
            rows["pulses_sent"], rows["events_sent"] = [15, plan.pulses], [17, plan.pulses + 19]
            rows["events_dropped"], rows["bad_frames"] = 7, 2
            rows["arrived_host_ns"] = host_of(plan, rows["box_ticks"])
            rows["input_rises"][0] = [3, 5, 7, 0, 9, 0, 0, 0]
            rows["input_rises"][1] = rows["input_rises"][0]
            for camera, number in plan.wired.items():
                lost = plan.lost.get(camera, set()) | plan.silent.get(camera, set())
                exposures = -(-plan.pulses // DIVISORS[camera]) - len(lost) + len(plan.ghosts.get(camera, []))
                rows["input_rises"][1][number] += exposures + plan.rises.get(camera, 0)
            for name, value in plan.report.items():
                rows[name][1] = value
        self.table("acquisition/box_status", rows)
        if plan.events_lost:
            at = int(host_of(plan, BOX_0)) + round(plan.events_lost_s * 1e9)
            self.log("events_lost", first_seq=20, count=plan.events_lost, host_ns=at)
        if plan.events_lost_in_walk:
            self.log("events_lost", first_seq=17 - plan.events_lost_in_walk, count=plan.events_lost_in_walk)
        if plan.full_table:
            self.log("alarm", text="did not fit", table=plan.full_table, rows=1)

    def frames(self, stream: str, pulses: np.ndarray, ticks: np.ndarray) -> np.ndarray:
        rows = np.zeros(len(pulses), FRAME)
        shift = np.array([self.plan.jitter_ticks.get(stream, {}).get(int(p), 0.0) for p in pulses]) * PERIOD
        rows["epoch"], rows["evidence"], rows["exposure_us"] = 1, self.plan.evidence, 4000.0
        rows["frame_number"], rows["pulse_number"] = np.arange(len(pulses)), pulses
        rate = CAMERA_HZ[stream] / 2_000_000 * (1 + self.plan.camera_ppm * 1e-6)
        rows["camera_ticks"] = np.rint((np.asarray(ticks) + shift) * rate).astype(np.uint64) + np.uint64(12_345)
        rows["counter"] = np.asarray(pulses) // DIVISORS[stream] + 1  # of edges at its line: a lost frame had one
        rows["arrived_host_ns"] = host_of(self.plan, ticks) + 10_000_000
        return rows

    def stream(self, stream: str) -> None:
        plan = self.plan
        divisor, lost = DIVISORS[stream], plan.lost.get(stream, set()) | plan.silent.get(stream, set())
        skipped = {p for s, first, last in plan.not_stored if s == stream for p in range(first, last + 1)}
        sent = np.arange(0, plan.pulses, divisor)
        if plan.written is not None:
            sent = sent[sent < plan.written]
        got = np.array([p for p in sent if p not in lost and p not in skipped], np.int64)
        ghosts = np.array(plan.ghosts.get(stream, []), np.int64)
        rows = self.frames(stream, np.r_[got, ghosts], np.r_[self.ticks[got], self.ticks[ghosts] + 6000])
        marks = np.r_[got, np.full(len(ghosts), EXTRA_MARK)]
        rows["pulse_number"][len(got) :] = -1
        order = np.argsort(rows["camera_ticks"], kind="stable")
        rows, marks = rows[order], marks[order]
        rows["frame_number"] = np.arange(len(rows)) % (plan.number_modulus or len(rows) + 1)
        for pulse, claim in plan.claimed.get(stream, {}).items():
            rows["pulse_number"][marks == pulse] = claim
        self.baseline(stream)
        self.data(f"acquisition/{stream}", rows, marks, plan.damaged.get(stream, set()))
        self.gaps_and_extras(stream, rows, sorted(plan.lost.get(stream, set())))
        group = self.file[f"acquisition/{stream}"]
        group.attrs.update(divisor=divisor, line=LINES[stream], serial=f"SIM-{stream}", simulated=True)
        group.attrs.update(pixel_format="Mono8", width=WIDTH, height=HEIGHT)

    def baseline(self, stream: str) -> None:
        baseline = {
            "epoch": 1, "first_frame_number": 0, "number_modulus": self.plan.number_modulus,
            "ticks_hz": CAMERA_HZ[stream], "counter": 0,
            "counter_source": "Line1", "delays": {} if stream in self.plan.undeclared else DELAYS,
            "features": FEATURES,
        }  # fmt: skip
        self.log("armed", stream=stream, epoch=0, baseline={**baseline, "epoch": 0})
        self.log("armed", stream=stream, epoch=1, baseline=baseline)
        self.log("stopped", stream=stream, epoch=1, features=FEATURES)

    def data(self, group: str, rows: np.ndarray, marks: np.ndarray, damaged: set[int]) -> None:
        pictures = (
            np.stack([picture_of(int(m)) for m in marks]) if len(marks) else np.zeros((0, HEIGHT, WIDTH), np.uint8)
        )
        for i, picture in enumerate(pictures):
            rows["checksum"][i] = xxhash.xxh3_64_intdigest(picture.tobytes())
            if int(marks[i]) in damaged:
                picture[0, 0] ^= 1
        if not self.plan.closed:
            pictures = np.concatenate([pictures, np.zeros((50, HEIGHT, WIDTH), np.uint8)])
        shape, chunks = (None, HEIGHT, WIDTH), (1, HEIGHT, WIDTH)
        self.file.create_dataset(f"{group}/data", data=pictures, maxshape=shape, chunks=chunks)
        self.table(f"{group}/frames", rows)

    def gaps_and_extras(self, stream: str, rows: np.ndarray, lost: list[int]) -> None:
        gaps = np.zeros(len(lost), GAP)
        gaps["cause"], gaps["first_pulse"], gaps["last_pulse"], gaps["missing"] = 1, lost, lost, 1
        self.table(f"acquisition/{stream}/gaps", gaps)
        places = np.flatnonzero(rows["pulse_number"] == -1)
        extras = np.zeros(len(places), EXTRA)
        extras["epoch"], extras["frame_index"] = 1, places
        extras["after_pulse"] = rows["pulse_number"][places - 1] if len(places) else 0
        for name in ("frame_number", "camera_ticks", "arrived_host_ns"):
            extras[name] = rows[name][places]
        self.table(f"acquisition/{stream}/extras", extras)

    def screen(self) -> None:
        """Flips from pulse 0 on: an instruction for 0.5 s, the clip, a question. The patch changes with the film."""
        plan = self.plan
        start, onset, end = int(host_of(plan, BOX_0)), film_onset(plan), int(host_of(plan, int(self.ticks[-1])))
        flip_times = list(range(start, onset - 1_000_000, FLIP_NS))
        flip_times += list(range(onset, end, FLIP_NS))
        rows, shown, edges = np.zeros(len(flip_times), FLIP), -1, []
        for i, (row, t) in enumerate(zip(rows, flip_times, strict=True)):
            due = (t - onset) * 25 // 1_000_000_000 if t >= onset else -1
            row["flip_number"], row["host_ns"], row["film_frame"] = i, t, -1
            row["step"] = 0 if t < onset else 1 if due < plan.clip_frames else 2
            row["late"] = 1 if i and i <= plan.late_flips else 0
            if not (0 <= due < plan.clip_frames) or not plan.film_begins:
                continue
            row["film_frame"] = due if due not in plan.film_holes else shown
            row["pts_s"], row["patch"] = row["film_frame"] / 25, row["film_frame"] % 2 == 0
            if row["film_frame"] != shown:
                row["skipped"] = row["film_frame"] - shown - 1
                if row["patch"] != rows["patch"][i - 1]:
                    edges.append((t + LATENCY_NS, int(row["patch"])))
                shown = int(row["film_frame"])
        self.table("stimulus/presentation/flips", rows, 100)
        self.edges(edges[plan.edges_missing :] if plan.photodiode else [])

    def edges(self, edges: list[tuple[int, int]]) -> None:
        rows = np.zeros(len(edges), EDGE)
        for row, (host_ns, level) in zip(rows, edges, strict=True):
            row["run_id"], row["input"], row["level"] = self.plan.run_id, 4, level
            row["box_ticks"] = round((host_ns - self.plan.host_0) / 500 / (1 + self.plan.box_ppm * 1e-6))
            row["arrived_host_ns"] = host_ns
        self.table("acquisition/edges", rows)

    def clock_pairs(self) -> None:
        times = np.arange(BOX_0 - 400_000, int(self.ticks[-1]) + 400_000, 400_000)
        rows = np.zeros(len(times), CLOCK_PAIR)
        rows["clock"], rows["reading"], rows["reading_end"] = b"box", times, times + 20
        middle = host_of(self.plan, times + 10)
        slow = np.where(np.arange(len(times)) % 3 == 0, 0, 3_000_000)  # a slow answer: the pair is off
        rows["host_before_ns"], rows["host_after_ns"] = middle - 300_000, middle + 300_000 + slow
        others = self.other_clocks() if self.plan.has_other_clocks else rows[:0]
        self.table("acquisition/clock_pairs", np.concatenate([rows, others]))

    def other_clocks(self) -> np.ndarray:
        """UTC and the raw clock, each read three times, a second apart."""
        rows = np.zeros(6, CLOCK_PAIR)
        host = self.plan.host_0 + np.arange(3) * 1_000_000_000
        raw = 700_000_000 + np.rint(np.arange(3) * 1e9 / (1 + self.plan.raw_ppm * 1e-6)).astype(np.int64)
        utc = 1_772_000_000_000_000_000 + host + np.array([0, 1, 1]) * round(self.plan.utc_step_s * 1e9)
        for number, (clock, readings) in enumerate(((b"utc", utc), (b"raw", raw))):
            own = rows[3 * number : 3 * number + 3]
            own["clock"], own["reading"], own["reading_end"] = clock, readings, readings
            own["host_before_ns"], own["host_after_ns"] = host - 500, host + 500
        return rows

    def trials(self) -> None:
        """A row when a step begins, and one with onset and end when it ends."""
        start, onset, end = (
            int(host_of(self.plan, BOX_0)),
            film_onset(self.plan),
            int(host_of(self.plan, self.ticks[-1])),
        )
        film_end = min(onset + self.plan.clip_frames * 40_000_000, end)
        rows = []
        for step, (begun, ended) in enumerate(((start, onset), (onset, film_end), (film_end, end))):
            early, late = self.plan.step_shift_s.get(step, (0.0, 0.0))
            begun, ended = begun + round(early * 1e9), ended + round(late * 1e9)
            rows += [(0, step, begun, -1)] if step not in self.plan.steps_missing else []
            rows += [(0, step, begun, ended)] if step not in self.plan.steps_missing | self.plan.steps_open else []
        self.table("intervals/trials", np.array(rows, TRIAL))

    def rest(self) -> None:
        onset = film_onset(self.plan)
        self.trials()
        rows = np.zeros(len(self.plan.not_stored), NOT_STORED)
        for row, (stream, first, last) in zip(rows, self.plan.not_stored, strict=True):
            row["stream"], row["reason"] = stream.encode(), b"protocol: baseline"
            row["first_pulse"], row["last_pulse"] = first, last
        self.table("intervals/not_stored", rows)
        syncs = np.zeros(5, SYNC)
        syncs["oldest_arrived_host_ns"] = onset + np.arange(5) * 500_000_000
        syncs["started_host_ns"] = syncs["oldest_arrived_host_ns"] + 400_000_000
        syncs["returned_host_ns"] = syncs["oldest_arrived_host_ns"] + round(self.plan.sync_delay_s * 1e9)
        self.table("telemetry/syncs", syncs)
        answer = {"step": 2, "question": self.plan.question, "answer": self.plan.answer, "onset_host_ns": onset}
        self.text("stimulus/answers", [answer])
        if self.plan.alarm:
            self.log("alarm", text=self.plan.alarm)
        for late_ms in self.plan.sound_late_ms:
            since = f"film frame 0 at {onset} ns, asked for at {onset} ns"
            told = "NOT BEGUN 500.0 ms after"
            if late_ms is not None:
                told = f"began at {onset + round(late_ms * 1e6)} ns, {late_ms:+.1f} ms from"
            self.log("note", text=f"screen: sound of bunny: {told} {since}")
        if self.plan.screen_lost_ns:
            text = "shows no further step, and the recording goes on; press Ctrl-C to end it in order"
            self.log("alarm", stream="screen", text=text, host_ns=self.plan.screen_lost_ns)
        if self.plan.closed:
            end_ns = int(host_of(self.plan, self.ticks[-1])) + 1_000_000_000
            self.log("outcome", outcome=self.plan.outcome, text="the end", host_ns=end_ns)
        self.text("log", self.logged)
        self.described()

    def described(self) -> None:
        """What else belongs to a run file by its description: empty tables, and texts that nobody reads here."""
        said = json.loads((Path(rig.session.__file__).parent / "session-file.json").read_text())
        for pattern, entry in said["objects"].items():
            for path in dict.fromkeys(pattern.replace("STREAM", name) for name in DIVISORS):
                if path in self.file or "optional" in entry:
                    continue
                if entry["kind"] == "table":
                    fields = said["rows"][entry["rows"]]["fields"]
                    dtype = np.dtype([(f["name"], f["type"], tuple(f.get("shape", ()))) for f in fields])
                    self.table(path, np.zeros(0, dtype))
                else:
                    self.file[path] = "{}"


def _step(index: int, kind: str, name: str, clip: str | None = None, seconds: float | None = None) -> dict[str, Any]:
    return {
        "index": index, "kind": kind, "name": name, "text": "", "keys": {}, "seconds": seconds, "max_seconds": 5.0,
        "clip": clip, "store": ["HS", "VIS", "NIR"], "reason": "",
    }  # fmt: skip


STEPS = [
    _step(0, "instruction", "welcome", seconds=0.5),
    _step(1, "clip", "clip1", "bunny"),
    _step(2, "question", "report-how"),
]
