"""A flash deal as synchronised reaction: viewers waiting for the opening decide once and click after a reaction time.

Order rate N p f(tau) for N viewers, intent p, reaction density f; exponential of mean m: peak N p / m at the opening.
The countdown moves orders together, it does not make more (Hmurovic, Lamberton and Goldsmith 2023, JMR 60:299-328).
"""

from __future__ import annotations

import math

import numpy as np

from sim.arrays import Floats, Ints
from sim.demand.drawing import QuantileTable, draw_us
from sim.demand.laws import Exponential, Lognormal
from sim.scenario.parts.programme import Deal
from sim.scenario.schema import Scenario
from sim.special import special


def deal_intent(scenario: Scenario, deal: Deal) -> float:
    """The share of those present who take the deal up; a countdown may raise it, to 1 at most."""
    return min(1.0, deal.intent * (1 + scenario.funnel.countdown_lift)) if deal.countdown_us else deal.intent


def reaction_density(law: Exponential | Lognormal, tau: Floats) -> Floats:
    """f(tau) for tau >= 0, per unit of the law's time."""
    if isinstance(law, Exponential):
        return np.exp(-tau / law.scale) / law.scale
    with np.errstate(divide="ignore"):
        z = np.log(tau / law.median) / law.sigma
    dense = np.exp(-z * z / 2)
    below = tau * law.sigma * math.sqrt(2 * math.pi)
    return np.divide(dense, below, out=np.zeros_like(dense), where=below > 0)


def order_rate(viewers: float, intent: float, law: Exponential | Lognormal, tau: Floats) -> Floats:
    """Expected orders per unit of time at `tau` after the opening."""
    return viewers * intent * reaction_density(law, tau)


def peak_rate(viewers: float, intent: float, law: Exponential | Lognormal) -> float:
    """The highest order rate: at the opening (exponential) or at the mode median e^(-sigma^2) (lognormal)."""
    mode = 0.0 if isinstance(law, Exponential) else law.median * math.exp(-(law.sigma**2))
    return float(order_rate(viewers, intent, law, np.array(mode)))


def reactions(rng: np.random.Generator, pool: float, intent: float, reaction: QuantileTable) -> Ints:
    """Sorted times (us after the opening) of the orders of a Poisson pool of mean `pool`, a share `intent` of it."""
    return np.sort(draw_us(rng, reaction, int(rng.poisson(pool * intent))))


def sell_out_mean(units: int, per_s: float) -> float:
    """Mean seconds until `units` are gone at a constant rate: Gamma(units, rate)."""
    return units / per_s


def sell_out_sd(units: int, per_s: float) -> float:
    """Standard deviation of the sell-out time, seconds."""
    return math.sqrt(units) / per_s


def sell_out_quantile(units: int, per_s: float, p: float) -> float:
    """The p-quantile of the sell-out time, seconds."""
    return float(special.gammaincinv(units, p)) / per_s


def finite_pool_sell_out_mean(units: int, reacting: int, mean_reaction: float) -> float:
    """Mean time until `units` of `reacting` buyers have ordered, exponential reactions (Renyi 1953); inf if fewer."""
    if units > reacting:
        return math.inf
    return mean_reaction * math.fsum(1 / (reacting - i) for i in range(units))


def sell_out_time(order_times_us: Ints, units: int) -> int:
    """When the last of `units` goes, given sorted order times of one unit each; -1 if some are left."""
    return int(order_times_us[units - 1]) if units <= len(order_times_us) else -1
