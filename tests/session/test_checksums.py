"""Each table and text of a closed file has a checksum, all attributes have one: verify names what changed by a bit."""

from __future__ import annotations

import json
import os
import re
import shutil
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
import xxhash

from rig.errors import SessionError
from rig.session import adopting, checksums, closing
from rig.session.layout import Outcome
from rig.session.recover import recover
from rig.session.run import Run
from rig.verify.file.integrity import check_tables
from rig.verify.findings import Finding, Word
from rig.verify.verdict import contents, verify_run
from tests.archives import bring
from tests.rigs import record, write_film_protocol, write_protocol, write_rig


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a film, an answer, a gap and an extra, and a file that was measured, of which one stream is packed."""
    folder = tmp_path_factory.mktemp("closed")
    (folder / "2026-03-02_delay.yaml").write_text("us: 20\n")
    rig = write_rig(folder, faults="lost_frames: 2, ghost_frames: 2, last_pulse: 300")
    rig.write_text(rig.read_text().replace("divisor: 1", "divisor: 1, compression: bitshuffle-lz4"))
    return record(folder, rig, write_film_protocol(folder, 15)).path


def copy_of(path: Path, folder: Path) -> Path:
    copy = folder / "/".join(path.parts[-3:])
    copy.parent.mkdir(parents=True)
    shutil.copyfile(path, copy)
    return copy


def datasets(path: Path) -> dict[str, bytes]:
    """Every data set but pictures, by plain h5py, with the bytes in it."""
    found: dict[str, bytes] = {}

    def look(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and not name.endswith("/data"):
            found[f"/{name}"] = item[()] if item.ndim == 0 else item[:].tobytes()

    with h5py.File(path) as file:
        file.visititems(look)
    return found


def judged(path: Path) -> Finding:
    with Run(path) as run:
        (finding,) = check_tables(run)
    return finding


def test_the_attribute_is_the_checksum_of_the_bytes_by_plain_h5py(closed: Path) -> None:
    with h5py.File(closed) as file:
        for path, data in datasets(closed).items():
            assert file[path].attrs["xxh3_64"] == xxhash.xxh3_64_intdigest(data), path
        assert "xxh3_64" not in file["/acquisition/HS/data"].attrs  # each picture has its own, in its frame row
    assert (judged(closed).word, judged(closed).looked_at) == (Word.PASS, f"{len(datasets(closed)) + 1} checksums")


def test_one_bit_in_any_table_or_text_is_named(closed: Path, tmp_path: Path) -> None:
    copy, data = copy_of(closed, tmp_path), closed.read_bytes()
    filled = {path: held for path, held in datasets(closed).items() if held}
    assert {"/acquisition/HS/gaps", "/telemetry/syncs", "/log/text", "/config/rig"} <= filled.keys()
    assert [path for path in filled if path.endswith("/pts")]
    for path, held in filled.items():
        at = place_of(closed, path, held)
        assert data[at : at + len(held)] == held
        changed = bytearray(data)
        changed[at + len(held) // 2] ^= 1 << (len(held) % 8)
        copy.write_bytes(changed)
        finding = judged(copy)
        assert (finding.word, finding.value) == (Word.FAIL, 1), path
        assert finding.text == f"not as they were written: {path}"


def attributes(path: Path) -> dict[tuple[str, str], object]:
    """Every attribute of a file by plain h5py, by path and name."""
    found: dict[tuple[str, str], object] = {}
    with h5py.File(path) as file:
        found |= {("/", name): value for name, value in file.attrs.items()}
        file.visititems(lambda at, item: found.update({(f"/{at}", name): v for name, v in item.attrs.items()}))
    return found


def test_the_attribute_of_the_root_is_the_checksum_of_all_attributes_by_plain_h5py(closed: Path) -> None:
    tree: dict[str, dict[str, object]] = {}
    for (path, name), value in attributes(closed).items():
        if name not in ("outcome", "xxh3_64"):
            tree.setdefault(path, {})[name] = value if isinstance(value, str) else value.item()  # type: ignore[attr-defined]
    text = json.dumps(tree, sort_keys=True)
    assert attributes(closed)["/", "xxh3_64"] == xxhash.xxh3_64_intdigest(text.encode())
    assert {"serial", "rig", "protocol", "created_utc", "sha256", "title", "licence"} <= {
        n for t in tree.values() for n in t
    }


def test_one_bit_in_any_text_attribute_is_told(closed: Path, tmp_path: Path) -> None:
    """Where in the file it lies, plain h5py tells: that which reads otherwise when a bit there is another."""
    copy, data, before = copy_of(closed, tmp_path), closed.read_bytes(), attributes(closed)
    texts = {key: value for key, value in before.items() if isinstance(value, str) and value}
    unseen = set(texts)
    with copy.open("r+b") as file:
        for value in sorted({text.encode() for text in texts.values()}):
            in_a_heap = len(value).to_bytes(8, "little") + value  # as HDF5 stores a text
            for found in re.finditer(re.escape(in_a_heap), data):
                at = found.end() - (len(value) + 1) // 2
                os.pwrite(file.fileno(), bytes([data[at] ^ 1]), at)
                changed = changed_from(before, copy)
                assert not changed or told(copy), changed
                unseen -= changed
                os.pwrite(file.fileno(), data[at : at + 1], at)
    assert unseen == set()


def changed_from(before: dict[tuple[str, str], object], copy: Path) -> set[tuple[str, str]]:
    """Which attributes read otherwise than before; none when HDF5 itself refuses the file, by a checksum of its own."""
    try:
        return {key for key, is_now in attributes(copy).items() if is_now != before[key]}
    except (OSError, RuntimeError):
        return set()


def told(path: Path) -> bool:
    """Whether somebody who judges a file is told that it is not as it was."""
    try:
        return judged(path).text == "not as they were written: attributes"
    except SessionError:
        return True


def test_no_outcome_is_another_by_one_bit() -> None:
    words = [str(outcome).encode() for outcome in Outcome]
    flipped = {
        bytes([*word[:at], word[at] ^ 1 << bit, *word[at + 1 :]])
        for word in words
        for at in range(len(word))
        for bit in range(8)
    }
    assert not flipped & set(words)


def place_of(file: Path, path: str, held: bytes) -> int:
    """Where the bytes of a data set lie in its file: a text in a heap of HDF5's own."""
    with h5py.File(file) as run:
        dataset = run[path]
        if dataset.chunks:
            return int(dataset.id.get_chunk_info(0).byte_offset)
        return int(dataset.id.get_offset() if dataset.ndim else file.read_bytes().index(held))


def test_a_changed_table_makes_a_run_incomplete_and_its_verdict_old(closed: Path, tmp_path: Path) -> None:
    copy = copy_of(closed, tmp_path)
    with h5py.File(copy, "r+") as file:
        rows = file["/acquisition/HS/frames"][:]
        rows["exposure_us"][7] += 1
        file["/acquisition/HS/frames"][:] = rows
    with Run(closed) as before, Run(copy) as after:
        failed = [{f.check for f in verify_run(run).findings if f.word is Word.FAIL} for run in (before, after)]
        assert failed[1] - failed[0] == {"tables"}
        assert contents(before) != contents(after)


def test_a_copy_that_rig_archive_compressed_has_them_and_verifies(closed: Path, tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    copy = copy_of(closed, tmp_path)
    copy.chmod(0o400)
    bring(copy.parent, tmp_path / "archive", compress=True)
    (archived,) = tmp_path.glob("archive/*/*/*.h5")
    assert datasets(archived) == datasets(closed)
    assert judged(archived).word is Word.PASS


def test_a_run_that_nobody_closed_has_none_until_it_is_recovered(
    tmp_path: Path, unclosed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where HDF5 does not adopt payloads, and the file is closed by a copy."""

    def refuse(*_: object) -> None:
        raise adopting.NotAdopted("no")

    for name, is_copied in (("adopted", False), ("copied", True)):
        left = copy_of(unclosed, tmp_path / name)
        finding = judged(left)
        assert finding.word is Word.NOT_MEASURED
        assert "/acquisition/pulses" in finding.text or "and" in finding.text
        with monkeypatch.context() as patch:
            if is_copied:
                patch.setattr(closing, "adopt", refuse)
            (recovered,), errors = recover(left)
        assert (str(recovered.found), errors) == ("recovered", [])
        assert judged(left).word is Word.PASS


@pytest.fixture(scope="module")
def unclosed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a packed stream as it was before its close."""
    folder = tmp_path_factory.mktemp("unclosed")
    rig = write_rig(folder)
    rig.write_text(rig.read_text().replace("divisor: 1", "divisor: 1, compression: bitshuffle-lz4"))
    left: list[Path] = []
    change = closing.change

    def copied(path: Path, work: object) -> None:
        left.append(copy_of(path, folder / "left"))
        change(path, work)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(closing, "change", copied)
        record(folder, rig, write_protocol(folder, ("a", 0.3, "all")))
    return left[0]


def test_a_text_that_changed_before_the_close_is_not_certified_by_it(tmp_path: Path, unclosed: Path) -> None:
    """What was written when the run was armed has its checksum from then on."""
    left = copy_of(unclosed, tmp_path)
    data = bytearray(left.read_bytes())
    data[data.index(datasets(left)["/config/devices"]) + 5] ^= 1
    left.write_bytes(data)
    with h5py.File(left, "r+") as file:
        file["/acquisition/HS"].attrs["serial"] = "SIM-HX"
    told = "not as they were written: attributes, /config/devices"
    assert judged(left).text == told
    recover(left)
    assert judged(left).text == told


def test_a_long_table_is_not_read_at_once(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "long.h5", "w", libver=("v110", "v110")) as file:
        size = (64 << 20,)
        table = file.create_dataset("table", size, np.uint8, chunks=size, maxshape=(None,))
        table[1 << 20] = 7
        tracemalloc.start()
        found = checksums.checksum_of(table)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 4 * checksums.PIECE_BYTES
        assert found == xxhash.xxh3_64_intdigest(table[:].tobytes())
