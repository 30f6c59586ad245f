"""Local clocks as microseconds since the scenario's start: shifts, pick-ups, business days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from sim.scenario.days_off import public_holidays
from sim.scenario.lasting import of_last
from sim.scenario.parts.base import EVERY_DAY, Servers, Weekday
from sim.scenario.parts.carriage import Carrier
from sim.scenario.parts.dispatch import BusinessCalendar
from sim.scenario.parts.logistics import Warehouse
from sim.scenario.parts.shop import Region
from sim.scenario.schema import Scenario
from sim.scenario.units import US_PER_DAY


def offset_us(scenario: Scenario, moment: dt.datetime) -> int:
    """Whole microseconds from the scenario's start to an aware `moment`."""
    return (moment - scenario.start) // dt.timedelta(microseconds=1)


def capacity_changes(scenario: Scenario, servers: Servers) -> list[tuple[int, int]]:
    """`[(time_us, servers at work from then on)]`, the first at time 0, strictly inside the horizon, no repeats."""
    if not servers.shifts:
        return [(0, servers.constant)]
    steps: dict[int, int] = {}
    for start_us, end_us, number in _shift_windows(scenario, servers):
        steps[max(start_us, 0)] = steps.get(max(start_us, 0), 0) + number
        steps[max(end_us, 0)] = steps.get(max(end_us, 0), 0) - number
    level = servers.constant + steps.pop(0, 0)
    changes = [(0, level)]
    for time_us in sorted(steps):
        level += steps[time_us]
        if time_us < scenario.horizon_us and level != changes[-1][1]:
            changes.append((time_us, level))
    return changes


def _shift_windows(scenario: Scenario, servers: Servers) -> Iterator[tuple[int, int, int]]:
    zone = ZoneInfo(servers.zone)
    for day in _local_days(scenario, servers.zone):
        for shift in servers.shifts:
            if EVERY_DAY[day.weekday()] in shift.days:
                start_us = offset_us(scenario, _at(day, shift.start_min, zone))
                end_us = offset_us(scenario, _at(day, shift.end_min, zone))
                if end_us > max(start_us, 0):  # not where summer time begins and skips the shift's hour
                    yield start_us, end_us, shift.servers


def pick_up_times(scenario: Scenario, warehouse: Warehouse, carrier: Carrier | None = None) -> list[tuple[int, int]]:
    """`[(time_us, capacity)]` of every pick-up strictly after the start and before the horizon, in order.

    Of the `carrier`, or of the warehouse's only one.
    """
    zone, found, plan = ZoneInfo(warehouse.zone), [], warehouse if carrier is None else carrier
    for day in _local_days(scenario, warehouse.zone):
        if not is_business_day(day, plan.pick_up_days, plan.holidays, plan.public_holidays):
            continue
        for pick_up in plan.pick_ups:
            time_us = offset_us(scenario, _at(day, pick_up.at_min, zone))
            if 0 < time_us < scenario.horizon_us:
                found.append((time_us, pick_up.capacity))
    return sorted(found)


def overtime_times(scenario: Scenario, warehouse: Warehouse) -> list[tuple[int, int]]:
    """`[(time_us, row of overtime)]` at which it is decided, strictly after the start and before the horizon."""
    zone, found = ZoneInfo(warehouse.zone), []
    for day in _local_days(scenario, warehouse.zone):
        for row, overtime in enumerate(warehouse.overtime):
            time_us = offset_us(scenario, _at(day, overtime.at_min, zone))
            if EVERY_DAY[day.weekday()] in overtime.days and 0 < time_us < scenario.horizon_us:
                found.append((time_us, row))
    return sorted(found)


@of_last
def dispatch_day_ends(scenario: Scenario) -> list[list[int]]:
    """By region: ends (us) of every business day that ends after the start, to 200 days on.

    Of the platform's calendar where it has one; a day ends by the clock of `dispatch.cut_off`.
    """
    rules = scenario.dispatch
    return [_day_ends(scenario, rules.calendar or region, rules.cut_off_min) for region in scenario.regions]


def _day_ends(scenario: Scenario, days: Region | BusinessCalendar, minute: int) -> list[int]:
    zone, ends = ZoneInfo(days.zone), []
    first = scenario.start.astimezone(zone).date()
    for day in (first + dt.timedelta(days=k) for k in range(200 + scenario.horizon_us // US_PER_DAY)):
        if is_business_day(day, days.business_days, days.holidays, days.public_holidays):
            ends.append(offset_us(scenario, _at(day, minute, zone)))
    return ends


def is_business_day(day: dt.date, weekdays: tuple[Weekday, ...], holidays: tuple[dt.date, ...], country: str) -> bool:
    """Whether `day` is worked: one of the `weekdays`, none of the `holidays`, no public holiday of `country`."""
    off = day in holidays or day in public_holidays(country, day.year)
    return EVERY_DAY[day.weekday()] in weekdays and not off


def _local_days(scenario: Scenario, zone: str) -> Iterator[dt.date]:
    first = scenario.start.astimezone(ZoneInfo(zone)).date()
    for k in range(-1, scenario.horizon_us // US_PER_DAY + 3):
        yield first + dt.timedelta(days=k)


def _at(day: dt.date, minute: int, zone: ZoneInfo) -> dt.datetime:
    day += dt.timedelta(days=minute // 1440)
    return dt.datetime(day.year, day.month, day.day, minute % 1440 // 60, minute % 60, tzinfo=zone)
