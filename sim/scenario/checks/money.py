"""Money: every currency in use has one dated rate to the reporting currency."""

from __future__ import annotations

from collections.abc import Iterator

from sim.scenario.checks.findings import Finding, walk
from sim.scenario.schema import Scenario
from sim.scenario.shape import listing_of
from sim.scenario.units import Money


def check_money(scenario: Scenario) -> Iterator[Finding]:
    """Findings on rates and currencies, and amounts below zero."""
    known = {scenario.reporting_currency: True}
    for i, row in enumerate(scenario.currencies):
        at = ("currencies", i, "currency")
        if row.currency == scenario.reporting_currency and row.rate != 1:
            yield Finding(("currencies", i, "rate"), "the reporting currency is worth 1 of itself", "1, or no row")
        elif row.currency in known and row.currency != scenario.reporting_currency:
            yield Finding(at, "this currency has a rate already", "one rate a currency")
        known[row.currency] = True
    for path, part in walk(scenario):
        if isinstance(part, Money):
            if part.currency not in known:
                yield Finding(path, f"{part.currency} has no rate in `currencies`", listing_of(known))
            if part.minor < 0:
                yield Finding(path, "an amount below zero", "0 or more")
    for i, region in enumerate(scenario.regions):
        if region.currency and region.currency not in known:
            message = f"{region.currency} has no rate in `currencies`"
            yield Finding(("regions", i, "currency"), message, listing_of(known))
