"""The simulated trigger box: does on the world's time what the firmware does, down to every byte on the wire.

    receive(bytes) --latency--> request --> run: slots, pulses --> on_lines (the wires)
                                   |                  |
                        answer ----+---- events ------+--latency--> take_output (bytes to the host)

Nothing in it waits: everything it will do stands in an agenda, and `run_until` works that off.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random

from rig.clock import NS
from rig.sim.pulses import Run, refusal_of
from rig.trigger import wire
from rig.trigger.box import TICKS_HZ

MODEL, VERSION = b"simulated box", (1, 0, 0)
ABILITIES = (
    wire.Capability.SIMULATED
    | wire.Capability.RECORD
    | wire.Capability.WALK
    | wire.Capability.EXACT_COUNT
    | wire.Capability.SYNC_LEDS
    | wire.Capability.QUIET_BOUND
)
FIRST_PULSE_TICKS = 4000  # pulse 0 comes 2 ms after START was accepted
LATENCY_US = (200, 2000)  # of the serial line, each way
PONG_TICKS = 100  # from reading a PING to writing its PONG
BOOT_NS = NS // 10
GATHER_NS = 300_000  # events that come within it leave in one message
MICRO = 1_000_000

OnLines = Callable[[int, int, int, bool], None]


class BoxClock:
    """The box's timer: `ppm` fast or slow, reading `ticks` at `host_ns`. Exact, in whole numbers."""

    def __init__(self, ppm: float, host_ns: int, ticks: int) -> None:
        self._rate = TICKS_HZ * MICRO + round(TICKS_HZ * ppm)  # ticks in MICRO seconds
        self.restart(host_ns, ticks)

    def restart(self, host_ns: int, ticks: int) -> None:
        """Read `ticks` at `host_ns`."""
        self._origin_host_ns, self._origin_ticks = host_ns, ticks

    def ticks_at(self, host_ns: int) -> int:
        """The reading at `host_ns`, not wrapped."""
        return self._origin_ticks + (host_ns - self._origin_host_ns) * self._rate // (NS * MICRO)

    def host_ns_of(self, ticks: int) -> int:
        """The first host ns at which the timer reads `ticks`."""
        return self._origin_host_ns - (self._origin_ticks - ticks) * NS * MICRO // self._rate


class SimulatedBox:
    """A trigger box that exists only in the world's time. All times are host ns and never go back.

    `on_lines(host_ns, lines, pulse_number, walk)` is called for the rising edges of each pulse; bit c of `lines`
    is line c. `runs_begun` and `pulses_sent` are the truth that tests compare with.
    """

    def __init__(
        self, on_lines: OnLines, *, start_host_ns: int = 0, start_ticks: int = 0, ppm: float = 0.0, seed: int = 1
    ) -> None:
        """`ppm`: error of the box's clock, which reads `start_ticks` at `start_host_ns`; `seed` of the latencies."""
        self.runs_begun: list[int] = []
        self.pulses_sent = 0
        self._on_lines = on_lines
        self._random = Random(seed)
        self._clock = BoxClock(ppm, start_host_ns, start_ticks)
        self._serial = f"SIM{seed}".encode("ascii")[:12]
        self._agenda: list[tuple[int, int, Callable[[int], None]]] = []
        self._entries = 0
        self._output = b""
        self._boots, self._cause = 1, wire.Cause.POWER_ON
        self._read_host_ns = self._left_host_ns = self._awake_host_ns = start_host_ns
        self._forget()

    def _forget(self) -> None:
        """What a boot loses."""
        self._decoder = wire.Decoder()
        self._nonce: int | None = None
        self._run: Run | None = None
        self._queue: list[wire.Event] = []
        self._next_seq = 0
        self._deepest_queue = 0
        self._rises = [0] * wire.INPUTS
        self._heard_host_ns = 0
        self._agenda.clear()

    def receive(self, data: bytes, host_ns: int) -> None:
        """Bytes that the host writes at `host_ns`; the box reads them a latency later, in order, unless it boots."""
        if host_ns < self._awake_host_ns:
            return
        self._read_host_ns = max(self._read_host_ns, host_ns + self._latency_ns())
        self._at(self._read_host_ns, lambda now: self._read(data, now))

    def take_output(self, host_ns: int) -> bytes:
        """The bytes that have reached the host by `host_ns` and were not taken yet."""
        self.run_until(host_ns)
        taken, self._output = self._output, b""
        return taken

    def next_host_ns(self) -> int | None:
        """When the box will do something next; None: never, unless it receives something."""
        return self._agenda[0][0] if self._agenda else None

    def run_until(self, host_ns: int) -> None:
        """Do everything that is due by `host_ns`, in order."""
        while self._agenda and self._agenda[0][0] <= host_ns:
            due_ns, _, act = heapq.heappop(self._agenda)
            act(due_ns)

    def input_edge(self, host_ns: int, input: int, level: int) -> None:  # noqa: A002
        """An input of the box changes at `host_ns`, which `run_until` has reached."""
        self._rises[input] += level
        last = self._run.pulses_sent - 1 if self._run else -1
        pulse = last if last >= 0 else wire.NO_PULSE_YET
        kind = wire.Kind.RISE if level else wire.Kind.FALL
        self._tell(kind | input, pulse, self._clock.ticks_at(host_ns), host_ns)

    def reset(self, host_ns: int, cause: wire.Cause) -> None:
        """The box reboots: what runs ends at once, what it knew is lost, and BOOT is told."""
        self._forget()
        self._awake_host_ns = host_ns + BOOT_NS
        self._clock.restart(self._awake_host_ns, 0)
        self._boots, self._cause = self._boots + 1, cause
        self._at(self._awake_host_ns, lambda now: self._say(wire.Boot(self._boots, self._cause), now))

    def _at(self, host_ns: int, act: Callable[[int], None]) -> None:
        self._entries += 1
        heapq.heappush(self._agenda, (host_ns, self._entries, act))

    def _latency_ns(self) -> int:
        return self._random.randint(*LATENCY_US) * 1000

    def _say(self, message: wire.Message, host_ns: int) -> None:
        """Put a message on the line at `host_ns`; it never overtakes one before it."""
        self._left_host_ns = max(self._left_host_ns, host_ns + self._latency_ns())
        frame = wire.to_frame(message)
        self._at(self._left_host_ns, lambda _: self._arrive(frame))

    def _arrive(self, frame: bytes) -> None:
        self._output += frame

    def _tell(self, kind: int, pulse: int, ticks: int, host_ns: int) -> None:
        """Queue an event; what gathers while the line is busy leaves together."""
        if not self._queue:
            self._at(host_ns + GATHER_NS, self._flush)
        self._queue.append(wire.Event(kind, pulse, ticks % 2**32))
        self._deepest_queue = max(self._deepest_queue, len(self._queue))

    def _flush(self, host_ns: int) -> None:
        run_id = self._run.start.run_id if self._run else 0
        while self._queue:
            batch, self._queue = self._queue[: wire.MAX_EVENTS], self._queue[wire.MAX_EVENTS :]
            self._say(wire.Events(run_id, self._next_seq, tuple(batch)), host_ns)
            self._next_seq = (self._next_seq + len(batch)) % 2**32

    def _read(self, data: bytes, host_ns: int) -> None:
        for message in self._decoder.feed(data):
            self._heard_host_ns = host_ns
            self._obey(message, host_ns)

    def _obey(self, message: wire.Message, host_ns: int) -> None:
        match message:
            case wire.Hello():
                self._say(self._greet(message, host_ns), host_ns)
            case wire.Start():
                self._say(self._start(message, host_ns), host_ns)
            case wire.Stop():
                self._say(self._stop(message), host_ns)
            case wire.Ping():
                rx = self._clock.ticks_at(host_ns)
                tx = rx + PONG_TICKS
                self._say(wire.Pong(message.request, rx % 2**32, tx % 2**32), self._clock.host_ns_of(tx))
            case wire.AskStatus():
                self._say(self._status(message, host_ns), host_ns)

    def _running(self) -> Run | None:
        return self._run if self._run and not self._run.is_over else None

    def _greet(self, hello: wire.Hello, host_ns: int) -> wire.Message:
        if hello.protocol != wire.PROTOCOL:
            return wire.Error(hello.request, hello.TYPE, wire.Refusal.WRONG_VERSION, wire.PROTOCOL)
        self._nonce = hello.nonce
        run = self._running()
        return wire.Identity(
            hello.request,
            wire.PROTOCOL,
            hello.nonce,
            *VERSION,
            ABILITIES,
            self._serial,
            MODEL,
            TICKS_HZ,
            self._clock.ticks_at(host_ns) % 2**32,
            self._boots,
            run.start.run_id if run else 0,
            self._next_seq,
            0,  # no serial line,
            0,  # and a queue without end
            wire.LINES,
            wire.INPUTS,
        )

    def _start(self, start: wire.Start, host_ns: int) -> wire.Message:
        problem = self._objection(start)
        if problem:
            return wire.Error(start.request, start.TYPE, *problem)
        run = self._run
        if run is None or run.start.run_id != start.run_id:
            run = self._begin(start, host_ns)
        return wire.Started(start.request, start.run_id, run.begun_ticks % 2**32)

    def _objection(self, start: wire.Start) -> tuple[wire.Refusal, int] | None:
        """Why this START is refused, and the detail of it."""
        if self._nonce is None:
            return wire.Refusal.NO_HELLO, 0
        if start.nonce != self._nonce:
            return wire.Refusal.WRONG_NONCE, 0
        if self._run and self._run.start.run_id == start.run_id:
            return None
        if running := self._running():
            return wire.Refusal.BUSY, running.start.run_id
        return refusal_of(start)

    def _begin(self, start: wire.Start, host_ns: int) -> Run:
        self._flush(host_ns)  # events of the run before leave under its own id
        self.runs_begun.append(start.run_id)
        run = self._run = Run(start, self._clock.ticks_at(host_ns))
        self._tell(wire.Kind.RUN_BEGAN, 0, run.begun_ticks, host_ns)
        self._slot_at(run.begun_ticks + FIRST_PULSE_TICKS, run)
        return run

    def _slot_at(self, ticks: int, run: Run) -> None:
        self._at(self._clock.host_ns_of(ticks), lambda now: self._slot(ticks, run, now))

    def _slot(self, ticks: int, run: Run, host_ns: int) -> None:
        """Begin a slot at `ticks`: plan its pulses and the next slot, or end the run."""
        quiet_ns = run.start.quiet_s * NS
        run.must_stop |= bool(quiet_ns) and host_ns - self._heard_host_ns > quiet_ns
        slot = next(run.slots, None)
        if slot is None:
            run.is_over, run.ended_ticks = True, ticks
            self._tell(wire.Kind.RUN_ENDED, run.pulses_sent, ticks, host_ns)
            return
        for i, lines in enumerate(slot):
            self._pulse_at(ticks + i * run.start.period_ticks, lines, run)
        self._slot_at(ticks + run.slot_ticks, run)

    def _pulse_at(self, ticks: int, lines: int, run: Run) -> None:
        self._at(self._clock.host_ns_of(ticks), lambda now: self._pulse(ticks, lines, run, now))

    def _pulse(self, ticks: int, lines: int, run: Run, host_ns: int) -> None:
        number = run.pulses_sent
        run.pulses_sent += 1
        self.pulses_sent += 1
        self._tell(wire.Kind.PULSE | lines, number, ticks, host_ns)
        self._on_lines(host_ns, lines, number, run.is_walk)

    def _stop(self, stop: wire.Stop) -> wire.Stopping:
        run = self._running()
        if run:
            run.must_stop = True
        return wire.Stopping(stop.request, run.start.run_id if run else 0)

    def _status(self, ask: wire.AskStatus, host_ns: int) -> wire.Status:
        run, running = self._run, self._running()
        state = wire.State.IDLE if not running else wire.State.STOPPING if running.must_stop else wire.State.RUNNING
        return wire.Status(
            request=ask.request,
            state=state,
            run_id=run.start.run_id if run else 0,
            mode=run.start.mode if run else 0,
            ticks=self._clock.ticks_at(host_ns) % 2**32,
            pulses_sent=run.pulses_sent if run else 0,
            ended_ticks=run.ended_ticks % 2**32 if run else 0,
            boots=self._boots,
            next_seq=self._next_seq,
            queued=min(len(self._queue), 255),
            deepest_queue=min(self._deepest_queue, 255),
            dropped=0,
            late=0,
            bad_frames=self._decoder.bad_frames,
            cause=self._cause,
            input_rises=tuple(self._rises),
        )
