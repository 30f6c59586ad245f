"""Warehouses, carriers, calendars: what several of their fields must agree on."""

from __future__ import annotations

from collections.abc import Iterator

from sim.scenario.checks.findings import Finding, ascending, sum_to_one, walk
from sim.scenario.days_off import countries, is_known
from sim.scenario.parts.carriage import Carrier
from sim.scenario.parts.dispatch import BusinessCalendar
from sim.scenario.parts.logistics import Warehouse
from sim.scenario.parts.shop import Region
from sim.scenario.reading.nodes import Path
from sim.scenario.schema import Scenario
from sim.scenario.shape import suggestion


def check_logistics(scenario: Scenario) -> Iterator[Finding]:
    """Findings on calendars, carriers and rules of dispatch."""
    yield from _calendars(scenario)
    yield from _carriers(scenario)
    rules = scenario.dispatch
    if rules.calendar is not None and not rules.calendar.business_days:
        yield Finding(("dispatch", "calendar", "business_days"), "no business day", "at least one weekday", "")


def _calendars(scenario: Scenario) -> Iterator[Finding]:
    for path, part in walk(scenario):
        if isinstance(part, Region | Warehouse | Carrier | BusinessCalendar) and not is_known(part.public_holidays):
            allowed = "a country of ISO 3166 such as GB, or a part of one such as GB-SCT"
            near = suggestion(part.public_holidays, countries())
            yield Finding((*path, "public_holidays"), f"no calendar of public holidays{near}", allowed)


def _carriers(scenario: Scenario) -> Iterator[Finding]:
    for i, house in enumerate(scenario.warehouses):
        at: Path = ("warehouses", i, "carriers")
        if house.carriers:
            yield from sum_to_one(at, "carriers", [carrier.share for carrier in house.carriers])
        for j, carrier in enumerate(house.carriers):
            yield from ascending((*at, j, "pick_ups"), "at", [pick_up.at_min for pick_up in carrier.pick_ups])
            if not carrier.pick_up_days:
                yield Finding((*at, j, "pick_up_days"), "no day of pick-ups", "at least one weekday", "")
