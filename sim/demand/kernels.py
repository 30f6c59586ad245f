"""When a view makes re-shares: densities of the delay from parent to child, all of mass 1.

Times are floats in any one unit. Each kernel has the closed forms that simulation (quantiles) and the renewal equation
(distribution function and its integral) need.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sim.arrays import Floats
from sim.demand.laws import Exponential
from sim.scenario.parts.programme import Kernel as KernelPart


class Kernel(Hashable, Protocol):
    """A density of delays."""

    def density(self, t: Floats) -> Floats:
        """Per unit of time, for t >= 0."""

    def mass(self, t: Floats) -> Floats:
        """P(delay <= t), 0 for t <= 0."""

    def mass_area(self, t: Floats) -> Floats:
        """The integral of `mass` from 0 to t, 0 for t <= 0."""

    def quantile(self, p: Floats) -> Floats:
        """The p-quantile, infinite at 1."""


@dataclass(frozen=True)
class ExponentialKernel:
    """beta exp(-beta t), with mean 1 / beta = `scale`."""

    scale: float

    def density(self, t: Floats) -> Floats:
        return np.exp(-t / self.scale) / self.scale

    def mass(self, t: Floats) -> Floats:
        return -np.expm1(-np.maximum(t, 0.0) / self.scale)

    def mass_area(self, t: Floats) -> Floats:
        past = np.maximum(t, 0.0)
        return past - Exponential(self.scale).restricted_mean(past)

    def quantile(self, p: Floats) -> Floats:
        return Exponential(self.scale).quantile(p)


@dataclass(frozen=True)
class PowerLawKernel:
    """theta c^theta / (t + c)^(1 + theta) (Crane and Sornette 2008, PNAS 105:15649-15653)."""

    theta: float
    c: float

    def density(self, t: Floats) -> Floats:
        return self.theta / self.c * (1 + t / self.c) ** -(1 + self.theta)

    def mass(self, t: Floats) -> Floats:
        return 1 - (1 + np.maximum(t, 0.0) / self.c) ** -self.theta

    def mass_area(self, t: Floats) -> Floats:
        past = np.maximum(t, 0.0) / self.c
        return self.c * (past - _power_area(past, self.theta))

    def quantile(self, p: Floats) -> Floats:
        with np.errstate(divide="ignore", over="ignore"):
            return self.c * ((1 - p) ** (-1 / self.theta) - 1)


@dataclass(frozen=True)
class FlatPowerKernel:
    """SEISMIC: flat until `s0`, then falling as (t / s0)^-(1 + theta) (Zhao et al. 2015, KDD)."""

    theta: float
    s0: float

    @property
    def height(self) -> float:
        """The flat density, c = 1 / (s0 (1 + 1 / theta))."""
        return 1 / (self.s0 * (1 + 1 / self.theta))

    def density(self, t: Floats) -> Floats:
        return self.height * np.maximum(t / self.s0, 1.0) ** -(1 + self.theta)

    def mass(self, t: Floats) -> Floats:
        past = np.maximum(t, 0.0) / self.s0
        tail = 1 - np.maximum(past, 1.0) ** -self.theta
        return self.height * self.s0 * (np.minimum(past, 1.0) + tail / self.theta)

    def mass_area(self, t: Floats) -> Floats:
        past = np.maximum(t, 0.0) / self.s0
        flat, beyond = np.minimum(past, 1.0), np.maximum(past - 1, 0.0)
        after = beyond + (beyond - _power_area(beyond, self.theta)) / self.theta
        return self.height * self.s0**2 * (flat * flat / 2 + after)

    def quantile(self, p: Floats) -> Floats:
        flat = self.height * self.s0
        with np.errstate(divide="ignore", over="ignore"):
            beyond = (np.minimum((1 - p) / (1 - flat), 1.0)) ** (-1 / self.theta)
        return self.s0 * np.where(p <= flat, p / flat, beyond)


def _power_area(x: Floats, theta: float) -> Floats:
    """The integral of (1 + y)^-theta over y from 0 to x."""
    return np.log1p(x) if theta == 1 else ((1 + x) ** (1 - theta) - 1) / (1 - theta)


SEISMIC_FLAT_US = 300e6


def from_scenario(part: KernelPart) -> Kernel:
    """The kernel, in microseconds, of a scenario's video."""
    if part.kind == "exponential":
        return ExponentialKernel(part.mean_us)
    return FlatPowerKernel(part.theta, SEISMIC_FLAT_US)
