"""Many places of a file are changed at once: all of them or none, wherever it is broken off."""

from __future__ import annotations

import errno

import pytest

from rig import host
from rig.errors import StorageError
from rig.session import journal
from rig.session.overlay import PAGE

CALLS = ("open_private", "write_at", "cut", "sync_file", "rename", "sync_folder", "remove")
OLD = bytes(range(256)) * 16 * 5
NEW = {1: b"b" * PAGE, 3: b"d" * PAGE, 4: bytes(PAGE)}
AFTER = OLD[:PAGE] + NEW[1] + OLD[2 * PAGE : 3 * PAGE] + NEW[3] + bytes(100)
SIZE = 4 * PAGE + 100


@pytest.fixture
def path(tmp_path):
    (file := tmp_path / "run.h5").write_bytes(OLD)
    return file


def breaking_off(patch: pytest.MonkeyPatch, after: int) -> list[str]:
    """What is asked of the disk; the call behind number `after` fails, and every later one."""
    calls: list[str] = []

    def watched(name, real):
        def ask(*arguments):
            calls.append(name)
            if len(calls) > after:
                raise OSError(errno.EIO, "Input/output error")
            return real(*arguments)

        return ask

    for name in CALLS:
        patch.setattr(host, name, watched(name, getattr(host, name)))
    return calls


def test_pages_and_length_are_those_asked_for_and_nothing_is_left(path):
    journal.commit(path, NEW, SIZE)
    assert path.read_bytes() == AFTER
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("after", range(13))
def test_broken_off_anywhere_it_is_done_whole_or_not_at_all(path, monkeypatch, after):
    with monkeypatch.context() as patch:
        breaking_off(patch, after)
        try:
            journal.commit(path, NEW, SIZE)
        except OSError:
            pass
    if not journal.journal_of(path).exists():
        assert path.read_bytes() in (OLD, AFTER)
        journal.commit(path, NEW, SIZE)
    else:
        assert journal.replay(path)
    assert path.read_bytes() == AFTER
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("after", range(5))
def test_a_replay_that_is_broken_off_is_replayed_again(path, monkeypatch, after):
    with monkeypatch.context() as patch:
        calls = breaking_off(patch, 8)
        with pytest.raises(OSError, match="Input"):
            journal.commit(path, NEW, SIZE)
        assert calls.count("rename") == 1
    with monkeypatch.context() as patch:
        breaking_off(patch, after)
        with pytest.raises(OSError, match="Input"):
            journal.replay(path)
    assert journal.replay(path)
    assert path.read_bytes() == AFTER
    assert not journal.replay(path)


def test_pages_that_are_as_they_were_need_no_room(path, monkeypatch):
    written = []
    real = host.write_at
    monkeypatch.setattr(host, "write_at", lambda fd, data, at: (written.append(len(data)), real(fd, data, at)))
    journal.commit(path, {n: OLD[n * PAGE : (n + 1) * PAGE] for n in range(5)}, len(OLD))
    assert sum(written) < PAGE
    assert path.read_bytes() == OLD


@pytest.mark.parametrize("place", [3, 30, 5000])
def test_a_journal_of_which_one_bit_changed_is_not_followed(path, monkeypatch, place):
    with monkeypatch.context() as patch:
        breaking_off(patch, 6)
        with pytest.raises(OSError, match="Input"):
            journal.commit(path, NEW, SIZE)
    data = bytearray(journal.journal_of(path).read_bytes())
    data[place] ^= 4
    journal.journal_of(path).write_bytes(data)
    with pytest.raises(StorageError, match="is damaged"):
        journal.replay(path)
    assert path.read_bytes() == OLD
