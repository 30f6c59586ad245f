"""How much more orders vary than demand, when it is forecast by a moving average.

Source: Chen, Drezner, Ryan & Simchi-Levi 2000, Management Science 46(3):436-443.
"""

from __future__ import annotations


def bullwhip_ratio(lead_time: int, periods: int, correlation: float) -> float:
    """Var(orders) / Var(demand) of an order-up-to level of `lead_time` x the mean of the last `periods` demands.

    `correlation` is that of demand from one period to the next (AR(1)); what is ordered at the end of period t arrives
    at the start of t + lead_time. With safety stock for the forecast's own error it is a lower bound.
    """
    share = lead_time / periods
    return 1 + (2 * share + 2 * share * share) * (1 - correlation**periods)
