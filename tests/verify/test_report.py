"""The page of `rig verify --report`: whole, harmless, and true to the verdict and to what was done to the session."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path

import h5py
import numpy as np
import pytest

import rig
from rig.errors import UserError
from rig.session.run import Run
from rig.verify.report import page as pages
from rig.verify.report.axes import MOST_POINTS, thinned
from rig.verify.report.page import DRAWINGS, Page
from rig.verify.verdict import Verdict, verify_run
from tests.commands import run as run_command
from tests.handmade import Plan, make_run
from tests.rigs import record, write_film_protocol, write_rig

FIGURES = ["Skew", "Intervals", "Clocks", "Screen", "Sync LEDs", "Pictures"]
HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>\" & $x$ \u202eevil\x1b[2J"
HEADS = {"html", "head", "meta", "title", "style", "body"}
PARTS = {"article", "h1", "h2", "h3", "p", "span", "div", "ul", "li", "b", "figure", "img", "figcaption"}
TAGS = HEADS | PARTS | {"table", "thead", "tbody", "tr", "th", "td"}
ATTRIBUTES = {"lang", "charset", "name", "content", "http-equiv", "class", "alt", "src", "rowspan"}
LOST = {"HS": {60, 61, 160}, "VIS": {100}}
MOST_BYTES = 3_000_000


@dataclass
class Read(HTMLParser):
    """A page as a reader's program sees it."""

    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] != "style":
            self.texts.append(data)

    @property
    def images(self) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.tags if tag == "img"]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def read(path: Path) -> Read:
    seen = Read()
    seen.feed(path.read_text())
    seen.close()
    return seen


def made(run_path: Path, page: Path) -> Verdict:
    with rig.open(run_path) as session:
        run, report = session.runs[0], Page(page)
        verdict = verify_run(run)
        report.add(run, verdict)
        report.write()
    return verdict


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Verdict]]:
    """The page about a run with losses, ghosts and late flips, and its verdict."""
    folder = tmp_path_factory.mktemp("bad")
    plan = Plan(lost=LOST, ghosts={"NIR": [48]}, late_flips=2, damaged={"HS": {30}})
    yield folder / "page.html", made(make_run(folder, plan), folder / "page.html")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page about a session with a film and sync LEDs, without any fault."""
    folder = tmp_path_factory.mktemp("recorded")
    made(record(folder, write_rig(folder), write_film_protocol(folder)).path, folder / "page.html")
    return folder / "page.html"


def test_a_page_asks_for_nothing_outside_itself_and_runs_nothing(recorded: Path) -> None:
    seen = read(recorded)
    assert {tag for tag, _ in seen.tags} <= TAGS
    assert {name for _, attributes in seen.tags for name in attributes} <= ATTRIBUTES
    assert all(image["src"].startswith("data:image/png;base64,") for image in seen.images)
    assert not re.search(r"url\(|@import|https?:", recorded.read_text())
    (policy,) = [a["content"] for _, a in seen.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy


def test_whatever_a_file_holds_stays_text(tmp_path: Path) -> None:
    path = make_run(tmp_path, Plan(alarm=HOSTILE, lost=LOST))
    path.chmod(0o600)
    with h5py.File(path, "r+") as file:
        file.attrs["rig"], file.attrs["protocol"] = HOSTILE, HOSTILE
        for name, value in {
            "host": {"name": HOSTILE},
            "devices": {HOSTILE: {"model": HOSTILE}},
            "versions": [1],
        }.items():
            del file[f"config/{name}"]
            file[f"config/{name}"] = json.dumps(value)
        steps = file["config/steps"][()].decode()
        del file["config/steps"]
        file["config/steps"] = steps.replace("clip1", json.dumps(HOSTILE)[1:-1])
    made(path, tmp_path / "page.html")
    seen = read(tmp_path / "page.html")
    assert {tag for tag, _ in seen.tags} <= TAGS
    assert {name for _, attributes in seen.tags for name in attributes} <= ATTRIBUTES
    assert seen.text.count("<script>alert('x')</script>") >= 6
    assert "\u202e" not in seen.text
    assert "\x1b" not in seen.text


def test_every_figure_is_there_with_words_that_stand_for_it(recorded: Path, bad: tuple[Path, Verdict]) -> None:
    images = read(recorded).images
    assert [image["alt"].split(".")[0] for image in images] == FIGURES == [drawing.name for drawing in DRAWINGS]
    alts = {image["alt"].split(".")[0]: image["alt"] for image in read(bad[0]).images}
    for stream, lost in LOST.items():
        assert re.search(rf"{stream}: \d+ frames, {len(lost)} lost", alts["Intervals"])
    assert re.search(r"NIR: \d+ frames, 0 lost \(red, x\), 1 extra", alts["Intervals"])
    assert "2 late" in alts["Screen"]


def test_what_nobody_measured_is_said_in_the_place_of_its_figure(tmp_path: Path) -> None:
    plan = Plan(undeclared={"HS", "VIS", "NIR"}, photodiode=False)
    verdict = made(make_run(tmp_path, plan), tmp_path / "page.html")
    assert "skew" in verdict.missing
    seen, names = read(tmp_path / "page.html"), []
    for image in seen.images:
        names.append(image["alt"].split(".")[0])
    assert "Skew" not in names
    assert re.search(r"Skew How long .{0,200}NOT MEASURED, nothing tells when VIS and HS began to expose", seen.text)
    assert "Stimulus onset: NOT MEASURED" in seen.text
    assert "required but not measured:" in seen.text


def test_the_page_says_what_the_verdict_says(bad: tuple[Path, Verdict]) -> None:
    page, verdict = bad
    text, told = read(page).text, verdict.to_json()
    assert "This run is NOT complete: failed: frames" in text
    assert str(told["contents"]["checksum"]) in text
    for finding in told["findings"]:
        row = " ".join(f"{finding['stream']} {finding['word']}".split())
        assert row in text
        assert " ".join(finding["text"].split()) in text
        assert " ".join(f"looked at {finding['looked_at']}".split()) in text
    assert all(reason in text for reason in told["why"].values())


def test_a_simulated_run_says_so_first(recorded: Path, bad: tuple[Path, Verdict]) -> None:
    simulated, real = read(recorded).text, read(bad[0]).text
    assert 0 < simulated.index("SIMULATED") < simulated.index("This run is complete")
    assert ("SIMULATED" in real) == bad[1].simulated


def test_points_are_thinned_out_and_none_that_stands_out_is_lost() -> None:
    values = np.random.default_rng(1).normal(0, 1, 360_000)
    odd = [7, 123_456, 359_999]
    values[odd] = 50, -50, 60
    places = thinned(values)
    assert set(odd) <= set(places.tolist())
    assert len(places) <= MOST_POINTS + 200
    assert (np.diff(places) > 0).all()
    assert thinned(values[:10]).tolist() == list(range(10))


def test_a_figure_that_fails_is_named_and_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(run: Run, verdict: Verdict) -> None:
        raise ValueError("no such thing")

    monkeypatch.setattr(pages, "DRAWINGS", (replace(DRAWINGS[1], draw=broken), DRAWINGS[2]))
    made(make_run(tmp_path, Plan()), tmp_path / "page.html")
    seen = read(tmp_path / "page.html")
    assert [image["alt"].split(".")[0] for image in seen.images] == ["Clocks"]
    assert "drawing itself failed on this file: ValueError: no such thing" in seen.text


def test_a_page_is_small_and_for_its_owner_only(recorded: Path) -> None:
    assert recorded.stat().st_size < MOST_BYTES
    assert stat.S_IMODE(recorded.stat().st_mode) == 0o600


def test_only_an_older_page_of_ours_is_replaced(recorded: Path, tmp_path: Path) -> None:
    Page(recorded)
    (tmp_path / "other.html").write_text("<html>somebody else's</html>")
    for name in ("other.html", "page.txt", "nowhere/page.html"):
        with pytest.raises(UserError):
            Page(tmp_path / name)


def test_the_command_writes_a_page_also_about_what_it_could_not_read(tmp_path: Path) -> None:
    run_path, nothing = make_run(tmp_path, Plan(body_groups=12)), tmp_path / "sub-001" / "ses-03"
    done = run_command("verify", run_path, nothing, "--json", "--report", "all.html", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert len(json.loads(done.stdout)["verdicts"]) == 1
    text = read(tmp_path / "all.html").text
    assert text.count("Subject 001, session 1, run 1") == 1
    assert re.search(r"Could not be read: \S*ses-03: does not exist", text)


def test_no_figure_is_cut_on_a4(recorded: Path, tmp_path: Path) -> None:
    """By what printing leaves: each picture once, on one sheet, and not wider or higher than the paper's inside."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert browser, "no Chromium here: run tools/setup test"
    pdf = tmp_path / "page.pdf"
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",  # where that is small, as in containers, a page may die of it
        "--no-pdf-header-footer",
        f"--user-data-dir={tmp_path}/own",
    ]
    command = [browser, *options, f"--print-to-pdf={pdf}", recorded.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    size = subprocess.run(["pdfinfo", pdf], check=True, capture_output=True, text=True).stdout
    assert re.search(r"Page size:\s+59[45]\.\d+ x 84[12]\.\d+ pts \(A4\)", size)
    listed = subprocess.run(["pdfimages", "-list", pdf], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in listed.splitlines()[2:]]
    images = [row for row in rows if row[2] == "image"]
    assert len(images) == len(FIGURES)
    for row in images:
        across_mm, down_mm = (25.4 * int(px) / int(ppi) for px, ppi in ((row[3], row[12]), (row[4], row[13])))
        assert across_mm <= 210 - 2 * 12 + 1
        assert down_mm <= 297 - 2 * 12
