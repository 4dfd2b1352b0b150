"""What the server tells and takes about labels: each coder's own, by their token alone, and nothing of the film."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import httpx
import pandas as pd
import pytest
from starlette.types import ASGIApp

import rig
from rig import host
from rig.cli.annotate import annotate
from rig.errors import DeviceNotReady, SessionError, UserError
from rig.labels.coding import Coding
from rig.labels.label import Label
from rig.session import layout
from rig.web.labelling import blind_banners
from rig.web.server import build
from rig.web.shelf import Shelf
from tests import commands
from tests.handmade import HOST_0, Plan, make_run
from tests.web.asked import ask
from tests.web.sessions import HOSTILE, copied

TOKENS: dict[str, str | None] = {"token-a": "anna", "token-b": "ben", "token-v": None}
LABEL = {
    "id": "a1", "run": 1, "onset": 12, "apex": 20, "offset": 30, "kind": "micro", "emotion": "happiness", "aus": "6+12",
    "note": "", "uncertain": False,
}  # fmt: skip


class Told:
    """A page: the requests of who has a token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._cookies = app, {"rig-8000": token}

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {} if method == "GET" else {"X-Session": self.get("/api/session")["id"]}
        return ask(self._app, path, method, content=content, cookies=self._cookies, headers=headers)

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    @property
    def labels(self) -> Any:
        return self.get("/api/labels")

    def put(self, *labels: object, revision: object = None) -> tuple[int, Any]:
        asked = {"revision": self.labels["revision"] if revision is None else revision, "labels": labels}
        answer = self.ask("PUT", "/api/labels", asked)
        return answer.status_code, answer.json()

    def close(self) -> tuple[int, Any]:
        answer = self.ask("POST", "/api/labels/close", {"revision": self.labels["revision"]})
        return answer.status_code, answer.json()


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plan = Plan(body_groups=30, alarm=HOSTILE, trials=(0, 1, 1))
    return make_run(tmp_path_factory.mktemp("labelling"), plan)


@pytest.fixture
def path(made_once: Path, tmp_path: Path) -> Path:
    """A copy of it, in a place of its own."""
    return copied(made_once.parent, tmp_path) / made_once.name


@pytest.fixture
def pages(path: Path) -> Iterator[dict[str | None, Told]]:
    """By coder; None: a viewer's."""
    with Shelf(path) as shelf:
        app = build(shelf, TOKENS)
        with shelf.borrowed() as opened:
            for name in ("anna", "ben"):
                Coding(opened.session, name).begin()
        yield {coder: Told(app, token) for token, coder in TOKENS.items()}


def test_labels_that_are_put_are_a_table_on_the_disk_and_come_back(pages: dict[str | None, Told], path: Path) -> None:
    assert pages["anna"].put(LABEL)[0] == 200
    told = pages["anna"].labels
    assert (told["coder"], told["closed"], told["labels"]) == ("anna", False, [LABEL])
    assert pd.read_csv(path.parent / "annotations/anna.tsv", sep="\t")["apex"].tolist() == [20]


def test_a_coder_is_told_and_changes_their_own_labels_whatever_they_ask_for(pages: dict[str | None, Told]) -> None:
    pages["anna"].put({**LABEL, "note": "secret of anna"})
    ben = pages["ben"]
    for path in ("/api/labels", "/api/labels?coder=anna", "/api/session", "/api/session?coder=anna&film=1"):
        assert "secret" not in json.dumps(ben.get(path))
    assert ben.labels["others"] == {}
    asked = {"revision": ben.labels["revision"], "labels": [], "coder": "anna"}
    assert ben.ask("PUT", "/api/labels?coder=anna", asked).status_code == 200
    assert [label["note"] for label in pages["anna"].labels["labels"]] == ["secret of anna"]
    assert ben.ask("GET", "/annotations/anna.tsv").status_code == 404
    assert ben.ask("GET", "/static/..%2f..%2f..%2fannotations/anna.tsv").status_code == 404


def test_labels_of_others_are_told_when_both_have_closed_and_to_who_looks_when_all_have(
    pages: dict[str | None, Told],
) -> None:
    seen = {name: page.labels["others"] for name, page in pages.items()}
    pages["anna"].put(LABEL)
    assert pages["anna"].close()[0] == 200
    assert {name: page.labels["others"] for name, page in pages.items()} == seen == {"anna": {}, "ben": {}, None: {}}
    pages["ben"].put({**LABEL, "id": "b1"})
    pages["ben"].close()
    assert {name: sorted(page.labels["others"]) for name, page in pages.items()} == {
        "anna": ["ben"], "ben": ["anna"], None: ["anna", "ben"],
    }  # fmt: skip
    assert pages["ben"].labels["others"] == {"anna": [LABEL]}


def test_a_coder_is_told_whether_another_has_begun(path: Path) -> None:
    """Whoever closes alone shows the labels to everybody from then on."""
    with Shelf(path) as shelf, shelf.borrowed() as opened:
        anna = Told(build(shelf, TOKENS), "token-a")
        Coding(opened.session, "anna").begin()
        assert anna.labels["alone"]
        Coding(opened.session, "ben").begin()
        assert not anna.labels["alone"]


def test_who_only_looks_has_no_labels_and_changes_none(pages: dict[str | None, Told]) -> None:
    assert set(pages[None].labels) == {"others", "problems"}
    assert pages[None].ask("PUT", "/api/labels", {"revision": 0, "labels": []}).status_code == 403
    assert pages[None].ask("POST", "/api/labels/close", {"revision": 0}).status_code == 403


def test_the_second_window_of_a_coder_is_told_that_the_first_has_saved(pages: dict[str | None, Told]) -> None:
    revision = pages["anna"].labels["revision"]
    assert pages["anna"].put(LABEL, revision=revision)[0] == 200
    status, told = pages["anna"].put(revision=revision)
    assert (status, pages["anna"].labels["labels"]) == (409, [LABEL])
    assert "in another window" in told["error"]


def test_a_page_that_took_another_coders_cookie_changes_nothing(pages: dict[str | None, Told]) -> None:
    """Two links in one browser: the page of anna sends what it shows, and is ben by its cookie."""
    assert pages["ben"].put(LABEL, revision=pages["anna"].labels["revision"])[0] == 409
    assert pages["ben"].labels["labels"] == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"\xff", "no JSON"),
        (b"[]", "no JSON object"),
        (b'{"revision": "1", "labels": []}', "which revision"),
        (b'{"revision": 1}', "no list of labels"),
        (json.dumps({"revision": 1, "labels": [{**LABEL, "onset": 25}]}).encode(), "onset <= apex"),
        (json.dumps({"revision": 1, "labels": [{**LABEL, "note": "\ud800"}]}).encode(), "whole letters"),
        (json.dumps({"revision": 1, "labels": [{**LABEL, "offset": 10_000}]}).encode(), "pulses 0 to"),
        (json.dumps({"revision": 1, "labels": [LABEL, LABEL]}).encode(), "each id once"),
    ],
)
def test_what_is_no_list_of_labels_is_refused_in_words(pages: dict[str | None, Told], body: bytes, words: str) -> None:
    answer = pages["anna"].ask("PUT", "/api/labels", body)
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert pages["anna"].labels["labels"] == []


def test_hostile_texts_pass_as_texts(pages: dict[str | None, Told]) -> None:
    label = {**LABEL, "note": f"{HOSTILE}\n\u202e\t\x00", "emotion": HOSTILE}
    assert pages["anna"].put(label)[0] == 200
    assert pages["anna"].labels["labels"] == [label]


def test_what_the_disk_refuses_is_said_and_what_was_there_stays(
    pages: dict[str | None, Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    pages["anna"].put(LABEL)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(host, "write_at", full)
        status, told = pages["anna"].put()
    assert status == 507
    assert "No space left on device" in told["error"]
    assert pages["anna"].labels["labels"] == [LABEL]


def test_labels_are_closed_once_and_for_all(pages: dict[str | None, Told]) -> None:
    pages["anna"].put({**LABEL, "apex": None})
    status, told = pages["anna"].close()
    assert status == 400
    assert "no apex" in told["error"]
    pages["anna"].put(LABEL)
    assert pages["anna"].close()[0] == 200
    assert pages["anna"].labels["closed"]
    assert [pages["anna"].put()[0], pages["anna"].close()[0]] == [409, 409]


def test_a_coder_is_told_nothing_of_film_clip_question_or_answer_until_the_film_is_shown(
    pages: dict[str | None, Told],
) -> None:
    words = ("bunny", "clip1", "welcome", "report-how", "happy", json.dumps(HOSTILE)[1:-1])
    shown = json.dumps(pages["anna"].get("/api/session?film=1"))
    assert [word for word in words if word not in shown] == []
    blind = pages["anna"].get("/api/session")
    assert [word for word in words if word in json.dumps(blind)] == []
    assert [step["kind"] for step in blind["steps"]] == ["instruction", "clip", "question"]
    assert [trial["trial"] for trial in blind["trials"]] == [1]  # a coder goes from trial to trial, too
    moment = "/api/pictures?run=1&pulse=70&count=1&size=full&as=raw"
    assert b"bunny" in pages["anna"].ask("GET", f"{moment}&film=1").content
    assert not [word for word in words if word.encode() in pages["anna"].ask("GET", moment).content]
    refused = pages["anna"].ask("GET", "/api/find?clip=no&seconds=1")
    assert refused.status_code == 403
    assert "clip1" not in refused.text


def test_no_text_of_a_person_reaches_a_coder_while_the_film_is_hidden(tmp_path: Path) -> None:
    """Of a protocol: what it calls the part in which a stream is not stored; of a person: why somebody withdrew."""
    secret = "protocol: sad-bunny"
    path = make_run(tmp_path, Plan(not_stored=[("NIR", 100, 140)], alarm=secret, question=secret, answer=secret))
    path.chmod(0o600)
    with h5py.File(path, "r+") as file:
        rows = file[layout.NOT_STORED_ROWS][:]
        rows["reason"] = secret.encode()
        file[layout.NOT_STORED_ROWS][:] = rows
    with Shelf(path.parent) as shelf:
        anna, anyone = (Told(build(shelf, TOKENS), token) for token in ("token-a", "token-v"))
        session, moment = "/api/session", "/api/pictures?run=1&pulse=120"
        for page in (f"{session}?film=1", f"{moment}&film=1"):
            assert secret in anna.ask("GET", page).text
        for page in (session, moment, f"{moment}&minus=pinned:1:104"):
            assert "sad" not in anna.ask("GET", page).text
        flips = "/api/flips?from_s=0&to_s=9"
        assert {tuple(flip[1:3]) for flip in anna.get(flips)["flips"]} == {(-1, -1)}
        assert len({flip[1] for flip in anyone.get(flips)["flips"]}) > 2
        assert anna.ask("GET", "/api/film?run=1&clip=bunny&frame=0").status_code == 403


def test_banners_of_a_coder_are_those_of_devices_and_files_alone() -> None:
    banners = [{"kind": "simulated", "text": "SIMULATED: box"}, {"kind": "fail", "text": "Run 1: FAIL: sad-bunny"}]
    assert [banner["text"] for banner in blind_banners(banners)] == [
        "SIMULATED: box", "FAIL: the rest is hidden while labelling",
    ]  # fmt: skip


def test_pulses_of_every_run_may_be_marked(tmp_path: Path) -> None:
    make_run(tmp_path, Plan(body_groups=10))
    second = make_run(tmp_path, Plan(run=2, body_groups=20, host_0=HOST_0 + 20_000_000_000))
    with Shelf(second.parent) as shelf:
        anna = Told(build(shelf, TOKENS), "token-a")
        ends = [(run["number"], run["last_pulse"]) for run in anna.get("/api/session")["runs"]]
        labels = [{**LABEL, "id": f"r{run}", "run": run, "offset": last} for run, last in ends]
        with shelf.borrowed() as opened:
            Coding(opened.session, "anna").begin()
        assert anna.put(*labels)[0] == 200
        assert anna.labels["labels"] == labels


@pytest.mark.parametrize(
    ("coders", "words"),
    [
        (["../x"], "letters and digits only"),
        (["anna", "<script>"], "letters and digits only"),
        (["a", "a"], "is there twice"),
        (["anna", "Anna"], "upper and lower case"),
    ],
)
def test_a_coder_that_cannot_be_is_refused_before_anything_is_written(
    path: Path, coders: list[str], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        annotate(path, coders, browser=False)
    assert not (path.parent / "annotations").exists()


@pytest.mark.parametrize("where", [{"listen": "a..b"}, {"listen": "."}, {"listen": "x" * 70}, {}])
def test_nobody_begins_where_nothing_can_be_served(path: Path, where: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(DeviceNotReady, match="nothing can listen"):
        annotate(path, ["anna"], browser=False, port=taken.getsockname()[1], **where)
    assert not (path.parent / "annotations").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [({"run": 9}, "line 3, run: 9 lies outside"), ({"offset": 99_999}, "line 3, offset: 99999 lies outside")],
)
def test_a_label_outside_the_session_is_refused_at_the_start_with_line_and_column(
    path: Path, change: dict[str, int], words: str
) -> None:
    with rig.open(path) as opened:
        coding = Coding(opened, "anna")
        coding.begin()
        good, bad = Label(**LABEL), Label(**{**LABEL, "id": "z1", "onset": 13, "apex": 20})
        coding.save([good, bad], coding.read().revision)
    lines = [line.split("\t") for line in coding.path.read_text().splitlines()]
    for column, value in change.items():
        lines[2][lines[0].index(column)] = str(value)
    table = "".join("\t".join(line) + "\n" for line in lines)
    coding.path.write_text(table)
    with pytest.raises(SessionError, match=words):
        annotate(path, ["anna"], browser=False)
    assert coding.path.read_text() == table


def test_labels_that_are_not_ours_are_refused_at_the_start_with_their_line(path: Path) -> None:
    table = path.parent / "annotations/anna.tsv"
    table.parent.mkdir()
    table.write_text("onset\tapex\n1\t2\n")
    said = commands.refused("annotate", path, "--coder", "anna", "--no-browser", cwd=path.parent)
    assert "anna.tsv: line 1: does not name our columns" in said
    assert table.read_text() == "onset\tapex\n1\t2\n"
