"""What hands cost: wages of planned shifts and of overtime, in whole minor units of the reporting currency."""

from __future__ import annotations

from itertools import pairwise

from sim.operations.outcome import Outcome
from sim.scenario.calendar import capacity_changes
from sim.scenario.parts.base import Servers
from sim.scenario.schema import Scenario
from sim.scenario.tables import to_reporting_minor
from sim.scenario.units import US_PER_H, Money


def planned_us(scenario: Scenario, servers: Servers) -> int:
    """Servers x microseconds that a plan has at work, to the horizon."""
    steps = [*capacity_changes(scenario, servers), (scenario.horizon_us, 0)]
    return sum(level * (until_us - from_us) for (from_us, level), (until_us, _) in pairwise(steps))


def overtime_us(scenario: Scenario, outcome: Outcome, number: int, row: int) -> int:
    """Servers x microseconds of one row of a warehouse's overtime, to the horizon."""
    plan = scenario.warehouses[number].overtime[row]
    called = [time_us for time_us, where, which, _ in outcome.overtime if (where, which) == (number, row)]
    length_us = sum(min(plan.length_us, scenario.horizon_us - time_us) for time_us in called)
    return (plan.pickers + plan.packers) * length_us


def wages_minor(scenario: Scenario, outcome: Outcome) -> tuple[int, int]:
    """(wages of planned pickers and packers, wages of overtime), each rounded half up once a warehouse and row."""
    planned = overtime = 0
    for number, house in enumerate(scenario.warehouses):
        if house.wage_per_h is not None:
            work_us = planned_us(scenario, house.pickers) + planned_us(scenario, house.packers)
            planned += paid_minor(scenario, work_us, house.wage_per_h)
        for row, plan in enumerate(house.overtime):
            overtime += paid_minor(scenario, overtime_us(scenario, outcome, number, row), plan.wage_per_h)
    return planned, overtime


def paid_minor(scenario: Scenario, work_us: int, wage: Money | None) -> int:
    """What that much work costs at a wage an hour, rounded half up."""
    return (2 * work_us * to_reporting_minor(scenario, wage) + US_PER_H) // (2 * US_PER_H)
