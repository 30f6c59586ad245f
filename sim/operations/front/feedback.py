"""Kernels by which buyers answer to what the shop is like: slow checkouts and stockouts lower conversion.

What buyers meet at checkout is counted; at the end of a period that sets the factor of every SKU, never above that of
the trace: an intent goes ahead when its own uniform number is below it. So feedback only thins, and every strategy
meets the same intents. Rules: docs/model.md, Feedback. Periods end inside the front: docs/decisions/0006.
"""

from __future__ import annotations

from sim.flow.calendar_queue import FAR
from sim.flow.jit import kernel
from sim.operations.front.state import (
    ASKING,
    COUNT,
    HEARD,
    HEARD_US,
    LOSS_PPM,
    MOST_LOSS_PPM,
    NEXT_ARRIVAL,
    PERIOD_END_US,
    PERIOD_US,
    SOLD_OUT_HEARD,
    SOLD_OUT_PPM,
    THINNED,
    TOLERATED_US,
    Front,
)
from sim.scenario.units import PPM, US_PER_S

LONGEST_MEAN_US = 1 << 42  # 51 days: beyond the tolerated, at any loss a second, that costs all there is


@kernel
def hear(f: Front, response_us: int) -> None:
    """A round of checkout is over, answered or given up, `response_us` after its first attempt."""
    f.reg[ASKING] -= 1
    f.reg[HEARD] += 1
    f.reg[HEARD_US] += response_us


@kernel
def hear_first_answer(f: Front, order: int, sold_out: bool) -> None:
    """The first round of an order was answered: one more for the SKU of its first line."""
    sku = f.line_sku[f.first[order]]
    f.heard[0, sku] += 1
    if sold_out:
        f.heard[1, sku] += 1
        f.reg[SOLD_OUT_HEARD] += 1


@kernel
def end_period(f: Front) -> None:
    """Look back at the period that is over: set the factors for the next, and when that ends.

    A period in which nobody asks is passed over: nothing is heard in it, and the factors are the trace's.
    """
    reg = f.reg
    quiet = reg[HEARD] == 0 and reg[ASKING] == 0
    slow = slowness_ppm(f)
    if slow > 0 or reg[SOLD_OUT_HEARD] > 0 or reg[THINNED] != 0:
        _set_factors(f, PPM - slow)
        reg[THINNED] = int(slow > 0 or reg[SOLD_OUT_HEARD] > 0)
    if reg[HEARD] > 0:
        f.heard[:] = 0
    reg[HEARD] = 0
    reg[HEARD_US] = 0
    reg[SOLD_OUT_HEARD] = 0
    if quiet:
        plan_period(f)
    else:
        reg[PERIOD_END_US] += reg[PERIOD_US]


@kernel
def _set_factors(f: Front, kept: int) -> None:
    for sku in range(len(f.factor)):
        lost = f.heard[1, sku] * PPM // max(f.heard[0, sku], 1) * f.reg[SOLD_OUT_PPM] // PPM
        f.factor[sku] = f.neutral[sku] * kept // PPM * (PPM - lost) // PPM


@kernel
def slowness_ppm(f: Front) -> int:
    """What the mean checkout of this period costs of conversion, in parts per million."""
    reg = f.reg
    if reg[HEARD] == 0:
        return 0
    beyond_us = min(max(0, reg[HEARD_US] // reg[HEARD] - reg[TOLERATED_US]), LONGEST_MEAN_US)
    return int(min(reg[MOST_LOSS_PPM], beyond_us * reg[LOSS_PPM] // US_PER_S))


@kernel
def plan_period(f: Front) -> None:
    """The period of the trace's next intent is the next whose end matters; none if there is no intent left."""
    reg = f.reg
    reg[PERIOD_END_US] = FAR
    if reg[PERIOD_US] > 0 and reg[NEXT_ARRIVAL] < reg[COUNT]:
        next_us = f.line_time_us[f.first[reg[NEXT_ARRIVAL]]]
        reg[PERIOD_END_US] = (next_us // reg[PERIOD_US] + 1) * reg[PERIOD_US]
