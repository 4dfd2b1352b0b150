"""The two times in a PONG, against the bytes on the line: the host's clock is tied to the box's by nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rig.trigger import wire
from tests.trigger.firmware import proofs
from tests.trigger.firmware.proofs import CYCLES_US, DEMO, powered
from tests.trigger.firmware.simavr import BYTE_IN, BYTE_OUT, TICK, Edges

USUALLY_US = 20  # the median
AT_MOST_US = 150  # as long as the main loop may be kept from the line, by edges of the lines and at the inputs


def messages(edges: Edges, direction: int) -> list[tuple[int, int, wire.Message]]:
    """(cycle of the first byte, cycle of the last byte, message) of every frame on the line."""
    rows = edges[edges["pin"] == direction]
    data, cycles = rows["level"].tobytes(), rows["cycle"].astype(np.int64).tolist()
    out, first = [], 0
    while (last := data.find(b"\0", first)) >= 0:
        if message := wire.from_frame(data[first:last]):
            out.append((cycles[first], cycles[last], message))
        first = last + 1
    return out


@pytest.mark.parametrize("jumper", [False, True], ids=["115200 baud", "250000 baud"])
def test_a_pong_says_when_ping_had_come_and_when_it_leaves_itself(tmp_path: Path, jumper: bool) -> None:
    with powered(tmp_path, inputs="busy", jumper=jumper) as (chip, box):
        told = proofs.send(chip, box, replace(DEMO, body_groups=200), 1)
        edges = chip.edges()
    origin = int(proofs.tick_origin(edges, told)[0])
    pings = [(last, ping) for _, last, ping in messages(edges, BYTE_IN) if isinstance(ping, wire.Ping)]
    pongs = [(first, pong) for first, _, pong in messages(edges, BYTE_OUT) if isinstance(pong, wire.Pong)]
    assert len(pings) - 1 <= len(pongs) >= 40  # the last one may still be on its way
    pings = pings[: len(pongs)]
    assert [pong.request for _, pong in pongs] == [ping.request for _, ping in pings]
    pairs = zip(pings, pongs, strict=True)
    rx_us = [(pong.rx_ticks * TICK + origin - came) / CYCLES_US for (came, _), (_, pong) in pairs]
    tx_us = [(left - pong.tx_ticks * TICK - origin) / CYCLES_US for left, pong in pongs]
    for off_us in (rx_us, tx_us):
        assert min(off_us) >= 0
        assert np.median(off_us) <= USUALLY_US
        assert max(off_us) <= AT_MOST_US
