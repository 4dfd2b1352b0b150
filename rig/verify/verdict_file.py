"""The verdict file, key by key: what programs may rely on. Made from it: docs/reference/schema/verdict.schema.json."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rig.config.model import Model

VERDICT_SCHEMA = 1
Range = Annotated[list[int], Field(min_length=2, max_length=2)]


class FindingEntry(Model):
    """What one check found on one stream, film or run."""

    check: str = Field(description="its name, as above")
    stream: str = Field(description="stream, or step of a film; empty for the whole run")
    word: Literal["PASS", "WARN", "FAIL", "NOT MEASURED"] = Field(description="PASS, WARN, FAIL or NOT MEASURED")
    value: int | float | None = Field(description="what was measured; null: nothing")
    unit: str = Field(description="what the value counts or is measured in; empty where there is none")
    limit: str = Field(description="what it was held against")
    origin: Literal["default", "rig", "protocol"] = Field(description="who set the limit: default, rig or protocol")
    looked_at: str = Field(description="how much was looked at")
    text: str = Field(description="one sentence for people")
    ranges: list[Range] = Field(
        description="pulses at fault, or film frames, or places of steps: [first, last] of each"
    )
    is_expected: bool = Field(description="NOT MEASURED although the rig has what measures it")


class VerdictFile(Model):
    """A verdict of `rig verify` on one run."""

    schema_version: Literal[1] = Field(alias="schema", description="1, the version of this file's layout")
    kind: Literal["rig-verdict"] = Field(description="rig-verdict")
    run_file: str = Field(description="name of the run file beside it")
    subject: str = Field(description="as in the run")
    session: int = Field(description="as in the run")
    run: int = Field(description="as in the run")
    run_id: int = Field(description="as in the run")
    rig: str = Field(description="as in the run")
    protocol: str = Field(description="as in the run")
    simulated: bool = Field(description="whether any device was simulated")
    outcome: str = Field(description="how the run ended")
    contents: dict[str, int] = Field(
        description="what was judged: rows of log, pulses, flips and frames, and as `checksum` the session's hash, of "
        "the checksums of all tables and texts; frame rows hold each picture's. -1: could not be read"
    )
    required: list[str] = Field(description="checks that must be measured")
    required_by: Literal["default", "protocol"] = Field(description="who says so: default or protocol")
    missing: list[str] = Field(description="required checks that were not measured")
    complete: bool = Field(description="the verdict: nothing is missing, and nothing failed")
    headline: str = Field(description="the verdict in two sentences; the second is about stimulus onset")
    unmeasured: list[str] = Field(description="checks that were not measured though the rig has what it takes")
    words: dict[str, int] = Field(description="how many findings of each word")
    why: dict[str, str] = Field(description="why each check matters to the one who uses the data")
    findings: list[FindingEntry] = Field(description="what each check found")
