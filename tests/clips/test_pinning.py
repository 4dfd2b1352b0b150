"""Importing a film writes its path and sha256 into the protocol, and nothing else; what differs later is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from rig.clips.manifest import find_clips
from rig.clips.pinning import pin
from rig.clips.splice import spelled, spliced
from rig.config.yaml import read_document
from rig.elicitation.protocol import read_protocol
from rig.errors import ClipError, ProblemList, ProtocolError
from tests.films import make_film, sha256_of

PROTOCOL = """\
# what this study shows
schema: 1
name: study
title: a study
clips:
  happy:            # from the list of 2010
    title: 'A film'
    licence: "bought"   # on disc

  sad: {title: Another, licence: bought, in_s: 1.0, out_s: 2.0}
blocks:
  - kind: clip      # the first
    name: clip1
    clip: happy
"""


@pytest.fixture
def protocol(tmp_path: Path) -> Path:
    path = tmp_path / "study" / "study.yaml"
    path.parent.mkdir()
    path.write_text(PROTOCOL)
    return path


def test_file_and_sha256_are_written_and_every_other_line_stays(protocol: Path) -> None:
    film = make_film(protocol.parent / "films.mp4", 50)
    done = pin(protocol, "happy", film)
    lines = [f"    file: films.mp4\n    sha256: {spelled(sha256_of(film))}\n"]
    assert protocol.read_text() == PROTOCOL.replace("    title: 'A film'\n", lines[0] + "    title: 'A film'\n")
    assert (done.file, done.is_copied, done.is_own) == ("films.mp4", False, False)


def test_clip_on_one_line_and_a_second_film_in_place_of_the_first(protocol: Path) -> None:
    first, second = (make_film(protocol.parent / name, 50 + i) for i, name in enumerate(("a.mp4", "b.mp4")))
    pin(protocol, "sad", first)
    pin(protocol, "sad", second)
    written = f"  sad: {{file: b.mp4, sha256: {spelled(sha256_of(second))}, title: Another"
    assert protocol.read_text() == PROTOCOL.replace("  sad: {title: Another", written)
    pin(protocol, "happy", first)
    clips = find_clips(read_protocol(protocol))
    assert {name: (clip.first, clip.frames) for name, clip in clips.items()} == {"happy": (0, 50), "sad": (25, 25)}


def test_line_ends_of_windows_a_mark_and_rights_are_kept(protocol: Path) -> None:
    protocol.write_bytes(b"\xef\xbb\xbf" + PROTOCOL.replace("\n", "\r\n").encode())
    protocol.chmod(0o640)
    pin(protocol, "happy", make_film(protocol.parent / "a.mp4", 5))
    raw = protocol.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf# what") and raw.count(b"\n") == raw.count(b"\r\n") == PROTOCOL.count("\n") + 2
    assert protocol.stat().st_mode & 0o777 == 0o640
    assert {path.name for path in protocol.parent.iterdir()} == {"study.yaml", "a.mp4"}


def test_film_from_elsewhere_is_copied_beside_the_protocol_once(protocol: Path, tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4", 50)
    for _ in range(2):
        assert pin(protocol, "happy", film).file == "clips/film.mp4"
    assert (protocol.parent / "clips" / "film.mp4").read_bytes() == film.read_bytes()
    film.unlink()
    other = make_film(tmp_path / "film.mp4", 6)
    before = protocol.read_text()
    with pytest.raises(ClipError, match="another film"):
        pin(protocol, "happy", other)
    assert protocol.read_text() == before


@pytest.mark.parametrize("change", ["other film", "one bit", "gone"])
def test_film_that_differs_later_or_is_gone_is_an_error(protocol: Path, change: str) -> None:
    film = make_film(protocol.parent / "film.mp4", 50)
    for name in ("happy", "sad"):
        pin(protocol, name, film)
    if change == "one bit":
        data = bytearray(film.read_bytes())
        data[-1] ^= 1
        film.write_bytes(data)
    else:
        film.unlink()
    if change == "other film":
        make_film(film, 51)
    with pytest.raises(ProblemList, match="does not exist" if change == "gone" else "is another film") as found:
        find_clips(read_protocol(protocol))
    assert len(found.value.problems) == 2


def test_clip_without_a_film_yet_is_an_error_that_says_how_to_import(protocol: Path) -> None:
    with pytest.raises(ProblemList, match=r"rig clips import PROTOCOL happy FILE"):
        find_clips(read_protocol(protocol))


@pytest.mark.parametrize(
    ("clip", "film", "problem"),
    [
        ("angry", "film.mp4", "angry is no clip of this protocol; one of clips: happy, sad"),
        ("happy", "gone.mp4", "does not exist"),
        ("happy", "study.yaml", "is no film"),
        ("happy", "vfr.mkv", "no constant frame rate"),
        ("sad", "short.mp4", "in_s 1 is no time in it"),
    ],
)
def test_what_cannot_be_imported_leaves_the_protocol_as_it_was(
    protocol: Path, clip: str, film: str, problem: str
) -> None:
    make_film(protocol.parent / "film.mp4", 50)
    make_film(protocol.parent / "short.mp4", 5)
    make_film(protocol.parent / "vfr.mkv", 4, times_ms=[0, 40, 400, 440])
    with pytest.raises((ClipError, ProtocolError)) as found:
        pin(protocol, clip, protocol.parent / film)
    assert problem in str(found.value)
    assert protocol.read_text() == PROTOCOL


NAMES = ("-dash.mp4", " blank .mp4", "café.mp4", "quo\"te's: #.mp4", "line\nend.mp4", "123", "true", "package:x", "ابن")


@pytest.mark.parametrize("name", NAMES)
def test_oddly_named_film_is_found_again_by_its_name(protocol: Path, name: str) -> None:
    film = make_film(protocol.parent / "film.mkv", 50)
    film.rename(protocol.parent / name)
    pin(protocol, "happy", protocol.parent / name)
    pin(protocol, "sad", protocol.parent / name)
    assert {clip.path for clip in find_clips(read_protocol(protocol)).values()} == {protocol.parent / name}


def test_name_that_no_protocol_may_hold_is_refused(protocol: Path) -> None:
    film = make_film(protocol.parent / "film.mkv", 5)
    odd = os.fsdecode(os.fsencode(protocol.parent) + b"/caf\xe9.mkv")
    film.rename(odd)
    with pytest.raises(ProtocolError, match=r"study\.yaml:6: clips\.happy: cannot be changed by a program.*plain name"):
        pin(protocol, "happy", Path(odd))
    assert protocol.read_text() == PROTOCOL


def test_a_read_only_protocol_stays_as_it_is(protocol: Path) -> None:
    film = make_film(protocol.parent / "film.mp4", 5)
    link = protocol.with_name("link.yaml")
    link.symlink_to(protocol)
    protocol.chmod(0o444)
    for name in (protocol, link):
        with pytest.raises(ProtocolError, match=r"(study|link)\.yaml: is read-only.*chmod u\+w"):
            pin(name, "happy", film)
    assert protocol.read_text() == PROTOCOL
    assert {path.name for path in protocol.parent.iterdir()} == {"film.mp4", "link.yaml", "study.yaml"}


def test_shipped_protocol_is_copied_to_ones_own_first(
    tmp_path: Path, protocol: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it names beside itself goes along; the shipped one stays as it was."""
    shipped, lab = tmp_path / "shipped" / "protocols", tmp_path / "lab"
    (shipped / "more").mkdir(parents=True)
    lab.mkdir()
    (shipped / "more" / "long.yaml").write_text("statements: [a, b]\n")
    text = PROTOCOL + "  - {kind: penalty, name: p, statements_file: more/long.yaml}\n"
    (shipped / "study.yaml").write_text(text)
    (shipped / "study.yaml").chmod(0o444)  # as an installed package may be
    monkeypatch.setattr("rig.clips.pinning.shipped", lambda: tmp_path / "shipped")
    monkeypatch.chdir(lab)
    film = make_film(tmp_path / "film.mp4", 5)
    done = pin(shipped / "study.yaml", "happy", film)
    assert (done.protocol, done.is_own) == (Path("protocols/study.yaml"), True)
    assert (shipped / "study.yaml").read_text() == text
    own = read_document(lab / "protocols" / "study.yaml", ProtocolError).data
    assert own["clips"]["happy"]["file"] == "clips/film.mp4"
    assert (lab / "protocols/more/long.yaml").read_text() == "statements: [a, b]\n"
    assert (lab / "protocols/clips/film.mp4").read_bytes() == film.read_bytes()
    assert not pin(done.protocol, "sad", make_film(tmp_path / "other.mp4", 50)).is_own
    with pytest.raises(ProtocolError, match="is shipped, and never changed"):
        pin(shipped / "study.yaml", "happy", film)


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=30),
    st.booleans(),
    st.booleans(),
)
def test_any_value_comes_back_and_nothing_else_changes(value: str, is_flow: bool, is_there: bool) -> None:
    """Read by ruamel, another way than by the program's own reader."""
    had = "file: old, " if is_there else ""
    text = f"clips:\n  a: {{{had}title: 't'}} # end\nz: 1\n"
    if not is_flow:
        text = text.replace("{", "\n    ").replace(", ", "  # old one\n    ").replace("}", "")
    read = YAML(typ="safe", pure=True).load
    before, after = read(text), read(spliced(text, ["clips", "a"], {"file": value, "sha256": "1" * 64}))
    before["clips"]["a"] |= {"file": value, "sha256": "1" * 64}
    assert after == before
