"""Recorded sessions run again as rigs: what comes of it is what was recorded, and verify says of it what it said.

All that the recorder derives (gaps, extras, pairing, what is not stored) it derives anew from what the devices told.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from rig.clock import NS
from rig.elicitation.protocol import read_protocol
from rig.errors import SessionError, UserError
from rig.record.messages import Event
from rig.record.observer import Observer
from rig.record.recording import Recording
from rig.record.resuming import cut_sessions, find_cut
from rig.session import checksums
from rig.session.as_rig import look_at_replay
from rig.session.decided import Decided
from rig.session.layout import Outcome
from rig.session.run import Run
from rig.stimulus.screen import StepBegan
from rig.verify.findings import Word
from rig.verify.verdict import verify_run
from tests import commands
from tests.handmade import Plan, make_run
from tests.record.compared import compared, in_short, rows_of, tables_of, verdict_of
from tests.record.replays import SESSIONS, Made, in_parts, replay

OF_AN_END = {"box", "recount", "features"}  # they word what a recorder that ends in order adds: entries, a last gap
ENDS = {"killed": "device_lost"}


@pytest.fixture(scope="module", params=list(SESSIONS))
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def made(kind, tmp_path_factory) -> Made:
    return SESSIONS[kind](tmp_path_factory.mktemp(kind))


@pytest.fixture(scope="module")
def again(made, tmp_path_factory) -> Path:
    return replay(made, tmp_path_factory.mktemp("again")).path


def test_the_verdict_is_the_same_check_by_check(kind: str, made: Made, again: Path) -> None:
    before, after = (compared(verdict_of(path)) for path in (made.path, again))
    assert list(after) == list(before)
    for check, findings in before.items():
        if kind == "killed" and check in OF_AN_END:
            assert in_short(after[check]) == in_short(findings), check
        else:
            assert after[check] == findings, check


def test_every_row_is_as_it_was_recorded(kind: str, made: Made, again: Path) -> None:
    """In virtual time host stamps too. What the end of a killed run leaves undone is told by its own test."""
    with h5py.File(made.path) as before, h5py.File(again) as after:
        for path in tables_of(before):
            then, now = rows_of(before, path), rows_of(after, path)
            if kind == "killed":
                now = now[: len(then)]
            assert now.tobytes() == then.tobytes(), path


def test_every_picture_is_as_it_was_recorded(made: Made, again: Path) -> None:
    with Run(made.path) as before, Run(again) as after:
        for name, stream in before.streams.items():
            count = len(stream.frames)
            for index in {0, count // 2, count - 1}:
                np.testing.assert_array_equal(after.streams[name].data[index], stream.data[index])


def test_it_ends_as_it_ended_and_says_that_it_is_no_new_recording(kind: str, made: Made, again: Path) -> None:
    with Run(made.path) as before, Run(again) as after:
        assert str(after.outcome) == ENDS.get(kind, str(before.outcome))
        assert after.is_simulated
        assert all(device["simulated"] for device in after.devices.values())
        froms = {device["capabilities"]["replayed_from"] for device in after.devices.values()}
        assert froms == {"sub-001_ses-01_run-01"}
        assert after.run_id != before.run_id
        assert after.config("rig") == before.config("rig")
        assert [a["answer"] for a in after.answers] == [a["answer"] for a in before.answers]
        assert after.steps == before.steps


# --- otherwise than it was ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("virtual", [True, False])
def test_stopped_before_its_recorded_end_it_ends_with_the_present_group(
    there, virtual: bool, tmp_path, monkeypatch
) -> None:
    """Nothing is lost, nothing recorded is told any more, and no postamble is claimed."""
    made, recordings, on_event = there[1], list[Recording](), Observer.on_event

    def stop_in_first_step(observer: Observer, event: Event) -> None:
        on_event(observer, event)
        if isinstance(event, StepBegan):
            recordings[0].stop()

    monkeypatch.setattr(Observer, "on_event", stop_in_first_step)
    done = replay(made, tmp_path, lambda recording, _: recordings.append(recording), virtual=virtual)
    assert done.outcome is Outcome.STOPPED
    assert done.alarms == () or not virtual  # of a computer that was held up
    with Run(made.path) as then, Run(done.path) as now:
        (ended,) = [e for e in now.log if e["kind"] == "ended" and not e["walk"]]
        sent = ended["pulses_sent"]
        assert ended["postamble"] is False
        assert 0 < sent < len(then.pulses) - 4 * 4
        assert sent % 4 == 0
        assert now.pulses["pulse_number"].tolist() == list(range(sent))
        for name, stream in now.streams.items():
            assert stream.pulse_numbers.tolist() == list(range(0, sent, stream.divisor)), name
            assert (
                stream.frames["checksum"].tolist()
                == then.streams[name].frames["checksum"][: len(stream.frames)].tolist()
            )
            assert len(stream.gaps) == len(stream.extras) == 0
        assert (now.trials["ended_host_ns"] > now.trials["onset_host_ns"]).all()
        assert len(now.flips) < len(then.flips)
        words = {(f.check, f.stream): f.word for f in verify_run(now).findings}
    assert {words["postamble", name] for name in ("HS", "VIS", "NIR")} == {Word.NOT_MEASURED}
    failed = {check for (check, _), word in words.items() if word is Word.FAIL}
    assert failed <= {"film frames"} | ({"acknowledged", "host clock"} if not virtual else set())  # as after any stop
    nothing_goes_on_in(done.path, made.protocol, tmp_path)


def nothing_goes_on_in(path: Path, protocol: Path, out: Path) -> None:
    """No session is a cut one, and can be resumed, that only repeats another."""
    with pytest.raises(UserError, match="ses-01: was replayed from sub-001_ses-01_run-01: nobody was recorded in it"):
        find_cut(out, "again", 1, read_protocol(protocol))
    path.chmod(0o600)
    with h5py.File(path, "r+") as file:
        file.attrs["outcome"] = str(Outcome.INCOMPLETE)
    assert cut_sessions(out, "again") == []
    with pytest.raises(UserError, match="has no session of again that was cut"):
        find_cut(out, "again", None, read_protocol(protocol))


def test_a_picture_that_the_recording_lacks_is_never_stored(tmp_path, monkeypatch) -> None:
    """A recorder that hears later than the recorded one what is not to be stored says so of those frames."""
    made, told_ns = in_parts(tmp_path), Decided.told_ns
    monkeypatch.setattr(Decided, "told_ns", lambda *of: told_ns(*of) + NS // 10)
    with Run(made.path) as then, Run(replay(made, tmp_path / "again").path) as now:
        assert now.not_stored["reason"].tolist().count(b"the recording that is played has no picture of it") == 2
        for name, stream in now.streams.items():
            assert len(stream.gaps) == 0
            known = set(then.streams[name].frames["checksum"].tolist())
            assert set(stream.frames["checksum"].tolist()) < known if name != "HS" else known, name
            assert min(stream.data[index].max() for index in range(len(stream.frames))) > 0
        bad = [f for f in verify_run(now).findings if f.word is Word.FAIL]
    assert bad == []


def test_what_has_changed_since_it_was_written_is_not_played(there, tmp_path) -> None:
    path = tmp_path / "run.h5"
    path.write_bytes(there[1].path.read_bytes())
    with h5py.File(path, "r+") as file:
        flips = file["stimulus/presentation/flips"]
        row = flips[3]
        row["host_ns"] += 1
        flips[3] = row
    with pytest.raises(SessionError, match="cannot be replayed: not as written are /stimulus/presentation/flips"):
        look_at_replay(f"replay:{path}")


@pytest.mark.parametrize("path", ["/acquisition/VIS/frames", "/acquisition/HS/data", "/config/steps"])
def test_what_lacks_a_part_is_not_played(there, path: str, tmp_path) -> None:
    """It is told before anything is made."""
    run = tmp_path / "run.h5"
    run.write_bytes(there[1].path.read_bytes())
    with h5py.File(run, "r+") as file:
        del file[path]
    with pytest.raises(SessionError, match=rf"cannot be replayed: not as written are {path} \(missing\)"):
        look_at_replay(f"replay:{run}")


def test_no_session_and_one_of_another_program_are_said_to_be_that(tmp_path) -> None:
    with pytest.raises(UserError, match="--rig: replay: names no session; replay:SESSION"):
        look_at_replay("replay:")
    path = make_run(tmp_path, Plan())
    with pytest.raises(
        SessionError, match=r"session.h5: (holds no rig.yaml|the rig.yaml in it is none that can be used)"
    ) as told:
        look_at_replay(f"replay:{path}")
    assert "h5:1" not in str(told.value)
    assert "another program" in str(told.value)


# --- as a user ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def halted(tmp_path_factory) -> tuple[Path, Made]:
    """The same of a session that its operator stopped."""
    folder = tmp_path_factory.mktemp("halted")
    return folder, SESSIONS["stopped"](folder)


@pytest.fixture(scope="module")
def there(tmp_path_factory) -> tuple[Path, Made]:
    """A folder with a session, and its protocol."""
    folder = tmp_path_factory.mktemp("there")
    return folder, SESSIONS["clean"](folder)


@pytest.mark.parametrize("which", ["there", "halted"])
def test_in_real_time_it_is_the_same_but_for_one_shift_of_all_host_times(which: str, request) -> None:
    folder, made = request.getfixturevalue(which)
    name = f"replay:{made.path.parent.relative_to(folder)}"
    done = commands.run("record", made.protocol, "--rig", name, "--subject", "now", "--out", "real", cwd=folder)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert "no device is there, and nobody is recorded" in done.stdout
    assert "SIMULATED" in done.stdout
    (path,) = (folder / "real/sub-now/ses-01").glob("*_session.h5")
    before, after = compared(verdict_of(made.path)), compared(verdict_of(path))
    for check, findings in before.items():
        assert in_short(after[check]) == in_short(findings), check
    with h5py.File(made.path) as then, h5py.File(path) as now:
        shifts = {
            *shifts_of(then, now, "acquisition/HS/frames", "arrived_host_ns"),
            *shifts_of(then, now, "acquisition/NIR/frames", "arrived_host_ns"),
            *shifts_of(then, now, "acquisition/pulses", "arrived_host_ns"),
            *shifts_of(then, now, "acquisition/edges", "arrived_host_ns"),
            *shifts_of(then, now, "stimulus/presentation/flips", "host_ns"),
        }
        assert now.attrs["outcome"] == then.attrs["outcome"]
    assert len(shifts) == 1
    recomputed = replay(Made(path, made.protocol), folder / "recomputed").path  # of a recording in real time
    for check, findings in compared(verdict_of(recomputed)).items():  # in words an alarm of a busy computer counts
        assert in_short(findings) == in_short(after[check]), check


def shifts_of(then: h5py.File, now: h5py.File, table: str, field: str) -> set[int]:
    return set((rows_of(now, table)[field] - rows_of(then, table)[field]).tolist())


def test_check_and_info_say_what_is_replayed(there) -> None:
    folder, made = there
    name = f"replay:{made.path}"
    checked = commands.run("check", made.protocol, "--rig", name, "--no-speed", cwd=folder)
    assert checked.returncode == 0, checked.stderr
    said = " ".join(checked.stdout.split())
    assert "replayed from sub-001_ses-01_run-01: no device is there" in said
    assert "ready" in said
    again = replay(made, folder / "told").path
    info = commands.run("info", again, cwd=folder).stdout
    assert "SIMULATED: HS, NIR, VIS, box, screen" in info
    assert "replayed from sub-001_ses-01_run-01" in info


def test_a_replay_can_be_replayed(there) -> None:
    folder, made = there
    first = replay(made, folder / "first").path
    second = replay(Made(first, made.protocol), folder / "second").path
    with h5py.File(made.path) as then, h5py.File(second) as now:
        assert rows_of(now, "acquisition/HS/frames").tobytes() == rows_of(then, "acquisition/HS/frames").tobytes()


def test_only_the_protocol_of_then_can_be_run(there) -> None:
    folder, made = there
    other = folder / "other.yaml"
    other.write_text(made.protocol.read_text() + "# a word more\n")
    refused = ("record", other, "--rig", f"replay:{made.path}", "--subject", "x", "--speed", "max")
    for command in (refused, ("check", other, "--rig", f"replay:{made.path}", "--no-speed")):
        said = commands.refused(*command, cwd=folder)
        assert f"other.yaml: is not the protocol that {made.path} was recorded with" in said
        assert f"was at {made.protocol}" in said
        assert "longest session" not in said
    assert not (folder / "sessions/sub-x").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--wait"], "--wait: is not possible with a recorded session as the rig"),
        (["--language", "en"], "--language: is not possible with a recorded session as the rig"),
    ],
)
def test_what_cannot_be_changed_any_more_is_refused(there, options: list[str], said: str) -> None:
    folder, made = there
    asked = ("record", made.protocol, "--rig", f"replay:{made.path}", "--subject", "x", *options)
    assert said in commands.refused(*asked, cwd=folder)


def test_a_session_with_several_runs_is_refused_until_one_is_named(there, tmp_path) -> None:
    """Which of them is not guessed."""
    _, made = there
    folder = tmp_path / "sub-001/ses-01"
    folder.mkdir(parents=True)
    for number in (1, 2):
        path = folder / f"sub-001_ses-01_run-{number:02d}_session.h5"
        path.write_bytes(made.path.read_bytes())
        with h5py.File(path, "r+") as file:
            file.attrs.update({"run": number, "run_id": number})
            checksums.note_attributes(file)
    with pytest.raises(UserError, match=r"has 2 runs.*run-01_session.h5, .*run-02_session.h5"):
        look_at_replay(f"replay:{folder}")
    assert look_at_replay(f"replay:{path}")[1].rig.box.port == f"replay:{path}"


@pytest.mark.parametrize("command", [("box", "ping"), ("cameras", "list")])
def test_what_needs_devices_is_refused(there, command: tuple[str, ...]) -> None:
    folder, made = there
    said = commands.refused(*command, "--rig", f"replay:{made.path}", cwd=folder)
    assert "means a recorded session; only with rig record and rig check" in said
