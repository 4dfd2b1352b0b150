"""The video of a clip: each picture is a base pulse at its own time, with the frames and the film of that moment."""

from __future__ import annotations

import stat
from pathlib import Path

import av
import h5py
import numpy as np
import pytest

import rig
from rig.cli.replay import save_video
from rig.errors import StorageError, UserError
from rig.export.side_by_side import save_side_by_side
from rig.export.tiles import CAPTION, FAINT, MARGIN
from tests import commands
from tests.burnt_in import burnt_in_number
from tests.films import number_of
from tests.handmade import GREY, Plan, make_run
from tests.rigs import record, write_film_protocol, write_rig

TILE = (320, 240)  # px, the least
FACTOR = 3  # of pictures of 96x64 in it
TICK_S = 0.5e-6


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session with a film of one second, in which HS and NIR lost frames."""
    folder = tmp_path_factory.mktemp("recorded")
    faults = "lost_frames: 6, first_pulse: 120, last_pulse: 210"
    return record(folder, write_rig(folder, faults=faults), write_film_protocol(folder, 25)).path.parent


@pytest.fixture(scope="module")
def video(recorded: Path) -> Path:
    path = recorded / "clip1.mkv"
    done = commands.run("replay", recorded, "--clip", "clip1", "--video", path, cwd=recorded)
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == (f"video: {path}\n", "")
    return path


def decoded(path: Path) -> list[tuple[float, np.ndarray]]:
    """When each picture is due, s, and the picture."""
    with av.open(str(path)) as container:
        return [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def tile(picture: np.ndarray, place: int) -> np.ndarray:
    """The tile at a place, two in a row, uint8 (240, 320, 3)."""
    row, column = divmod(place, 2)
    top = MARGIN + CAPTION + row * (TILE[1] + CAPTION + MARGIN)
    left = MARGIN + column * (TILE[0] + MARGIN)
    return picture[top : top + TILE[1], left : left + TILE[0]]


def number_at(picture: np.ndarray, place: int) -> int | None:
    """The pulse burnt into the camera's picture at a place; None where there is no picture."""
    shown = tile(picture, place)[24 + 1 : 24 + 192 : FACTOR, 16 + 1 : 16 + 288 : FACTOR, 0]
    is_blank = (np.abs(shown[:20].astype(int) - FAINT[0]) < 12).mean() > 0.99
    return None if is_blank else burnt_in_number(shown)


def truth(folder: Path) -> tuple[list[int], dict[int, int], dict[str, set[int]]]:
    """By plain h5py: pulses during the film, when each was sent in box ticks, and which frames there are."""
    with rig.open(folder) as session, h5py.File(session.runs[0].path, locking=False) as file:
        flips = file["/stimulus/presentation/flips"][:]
        film = flips["host_ns"][(flips["film_frame"] >= 0) & (flips["seq"] > 0)]
        line = session.timelines[0]
        during = (line.exposed_host_ns >= film.min()) & (line.exposed_host_ns <= film.max())
        sent = file["/acquisition/pulses"][:]
        ticks = {int(row["pulse_number"]): int(row["box_ticks"]) for row in sent if row["seq"]}
        frames = {name: file[f"/acquisition/{name}/frames"][:] for name in ("HS", "VIS", "NIR")}
        there = {name: set(rows["pulse_number"][rows["seq"] > 0].tolist()) for name, rows in frames.items()}
        return line.pulse_numbers[during].tolist(), ticks, there


def test_each_picture_is_a_pulse_at_its_own_time_with_the_frames_of_that_moment(recorded: Path, video: Path) -> None:
    pulses, ticks, there = truth(recorded)
    pictures = decoded(video)
    assert len(pictures) == len(pulses) > 90
    lacking = 0
    for (due_s, picture), pulse in zip(pictures, pulses, strict=True):
        assert due_s == pytest.approx((ticks[pulse] - ticks[pulses[0]]) * TICK_S, abs=1e-3), pulse
        for place, (name, divisor) in enumerate([("HS", 1), ("VIS", 4), ("NIR", 4)]):
            own = pulse - pulse % divisor
            assert number_at(picture, place) == (own if own in there[name] else None), (name, pulse)
            lacking += own not in there[name]
    assert lacking > 0


def test_the_film_is_that_of_the_moment(recorded: Path, video: Path) -> None:
    pulses, _, _ = truth(recorded)
    with rig.open(recorded) as session:
        line = session.timelines[0]
        shown = [line.on_screen(int(line.exposed_host_ns[line.pulse_numbers == pulse][0])) for pulse in pulses]
    numbers = [number_of(tile(picture, 3)) for _, picture in decoded(video)]
    assert numbers == [view.film_frame for view in shown]
    assert set(numbers) == set(range(25))


def test_the_video_is_its_owners_whole_and_never_written_over(recorded: Path, video: Path) -> None:
    assert stat.S_IMODE(video.stat().st_mode) == 0o600
    assert not list(recorded.glob(".*part*"))
    before = video.read_bytes()
    said = commands.refused("replay", recorded, "--clip", "clip1", "--video", video, cwd=recorded)
    assert "clip1.mkv: is there already. Nothing is overwritten" in said
    assert video.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--video", "out.mkv"), "--video: needs --clip NAME; clip1"),
        (("--clip", "clip7", "--video", "out.mkv"), "--clip: clip7 was not shown; clip1"),
        (
            ("--clip", "clip1", "--video", "out.avi"),
            "out.avi: .avi has another ending; a name that ends in .mkv or .mp4",
        ),
        (("--clip", "clip1", "--video", "no/out.mkv"), "no/out.mkv: has no folder to lie in. Make no first"),
    ],
)
def test_a_mistake_is_told_and_leaves_nothing(recorded: Path, arguments: tuple[str, ...], message: str) -> None:
    before = sorted(recorded.iterdir())
    assert message in commands.refused("replay", recorded, *arguments, cwd=recorded)
    assert sorted(recorded.iterdir()) == before


def late_from(path: Path, pulse: int, ticks: int) -> Path:
    """The run with all pulses from `pulse` on sent so much later than planned."""
    path.chmod(0o600)
    with h5py.File(path, "r+") as file:
        rows = file["/acquisition/pulses"][:]
        rows["box_ticks"][(rows["seq"] > 0) & (rows["pulse_number"] >= pulse)] += ticks
        file["/acquisition/pulses"][:] = rows
    return path


def test_an_mp4_tells_microseconds_and_what_nobody_knows_is_said_in_its_place(tmp_path: Path) -> None:
    """A run whose film is nowhere. In mid-clip 20 pulses are not told of, and the plan does not hold there."""
    path = tmp_path / "clip.mp4"
    run = late_from(
        make_run(tmp_path / "made", Plan(clip_frames=15, pulses_lost_on_wire=set(range(50, 70)))), 70, 15_000
    )
    done: list[tuple[int, int]] = []
    with rig.open(run) as session:
        lacking = save_side_by_side(session, "clip1", path, lambda *so_far: done.append(so_far))
        assert lacking.startswith("film not here: ")
        line = session.timelines[0]
        flips = session.runs[0].film_flips(line.clip_steps["clip1"])["host_ns"]
        known = (line.exposed_host_ns >= flips[0]) & (line.exposed_host_ns <= flips[-1])
        numbers, exposed = line.pulse_numbers[known], line.exposed_host_ns[known]
    hole = numbers.tolist().index(49)
    assert numbers[hole + 1] == 70
    expected = ((exposed - exposed[0]) / 1000).tolist()
    expected.insert(hole + 1, expected[hole] + (expected[hole + 1] - expected[hole]) / 21)
    pictures = decoded(path)
    assert [due_s * 1e6 for due_s, _ in pictures] == pytest.approx(expected, abs=1)
    assert done == [(number, len(pictures)) for number in range(len(pictures) + 1)]
    assert [number_at(pictures[hole + 1][1], place) for place in range(4)] == [None] * 4
    assert number_at(pictures[hole][1], 3) is None  # no film
    for around in (hole, hole + 2):
        assert tile(pictures[around][1], 0)[24:216, 16:304].mean() == pytest.approx(GREY, abs=5)


def test_a_video_without_its_film_says_so(
    recorded: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rig.export.side_by_side.save_side_by_side", lambda *_: "film not here: gone")
    with rig.open(recorded) as session:
        save_video(session, "clip1", recorded / "x.mkv")
    said = capsys.readouterr()
    assert (said.out, said.err) == (f"video: {recorded}/x.mkv\n", "only the cameras are in it. film not here: gone\n")


def test_a_disk_that_refuses_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_run(tmp_path, Plan(clip_frames=5)).parent

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rig.host, "rename", refuse)
    before = sorted(folder.iterdir())
    with rig.open(folder) as session, pytest.raises(StorageError, match=r"new\.mkv: cannot be written: No space"):
        save_side_by_side(session, "clip1", folder / "new.mkv")
    assert sorted(folder.iterdir()) == before


def test_a_clip_that_the_cameras_did_not_see_has_no_video(tmp_path: Path) -> None:
    with rig.open(make_run(tmp_path, Plan(film_begins=False))) as session, pytest.raises(UserError, match="not shown"):
        save_side_by_side(session, "clip1", tmp_path / "out.mkv")
