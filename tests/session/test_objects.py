"""Objects of an open run file are looked up once; rows, which come while a run is recorded, are not kept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import h5py
import pytest

from rig.session import layout
from rig.session.layout import Outcome
from rig.session.objects import Objects
from rig.session.run import Run
from rig.session.runfile import RunFile
from rig.streams import FRAME
from rig.verify.verdict import verify_run
from tests.handmade import make_run
from tests.session.test_pixel_formats import opened, pictures_of, spec_of, store


def test_a_verdict_looks_up_each_object_and_reads_its_attributes_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To look one up takes longer than to read some rows, and fifty checks ask for the same ones."""
    looked_up, read = Counter[str](), Counter[tuple[str, str]]()
    look_up, read_one = h5py.Group.__getitem__, h5py.AttributeManager.__getitem__

    def counted(group: h5py.Group, name: str) -> object:
        looked_up[name] += 1
        return look_up(group, name)

    def counted_attribute(attributes: h5py.AttributeManager, name: str) -> object:
        read[h5py.h5i.get_name(attributes._id).decode(), name] += 1
        return read_one(attributes, name)

    path = make_run(tmp_path)
    monkeypatch.setattr(h5py.Group, "__getitem__", counted)
    monkeypatch.setattr(h5py.AttributeManager, "__getitem__", counted_attribute)
    with Run(path) as run:
        assert verify_run(run).is_complete
    assert len(looked_up) > 50
    assert looked_up.most_common(1)[0][1] == 1
    assert len(read) > 50
    assert read.most_common(1)[0][1] == 1


def test_objects_are_those_that_h5py_finds(tmp_path: Path) -> None:
    with h5py.File(make_run(tmp_path)) as file:
        found = {"/": dict(file.attrs)}
        file.visititems(lambda name, item: found.__setitem__(f"/{name}", dict(item.attrs)))
        objects = Objects(file)
        assert objects.paths == list(found)
        assert {path: objects.attributes(path) for path in objects.paths} == found
        assert list(objects.datasets) == [path for path in found if isinstance(file[path], h5py.Dataset)]
        assert "/config/rig" in objects and "/config/none" not in objects
        with pytest.raises(KeyError):
            objects["/config/none"]


def test_rows_that_come_after_a_file_was_opened_and_read_are_seen(tmp_path: Path) -> None:
    spec = spec_of("Mono8", capacity=40)
    writer, pictures = opened(tmp_path / "run.h5", spec), pictures_of(spec, 7)
    store(writer, pictures)
    writer.flush()
    path = layout.frames_path(spec.name)
    with RunFile(writer.path) as file:
        assert len(file.table(path, FRAME)) == 7
        store(writer, pictures)
        writer.flush()
        seen = file.table(path, FRAME), file.columns(path, FRAME, ["checksum"])
        writer.close(Outcome.FINISHED)
    assert [rows["checksum"].tolist() for rows in seen] == 2 * [2 * seen[0]["checksum"][:7].tolist()]
