"""Our firmware, the very file that users flash, on a simulated chip behind a pseudo terminal.

    Simavr --starts--> runner (C, simavr) <--pty--> SerialBox, unmodified, over pyserial
       |                  |
       +---- commands ----+---- trace: every edge of every pin with its cycle; clock: simulated time

The clock is simulated time, and the simulation never runs further ahead of the last look at it than a leash allows.
So a busy machine makes a test slow, never late.
"""

from __future__ import annotations

import atexit
import mmap
import subprocess
import tempfile
import time
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rig.clock import NS

HERE = Path(__file__).parent
HEX = Path(__file__).parents[3] / "rig/trigger/firmware/box.hex"
CYCLES_HZ = 16_000_000
TICK = 8  # cycles of the box's timer
FOR_EVER = 2**64 - 1
BOOTED_NS = NS // 20  # what is sent to the box before is lost, as it is with a real one
ENDS_WITHIN_S = 30

BYTE_IN, BYTE_OUT = 0, 1  # in the trace beside the pins: bytes to the box and from it
LINE_PINS = (4, 5, 6)  # HS, VIS, NIR
LED_PINS = (10, 9, 11)  # A, B1, B2
INPUT_PINS = (14, 15, 16, 17, 18, 8)  # of inputs 0 to 5; 5 is the timed one
TIMED_INPUT = 5
EDGE = np.dtype([("cycle", "<u8"), ("pin", "u1"), ("level", "u1"), ("unused", "V6")])
Edges = NDArray[Any]


@cache
def runner() -> Path:
    """The runner, built once for this process in a folder of its own."""
    folder = tempfile.TemporaryDirectory(prefix="rig-simavr-")
    atexit.register(folder.cleanup)
    program = Path(folder.name) / "runner"
    build = ["gcc", "-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-o", program]
    subprocess.run([*build, HERE / "runner.c", "-lsimavr", "-lutil"], check=True)
    return program


class SimulatedTime:
    """A `Clock` that reads the simulated time, and lets the simulation go on to `leash_s` after it."""

    def __init__(self, path: Path, leash_s: float | None) -> None:
        """`path`: the file that the runner maps too. Without a leash the simulation waits for nobody."""
        path.write_bytes(bytes(16))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 16)
        self._cells = memoryview(self._map).cast("Q")
        self._leash_cycles = None if leash_s is None else round(leash_s * CYCLES_HZ)
        self._cells[1] = FOR_EVER if leash_s is None else round(leash_s * CYCLES_HZ)

    @property
    def cycle(self) -> int:
        """Cycles of the chip since its power came."""
        return self._cells[0]

    def now_ns(self) -> int:
        """Simulated time, ns since the chip's power came."""
        cycle = self.cycle
        if self._leash_cycles is not None:
            self._cells[1] = cycle + self._leash_cycles
        return ns_of(cycle)

    def sleep_until(self, host_ns: int) -> None:
        """Return when the simulation has come to `host_ns`."""
        while self.now_ns() < host_ns:
            time.sleep(0.001)

    def close(self) -> None:
        """Give the memory back."""
        self._cells.release()
        self._map.close()


def at_a_rise(number: int) -> str:
    """What goes before a command that waits for a rise of HS; 0: it does not wait."""
    return f"at {number} " if number else ""


def ns_of(cycle: int) -> int:
    """Simulated time of a cycle, ns."""
    return cycle * NS // CYCLES_HZ


class Simavr:
    """A chip with power; a context manager. Cut its power with `stop`; the EEPROM file keeps what it holds."""

    def __init__(
        self,
        folder: Path,
        *,
        speed: str = "max",
        inputs: str = "none",
        seed: int = 1,
        jumper: bool = False,
        bootloader: int | None = None,
        wires: Path | None = None,
        leash_s: float | None = 0.1,
        firmware: Path = HEX,
    ) -> None:
        """`folder` holds trace, clock and EEPROM; the other options are those of runner.c."""
        self.folder = folder
        with ExitStack() as undo:
            self.clock = SimulatedTime(folder / "clock", leash_s)
            undo.callback(self.clock.close)
            command = [runner(), firmware, "--speed", speed, "--inputs", inputs, "--seed", str(seed)]
            command += ["--eeprom", folder / "eeprom", "--trace", folder / "trace", "--clock", folder / "clock"]
            command += ["--wires", wires] if wires else []
            command += ["--jumper"] if jumper else []
            command += ["--bootloader", str(bootloader)] if bootloader is not None else []
            # A group of its own: Ctrl-C is for the recorder, which needs the box to end in order.
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            self._process = subprocess.Popen(command, **pipes, text=True, process_group=0)
            undo.callback(self.stop)
            self.port = self._line("port")
            undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        self.clock.close()

    def command(self, text: str) -> list[str]:
        """Give the runner a command; what it answers: the cycle, and what the command asked for."""
        assert self._process.stdin is not None
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()
        return self._line("done").split()

    def input(self, number: int, level: int) -> None:
        """Change an input of the box."""
        self.command(f"input {number} {level}")

    def reset(self, cause: str) -> None:
        """LINE and BROWNOUT reset at once; WATCHDOG stops main, so that it bites in two seconds."""
        self.command(f"reset {cause}")

    def away(self, seconds: float, *, at_rise: int = 0) -> None:
        """Let main stand still for so long, while interrupts and everything else go on.

        From now on, or from that rise of HS on, counted from 1 since power came: so a busy machine cannot move it.
        """
        self.command(at_a_rise(at_rise) + f"away {round(seconds * CYCLES_HZ)}")

    def stall(self, cycles: int, *, at_rise: int) -> None:
        """Let the processor stand still for so long at the first edge after that rise of HS, counted from 1."""
        self.command(at_a_rise(at_rise) + f"stall {cycles}")

    def calm(self) -> None:
        """The inputs change no more by themselves."""
        self.command("calm")

    def unplug(self) -> None:
        """Pull the cable out; the box goes on."""
        self.command("unplug")

    def report(self) -> dict[str, int]:
        """Bytes that the receiver lost, bytes of RAM never touched, and CPU time of the runner, us."""
        _, *numbers = self.command("report")
        return dict(zip(("overruns", "ram_untouched", "cpu_us"), map(int, numbers), strict=True))

    def edges(self, since: int = 0) -> Edges:
        """Every edge of every pin from row `since` on, and the bytes on the serial line: EDGE rows, oldest first."""
        if self._process.poll() is None:
            self.command("sync")
        return np.fromfile(self.folder / "trace", EDGE, offset=since * EDGE.itemsize)

    def stop(self) -> None:
        """Cut the power; a second call does nothing."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.communicate(timeout=ENDS_WITHIN_S)

    def _line(self, word: str) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith(word + " ") or line.endswith("not understood\n"):
            raise RuntimeError(f"the runner said {line!r} (exit status {self._process.poll()})")
        return line.removeprefix(word).strip()


def edges_of(edges: Edges, *pins: int) -> Edges:
    """The rows of some pins."""
    return edges[np.isin(edges["pin"], pins)]


def masks(edges: Edges, pins: tuple[int, ...]) -> list[tuple[int, int]]:
    """(cycle, mask) whenever one of `pins` changed: bit i is the level of pins[i] from then on."""
    out: list[tuple[int, int]] = []
    mask, rows = 0, edges_of(edges, *pins)
    for cycle, pin, level in zip(*(rows[name].tolist() for name in ("cycle", "pin", "level")), strict=True):
        bit = 1 << pins.index(pin)
        mask = mask | bit if level else mask & ~bit
        if out and out[-1][0] == cycle:
            out.pop()
        out.append((cycle, mask))
    return out


def rising(edges: Edges, pins: tuple[int, ...] = LINE_PINS) -> list[tuple[int, int]]:
    """(cycle, mask) of every instant at which some of `pins` rose: bit i for pins[i]."""
    out: dict[int, int] = {}
    rows = edges_of(edges, *pins)
    for cycle, pin, level in zip(*(rows[name].tolist() for name in ("cycle", "pin", "level")), strict=True):
        if level:
            out[cycle] = out.get(cycle, 0) | 1 << pins.index(pin)
    return list(out.items())
