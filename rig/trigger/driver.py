"""The conversation with a trigger box, without any port: bytes in, events out, and what to say next.

    request --> waiting --> sent --+-- answer --> done
                  ^                |
                  +-- no answer ---+   every request may be repeated: the box does the same thing once only

It holds no thread and asks no time; the caller tells it the host time at which bytes came or will go.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import replace

from rig.clock import NS
from rig.streams import NO_PULSE, BoxStatus, ClockPair, Edge, Pulse
from rig.trigger import wire
from rig.trigger.box import (
    LEFTOVER_S,
    TICKS_HZ,
    Booted,
    BoxAnswers,
    BoxEvent,
    BoxSilent,
    EventsLost,
    LineReport,
    PulsePlan,
    RunBegan,
    RunEnded,
    RunLeftOver,
    StartRefused,
)
from rig.trigger.requests import QUIET_S, SILENT_NS, AskedRun, LeftOver, Request, start_message
from rig.trigger.ticks import WRAP, TickCounter
from rig.trigger.words import busy_with, cause_words, inability, text_of, words_of

STATUS_NS = 2 * NS  # in a run the box is asked so often how it is
END_ASKS = 4  # how often it is asked after the end of a run, until it answers
LEFTOVER_POLL_NS = NS // 10  # how often it is asked whether a run left over has ended
START_TRIES = 12  # 3 s
STOPPED_BEFORE = "it was stopped before it began"


class Driver:
    """One conversation with one box. Not for use by two threads at once."""

    def __init__(self, nonce: int) -> None:
        """`nonce`: 32 random bits that tell this conversation from any other."""
        self.identity: wire.Identity | None = None
        self.hello_refused = ""  # why, in words
        self.has_booted = False  # it has told that it starts
        self.replaced = ""  # how another box came to answer, in words; empty: it did not
        self.left_over_stays = ""  # a run left over that was waited for in vain, in words
        self.foreign_events = 0  # events of other runs, ignored
        self.status: wire.Status | None = None  # the last answer to ask_status, or to a question of its own
        self.unanswered = 0  # requests that were repeated or given up
        self._nonce = nonce
        self._decoder = wire.Decoder()
        self._requests: deque[Request] = deque()
        self._number = 0
        self._run: AskedRun | None = None
        self._left_over: LeftOver | None = None
        self._line = LineReport(0, 0, 0)
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
                self._told.append(StartRefused(run_id, busy_with(self._run.run_id)))
            return
        self._run, self._left_over = AskedRun(run_id), None
        if self.identity and (problem := inability(self.identity, plan)):
            self._refuse(problem)
            return
        number, quiet_s = self._next_number(), QUIET_S if self._can(wire.Capability.QUIET_BOUND) else 0
        try:
            message = start_message(plan, request=number, nonce=self._nonce, run_id=run_id, quiet_s=quiet_s)
            message.pack()
        except (ValueError, struct.error) as error:
            self._refuse(f"the plan does not fit the wire format: {error}")
        else:
            self._ask(message, START_TRIES)

    def stop(self) -> None:
        """Ask for an orderly end, until the box says it heard. What was not begun is given up.

        It goes out before all that waits, and no START goes out after it: a line on which nothing is answered must
        not hold it back.
        """
        starts = [request for request in self._requests if isinstance(request.message, wire.Start)]
        for request in starts:
            self._requests.remove(request)
        was_sent = any(request.sent_host_ns is not None for request in starts)
        if self._left_over or (starts and not was_sent):
            self._left_over = None
            self._refuse(STOPPED_BEFORE)
        self._ask_stop()

    def _ask_stop(self) -> None:
        if not self.is_stopping:
            self._requests.appendleft(Request(wire.Stop(self._next_number()), self._number, None))

    @property
    def is_stopping(self) -> bool:
        """Whether a stop was asked for and the box has not said yet that it heard."""
        return self._is_waiting(wire.Stop)

    @property
    def may_be_sending(self) -> bool:
        """Whether pulses may go on for ever, for all that the box has told."""
        run = self._run
        return self.is_stopping or (run is not None and not run.ended and not run.stop_heard)

    def end_left_over(self, now_host_ns: int) -> None:
        """Stop the run that the box was sending when it said who it is, if any; `is_making_way` until it has ended."""
        if self.identity and self.identity.run_id:
            self._make_way(None, self.identity.run_id, now_host_ns)

    @property
    def is_making_way(self) -> bool:
        """Whether a run left over is waited for."""
        return self._left_over is not None

    def _can(self, ability: wire.Capability) -> bool:
        return self.identity is not None and bool(self.identity.capabilities & ability)

    def ping(self) -> None:
        """Ask for one pair of clock readings; if it gets lost there is none."""
        if not self._is_waiting(wire.Ping):
            self._ask(wire.Ping(self._next_number()), 1)

    def ask_status(self) -> None:
        """Ask how the box is; `status` is the answer, unless it gets lost."""
        if not self._is_waiting(wire.AskStatus):
            self._ask(wire.AskStatus(self._next_number()), 1)

    def next_host_ns(self) -> int | None:
        """When there will be something to send or to give up, if nothing comes before; None: never."""
        times: list[int | None] = [self._requests[0].due_host_ns or 0] if self._requests else []
        if self._run and not self._is_waiting(wire.AskStatus):
            times.append(self._run.ask_host_ns)
        if self._run:
            times.append(self._run.silent_host_ns)
        if self._left_over:
            times.append(self._left_over.until_host_ns if self._requests else self._left_over.ask_host_ns)
        return min((time for time in times if time is not None), default=None)

    def outgoing(self, now_host_ns: int) -> bytes:
        """What to send now, at `now_host_ns`; empty when nothing is due."""
        if not self._requests:
            return b""
        request = self._requests[0]
        due = request.due_host_ns
        if due is not None and (now_host_ns < due or request.tries == 0):
            return b""
        self.unanswered += due is not None
        request.sent_host_ns = now_host_ns
        if request.tries is not None:
            request.tries -= 1
        return wire.to_frame(request.message)

    def feed(self, data: bytes, now_host_ns: int) -> list[BoxEvent]:
        """What the box told by `data`, read at `now_host_ns`, in its order; also when nothing came."""
        for message in self._decoder.feed(data):
            self._take(message, now_host_ns)
        self._give_up(now_host_ns)
        self._look_after_left_over(now_host_ns)
        self._look_after_run(now_host_ns)
        told, self._told = self._told, []
        return told

    def _next_number(self) -> int:
        self._number = (self._number + 1) % 256
        return self._number

    def _ask(self, message: wire.Message, tries: int | None) -> None:
        self._requests.append(Request(message, self._number, tries))

    @property
    def is_asking(self) -> bool:
        """Whether an answer of the box is waited for; when it arrives is part of what it tells."""
        return bool(self._requests)

    def _is_waiting(self, kind: type[wire.Message]) -> bool:
        return any(isinstance(request.message, kind) for request in self._requests)

    def _answered(self, number: int, kind: type[wire.Message]) -> Request | None:
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
        self.unanswered += 1
        if isinstance(request.message, wire.Start) and self._owns(request) and not self._began():
            self._refuse(f"no answer to {START_TRIES} requests")
            self.stop()

    def _began(self) -> bool:
        return self._run is not None and self._run.began

    def _owns(self, request: Request) -> bool:
        """Whether a START is the one asked for last."""
        message = request.message
        return isinstance(message, wire.Start) and self._run is not None and message.run_id == self._run.run_id

    def _refuse(self, reason: str) -> None:
        if self._run:
            self._told.append(StartRefused(self._run.run_id, reason))
        self._run = None

    def _look_after_run(self, now_host_ns: int) -> None:
        """Ask how the box is, and notice when it does not answer."""
        run = self._run
        if run is None:
            return
        if run.silent_host_ns is not None and now_host_ns >= run.silent_host_ns:
            run.is_silent = True
            self._told.append(BoxSilent(SILENT_NS / NS))
        if run.ask_host_ns is None or now_host_ns < run.ask_host_ns or self._is_waiting(wire.AskStatus):
            return
        run.heard_host_ns = now_host_ns
        run.end_asks -= run.ended
        run.asked_host_ns = now_host_ns if run.asked_host_ns is None else run.asked_host_ns
        self._ask(wire.AskStatus(self._next_number()), 1)

    def _look_after_left_over(self, now_host_ns: int) -> None:
        """Ask whether the run left over has ended, until it has or had its time."""
        other = self._left_over
        if other is None:
            return
        if now_host_ns >= other.until_host_ns:
            self._left_over = None
            self.left_over_stays = f"it still sends run {other.run_id}, and does not stop"
            self._refuse(f"{self.left_over_stays}; switch it off and on")
        elif not self._requests and now_host_ns >= other.ask_host_ns:
            other.ask_host_ns = now_host_ns + LEFTOVER_POLL_NS
            self._ask(wire.AskStatus(self._next_number()), 1)

    def _make_way(self, start: wire.Start | None, run_id: int, now_host_ns: int) -> None:
        """Stop a run that nobody listens to any more, as one whose recorder was killed, and begin ours after it."""
        self._left_over = LeftOver(start, run_id, now_host_ns + round(LEFTOVER_S * NS), now_host_ns)
        self._told.append(RunLeftOver(run_id))
        self._ask_stop()

    def _start_after_left_over(self) -> None:
        other, self._left_over = self._left_over, None
        if other and other.start and self._run:
            self._run.follows_another = True
            self._ask(replace(other.start, request=self._next_number()), START_TRIES)

    def _take(self, message: wire.Message, now_host_ns: int) -> None:
        match message:
            case wire.Identity():
                self._take_identity(message, now_host_ns)
            case wire.Boot():
                self.has_booted = True
                self._take_boots(message.boots, message.cause)
            case wire.Error():
                self._take_error(message, now_host_ns)
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
                self._take_stopping(message)
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
        if identity.tick_hz != TICKS_HZ:
            self.hello_refused = f"its clock counts {identity.tick_hz} ticks a second; {TICKS_HZ} are allowed"
            return
        if self.identity and identity.serial != self.identity.serial:
            self.replaced = f"another box answers now: {text_of(identity.serial)}, not {text_of(self.identity.serial)}"
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
        self._told.append(Booted(boots, cause_words(cause)))
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
            self._start_after_left_over()

    def _take_error(self, error: wire.Error, now_host_ns: int) -> None:
        if error.refused == wire.Hello.TYPE and self._answered(error.request, wire.Hello):
            self.hello_refused = words_of(error)
        elif error.refused == wire.Start.TYPE and (request := self._answered(error.request, wire.Start)):
            if self._owns(request) and not self._began():
                self._take_refusal(request.message, error, now_host_ns)
            if error.code == wire.Refusal.NO_HELLO:
                self.hello()

    def _take_refusal(self, message: wire.Message, error: wire.Error, now_host_ns: int) -> None:
        is_first = self._run is not None and not self._run.follows_another
        if error.code == wire.Refusal.BUSY and is_first and isinstance(message, wire.Start):
            self._make_way(message, error.detail, now_host_ns)
        else:
            self._refuse(words_of(error))

    def _take_started(self, started: wire.Started, now_host_ns: int) -> None:
        request = self._answered(started.request, wire.Start)
        if request and self._owns(request):
            self._begin_run(started.ticks, now_host_ns)

    def _take_stopping(self, stopping: wire.Stopping) -> None:
        """A START that was on its way when the stop was asked for came before it: now it is known what became of it."""
        if not self._answered(stopping.request, wire.Stop) or not self._run or self._left_over:
            return
        self._run.stop_heard = True
        if not self._run.began and stopping.run_id != self._run.run_id:
            self._refuse(STOPPED_BEFORE)

    def _begin_run(self, raw_ticks: int, now_host_ns: int) -> None:
        run = self._run
        if run and not run.began:
            run.began, run.heard_host_ns, run.status_due_host_ns = True, now_host_ns, now_host_ns
            self._told.append(RunBegan(run.run_id, self._ticks.unwrap(raw_ticks, now_host_ns), now_host_ns))

    def _take_pong(self, pong: wire.Pong, now_host_ns: int) -> None:
        request = self._answered(pong.request, wire.Ping)
        if request and request.sent_host_ns is not None:
            rx, tx = (self._ticks.unwrap(raw, now_host_ns) for raw in (pong.rx_ticks, pong.tx_ticks))
            self._told.append(ClockPair("box", rx, tx, request.sent_host_ns, now_host_ns))

    def _take_status(self, status: wire.Status, now_host_ns: int) -> None:
        if not self._answered(status.request, wire.AskStatus):
            return
        self.status = status
        if status.boots != self._boots:
            self._take_boots(status.boots, status.cause)
            return
        self._count_lost(status.next_seq)
        run, is_over = self._run, status.state == wire.State.IDLE and status.queued == 0
        if self._left_over and status.state == wire.State.IDLE:
            self._start_after_left_over()
        elif run and status.run_id == run.run_id and run.began:
            if is_over:
                self._end_run(status.pulses_sent, status.ended_ticks, now_host_ns)
                run.end_asks = 0
            if run.is_silent:
                self._told.append(BoxAnswers())
            run.asked_host_ns, run.is_silent, run.status_due_host_ns = None, False, now_host_ns + STATUS_NS
            self._told.append(self._report(status, now_host_ns))
            self._tell_line(always=is_over)
        elif run and run.began:  # what it says of itself is of another run, as its events are: both are at fault
            self._tell_line(always=False)

    def _report(self, status: wire.Status, now_host_ns: int) -> BoxStatus:
        return BoxStatus(
            run_id=status.run_id,
            pulses_sent=status.pulses_sent,
            events_sent=status.next_seq,
            events_dropped=status.dropped,
            deepest_queue=status.deepest_queue,
            edges_late=status.late,
            bad_frames=status.bad_frames,
            input_rises=status.input_rises,
            box_ticks=self._ticks.unwrap(status.ticks, now_host_ns),
            arrived_host_ns=now_host_ns,
        )

    def _tell_line(self, *, always: bool) -> None:
        """Tell what went wrong on the line, when that has changed or the run is over."""
        line = LineReport(self.bad_frames, self.foreign_events, self.unanswered)
        if always or line != self._line:
            self._line = line
            self._told.append(line)

    def _end_run(self, pulses_sent: int, raw_ticks: int, now_host_ns: int) -> None:
        run = self._run
        if run and run.is_running:
            run.ended, run.end_asks = True, END_ASKS
            ticks = self._ticks.unwrap(raw_ticks, now_host_ns)
            self._told.append(RunEnded(run.run_id, pulses_sent, ticks, now_host_ns))

    def _count_lost(self, seq: int) -> int:
        """Events numbered before `seq` and not seen are lost. Returns how many from `seq` on were seen before."""
        ahead = (seq - self._next_seq + WRAP // 2) % WRAP - WRAP // 2
        if ahead > 0:
            self._told.append(EventsLost(self._next_seq, ahead))
            self._next_seq = seq
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

    def _tell(self, run: AskedRun, event: wire.Event, now_host_ns: int) -> None:
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
