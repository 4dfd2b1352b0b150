"""Tables of a bench: for the screen, and for docs/explanation/performance.md, where each has its place."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

PAGE = Path(__file__).parents[1] / "docs/explanation/performance.md"
WIDTH = 130


def show_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; its first column is text, the others are numbers."""
    table = Table(title=title)
    for column, head in enumerate(heads):
        table.add_column(head, justify="right" if column else "left")
    for row in rows:
        table.add_row(*row)
    Console(width=WIDTH).print(table)


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows))


def replace_part(name: str, text: str) -> None:
    """Put a text, and the machine that it comes from, between `<!-- measured: NAME -->` and `<!-- end -->`."""
    begin, end = f"<!-- measured: {name} -->", "<!-- end -->"
    page = PAGE.read_text()
    pattern = re.compile(f"{re.escape(begin)}.*?{end}", re.DOTALL)
    assert pattern.search(page), f"{PAGE} has no place for {name}"
    PAGE.write_text(pattern.sub(lambda _: f"{begin}\n{text}\n\n{machine()}\n{end}", page))


def machine() -> str:
    """Processor, cores, memory, system and Python."""
    processors = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    found = re.search(r"^model name\s*: (.*)$", processors, re.MULTILINE)
    cores = f"{os.cpu_count()} cores ({found[1] if found else platform.machine()})"
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    system = f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}"
    return f"Measured on {cores}, {memory_gb:.0f} GB, {system}; load at the end {os.getloadavg()[0]:.1f}."
