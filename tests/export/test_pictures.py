"""Pictures for people: the contact sheet and single moments show what was recorded, and only to their owner."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import av
import h5py
import numpy as np
import pytest
from PIL import Image

import rig
from rig.errors import StorageError, UserError
from rig.export.contact_sheet import CELL_HEIGHT, CELL_WIDTH, contact_sheet
from rig.export.pictures import save_instant, save_picture
from rig.export.tiles import CAPTION, MARGIN, enlarged
from tests.handmade import HEIGHT, WIDTH, Plan, make_run, number_in

FILM_GREY = 9  # each film frame is this much brighter than the one before


@pytest.fixture
def film(tmp_path: Path) -> tuple[Path, str]:
    """A film of 25 grey pictures, each brighter than the one before."""
    path = tmp_path / "films" / "grey.mkv"
    path.parent.mkdir()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "gray"
        for number in range(25):
            picture = np.full((48, 64), 20 + FILM_GREY * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "gray")))
        container.mux(stream.encode())
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def _cell(sheet: Image.Image, row: int, column: int) -> np.ndarray:
    top = MARGIN + CAPTION + row * (CELL_HEIGHT + CAPTION + MARGIN)
    left = MARGIN + column * (CELL_WIDTH + MARGIN)
    return np.asarray(sheet)[top : top + CELL_HEIGHT, left : left + CELL_WIDTH, 0]


def _number(cell: np.ndarray) -> int:
    """The pulse number in a sheet's picture of 96x64, three times as large and in the middle of its cell."""
    left, top = (CELL_WIDTH - 3 * WIDTH) // 2, (CELL_HEIGHT - 3 * HEIGHT) // 2
    return number_in(cell[top + 1 :: 3, left + 1 :: 3])


def test_every_row_of_the_sheet_shows_the_same_pulse_in_all_streams(tmp_path: Path) -> None:
    with rig.open(make_run(tmp_path, Plan(body_groups=300, clip_frames=200))) as session:
        sheet = contact_sheet(session)
        numbers = [[_number(_cell(sheet, row, column)) for column in range(3)] for row in range(8)]
    assert all(hs == vis == nir and hs % 4 == 0 for hs, vis, nir in numbers)
    assert numbers == sorted(numbers)
    assert len({hs for hs, _, _ in numbers}) == 8


def test_sheet_shows_the_film_frame_that_was_on_the_screen(tmp_path: Path, film: tuple[Path, str]) -> None:
    path, sha256 = film
    plan = Plan(clip_file="grey.mkv", clip_sha256=sha256)
    with rig.open(make_run(tmp_path, plan), clips=path.parent) as session:
        sheet = contact_sheet(session, instants=4)
        for row in range(4):
            pulse = _number(_cell(sheet, row, 0))
            shown = session.timelines[0].at_pulse(pulse).film.film_frame
            grey = int(_cell(sheet, row, 3)[CELL_HEIGHT // 2, CELL_WIDTH // 2])
            assert grey == pytest.approx(20 + FILM_GREY * shown, abs=2)


def test_sheet_of_one_clip_shows_that_clip_alone(tmp_path: Path) -> None:
    """Times are those of the session, though the clip was shown in the second run too, long after the first."""
    make_run(tmp_path, Plan())
    path = make_run(tmp_path, Plan(run=2))
    with h5py.File(path, "r+") as file:
        file.attrs["created_host_ns"] += 60 * 10**9
        file.attrs["created_utc"] = "2026-01-01T00:01:00+00:00"
    with rig.open(path.parent) as session:
        flips = session.runs[1].film_flips(session.timelines[1].clip_steps["clip1"])["host_ns"]
        during = [session.timelines[1].pulse_at(int(flip)) for flip in (flips[0], flips[-1])]
        sheet = contact_sheet(session, instants=3, clip="clip1")
        numbers = [_number(_cell(sheet, row, 0)) for row in range(3)]
        assert during[0] - 4 <= min(numbers) < max(numbers) <= during[1]
        with pytest.raises(UserError, match="--clip: clip9 was not shown; clip1"):
            contact_sheet(session, clip="clip9")


def test_a_small_picture_keeps_its_pixels_and_a_large_one_its_shape() -> None:
    small = np.arange(96 * 64, dtype=np.uint8).reshape(64, 96)
    shown = np.asarray(enlarged(small, (320, 240)))
    assert np.array_equal(shown[..., 0], small.repeat(3, axis=0).repeat(3, axis=1))
    assert enlarged(np.zeros((480, 1000, 3), np.uint8), (320, 240)).size == (320, 154)
    assert enlarged(np.zeros((240, 320), np.uint8), (320, 240)).size == (320, 240)


def test_sheet_of_a_run_with_losses_and_without_film_is_drawn(tmp_path: Path) -> None:
    plan = Plan(lost={"HS": set(range(50, 200))}, film_begins=False)
    with rig.open(make_run(tmp_path, plan)) as session:
        assert contact_sheet(session, instants=3).width > 4 * CELL_WIDTH


def test_sheet_of_a_run_without_pulses_is_an_error(tmp_path: Path) -> None:
    with (
        rig.open(make_run(tmp_path, Plan(box_resets_at=0, written=0, has_ended=False))) as session,
        pytest.raises(UserError, match="no pulse to show"),
    ):
        contact_sheet(session)


def test_film_with_another_checksum_is_not_shown(tmp_path: Path, film: tuple[Path, str]) -> None:
    plan = Plan(clip_file="grey.mkv", clip_sha256="1" * 64)
    with rig.open(make_run(tmp_path, plan), clips=film[0].parent) as session:
        view = session.at(clip="clip1", seconds=0.5).film
    assert view.picture is None
    assert "another film" in view.reason


def test_film_beside_the_protocol_is_found(tmp_path: Path, film: tuple[Path, str]) -> None:
    plan = Plan(clip_file="films/grey.mkv", clip_sha256=film[1], protocol_path=str(tmp_path / "demo.yaml"))
    with rig.open(make_run(tmp_path, plan)) as session:
        view = session.at(clip="clip1", seconds=0.5).film
    assert view.picture is not None
    assert int(view.picture[24, 32, 0]) == pytest.approx(20 + FILM_GREY * view.film_frame, abs=2)


def test_one_moment_is_saved_unchanged_and_private(tmp_path: Path, film: tuple[Path, str]) -> None:
    plan = Plan(clip_file="grey.mkv", clip_sha256=film[1], lost={"NIR": {100}})
    with rig.open(make_run(tmp_path, plan), clips=film[0].parent) as session:
        instant = session.timelines[0].at_pulse(102)
        files = save_instant(instant, tmp_path / "out", "sub-001")
    assert {name: path.name for name, path in files.items()} == {
        "HS": "sub-001_run-01_HS_pulse-102.png",
        "VIS": "sub-001_run-01_VIS_pulse-100.png",
        "film": f"sub-001_run-01_film_clip1_frame-{instant.film.film_frame}.png",
    }
    with Image.open(files["HS"]) as picture:
        assert picture.size == (WIDTH, HEIGHT)
        assert number_in(np.asarray(picture)) == 102
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.values()} == {0o600}
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700


def test_folder_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match=r"a\.png"):
        save_picture(Image.new("L", (4, 4)), tmp_path / "file" / "a.png")
