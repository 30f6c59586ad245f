"""Buyers answer to what the shop is like: slow checkouts and stockouts lower conversion (docs/model.md, Feedback).

A SimPy process looks back at the end of a control period and sets the factor of every SKU, never above that of the
trace: an intent goes ahead when its own uniform number is below it. So feedback only thins, and every strategy meets
the same intents.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import simpy

from sim.flow.environment import FlowEnvironment
from sim.operations import front_state as fs
from sim.operations.front import FrontFlow
from sim.operations.replenishment import RANK_STEP
from sim.scenario.interaction import Feedback
from sim.scenario.units import PPM, US_PER_S

FEEDBACK_RANK = 12 * RANK_STEP


def feed_back(env: FlowEnvironment, front: FrontFlow, options: Feedback) -> Generator[simpy.Event, None, None]:
    """Process: set the factors at the end of every period in which anything was heard, and of the one after it."""
    factor, heard, reg = front.state.factor, front.state.heard, front.state.reg
    neutral, period_us = factor.copy(), options.period_us
    due_us = _after_next_arrival(front, period_us)
    while due_us is not None:
        yield env.at(due_us, FEEDBACK_RANK)
        rounds = int(reg[fs.HEARD])
        kept = PPM - slowness_ppm(options, rounds, int(reg[fs.HEARD_US]))
        sold_out = heard[1] * PPM // np.maximum(heard[0], 1)
        factor[:] = neutral * kept // PPM * (PPM - sold_out * options.sold_out // PPM) // PPM
        heard[:] = 0
        reg[fs.HEARD] = reg[fs.HEARD_US] = 0
        quiet = rounds == 0 and reg[fs.ASKING] == 0
        due_us = _after_next_arrival(front, period_us) if quiet else due_us + period_us


def slowness_ppm(options: Feedback, rounds: int, sum_us: int) -> int:
    """What a mean checkout of `sum_us` / `rounds` costs of conversion, in parts per million."""
    if rounds == 0:
        return 0
    beyond_us = max(0, sum_us // rounds - options.tolerated_us)
    return min(options.most, beyond_us * options.loss_per_s // US_PER_S)


def _after_next_arrival(front: FrontFlow, period_us: int) -> int | None:
    """The first multiple of the period after the trace's next intent; None if there is none left."""
    f = front.state
    order = int(f.reg[fs.NEXT_ARRIVAL])
    if order >= f.reg[fs.COUNT]:
        return None
    return (int(f.line_time_us[f.first[order]]) // period_us + 1) * period_us
