"""The command line, one file a command: parse, call, show."""

from pathlib import Path

SESSIONS = Path("sessions")  # where sessions lie when nothing else is said
