"""Draws docs/how-to/viewer.jpg and labelling.jpg: the two pages as they are, on a session that it records.

python -m tests.web.montage
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

from bench.viewer import record
from tests.web.browser import Watched, chromium, opened, serving

FOLDER = Path(__file__).parents[2] / "docs" / "how-to"
PULSE = 330  # in the middle of the film
BROUGHT = "performance.getEntriesByType('resource').some(({ name }) => name.includes('/api/%s'))"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        session = record(Path(folder), "640x480").parent
        subprocess.run([sys.executable, "-m", "rig", "verify", session], check=True, stdout=subprocess.DEVNULL)
        draw(browser, session, "viewer", "replay")
        draw(browser, session, "labelling", "annotate", "--coder", "anna")


def draw(browser: Browser, session: Path, name: str, command: str, *options: str) -> None:
    with serving(command, session, *options, cwd=session) as (_, [address]), opened(browser, address.url) as page:
        if command == "annotate":
            label(page)
        page.go(1, PULSE)
        for what in ("motion",) if command == "annotate" else ("motion", "flips", "film"):
            page.until(BROUGHT % what)
        page.page.wait_for_timeout(500)  # until it is drawn
        picture = Image.open(io.BytesIO(page.page.screenshot()))
    picture.convert("RGB").save(FOLDER / f"{name}.jpg", quality=88, optimize=True)


def label(page: Watched) -> None:
    for first in (120, 250, PULSE):
        for key, pulse in (("1", first), ("2", first + 9), ("3", first + 26)):
            page.go(1, pulse)
            page.press(key)
        page.until("document.querySelector('.save-state').dataset.state === 'saved'")


if __name__ == "__main__":
    main()
