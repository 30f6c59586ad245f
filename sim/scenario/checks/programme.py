"""The programme: windows inside windows, and flash deals that the stock can serve."""

from __future__ import annotations

from collections.abc import Iterator

from sim.scenario.checks.findings import Finding, ascending, overlapping
from sim.scenario.parts.base import Duration
from sim.scenario.parts.programme import Broadcast, Deal
from sim.scenario.parts.stocking import PLANNED, is_own
from sim.scenario.reading.nodes import Path
from sim.scenario.schema import Scenario
from sim.scenario.tables import SkuRow, sku_table, to_reporting_minor
from sim.scenario.units import Money
from sim.scenario.writing.human import duration_text, money_text


def check_programme(scenario: Scenario, priced: bool) -> Iterator[Finding]:
    """Findings on times, and (when names and rates are right: `priced`) on prices and units of deals."""
    for i, broadcast in enumerate(scenario.programme.broadcasts):
        at: Path = ("programme", "broadcasts", i)
        end_us = broadcast.start_us + broadcast.length_us
        if end_us > scenario.horizon_us:
            allowed = f"within the horizon of {duration_text(scenario.horizon_us)}"
            yield Finding((*at, "start"), f"the broadcast ends at {duration_text(end_us)}", allowed)
        yield from _knots(at, broadcast)
        yield from _pitches(at, broadcast)
        yield from _deals(at, broadcast)
    for i, video in enumerate(scenario.programme.videos):
        at = ("programme", "videos", i)
        if video.publish_us >= scenario.horizon_us:
            allowed = f"within the horizon of {duration_text(scenario.horizon_us)}"
            yield Finding((*at, "publish"), "the video is published too late", allowed)
        yield from ascending((*at, "exposure", "tiers"), "", list(video.exposure.tiers))
    if priced:
        yield from _prices(scenario)


def _knots(at: Path, broadcast: Broadcast) -> Iterator[Finding]:
    times = [knot.at_us for knot in broadcast.entries]
    yield from ascending((*at, "entries"), "at", times, strict=False)
    for i, time_us in enumerate(times):
        if time_us > broadcast.length_us:
            yield Finding((*at, "entries", i, "at"), "the knot lies after the broadcast", _inside(broadcast))
        if i >= 2 and time_us == times[i - 1] == times[i - 2]:
            yield Finding((*at, "entries", i, "at"), "the third knot at one time", "one, or two for a jump")


def _pitches(at: Path, broadcast: Broadcast) -> Iterator[Finding]:
    windows = [(pitch.at_us, pitch.at_us + pitch.length_us) for pitch in broadcast.pitches]
    for i, (_, end_us) in enumerate(windows):
        if end_us > broadcast.length_us:
            message = f"the pitch ends {duration_text(end_us)} after the start"
            yield Finding((*at, "pitches", i, "at"), message, _inside(broadcast))
    yield from overlapping((*at, "pitches"), "pitch", windows)


def _deals(at: Path, broadcast: Broadcast) -> Iterator[Finding]:
    for i, deal in enumerate(broadcast.deals):
        end_us = deal.at_us + deal.countdown_us + deal.duration_us
        if end_us > broadcast.length_us:
            message = f"the deal closes {duration_text(end_us)} after the start (at + countdown + duration)"
            yield Finding((*at, "deals", i, "at"), message, _inside(broadcast))


def _inside(broadcast: Broadcast) -> str:
    return f"within the broadcast's {duration_text(broadcast.length_us)}"


def _prices(scenario: Scenario) -> Iterator[Finding]:
    table = sku_table(scenario)
    rows = {row.name: row for row in table}
    for i, broadcast in enumerate(scenario.programme.broadcasts):
        opened: dict[str, list[tuple[int, int, int]]] = {}  # by SKU: opens, closes, number of the deal
        for j, deal in enumerate(broadcast.deals):
            path: Path = ("programme", "broadcasts", i, "deals", j)
            open_us = deal.at_us + deal.countdown_us
            close_us = broadcast.start_us + open_us + deal.duration_us
            yield from _one_deal(scenario, path, deal, rows[deal.sku], table, close_us)
            opened.setdefault(rows[deal.sku].name, []).append((open_us, open_us + deal.duration_us, j))
        for windows in opened.values():
            yield from _one_at_a_time(("programme", "broadcasts", i, "deals"), sorted(windows))


def _one_at_a_time(path: Path, windows: list[tuple[int, int, int]]) -> Iterator[Finding]:
    close_us, open_deal = windows[0][1:]
    for open_us, end_us, deal in windows[1:]:
        if open_us < close_us:
            message = f"deal {open_deal} of the same SKU is still open"
            yield Finding((*path, deal, "at"), message, "one deal of a SKU at a time")
        if end_us > close_us:
            close_us, open_deal = end_us, deal


def _one_deal(
    scenario: Scenario, path: Path, deal: Deal, row: SkuRow, table: list[SkuRow], close_us: int
) -> Iterator[Finding]:
    presale = {each.sku: each.units for each in scenario.allocation.presale}
    have = [
        (number, (sum(table[number].stock) + presale.get(table[number].name, 0)) // units)
        for number, units in row.components
    ]
    short = [table[number] for number, enough_for in have if enough_for < deal.units]
    if not all(_can_come(scenario, part, close_us) for part in short):
        ordered = scenario.stock.policy != "none" or scenario.stock.emergency is not None
        late = ", and what is ordered comes too late" if ordered else ""
        yield Finding(
            (*path, "units"),
            f"more than the stock of {row.name}{late}",
            f"at most {min(enough_for for _, enough_for in have):,}",
        )
    price = scenario.catalogue[row.listing].price
    if _dearer(scenario, deal.price, price, row):
        yield Finding((*path, "price"), "dearer than the list price", f"at most {money_text(price)}")


def _can_come(scenario: Scenario, row: SkuRow, by_us: int) -> bool:
    """Whether stock of a SKU that the policy or the emergency supplier orders can be there before `by_us`."""
    plan = scenario.stock
    if not any(row.stock) and plan.policy not in PLANNED and not is_own(plan.policy):
        return False  # others order only what has stock at the start
    soonest_us = []
    if plan.policy != "none":
        reviewed = plan.review_us > 0 and plan.policy in ("base_stock", "s_S")
        first_us = (plan.offset_us or plan.review_us) if reviewed else 0
        soonest_us.append(first_us + _least_us(plan.lead_time))
    if plan.emergency is not None:
        soonest_us.append(_least_us(plan.emergency.lead_time))
    return any(time_us < by_us for time_us in soonest_us)


def _least_us(law: Duration) -> int:
    """The shortest that a duration may be; of laws that begin at 0 they may be as short as chance will have it."""
    return law.mean_us if law.dist == "constant" else law.low_us


def _dearer(scenario: Scenario, deal: Money, price: Money, row: SkuRow) -> bool:
    if deal.currency == price.currency:
        return deal.minor > price.minor
    return to_reporting_minor(scenario, deal) > row.price_minor
