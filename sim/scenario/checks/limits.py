"""Limits that a single field cannot check: zones, sums of shares, orders in time, sizes of trace columns."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from zoneinfo import ZoneInfo

from sim.scenario.checks.durations import check_durations
from sim.scenario.checks.findings import SHARE_TOLERANCE, Finding, ascending, overlapping, sum_to_one, walk
from sim.scenario.parts.base import Outage, Servers
from sim.scenario.parts.dispatch import BusinessCalendar
from sim.scenario.parts.logistics import Warehouse
from sim.scenario.parts.shop import Region
from sim.scenario.reading.nodes import Path
from sim.scenario.schema import Scenario
from sim.scenario.shape import suggestion
from sim.scenario.writing.human import duration_text

SHORTEST_PERIOD_US = 1_000
YEARS = range(2000, 2200)


def check_limits(scenario: Scenario) -> Iterator[Finding]:
    """Findings on zones, shares, orders in time and sizes."""
    if scenario.start.year not in YEARS:
        yield Finding(("start",), "too far away", f"years {YEARS[0]} to {YEARS[-1]}", str(scenario.start))
    yield from _zones(scenario)
    yield from _shares(scenario)
    yield from _regions(scenario)
    yield from _hands(scenario)
    yield from _sequences(scenario)
    yield from _periods(scenario)
    yield from _kept(scenario)
    yield from check_durations(scenario)


def _zones(scenario: Scenario) -> Iterator[Finding]:
    for path, part in walk(scenario):
        if isinstance(part, Region | Warehouse | Servers | BusinessCalendar) and not is_zone(part.zone):
            if isinstance(part, Servers) and path[0] == "warehouses" and part.zone == _house(scenario, path).zone:
                continue  # that of the warehouse, told there
            near = suggestion(part.zone, _zone_names())
            yield Finding((*path, "zone"), f"no such time zone{near}", "an IANA name such as Europe/London")


def _house(scenario: Scenario, path: Path) -> Warehouse:
    """The warehouse in which `path` lies."""
    return scenario.warehouses[int(path[1])]


def is_zone(name: str) -> bool:
    """Whether the IANA time zone exists here."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


@cache
def _zone_names() -> tuple[str, ...]:
    from zoneinfo import available_timezones

    return tuple(sorted(available_timezones()))


def _shares(scenario: Scenario) -> Iterator[Finding]:
    yield from sum_to_one(("regions",), "regions' audiences", [region.audience for region in scenario.regions])
    for i, listing in enumerate(scenario.catalogue):
        if listing.skus:
            yield from sum_to_one(("catalogue", i, "skus"), "SKUs", [sku.share for sku in listing.skus])
    for i, region in enumerate(scenario.regions):
        if region.payment_mix:
            yield from sum_to_one(("regions", i, "payment_mix"), "payment methods", list(region.payment_mix.values()))
    after = scenario.after_sales
    at: Path = ("after_sales", "categories")
    parts = {
        ("after_sales", "default"): after.default,
        **{(*at, name): part for name, part in after.categories.items()},
    }
    for path, part in parts.items():
        total = after.cancel_on_hold + part.before_shipping + part.after_delivery + part.refund_only
        if total > 1 + SHARE_TOLERANCE:
            message = f"these shares and `cancel_on_hold` add up to {total * 100:.6g} %"
            yield Finding(path, message, "at most 100 %", "")


def _regions(scenario: Scenario) -> Iterator[Finding]:
    for i, region in enumerate(scenario.regions):
        factors = region.hour_factors
        if factors and len(factors) != 24:
            yield Finding(("regions", i, "hour_factors"), "not one factor an hour", "24 numbers", f"{len(factors)}")
        elif factors and sum(factors) == 0:
            yield Finding(("regions", i, "hour_factors"), "all factors are 0", "at least one above 0", "")
        if not region.business_days:
            yield Finding(("regions", i, "business_days"), "no business day", "at least one weekday", "")
    for i, house in enumerate(scenario.warehouses):
        if not house.pick_up_days:
            yield Finding(("warehouses", i, "pick_up_days"), "no day of pick-ups", "at least one weekday", "")
        yield from ascending(("warehouses", i, "pick_ups"), "at", [pick_up.at_min for pick_up in house.pick_ups])


def _hands(scenario: Scenario) -> Iterator[Finding]:
    """Work that would wait for ever. None for a time (before a change, between shifts) is a plan like any other."""
    engine = scenario.engine
    if not engine.workers and not any(change.servers for change in engine.changes):
        yield Finding(("engine", "workers"), "no worker ever", "1 or more, at the start or by a change")
    teams: list[tuple[Path, Servers]] = []
    if scenario.confirmation.mode == "staff":
        teams.append((("confirmation", "staff"), scenario.confirmation.staff))
    for i, house in enumerate(scenario.warehouses):
        teams += [(("warehouses", i, "pickers"), house.pickers), (("warehouses", i, "packers"), house.packers)]
    for path, servers in teams:
        if not servers.constant and not any(shift.servers and shift.days for shift in servers.shifts):
            yield Finding(path, "nobody is ever at work", "1 or more")


def _sequences(scenario: Scenario) -> Iterator[Finding]:
    yield from _outages(("engine", "outages"), scenario.engine.outages)
    yield from _outages(("payment", "outages"), scenario.payment.outages)
    yield from ascending(("engine", "changes"), "at", [change.at_us for change in scenario.engine.changes])
    for i, listing in enumerate(scenario.catalogue):
        at: Path = ("catalogue", i, "shelf")
        for j, window in enumerate(listing.shelf):
            if window.off_us <= window.on_us:
                yield Finding(
                    (*at, j, "off"), "goes off the shelf before it is on", f"after {duration_text(window.on_us)}"
                )
        yield from ascending(at, "on", [window.on_us for window in listing.shelf])
        yield from overlapping(at, "window", [(window.on_us, window.off_us) for window in listing.shelf])


def _outages(path: Path, outages: tuple[Outage, ...]) -> Iterator[Finding]:
    yield from overlapping(path, "outage", [(outage.at_us, outage.at_us + outage.length_us) for outage in outages])


def _kept(scenario: Scenario) -> Iterator[Finding]:
    if scenario.stock.initial_allocation != "none" and scenario.allocation.reserves:
        allowed = "none, since `allocation.reserves` keep units where they are at the start"
        yield Finding(("stock", "initial_allocation"), "not with reserves", allowed)


def _periods(scenario: Scenario) -> Iterator[Finding]:
    periods: list[tuple[Path, int]] = [
        (("payment", "sweep"), scenario.payment.sweep_us),
        (("stock", "capacity_every"), scenario.stock.capacity_every_us),
    ]
    if scenario.funnel.feedback is not None:
        periods.append((("funnel", "feedback", "period"), scenario.funnel.feedback.period_us))
    if scenario.stock.review_us:  # 0: continuous
        periods.append((("stock", "review"), scenario.stock.review_us))
    for i, house in enumerate(scenario.warehouses):
        if house.waves is not None:
            periods.append((("warehouses", i, "waves", "every"), house.waves.every_us))
    for path, period_us in periods:
        if period_us < SHORTEST_PERIOD_US:
            yield Finding(path, "too short a period", f"{duration_text(SHORTEST_PERIOD_US)} or longer")
