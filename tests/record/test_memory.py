"""A recording needs as much memory after an hour as after a minute: nothing of it grows with its length."""

from __future__ import annotations

import gc
import tracemalloc

from rig.config.rig import read_rig
from rig.elicitation.protocol import read_protocol
from rig.record.recording import Recording, Request, Status
from rig.session.layout import Outcome
from tests.rigs import write_protocol, write_rig

LOOKS_S = 6, 12  # of virtual time
FRAMES_BETWEEN = (LOOKS_S[1] - LOOKS_S[0]) * 150
MOST_BYTES = 24_000  # a list with a number for each frame would take 36,000, one with an object far more


def test_memory_is_the_same_after_six_seconds_more_of_recording(tmp_path):
    rig, protocol = write_rig(tmp_path), write_protocol(tmp_path, ("still", 13, "all"))
    wired = "port: sim://small, rate_hz: 100, inputs: {photodiode: 5, HS: 0, VIS: 1, NIR: 2}"
    rig.write_text(rig.read_text().replace("port: sim://small, rate_hz: 100", wired))
    looked: list[int] = []

    def look(status: Status) -> None:
        if len(looked) < len(LOOKS_S) and status.seconds >= LOOKS_S[len(looked)]:
            gc.collect()
            looked.append(tracemalloc.get_traced_memory()[0])

    request = Request(read_rig(rig), read_protocol(protocol), "001", tmp_path / "sessions", scripted=True, virtual=True)
    tracemalloc.start()
    try:
        recorded = Recording(request, look).record()
    finally:
        tracemalloc.stop()
    assert recorded.outcome is Outcome.FINISHED
    assert recorded.counts["HS"].stored * 1.5 > FRAMES_BETWEEN
    assert looked[1] - looked[0] < MOST_BYTES
