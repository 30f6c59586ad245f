"""Warehouses, carriers, calendars: what several of their fields must agree on."""

from __future__ import annotations

from collections.abc import Iterator

from sim.scenario.days_off import countries, is_known
from sim.scenario.dispatch import BusinessCalendar
from sim.scenario.findings import Finding, walk
from sim.scenario.logistics import Warehouse
from sim.scenario.schema import Scenario
from sim.scenario.shape import suggestion
from sim.scenario.shop import Region


def check_logistics(scenario: Scenario) -> Iterator[Finding]:
    """Findings on calendars and rules of dispatch."""
    yield from _calendars(scenario)
    rules = scenario.dispatch
    if rules.calendar is not None and not rules.calendar.business_days:
        yield Finding(("dispatch", "calendar", "business_days"), "no business day", "at least one weekday", "")


def _calendars(scenario: Scenario) -> Iterator[Finding]:
    for path, part in walk(scenario):
        if isinstance(part, Region | Warehouse | BusinessCalendar) and not is_known(part.public_holidays):
            allowed = "a country of ISO 3166 such as GB, or a part of one such as GB-SCT"
            near = suggestion(part.public_holidays, countries())
            yield Finding((*path, "public_holidays"), f"no calendar of public holidays{near}", allowed)
