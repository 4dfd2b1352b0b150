"""The fault schedules on cameras without timestamps and counter: prints Markdown, fails where a claim is not true.

python -m bench.clockless [--first N] [--seeds N]

Lost, swallowed, late and damaged frames, stalls, unplugged cameras and frames delivered twice: the count of losses is
exact. Ghosts and frames of a former arm look like any other without numbers to go by: pulses less frames is exact then,
and at least so many are lost. No frame has a wrong pulse number, but for a ghost in the very place of a lost frame.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bench.seeds import seeds_asked
from tests.record.clockless import Clockless, run_clockless


def main() -> int:
    seeds = seeds_asked(__doc__)
    print("| seed | lost | told | extras told | frames with a pulse | wrong | true | s |")
    print("|---|---|---|---|---|---|---|---|")
    streams: list[Clockless] = []
    for seed in seeds:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            told = run_clockless(Path(folder), seed)
        streams += told
        print(f"| {seed} | {_row(told)} | {time.perf_counter() - began:.1f} |", flush=True)
    print(f"\n{_summary(streams)}")
    return int(not all(stream.is_exact for stream in streams))


def _row(told: list[Clockless]) -> str:
    sums = (sum(getattr(s, name) for s in told) for name in ("lost", "missing", "extras", "numbered"))
    untrue = "; ".join(str(stream) for stream in told if not stream.is_exact)
    return " | ".join([*map(str, sums), str(sum(len(s.wrong) for s in told)), untrue or "yes"])


def _summary(streams: list[Clockless]) -> str:
    """By class of faults: where each frame is of a pulse, and where one or more are not and look as if they were."""
    lines = []
    for name, has_untold in (("no ghost, no frame of a former arm", False), ("some of these", True)):
        own = [stream for stream in streams if stream.has_untold is has_untold]
        exact, true = sum(s.missing == s.lost for s in own), sum(s.is_exact for s in own)
        lines.append(f"{name}: {len(own)} streams, losses counted exactly in {exact}, nothing untrue said of {true}")
    wrong = sum(len(stream.wrong) for stream in streams)
    numbered, replaced = sum(s.numbered for s in streams), sum(s.replaced for s in streams)
    lines.append(
        f"{numbered} frames have a pulse number, {wrong} a wrong one; {replaced} ghosts have that of a lost frame"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
