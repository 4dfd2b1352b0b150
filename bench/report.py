"""Tables of a bench: for the screen, and for docs/explanation/performance.md, where each has its place."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from rig.record.surroundings import computer

PAGE = Path(__file__).parents[1] / "docs/explanation/performance.md"
WIDTH = 130


def show_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; its first column is text, the others are numbers."""
    table = Table(title=title)
    for column, head in enumerate(heads):
        table.add_column(head, justify="right" if column else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(width=WIDTH).print(table)


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows))


def replace_part(name: str, text: str, folder: Path, page: Path = PAGE) -> None:
    """Put a text between `<!-- measured: NAME -->` and `<!-- end -->`, and the machine it comes from, with the disk of
    `folder`.
    """
    begin, end = f"<!-- measured: {name} -->", "<!-- end -->"
    old = page.read_text()
    pattern = re.compile(f"{re.escape(begin)}.*?{end}", re.DOTALL)
    assert pattern.search(old), f"{page} has no place for {name}"
    page.write_text(pattern.sub(lambda _: f"{begin}\n{text}\n\n{machine(folder)}\n{end}", old))


def machine(folder: Path) -> str:
    """Processor, cores, memory, disk of `folder`, system and Python."""
    found = computer(folder)
    made_of = [
        f"{found['cores']} cores ({found['processor']})",
        f"{float(found.get('memory_bytes', 0)) / 1e9:.0f} GB",
        f"{found.get('file_system', 'a file system')} on {found.get('disk', 'a disk')}",
        f"{platform.system()} {platform.release().split('-')[0]}",
        f"Python {platform.python_version()}",
    ]
    return f"Measured on {', '.join(made_of)}; load at the end {os.getloadavg()[0]:.1f}."
