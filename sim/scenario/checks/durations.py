"""Durations that could not be drawn as they are written: a column or a table of quantiles ends before they do.

A law that is cut where nobody said so has another mean than the file tells, so staffing and punctuality would be
planned on other numbers. What `at_most` cuts is cut as written.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

from sim.scenario.checks.findings import Finding, walk
from sim.scenario.checks.rows import mean_us
from sim.scenario.parts.base import Duration
from sim.scenario.quantiles import quantile_table
from sim.scenario.reading.nodes import Path
from sim.scenario.schema import Scenario
from sim.scenario.units import US_PER_S
from sim.scenario.writing.human import duration_text
from sim.special import special

#: Times of one request or one parcel are int32 microseconds in the trace (35 minutes).
LONGEST_WORK_US = 30 * 60 * US_PER_S
_COLUMN_US = 2**31 - 1
#: Other durations: quantile tables reach to 50 days.
LONGEST_TABLE_US = 50 * 86_400 * US_PER_S
#: Lognormals wider than this lose more than a hundredth of their mean in the tables that the trace is drawn from.
WIDEST_SIGMA = 3.0
_TOLERANCE = 0.01
#: Laws that are read from 1,025 quantiles (`sim.scenario.quantiles`), by the first key of their path.
_TABLES = ("after_sales", "lanes", "stock", "warehouses")


def check_durations(scenario: Scenario) -> Iterator[Finding]:
    """Findings on durations that are too long or too wide for where they are kept."""
    for path, part in walk(scenario):
        if isinstance(part, Duration) and not (path[0] == "stock" and part.dist == "constant"):
            limit_us = LONGEST_WORK_US if _is_work(path) else LONGEST_TABLE_US
            too_long = [
                Finding((*path, key), "too long", f"at most {duration_text(limit_us)}")
                for key, value_us in (("mean", part.mean_us), ("median", part.median_us), ("high", part.high_us))
                if value_us > limit_us
            ]
            yield from too_long or _cut(path, part)


def _is_work(path: Path) -> bool:
    """Whether a duration is drawn into one of the trace's int32 columns."""
    return (
        path[:2] in (("engine", "service"), ("confirmation", "work"))
        or path[0] == "fulfilment"
        or path[-1] == "latency"
    )


def _cut(path: Path, law: Duration) -> Iterator[Finding]:
    end_us = _COLUMN_US if _is_work(path) else LONGEST_TABLE_US
    if law.dist == "constant" or 0 < law.at_most_us <= end_us:
        return
    in_table = path[0] in _TABLES
    if not in_table and law.dist == "lognormal" and law.sigma > WIDEST_SIGMA:
        yield Finding((*path, "sigma"), "too wide to be drawn", f"at most {WIDEST_SIGMA:g}, or an `at_most` beside it")
    if not in_table and not _is_work(path):
        return  # its column holds centuries
    written_us = mean_us(law)
    drawn_us = _table_mean_us(law) if in_table else _cut_mean_us(law, end_us)
    if abs(drawn_us - written_us) > _TOLERANCE * written_us:
        message = f"its mean would be {_about(drawn_us)} instead of {_about(written_us)}"
        allowed = f"`at_most` where it ends, {duration_text(end_us // US_PER_S * US_PER_S)} or sooner, or a shorter law"
        yield Finding(path, message, allowed, "")


def _about(time_us: float) -> str:
    """A duration to about three digits."""
    unit_us = next(unit for unit in (60 * US_PER_S, US_PER_S, 1_000, 1) if time_us >= 100 * unit or unit == 1)
    return duration_text(round(time_us / unit_us) * unit_us) if time_us < 2**62 else f"{time_us / 86_400e6:.3g} days"


@lru_cache(maxsize=256)
def _table_mean_us(law: Duration) -> float:
    table = quantile_table(law)
    return float((table[1:] + table[:-1]).mean()) / 2


def _cut_mean_us(law: Duration, end_us: int) -> float:
    """The mean of what is drawn if all above `end_us` becomes that."""
    if law.dist == "exponential":
        return law.mean_us * -math.expm1(-end_us / max(law.mean_us, 1))
    if law.dist == "uniform":  # its end is checked
        return mean_us(law)
    if law.dist == "gamma":
        at = end_us * law.shape / max(law.mean_us, 1)
        return float(law.mean_us * special.gammainc(law.shape + 1, at) + end_us * special.gammaincc(law.shape, at))
    if law.median_us == 0:
        return 0.0
    z = math.log(end_us / law.median_us) / law.sigma
    return float(mean_us(law) * special.ndtr(z - law.sigma) + end_us * special.ndtr(-z))
