"""The keys `tolerances:` and `requires:` of rig.yaml and protocols: limits of the verdict, and the checks it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, create_model

from rig.config.judging import CHECK_NAMES, TOLERANCES, Tolerance
from rig.config.model import Model

LIMITS_IN_WORDS = "limits of the verdict that lie elsewhere than usual, name: limit; the verdict's page lists them"
REQUIRES_IN_WORDS = (
    "a list of checks of rig verify that must be measured for a session to be complete; without it those that the "
    "verdict's page marks as required"
)
_CHECK = f"a check of rig verify: {', '.join(CHECK_NAMES)}"
CheckName = Annotated[str, Field(pattern=f"^({'|'.join(CHECK_NAMES)})$", description=_CHECK)]


def _in_words(tolerance: Tolerance) -> str:
    return f"{tolerance.unit}, 0 to {tolerance.ceiling:g}, usually {tolerance.usual:g}: {tolerance.text}"


def _key(tolerance: Tolerance) -> Any:
    field = Field(default=None, ge=0, le=tolerance.ceiling, description=_in_words(tolerance))
    return (float | None, field)


if TYPE_CHECKING:

    class Tolerances(Model):
        """One key for each limit of TOLERANCES; none may lie above its ceiling."""

else:  # made from the table, so that a limit is written down once
    _keys = {name: _key(tolerance) for name, tolerance in TOLERANCES.items()}
    Tolerances = create_model("Tolerances", __base__=Model, __doc__="Limits of the verdict.", **_keys)
