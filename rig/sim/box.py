"""The simulated trigger box: does on the world's time what the firmware does, down to every byte on the wire.

    receive(bytes) --line--> request --> run: slots, pulses --> on_lines (trigger wires), on_leds (sync LEDs)
                                |                  |
                     answer ----+---- events ------+--line--> take_output (bytes to the host)
                                                   |
    input_edge --as soon as it is looked at--------+

Nothing in it waits: everything it will do stands in an agenda, and `run_until` works that off.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from random import Random

from rig.clock import NS
from rig.config.rig import Faults
from rig.sim.box_clock import BoxClock
from rig.sim.event_queue import EventQueue
from rig.sim.faults import BoxFaults, Fault, Truth
from rig.sim.leds import DARK, Change, changes_after
from rig.sim.pulses import Run, refusal_of
from rig.sim.serial_line import BRIDGES, SerialLine
from rig.trigger import wire
from rig.trigger.box import TICKS_HZ

REQUESTS = (wire.Hello, wire.Start, wire.Stop, wire.Ping, wire.AskStatus)
MODEL, VERSION = b"simulated box", (1, 0, 0)
ABILITIES = ~wire.Capability(0)  # all there are, SIMULATED among them
BAUD = 115_200
EVENTS_PER_S = {115_200: 1000, 250_000: 1500}  # 11 in 112 bytes: 1131 and 2455 a second, less what answers take
INPUTS = 6  # of the box; the last is stamped by hardware
POLLED_TICKS = 300  # the others are looked at so often: 150 us
FIRST_PULSE_TICKS = 4000  # pulse 0 comes 2 ms after START was accepted
PONG_TICKS = 100  # from reading a PING to writing its PONG
BOOT_NS = NS // 10
GATHER_NS = 300_000  # events that come within it leave in one message

OnLines = Callable[[int, int, int, bool], None]
OnLeds = Callable[[int, int], None]
Answer = Callable[[int], wire.Message]  # made when it leaves, at host ns


class SimulatedBox:
    """A trigger box that exists only in the world's time. All times are host ns and never go back.

    `on_lines(host_ns, lines, pulse_number, walk)` is called for the rising edges of each pulse; bit c of `lines`
    is line c. `on_leds(host_ns, mask)` is called for each change of the sync LEDs: bit 0 A, 1 B1, 2 B2. `runs_begun`
    and `pulses_sent` are the truth that tests compare with.
    """

    def __init__(
        self,
        on_lines: OnLines,
        *,
        on_leds: OnLeds = lambda host_ns, mask: None,  # noqa: ARG005
        start_host_ns: int = 0,
        start_ticks: int = 0,
        ppm: float = 0.0,
        seed: int = 1,
        bridge: str = "native",
        baud: int = BAUD,
        loop_back: int | None = None,
        faults: BoxFaults | None = None,
    ) -> None:
        """`ppm`: error of the box's clock, which reads `start_ticks` at `start_host_ns`; `seed` of the latencies.

        `bridge` is a key of BRIDGES, `baud` the rate of its UART; `loop_back` the input that line 0 is wired to.
        """
        self.runs_begun: list[int] = []
        self.pulses_sent = 0
        self._on_lines, self._on_leds = on_lines, on_leds
        self._random, self._polling = Random(seed), Random(seed + 1)
        self._faults = faults or BoxFaults(Faults(), seed, Truth(None))
        self._clock = BoxClock(ppm, start_host_ns, start_ticks, drift_ppm=self._faults.drift_ppm)
        self._bridge, self._baud, self._loop_back = BRIDGES[bridge], baud, loop_back
        self._serial = f"SIM{seed}".encode("ascii")[:12]
        self._agenda: list[tuple[int, int, Callable[[int], None]]] = []
        self._entries = 0
        self._output = b""
        self._leds = DARK
        self._boots, self._cause = 1, wire.Cause.POWER_ON
        self._forget(start_host_ns)

    def _forget(self, awake_host_ns: int) -> None:
        """What a boot loses that ends at `awake_host_ns`."""
        self._awake_host_ns = awake_host_ns
        self._line = SerialLine(self._bridge, self._baud, awake_host_ns, self._random)
        self._queue = EventQueue(bounded=self._line.baud > 0)
        self._decoder = wire.Decoder()
        self._nonce: int | None = None
        self._run: Run | None = None
        self._answers: deque[Answer] = deque()
        self._gathered_host_ns = 0
        self._writes_again = False  # when the line is free
        self._seen_ticks = [0] * INPUTS
        self._rises = [0] * wire.STATUS_INPUTS
        self._heard_host_ns = 0
        self._agenda.clear()

    def receive(self, data: bytes, host_ns: int) -> None:
        """Bytes that the host writes at `host_ns`; the box reads them later, in order, unless it boots."""
        if not data:
            return
        if deaf_ns := self._faults.late_boot_ns():
            self._boot_until(host_ns + deaf_ns)
        if host_ns < self._awake_host_ns:
            return
        data = self._faults.spoil(data, Fault.BYTE_TO_BOX, self._last_recorded())
        self._at(self._line.to_box(len(data), host_ns), lambda now: self._read(data, now))

    @property
    def is_telling(self) -> bool:
        """Whether bytes have reached the host that were not taken yet."""
        return bool(self._output)

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
        """An input of the box changes at `host_ns`, which `run_until` has reached.

        The last input is stamped when it happens, the others when they are looked at. Nothing is at a number beyond.
        """
        if input >= INPUTS:
            return
        ticks = self._clock.ticks_at(host_ns)
        if input == INPUTS - 1:
            self._see(ticks, input, level, host_ns)
            return
        ticks = max(ticks + self._polling.randint(1, POLLED_TICKS), self._seen_ticks[input])
        self._seen_ticks[input] = ticks
        self._at(self._clock.host_ns_of(ticks), lambda now: self._see(ticks, input, level, now))

    def reset(self, host_ns: int, cause: wire.Cause) -> None:
        """The box reboots: what runs ends at once, what it knew is lost, and BOOT is told."""
        self._boots, self._cause = self._boots + 1, cause
        self._light(DARK, host_ns)
        self._boot_until(host_ns + BOOT_NS)

    def _boot_until(self, awake_host_ns: int) -> None:
        self._forget(awake_host_ns)
        self._clock.restart(awake_host_ns, 0)
        self._at(awake_host_ns, lambda now: self._say(wire.Boot(self._boots, self._cause), now))

    def _at(self, host_ns: int, act: Callable[[int], None]) -> None:
        self._entries += 1
        heapq.heappush(self._agenda, (host_ns, self._entries, act))

    def _at_ticks(self, ticks: int, act: Callable[[int], None]) -> None:
        self._at(self._clock.host_ns_of(ticks), act)

    def _say(self, message: wire.Message, host_ns: int) -> None:
        """Answer with a message that is ready."""
        self._answer(lambda _: message, host_ns)

    def _answer(self, answer: Answer, host_ns: int) -> None:
        self._answers.append(answer)
        self._write(host_ns)

    def _tell(self, kind: int, pulse: int, ticks: int, host_ns: int) -> None:
        """Queue an event; what gathers within GATHER_NS, or while the line is busy, leaves together."""
        if not self._queue:
            self._gathered_host_ns = host_ns + GATHER_NS
            self._at(self._gathered_host_ns, self._write)
        run_id = self._run.start.run_id if self._run else 0
        self._queue.put(wire.Event(kind, pulse, ticks % 2**32), run_id)

    def _write(self, host_ns: int) -> None:
        """Put on the line what is ready, as long as the line is free, and go on when it is free again; answers first.

        An edge that is told late may come here with a time at which the line was busy: then it is free already.
        """
        while host_ns >= self._line.free_host_ns and (message := self._next_message(host_ns)):
            self._put_on_line(message, host_ns)
        if host_ns < self._line.free_host_ns and not self._writes_again:
            self._writes_again = True
            self._at(self._line.free_host_ns, self._write_again)

    def _write_again(self, host_ns: int) -> None:
        self._writes_again = False
        self._write(host_ns)

    def _put_on_line(self, message: wire.Message, host_ns: int) -> None:
        frame = self._faults.spoil(wire.to_frame(message), Fault.BYTE_TO_HOST, self._last_recorded())
        self._at(self._line.to_host(len(frame), host_ns), lambda _: self._arrive(frame))

    def _next_message(self, host_ns: int) -> wire.Message | None:
        if self._answers:
            return self._answers.popleft()(host_ns)
        return self._queue.take() if self._queue and host_ns >= self._gathered_host_ns else None

    def _arrive(self, frame: bytes) -> None:
        self._output += frame

    def _read(self, data: bytes, host_ns: int) -> None:
        for message in self._decoder.feed(data):
            if not isinstance(message, REQUESTS):  # for a host, not for a box
                self._decoder.bad_frames += 1
                continue
            if isinstance(message, wire.Start) and self._faults.swallows_start():
                continue
            self._heard_host_ns = host_ns
            self._obey(message, host_ns)

    def _obey(self, message: wire.Message, host_ns: int) -> None:
        match message:
            case wire.Hello():
                self._answer(lambda now: self._greet(message, now), host_ns)
            case wire.Start():
                self._say(self._start(message, host_ns), host_ns)
            case wire.Stop():
                self._say(self._stop(message), host_ns)
            case wire.Ping():
                rx = self._clock.ticks_at(host_ns)
                self._at_ticks(rx + PONG_TICKS, lambda now: self._answer(lambda tx: self._pong(message, rx, tx), now))
            case wire.AskStatus():
                self._answer(lambda now: self._status(message, now), host_ns)

    def _pong(self, ping: wire.Ping, rx_ticks: int, host_ns: int) -> wire.Pong:
        return wire.Pong(ping.request, rx_ticks % 2**32, self._clock.ticks_at(host_ns) % 2**32)

    def _running(self) -> Run | None:
        return self._run if self._run and not self._run.is_over else None

    def _last_recorded(self) -> int:
        """The last pulse of the recording run that runs; -1 without one."""
        run = self._running()
        return run.pulses_sent - 1 if run and run.start.mode == wire.Mode.RECORD else -1

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
            self._queue.next_seq,
            self._line.baud,
            EVENTS_PER_S.get(self._line.baud, 0),
            wire.LINES,
            INPUTS,
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
        self.runs_begun.append(start.run_id)
        run = self._run = Run(start, self._clock.ticks_at(host_ns))
        self._tell(wire.Kind.RUN_BEGAN, 0, run.begun_ticks, host_ns)
        if start.mode == wire.Mode.RECORD:
            self._light(next(run.codes), host_ns)
        self._slot_at(run.begun_ticks + FIRST_PULSE_TICKS, run)
        return run

    def _slot_at(self, ticks: int, run: Run) -> None:
        self._at_ticks(ticks, lambda now: self._slot(ticks, run, now))

    def _slot(self, ticks: int, run: Run, host_ns: int) -> None:
        """Begin a slot at `ticks`: plan its pulses and the next slot, or end the run."""
        quiet_ns = run.start.quiet_s * NS
        run.must_stop |= bool(quiet_ns) and host_ns - self._heard_host_ns > quiet_ns
        slot = next(run.slots, None)
        if slot is None:
            run.is_over, run.ended_ticks = True, ticks
            self._light(DARK, host_ns)
            self._tell(wire.Kind.RUN_ENDED, run.pulses_sent, ticks, host_ns)
            return
        for i, lines in enumerate(slot):
            self._pulse_at(ticks + i * run.start.period_ticks, lines, run)
        self._slot_at(ticks + run.slot_ticks, run)

    def _pulse_at(self, ticks: int, lines: int, run: Run) -> None:
        self._at_ticks(ticks, lambda now: self._pulse(ticks, lines, run, now))

    def _pulse(self, ticks: int, lines: int, run: Run, host_ns: int) -> None:
        number = run.pulses_sent
        if run.start.mode == wire.Mode.RECORD and self._faults.resets_at(number):
            self.reset(host_ns, wire.Cause.BROWN_OUT)
            return
        run.pulses_sent += 1
        self.pulses_sent += 1
        self._tell(wire.Kind.PULSE | lines, number, ticks, host_ns)
        self._on_lines(host_ns, lines, number, run.is_walk)
        self._play(changes_after(run.start, number, run.codes), ticks, run)
        if self._loop_back is not None and lines & 1:
            self._pass_on(self._loop_back, ticks + run.start.widths_ticks[0], host_ns)

    def _play(self, changes: Iterator[Change], pulse_ticks: int, run: Run) -> None:
        """Let the LEDs do the next of their changes after a pulse, and then the others."""
        change = next(changes, None)
        if change is None:
            return

        def play(host_ns: int) -> None:
            if not run.is_over:
                self._light(change[1], host_ns)
                self._play(changes, pulse_ticks, run)

        self._at_ticks(pulse_ticks + change[0], play)

    def _light(self, mask: int, host_ns: int) -> None:
        if mask != self._leds:
            self._leds = mask
            self._on_leds(host_ns, mask)

    def _pass_on(self, number: int, falls_ticks: int, host_ns: int) -> None:
        """Line 0 is wired back to an input."""
        self.input_edge(host_ns, number, 1)
        self._at_ticks(falls_ticks, lambda now: self.input_edge(now, number, 0))

    def _see(self, ticks: int, number: int, level: int, host_ns: int) -> None:
        self._rises[number] += level
        last = self._run.pulses_sent - 1 if self._run else -1
        pulse = last if last >= 0 else wire.NO_PULSE_YET
        self._tell((wire.Kind.RISE if level else wire.Kind.FALL) | number, pulse, ticks, host_ns)

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
            next_seq=self._queue.next_seq,
            queued=min(len(self._queue), 255),
            deepest_queue=min(self._queue.deepest, 255),
            dropped=self._queue.dropped,
            late=0,
            bad_frames=self._decoder.bad_frames,
            cause=self._cause,
            input_rises=tuple(self._rises),
        )
