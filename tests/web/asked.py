"""Asks the server of a page without a socket, and takes its packets of pictures apart by their description alone."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import httpx
import numpy as np
from starlette.types import ASGIApp

SERVER = "http://127.0.0.1:8000"
TOKEN = "token"
T = TypeVar("T")
PIXEL = {"grey8": ("u1", ()), "grey16": ("<u2", ()), "rgb8": ("u1", (3,))}


def ask(app: ASGIApp, path: str, method: str = "GET", *, base: str = SERVER, **options: Any) -> httpx.Response:
    """The answer; by default of who has been here before."""
    options.setdefault("cookies", {"rig-8000": TOKEN})

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        cookies = options.pop("cookies")
        async with httpx.AsyncClient(transport=transport, base_url=base, cookies=cookies) as client:
            return await client.request(method, path, **options)

    return run(asked())


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """In a thread of its own: Playwright's own loop may be at work in this one (conftest.py)."""
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(asyncio.run, coroutine).result()


def told(app: ASGIApp, path: str) -> Any:
    """The JSON of a good answer."""
    answer = ask(app, path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(app: ASGIApp, path: str) -> str:
    """Why it is answered with 400."""
    answer = ask(app, path)
    assert answer.status_code == 400, answer.text
    return str(answer.json()["error"])


def pictures(app: ASGIApp, query: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The moments of a packet, and by key its pictures as arrays; a JPEG stays bytes."""
    answer = ask(app, f"/api/pictures?{query}")
    assert answer.status_code == 200, answer.text
    packet = answer.content
    [length] = struct.unpack_from("<I", packet)
    assert (4 + length) % 8 == 0
    header, payload = json.loads(packet[4 : 4 + length]), packet[4 + length :]
    assert sum(-(-entry["bytes"] // 8) * 8 for entry in header["pictures"]) == len(payload)
    return header["moments"], {entry["key"]: _picture(entry, payload) for entry in header["pictures"]}


def _picture(entry: dict[str, Any], payload: bytes) -> Any:
    assert entry["at"] % 8 == 0
    data = payload[entry["at"] :][: entry["bytes"]]
    if entry["kind"] == "jpeg":
        return data
    dtype, colours = PIXEL[entry["kind"]]
    return np.frombuffer(data, dtype).reshape(entry["height"], entry["width"], *colours)
