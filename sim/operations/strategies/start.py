"""Starts the stock policy of a scenario: a SimPy process for each item that it looks after."""

from __future__ import annotations

from sim.demand.trace import Trace
from sim.flow.environment import FlowEnvironment
from sim.operations.front import state as fs
from sim.operations.front.flow import FrontFlow
from sim.operations.replenishment import Item, Process, Replenishment
from sim.operations.strategies.analytic.allocation import allot
from sim.operations.strategies.base_stock import base_stock
from sim.operations.strategies.emergency import emergency
from sim.operations.strategies.newsvendor import newsvendor
from sim.operations.strategies.own import own_policy
from sim.operations.strategies.planned import Planner
from sim.operations.strategies.r_q import r_q
from sim.operations.strategies.s_s import s_s
from sim.operations.strategies.wagner_whitin import wagner_whitin
from sim.operations.suppliers import Supplier
from sim.scenario.parts.stocking import PLANNED, is_own
from sim.scenario.quantiles import at_u32, quantile_table
from sim.scenario.schema import Scenario
from sim.scenario.tables import SkuRow, sku_table


def start_replenishment(
    env: FlowEnvironment, scenario: Scenario, trace: Trace, front: FrontFlow, believed: Scenario
) -> Replenishment:
    """Share out the initial stock and start the policy, and the emergency supplier if there is one.

    Lead times are of the trace's replication. Plans and allotments rest on what is `believed`.
    """
    plan, table = scenario.stock, sku_table(scenario)
    luck = trace.header.get("seed", 0), trace.header.get("replication", 0)
    every_us = plan.capacity_every_us
    ordinary = Supplier("supplier", plan.lead_time, luck, plan.minimum_order, plan.capacity, every_us)
    fast = plan.emergency
    hasty = Supplier("emergency", fast.lead_time, luck, 0, 0, every_us) if fast else None
    stock = Replenishment(env, front, ordinary, hasty, (plan.review_us, plan.offset_us))
    planner = Planner(believed)
    plain = [sku for sku, row in enumerate(table) if row.components == ((sku, 1),)]
    if plan.initial_allocation != "none":
        _share_out(front, planner, believed, plain)
    if plan.policy == "none" and fast is None:
        return stock
    own = own_policy(scenario) if is_own(plan.policy) else None
    for item in _items(stock, scenario, front, plain):
        if plan.allocation != "none":
            item.aims = planner.aims(item.sku, plan.allocation, _stretch_us(believed))
        if own is not None:
            env.process(own(item))
        elif plan.policy != "none":
            env.process(_policy(scenario, table[item.sku], item, planner))
        if fast is not None:
            env.process(emergency(item, fast.level, fast.up_to))
    return stock


def _share_out(front: FrontFlow, planner: Planner, believed: Scenario, plain: list[int]) -> None:
    """The units at the start lie where the rule of the initial allocation puts them."""
    units = front.state.stock
    for sku in plain:
        total = int(units[fs.ON_HAND, sku].sum())
        aims = planner.aims(sku, believed.stock.initial_allocation, believed.horizon_us)
        units[fs.ON_HAND, sku] = units[fs.AVAILABLE, sku] = allot(total, [0] * units.shape[2], aims)


def _items(stock: Replenishment, scenario: Scenario, front: FrontFlow, plain: list[int]) -> list[Item]:
    """The items in order of SKU and warehouse: those with stock at the start, or all (planned, own)."""
    table, initial = sku_table(scenario), front.state.stock[fs.ON_HAND]
    houses = range(len(scenario.warehouses))
    every = scenario.stock.policy in PLANNED or is_own(scenario.stock.policy)
    for sku in plain:
        if scenario.stock.allocation != "none":
            if every or initial[sku].any():
                stock.add(sku, table[sku].name, tuple(houses))
            continue
        for house in houses:
            if every or initial[sku, house] > 0:
                stock.add(sku, f"{table[sku].name}/{scenario.warehouses[house].name}", (house,))
    return stock.items


def _stretch_us(scenario: Scenario) -> int:
    """How long an order has to last: a review and a lead time (its median); at least something."""
    middle_us = at_u32(quantile_table(scenario.stock.lead_time), 1 << 31)
    return min(scenario.stock.review_us + middle_us, scenario.horizon_us) or scenario.horizon_us


def _policy(scenario: Scenario, row: SkuRow, item: Item, planner: Planner) -> Process:
    """The process of one item."""
    plan = scenario.stock
    if plan.policy in PLANNED:
        planned = newsvendor if plan.policy == "newsvendor" else wagner_whitin
        return planned(item, planner.orders(item.sku, item.houses))
    s, S, r, Q = plan.of(row.name, scenario.catalogue[row.listing].name)
    if plan.policy == "r_Q":
        return r_q(item, r, Q)
    continuous = plan.review_us == 0
    return base_stock(item, S, continuous) if plan.policy == "base_stock" else s_s(item, s, S, continuous)
