"""A page about judged runs for people: what was found, in words, figures and a table. One file, for screen and paper.

It asks for nothing outside itself and runs nothing: figures lie in it, and it has no script.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from rig.clock import utc_now
from rig.config.find import require_folder
from rig.config.judging import WHY, why_of
from rig.errors import RigError, UserError
from rig.private import write_private
from rig.session.folder import folder_for
from rig.session.run import Run
from rig.verify.findings import Finding, Word
from rig.verify.report.drawing import Drawing, Shown
from rig.verify.report.html import document, element, image, style
from rig.verify.report.seen import draw_health, draw_leds
from rig.verify.report.style import STYLE
from rig.verify.report.timing import draw_all_intervals, draw_clocks, draw_screen, draw_skew
from rig.verify.screen.light import stimulus_onset
from rig.verify.verdict import Verdict

GENERATOR = "rig verify"
HEAD_BYTES = 1000  # in which a page of ours says so
ENDING = ".html"
DEVICE = ("vendor", "model", "serial", "version")  # what is said of a device; the session holds more
# Nothing may be fetched, and no script may run, whatever a reader's program would allow.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
DRAWINGS = (
    Drawing("Skew", draw_skew, "How long after the other camera of a pair each one began to expose, at every pulse."),
    Drawing(
        "Intervals",
        draw_all_intervals,
        "Time from frame to frame by each camera's own clock. Grey: opening and closing pattern; its pauses are meant.",
    ),
    Drawing(
        "Clocks",
        draw_clocks,
        "How far each frame's timestamp lies off the straight line between its camera's clock and the box's.",
    ),
    Drawing(
        "Screen",
        draw_screen,
        "Above: time from flip to flip, and the protocol's steps, films darker. Below: from a flip to its light.",
    ),
    Drawing(
        "Sync LEDs",
        draw_leds,
        "Left: how many pulses off its claim each frame is by the LEDs in its own picture; 0 where both agree. "
        "Right: how bright the LEDs were in some frames, each above what its pulse makes it.",
    ),
    Drawing("Pictures", draw_health, "Light and sharpness of the pictures of each camera over the session."),
)


class Page:
    """The page about the runs that are judged in one go."""

    def __init__(self, path: Path) -> None:
        """Raises UserError or StorageError unless it may be written to `path`: a new file, or an older page of ours."""
        _check_target(path)
        self.path = path
        self._runs: list[Element] = []

    def add(self, run: Run, verdict: Verdict) -> None:
        """Put a run on the page, while it is open. Draws all figures, which takes seconds."""
        self._runs.append(_about_run(run, verdict))

    def write(self, unreadable: Iterable[RigError] = ()) -> None:
        """Write the page, at once or not at all, readable by the owner only; also about what could not be read."""
        write_private(self.path, self._html(unreadable).encode())

    def _html(self, unreadable: Iterable[RigError]) -> str:
        head = element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", name="generator", content=GENERATOR),
            element("meta", http_equiv="Content-Security-Policy", content=POLICY),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("title", "Verdict of rig verify"),
            style(STYLE),
        )
        errors = [element("p", f"Could not be read: {error}", kind="judged incomplete") for error in unreadable]
        foot = element("p", f"Made {utc_now()} by rig {version('rig')}.", kind="small")
        return document(head, element("body", *errors, *self._runs, foot))


def _check_target(path: Path) -> None:
    if path.suffix.lower() != ENDING:
        allowed = f"a file whose name ends in {ENDING}"
        raise UserError("--report", "is not allowed", value=str(path), allowed=allowed)
    require_folder("--report", path.absolute().parent)
    folder_for(path.absolute().parent, "--report")
    try:
        with path.open("rb") as file:
            is_ours = f'content="{GENERATOR}"'.encode() in file.read(HEAD_BYTES)
    except FileNotFoundError:
        return
    except OSError as exc:
        raise UserError("--report", f"cannot be replaced: {exc.strerror}", value=str(path)) from None
    if not is_ours:
        hint = "Nothing else is ever overwritten: give another name"
        raise UserError("--report", "is there already, and is no report of ours", value=str(path), hint=hint)


def _about_run(run: Run, verdict: Verdict) -> Element:
    title = f"Subject {verdict.subject}, session {verdict.session}, run {verdict.run}"
    figures = [_figure(drawing, drawing.shown(run, verdict)) for drawing in DRAWINGS]
    return element(
        "article",
        element("h1", title),
        *_summary(verdict),
        _about(run, verdict),
        element("h2", "Figures"),
        *figures,
        element("h2", "Findings"),
        element("p", _required(verdict), kind="small"),
        _findings(verdict),
    )


def _summary(verdict: Verdict) -> list[Element]:
    """Complete or not, when the participant saw the film, and what stands against it."""
    simulated = "SIMULATED: devices of this run were simulated. It says nothing about a real rig."
    state = "complete" if verdict.is_complete else "incomplete"
    counts = ", ".join(f"{verdict.count(word)} {word}" for word in Word)
    against = list(dict.fromkeys([*verdict.checks_with(Word.FAIL), *verdict.missing]))
    reasons = [element("li", element("b", name), f": {why_of(name)}") for name in against]
    parts = [element("p", simulated, kind="simulated")] if verdict.simulated else []
    parts += [element("p", f"This run is {verdict.summary}.", kind=f"judged {state}")]
    parts += [element("p", stimulus_onset(verdict.findings), kind="onset")]
    parts += [element("ul", *reasons)] if reasons else []
    if verdict.unmeasured:
        parts.append(element("p", f"NOT MEASURED though the rig has what it takes: {', '.join(verdict.unmeasured)}"))
    return [*parts, element("p", f"Findings: {counts}.")]


def _about(run: Run, verdict: Verdict) -> Element:
    """Who, what, when, on which computer, with which versions."""
    host, versions, devices = _told(run, "host"), _told(run, "versions"), _told(run, "devices")
    rows = {
        "run file": verdict.run_file,
        "recorded": f"{run.created_utc}; ended: {verdict.outcome}",
        "rig, protocol": f"{verdict.rig}, {verdict.protocol}",
        "session's hash": f"{verdict.contents.get('checksum', -1)} (of the checksums of all tables and texts)",
        "holds": ", ".join(f"{name}: {count}" for name, count in verdict.contents.items() if name != "checksum"),
        **{name: _device(told) for name, told in devices.items()},
        "computer": _in_words(host),
        "versions": _in_words(versions),
    }
    return element("table", *(element("tr", element("th", k), element("td", v)) for k, v in rows.items()), kind="about")


def _told(run: Run, name: str) -> dict[str, Any]:
    """What a run says of one thing; nothing where it cannot be read."""
    try:
        told = json.loads(run.config(name) or "{}")
    except (RigError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _device(told: Any) -> str:
    """One device in words. That it was simulated is read from the device itself."""
    if not isinstance(told, dict):
        return str(told)
    is_simulated = told.get("simulated") is not False
    return _in_words({key: told.get(key) for key in DEVICE}) + (", SIMULATED" if is_simulated else "")


def _in_words(fields: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in fields.items() if value not in ("", None)) or "not told"


def _figure(drawing: Drawing, shown: Shown) -> Element:
    """A figure with its words, or in its place why there is none."""
    caption = element("figcaption", shown.text)
    body = (
        [image(shown.png, f"{drawing.name}. {drawing.what} {shown.text}"), caption]
        if shown.png
        else [element("p", shown.text, kind="missing")]
    )
    title = element("h3", f"{drawing.name} ", element("span", drawing.what, kind="small"))
    return element("figure", title, *body)


def _required(verdict: Verdict) -> str:
    names = ", ".join(verdict.required)
    text = f"Each of these must be measured for a run to be complete ({verdict.required_by}): {names}."
    return f"{text} {verdict.narrowed}".rstrip()


COLUMNS = ("check", "stream", "word", "value", "limit", "found")


def _findings(verdict: Verdict) -> Element:
    head = element("thead", element("tr", *(element("th", name, kind=name) for name in COLUMNS)))
    groups = groupby(verdict.findings, lambda finding: finding.check)
    return element("table", head, *(_of_check(name, list(group)) for name, group in groups), kind="findings")


def _of_check(name: str, findings: list[Finding]) -> Element:
    """Rows of one check, which paper keeps together."""
    why = element("div", WHY.get(name, ""), kind="why")
    rows = [element("tr", *_cells(finding)) for finding in findings]
    rows[0].insert(0, element("th", name, why, rowspan=str(len(rows))))
    return element("tbody", *rows)


def _cells(finding: Finding) -> list[Element]:
    kind = finding.word.lower().replace(" ", "-")
    limit = finding.limit if f"({finding.origin}" in finding.limit else f"{finding.limit} ({finding.origin})"
    looked_at = element("div", f"looked at {finding.looked_at}", kind="small")
    return [
        element("td", finding.stream),
        element("td", str(finding.word), kind=f"word {kind}"),
        element("td", _value(finding)),
        element("td", limit if finding.limit else ""),
        element("td", finding.text, looked_at),
    ]


def _value(finding: Finding) -> str:
    """What was measured, with its unit."""
    if finding.value is None:
        return ""
    value = str(finding.value) if isinstance(finding.value, int) else f"{finding.value:.4g}"
    return f"{value} {finding.unit}".strip()
