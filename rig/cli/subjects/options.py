"""What the commands of `rig subjects` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SubjectArgument = Annotated[str, typer.Argument(help="Pseudonym of the participant.", metavar="ID")]
OutOption = Annotated[Path, typer.Option(help="Where sessions and the ledger lie.")]
ReasonOption = Annotated[str, typer.Option(help="Why, in a few words; kept for good, so no names.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]
