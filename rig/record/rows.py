"""How each noun of a recording becomes a row of its table; a row here has no `seq`, the writer counts."""

from __future__ import annotations

from dataclasses import fields

from rig.record.messages import AppendRow, DiskUse, Queue, Synced
from rig.session import layout
from rig.stimulus.screen import StepBegan, StepEnded
from rig.streams import BoxStatus, ClockPair, Edge, Evidence, Flip, Frame, Gap, Pulse

Kept = Edge | ClockPair | BoxStatus | Flip | Synced | StepBegan | Queue | DiskUse  # need nothing but their row
NOT_YET = -1


def frame_row(frame: Frame, pulse: int, evidence: Evidence, *, walk: bool = False) -> AppendRow:
    """A FRAME row; with it on the disk its frame is acknowledged."""
    row = (
        frame.epoch,
        int(evidence),
        int(frame.status),
        frame.frame_number,
        pulse,
        frame.camera_ticks,
        frame.counter,
        frame.exposure_us,
        frame.line_status,
        frame.arrived_host_ns,
        frame.checksum,
    )
    return AppendRow(layout.frames_path(frame.stream, walk=walk), row, frame.arrived_host_ns)


def extra_row(frame: Frame, after_pulse: int) -> AppendRow:
    """An EXTRA row of the frame's stream."""
    place = (frame.epoch, frame.frame_index, frame.frame_number, after_pulse)
    return AppendRow(layout.extras_path(frame.stream), (*place, frame.camera_ticks, frame.arrived_host_ns))


def gap_row(gap: Gap) -> AppendRow:
    """A GAP row of the gap's stream."""
    row = (int(gap.cause), gap.first_pulse, gap.last_pulse, gap.missing, gap.frames_exposed)
    return AppendRow(layout.gaps_path(gap.stream), row)


def pulse_row(pulse: Pulse, *, walk: bool) -> AppendRow:
    """A PULSE row of the line walk or of the recording run."""
    row = (pulse.run_id, pulse.lines, pulse.pulse_number, pulse.box_ticks, pulse.arrived_host_ns)
    return AppendRow(layout.WALK_PULSES if walk else layout.PULSES, row)


def ended_row(event: StepEnded, onset_host_ns: int) -> AppendRow:
    """The TRIAL row that closes the one of the step's beginning."""
    return AppendRow(layout.TRIALS, (event.step, onset_host_ns, event.host_ns))


def row_of(event: Kept) -> AppendRow:
    """The row of an event that needs nothing else."""
    match event:
        case Edge():
            place = (event.run_id, event.input, event.level, event.last_pulse)
            return AppendRow(layout.EDGES, (*place, event.box_ticks, event.arrived_host_ns))
        case ClockPair():
            times = (event.reading, event.reading_end, event.host_before_ns, event.host_after_ns)
            return AppendRow(layout.CLOCK_PAIRS, (event.clock.encode(), *times))
        case BoxStatus():
            return AppendRow(layout.BOX_REPORTS, tuple(getattr(event, field.name) for field in fields(event)))
        case Flip():
            shown = (event.flip_number, event.step, event.film_frame, event.host_ns, event.screen_s, event.pts_s)
            how = (event.patch, event.late, event.underrun, event.behind, event.skipped)
            return AppendRow(layout.FLIPS, (*shown, *how))
        case Synced():
            sync = (event.oldest_arrived_host_ns, event.started_host_ns, event.returned_host_ns)
            return AppendRow(layout.SYNCS, (event.frames, *sync))
        case Queue():
            depths = (event.waiting, event.deepest, event.span_ns, event.longest_ns)
            return AppendRow(layout.QUEUES, (event.buffers, event.stream.encode(), event.host_ns, *depths))
        case DiskUse():
            return AppendRow(layout.DISK_USE, tuple(getattr(event, field.name) for field in fields(event)))
        case StepBegan():
            return AppendRow(layout.TRIALS, (event.step, event.host_ns, NOT_YET))
