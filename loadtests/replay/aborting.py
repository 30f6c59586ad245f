"""Rules that end a replay early: `errors>5%`, `checkout.errors>5%`, `checkout.p99>2s`; over 5 s, or `over 10s`.

Where so few requests end in that time that they say nothing, a rule looks back as far as it takes to have enough.

Each worker looks at what it sends itself; the first that finds a rule broken ends the replay.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from loadtests.records import MISSED, Endpoint
from sim.arrays import Column, Ints
from sim.errors import UsageError
from sim.orders.rules import SECOND_US

_RULE = re.compile(
    r"\s*(?:(?P<endpoint>[a-z]+)\.)?(?:(?P<errors>errors)|p(?P<percent>\d+(?:\.\d+)?))\s*>\s*"
    r"(?:(?P<share>\d+(?:\.\d+)?)\s*%|(?P<duration>[^%,]+?))\s*(?:(?:,\s*)?\bover\s+(?P<over>.+))?"
)
OVER_S = 5
#: Fewer requests than this say nothing.
LEAST = 20


@dataclass
class AbortRule:
    """A rule and the last seconds that it looks at."""

    text: str
    endpoint: Endpoint | None
    percent: float | None  # None: the share of errors
    bound: float  # a share, or microseconds
    over_s: int = OVER_S
    _seconds: deque[Column] = field(default_factory=deque)

    def forget(self) -> None:
        """Begin anew."""
        self._seconds.clear()

    def broken_by(self, second: Column, under_way: Iterable[tuple[int, int]] = ()) -> str:
        """Take one more second of records; return what broke the rule, or nothing.

        `under_way`: endpoint and age in microseconds of each request that waits for its answer. One that has waited for
        longer than the bound is over it, whenever it will end: a target that hangs ends nothing.
        """
        chosen = second["endpoint"] == self.endpoint if self.endpoint is not None else second["endpoint"] != _FOLLOW
        rows = second[chosen]
        missed = np.isin(rows["outcome"], MISSED)
        value = missed if self.percent is None else np.where(missed, _NEVER_US, rows["done_us"] - rows["due_us"])
        self._seconds.append(value)
        number = sum(map(len, self._seconds))
        while len(self._seconds) > self.over_s and number - len(self._seconds[0]) >= LEAST:
            number -= len(self._seconds.popleft())
        values = np.concatenate([*self._seconds, self._over(under_way)])
        if len(self._seconds) < self.over_s or len(values) < LEAST:
            return ""
        found = float(values.mean() if self.percent is None else np.percentile(values, self.percent, method="higher"))
        return f"{self.text}: {self._told(found)} over {len(self._seconds)} s" if found > self.bound else ""

    def _over(self, under_way: Iterable[tuple[int, int]]) -> Ints:
        if self.percent is None:
            return np.zeros(0, np.int64)
        ages = [age for endpoint, age in under_way if endpoint == self.endpoint and age > self.bound]
        return np.full(len(ages), _NEVER_US)

    def _told(self, found: float) -> str:
        if self.percent is None:
            return f"{found:.1%}"
        return "unanswered" if found >= _NEVER_US else f"{found / 1000:,.0f} ms"


_FOLLOW = Endpoint.FOLLOW
#: What was not answered took longer than any bound.
_NEVER_US = 1 << 60


def parse_rule(text: str) -> AbortRule:
    """The rule that a text says. Raises UsageError."""
    match = _RULE.fullmatch(text)
    name = match["endpoint"] if match else None
    if match is None or (name and name.upper() not in Endpoint.__members__) or (not match["errors"] and not name):
        raise UsageError(
            f"--abort-on {text!r}: write for example errors>5%, checkout.p99>2s or checkout.p99>2s over 10s"
        )
    if bool(match["share"]) != bool(match["errors"]):
        raise UsageError(f"--abort-on {text!r}: errors are compared with a percentage, response times with a duration")
    if match["percent"] and float(match["percent"]) > 100:
        raise UsageError(f"--abort-on {text!r}: a percentile is at most 100")
    over_us = _duration_us(match["over"], text) if match["over"] else OVER_S * SECOND_US
    if over_us % SECOND_US:
        raise UsageError(f"--abort-on {text!r}: it looks back whole seconds")
    bound = float(match["share"]) / 100 if match["share"] else float(_duration_us(match["duration"], text))
    return AbortRule(
        text,
        Endpoint[name.upper()] if name else None,
        float(match["percent"]) if match["percent"] else None,
        bound,
        max(1, over_us // SECOND_US),
    )


def _duration_us(duration: str, text: str) -> int:
    from sim.scenario.units import parse_duration_us  # here: workers without a rule need nothing of scenarios

    try:
        return parse_duration_us(duration)
    except ValueError as error:
        raise UsageError(f"--abort-on {text!r}: {error}") from error
