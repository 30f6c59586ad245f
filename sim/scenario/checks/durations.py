"""Durations that could not be drawn as they are written: a column or a table of quantiles ends before they do.

A law that is cut where nobody said so has another mean than the file tells, so staffing and punctuality would be
planned on other numbers. What `at_most` cuts is cut as written.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import NormalDist

from sim.scenario.checks.findings import Finding, walk
from sim.scenario.checks.rows import mean_us
from sim.scenario.parts.base import Duration
from sim.scenario.reading.nodes import Path
from sim.scenario.schema import Scenario
from sim.scenario.units import US_PER_DAY, US_PER_MIN, US_PER_S
from sim.scenario.writing.human import duration_text

#: Times of one request or one parcel are int32 microseconds in the trace (35 minutes).
_COLUMN_US = 2**31 - 1
#: Other durations: quantile tables reach to 50 days.
LONGEST_TABLE_US = 50 * US_PER_DAY
#: Lognormals wider than these lose more than a hundredth of their mean in their tables: of 1,025 quantiles where they
#: are read in a run (`sim.scenario.quantiles`; by the first key of their path), finer ones where the trace is drawn.
_WIDEST_SIGMA, _WIDEST_DRAWN_SIGMA = 2.4, 3.0
_IN_A_RUN = ("after_sales", "lanes", "stock", "warehouses")
_TOLERANCE = 0.01


def check_durations(scenario: Scenario) -> Iterator[Finding]:
    """Findings on durations that are too long or too wide for where they are kept."""
    for path, part in walk(scenario):
        if isinstance(part, Duration) and not _has_no_end(path, part):
            end_us = _COLUMN_US if _is_work(path) else LONGEST_TABLE_US
            if not 0 < part.at_most_us <= end_us:
                yield from _too_long(path, part, end_us) or _cut(path, part, end_us)


def _has_no_end(path: Path, law: Duration) -> bool:
    """Of stays only closed forms are used, constant lead times are added as they are."""
    return path[-2:] == ("stay", "law") or (path[0] == "stock" and law.dist == "constant")


def _too_long(path: Path, law: Duration, end_us: int) -> list[Finding]:
    """What has an end above `end_us`. Where columns hold centuries means and medians may be as long as a table too."""
    told: tuple[str, ...] = {"constant": ("mean",), "uniform": ("high",)}.get(law.dist, ())
    if not told and path[0] not in _IN_A_RUN and not _is_work(path):
        told = ("mean", "median")
    values_us = {"mean": law.mean_us, "median": law.median_us, "high": law.high_us}
    allowed = f"at most {_end(end_us)}" + ("" if law.dist == "constant" else ", or an `at_most` beside it")
    return [Finding((*path, key), "too long", allowed) for key in told if values_us[key] > end_us]


def _is_work(path: Path) -> bool:
    """Whether a duration is drawn into one of the trace's int32 columns."""
    return (
        path[:2] in (("engine", "service"), ("confirmation", "work"))
        or path[0] == "fulfilment"
        or path[-1] == "latency"
    )


def _cut(path: Path, law: Duration, end_us: int) -> Iterator[Finding]:
    in_a_run = path[0] in _IN_A_RUN
    widest = _WIDEST_SIGMA if in_a_run else _WIDEST_DRAWN_SIGMA
    if law.dist == "lognormal" and law.sigma > widest:
        yield Finding((*path, "sigma"), "too wide to be drawn", f"at most {widest:g}, or an `at_most` beside it")
    elif law.dist != "constant" and (in_a_run or _is_work(path)):  # what else there is has columns that hold centuries
        written_us, drawn_us = mean_us(law), _cut_mean_us(law, end_us)
        if drawn_us < (1 - _TOLERANCE) * written_us:
            message = f"its mean would be {_about(drawn_us)} instead of {_about(written_us)}"
            yield Finding(path, message, f"`at_most` where it ends, {_end(end_us)} or sooner, or a shorter law", "")


def _end(end_us: int) -> str:
    """An end in whole seconds."""
    return duration_text(end_us // US_PER_S * US_PER_S)


def _about(time_us: float) -> str:
    """A duration to about three digits."""
    unit_us = next(unit for unit in (US_PER_MIN, US_PER_S, 1_000, 1) if time_us >= 100 * unit or unit == 1)
    return duration_text(round(time_us / unit_us) * unit_us)


def _cut_mean_us(law: Duration, end_us: int) -> float:
    """The mean of what is drawn if all above `end_us` becomes that."""
    if law.dist == "uniform" or mean_us(law) == 0:  # its end is checked
        return mean_us(law)
    if law.dist == "exponential":
        return law.mean_us * -math.expm1(-end_us / law.mean_us)
    if law.dist == "gamma":
        return _cut_gamma_us(law, end_us)
    normal, z = NormalDist(), math.log(end_us / law.median_us) / law.sigma
    return mean_us(law) * normal.cdf(z - law.sigma) + end_us * normal.cdf(-z)


def _cut_gamma_us(law: Duration, end_us: int) -> float:
    at, shape = end_us * law.shape / law.mean_us, law.shape + 1
    if at > shape and math.log(at / shape) * shape - at + shape < math.log(_TOLERANCE / 10):
        return float(law.mean_us)  # Chernoff's bound of what is lost: as a rule no library need be loaded
    from sim.special import special

    return float(law.mean_us * special.gammainc(shape, at) + end_us * special.gammaincc(law.shape, at))
