"""A picture to aim and focus by: its numbers are those of its samples, and no file is ever overwritten."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from rig.export.snapshots import grey_values, save_snapshot
from rig.pixels import FORMATS, Snapshot


def drawing() -> np.random.Generator:
    return np.random.default_rng(1)


def snapshot_of(picture: object, name: str = "Mono8", height: int = 0, width: int = 0) -> Snapshot:
    array = np.asarray(picture)
    return Snapshot(array, FORMATS[name], height or array.shape[0], width or array.shape[1])


def photograph() -> Image.Image:
    spec = importlib.util.find_spec("skimage")
    assert spec is not None and spec.origin is not None
    with Image.open(Path(spec.origin).parent / "data/astronaut.png") as image:
        return image.convert("L")


def test_light_is_told_by_the_samples(tmp_path: Path) -> None:
    picture = np.full((64, 96), 10, np.uint8)
    picture[0, :12], picture[1, 0], picture[1, 1] = 255, 3, 254
    values = grey_values(snapshot_of(picture))
    assert (values.darkest, values.brightest, values.full) == (3, 255, 255)
    assert values.mean == pytest.approx((10 * (64 * 96 - 14) + 12 * 255 + 3 + 254) / (64 * 96))
    assert values.saturated == pytest.approx(12 / (64 * 96))


def test_full_is_what_the_format_can_hold_packed_or_not() -> None:
    """Two samples of 12 bits in three bytes: 0xFFF and 0x123, lowest bits first."""
    packed = np.tile(np.frombuffer(bytes([0xFF, 0x3F, 0x12]), np.uint8), 64 * 48)
    values = grey_values(snapshot_of(packed, "Mono12p", 64, 96))
    assert (values.darkest, values.brightest, values.full) == (0x123, 0xFFF, 0xFFF)
    assert values.saturated == 0.5
    deep = grey_values(snapshot_of(np.full((64, 96), 1023, np.uint16), "Mono10"))
    assert (deep.full, deep.saturated) == (1023, 1.0)
    assert grey_values(snapshot_of(np.full((64, 96), 1023, np.uint16), "Mono12")).saturated == 0


def test_the_focus_number_falls_with_every_step_of_blur() -> None:
    sharp = photograph()
    blurs = [sharp.filter(ImageFilter.GaussianBlur(px)) for px in (0, 0.5, 1, 1.5, 2, 2.5, 3)]
    numbers = [grey_values(snapshot_of(blurred)).focus for blurred in blurs]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] > 1.1 * numbers[2] > 1.1**2 * numbers[4] > 1.1**3 * numbers[6]


def focus_of(picture: np.ndarray) -> float:
    return grey_values(snapshot_of(picture.round().astype(np.uint8))).focus


def test_the_focus_number_is_fooled_neither_by_noise_nor_by_light() -> None:
    sharp = np.asarray(photograph(), float)
    blurred = np.asarray(photograph().filter(ImageFilter.GaussianBlur(2)), float)
    noisy = np.clip(blurred + drawing().normal(0, 5, sharp.shape), 0, 255)
    assert focus_of(sharp / 3) == pytest.approx(focus_of(sharp), rel=0.05)
    assert focus_of(noisy) == pytest.approx(focus_of(blurred), rel=0.15)


def test_a_black_picture_has_no_focus_and_no_crash(tmp_path: Path) -> None:
    black = snapshot_of(np.zeros((64, 96), np.uint8))
    assert grey_values(black).focus == 0
    assert save_snapshot(black, "HS", tmp_path).histogram.exists()


def test_pictures_are_saved_as_they_are_for_the_owner_alone(tmp_path: Path) -> None:
    picture = drawing().integers(0, 256, (64, 96), np.uint8)
    saved = save_snapshot(snapshot_of(picture), "HS", tmp_path / "aim")
    with Image.open(saved.picture) as image:
        assert (np.asarray(image) == picture).all()
    with Image.open(saved.histogram) as image:
        assert image.size == (880, 440)
    assert {path.stat().st_mode & 0o777 for path in (saved.picture, saved.histogram)} == {0o600}
    assert (tmp_path / "aim").stat().st_mode & 0o777 == 0o700


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "HS-1.png").write_text("mine")
    (tmp_path / "HS-2_histogram.png").write_text("mine")
    first, second = (save_snapshot(snapshot_of(np.zeros((64, 96), np.uint8)), "HS", tmp_path) for _ in range(2))
    assert [first.picture.name, second.picture.name] == ["HS-3.png", "HS-4.png"]
    assert (tmp_path / "HS-1.png").read_text() == (tmp_path / "HS-2_histogram.png").read_text() == "mine"
