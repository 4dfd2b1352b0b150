"""What happened on the screen crosses to the parent unchanged."""

from __future__ import annotations

import json

import pytest

from rig.errors import DeviceNotFound
from rig.stimulus.messages import pack, pack_error, unpack, unpack_error
from rig.stimulus.screen import ScreenEvent, ScreenNote, StepBegan, StepEnded
from rig.streams import Answer, ClockPair, Flip


@pytest.mark.parametrize(
    "event",
    [
        StepBegan(1, 2),
        StepEnded(1, 2, "key"),
        ScreenNote(5, "ä\n"),
        ScreenNote(5, "silent", is_alarm=True),
        Answer(1, "why", "half a sen", 2, 3, 4, is_confirmed=False),
        Flip(1, 2, -1, 2**62, 0.1, 0.3, 1, 0, 0, 3, 2),
        Answer(1, "felt", "ja", 2, 3, 4),
        ClockPair("screen", 1, 1, 2, 3),
    ],
)
def test_event_crosses_unchanged(event: ScreenEvent) -> None:
    assert unpack(json.loads(json.dumps(pack(event)))) == event


def test_error_crosses_with_all_its_fields() -> None:
    error = DeviceNotFound("screen", "is gone", value="v", allowed="a", hint="h")
    found = unpack_error(json.loads(json.dumps(pack_error(error))))
    assert type(found) is DeviceNotFound
    assert vars(found) == vars(error)
