"""A run in virtual time: the same core, devices and file, driven by one thread from one queue of what is due.

A seeded session so repeats exactly, and takes as long as it takes to compute.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from rig.cameras.camera import Camera
from rig.clock import NS
from rig.errors import RigError
from rig.record.grab import drain
from rig.record.messages import (
    AbortRequested,
    AbortStep,
    Action,
    ArmCamera,
    Armed,
    CloseFile,
    DeviceFailed,
    Event,
    PingBox,
    ShowStep,
    StartBox,
    StopBox,
    StopCamera,
    Stopped,
    StopRequested,
    Tick,
)
from rig.record.replaying import RecordedOperator
from rig.record.run import Run
from rig.record.states import RunState
from rig.record.storage import FLUSH_NS, Storage, next_file, sync
from rig.session.layout import Outcome
from rig.wiring import Virtual

TICK_NS = NS // 20


class VirtualRecorder:
    """Feeds the core from one thread, until it is closed."""

    def __init__(self, run: Run, virtual: Virtual, storage: Storage, operator: RecordedOperator | None = None) -> None:
        self.run, self._operator = run, operator
        self._virtual, self._devices, self._clock = virtual, virtual.devices, virtual.clock
        self._storage = storage
        self._events: deque[Event] = deque()
        self._lost: set[str] = set()  # devices that failed; as their thread would, they end
        self._has_asked = False  # something of a device, which sends it when it is looked at next
        self._next_tick = self._next_flush = self._clock.now_ns()

    def stop(self) -> None:
        """End in order; from a signal handler too."""
        self._events.append(StopRequested())

    def abort(self) -> None:
        """End at once; from a signal handler too."""
        self._events.append(AbortRequested())

    def tell(self, event: Event) -> None:
        """Give the core an event of the recorder's own."""
        self._events.append(event)

    def record(self, on_event: Callable[[Event], None], on_second: Callable[[], None]) -> None:
        """Run until the file is closed. Raises StorageError if closing failed."""
        second = self._clock.now_ns()
        try:
            self._perform(self.run.begin())
            while self.run.state is not RunState.CLOSED:
                self._move_on()
                self._gather()
                self._step(on_event)
                if self._clock.now_ns() >= second:
                    second += NS
                    self._events.append(self._storage.telemetry.stock(actions=0))
                    on_second()
        finally:
            if self.run.state is not RunState.CLOSED:
                self._storage.close(Outcome.FAILED, self._clock)

    def _step(self, on_event: Callable[[Event], None]) -> None:
        """Let the core take what has been gathered, and do what it asks."""
        while self._events:
            event = self._events.popleft()
            on_event(event)
            self._perform(self.run.step(event, self._clock.now_ns()))

    def _move_on(self) -> None:
        """Let time pass until a device has something to tell, or something is due here."""
        world = self._virtual.world
        screen_ns = None if "screen" in self._lost else self._virtual.next_screen_ns()  # nobody asks it any more
        ours_ns = self._next_tick if screen_ns is None else min(self._next_tick, screen_ns)
        is_over = False
        while not is_over:
            worlds_ns = world.next_host_ns()
            self._clock.sleep_until(ours_ns if worlds_ns is None else min(ours_ns, worlds_ns))
            world.run_until(self._clock.now_ns())
            is_over = self._has_asked or self._clock.now_ns() >= ours_ns or self._virtual.is_telling()
        self._has_asked = False

    def _gather(self) -> None:
        """What has happened by now, device by device."""
        now = self._clock.now_ns()
        self._ask("box", lambda: self._devices.box.events(0))
        self._ask("screen", lambda: self._devices.screen.events(0))
        if self._operator is not None:
            self._events.extend(self._operator.said(now))
        for name in self._devices.cameras:
            self._drain(name)
        if now >= self._next_tick:
            self._next_tick = now + TICK_NS
            self._events.append(Tick())
        if now >= self._next_flush:
            self._next_flush = now + FLUSH_NS
            self._attempt(self._flush)

    def _ask(self, device: str, events: Callable[[], Sequence[Event]]) -> None:
        if device in self._lost:
            return
        try:
            self._events.extend(events())
        except RigError as error:
            self._lost.add(device)
            self._events.append(DeviceFailed(device, error))

    def _drain(self, name: str) -> None:
        """What a camera has delivered; one that is lost is asked again when it was armed anew."""
        if name in self._lost:
            return
        try:
            for came in drain(self._devices.cameras[name], self._storage.telemetry):
                self._events.append(came)
        except RigError as error:
            self._lost.add(name)
            self._events.append(DeviceFailed(name, error))

    def _flush(self) -> None:
        self._storage.flush()
        self._events.extend(self._storage.newly_full())
        if self._storage.writer.ask_next():
            self._events.append(next_file(self._storage.writer))
        with self._storage.telemetry.syncing():
            synced = sync(self._storage.take_ticket(), self._clock)
        self._storage.note_sync(synced)
        if synced.frames:
            self._events.append(synced)

    def _perform(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, CloseFile):
                self._storage.close(action.outcome, self._clock)
            elif self._command(action):
                self._has_asked = True
            else:
                self._attempt(self._storage.do, action)

    def _attempt(self, work: Callable[..., None], *of: object) -> None:
        """As the writer's and the syncer's thread do it."""
        try:
            work(*of)
        except Exception as exc:
            self._events.append(self._storage.failed(exc))

    def _command(self, action: Action) -> bool:
        """Do what is asked of a device; False when it was asked of the file."""
        devices = self._devices
        match action:
            case ArmCamera():
                self._of_camera(action.stream, lambda camera: Armed(action.stream, camera.arm(action.epoch)))
            case StopCamera():
                self._of_camera(action.stream, lambda camera: Stopped(action.stream, camera.stop()))
            case StartBox():
                devices.box.start(action.plan, action.run_id)
            case StopBox():
                devices.box.stop()
            case PingBox():
                devices.box.ping()
            case ShowStep():
                devices.screen.show(action.step)
            case AbortStep():
                devices.screen.abort()
            case _:
                return False
        return True

    def _of_camera(self, name: str, ask: Callable[[Camera], Event]) -> None:
        try:
            event = ask(self._devices.cameras[name])
        except RigError as error:
            self._lost.add(name)
            self._events.append(DeviceFailed(name, error))
        else:
            self._lost.discard(name)
            self._events.append(event)
