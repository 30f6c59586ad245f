"""Limits on metrics as they are written: `ldr <= 4 %`. Which metrics there are, only a run can tell."""

from __future__ import annotations

import re
from typing import NamedTuple

from sim.scenario.amounts import measure
from sim.scenario.texts import scalar

_LIMIT = re.compile(r"^\s*([\w.\-\[\]]+)\s*(<=|>=|=<|=>|<|>)\s*(.+?)\s*$")
FORM = "write METRIC<=VALUE or METRIC>=VALUE, such as 'ldr<=4 %' or 'fill_rate>=95 %'"


class Written(NamedTuple):
    """A limit taken apart: what people call the metric, whether it is an upper one, and its value as a text."""

    metric: str
    at_most: bool
    value: str


def take_limit(text: str) -> Written:
    """`ldr <= 4 %` taken apart. Raises ValueError for what has not this form."""
    match = _LIMIT.match(text)
    if match is None or measure(scalar(match[3])) is None:
        raise ValueError(FORM)
    return Written(match[1], "<" in match[2], match[3])
