"""Writes what the reference takes from the code: keys of rig.yaml and protocols, rows of a run file, options.

    python docs/generate.py

rig-yaml.md, protocol-yaml.md and the schemas are written whole. session-file.md, command-line.md and verdict.md are
written by people, all but the parts between `<!-- generated: NAME -->` and `<!-- end -->`; so is
rig/session/session-file.json, the description of a run file, all but its `rows` and `words`. A test keeps them all
current.
"""

from __future__ import annotations

import inspect
import json
import re
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from typer.main import get_command

from rig import streams
from rig.cli.app import app
from rig.config.judging import TOLERANCES
from rig.config.model import Model
from rig.config.rig import Box, Camera, Faults, Rig, Screen, SimulatedLeds, SimulatedSensor, Simulation
from rig.config.schema import schema_of
from rig.elicitation import blocks, questions
from rig.elicitation.order import Order
from rig.elicitation.protocol import ElicitationProtocol, Operator, Stakes, StatementsFile, Withdrawal
from rig.session import layout
from rig.verify.verdict import CHECKS
from rig.verify.verdict_file import FindingEntry, VerdictFile

REFERENCE = Path(__file__).parent / "reference"
DESCRIPTION = Path(layout.__file__).with_name("session-file.json")
Part = tuple[str, type[Model]]

RIG_PAGE = """# rig.yaml
`calibration/<rig>/rig.yaml` says what is true of one physical rig. `rig check --rig <rig>` lists every mistake in it
with its line. Keys without a default must be there; a key that is not listed here is a mistake.
[How to describe your own rig](../how-to/describe-your-rig.md) goes through it step by step. Editors complete it by
[its schema](schema/rig.schema.json).

What must fit together, besides each key by itself:
- Every camera has a trigger line of its own, and one has divisor 1: `rate_hz` is the rate of the fastest camera.
- All divisors meet again (their least common multiple) after at most 255 pulses and at most 0.255 s: the frames of
  the preamble wait in the cameras' buffers for its end, 7 times as long. The box may allow less; ours counts to 64. So
  at 100 Hz the highest divisor is 25, and 255 is possible only at 1000 Hz.
- Simulated cameras go with a `sim://` box or `wires`, those of the maker's emulation with a `sim://` box, real ones
  with a real box. So a rig is simulated or real, never half of each. Only the emulation has `trigger_source: Software`.
- Within the base period (1 / `rate_hz`) all pulses begin together; their ends and the change of the LEDs lie at least
  32 us before its end, and are the same or at least 32 us apart.
- `features` names nothing that has a key of its own (`Width` is `width`), and neither `TriggerMode`, `TriggerSelector`
  nor `AcquisitionMode`, which the rig sets itself.
- An exposure ends 100 us before the camera's next pulse; with ghosts before the ghost half-way to it.
- The buffers of all simulated cameras together, of 4 s and 16 frames at least, take no more than 4 GiB.
- Faults find a place each: the pulses of each camera from `first_pulse` to `last_pulse`; so do `dropped_bytes`.
- Faults that name a camera name one of the rig. Sync LEDs with a place (`leds`) lie in the picture. `loop_back` is an
  input that nothing else is wired to.
- `wires` goes with a port that is not `sim://`, and then without `loop_back` and faults of the simulated box.
"""
RIG_PARTS: list[Part] = [
    ("The file", Rig),
    ("box", Box),
    ("cameras, one for each name", Camera),
    ("simulated, of a simulated camera", SimulatedSensor),
    ("leds, of what a simulated camera is", SimulatedLeds),
    ("screen", Screen),
    ("simulation", Simulation),
    ("simulation.faults", Faults),
]
PROTOCOL_PAGE = """# Protocols
`protocols/<name>.yaml` says what happens to a participant. Keys without a default must be there; a key that is not
listed here is a mistake. `rig check PROTOCOL` lists every mistake with its line.
[How to write a protocol](../how-to/write-a-protocol.md) goes through it step by step. Editors complete it by
[its schema](schema/protocol.schema.json).

What must fit together, besides each key by itself:
- Every block and question has a name of its own; a question's begins with its block's (`report-felt`). In trials the
  number of the trial stands before it (`trial03-report-felt`), so no name tells which clip was shown. Names that the
  program gives (`trial01-...`, `...-page1`, `...-break1`, `...-001`, `withdrawn`) are not to be had.
- A text in several languages has all of `languages`, and no other. Two answers of a question are not stored alike.
- A clip has `file` and `sha256`, or neither until it is imported; `out_s` lies behind `in_s`.
- Trials show clips of this protocol, each once, at most 64, in one block of the kind clip; elsewhere such a block names
  its clip. Tailored trials come on a later visit than the questionnaire that they go by, which asks what clips name as
  `fits` on a scale.
- The rules of `order` can hold together in all trials.
- Where the operator guesses, or something is at stake, `operator.guesses` says what can be guessed; every `target` is
  one of it. `stakes.kind` penalty goes with a block of the kind penalty, whose `cap` is not above its questions; pay
  with `start`, `each` and `unit`. Only then a text says `{pay}`, and `{caught}` only with `operator.guesses`. Other
  braces, or these two with blanks in them, stand in no text.
- A questionnaire has `questions`, or `statements` or a `statements_file` with a `scale`; `break_every` goes with
  `break_text`. A wash-out has `seconds`, or `key` and `max_seconds`.
- An answer of a consent must be left that does not decline. The key of withdrawal does nothing else: so it is not space
  where a block goes on by it, written or not, nor ends a break; with `ask` it is neither `1` nor `2`; and it is escape
  in a protocol with scales, manikins or free text. `withdrawal.ask` goes with `question`, `keep` and `delete`.
- A file of statements lies beside the protocol, or in a folder there.
- Each visit up to the last has a block.
"""
PROTOCOL_PARTS: list[Part] = [
    ("The file", ElicitationProtocol),
    ("clips, one for each name", blocks.Clip),
    ("order", Order),
    ("withdrawal", Withdrawal),
    ("stakes", Stakes),
    ("operator", Operator),
    ("blocks: kind consent (the participant agrees, or the session ends)", blocks.Consent),
    ("blocks: kind instruction (text until a key is pressed)", blocks.Instruction),
    ("blocks: kind questionnaire (many questions, page after page)", blocks.Questionnaire),
    ("blocks: kind baseline (a neutral screen of fixed length)", blocks.Baseline),
    ("blocks: kind clip (a film clip, played once)", blocks.ClipBlock),
    ("blocks: kind self-report (questions after a clip)", blocks.SelfReport),
    ("blocks: kind wash-out (a pause in which a feeling fades)", blocks.WashOut),
    ("blocks: kind guess (time for the operator to guess)", blocks.Guess),
    ("blocks: kind penalty (a questionnaire for who is found out)", blocks.Penalty),
    ("blocks: kind debrief (what it was all about)", blocks.Debrief),
    ("blocks: kind break (a rest)", blocks.Break),
    ("blocks: kind marker (a moment with a name)", blocks.Marker),
    ("blocks: kind trials (the same blocks for each clip)", blocks.Trials),
    ("clips of trials that are tailored", blocks.Tailored),
    ("questions: kind choice", questions.ChoiceQuestion),
    ("questions: kind scale", questions.ScaleQuestion),
    ("questions: kind sam (manikins)", questions.SamQuestion),
    ("questions: kind text (words of the participant's own)", questions.TextQuestion),
    ("scale of statements", questions.Points),
    ("a file of statements", StatementsFile),
]
YAML_PAGE = """
## What is read of YAML
UTF-8, at most 256 KiB. Keys, lists, text, decimal numbers, `true`, `false` and `null` (also an empty value). `no`,
`on`, `007` and `1_000` are text. Anchors, tags, a key written twice, `.nan`, `.inf`, a second document and nesting
deeper than 20 levels are mistakes, so that no file can mean something other than what it looks like.
"""

# Row types of a run file: what a row is.
ROWS = {
    "FRAME": "a picture",
    "PULSE": "a trigger pulse that the box says it sent",
    "EDGE": "a change at an input of the box",
    "FLIP": "a refresh of the participant's screen",
    "GAP": "pulses of one stream without a frame",
    "EXTRA": "a frame that no pulse explains, or of which nobody knows whose pulse it is",
    "NOT_STORED": "pulses whose frames were not kept, because the protocol said so",
    "TRIAL": "a step on the screen: a row when it began, another when it ended",
    "CLOCK_PAIR": "another clock read between two readings of the host clock",
    "BOX_STATUS": "how the box says it is",
    "PACKED": "where the payload of a compressed picture lies, until the file is closed",
    "TEXT": "where one JSON object lies in the text beside the rows",
    "SYNC": "a request to the disk and its answer",
    "QUEUE": "frames of one stream that wait for the disk",
    "DISK": "what the disk took, and how long it needed",
}
ENUMS = (streams.Evidence, streams.Status, streams.GapCause, layout.Outcome)
# Unit and clock of fields; those whose name ends in _ns are host clock.
UNITS = {
    "camera_ticks": "ticks, camera's clock",
    "box_ticks": "ticks of 0.5 us, box clock",
    "exposure_us": "us",
    "screen_s": "s, stimulus clock",
    "pts_s": "s, film time",
    "reading": "ticks (box) or ns, that clock",
    "reading_end": "ticks (box) or ns, that clock",
    "length": "bytes",
    "offset": "bytes",
}
# For fields whose name says all to a programmer.
MEANINGS = {
    "seq": "index + 1; 0: not written yet",
    "run_id": "the box run that it is of",
    "pulse_number": "from 0 in each box run",
    "box_ticks": "when, unwrapped",
    "arrived_host_ns": "when it reached the recorder",
    "flip_number": "from 0, over the whole run",
    "first_pulse": "first pulse of the interval",
    "last_pulse": "last pulse of the interval, included",
    "epoch": "arm of the camera",
    "frame_number": "the camera's own, raw",
    "camera_ticks": "start of exposure, raw",
    "line_status": "as the camera reports it, raw",
    "stream": "name of the stream",
    "reason": "why",
    "step": "index into /config/steps",
    "onset_host_ns": "first flip of the step",
    "host_before_ns": "just before the other clock was read",
    "host_after_ns": "just after",
    "length": "of its JSON",
    "host_ns": "when it was written down",
    "started_host_ns": "when the sync was asked for",
    "returned_host_ns": "when the disk had it",
}


def pages() -> dict[Path, str]:
    """Every generated page and its text."""
    return {
        REFERENCE / "rig-yaml.md": page(RIG_PAGE, RIG_PARTS),
        REFERENCE / "protocol-yaml.md": page(PROTOCOL_PAGE, PROTOCOL_PARTS),
        DESCRIPTION: json.dumps(description(), indent=1, ensure_ascii=False) + "\n",
        REFERENCE / "session-file.md": filled(REFERENCE / "session-file.md", file_parts()),
        REFERENCE / "command-line.md": filled(REFERENCE / "command-line.md", command_parts()),
        REFERENCE / "verdict.md": filled(REFERENCE / "verdict.md", verdict_parts()),
        REFERENCE / "schema/rig.schema.json": schema(Rig),
        REFERENCE / "schema/protocol.schema.json": schema(ElicitationProtocol),
        REFERENCE / "schema/verdict.schema.json": schema(VerdictFile),
    }


def schema(model: type[Model]) -> str:
    """What editors complete a file by, or programs check one by."""
    return json.dumps(schema_of(model), indent=1) + "\n"


def filled(path: Path, parts: dict[str, str]) -> str:
    """The page with its generated parts new. Raises KeyError for a part that it asks for or lacks."""
    text = path.read_text()
    found = re.findall(r"<!-- generated: (.+?) -->", text)
    if sorted(found) != sorted(parts):
        raise KeyError(f"{path.name} has other parts than there are: {set(found) ^ set(parts)}")
    between = r"(<!-- generated: (.+?) -->\n).*?(<!-- end -->)"
    return re.sub(between, lambda m: m[1] + parts[m[2]] + m[3], text, flags=re.DOTALL)


def description() -> dict[str, Any]:
    """The description of a run file as it should be."""
    written = json.loads(DESCRIPTION.read_text())
    rows = {name: {"what": what, "fields": fields(name)} for name, what in ROWS.items()}
    return written | {"rows": rows, "words": {enum.__name__: words(enum) for enum in ENUMS}}


def file_parts() -> dict[str, str]:
    """Tables of the page about run files, from their description."""
    said = description()
    parts = {"datasets": datasets(said["objects"]), "attributes": attributes(said["objects"], said["every"])}
    parts |= {"log": log(said["log"])}
    parts |= {name: field_table(row["fields"]) for name, row in said["rows"].items()}
    return parts | {name: word_table(values) for name, values in said["words"].items()}


def datasets(objects: dict[str, Any]) -> str:
    """Every group and dataset."""
    rows = ["| path | what it is | what it holds |\n|---|---|---|\n"]
    for path, entry in objects.items():
        only = f". Only {entry['optional']}" if "optional" in entry else ""
        rows.append(f"| `{path}` | {kind(entry)} | {entry['what']}{only} |\n")
    return "".join(rows)


def kind(entry: dict[str, Any]) -> str:
    match entry["kind"]:
        case "table":
            return f"rows of [{entry['rows']}](#{entry['rows'].lower()})"
        case "pictures":
            return "[pictures](#pictures)"
        case "bytes":
            return "uint8 (n,)"
        case "array":
            return f"{np.dtype(entry['type']).name} (n,), {entry['unit']}, {entry['clock']}"
    return str(entry["kind"])


def attributes(objects: dict[str, Any], every: dict[str, Any]) -> str:
    """The attributes of every group and dataset, last those that all datasets of a kind have."""
    rows = ["| of | attribute | type | what it says |\n|---|---|---|---|\n"]
    for path, entry in objects.items():
        for name, said in entry.get("attributes", {}).items():
            what = ", ".join([said["what"], *unit_of(said)])
            what += f". Only {said['optional']}" if "optional" in said else ""
            rows.append(f"| `{path}` | `{name}` | {said['type']} | {what} |\n")
    for name, said in every.items():
        rows.append(f"| each {', '.join(said['kinds'])} | `{name}` | {said['type']} | {said['what']} |\n")
    return "".join(rows)


def unit_of(said: dict[str, Any]) -> list[str]:
    return [said[key] for key in ("unit", "clock") if said.get(key)]


def log(entries: dict[str, Any]) -> str:
    """The kinds of log entries, each with its fields."""
    rows = ["| log entry | field | type | unit and clock | meaning |\n|---|---|---|---|---|\n"]
    for kind_of_entry, said in entries.items():
        rows.append(f"| `{kind_of_entry}` | | | | {said['what']} |\n")
        rows += [f"| | {log_field(each)} |\n" for each in said["fields"]]
    return "".join(rows)


def log_field(said: dict[str, Any]) -> str:
    only = f". Only {said['optional']}" if "optional" in said else ""
    return f"`{said['name']}` | {said['type']} | {', '.join(unit_of(said))} | {said['what']}{only}"


def comments(source: Path, name: str) -> dict[str, str]:
    """The comments behind the lines of `NAME = np.dtype([` or `class NAME`, by field or member."""
    block = re.search(rf"^(?:{name} = np.dtype\(|class {name}\().*?^(?=\S)(?!\))", source.read_text(), re.M | re.S)
    assert block is not None, name
    lines = re.findall(r"^\s+(?:\(\"(\w+)\"|([A-Z_]+) =)[^#\n]*(?:# (.*))?$", block[0], re.M)
    return {field or member: comment for field, member, comment in lines}


def fields(name: str) -> list[dict[str, Any]]:
    """The fields of a row type: from its dtype, the comments behind them, and what is said above."""
    dtype, said = getattr(streams, name), comments(Path(streams.__file__), name)
    assert dtype.names is not None
    return [field(each, dtype[each], said[each] or MEANINGS[each]) for each in dtype.names]


def field(name: str, dtype: np.dtype[Any], meaning: str) -> dict[str, Any]:
    element, shape = dtype.subdtype or (dtype, ())
    unit, _, clock = unit_and_clock(name).partition(", ")
    described = {"name": name, "type": element.str} | ({"shape": list(shape)} if shape else {})
    return described | {"unit": unit, "clock": clock, "what": meaning}


def unit_and_clock(name: str) -> str:
    """The unit of a field, and its clock; mostly its name tells them."""
    if name in UNITS or not name.endswith("_ns"):
        return UNITS.get(name, "bytes" if name.endswith("_bytes") else "")
    return "ns, host clock" if "host" in name else "ns"


def field_table(described: list[dict[str, Any]]) -> str:
    """The fields of a row type, for people."""
    rows = ["| field | type | unit and clock | meaning |\n|---|---|---|---|\n"]
    for each in described:
        unit, what = ", ".join(unit_of(each)), each["what"].replace("|", "/")
        rows.append(f"| `{each['name']}` | {type_word(each)} | {unit} | {what} |\n")
    return "".join(rows)


def type_word(described: dict[str, Any]) -> str:
    dtype = np.dtype(described["type"])
    word = f"text, {dtype.itemsize} bytes" if dtype.kind == "S" else dtype.name
    return f"{word} × {described['shape'][0]}" if "shape" in described else word


def words(enum: type[Enum]) -> list[dict[str, Any]]:
    """What each value of an enumeration means."""
    said = comments(Path(inspect.getfile(enum)), enum.__name__)
    if issubclass(enum, str):
        return [{"value": m.value, "what": said[m.name]} for m in enum]
    return [{"value": m.value, "name": m.name.lower().replace("_", " "), "what": said[m.name]} for m in enum]


def word_table(values: list[dict[str, Any]]) -> str:
    """The same for people."""
    if "name" not in values[0]:
        return "| value | meaning |\n|---|---|\n" + "".join(f"| `{v['value']}` | {v['what']} |\n" for v in values)
    rows = "".join(f"| {v['value']} | {v['name']} | {v['what']} |\n" for v in values)
    return "| value | name | meaning |\n|---|---|---|\n" + rows


def command_parts(group: Any = None, prefix: str = "") -> dict[str, str]:
    """The arguments and options of every command, those of a group named as one types them, e.g. `box ping`."""
    parts = {}
    for name, command in (group or get_command(app)).commands.items():
        inner = command_parts(command, f"{prefix}{name} ") if hasattr(command, "commands") else None
        parts |= {f"{prefix}{name}": options(command)} if inner is None else inner
    return parts


def options(command: Any) -> str:
    rows = ["| option | default | meaning |\n|---|---|---|\n"]
    for option in command.params:
        spelled = " ".join(f"`{opt}`" for opt in [*option.opts, *option.secondary_opts])
        if not option.opts[0].startswith("-"):
            spelled = (
                f"{(option.metavar or option.name.upper()).replace('|', ' or ')}{'...' if option.nargs < 0 else ''}"
            )
        rows.append(f"| {spelled} | {option_default(option)} | {option.help} |\n")
    return "".join(rows)


def option_default(option: Any) -> str:
    if option.required:
        return "must be given"
    if isinstance(option.default, Enum):
        allowed = ", ".join(str(value.value) for value in type(option.default))
        return f"`{option.default.value}` (of {allowed})"
    if isinstance(option.default, bool):
        return f"`{option.opts[0]}`" if option.default else "off"
    return "" if option.default is None else f"`{option.default}`"


def verdict_parts() -> dict[str, str]:
    """Tables of the page about verdicts: why each check matters, limits, and the keys of the file."""
    keys: dict[str, type[Model]] = {"keys": VerdictFile, "keys of a finding": FindingEntry}
    return {"why": why(), "tolerances": tolerances()} | {name: json_keys(model) for name, model in keys.items()}


def why() -> str:
    """Each check, what its value counts, what it needs, and why it matters."""
    rows = ["| name | `value` | why it matters |\n|---|---|---|\n"]
    for check in CHECKS:
        needs = f" Required only with {check.needs}." if check.needs else ""
        rows.append(f"| {check.name} | {check.unit or 'none'} | {check.why}{needs} |\n")
    return "".join(rows)


def tolerances() -> str:
    """The limits that a lab may set."""
    rows = ["| key | unit | usual | ceiling | what it limits |\n|---|---|---|---|---|\n"]
    for name, each in TOLERANCES.items():
        rows.append(f"| `{name}` | {each.unit} | {each.usual:g} | {each.ceiling:g} | {each.text} |\n")
    return "".join(rows)


def json_keys(model: type[Model]) -> str:
    """The keys of a JSON object, for people."""
    rows = ["| key | type | what it says |\n|---|---|---|\n"]
    for name, said in model.model_json_schema()["properties"].items():
        rows.append(f"| `{name}` | {json_type(said)} | {said['description']} |\n")
    return "".join(rows)


def json_type(said: dict[str, Any]) -> str:
    """In the words of people who write no programs."""
    if "anyOf" in said:
        return " or ".join(dict.fromkeys(json_type(member) for member in said["anyOf"]))
    if said["type"] == "array":
        inner = json_type(said["items"]) if "type" in said["items"] else "object"
        return "list of " + (f"lists{inner[4:]}" if inner.startswith("list") else f"{inner}s")
    words = {"string": "text", "integer": "number", "boolean": "true or false"}
    return words.get(said["type"], str(said["type"]))


def page(head: str, parts: list[Part]) -> str:
    return head + "".join(table(title, model) for title, model in parts) + YAML_PAGE


def table(title: str, model: type[Model]) -> str:
    rows = [f"\n## {title}\n", "| key | default | what is allowed |\n|---|---|---|\n"]
    for name, info in model.model_fields.items():
        what = (info.description or "").replace("|", "/")
        rows.append(f"| `{info.alias or name}` | {default(info)} | {what} |\n")
    return "".join(rows)


def default(info: Any) -> str:
    if info.is_required():
        return ""
    if info.default_factory is not None:
        return "none given"
    if info.default is None:
        return "nothing"
    # As YAML writes it.
    text = str(info.default).lower() if isinstance(info.default, bool) else str(info.default).replace("'", "")
    return f"`{text}`"


if __name__ == "__main__":
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
