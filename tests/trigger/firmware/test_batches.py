"""One EVENTS message holds events of one run: its run id stands for them all."""

from __future__ import annotations

from pathlib import Path

from rig.trigger import wire
from tests.trigger.firmware.line import Line, start_of
from tests.trigger.firmware.simavr import Simavr


def test_events_of_two_runs_that_wait_together_leave_in_two_messages(tmp_path: Path) -> None:
    """A loop-back wire at 1000 Hz fills the queue, and the second START comes the moment the first run is over."""
    with Simavr(tmp_path, inputs="loop") as chip, Line(chip) as line:
        line.hello()
        line.ask(start_of(7, body_groups=100), wire.Started)
        again = wire.to_frame(start_of(8, request=2))
        while not any(isinstance(heard, wire.Started) and heard.run_id == 8 for heard in line.heard):
            line.write(again)
            line.hear(0.01)
        line.until_idle()
        line.hear(0.2)
        told = [heard for heard in line.heard if isinstance(heard, wire.Events)]
    runs = {7: 0, 8: 0}
    for message in told:
        kinds = [event.kind & 0xF0 for event in message.events]
        runs[message.run_id] += kinds.count(wire.Kind.PULSE)
        assert wire.Kind.RUN_BEGAN not in kinds[1:]
    began = next(i for i, message in enumerate(told) if message.run_id == 8)
    assert told[began - 1].events[-1].kind == wire.Kind.RUN_ENDED
    assert len(told[began - 1].events) < wire.MAX_EVENTS  # there was room: it was cut
    assert runs == {7: 106 * 4, 8: 7 * 4}
