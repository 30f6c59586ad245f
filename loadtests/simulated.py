"""What the simulation says of the moment at which a replay begins: how many units are left by then, also of deals."""

from __future__ import annotations

import numpy as np

from loadtests.planning import Left, whole_of
from sim.demand.trace import Trace
from sim.operations.simulate import simulate
from sim.operations.stock_moves import StockMoves
from sim.scenario.schema import Scenario


def left_at(scenario: Scenario, trace: Trace, at_us: int) -> Left:
    """What a simulation of the trace has available at `at_us`, by SKU and by deal; never below 0."""
    left = whole_of(scenario)
    moves = StockMoves(scenario, trace, simulate(scenario, trace))
    for units, all_moves in zip(left, (moves.available(), moves.of_deals()), strict=True):
        for time_us, of, moved in all_moves:
            before = time_us < at_us
            np.add.at(units, of[before], moved[before])
        np.maximum(units, 0, out=units)
    return left
