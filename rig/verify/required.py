"""Which checks a run must have measured to be complete: the rule, in one place.

Those that the protocol's `requires:` lists, each of them measured, whatever the rig has. Without such a list all but
those that are marked otherwise in CHECKS: the photodiode's and ExposureActive's, and those that need what a good rig
may lack (`Check.needs`), where a finding does not say that this rig has it (`Finding.is_expected`).
A failed check fails a run whether it is required or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rig.session.run import Run
from rig.verify.findings import Check, Finding, Word
from rig.verify.tolerances import Origin
from rig.verify.wired import config_value

UNREADABLE = "what the protocol requires"  # stands among the missing checks when nobody can tell


@dataclass(frozen=True)
class Required:
    """Names of checks, and who says that they are required: Origin.PROTOCOL or Origin.DEFAULT."""

    names: tuple[str, ...]
    origin: Origin


def required(run: Run, checks: Sequence[Check]) -> Required:
    """What is required of a run. A name that is no check's stays, as one of another version: it is missing."""
    try:
        asked = config_value(run, "protocol", "requires")
    except Exception:  # a text that cannot be read; "tables" or "values" say so, and this run is not complete
        asked = []
    if asked is None:
        return Required(tuple(check.name for check in checks if check.is_required), Origin.DEFAULT)
    names = asked if isinstance(asked, list) else [asked]
    return Required(tuple(str(name) for name in names or [UNREADABLE]), Origin.PROTOCOL)


def missing(asked: Required, checks: Sequence[Check], findings: Sequence[Finding]) -> tuple[str, ...]:
    """Required checks that found nothing to look at, or something that they could not measure."""
    excused = {check.name for check in checks if check.needs} if asked.origin is Origin.DEFAULT else set()
    own = {name: [finding for finding in findings if finding.check == name] for name in asked.names}
    return tuple(name for name in asked.names if _is_missing(own[name], is_excused=name in excused))


def _is_missing(findings: Sequence[Finding], *, is_excused: bool) -> bool:
    unmeasured = [finding for finding in findings if finding.word is Word.NOT_MEASURED]
    if is_excused:
        return any(finding.is_expected for finding in unmeasured)
    return not findings or bool(unmeasured)
