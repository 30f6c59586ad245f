"""Kernels that count, for feedback on conversion, what buyers met at checkout since the last control period."""

from __future__ import annotations

from sim.flow.jit import kernel
from sim.operations.front_state import ASKING, HEARD, HEARD_US, Front


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
