"""What is not stored on purpose is a row with its reason; pulses and pairing go on through it."""

from __future__ import annotations

import h5py
import numpy as np

from rig.config.rig import read_rig
from rig.elicitation.protocol import read_protocol
from rig.elicitation.unroll import unroll
from rig.record.plan import plan_run
from rig.session.arming import reserved_bytes
from rig.session.layout import Outcome
from tests.rigs import record, write_protocol, write_rig

STREAMS = {"HS": 1, "VIS": 4, "NIR": 4}


def _not_stored(run: h5py.File) -> dict[tuple[str, int], tuple[int, str]]:
    """(stream, first pulse) -> (last pulse, reason); a later row closes an earlier one."""
    rows = run["/intervals/not_stored"][:]
    return {(r["stream"].decode(), int(r["first_pulse"])): (int(r["last_pulse"]), r["reason"].decode()) for r in rows}


def test_blocks_with_store_none_and_a_list_leave_rows_and_cost_no_disk(tmp_path):
    protocol = write_protocol(
        tmp_path, ("seen", 1, "all"), ("consent", 2, "none"), ("half", 1, "[HS]"), ("end", 1, "all")
    )
    recorded = record(tmp_path, write_rig(tmp_path), protocol)

    with h5py.File(recorded.path) as run:
        sent = len(run["/acquisition/pulses"])
        parts = _not_stored(run)
        assert {reason for _, reason in parts.values()} == {"protocol: consent", "protocol: half"}
        for stream, step in STREAMS.items():
            stored = run[f"/acquisition/{stream}/frames"]["pulse_number"].tolist()
            left_out = [
                p for (s, first), (last, _) in parts.items() if s == stream for p in range(first, last + 1, step)
            ]
            assert sorted(stored + left_out) == list(range(0, sent, step))
            assert len(run[f"/acquisition/{stream}/data"]) == len(stored)
            assert len(run[f"/acquisition/{stream}/gaps"]) == 0
    assert recorded.outcome is Outcome.FINISHED


def test_a_long_part_that_is_not_stored_takes_no_room_and_pulses_go_on_in_it(tmp_path):
    """10 s of pictures would be 9 MB; what is written of it are pulses, flips and the like."""
    sizes, reserved, frames = [], [], []
    for seconds in (1, 11):
        protocol = write_protocol(tmp_path, ("seen", 1, "all"), ("pause", seconds, "none"), ("end", 1, "all"))
        rig = write_rig(tmp_path)
        path = record(tmp_path, rig, protocol).path
        steps = unroll(read_protocol(protocol).protocol, list(STREAMS), {})
        reserved.append(reserved_bytes(plan_run(read_rig(rig).rig, steps).room))
        sizes.append(path.stat().st_size)
        with h5py.File(path) as run:
            frames.append([len(run[f"/acquisition/{stream}/data"]) for stream in STREAMS])
            parts, pulses = _not_stored(run), run["/acquisition/pulses"][:]
    assert abs(np.subtract(*frames)).max() <= 4
    assert abs(np.subtract(*sizes)) < 1.5e6
    assert abs(np.subtract(*reserved)) < 1.5e6
    ((first, last),) = {(first, parts["HS", first][0]) for _, first in parts}
    assert last - first > 1000
    inside = pulses[first : last + 1]
    assert inside["lines"].tolist() == [0b111, 0b001, 0b001, 0b001] * (len(inside) // 4)
    assert set(np.diff(inside["box_ticks"]).tolist()) == {20_000}


def test_every_part_that_is_not_stored_begins_and_ends_on_a_group(tmp_path):
    recorded = record(
        tmp_path, write_rig(tmp_path), write_protocol(tmp_path, ("a", 1, "all"), ("b", 1, "none"), ("c", 1, "all"))
    )
    with h5py.File(recorded.path) as run:
        parts = _not_stored(run)
        assert {first for _, first in parts} == {next(iter(parts))[1]}
        assert all(first % 4 == 0 for _, first in parts)
        assert {s: (last + STREAMS[s]) % 4 for (s, _), (last, _) in parts.items()} == dict.fromkeys(STREAMS, 0)


def test_a_seeded_session_in_virtual_time_repeats_exactly(tmp_path):
    rig = write_rig(tmp_path, seed=5, faults="lost_frames: 3, ghost_frames: 2, lost_pulses: 2, last_pulse: 200")
    protocol = write_protocol(tmp_path, ("a", 1, "all"), ("b", 1, "none"), ("c", 1, "all"))
    first, second = (record(tmp_path, rig, protocol).path for _ in range(2))
    with h5py.File(first) as one, h5py.File(second) as other:
        names: list[str] = []
        one.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        compared = [n for n in names if n.split("/")[0] in ("acquisition", "line_walk", "stimulus", "intervals")]
        assert len(compared) > 20
        for name in compared:
            np.testing.assert_array_equal(_timeless(one[name][()]), _timeless(other[name][()]), err_msg=name)


def _timeless(values: np.ndarray) -> np.ndarray:
    """Run ids are drawn anew, and UTC goes on outside virtual time: telemetry, not data."""
    if values.dtype.names and "run_id" in values.dtype.names:
        values["run_id"] = 0
    if values.dtype.names and "clock" in values.dtype.names:
        values = values[values["clock"] == b"box"]
    return values
