"""The power goes at any moment, while a run is armed, recorded, closed or recovered: nothing acknowledged is lost."""

from __future__ import annotations

import threading
from copy import copy
from itertools import count
from random import Random
from types import SimpleNamespace

import numpy as np
import pytest

from rig.clock import Clock, HostClock
from rig.errors import RigError
from rig.record import grab, storage, virtual
from rig.record.messages import Synced
from rig.record.storage import Storage, StorageThreads, Ticket
from rig.session.folder import new_session
from rig.sim.camera import SimulatedCamera
from rig.streams import Frame
from tests.crashes import log_a_session, lost_by_a_cut, stages
from tests.power import DiskLog
from tests.short_plans import shorten_plans

SEEDS = 3


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return log_a_session(tmp_path_factory.mktemp("recorded"), 2)


@pytest.fixture(scope="module")
def recorded_in_several_files(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        shorten_plans(patch)
        return log_a_session(tmp_path_factory.mktemp("several"), 7)


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("stage", ["arm", "recording", "sync", "close", "end of the close"])
def test_a_power_cut_loses_nothing_that_was_acknowledged(recorded, tmp_path, stage, seed):
    random = Random(f"{stage} {seed}")
    places = stages(recorded[0])[stage]
    assert lost_by_a_cut(recorded, random.choice(places), random, tmp_path, recoveries_cut=seed % 3) == ""


@pytest.mark.parametrize("seed", range(2 * SEEDS))
def test_nor_does_one_take_the_folder_of_a_session_where_no_folder_for_sessions_had_been(tmp_path, seed):
    """Each folder that was made is safe in the one above it before anything is recorded."""
    for name in ("disk", "left"):
        (tmp_path / name).mkdir()
    log = DiskLog(tmp_path / "disk")
    with log.logging():
        made = new_session(tmp_path / "disk/data/sessions", "001").path
    log.cut_at(len(log.ops), Random(seed), tmp_path / "left")
    assert (tmp_path / "left" / made.relative_to(log.folder)).is_dir()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_nor_does_one_while_a_run_goes_on_in_the_next_file(recorded_in_several_files, tmp_path, seed):
    log, _, _ = recorded_in_several_files
    renamed = [place for place, op in enumerate(log.ops) if op.kind == "rename" and op.name.endswith(".arming")]
    assert len(renamed) >= 3
    random = Random(seed)
    place = random.choice(renamed[1:]) + random.randint(-10, 400)
    cut = min(place, len(log.ops))
    assert lost_by_a_cut(recorded_in_several_files, cut, random, tmp_path, recoveries_cut=seed % 2) == ""


def test_the_recorder_tells_of_frames_once_the_sync_that_made_them_safe_has_returned(recorded):
    _, truth, acknowledged = recorded
    assert acknowledged.told_too_soon() == []
    assert len(truth) - 40 < acknowledged.told <= len(truth)  # those of the last quarter of a second are closed


def test_so_do_its_threads(tmp_path, monkeypatch):
    """However late each comes; the last frames wait until those before are told of, or nothing would be shown here."""
    is_told, sync_one, grab = threading.Event(), StorageThreads._sync_one, SimulatedCamera.grab

    def sync_and_say(self, ticket):
        sync_one(self, ticket)
        if ticket.frames:
            is_told.set()

    def wait_and_grab(camera, timeout_s):
        came = grab(camera, timeout_s)
        assert not isinstance(came, Frame) or camera.name != "HS" or came.frame_number < 60 or is_told.wait(30)
        return came

    monkeypatch.setattr(StorageThreads, "_sync_one", sync_and_say)
    monkeypatch.setattr(SimulatedCamera, "grab", wait_and_grab)
    _, truth, acknowledged = log_a_session(tmp_path, 0.5, virtual=False)
    assert acknowledged.told_too_soon() == []
    assert 0 < acknowledged.told <= len(truth)


def test_nor_before_it_where_they_lie_in_two_files(recorded_in_several_files):
    _, truth, acknowledged = recorded_in_several_files
    assert acknowledged.told_too_soon() == []
    assert len(truth) - 40 < acknowledged.told <= len(truth)


def test_a_recorder_that_tells_of_frames_before_their_sync_is_found_out(tmp_path, monkeypatch):
    """The harness itself can find it: each sync is made just before the next flush, and was told of long before."""
    late: list[Ticket] = []
    flush = Storage.flush

    def told_at_once(ticket: Ticket, clock: Clock) -> Synced:
        late.append(ticket)
        return Synced(ticket.frames, ticket.oldest_arrived_host_ns, clock.now_ns(), clock.now_ns())

    def sync_and_flush(self: Storage) -> None:
        while late:
            storage.sync(late.pop(), HostClock())
        flush(self)

    monkeypatch.setattr(virtual, "sync", told_at_once)
    monkeypatch.setattr(Storage, "flush", sync_and_flush)
    _, _, acknowledged = log_a_session(tmp_path, 1)
    assert acknowledged.told_too_soon()


@pytest.mark.parametrize("changed", ["before its checksum is taken", "behind it"])
def test_a_recorder_that_changes_a_picture_of_its_cameras_is_found_out(tmp_path, monkeypatch, changed):
    """The harness itself can find it, also what no checksum in the file can tell."""
    numbers, real = count(), grab.xxhash.xxh3_64_intdigest

    def checksum(pixels):
        picture = np.asarray(pixels) if next(numbers) % 5 == 0 else np.zeros((1, 1), np.uint8)
        before = real(pixels)
        picture[0, 0] ^= 1
        return real(pixels) if changed == "before its checksum is taken" else before

    monkeypatch.setattr(grab, "xxhash", SimpleNamespace(xxh3_64_intdigest=checksum))
    log, truth, acknowledged = log_a_session(tmp_path, 0.5)
    (folder := tmp_path / "cut").mkdir()
    told = "frames not as delivered" if changed == "before its checksum is taken" else "is damaged"
    with pytest.raises(AssertionError, match=told):
        assert lost_by_a_cut((log, truth, acknowledged), len(log.ops), Random(0), folder, recoveries_cut=0) == ""


def test_the_log_tells_a_close_without_a_journal_from_one_with_it(recorded, tmp_path):
    """The harness itself can find a loss: without the sync of the folder the names of journal and file may be lost."""
    log, truth, acknowledged = recorded
    renamed = max(place for place, op in enumerate(log.ops) if op.kind == "rename")
    careless = copy(log)
    careless.ops = [op for place, op in enumerate(log.ops) if not (place > renamed and op.kind == "folder")]
    found = set()
    for seed in range(6):
        (folder := tmp_path / str(seed)).mkdir()
        try:
            careless_run = (careless, truth, acknowledged)
            found.add(lost_by_a_cut(careless_run, len(careless.ops) - 2, Random(seed), folder, recoveries_cut=0))
        except (RigError, AssertionError) as exc:
            found.add(type(exc).__name__)
    assert found - {""}
