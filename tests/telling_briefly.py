"""The same as tests.telling, with a plan that is too short: the session goes on in a further file after 2 s."""

from __future__ import annotations

import pytest

from tests.short_plans import shorten_plans
from tests.telling import tell

if __name__ == "__main__":
    shorten_plans(pytest.MonkeyPatch())
    tell()
