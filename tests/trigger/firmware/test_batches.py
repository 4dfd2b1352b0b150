"""One EVENTS message holds events of one run: its run id stands for them all."""

from __future__ import annotations

from pathlib import Path

from rig.trigger import wire
from tests.trigger.firmware import proofs
from tests.trigger.firmware.line import Line, start_of
from tests.trigger.firmware.simavr import BYTE_OUT, LINE_PINS, TICK, Simavr
from tests.trigger.firmware.test_pong import messages

PAUSE = bytes(420)  # empty frames, which take 36 ms on the line and ask for nothing
LONG_ENOUGH = 15  # a START each 40 ms, whatever the machine does; the run takes 0.45 s


def test_events_of_two_runs_that_wait_together_leave_in_two_messages(tmp_path: Path) -> None:
    """A loop-back wire at 1000 Hz fills the queue, and a second START comes the moment the first run is over."""
    with Simavr(tmp_path, inputs="loop") as chip, Line(chip) as line:
        line.hello()
        line.ask(start_of(7, body_groups=100), wire.Started)
        line.write((wire.to_frame(start_of(8, request=2)) + PAUSE) * LONG_ENOUGH)
        while not any(isinstance(heard, wire.Started) and heard.run_id == 8 for heard in line.heard):
            line.hear(0.01)
        line.hear(0.2)  # the other STARTs
        line.until_idle()
        line.hear(0.2)
        edges = chip.edges()
    sent = [(first, message) for first, _, message in messages(edges, BYTE_OUT) if isinstance(message, wire.Events)]
    told = [message for _, message in sent]
    runs = {7: 0, 8: 0}
    for message in told:
        kinds = [event.kind & 0xF0 for event in message.events]
        runs[message.run_id] += kinds.count(wire.Kind.PULSE)
        assert wire.Kind.RUN_BEGAN not in kinds[1:]
    began = next(i for i, message in enumerate(told) if message.run_id == 8)
    assert told[began - 1].events[-1].kind == wire.Kind.RUN_ENDED
    pulse = next(event for message in told for event in message.events if event.kind & 0xF0 == wire.Kind.PULSE)
    origin = int(proofs.rises_of(edges, LINE_PINS[0])[0]) - pulse.ticks * TICK
    assert told[began].events[0].ticks * TICK + origin < sent[began - 1][0]  # they did wait together
    assert runs == {7: 106 * 4, 8: 7 * 4}
