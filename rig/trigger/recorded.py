"""What a trigger box told in a recorded run, as the events that they were, with the host ns at which each came."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from heapq import merge
from operator import itemgetter

import numpy as np

from rig.errors import DeviceLost
from rig.session.run import Run
from rig.session.runfile import Rows
from rig.streams import BoxStatus, ClockPair, Edge, Pulse
from rig.trigger.box import (
    Booted,
    BoxAnswers,
    BoxEvent,
    BoxSilent,
    EventsLost,
    LineReport,
    PulsePlan,
    RunBegan,
    RunEnded,
    RunMode,
    StartRefused,
)

BOX = b"box"
Told = BoxEvent | DeviceLost
Happenings = Iterator[tuple[int, Told]]
# What rig record says of the box in the log, and the event that it was.
_SPELLED: tuple[tuple[re.Pattern[str], Callable[..., BoxEvent]], ...] = (
    (re.compile(r"restarted \(boot (\d+), cause: (.*)\); pulses have"), lambda boots, why: Booted(int(boots), why)),
    (re.compile(r"has not answered for ([\d.]+) s, though its port is"), lambda seconds: BoxSilent(float(seconds))),
    (re.compile(r"answers again$"), BoxAnswers),
)
_REFUSED = re.compile(r"start refused: (.*)", re.DOTALL)


class RecordedBox:
    """The trigger box of a recorded run. Times are recorded host ns."""

    def __init__(self, run: Run, name: str) -> None:
        """`name`: how messages call it."""
        self._run, self._name = run, name
        walks = [e for e in self._run.log_of("began") if e.get("walk")]
        walk_id = int(walks[-1]["run_id"]) if walks else run.run_id ^ 1
        self.run_ids = {RunMode.WALK: walk_id, RunMode.RECORD: run.run_id}
        planned = run.plan.get("lines", {}).values()
        self._lines = {line["line"]: (line["divisor"], line["width_ticks"]) for line in planned}

    def objection(self, plan: PulsePlan) -> str:
        """Why it cannot send what is planned, in words; empty when it is what was recorded."""
        told, lines = self._run.plan, {line.line: (line.divisor, line.width_ticks) for line in plan.lines}
        if plan.mode not in self.run_ids:
            return f"a recorded run has no {plan.mode.name} run to play"
        if plan.period_ticks != told.get("period_ticks"):
            return f"base period of {plan.period_ticks} ticks: it was recorded with {told.get('period_ticks')}"
        if lines != self._lines:
            return f"{_spelled(lines)}: it was recorded with {_spelled(self._lines)}"
        if plan.led_phase_ticks != told.get("led_phase_ticks"):
            return f"LED phase of {plan.led_phase_ticks} ticks: it was recorded with {told.get('led_phase_ticks')}"
        if plan.body_groups is not None:
            return f"{plan.body_groups} groups: a recorded run ends where it ended and cannot count groups"
        return ""

    def run(self, mode: RunMode) -> Happenings:
        """What it told of the line walk or of the recording run, in order; its loss, where it never told the end."""
        rows = self._run.walk_pulses if mode is RunMode.WALK else self._run.pulses
        edges, reports = (of[of["run_id"] == self.run_ids[mode]] for of in (self._run.edges, self._run.box_reports))
        return merge(
            self._began(mode, rows), _events(rows, Pulse), _events(edges, Edge), self._ended(mode),
            _events(reports, _status), key=itemgetter(0),
        )  # fmt: skip

    def end_ns(self) -> int:
        """When it told the end of its recording run, or anything at all for the last time."""
        return min((host_ns for host_ns, _ in self._ended(RunMode.RECORD)), default=self._last_host_ns)

    def beside_runs(self) -> Happenings:
        """What it told whichever run it sent: reports, clock pairs, and what went wrong."""
        ids, run = list(self.run_ids.values()), self._run
        edges, reports = (of[~np.isin(of["run_id"], ids)] for of in (run.edges, run.box_reports))
        pairs = self._run.clock_pairs[self._run.clock_pairs["clock"] == BOX]
        return merge(
            _events(reports, _status), _events(pairs, _pair, by="host_after_ns"), _events(edges, Edge),
            self._mishaps(), self._line_report(), key=itemgetter(0),
        )  # fmt: skip

    def _began(self, mode: RunMode, pulses: Rows) -> Happenings:
        """Noted when the recorder took it, which may be after the first pulse came."""
        for told in self._run.log_of("began"):
            if told["run_id"] == self.run_ids[mode]:
                host_ns = min([told["host_ns"], *pulses["arrived_host_ns"][:1].tolist()])
                yield host_ns, RunBegan(told["run_id"], int(told["box_ticks"]), host_ns)

    def _ended(self, mode: RunMode) -> Happenings:
        """The end, before the report that follows it; what else ended the events of the run."""
        own = self.run_ids[mode]
        for told in (e for e in self._run.log_of("ended") if e["run_id"] == own):
            reports = self._run.box_reports
            after = reports[(reports["run_id"] == own) & (reports["box_ticks"] >= told["box_ticks"])]
            host_ns = min([told["host_ns"], *after["arrived_host_ns"][:1].tolist()])
            yield host_ns, RunEnded(own, int(told["pulses_sent"]), int(told["box_ticks"]), host_ns)
            return
        yield from self._cut_off(mode)

    def _cut_off(self, mode: RunMode) -> Happenings:
        """How the events of a run stopped whose end was never told."""
        has_begun = any(told["run_id"] == self.run_ids[mode] for told in self._run.log_of("began"))
        for told in self._run.log_of("alarm"):
            refused = _REFUSED.search(str(told.get("text"))) if told.get("stream") == "box" else None
            if refused and not has_begun:
                yield told["host_ns"], StartRefused(self.run_ids[mode], refused.group(1))
                return
        if mode is RunMode.WALK and any(not told["walk"] for told in self._run.log_of("began")):
            return
        problem = "told nothing more, in the recorded run, and did not tell its end: what is played ends here"
        yield self._last_host_ns + 1, DeviceLost(self._name, problem)  # behind it, on whichever tape that is

    @property
    def _last_host_ns(self) -> int:
        """When it told anything for the last time."""
        run = self._run
        told = (run.pulses, run.walk_pulses, run.edges, run.box_reports)
        last = [int(rows["arrived_host_ns"].max()) for rows in told if len(rows)]
        last += run.clock_pairs[run.clock_pairs["clock"] == BOX]["host_after_ns"].tolist()[-1:]
        return max([run.created_host_ns, *last, *(host_ns for host_ns, _ in self._mishaps())])

    def _mishaps(self) -> Happenings:
        """Events that were lost, boots and silences, as the log tells of them."""
        for told in self._run.log:
            if told.get("kind") == "events_lost":
                yield told["host_ns"], EventsLost(int(told["first_seq"]), int(told["count"]))
            elif told.get("kind") == "note" or (told.get("kind") == "alarm" and told.get("stream") == "box"):
                for pattern, event in _SPELLED:
                    if (found := pattern.search(str(told.get("text")))) is not None:
                        yield told["host_ns"], event(*found.groups())

    def _line_report(self) -> Happenings:
        """What went wrong on the line, as it stood at the end."""
        for told in self._run.log_of("line"):
            counts = (int(told.get(name, 0)) for name in ("bad_frames", "foreign_events", "unanswered"))
            yield self._last_host_ns, LineReport(*counts)


def _spelled(lines: dict[int, tuple[int, int]]) -> str:
    each = [f"line {line}: divisor {divisor}, pulse width {width} ticks" for line, (divisor, width) in lines.items()]
    return "; ".join(each)


def _events(rows: Rows, event: Callable[..., BoxEvent], *, by: str = "arrived_host_ns") -> Happenings:
    """Rows of a table as events, made one after another, by the time at which they came."""
    names = [name for name in rows.dtype.names or () if name != "seq"]
    for row in rows:
        told = dict(zip(names, row[names].item(), strict=True))
        yield told[by], event(**told)


def _status(input_rises: Rows, **counts: int) -> BoxStatus:
    return BoxStatus(input_rises=tuple(input_rises.tolist()), **counts)


def _pair(clock: bytes, **times: int) -> ClockPair:
    return ClockPair(clock.decode(), **times)
