"""Starts the stock policy of a scenario: a SimPy process for each item that it looks after."""

from __future__ import annotations

from sim.demand.trace import Trace
from sim.flow.environment import FlowEnvironment
from sim.operations.front import FrontFlow
from sim.operations.replenishment import Policy, Replenishment
from sim.operations.strategies.base_stock import base_stock
from sim.operations.strategies.emergency import emergency
from sim.operations.strategies.r_q import r_q
from sim.operations.strategies.s_s import s_s
from sim.operations.suppliers import Supplier
from sim.scenario.schema import Scenario
from sim.scenario.tables import SkuRow, sku_table


def start_replenishment(env: FlowEnvironment, scenario: Scenario, trace: Trace, front: FrontFlow) -> Replenishment:
    """Start the policy, and the emergency supplier if there is one. Lead times are of the trace's replication."""
    plan = scenario.stock
    luck = trace.header.get("seed", 0), trace.header.get("replication", 0)
    ordinary = Supplier("supplier", plan.lead_time, luck, plan.minimum_order, plan.capacity, plan.capacity_every_us)
    fast = plan.emergency
    hasty = Supplier("emergency", fast.lead_time, luck, 0, 0, plan.capacity_every_us) if fast else None
    stock = Replenishment(env, front, ordinary, hasty, (plan.review_us, plan.offset_us))
    if plan.policy == "none" and fast is None:
        return stock
    for sku, row in enumerate(sku_table(scenario)):
        for house, units in enumerate(row.stock):
            if units > 0 and row.components == ((sku, 1),):
                stock.add(sku, f"{row.name}/{scenario.warehouses[house].name}", (house,))
    table = sku_table(scenario)
    for item in stock.items:
        if plan.policy != "none":
            env.process(_policy(scenario, table[item.sku])(item))
        if fast is not None:
            env.process(emergency(item, fast.level, fast.up_to))
    return stock


def _policy(scenario: Scenario, row: SkuRow) -> Policy:
    """The policy of one SKU: a function that makes the process of an item."""
    plan = scenario.stock
    s, S, r, Q = plan.of(row.name, scenario.catalogue[row.listing].name)
    continuous = plan.review_us == 0
    if plan.policy == "s_S":
        return lambda item: s_s(item, s, S, continuous)
    if plan.policy == "base_stock":
        return lambda item: base_stock(item, S, continuous)
    return lambda item: r_q(item, r, Q)
