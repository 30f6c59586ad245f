"""Laws of the demand for one SKU over some time, by mean and standard deviation.

`cdf`, `quantile` and `shortage` (the mean of what demand exceeds a stock by) in closed form. Discrete laws count whole
units, continuous ones fractions. A standard deviation of 0 is demand that is known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sim.scenario.parts.stocking import LawName
from sim.special import special


@dataclass(frozen=True)
class Demand:
    """Demand of a law with this mean and standard deviation (which a Poisson law takes from its mean).

    A negative binomial law that varies no more than a Poisson law is one (its limit). Raises ValueError below 0.
    """

    law: LawName
    mean: float
    sd: float = 0.0

    def __post_init__(self) -> None:
        if not (self.mean >= 0 and self.sd >= 0):
            raise ValueError("demand has a mean and a standard deviation of 0 or more")

    @property
    def whole(self) -> bool:
        """Whether it counts whole units."""
        return self.law in ("poisson", "negative_binomial")

    @property
    def _known(self) -> bool:
        return self.mean == 0 or (self.sd == 0 and self.law != "poisson")

    @property
    def _poisson(self) -> bool:
        return self.law == "poisson" or (self.law == "negative_binomial" and 0 < self.sd**2 <= self.mean * (1 + 1e-9))

    @property
    def _log(self) -> tuple[float, float]:
        """mu and sigma of the logarithm."""
        spread = math.log1p((self.sd / self.mean) ** 2)
        return math.log(self.mean) - spread / 2, math.sqrt(spread)

    @property
    def _binomial(self) -> tuple[float, float]:
        """Size and success probability of the negative binomial law."""
        chance = self.mean / self.sd**2
        return self.mean * chance / (1 - chance), chance

    def cdf(self, units: float) -> float:
        """P(demand <= units)."""
        if self._known:
            return float(units >= self.mean)
        if self.law == "normal":
            return float(special.ndtr((units - self.mean) / self.sd))
        if units < 0:
            return 0.0
        if self._poisson:
            return float(special.gammaincc(math.floor(units) + 1, self.mean))
        if self.law == "negative_binomial":
            size, chance = self._binomial
            return float(special.betainc(size, math.floor(units) + 1, chance))
        middle, spread = self._log
        return float(special.ndtr((math.log(units) - middle) / spread)) if units > 0 else 0.0

    def quantile(self, share: float) -> float:
        """The least stock that covers demand with probability `share`; raises ValueError unless 0 < share < 1."""
        if not 0 < share < 1:
            raise ValueError("a quantile lies strictly between 0 and 1")
        if self._known:
            return self.mean
        if self.law == "normal":
            return self.mean + self.sd * float(special.ndtri(share))
        if self.law == "lognormal":
            middle, spread = self._log
            return math.exp(middle + spread * float(special.ndtri(share)))
        return float(self._least_whole(share))

    def _least_whole(self, share: float) -> int:
        """The least whole number at which `cdf` reaches `share`, by bisection."""
        low, high = -1, 1
        while self.cdf(high) < share:
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.cdf(middle) < share else (low, middle)
        return high

    def shortage(self, stock: float) -> float:
        """E[max(demand - stock, 0)]."""
        if self._known:
            return max(self.mean - stock, 0.0)
        if self.law == "normal":
            z = (stock - self.mean) / self.sd
            return self.sd * (density(z) - z * float(special.ndtr(-z)))
        if stock <= 0:
            return self.mean - stock
        return self.mean * self._weighted_above(stock) - stock * (1 - self.cdf(stock))

    def _weighted_above(self, stock: float) -> float:
        """E[demand; demand > stock] / mean: the same law, size-biased."""
        if self.law == "lognormal":
            middle, spread = self._log
            return float(special.ndtr((middle + spread**2 - math.log(stock)) / spread))
        below = math.floor(stock)
        if self._poisson:
            return 1.0 if below < 1 else float(special.gammainc(below, self.mean))
        size, chance = self._binomial
        return 1.0 if below < 1 else float(special.betaincc(size + 1, below, chance))


def density(z: float) -> float:
    """The standard normal density."""
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
