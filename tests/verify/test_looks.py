"""What is seen of pictures, each read once, against pictures whose looks are known."""

from __future__ import annotations

import gc
import weakref
from itertools import count
from pathlib import Path

import h5py
import numpy as np
import pytest

import rig
from rig import host
from rig.errors import SessionError
from rig.pixels import FORMATS, PixelFormat
from rig.session.pictures import Pictures
from rig.session.run import Run, Stream
from rig.verify.looks import look_at_all, looks, picture_bytes
from rig.verify.pictures.blur import blur_px
from rig.verify.sampling import TILES_ACROSS, TILES_DOWN, Grid
from tests.handmade import Plan, make_run, picture_of
from tests.test_pixels import delivered

HEIGHT, WIDTH = 90, 120
WHITE_PART, BLACK_PART = 0.30, 0.20  # of the rows of a picture


def striped(form: PixelFormat, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A stored picture: rows at full scale, then black ones, the rest at half of it."""
    samples = np.full((height, width, 3) if form.channels > 1 else (height, width), 1 << (form.bits - 1))
    samples[: round(WHITE_PART * height)] = (1 << form.bits) - 1
    samples[-round(BLACK_PART * height) :] = 0
    return delivered(samples, form)


@pytest.mark.parametrize("name", FORMATS)
def test_shares_and_means_are_right_in_every_pixel_format(name: str) -> None:
    form = FORMATS[name]
    seen = Grid(form, HEIGHT, WIDTH).look(np.stack([striped(form)] * 2))
    assert seen.saturated == pytest.approx(WHITE_PART, abs=0.03)
    assert seen.dark == pytest.approx(BLACK_PART, abs=0.03)
    assert seen.mean == pytest.approx(WHITE_PART + 0.5 * (1 - WHITE_PART - BLACK_PART), abs=0.02)
    assert seen.tiles.shape == (2, TILES_DOWN, TILES_ACROSS)
    assert (seen.tiles[:, 0] > 0.97).all()
    assert (seen.tiles[:, -1] < 0.15).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 5), (64, 96), (480, 640), (1080, 1920)])
def test_every_size_has_all_its_parts_looked_at(height: int, width: int) -> None:
    picture = np.tile(np.linspace(0, 255, width).astype(np.uint8), (height, 1))
    seen = Grid(FORMATS["Mono8"], height, width).look(picture[np.newaxis])
    assert seen.mean[0] == pytest.approx(picture.mean() / 255, abs=0.03)


def test_colours_of_a_mosaic_have_their_share_in_each_tile() -> None:
    for height, width in ((480, 640), (96, 192)):
        picture = np.zeros((height, width), np.uint8)
        picture[::2, ::2] = 200  # one colour of four
        seen = Grid(FORMATS["BayerRG8"], height, width).look(picture[np.newaxis])
        assert seen.tiles == pytest.approx(200 / 255 / 4, abs=0.002)


def test_thin_marks_are_no_saturation() -> None:
    picture = np.full((1, 480, 640), 100, np.uint8)
    picture[:, :, ::20] = picture[:, :, 1::20] = 255  # lines of 2 px: a tenth of all pixels
    assert Grid(FORMATS["Mono8"], 480, 640).look(picture).saturated[0] == 0
    picture[:, 100:200] = 255
    assert Grid(FORMATS["Mono8"], 480, 640).look(picture).saturated[0] == pytest.approx(100 / 480, abs=0.02)


# Whole streams --------------------------------------------------------------------------------------------------------


def test_each_picture_is_read_once_for_all_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    fill = Pictures.fill

    def counted(self: Pictures, out: np.ndarray, first: int) -> np.ndarray:
        read.extend(range(first, first + len(out)))
        return fill(self, out, first)

    monkeypatch.setattr(Pictures, "fill", counted)
    with rig.open(make_run(tmp_path)) as session:
        run = session.runs[0]
        for _ in range(2):
            hs = looks(run, run.streams["HS"])
        assert sorted(read) == list(range(len(hs.mean)))
        told: list[int] = []
        look_at_all(run, told.append)
        streams = [*run.streams.values(), *run.walk_streams.values()]
        assert len(read) == sum(len(stream.frames) for stream in streams)
        assert sum(told) + len(hs.mean) * 96 * 64 == picture_bytes(run)
        expected = [np.mean(picture_of(pulse)) / 255 for pulse in run.streams["HS"].pulse_numbers.tolist()]
        assert hs.mean == pytest.approx(expected, abs=0.02)


def test_a_changed_picture_is_told_and_nothing_else_is_said_of_it(tmp_path: Path) -> None:
    with rig.open(make_run(tmp_path, Plan(damaged={"VIS": {8, 100}}))) as session:
        run = session.runs[0]
        seen = looks(run, run.streams["VIS"])
        assert run.streams["VIS"].pulse_numbers[~seen.is_good].tolist() == [8, 100]
        assert np.isnan(seen.mean[~seen.is_good]).all()
        assert np.isnan(seen.tiles[~seen.is_good]).all()
        assert np.isfinite(seen.mean[seen.is_good]).all()


def test_pictures_that_only_hdf5_can_read_are_seen_as_well(tmp_path: Path) -> None:
    """Another program may have stored them through a filter."""
    path = make_run(tmp_path)
    path.chmod(0o600)
    with h5py.File(path, "r+") as file:
        pictures = file["acquisition/HS/data"][:]
        del file["acquisition/HS/data"]
        chunks = (1, *pictures.shape[1:])
        file.create_dataset("acquisition/HS/data", data=pictures, chunks=chunks, compression="gzip")
    with rig.open(path) as session:
        seen = looks(session.runs[0], session.runs[0].streams["HS"])
        assert seen.is_good.all()
        assert seen.mean == pytest.approx(pictures.mean(axis=(1, 2)) / 255, abs=0.02)


def test_bad_places_of_the_disk_cost_their_pictures_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_into, calls = host.read_into, count()

    def failing(fd: int, out: memoryview, offset: int) -> bool:
        match next(calls):
            case 3:
                raise OSError(5, "Input/output error")
            case 7:
                return False
        return read_into(fd, out, offset)

    with rig.open(make_run(tmp_path)) as session:
        run = session.runs[0]
        monkeypatch.setattr(host, "read_into", failing)
        assert int((~looks(run, run.streams["HS"]).is_good).sum()) == 2


def test_what_was_seen_is_forgotten_with_its_run(tmp_path: Path) -> None:
    with rig.open(make_run(tmp_path)) as session:
        run: Run | None = session.runs[0]
        stream: Stream | None = run.streams["VIS"]
        kept = weakref.ref(looks(run, stream))
    del session
    run = stream = None
    gc.collect()
    assert kept() is None


def test_a_stream_that_cannot_be_read_does_not_end_the_look_at_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Pictures, out: np.ndarray, first: int) -> np.ndarray:
        raise SessionError("run", "cannot be read")

    monkeypatch.setattr(Pictures, "fill", refused)
    with rig.open(make_run(tmp_path)) as session:
        look_at_all(session.runs[0], lambda _: None)
        with pytest.raises(SessionError):
            looks(session.runs[0], session.runs[0].streams["HS"])


# Blur -----------------------------------------------------------------------------------------------------------------


def edge(blur: float, *, contrast: float, noise: float, tilt: float, seed: int = 0) -> np.ndarray:
    """A picture of tilted edges, blurred by integrals of a Gaussian written out here, with noise."""
    from math import erf

    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:160, :200]
    away = (x - 100 + tilt * (y - 80)) / (1 + tilt**2) ** 0.5
    step = np.sign(away) if blur == 0 else np.vectorize(erf)(away / (blur * 2**0.5))
    return (0.5 + contrast / 2 * step + rng.normal(0, noise, away.shape)).astype(np.float32)


@pytest.mark.parametrize("contrast", [0.1, 0.6])
@pytest.mark.parametrize("tilt", [0.05, 0.7])
def test_blur_of_an_edge_is_told_in_px_whatever_its_contrast(contrast: float, tilt: float) -> None:
    for blur in (1.0, 2.0, 3.0, 4.0):
        found = blur_px(edge(blur, contrast=contrast, noise=0.02 * contrast, tilt=tilt))
        assert found == pytest.approx(blur, rel=0.2, abs=0.25)
    assert blur_px(edge(0, contrast=contrast, noise=0.02 * contrast, tilt=tilt)) < 0.8


def test_no_edge_above_the_noise_is_no_blur() -> None:
    assert np.isnan(blur_px(edge(1, contrast=0.0, noise=0.02, tilt=0.3)))
    assert np.isnan(blur_px(np.zeros((64, 96), np.float32)))


def test_edges_beside_clipped_pixels_and_in_boxes_left_out_say_nothing() -> None:
    picture = np.full((100, 120), 0.5, np.float32)
    picture[30:60, 20:50] = 1.0
    assert np.isnan(blur_px(picture))
    picture[30:60, 20:50] = 0.8
    assert blur_px(picture) < 1
    assert np.isnan(blur_px(picture, [(30, 20, 60, 50)]))
