"""The conversation with a trigger box, without any port: bytes in, events out, and what to say next.

    request --> waiting --> sent --+-- answer --> done
                  ^                |
                  +-- no answer ---+   every request may be repeated: the box does the same thing once only

It holds no thread and asks no time; the caller tells it the host time at which bytes came or will go.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass

from rig.clock import NS
from rig.streams import NO_PULSE, ClockPair, Edge, Pulse
from rig.trigger import wire
from rig.trigger.box import Booted, BoxEvent, EventsLost, PulsePlan, RunBegan, RunEnded, StartRefused
from rig.trigger.ticks import WRAP, TickCounter

RETRY_NS = NS // 4  # over the slowest round trip of a USB bridge (16 ms) by far
SILENCE_NS = NS  # without events for so long in a run, ask how the box is
START_TRIES = 12  # 3 s
QUIET_S = 600  # the box ends a run by itself when the host said nothing for so long

_WORDS = {
    wire.Refusal.WRONG_VERSION: "it speaks version {0} of the wire format, this program speaks version {1}",
    wire.Refusal.NO_HELLO: "it has restarted since it was opened",
    wire.Refusal.WRONG_NONCE: "another program has taken it over",
    wire.Refusal.BUSY: "it still sends run {}; stop that first",
    wire.Refusal.BAD_RUN_ID: "run id {} is not allowed; 1 to 4294967295",
    wire.Refusal.BAD_MODE: "it cannot do mode {}",
    wire.Refusal.BAD_PERIOD: "base period of {} ticks is not allowed; 2000 to 65535 (30.52 to 1000 Hz)",
    wire.Refusal.BAD_DIVISOR: "divisor {} is not allowed; 1 to 64",
    wire.Refusal.BAD_WIDTH: "pulse width of {} ticks is not allowed; from 200 (100 us) to 64 below the base period",
    wire.Refusal.BAD_LED_PHASE: "LED phase of {} ticks is not allowed; from 64 to 64 below the base period",
    wire.Refusal.EDGES_TOO_CLOSE: "two edges are {} ticks apart; together or at least 64 (32 us)",
    wire.Refusal.GROUP_TOO_LONG: "the divisors repeat only after {} pulses; at most 64",
    wire.Refusal.NO_BASE_LINE: "no line has divisor 1",
    wire.Refusal.BAD_TEST_OFFSET: "test offset of {} ticks is not allowed; less than the base period",
    wire.Refusal.BAD_TEST_PERIOD: "test period of {} ticks is not allowed; 400 to 131070 (5 kHz to 15.26 Hz)",
}


def words_of(error: wire.Error) -> str:
    """Why a request was refused, in words."""
    text = _WORDS.get(wire.Refusal(error.code)) if error.code in set(wire.Refusal) else None
    return text.format(error.detail, wire.PROTOCOL) if text else f"error {error.code} ({error.detail})"


def _busy_with(run_id: int) -> str:
    return _WORDS[wire.Refusal.BUSY].format(run_id)


def start_message(plan: PulsePlan, *, request: int, nonce: int, run_id: int) -> wire.Start:
    """The START that asks for `plan`. Raises ValueError for what the wire format cannot hold."""
    divisors, widths = [0] * wire.LINES, [0] * wire.LINES
    for line in plan.lines:
        if not 0 <= line.line < wire.LINES:
            raise ValueError(f"line {line.line} is not allowed; 0 to {wire.LINES - 1}")
        divisors[line.line], widths[line.line] = line.divisor, line.width_ticks
    return wire.Start(
        request,
        nonce,
        run_id,
        wire.Mode[plan.mode.name],
        plan.period_ticks,
        wire.UNTIL_STOP if plan.body_groups is None else plan.body_groups,
        plan.led_phase_ticks,
        (divisors[0], divisors[1], divisors[2]),
        (widths[0], widths[1], widths[2]),
        plan.test_offset_ticks,
        plan.test_period_ticks,
        quiet_s=QUIET_S,
    )


@dataclass
class _Request:
    """One request until it is answered. `tries` left, None for ever."""

    message: wire.Message
    number: int
    tries: int | None
    sent_host_ns: int | None = None

    @property
    def due_host_ns(self) -> int | None:
        """When to send it again; None when it was never sent."""
        return None if self.sent_host_ns is None else self.sent_host_ns + RETRY_NS


@dataclass
class _Run:
    """The run that was asked for last."""

    run_id: int
    began: bool = False
    ended: bool = False
    heard_host_ns: int = 0
    lost_some: bool = False

    @property
    def is_running(self) -> bool:
        return self.began and not self.ended


class Driver:
    """One conversation with one box. Not for use by two threads at once."""

    def __init__(self, nonce: int) -> None:
        """`nonce`: 32 random bits that tell this conversation from any other."""
        self.identity: wire.Identity | None = None
        self.hello_refused = ""  # why, in words
        self.foreign_events = 0  # events of other runs, ignored
        self._nonce = nonce
        self._decoder = wire.Decoder()
        self._requests: deque[_Request] = deque()
        self._number = 0
        self._run: _Run | None = None
        self._next_seq = 0
        self._boots = 0
        self._ticks = TickCounter(1)
        self._told: list[BoxEvent] = []

    @property
    def bad_frames(self) -> int:
        """Damaged frames received."""
        return self._decoder.bad_frames

    def hello(self) -> None:
        """Ask who it is, until it answers; then `identity` or `hello_refused` is set."""
        self._ask(wire.Hello(self._next_number(), wire.PROTOCOL, self._nonce), None)

    def start(self, plan: PulsePlan, run_id: int) -> None:
        """Ask for a run; RunBegan or StartRefused follows. The run that is being sent is not asked for again."""
        if self._run and self._run.is_running:
            if self._run.run_id != run_id:
                self._told.append(StartRefused(run_id, _busy_with(self._run.run_id)))
            return
        self._run = _Run(run_id)
        try:
            message = start_message(plan, request=self._next_number(), nonce=self._nonce, run_id=run_id)
            message.pack()
        except (ValueError, struct.error) as problem:
            self._refuse(f"the plan does not fit the wire format: {problem}")
        else:
            self._ask(message, START_TRIES)

    def stop(self) -> None:
        """Ask for an orderly end, until the box says it heard."""
        if not self._is_waiting(wire.Stop):
            self._ask(wire.Stop(self._next_number()), None)

    def ping(self) -> None:
        """Ask for one pair of clock readings; if it gets lost there is none."""
        if not self._is_waiting(wire.Ping):
            self._ask(wire.Ping(self._next_number()), 1)

    def next_host_ns(self) -> int | None:
        """When there will be something to send or to give up, if nothing comes before; None: never."""
        times = []
        if self._requests:
            times.append(self._requests[0].due_host_ns or 0)
        if self._run and self._run.is_running and not self._is_waiting(wire.AskStatus):
            times.append(self._run.heard_host_ns + SILENCE_NS)
        return min(times, default=None)

    def outgoing(self, now_host_ns: int) -> bytes:
        """What to send now, at `now_host_ns`; empty when nothing is due."""
        if not self._requests:
            return b""
        request = self._requests[0]
        due = request.due_host_ns
        if due is not None and (now_host_ns < due or request.tries == 0):
            return b""
        request.sent_host_ns = now_host_ns
        if request.tries is not None:
            request.tries -= 1
        return wire.to_frame(request.message)

    def feed(self, data: bytes, now_host_ns: int) -> list[BoxEvent]:
        """What the box told by `data`, read at `now_host_ns`, in its order; also when nothing came."""
        for message in self._decoder.feed(data):
            self._take(message, now_host_ns)
        self._give_up(now_host_ns)
        self._look_after_run(now_host_ns)
        told, self._told = self._told, []
        return told

    def _next_number(self) -> int:
        self._number = (self._number + 1) % 256
        return self._number

    def _ask(self, message: wire.Message, tries: int | None) -> None:
        self._requests.append(_Request(message, self._number, tries))

    def _is_waiting(self, kind: type[wire.Message]) -> bool:
        return any(isinstance(request.message, kind) for request in self._requests)

    def _answered(self, number: int, kind: type[wire.Message]) -> _Request | None:
        """The request that this answers, now done; None for an answer that came too late."""
        if not self._requests or self._requests[0].sent_host_ns is None:
            return None
        request = self._requests[0]
        if request.number != number or not isinstance(request.message, kind):
            return None
        return self._requests.popleft()

    def _give_up(self, now_host_ns: int) -> None:
        """Drop a request that was repeated often enough; a START so dropped must not begin unseen."""
        if not self._requests or self._requests[0].tries != 0:
            return
        due = self._requests[0].due_host_ns
        if due is None or now_host_ns < due:
            return
        request = self._requests.popleft()
        if isinstance(request.message, wire.Start) and self._owns(request) and not self._began():
            self._refuse(f"no answer to {START_TRIES} requests")
            self.stop()

    def _began(self) -> bool:
        return self._run is not None and self._run.began

    def _owns(self, request: _Request) -> bool:
        """Whether a START is the one asked for last."""
        message = request.message
        return isinstance(message, wire.Start) and self._run is not None and message.run_id == self._run.run_id

    def _refuse(self, reason: str) -> None:
        if self._run:
            self._told.append(StartRefused(self._run.run_id, reason))
        self._run = None

    def _look_after_run(self, now_host_ns: int) -> None:
        """Ask how the box is when events are missing or nothing comes: the end of the run may be among them."""
        run = self._run
        if run is None or not run.is_running or self._is_waiting(wire.AskStatus):
            return
        if run.lost_some or now_host_ns >= run.heard_host_ns + SILENCE_NS:
            run.lost_some, run.heard_host_ns = False, now_host_ns
            self._ask(wire.AskStatus(self._next_number()), 1)

    def _take(self, message: wire.Message, now_host_ns: int) -> None:
        match message:
            case wire.Identity():
                self._take_identity(message, now_host_ns)
            case wire.Boot():
                self._take_boots(message.boots, message.cause)
            case wire.Error():
                self._take_error(message)
            case _ if self.identity is not None:
                self._take_from_known(message, now_host_ns)

    def _take_from_known(self, message: wire.Message, now_host_ns: int) -> None:
        """What makes sense only once the box has said who it is."""
        match message:
            case wire.Events():
                self._take_events(message, now_host_ns)
            case wire.Started():
                self._take_started(message, now_host_ns)
            case wire.Stopping():
                self._answered(message.request, wire.Stop)
            case wire.Pong():
                self._take_pong(message, now_host_ns)
            case wire.Status():
                self._take_status(message, now_host_ns)

    def _take_identity(self, identity: wire.Identity, now_host_ns: int) -> None:
        if identity.nonce != self._nonce or not self._answered(identity.request, wire.Hello):
            return
        if identity.protocol != wire.PROTOCOL:
            wrong = wire.Error(identity.request, wire.Hello.TYPE, wire.Refusal.WRONG_VERSION, identity.protocol)
            self.hello_refused = words_of(wrong)
            return
        if self.identity is None:
            self._ticks = TickCounter(identity.tick_hz)
            self._next_seq, self._boots = identity.next_seq, identity.boots
        self.identity = identity
        self._take_boots(identity.boots, wire.Cause.UNKNOWN)
        self._count_lost(identity.next_seq)
        self._ticks.unwrap(identity.ticks, now_host_ns)

    def _take_boots(self, boots: int, cause: int) -> None:
        """A boot that was not known ends the run and the box's knowledge of us."""
        if self.identity is None or boots == self._boots:
            return
        self._boots, self._next_seq = boots, 0
        self._ticks = TickCounter(self.identity.tick_hz)
        self._told.append(Booted(boots, _cause_words(cause)))
        starts = [r for r in self._requests if isinstance(r.message, wire.Start)]
        self._requests.clear()
        self.hello()
        if any(request.sent_host_ns is not None for request in starts) and not self._began():
            # It may have begun before the boot: sending it again could make it start twice.
            self._refuse("it restarted while it was asked to start")
        elif self._began():
            self._run = None
        else:
            self._requests.extend(starts)

    def _take_error(self, error: wire.Error) -> None:
        if error.refused == wire.Hello.TYPE and self._answered(error.request, wire.Hello):
            self.hello_refused = words_of(error)
        elif error.refused == wire.Start.TYPE and (request := self._answered(error.request, wire.Start)):
            if self._owns(request) and not self._began():
                self._refuse(words_of(error))
            if error.code == wire.Refusal.NO_HELLO:
                self.hello()

    def _take_started(self, started: wire.Started, now_host_ns: int) -> None:
        request = self._answered(started.request, wire.Start)
        if request and self._owns(request):
            self._begin_run(started.ticks, now_host_ns)

    def _begin_run(self, raw_ticks: int, now_host_ns: int) -> None:
        run = self._run
        if run and not run.began:
            run.began, run.heard_host_ns = True, now_host_ns
            self._told.append(RunBegan(run.run_id, self._ticks.unwrap(raw_ticks, now_host_ns), now_host_ns))

    def _take_pong(self, pong: wire.Pong, now_host_ns: int) -> None:
        request = self._answered(pong.request, wire.Ping)
        if request and request.sent_host_ns is not None:
            rx, tx = (self._ticks.unwrap(raw, now_host_ns) for raw in (pong.rx_ticks, pong.tx_ticks))
            self._told.append(ClockPair("box", rx, tx, request.sent_host_ns, now_host_ns))

    def _take_status(self, status: wire.Status, now_host_ns: int) -> None:
        if not self._answered(status.request, wire.AskStatus):
            return
        if status.boots != self._boots:
            self._take_boots(status.boots, status.cause)
            return
        self._count_lost(status.next_seq)
        run, is_over = self._run, status.state == wire.State.IDLE and status.queued == 0
        if run and is_over and status.run_id == run.run_id:
            self._end_run(status.pulses_sent, status.ended_ticks, now_host_ns)

    def _end_run(self, pulses_sent: int, raw_ticks: int, now_host_ns: int) -> None:
        run = self._run
        if run and run.is_running:
            run.ended = True
            ticks = self._ticks.unwrap(raw_ticks, now_host_ns)
            self._told.append(RunEnded(run.run_id, pulses_sent, ticks, now_host_ns))

    def _count_lost(self, seq: int) -> int:
        """Events numbered before `seq` and not seen are lost. Returns how many from `seq` on were seen before."""
        ahead = (seq - self._next_seq + WRAP // 2) % WRAP - WRAP // 2
        if ahead > 0:
            self._told.append(EventsLost(self._next_seq, ahead))
            self._next_seq = seq
            if self._run:
                self._run.lost_some = True
        return max(0, -ahead)

    def _take_events(self, message: wire.Events, now_host_ns: int) -> None:
        seen = self._count_lost(message.first_seq)
        events = message.events[seen:]
        self._next_seq = (self._next_seq + len(events)) % WRAP
        run = self._run
        if run is None or message.run_id != run.run_id:
            self.foreign_events += len(events)
            return
        run.heard_host_ns = now_host_ns
        for event in events:
            # An event is proof that the run began, also when the answer to START got lost.
            self._begin_run(event.ticks, now_host_ns)
            self._tell(run, event, now_host_ns)

    def _tell(self, run: _Run, event: wire.Event, now_host_ns: int) -> None:
        kind, low = event.kind & 0xF0, event.kind & 0x0F
        if kind == wire.Kind.RUN_ENDED:
            self._end_run(event.pulse, event.ticks, now_host_ns)
        elif kind == wire.Kind.PULSE:
            ticks = self._ticks.unwrap(event.ticks, now_host_ns)
            self._told.append(Pulse(run.run_id, event.pulse, low, ticks, now_host_ns))
        elif kind in (wire.Kind.RISE, wire.Kind.FALL):
            pulse = NO_PULSE if event.pulse == wire.NO_PULSE_YET else event.pulse
            ticks = self._ticks.unwrap(event.ticks, now_host_ns)
            level = int(kind == wire.Kind.RISE)
            self._told.append(Edge(run.run_id, low, level, pulse, ticks, now_host_ns))


def _cause_words(cause: int) -> str:
    """The cause of a boot, in words."""
    known = cause in set(wire.Cause)
    return wire.Cause(cause).name.lower().replace("_", " ") if known else f"cause {cause}"
