"""One order for one selling season whose demand is uncertain.

Sources: Arrow, Harris & Marschak 1951 (critical ratio); Scarf 1958, "A min-max solution of an inventory problem";
Mostard & Teunter 2006, EJOR 169(1):81-96 (returns that are sold again), in its fluid form: they come back in time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sim.operations.strategies.analytic.demand import Demand


def critical_ratio(short: float, over: float) -> float:
    """The share of seasons in which the best stock covers demand: `short` a unit short costs, `over` a unit left.

    Raises ValueError unless both are above 0.
    """
    if short <= 0 or over <= 0:
        raise ValueError("a unit short and a unit left must both cost something")
    return short / (short + over)


def newsvendor_stock(demand: Demand, short: float, over: float) -> float:
    """The stock of least expected cost."""
    return demand.quantile(critical_ratio(short, over))


def newsvendor_cost(demand: Demand, stock: float, short: float, over: float) -> float:
    """The expected cost of units short and units left at some stock."""
    missing = demand.shortage(stock)
    return over * (stock - demand.mean + missing) + short * missing


def scarf_stock(mean: float, sd: float, short: float, over: float) -> float:
    """The stock whose worst expected cost over all laws of this mean and standard deviation is least (Scarf 1958).

    0 where even the best laws would not pay: when (sd / mean)^2 exceeds short / over. The worst cost is
    sd x sqrt(short x over).
    """
    if mean <= 0 or (sd / mean) ** 2 > short / over:
        return 0.0
    return mean + sd / 2 * (math.sqrt(short / over) - math.sqrt(over / short))


@dataclass(frozen=True)
class Worth:
    """What one unit of a SKU is worth: its `price` net of what others take, its `cost`, and its `salvage`.

    Of the units sold a share `refunded` brings no money, a share `resold` (of all sold) comes back to the shelf, and
    each sale costs `expense` on average: paying, and the way there and back.
    """

    price: float
    cost: float
    salvage: float
    refunded: float = 0.0
    resold: float = 0.0
    expense: float = 0.0

    @property
    def eats(self) -> float:
        """Units of stock that a sale uses up for good: 1 - the share resold."""
        return 1 - self.resold

    @property
    def nets(self) -> float:
        """Money that a sale brings on average, before the cost of goods."""
        return (1 - self.refunded) * self.price - self.expense

    def costs(self) -> tuple[float, float]:
        """(a unit short, a unit left), in money a unit of stock; a sale needs `eats` units."""
        return self.nets / self.eats - self.cost, self.cost - self.salvage


def resalable_stock(demand: Demand, worth: Worth) -> float:
    """The best stock for gross demand G of which returns are sold again: P(G > Q / q) = (c - s) q / (m - s q)."""
    short, over = worth.costs()
    return worth.eats * newsvendor_stock(demand, short, over)
