"""What it is worth to keep the stock of several warehouses in one (Eppen 1979, Management Science 25(5):498-501)."""

from __future__ import annotations

import math

from sim.operations.strategies.analytic.demand import density
from sim.special import special


def separate_cost(hold: float, short: float, sds: list[float]) -> float:
    """The expected newsvendor cost of warehouses that each stock for their own normal demand."""
    return _factor(hold, short) * math.fsum(sds)


def pooled_cost(hold: float, short: float, sds: list[float], correlation: float) -> float:
    """The same with one common stock; every two demands have this correlation."""
    squares = math.fsum(sd * sd for sd in sds)
    variance = squares + correlation * (math.fsum(sds) ** 2 - squares)
    return _factor(hold, short) * math.sqrt(max(variance, 0.0))


def _factor(hold: float, short: float) -> float:
    """Newsvendor cost of a normal demand of standard deviation 1."""
    return (hold + short) * density(float(special.ndtri(short / (short + hold))))
