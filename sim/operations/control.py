"""Everything that is planned, as ordinary SimPy processes: capacity, outages, shelves, deals, shifts, pick-ups.

Ranks order the control events of one instant (docs/model.md); sweeps, waves and periods of feedback lie on
grids inside the flows.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from functools import partial
from typing import TypeVar

import simpy

from sim.flow.environment import FlowEnvironment
from sim.operations.front.flow import FrontFlow
from sim.operations.front.sharing import reserve_rows
from sim.operations.platform import Platform
from sim.operations.replenishment import RANK_STEP, RECEIPTS
from sim.operations.warehouses import Delivery
from sim.scenario.allocation_tables import reserve_table
from sim.scenario.calendar import capacity_changes, overtime_times, pick_up_times
from sim.scenario.schema import Scenario
from sim.scenario.tables import carrier_table, deal_table, sku_table

(
    WORKERS_RANK, OUTAGE_ENDS, OUTAGE_STARTS, SHELF, DEAL_CLOSES, DEAL_OPENS, SHIFTS,
) = (rank * RANK_STEP for rank in range(7))  # fmt: skip
RELEASES = RECEIPTS - 1
PICK_UPS = 8 * RANK_STEP
LAST_OF_THE_INSTANT_BEFORE = -1
_T = TypeVar("_T")
Process = Generator[simpy.Event, None, None]


def start_control(
    env: FlowEnvironment, scenario: Scenario, front: FrontFlow, delivery: Delivery, platform: Platform
) -> None:
    """Start every control process of a scenario."""
    plan = [(0, scenario.engine.workers), *((c.at_us, c.servers) for c in scenario.engine.changes)]
    _run(env, WORKERS_RANK, plan, lambda workers, _: front.set_workers(workers))
    for outage in scenario.engine.outages:
        _run(env, OUTAGE_STARTS, [(outage.at_us, outage.crash)], front.start_outage)
        _run(env, OUTAGE_ENDS, [(outage.at_us + outage.length_us, None)], lambda _, __: front.end_outage())
    _start_shelves(env, scenario, front)
    _start_deals(env, scenario, front)
    _start_releases(env, scenario, front)
    _start_shifts(env, scenario, front, delivery)
    for number, row in enumerate(carrier_table(scenario)):
        times = pick_up_times(scenario, scenario.warehouses[row.warehouse], row.carrier)
        _run(env, PICK_UPS + number, times, partial(delivery.pick_up, number))
    for day_us in platform.times_us:
        if day_us + 1 < scenario.horizon_us:
            _run(env, LAST_OF_THE_INSTANT_BEFORE, [(day_us + 1, day_us)], lambda day_us, _: platform.end_of_day(day_us))


def _run(env: FlowEnvironment, rank: int, plan: Iterable[tuple[int, _T]], act: Callable[[_T, int], object]) -> None:
    """Start a process that calls `act(value, time_us)` at each time of `plan`."""

    def process() -> Process:
        for time_us, value in plan:
            yield env.at(time_us, rank)
            act(value, int(env.now))

    env.process(process())


def _start_shelves(env: FlowEnvironment, scenario: Scenario, front: FrontFlow) -> None:
    for number, sku in enumerate(sku_table(scenario)):
        plan = [(time, on) for window in sku.shelf for time, on in zip(window, (1, 0), strict=True)]
        _run(env, SHELF, plan, partial(_switch, front, "shelf", number))


def _start_deals(env: FlowEnvironment, scenario: Scenario, front: FrontFlow) -> None:
    for number, deal in enumerate(deal_table(scenario)):
        _run(env, DEAL_OPENS, [(deal.open_us, 1)], partial(_switch, front, "deal_open", number))
        _run(env, DEAL_CLOSES, [(deal.close_us, 0)], partial(_switch, front, "deal_open", number))


def _start_releases(env: FlowEnvironment, scenario: Scenario, front: FrontFlow) -> None:
    rows = [row[-1] for row in reserve_rows(scenario)]  # the reserve of each row
    for number, reserve in enumerate(reserve_table(scenario)):
        mine = [row for row, owner in enumerate(rows) if owner == number]
        _run(env, RELEASES, [(reserve.release_us, mine)], front.release_reserve)


def _switch(front: FrontFlow, name: str, number: int, value: int, _time_us: int) -> None:
    getattr(front.state, name)[number] = value


def _start_shifts(env: FlowEnvironment, scenario: Scenario, front: FrontFlow, delivery: Delivery) -> None:
    _run(env, SHIFTS, capacity_changes(scenario, scenario.confirmation.staff), lambda staff, _: front.set_staff(staff))
    for number, plan in enumerate(scenario.warehouses):
        for team, servers in enumerate((plan.pickers, plan.packers)):
            rank = SHIFTS + 1 + 2 * number + team
            _run(env, rank, capacity_changes(scenario, servers), partial(delivery.plan, number, team))
        rank = SHIFTS + 1 + 2 * len(scenario.warehouses) + number
        for time_us, row in overtime_times(scenario, plan):
            env.process(_overtime(env, delivery, number, row, time_us, rank, plan.overtime[row].length_us))


def _overtime(
    env: FlowEnvironment, delivery: Delivery, number: int, row: int, time_us: int, rank: int, length_us: int
) -> Process:
    yield env.at(time_us, rank)
    if delivery.decide_overtime(number, row, time_us):
        yield env.at(time_us + length_us, rank)
        delivery.end_overtime(number, row, int(env.now))
