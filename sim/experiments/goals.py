"""What a search is after: a metric as large (or small) as can be, and limits on others, such as `ldr <= 4 %`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sim.errors import UsageError
from sim.experiments.study_summary import METRIC
from sim.operations.punctuality import ON_TIME
from sim.scenario.amounts import measure
from sim.scenario.shape import suggestion
from sim.scenario.studies.limits import take_limit
from sim.scenario.texts import scalar
from sim.stats.intervals import mean

Values = Mapping[str, float]
#: What people call some metrics.
ALIASES = {
    "ldr": "late_dispatch.ldr_share",
    "otdr": ON_TIME,
    "fill_rate": "fill_rate_share",
    "contribution": METRIC,
}


class Limit(NamedTuple):
    """The mean of metric `path` stays at most, or at least, at `bound` (in the metric's unit)."""

    path: str
    at_most: bool
    bound: float
    text: str

    def excess(self, mean: float) -> float:
        """By how much a mean breaks the limit, as a share of its size; 0 or less where it holds."""
        over = mean - self.bound if self.at_most else self.bound - mean
        return over / (abs(self.bound) or 1.0)


@dataclass(frozen=True)
class Goal:
    """The metric sought, whether less of it is better, and the limits that have to hold."""

    metric: str
    least: bool = False
    limits: tuple[Limit, ...] = ()

    def gain(self, values: Values) -> float:
        """The metric so that more is better."""
        return -values[self.metric] if self.least else values[self.metric]

    def excess(self, replications: Sequence[Values]) -> list[float]:
        """By how much each limit is broken on average; a limit on what no replication has holds."""
        found = []
        for limit in self.limits:
            values = [each[limit.path] for each in replications if limit.path in each]
            found.append(limit.excess(mean(values)) if values else 0.0)
        return found

    def feasible(self, replications: Sequence[Values]) -> bool:
        """Whether every limit holds on average."""
        return all(each <= 0 for each in self.excess(replications))


def metric_path(text: str, known: Collection[str], option: str) -> str:
    """The dotted path that `text` means: an alias, a path, or the last word of one alone. Raises UsageError."""
    name = ALIASES.get(text.strip().lower(), text.strip())
    ends = [path for path in known if _last(path) == name or _last(path).rpartition("_")[0] == name]
    if name in known:
        return name
    if len(ends) == 1:
        return ends[0]
    raise UsageError(f"{option}: {text.strip()!r} is no metric of every run{suggestion(name, sorted(known))}")


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def parse_limit(text: str, known: Collection[str], currency: str) -> Limit:
    """`ldr <= 4 %` as a limit on one of the `known` metrics. Raises UsageError."""
    option = f"--subject-to {text!r}"
    try:
        written = take_limit(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
    path = metric_path(written.metric, known, option)
    return Limit(path, written.at_most, _bound(written.value, path, currency, option), text.strip())


def _bound(text: str, path: str, currency: str, option: str) -> float:
    value = scalar(text)
    if isinstance(value, int | float):
        return float(value)
    measured = measure(text)
    unit = {"_share": "share", "_us": "us", "_minor": currency}.get(re.sub(r"^.*(?=_)", "", path), "")
    if measured is None or measured[0] != unit:
        forms = {"share": "4 % or 0.04", "us": "500ms or 2h", currency: f"500 {currency}"}
        raise UsageError(f"{option}: the value of {path} is written {forms.get(unit, 'as a number')}")
    return measured[1]
