"""Checks how recording itself went: how warm cameras got, how full their buffers, when frames were safe on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rig.session.disk_use import disk_use
from rig.session.run import Run, Stream
from rig.streams import CameraEventKind
from rig.verify.arms import at_stop, baselines
from rig.verify.findings import Finding, Word
from rig.verify.tolerances import limit

FEATURE = "DeviceTemperature"  # SFNC; a camera's event that tells it in passing has the same text
SLOW_MS, TOO_SLOW_MS = 1000, 2000  # grab to acknowledged: what is aimed at, what is an alarm


def check_temperature(run: Run) -> list[Finding]:
    """Each camera kept about its temperature, and did not say itself that it was too hot."""
    return [_temperature(run, stream) for stream in run.streams.values()]


def _temperature(run: Run, stream: Stream) -> Finding:
    allowed = limit(run, "warming_celsius")
    told = list(_told(run, stream))
    read = [value for value, _ in told if value is not None]
    warnings = list(dict.fromkeys(text for _, text in told if text))
    looked_at = f"{len(read)} readings"
    if len(read) < 2 and not warnings:
        text = "the camera's temperature was not read twice"
        return Finding("temperature", stream.name, Word.NOT_MEASURED, None, str(allowed), looked_at, text)
    rise = max(read) - read[0] if read else None
    text = f"{read[0]:.1f} degrees Celsius at first, at most {max(read):.1f}" if read else "no reading"
    text += f"; it said: {'; '.join(warnings[:3])}" if warnings else ""
    is_fine = not warnings and (rise is None or rise <= allowed.value)
    word = Word.PASS if is_fine else Word.WARN
    return Finding("temperature", stream.name, word, rise, str(allowed), looked_at, text, origin=allowed.origin)


def _told(run: Run, stream: Stream) -> Iterator[tuple[float | None, str]]:
    """Temperatures in the order in which they were read, and what the camera itself complained of then."""
    for baseline in baselines(run, stream).values():
        yield _celsius(baseline.get("features")), ""
    for entry in run.log:
        own = (entry.get("kind"), entry.get("stream"), entry.get("what"))
        if own == ("camera_event", stream.name, CameraEventKind.TEMPERATURE):
            text = str(entry.get("text", ""))
            yield _number(entry.get("value")), "" if text == FEATURE else text
    for _, entry in at_stop(run, stream):
        yield _celsius(entry.get("features")), ""


def _celsius(features: Any) -> float | None:
    return _number(features.get(FEATURE)) if isinstance(features, dict) else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def check_disk(run: Run) -> list[Finding]:
    """The disk kept up with the cameras: their buffers never came near to being full."""
    allowed, found = limit(run, "buffers_percent"), disk_use(run)
    looked_at = f"{len(run.disk_use)} readings of the disk, {len(run.queues)} of buffers"
    if found is None:
        text = "the run has no telemetry"
        return [Finding("disk", "", Word.NOT_MEASURED, None, str(allowed), looked_at, text)]
    text = (
        f"buffers at most {found.fullest_percent:g} % full ({found.fullest_stream}), the longest wait "
        f"{found.longest_wait_ms:g} ms; slowest write {found.slowest_write_ms:g} ms, slowest sync "
        f"{found.slowest_sync_ms:g} ms, {found.mb_per_s:g} MB/s in the mean"
    )
    if not run.disk_use["writing_ns"].any():
        text = "in virtual time the disk takes no time"
        return [Finding("disk", "", Word.NOT_MEASURED, None, str(allowed), looked_at, text)]
    word = Word.PASS if found.fullest_percent <= allowed.value else Word.WARN
    return [Finding("disk", "", word, found.fullest_percent, str(allowed), looked_at, text, origin=allowed.origin)]


def check_acknowledged(run: Run) -> list[Finding]:
    """How long a frame waited from the camera until it was safe on the disk."""
    rows = run.syncs[run.syncs["oldest_arrived_host_ns"] >= 0]
    limit, looked_at = f"{SLOW_MS} ms; above {TOO_SLOW_MS} ms fails", f"{len(rows)} syncs"
    if len(rows) == 0:
        return [Finding("acknowledged", "", Word.NOT_MEASURED, None, limit, looked_at, "no sync was recorded")]
    waited_ms = (rows["returned_host_ns"] - rows["oldest_arrived_host_ns"]) / 1e6
    worst = float(waited_ms.max())
    word = Word.FAIL if worst > TOO_SLOW_MS else Word.WARN if worst > SLOW_MS else Word.PASS
    text = f"frames were on the disk after {np.median(waited_ms):.0f} ms (median), {worst:.0f} ms (longest)"
    return [Finding("acknowledged", "", word, worst, limit, looked_at, text)]
