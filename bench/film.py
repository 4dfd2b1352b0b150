"""Film frames never shown: by the rig's player and by PsychoPy's MovieStim, seen by a witness outside of both.

    python -m bench.film [--runs 3] [--frames 150] [--document]

A 640x360 film of 25 fps is played on a virtual screen of 1280x720, flips paced at 60 Hz. Its pictures carry their
number as a code in white and black. The witness is the X server's own grabber (x11grab, 240 pictures a second of a
strip two lines high): a number that it never sees was never on the screen. Of the rig's player every flip of the log
is held against it too. So are its window's own pixels, flip by flip: code and patch are read back before the flip, of
a seeded 5 % of flips, because to read them back disturbs what is measured, and of every flip of the `short` film.
`busy` are runs beside as many processes as cores that only burn time; in `stalled` ones the window's process is made
to stand still for a quarter of a second, four times (twice in the short film), so that film frames must be left out.
Exits 1 when the rig's player, on an idle machine, left out a film frame or told its flips 5 ms (median) too early or
late by the witness, when its log differs from the screen or from the pixels read back, or when fewer grabs than film
frames could be held against it.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

from bench.report import markdown, replace_part, show_table
from bench.runs import busy
from rig import host
from rig.clock import NS, HostClock
from rig.config.rig import Screen as Config
from rig.elicitation.steps import Step
from rig.stimulus.display import start_virtual
from rig.stimulus.process import PsychoPyScreen
from rig.stimulus.screen import ScreenEvent, StepEnded
from rig.streams import Flip
from tests.films import NO_NUMBER, clip_of, coded, make_film
from tests.stimulus.read_back import Plan, Shown, compared, read_back

WIDTH, HEIGHT, REFRESH_HZ, GRAB_HZ = 1280, 720, 60, 240
CONFIG = Config(backend="psychopy", display="virtual", width=WIDTH, height=HEIGHT, refresh_hz=REFRESH_HZ, patch_px=40)
FILM = Step(0, "clip", "film", "", {}, None, 60.0, "film", (), "")
STRIP_Y = HEIGHT // 4  # in the middle of the code, which fills the upper half of the film
WHITE, BLACK = 180, 76  # grey levels above and below which a block is told; between them no film is shown
DOUBT_NS = 9_000_000  # how long a grab may take to be stamped, and before its flip returns a picture may be seen
MOST_LAG_MS = 5  # median, from a flip by the log to the first grab that shows it: a third of a refresh
MOST_NAMED = 12  # film frames left out, of all runs, up to which each is named
READ_SHARE = 0.05  # of the flips of the long film; of the short one all are read back
SHORT_FRAMES = 50
STALL_S = 0.25  # six film frames: four and more behind, the player leaves out what it must (clips/cadence.py)
ORDINARY = ["chrt", "--other", "0"]  # priority of a process, in place of the one that it would inherit
CLOCK = HostClock()
HEADS = [
    "player",
    "runs",
    "film frames",
    "never shown",
    "left out by its log",
    "flips late",
    "grabs held against the log",
    "of these wrong",
    "flips read back",
    "of these unlike the log",
    "not witnessed",
    "from log to grab",
]


@dataclass
class Played:
    """One run, as the witness saw it."""

    frames: int
    seen: list[tuple[int, int]]  # host clock ns, film frame or NO_NUMBER
    flips: list[Flip] = field(default_factory=list)
    read: list[tuple[Shown | None, Shown | None]] = field(default_factory=list)  # a flip by its pixels, by the log

    @property
    def never_shown(self) -> set[int]:
        """Film frames that the witness never saw, but those in whose time it looked away."""
        return set(range(self.frames)) - {number for _, number in self.seen} - self.unwitnessed

    @property
    def left_out(self) -> set[int]:
        """Film frames that the log itself says were never shown."""
        return set(range(self.frames)) - {flip.film_frame for flip in self.flips}

    @property
    def unwitnessed(self) -> set[int]:
        """Film frames that the log calls shown, of which the witness took no picture well within their time.

        After a stall a film frame may be on this screen for a few ms only: it has no vertical sync.
        """
        times = np.array([host_ns for host_ns, _ in self.seen])
        looked = {n for n, first, end in self._spans if ((times > first + DOUBT_NS) & (times < end - DOUBT_NS)).any()}
        shown = {number for number, _, _ in self._spans}
        return shown - looked - {number for _, number in self.seen}

    @property
    def late(self) -> int:
        return sum(flip.late for flip in self.flips)

    @property
    def misread(self) -> int:
        """Flips whose pixels, read back, are not what the log says."""
        return sum(shown != logged for shown, logged in self.read)

    @property
    def _spans(self) -> list[tuple[int, int, int]]:
        """Each film frame of the log with the host ns of its first flip, and of the first flip of what came next."""
        changes = [b for a, b in pairwise([None, *self.flips]) if b and (a is None or a.film_frame != b.film_frame)]
        return [(a.film_frame, a.host_ns, b.host_ns) for a, b in pairwise(changes) if a.film_frame != NO_NUMBER]

    @property
    def judged(self) -> tuple[int, int]:
        """Grabs well within the time of a film frame by the log, and how many of them show something else."""
        within = [
            (number, shown)
            for shown, first, end in self._spans
            for host_ns, number in self.seen
            if first + DOUBT_NS < host_ns < end - DOUBT_NS
        ]
        return len(within), sum(number != shown for number, shown in within)

    @property
    def lags_ms(self) -> list[float]:
        """From the first flip of each film frame to the first grab that shows it."""
        first = {flip.film_frame: flip.host_ns for flip in reversed(self.flips)}
        grabbed = {number: host_ns for host_ns, number in reversed(self.seen)}
        return [(grabbed[n] - first[n]) / 1e6 for n in first.keys() & grabbed.keys() if n != NO_NUMBER]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--document", action="store_true")
    parser.add_argument("--moviestim", help=argparse.SUPPRESS)  # the child
    options = parser.parse_args()
    if options.moviestim:
        show_moviestim(options.moviestim)
        return
    host.ask_real_time(host.Priority.SCREEN)  # for the witness too, and for both players with their display
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film = make_film(folder / "film.mp4", options.frames, size=(640, 360))
        short = make_film(folder / "short.mp4", SHORT_FRAMES, size=(640, 360))
        found = play_all(film, short, options.runs)
        with busy(os.cpu_count() or 1, *ORDINARY):
            found |= play_all(film, short, options.runs, ", busy")
        found |= play_stalled(film, short, options.runs)
        rows = [row(name, runs) for name, runs in found.items()]
        show_table("film", HEADS, rows)
        if options.document:
            replace_part("film", markdown(HEADS, rows), folder)
    sys.exit(
        any(run.never_shown for run in found["rig"])
        or abs(statistics.median(lags_ms(found["rig"]))) > MOST_LAG_MS
        or any(is_wrong(run) for name, runs in found.items() if name.startswith("rig") for run in runs)
    )


def play_all(film: Path, short: Path, runs: int, how: str = "") -> dict[str, list[Played]]:
    """Runs of both players; `how`: what is said of them in the table."""
    return {
        f"rig{how}": [play_with_rig(film, Plan(READ_SHARE, seed)) for seed in range(runs)],
        f"rig, short{how}": [play_with_rig(short, Plan()) for _ in range(runs)],
        f"MovieStim{how}": [play_with_moviestim(film) for _ in range(runs)],
    }


def play_stalled(film: Path, short: Path, runs: int) -> dict[str, list[Played]]:
    """Runs of the rig's player, stalled again and again."""
    return {
        "rig, stalled": [play_with_rig(film, Plan(READ_SHARE, seed), [0.7] * 4) for seed in range(runs)],
        "rig, short, stalled": [play_with_rig(short, Plan(), [0.7] * 2) for _ in range(runs)],
    }


def is_wrong(run: Played) -> bool:
    """Whether the log differs from what the witness saw or was read back, or too little could be held against it."""
    judged, wrong = run.judged
    if wrong or run.misread or not run.read or sum(flip.skipped for flip in run.flips) != len(run.left_out):
        return True
    unseen = set(range(run.frames)) - {number for _, number in run.seen}
    return judged < run.frames or unseen - run.unwitnessed != run.left_out


def row(name: str, runs: list[Played]) -> list[str]:
    """One line of the table."""
    counts = [name, len(runs), sum(run.frames for run in runs), which([run.never_shown for run in runs])]
    if not runs[0].flips:
        return [*map(str, counts), "has none", *[""] * (len(HEADS) - len(counts) - 1)]
    lags = lags_ms(runs)
    held, wrong = (sum(numbers) for numbers in zip(*(run.judged for run in runs), strict=True))
    counts += [sum(len(run.left_out) for run in runs), sum(run.late for run in runs), held, wrong]
    counts += [sum(len(run.read) for run in runs), sum(run.misread for run in runs)]
    counts += [sum(len(run.unwitnessed) for run in runs)]
    return [*map(str, counts), f"{statistics.median(lags):.1f} ms, at most {max(lags):.1f}"]


def lags_ms(runs: list[Played]) -> list[float]:
    return [lag for run in runs for lag in run.lags_ms]


def which(left_out: list[set[int]]) -> str:
    """How many film frames were left out in all runs; and, when they are few, which of each run."""
    count = sum(map(len, left_out))
    each = "; ".join(", ".join(map(str, sorted(frames))) or "none" for frames in left_out)
    return f"{count}: {each}" if 0 < count <= MOST_NAMED else str(count)


@contextmanager
def witness(display: str) -> Iterator[list[tuple[int, int]]]:
    """Grabs the strip of the code on a display; host clock ns and film frame of every grab."""
    seen: list[tuple[int, int]] = []
    is_over = threading.Event()
    size = {"video_size": f"{WIDTH}x2", "framerate": str(GRAB_HZ), "draw_mouse": "0"}
    utc_to_host_ns = CLOCK.now_ns() - time.time_ns()

    def grab() -> None:
        with av.open(f"{display}+0,{STRIP_Y}", format="x11grab", options=size) as grabbed:
            for frame in grabbed.decode(video=0):
                seen.append((round(frame.time * NS) + utc_to_host_ns, number_in(frame.to_ndarray(format="gray")[0])))
                if is_over.is_set():
                    return

    thread = threading.Thread(target=grab)
    thread.start()
    try:
        while not seen:
            time.sleep(0.01)
        yield seen
    finally:
        is_over.set()
        thread.join()


def number_in(line: np.ndarray) -> int:
    """The number in one line of pixels, uint8 (width,) or (width, 3); NO_NUMBER when a block is grey."""
    return coded(line, black=BLACK, white=WHITE)


def play_with_rig(film: Path, plan: Plan, stalls_s: Sequence[float] = ()) -> Played:
    """Once by the rig's player, in its own window and process, which stands still for STALL_S at each of `stalls_s`."""
    clip = clip_of(film)
    with tempfile.TemporaryDirectory(dir=film.parent) as private:
        with (
            read_back(plan),
            closing(PsychoPyScreen(CONFIG, {"film": clip}, Path(private))) as screen,
            witness(screen.display) as seen,
        ):
            screen.show(FILM)
            told = screen.events(0.1)
            for after_s in stalls_s:
                told += told_until(screen, after_s)
                stall(screen)
            while not any(isinstance(event, StepEnded) for event in told):
                told += screen.events(0.1)
        flips = [event for event in told if isinstance(event, Flip)]
        return Played(clip.frames, seen, flips, compared(Path(private), plan, flips, number_in))


def told_until(screen: PsychoPyScreen, seconds: float) -> list[ScreenEvent]:
    """What the screen tells in so many seconds."""
    told, end_ns = [], CLOCK.now_ns() + round(seconds * NS)
    while CLOCK.now_ns() < end_ns:
        told += screen.events(0.02)
    return told


def stall(screen: PsychoPyScreen) -> None:
    """The window's process stands still: longer than the player may catch up without leaving anything out."""
    os.kill(screen._child.pid, signal.SIGSTOP)
    time.sleep(STALL_S)
    os.kill(screen._child.pid, signal.SIGCONT)


def play_with_moviestim(film: Path) -> Played:
    """Once by PsychoPy's own player, in a window of the same size, in a process of its own."""
    with (
        tempfile.TemporaryDirectory(dir=film.parent) as private,
        closing(start_virtual(WIDTH, HEIGHT, Path(private))) as display,
    ):
        environment = {
            **os.environ,
            "HOME": private,
            "DISPLAY": display.name,
            "SDL_AUDIODRIVER": "dummy",
            "PSYCHOPYNOPACKAGES": "1",
        }
        command = [sys.executable, "-m", "bench.film", "--moviestim", str(film)]
        with witness(display.name) as seen:
            subprocess.run(command, env=environment, check=True, capture_output=True)
        return Played(clip_of(film).frames, seen)


def show_moviestim(film: str) -> None:
    """The child: a window, flips paced on the same grid as the rig's, the film from its first to its last picture."""
    from psychopy import logging, visual

    logging.console.setLevel(logging.ERROR)
    window = visual.Window(
        (WIDTH, HEIGHT), pos=(0, 0), allowGUI=False, units="pix", checkTiming=False, waitBlanking=False
    )
    movie = visual.MovieStim(window, film, movieLib="ffpyplayer", size=(WIDTH, HEIGHT), loop=False, noAudio=True)
    slot_ns = CLOCK.now_ns()
    movie.play()
    while not movie.isFinished:
        movie.draw()
        slot_ns += NS // REFRESH_HZ
        CLOCK.sleep_until(slot_ns)
        window.flip()
    with suppress(Exception):  # its own end is not what is measured
        movie.stop()
    window.close()
    os._exit(0)


if __name__ == "__main__":
    main()
