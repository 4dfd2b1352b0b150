"""The power goes at any moment of an archiving: a whole session is left, at its source or in the archive."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from rig.session import copying
from rig.session.recover import recover
from tests.archives import TARGET, Archiving, bring, log_an_archiving, wrong_after_a_cut
from tests.handmade import Plan, make_run
from tests.power import Op

CUTS = 10
KINDS = {
    "copy": {},
    "move": {"move": True},
    "compress and move": {"move": True, "compress": True},
    "replace an earlier copy": {"move": True},
}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(copying, "BLOCK", 1 << 17)
    monkeypatch.setattr(copying, "PIECE", 1 << 16)


def make_archiving(folder: Path, kind: str) -> Archiving:
    """An archiving of a small session with labels in a folder of their own."""
    closed = kind != "replace an earlier copy"
    run = make_run(folder / "made", Plan(body_groups=1, closed=closed, outcome="finished" if closed else "incomplete"))
    labels = run.parent / "labels/ann.tsv"
    labels.parent.mkdir()
    labels.write_text("onset\tapex\n1\t2\n")
    earlier = None
    if not closed:
        (folder / "earlier").mkdir()
        earlier = bring(run.parent, folder / "earlier").target
        recover(run.parent)
    return log_an_archiving(folder, run.parent, earlier=earlier, **KINDS[kind])


@pytest.fixture(scope="module", params=KINDS)
def archiving(request, tmp_path_factory) -> Archiving:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copying, "BLOCK", 1 << 17)
        patch.setattr(copying, "PIECE", 1 << 16)
        return make_archiving(tmp_path_factory.mktemp("archiving"), request.param)


def wrong(done: Archiving, tmp_path: Path, cuts: int, *, last: int = 0) -> list[str]:
    """What is wrong after so many cuts, of them all among the `last` operations if that is given."""
    count = len(done.log.ops)
    said = []
    for seed in range(cuts):
        random = Random(seed)
        place = random.randint(max(0, count - last) if last else 0, count)
        said.append(wrong_after_a_cut(done, place, random, tmp_path / str(seed)))
    return [one for one in said if one]


def test_a_whole_session_is_left_and_nothing_half_looks_like_one(archiving, tmp_path):
    (tmp_path / "any").mkdir()
    (tmp_path / "end").mkdir()
    cuts = CUTS // 4 if "compress" in archiving.options else CUTS
    assert wrong(archiving, tmp_path / "any", cuts) == []
    assert wrong(archiving, tmp_path / "end", cuts, last=40) == []


@pytest.mark.parametrize("left_out", ["folder", "sync", "manifest"])
def test_the_harness_finds_what_is_lost_without_syncs(tmp_path, left_out):
    done = make_archiving(tmp_path, "move")
    manifest = done.log.number_of(tmp_path / "disk" / TARGET / "sub-001_ses-01_archive.json")
    careless = copy(done.log)
    careless.ops = [op for op in done.log.ops if not _is_left_out(op, left_out, manifest)]
    (tmp_path / "cuts").mkdir()
    assert wrong(replace(done, log=careless), tmp_path / "cuts", CUTS, last=60)


def _is_left_out(op: Op, what: str, manifest: int) -> bool:
    is_sync = op.kind in ("sync", "made")
    return op.kind == "folder" if what == "folder" else is_sync and (what == "sync" or op.file == manifest)
