"""Writes the reference of rig.yaml and of protocols from the descriptions that stand beside the models' fields.

    python docs/generate.py

A test keeps the written pages current.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rig.config.model import Model
from rig.config.rig import Box, Camera, Faults, Rig, Screen, Simulation
from rig.elicitation.protocol import Baseline, Clip, ClipBlock, ElicitationProtocol, Instruction, Question, SelfReport

REFERENCE = Path(__file__).parent / "reference"
Part = tuple[str, type[Model]]

RIG_PAGE = """# rig.yaml
`calibration/<rig>/rig.yaml` says what is true of one physical rig. `rig check --rig <rig>` lists every mistake in it
with its line. Keys without a default must be there; a key that is not listed here is a mistake.
[How to describe your own rig](../how-to/describe-your-rig.md) goes through it step by step.
"""
RIG_PARTS: list[Part] = [
    ("The file", Rig),
    ("box", Box),
    ("cameras, one for each name", Camera),
    ("screen", Screen),
    ("simulation", Simulation),
    ("simulation.faults", Faults),
]
PROTOCOL_PAGE = """# Protocols
`protocols/<name>.yaml` says what happens to a participant. Keys without a default must be there; a key that is not
listed here is a mistake. `rig check PROTOCOL` lists every mistake with its line.
"""
PROTOCOL_PARTS: list[Part] = [
    ("The file", ElicitationProtocol),
    ("clips, one for each name", Clip),
    ("blocks: kind instruction (text until a key is pressed)", Instruction),
    ("blocks: kind baseline (a neutral screen of fixed length)", Baseline),
    ("blocks: kind clip (a film clip, played once)", ClipBlock),
    ("blocks: kind self-report (questions, each answered by one key)", SelfReport),
    ("questions of a self-report", Question),
]
YAML_PAGE = """
## What is read of YAML
UTF-8, at most 256 KiB. Keys, lists, text, decimal numbers, `true`, `false` and `null` (also an empty value). `no`,
`on`, `007` and `1_000` are text. Anchors, tags, a key written twice, `.nan`, `.inf`, a second document and nesting
deeper than 20 levels are mistakes, so that no file can mean something other than what it looks like.
"""


def pages() -> dict[Path, str]:
    """Every generated page and its text."""
    return {
        REFERENCE / "rig-yaml.md": page(RIG_PAGE, RIG_PARTS),
        REFERENCE / "protocol-yaml.md": page(PROTOCOL_PAGE, PROTOCOL_PARTS),
    }


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
    return "nothing" if info.default is None else f"`{info.default}`"


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text)
