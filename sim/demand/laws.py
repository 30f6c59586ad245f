"""Laws of durations with the closed forms that an M/G/inf room needs.

Times are floats in any one unit. `restricted_mean(x)` is E min(S, x), the integral of the survival function from
0 to x; `restricted_area(x)` is its integral, E[x S - S^2/2; S <= x] + x^2/2 P(S > x). With both, the number present is
exact for every arrival rate made of straight lines (`audience.mean_present`).
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sim.arrays import Floats
from sim.scenario.parts.base import Duration, Stay
from sim.special import special


class Law(Hashable, Protocol):
    """A law of non-negative durations."""

    def mean(self) -> float:
        """E S."""

    def restricted_mean(self, x: Floats) -> Floats:
        """E min(S, x) for x >= 0, same shape as x."""

    def restricted_area(self, x: Floats) -> Floats:
        """The integral of `restricted_mean` from 0 to x, same shape as x."""

    def quantile(self, p: Floats) -> Floats:
        """The p-quantile, infinite at 1 for unbounded laws."""


@dataclass(frozen=True)
class Uniform:
    """Uniform on [low, high]; `low == high` is a constant."""

    low: float
    high: float

    def mean(self) -> float:
        return (self.low + self.high) / 2

    def restricted_mean(self, x: Floats) -> Floats:
        over = np.maximum(np.minimum(x, self.high) - self.low, 0.0)
        return np.minimum(x, self.low) + over - self._squared(over) / 2

    def restricted_area(self, x: Floats) -> Floats:
        below, over = np.minimum(x, self.low), np.maximum(np.minimum(x, self.high) - self.low, 0.0)
        inside = self.low * over + over * over / 2 - self._squared(over) * over / 6
        return below * below / 2 + inside + np.maximum(x - self.high, 0.0) * self.mean()

    def _squared(self, over: Floats) -> Floats:
        width = self.high - self.low
        return over * over / width if width > 0 else 0.0 * over

    def quantile(self, p: Floats) -> Floats:
        return self.low + (self.high - self.low) * p


@dataclass(frozen=True)
class Exponential:
    """Exponential with mean `scale`."""

    scale: float

    def mean(self) -> float:
        return self.scale

    def restricted_mean(self, x: Floats) -> Floats:
        return -self.scale * np.expm1(-x / self.scale)

    def restricted_area(self, x: Floats) -> Floats:
        return self.scale * (x - self.restricted_mean(x))

    def quantile(self, p: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            return -self.scale * np.log1p(-p)


@dataclass(frozen=True)
class Lognormal:
    """exp(N(log median, sigma^2))."""

    median: float
    sigma: float

    def mean(self) -> float:
        return self.median * math.exp(self.sigma**2 / 2)

    def _z(self, x: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            return np.log(x / self.median) / self.sigma

    def restricted_mean(self, x: Floats) -> Floats:
        z = self._z(x)
        return np.asarray(self.mean() * special.ndtr(z - self.sigma) + x * special.ndtr(-z))

    def restricted_area(self, x: Floats) -> Floats:
        z, second = self._z(x), self.median**2 * math.exp(2 * self.sigma**2)
        first = x * self.mean() * special.ndtr(z - self.sigma)
        return np.asarray(first - second * special.ndtr(z - 2 * self.sigma) / 2 + x * x * special.ndtr(-z) / 2)

    def quantile(self, p: Floats) -> Floats:
        return np.asarray(self.median * np.exp(self.sigma * special.ndtri(p)))


@dataclass(frozen=True)
class Gamma:
    """Gamma with mean `average` and `shape`."""

    average: float
    shape: float

    def mean(self) -> float:
        return self.average

    def _parts(self, x: Floats) -> tuple[Floats, Floats, Floats]:
        y = x * self.shape / self.average
        second = self.average**2 * (1 + 1 / self.shape)
        return (
            special.gammaincc(self.shape, y),
            self.average * special.gammainc(self.shape + 1, y),
            second * special.gammainc(self.shape + 2, y),
        )

    def restricted_mean(self, x: Floats) -> Floats:
        beyond, first, _ = self._parts(x)
        return first + x * beyond

    def restricted_area(self, x: Floats) -> Floats:
        beyond, first, second = self._parts(x)
        return x * first - second / 2 + x * x * beyond / 2

    def quantile(self, p: Floats) -> Floats:
        return np.asarray(special.gammaincinv(self.shape, p) * self.average / self.shape)


@dataclass(frozen=True)
class Capped:
    """min(S, limit)."""

    law: Law
    limit: float

    def mean(self) -> float:
        return float(self.law.restricted_mean(np.array(self.limit)))

    def restricted_mean(self, x: Floats) -> Floats:
        return self.law.restricted_mean(np.minimum(x, self.limit))

    def restricted_area(self, x: Floats) -> Floats:
        return self.law.restricted_area(np.minimum(x, self.limit)) + np.maximum(x - self.limit, 0.0) * self.mean()

    def quantile(self, p: Floats) -> Floats:
        return np.minimum(self.law.quantile(p), self.limit)


@dataclass(frozen=True)
class Mixture:
    """With probability `share` the law `first`, otherwise `second`."""

    share: float
    first: Law
    second: Law

    def mean(self) -> float:
        return self.share * self.first.mean() + (1 - self.share) * self.second.mean()

    def restricted_mean(self, x: Floats) -> Floats:
        return self.share * self.first.restricted_mean(x) + (1 - self.share) * self.second.restricted_mean(x)

    def restricted_area(self, x: Floats) -> Floats:
        return self.share * self.first.restricted_area(x) + (1 - self.share) * self.second.restricted_area(x)

    def quantile(self, p: Floats) -> Floats:
        """Not in closed form: draw from one part or the other instead. Raises NotImplementedError."""
        raise NotImplementedError("a mixture is drawn part by part")


def from_duration(duration: Duration) -> Law:
    """The law, in microseconds, of a scenario's `Duration`."""
    law: Law
    match duration.dist:
        case "constant":
            law = Uniform(duration.mean_us, duration.mean_us)
        case "uniform":
            law = Uniform(duration.low_us, duration.high_us)
        case "exponential":
            law = Exponential(duration.mean_us)
        case "lognormal":
            law = Lognormal(duration.median_us, duration.sigma)
        case "gamma":
            law = Gamma(duration.mean_us, duration.shape)
    return Capped(law, duration.at_most_us) if duration.at_most_us else law


def from_stay(stay: Stay) -> Mixture:
    """The law, in microseconds, of a viewer's stay: a bounce or the law proper."""
    return Mixture(stay.bounce, Uniform(0.0, stay.bounce_within_us), from_duration(stay.law))
