"""Changes the JSON texts inside a run file that is not closed, as another program or a bad disk might."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

Entries = list[Any]


def change_text(file: h5py.File, name: str, change: Callable[[Any], Any]) -> None:
    """Change what a text says: one of /config, or the names of the streams."""
    if name == "streams":
        file.attrs[name] = json.dumps(change(json.loads(file.attrs[name])))
        return
    value = json.loads(file[f"config/{name}"].asstr()[()])
    del file[f"config/{name}"]
    file[f"config/{name}"] = json.dumps(change(value))


def change_log(file: h5py.File, path: str, change: Callable[[Entries], None]) -> None:
    """Change the entries of a log in their list; how many there are stays."""
    rows, text = file[f"{path}/rows"][:], file[f"{path}/text"][:].tobytes()
    entries = [json.loads(text[int(row["offset"]) :][: int(row["length"])]) for row in rows if row["seq"]]
    change(entries)
    texts = [json.dumps(entry).encode() for entry in entries]
    rows["length"][: len(texts)] = [len(text) for text in texts]
    rows["offset"][: len(texts)] = np.cumsum([0, *(len(text) for text in texts)])[:-1]
    file[f"{path}/text"].resize(sum(map(len, texts)) + 1000, axis=0)
    file[f"{path}/text"][...] = np.frombuffer(b"".join(texts) + bytes(1000), np.uint8)
    file[f"{path}/rows"][...] = rows
