"""How recording itself goes: when syncs begin, and what is free on the disk."""

from __future__ import annotations

import errno

import h5py
import numpy as np

from rig import host
from rig.cli import record as command
from rig.clock import NS
from rig.config.rig import read_rig
from rig.elicitation.protocol import read_protocol
from rig.record.recording import Recording, Request, Status
from rig.session.layout import Outcome
from tests.rigs import record, write_protocol, write_rig


def test_a_sync_begins_at_most_half_a_second_after_its_oldest_frame_once_the_preamble_is_over(tmp_path):
    recorded = record(tmp_path, write_rig(tmp_path), write_protocol(tmp_path, ("still", 8, "all")))
    with h5py.File(recorded.path) as run:
        syncs, shown = run["/telemetry/syncs"][:], run["/intervals/trials"]["onset_host_ns"][0]
    waited_ns = syncs["started_host_ns"] - syncs["oldest_arrived_host_ns"]
    is_after = syncs["oldest_arrived_host_ns"] >= shown
    assert syncs["frames"][is_after].sum() > 0.9 * 8 * 150
    assert waited_ns[is_after].max() <= NS // 2
    assert waited_ns.max() <= NS  # rows of the preamble wait until it is decided


def refuse_to_tell(folder) -> int:
    raise OSError(errno.EIO, "Input/output error")


def test_a_disk_that_does_not_tell_what_is_free_ends_no_recording(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "free_bytes", refuse_to_tell)
    seen: list[Status] = []
    files = read_rig(write_rig(tmp_path)), read_protocol(write_protocol(tmp_path, ("still", 1, "all")))
    request = Request(*files, "001", tmp_path / "sessions", virtual=True)
    recorded = Recording(request, seen.append).record()
    assert recorded.outcome is Outcome.FINISHED
    assert {status.free_bytes for status in seen} == {-1}
    with h5py.File(recorded.path) as run:
        assert np.unique(run["/telemetry/disk"]["free_bytes"]).tolist() == [-1]
    assert command._spelled(seen[-1]).endswith(" MB, ? GB free")


def test_the_status_shows_what_is_free_from_the_first_on(tmp_path, monkeypatch):
    monkeypatch.setattr(host, "free_bytes", lambda _: 123 * 10**9)
    seen: list[Status] = []
    files = read_rig(write_rig(tmp_path)), read_protocol(write_protocol(tmp_path, ("still", 1, "all")))
    Recording(Request(*files, "001", tmp_path / "sessions", virtual=True), seen.append).record()
    assert {status.free_bytes for status in seen} == {123 * 10**9}
