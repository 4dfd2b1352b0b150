"""Every call that differs between operating systems; nothing else asks which system this is."""

from __future__ import annotations

from rig.host.computer import (
    Priority,
    ask_real_time,
    cores,
    free_memory_bytes,
    give_memory_back,
    has_display,
    is_masked,
    port_errors,
    raw_clock_ns,
    real_time_refused,
    settings,
    stand_back,
    thread_cpu_ns,
)
from rig.host.files import (
    PRIVATE_FILE,
    PRIVATE_FOLDER,
    cache_folder,
    cut,
    data_ranges,
    forget,
    free_bytes,
    is_read_only,
    make_folder,
    make_private,
    make_read_only,
    may_write,
    open_private,
    opened,
    own_folder,
    owning_group,
    put_times,
    read_at,
    read_into,
    read_own,
    remove,
    remove_folder,
    rename,
    reserve,
    shared_memory,
    sync_data,
    sync_file,
    sync_folder,
    write_at,
)
from rig.host.locks import Holder, held_files, hold_alone, hold_shared, holder_of, is_held, is_written_by_others
from rig.host.processes import (
    NO_PIPES,
    die_with_parent,
    end_process_group,
    end_signals,
    is_alive,
    pause_signals,
    process_mark,
    start_process,
)
from rig.host.terminal import connect_local, is_readable, is_writable, keys_at_once, typed

__all__ = [
    "NO_PIPES", "PRIVATE_FILE", "PRIVATE_FOLDER", "Holder", "Priority", "ask_real_time", "cache_folder",
    "connect_local", "cores", "cut", "data_ranges", "die_with_parent", "end_process_group", "end_signals", "forget",
    "free_bytes", "free_memory_bytes", "give_memory_back", "has_display", "held_files", "hold_alone", "hold_shared",
    "holder_of", "is_alive", "is_held", "is_masked", "is_read_only", "is_readable", "is_writable",
    "is_written_by_others", "keys_at_once", "make_folder", "make_private", "make_read_only", "may_write",
    "open_private", "opened", "own_folder", "owning_group", "pause_signals", "port_errors", "process_mark",
    "put_times", "raw_clock_ns", "read_at", "read_into", "read_own", "real_time_refused", "remove", "remove_folder",
    "rename", "reserve", "settings", "shared_memory", "stand_back", "start_process", "sync_data", "sync_file",
    "sync_folder", "thread_cpu_ns", "typed", "write_at",
]  # fmt: skip
