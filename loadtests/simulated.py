"""What the simulation says of the moment at which a replay begins: how many units are left by then, also of deals."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.demand.trace import Trace
from sim.operations.simulate import simulate
from sim.operations.stock_moves import StockMoves
from sim.scenario.schema import Scenario
from sim.scenario.tables import sku_table


def stock_at(scenario: Scenario, trace: Trace, at_us: int) -> npt.NDArray[np.int64]:
    """Return the units by SKU that are available at `at_us` in a simulation of the trace, int64[skus]."""
    available = np.array([sum(row.stock) for row in sku_table(scenario)], np.int64)
    moves = StockMoves(scenario, trace, simulate(scenario, trace))
    for time_us, sku, units in moves.available():
        before = time_us < at_us
        np.add.at(available, sku[before], units[before])
    return np.maximum(available, 0)
