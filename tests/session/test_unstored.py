"""Frames that are not in a run file, against the same seeded session with all of them in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest

from rig.session.folder import beside
from rig.session.run import Run, Stream
from rig.session.runfile import Rows
from rig.session.unstored import damaged_frames, unstored_frames
from rig.sim.faults import Fault, read_truth
from rig.streams import NO_PULSE, Status
from tests.rigs import record, write_protocol, write_rig

PARTS = (("first", 1.0, "none"), ("second", 1.5, "all"), ("third", 1.5, "[VIS]"), ("last", 1.0, "none"))
WINDOW = "first_pulse: 60, last_pulse: 560"
FAULTS = {
    "faults": "lost_frames: 4, lost_pulses: 3, ghost_frames: 3, duplicate_frames: 3, damaged_frames: 3, "
    f"wrapping_numbers: true, {WINDOW}",
    "lost and back": "disconnects: 1, away_s: 0.2, first_pulse: 250, last_pulse: 340",
}
COUNTERS = {"HS": "line", "VIS": "frame", "NIR": "none"}
NEAR_TICKS, NEAR_NS = 2_000, 10_000_000  # of a clock of 1 ns between frames that are a second apart; of an arrival


class Pair(NamedTuple):
    """The same session with parts that are not stored, and with all stored."""

    parts: Run
    whole: Run

    def rows(self, name: str) -> tuple[Rows, Rows]:
        """Of the frames with a pulse that are not stored: as they are told, and as they were."""
        told = unstored_frames(self.parts, self.parts.streams[name])
        own, other = (run.streams[name].frames for run in self)
        missing = np.setdiff1d(other["pulse_number"], [*own["pulse_number"], NO_PULSE])
        return told[told["pulse_number"] != NO_PULSE], other[np.isin(other["pulse_number"], missing)]


@pytest.fixture(scope="module", params=FAULTS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("unstored")
    rig = write_rig(folder, faults=FAULTS[request.param])
    text = rig.read_text()
    for name, counter in COUNTERS.items():
        text = text.replace(f"serial: SIM-{name}", f"serial: SIM-{name}, simulated: {{counter: {counter}}}")
    rig.write_text(text)
    stored = [PARTS, [(name, seconds, "all") for name, seconds, _ in PARTS]]
    parts, whole = (record(folder, rig, write_protocol(folder, *blocks)).path for blocks in stored)
    with Run(parts) as run, Run(whole) as other:
        yield Pair(run, other)


@pytest.mark.parametrize("name", COUNTERS)
def test_a_frame_that_was_not_stored_is_told_with_its_numbers(pair: Pair, name: str) -> None:
    told, true = pair.rows(name)
    assert len(true) > 20
    for field in ("pulse_number", "epoch", "frame_number", "counter", "exposure_us", "line_status"):
        assert told[field].tolist() == true[field].tolist(), field
    for field, near in (("camera_ticks", NEAR_TICKS), ("arrived_host_ns", NEAR_NS)):
        off = np.abs(told[field].astype(np.int64) - true[field].astype(np.int64))
        assert off.max() <= near, f"{field} is up to {off.max()} off"


def test_a_ghost_or_a_second_delivery_that_was_not_stored_is_told_as_its_row_says(pair: Pair) -> None:
    for name, stream in pair.parts.streams.items():
        ghosts, rows = (
            of[(of["pulse_number"] == NO_PULSE) & np.isin(of["camera_ticks"], stream.extras["camera_ticks"])]
            for of in (unstored_frames(pair.parts, stream), pair.whole.streams[name].frames)
        )
        true = rows[np.isin(rows["camera_ticks"], ghosts["camera_ticks"])]
        assert len(ghosts) == int((stream.extras["frame_index"] < 0).sum()) == len(true)
        for field in ("frame_number", "camera_ticks", "counter", "arrived_host_ns"):
            assert ghosts[field].tolist() == true[field].tolist(), field


def test_frames_come_in_the_order_of_their_exposure(pair: Pair) -> None:
    for stream in pair.parts.streams.values():
        rows = np.concatenate([stream.frames, unstored_frames(pair.parts, stream)])
        rows = rows[np.argsort(rows["arrived_host_ns"], kind="stable")]
        pulses = rows["pulse_number"][rows["pulse_number"] != NO_PULSE]
        assert np.all(np.diff(pulses) > 0)
        same_arm = np.diff(rows["epoch"].astype(np.int64)) == 0
        came_again = np.diff(rows["frame_number"].astype(np.int64)) == 0
        assert np.all((np.diff(rows["camera_ticks"].astype(np.int64)) > 0)[same_arm] != came_again[same_arm])


def test_a_damaged_frame_is_told_with_its_own_number_and_the_words_of_the_device(pair: Pair) -> None:
    committed = [
        told for told in read_truth(beside(pair.parts.path, "truth.jsonl")) if told.fault is Fault.DAMAGED_FRAME
    ]
    found = [row for stream in pair.parts.streams.values() for row in _damaged(pair.parts, stream)]
    assert len(found) == len(committed)
    for text, row in found:
        assert text
        assert (int(row["status"][0]), int(row["pulse_number"][0])) == (Status.DAMAGED, NO_PULSE)


def _damaged(run: Run, stream: Stream) -> list[tuple[str, Rows]]:
    return list(damaged_frames(run, stream, 1))


def test_frames_before_the_group_at_which_a_camera_begins_again_are_told(pair: Pair) -> None:
    """Their numbers begin with the one that it announced when it was armed again."""
    for name, stream in pair.parts.streams.items():
        rows = np.concatenate([stream.frames, unstored_frames(pair.parts, stream)])
        for armed in (e for e in pair.parts.log if (e.get("kind"), e.get("stream")) == ("armed", name)):
            if armed["epoch"] > 1:
                own = rows[rows["epoch"] == armed["epoch"]]
                numbers = np.sort(own["frame_number"])
                assert numbers.tolist() == list(range(armed["baseline"]["first_frame_number"], int(numbers[-1]) + 1))
                assert np.all(np.diff(own[np.argsort(own["frame_number"])]["camera_ticks"].astype(np.int64)) > 0)
