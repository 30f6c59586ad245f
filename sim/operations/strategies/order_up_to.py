"""The (s,S) policy: at each review, order up to S wherever the position is at or under s (Scarf 1960)."""

from __future__ import annotations

from collections.abc import Generator

import simpy

from sim.flow.environment import FlowEnvironment
from sim.operations.replenishment import REVIEWS, Replenishment
from sim.scenario.schema import Scenario
from sim.scenario.tables import sku_table


def order_up_to(env: FlowEnvironment, stock: Replenishment, scenario: Scenario) -> Generator[simpy.Event, None, None]:
    """Review every SKU and warehouse with initial stock at each multiple of the review period."""
    policy = scenario.stock
    watched = [
        (number, house)
        for number, sku in enumerate(sku_table(scenario))
        for house, units in enumerate(sku.stock)
        if units > 0 and sku.components == ((number, 1),)
    ]
    for review_us in range(policy.review_us, scenario.horizon_us, policy.review_us):
        yield env.at(review_us, REVIEWS)
        for sku_number, house in watched:
            position = stock.position(sku_number, house)
            if position <= policy.s:
                stock.order(sku_number, house, policy.S - position, policy.lead_time_us)
