"""Whole sessions with the firmware as their trigger box, in real time: one in order, one whose cable is pulled.

Times are the box's: 100 pulses a second. A busy machine makes all of it slow alike.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rig.session.layout import Outcome
from rig.session.run import Run
from rig.verify.findings import Finding, Word
from rig.verify.verdict import verify_run
from tests import commands
from tests.burnt_in import burnt_in_number
from tests.rigs import record, write_protocol, write_rig
from tests.trigger.firmware import proofs
from tests.trigger.firmware.simavr import LINE_PINS, Simavr

SECONDS, SESSIONS, LONG_S = 2, 5, 600  # it is ended sooner, on a machine that is as slow as you like
PULSES_S = 100
BY_WIRES = {"exposure time", "skew"}  # the scheduler holds up what wires of a simulated chip tell, not those of a box
WALKED = 3  # pulses of the line walk at HS
DIVISORS = {"HS": 1, "VIS": 4, "NIR": 4}


@contextmanager
def chip_as_box(folder: Path, seconds: int) -> Iterator[tuple[Simavr, Path, Path]]:
    """A chip with power, a small rig whose box it is, its wires at the simulated cameras and back, and a protocol."""
    wires = folder / "wires"
    with Simavr(folder, speed="real", leash_s=None, wires=wires) as chip:
        rig, protocol = write_rig(folder, seed=4), write_protocol(folder, ("still", seconds, "all"))
        box = f"port: {chip.port}, rate_hz: 100, inputs: {{HS: 0, VIS: 1, NIR: 2}}"
        text = rig.read_text().replace("port: sim://small, rate_hz: 100", box)
        rig.write_text(text.replace("seed: 4", f"seed: 4\n  wires: {wires}"))
        yield chip, rig, protocol


def line_with(process: subprocess.Popen[str], *words: str) -> str:
    """The next line of the recorder that holds all of these words."""
    assert process.stdout is not None
    while not all(word in (line := process.stdout.readline()) for word in words):
        assert line, process.stderr and process.stderr.read()
    return line


def sent_by(chip: Simavr) -> int:
    """Pulses of the recording run that were on the pins by now."""
    return len(proofs.rises_of(chip.edges(), LINE_PINS[0])) - WALKED


def frames_in(line: str) -> int:
    """How many frames of HS a status line tells of."""
    return int(line.split("HS ")[1].split()[0])


def findings(run: Run) -> dict[str, Finding]:
    """By check; of a check of each stream, that of HS."""
    return {finding.check: finding for finding in verify_run(run).findings if finding.stream in ("", "HS")}


def pictures_are_of_their_pulses(run: Run) -> bool:
    """By the number that the simulated camera burnt into each; some have no pulse, where the machine was held up."""
    return all(
        burnt_in_number(stream.data[i]) == number
        for stream in run.streams.values()
        for i, number in enumerate(stream.pulse_numbers.tolist())
        if number >= 0
    )


def recorded_with_chip(folder: Path) -> tuple[Path, int]:
    """The run file, and how many pulses the chip sent."""
    folder.mkdir()
    with chip_as_box(folder, SECONDS) as (chip, rig, protocol):
        return record(folder, rig, protocol, virtual=False).path, sent_by(chip)


def test_a_session_with_the_firmware_as_its_box_is_recorded_whole_and_verifies(tmp_path: Path) -> None:
    """All is real time here: the scheduler may hold up the chip, its wires or the cameras, which no real box is. Such a
    session fails by its own verdict where a pulse number is wrong; one of the first SESSIONS is whole.
    """
    said = []
    for number in range(SESSIONS):
        path, sent = recorded_with_chip(tmp_path / str(number))
        with Run(path) as run:
            verdict, is_whole = verify_run(run), is_recorded_whole(run, sent)
            are_right = pictures_are_of_their_pulses(run)
        failed = {finding.check for finding in verdict.findings if finding.word is Word.FAIL}
        assert are_right or "preamble" in failed
        said.append((is_whole, verdict.missing, failed))
        if is_whole and not verdict.missing and failed <= BY_WIRES:
            return
    raise AssertionError(said)


def is_recorded_whole(run: Run, sent: int) -> bool:
    """Every pulse that was on the pins was told of, and has its frames."""
    told = {name: stream.pulse_numbers.tolist() for name, stream in run.streams.items()}
    told["pulses"] = run.pulses["pulse_number"].tolist()
    due = {name: list(range(0, sent, DIVISORS.get(name, 1))) for name in told}
    return run.outcome is Outcome.FINISHED and sent >= SECONDS * PULSES_S and told == due


def test_a_cable_pulled_in_mid_session_is_named_and_frames_are_recorded_on(tmp_path: Path) -> None:
    with (
        chip_as_box(tmp_path, LONG_S) as (chip, rig, protocol),
        commands.started("record", protocol, "--rig", rig, "--subject", "001", cwd=tmp_path) as process,
    ):
        line_with(process, "1/1 still", "HS ")
        chip.unplug()
        sent_then = sent_by(chip)
        line = line_with(process, "ALARM", chip.port)
        while frames_in(line) < sent_then + 2 * PULSES_S:
            line = line_with(process, "HS ")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=commands.ENDS_WITHIN_S)
    assert process.returncode == 1
    (path,) = tmp_path.glob("sessions/sub-001/ses-01/*_session.h5")
    with Run(path) as run:
        assert run.outcome is Outcome.DEVICE_LOST
        last_told, found = int(run.pulses["pulse_number"][-1]), findings(run)
        assert last_told < sent_then
        assert run.streams["HS"].pulse_numbers.max() >= sent_then + PULSES_S
        assert pictures_are_of_their_pulses(run)
    missing = {"pulses", "box report", "exposures", "order"}
    assert {check for check in missing if found[check].word is Word.NOT_MEASURED} == missing
    assert f"the last pulse told of is {last_told}" in found["pulses"].text
    assert found["checksums"].word is Word.PASS
    assert chip.port in found["ending"].text
    verified = commands.run("verify", tmp_path / "sessions/sub-001/ses-01", cwd=tmp_path)
    assert verified.returncode != 0
    assert "NOT MEASURED" in verified.stdout
