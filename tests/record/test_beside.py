"""What is not recording itself cannot end a recording: who is shown how it goes, and the folder in which it lies."""

from __future__ import annotations

import errno

import pytest
from typer.testing import CliRunner

import rig
from rig import wiring
from rig.cli.app import app
from rig.config.rig import read_rig
from rig.elicitation.protocol import read_protocol
from rig.errors import StorageError
from rig.record.recording import Recorded, Recording, Request
from rig.session import closing
from rig.session.layout import Outcome
from rig.session.recover import Found, recover
from rig.session.writer import SessionWriter
from tests.rigs import record, write_protocol, write_rig


def recorded(folder, on_status) -> Recorded:
    files = read_rig(write_rig(folder)), read_protocol(write_protocol(folder, ("a", 2, "all")))
    return Recording(Request(*files, "001", folder / "sessions", scripted=True, virtual=True), on_status).record()


def notes(path) -> list[str]:
    with rig.open(path) as session:
        return [entry["text"] for entry in session.log if entry["kind"] == "note"]


def test_a_status_that_cannot_be_shown_is_noted_once_and_the_run_goes_on(tmp_path):
    def fail(_: object) -> None:
        raise IndexError("planted")

    done = recorded(tmp_path, fail)
    assert done.outcome is Outcome.FINISHED
    assert [text for text in notes(done.path) if "planted" in text] == ["the status: planted"]


@pytest.mark.parametrize("fault", [ValueError, lambda text: StorageError("truth.jsonl", text)])
def test_a_scripted_participant_that_fails_is_noted_and_the_run_goes_on(tmp_path, monkeypatch, fault):
    def fail(*_: object) -> None:
        raise fault("planted")

    real = wiring.open_virtual

    def opened(*args, **kwargs):
        virtual = real(*args, **kwargs)
        virtual.devices.on_step = fail
        return virtual

    monkeypatch.setattr(wiring, "open_virtual", opened)
    done = record(tmp_path, write_rig(tmp_path), write_protocol(tmp_path, ("a", 1, "all")))
    assert done.outcome is Outcome.FINISHED
    assert any("planted" in text for text in notes(done.path))


def test_a_folder_that_is_given_another_name_meanwhile_keeps_every_frame_to_be_recovered(tmp_path):
    elsewhere = tmp_path / "elsewhere"

    def rename(status) -> None:
        if status.seconds > 2 and not elsewhere.exists():
            (tmp_path / "sessions").rename(elsewhere)

    done = recorded(tmp_path, rename)
    assert done.outcome is Outcome.CLOSE_FAILED
    assert any("was not put in order at the end" in alarm for alarm in done.alarms)
    (folder,) = elsewhere.glob("sub-001/ses-01")
    (one,), errors = recover(folder)
    assert (errors, one.found) == ([], Found.RECOVERED)
    with rig.open(folder) as session:
        assert len(session.streams["HS"].frames) == done.counts["HS"].stored == len(session.pulses)


def said_by_record(folder) -> str:
    protocol, own = write_protocol(folder, ("a", 1, "all")), write_rig(folder)
    arguments = ["record", protocol, "--rig", own, "--subject", "001", "--speed", "max", "--out", folder / "sessions"]
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 1
    return done.output


def test_after_a_close_that_failed_the_next_command_is_rig_recover(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(closing, "commit", refuse)
    said = said_by_record(tmp_path)
    assert "outcome: close_failed" in said
    assert f"next:    rig recover {tmp_path}/sessions/sub-001/ses-01" in said
    assert "rig verify" not in said


def test_last_words_that_the_disk_does_not_take_leave_a_file_that_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr(SessionWriter, "dropped", lambda _: {"/acquisition/edges": 3})
    real = SessionWriter.append_text

    def append_text(writer, path, host_ns, text):
        if "table" in text:
            raise StorageError("run.h5", "refused a write: planted")
        real(writer, path, host_ns, text)

    monkeypatch.setattr(SessionWriter, "append_text", append_text)
    done = record(tmp_path, write_rig(tmp_path), write_protocol(tmp_path, ("a", 1, "all")))
    assert (done.outcome, done.alarms[-1]) == (Outcome.CLOSE_FAILED, "disk: run.h5: refused a write: planted")
    with rig.open(done.path) as session:
        assert session.runs[0].outcome is Outcome.CLOSE_FAILED
        assert len(session.streams["HS"].frames) == done.counts["HS"].stored
    assert done.path.stat().st_mode & 0o777 == 0o400
