"""A run in real time: a thread for each camera, one for the box, one for the screen; the core in the calling thread.

    camera threads --frames-->  inbox --> core --> actions --> storage threads, camera, box and screen threads
    box thread -----events--->
    screen thread --events--->

The threads are thin: each blocks on its device, hands over what came, and does what the core asked of that device.
An exception in any of them becomes an event that names the device.
"""

from __future__ import annotations

import gc
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

from rig import host
from rig.cameras.camera import Camera
from rig.clock import NS, Clock
from rig.errors import DeviceLost, RigError
from rig.record.grab import drain, grab
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
from rig.record.storage import REPORT, Storage, StorageThreads
from rig.record.telemetry import Telemetry
from rig.session.layout import Outcome
from rig.stimulus.screen import Screen, StepEnded
from rig.trigger.box import TriggerBox
from rig.wiring import Devices

TICK_NS = NS // 20
GATHER_NS = NS // 50  # what comes within it is taken at once: waking a thread costs more than most events
GRAB_S = BOX_S = SCREEN_S = OPERATOR_S = 0.05
JOIN_S = 10.0
Tell = Callable[[Event], None]


def _fault(device: str, cause: Exception) -> DeviceLost:
    """What is told of an exception that nobody foresaw; its own words go to the log."""
    error = DeviceLost(device, "cannot be used any more, by a fault of this program", hint=REPORT)
    error.__cause__ = cause
    return error


class _Worker(ABC):
    """A thread that owns one device."""

    def __init__(self, device: str, tell: Tell) -> None:
        self.device, self.tell = device, tell
        self.commands: queue.SimpleQueue[Action] = queue.SimpleQueue()
        self.is_wanted = True
        # A driver that hangs is not waited for when the program ends.
        self._thread = threading.Thread(target=self._run, name=device, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self.is_wanted = False
        self._thread.join(JOIN_S)

    def _run(self) -> None:
        try:
            while self.is_wanted or not self.commands.empty():  # a last command, to stop, is still obeyed
                self._work()
        except RigError as error:
            self.tell(DeviceFailed(self.device, error))
        except Exception as exc:  # a bug in a driver must end the run in order, not vanish in a thread
            self.tell(DeviceFailed(self.device, _fault(self.device, exc)))

    def _work(self) -> None:
        while not self.commands.empty():
            self.command(self.commands.get())
        self.turn()

    @abstractmethod
    def command(self, action: Action) -> None:
        """Do what the core asks of the device."""

    @abstractmethod
    def turn(self) -> None:
        """Wait for the device, briefly, and tell what came."""


class _CameraWorker(_Worker):
    """Grabs frames and takes their checksum; never waits for the disk. A lost camera may be armed again."""

    def __init__(self, camera: Camera, clock: Clock, telemetry: Telemetry, tell: Tell) -> None:
        super().__init__(camera.name, tell)
        self._camera, self._clock, self._telemetry = camera, clock, telemetry
        self._is_armed = False

    def _work(self) -> None:
        try:
            super()._work()
        except RigError as error:
            self._is_armed = False
            self.tell(DeviceFailed(self.device, error))

    def command(self, action: Action) -> None:
        if isinstance(action, ArmCamera):
            host.ask_real_time(host.Priority.RECORDER)
            self.tell(Armed(self.device, self._camera.arm(action.epoch)))
            self._is_armed = True
        elif isinstance(action, StopCamera):
            self._is_armed = False
            for came in drain(self._camera, self._telemetry):
                self.tell(came)
            self.tell(Stopped(self.device, self._camera.stop()))

    def turn(self) -> None:
        if not self._is_armed:
            self._clock.sleep_until(self._clock.now_ns() + NS // 1000)
            return
        came = grab(self._camera, GRAB_S, self._telemetry)
        if came is not None:
            self.tell(came)


class _BoxWorker(_Worker):
    """Reads the box's events and sends it what the core asks."""

    def __init__(self, box: TriggerBox, tell: Tell) -> None:
        super().__init__("box", tell)
        self._box = box

    def command(self, action: Action) -> None:
        match action:
            case StartBox():
                self._box.start(action.plan, action.run_id)
            case StopBox():
                self._box.stop()
            case PingBox():
                self._box.ping()

    def turn(self) -> None:
        for event in self._box.events(BOX_S):
            self.tell(event)


class _ScreenWorker(_Worker):
    """Shows steps and passes on what the screen tells. `before_end` is called with the host ns of each step's end."""

    def __init__(self, screen: Screen, tell: Tell, before_end: Callable[[int], None]) -> None:
        super().__init__("screen", tell)
        self._screen, self._before_end = screen, before_end

    def command(self, action: Action) -> None:
        if isinstance(action, ShowStep):
            self._screen.show(action.step)
        elif isinstance(action, AbortStep):
            self._screen.abort()

    def turn(self) -> None:
        for event in self._screen.events(SCREEN_S):
            if isinstance(event, StepEnded):
                self._before_end(event.host_ns)
            self.tell(event)


class _OperatorWorker(_Worker):
    """Passes on what the operator of a recorded session said."""

    def __init__(self, operator: RecordedOperator, clock: Clock, tell: Tell) -> None:
        super().__init__("operator", tell)
        self._operator, self._clock = operator, clock
        self._lock = threading.Lock()

    def command(self, action: Action) -> None:
        raise TypeError(f"nothing is asked of an operator: {action!r}")

    def turn(self) -> None:
        with self._lock:
            due_ns = self._operator.next_host_ns()
        latest_ns = self._clock.now_ns() + int(OPERATOR_S * NS)
        self._clock.sleep_until(latest_ns if due_ns is None else min(due_ns, latest_ns))
        self.tell_said(self._clock.now_ns())

    def tell_said(self, until_host_ns: int) -> None:
        """From any thread: tell what was said up to a host time.

        A stop ends a step within a refresh: were this thread held up for so long, the step's end would be told first.
        """
        with self._lock:
            for event in self._operator.said(until_host_ns):
                self.tell(event)


class ThreadedRecorder:
    """Feeds the core from threads, until it is closed."""

    def __init__(
        self, run: Run, devices: Devices, storage: Storage, clock: Clock, operator: RecordedOperator | None = None
    ) -> None:
        self.run, self._clock = run, clock
        self._inbox: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._storage = StorageThreads(storage, clock, self.tell)
        self._telemetry = storage.telemetry
        cameras = devices.cameras.items()
        self._cameras = {name: _CameraWorker(c, clock, self._telemetry, self.tell) for name, c in cameras}
        self._box = _BoxWorker(devices.box, self.tell)
        self._operators = [_OperatorWorker(operator, clock, self.tell)] if operator else []
        self._screen = _ScreenWorker(devices.screen, self.tell, self._before_end)
        self._ticker, self._is_over = threading.Thread(target=self._tick, name="ticker"), threading.Event()

    def stop(self) -> None:
        """From any thread or a signal handler: end in order."""
        self._inbox.put(StopRequested())

    def abort(self) -> None:
        """From any thread or a signal handler: end at once."""
        self._inbox.put(AbortRequested())

    def tell(self, event: Event) -> None:
        """From any thread: give the core an event."""
        self._inbox.put(event)

    def _before_end(self, host_ns: int) -> None:
        for operator in self._operators:
            operator.tell_said(host_ns)

    def record(self, on_event: Callable[[Event], None], on_second: Callable[[], None]) -> None:
        """Run until the file is closed. `on_event` sees what the core sees. Raises StorageError if closing failed.

        An exception of the core itself closes the file as FAILED and goes on its way.
        """
        workers: list[_Worker] = [*self._cameras.values(), self._box, self._screen, *self._operators]
        self._storage.start()
        for worker in workers:
            worker.start()
        self._ticker.start()
        gc.collect()
        gc.freeze()  # a collection over all that is loaded takes 74 ms; over what a recording makes, none
        try:
            self._loop(on_event, on_second)
        finally:
            gc.unfreeze()
            if self.run.state is not RunState.CLOSED:
                self._box.commands.put(StopBox())
                self._storage.do(CloseFile(Outcome.FAILED))
            self._is_over.set()
            self._ticker.join()
            for worker in workers:
                worker.join()
            self._storage.join()
        if self._storage.close_error is not None:
            raise self._storage.close_error

    def _loop(self, on_event: Callable[[Event], None], on_second: Callable[[], None]) -> None:
        self._perform(self.run.begin())
        second, alarms = self._clock.now_ns(), 0
        while self.run.state is not RunState.CLOSED:
            now = self._clock.now_ns()
            if now >= second:
                self.tell(self._telemetry.stock(self._storage.waiting))
            if now >= second or len(self.run.alarms) > alarms:  # an alarm is shown at once
                second, alarms = second + NS * (now >= second), len(self.run.alarms)
                on_second()
            if self._inbox.empty():
                self._clock.sleep_until(now + GATHER_NS)
            event = self._inbox.get()
            on_event(event)
            self._perform(self.run.step(event, self._clock.now_ns()))
            if isinstance(event, Tick):
                self._storage.hand_over()

    def _tick(self) -> None:
        """Wakes the core. It does not wait for a time itself: on CPython 3.11 a timed `SimpleQueue.get` that is woken
        without an item may find no time left, and then waits for ever.
        """
        try:
            while not self._is_over.wait(TICK_NS / NS):
                self._inbox.put(Tick())
        except Exception as exc:  # without it nothing would ever be late, and nothing would end
            self.tell(DeviceFailed("recorder", _fault("clock", exc)))

    def _perform(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case ArmCamera() | StopCamera():
                    self._cameras[action.stream].commands.put(action)
                case StartBox() | StopBox() | PingBox():
                    self._box.commands.put(action)
                case ShowStep() | AbortStep():
                    self._screen.commands.put(action)
                case _:
                    self._storage.do(action)
