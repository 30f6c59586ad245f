"""From a scenario to its trace: `generate(scenario, seed, replication)`."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arrays import Column
from sim.demand.bags import bag, by_listing
from sim.demand.columns import Uniform, drawn
from sim.demand.conversion import factor_u64
from sim.demand.interaction import treatment
from sim.demand.lines import Offers, buy_lines, offers, with_browsing
from sim.demand.orders import cart_columns
from sim.demand.sources import NamedStream, Seen, Source, sources
from sim.demand.streams import stream
from sim.demand.trace import Trace
from sim.errors import Problem, ScenarioError
from sim.scenario.parts.programme import Broadcast, Video
from sim.scenario.schema import Scenario

FORMAT = 1


def generate(scenario: Scenario, seed: int, replication: int = 0, seen: Seen = lambda _content, _times: None) -> Trace:
    """The trace of one replication; `seen` is told the views of videos, which are not in it.

    Raises ScenarioError when it has more rows than `max_rows`.
    """
    named = partial(stream, seed, replication)
    found = sources(scenario)
    # Before anything is drawn: a slip of a zero must not fill the memory. Re-shares have their own limit.
    live = [source for source in found if source.content < len(scenario.programme.broadcasts)]
    refuse_too_many(scenario, expected_rows(scenario, live) / 1.1)
    carts, source = _carts(scenario, found, named, seen)
    first_sku = _first_skus(named, found, source)
    del source
    factors = factor_u64(scenario)
    buys = buy_lines(scenario, named, carts, first_sku, _bags(scenario))
    shows = {part.content: part.show for part in found if part.show is not None}
    treated = treatment(scenario, shows, carts["content"], carts["time_us"])
    orders = cart_columns(scenario, named, first_sku, carts["region"], carts["deal"], factors, treated)
    del treated
    del carts, first_sku
    lines = with_browsing(scenario, named, buys)
    refuse_too_many(scenario, len(lines["cart"]))
    return Trace(lines, orders, factors, _header(scenario, seed, replication))


def expected_rows(scenario: Scenario, found: list[Source]) -> float:
    """The mean number of rows, in closed form: an upper bound where the horizon cuts re-shares off."""
    funnel = scenario.funnel
    browsing = funnel.views_per_buy + funnel.refreshes_per_buy + funnel.quotes_per_buy
    return sum(source.expected for source in found) * (funnel.lines_per_cart + browsing)


def refuse_too_many(scenario: Scenario, rows: float) -> None:
    """Raise ScenarioError if that many rows are too many."""
    if rows > scenario.max_rows:
        allowed = f"at most {scenario.max_rows:,} rows (max_rows)"
        raise ScenarioError(
            Problem(scenario.name, 0, "max_rows", "the trace is too long", f"{rows:,.0f} rows", allowed)
        )


def _carts(scenario: Scenario, found: list[Source], named: NamedStream, seen: Seen) -> tuple[dict[str, Column], Column]:
    """Columns by cart in order of time (ties: in order of the sources), and the number of each cart's source."""
    times = _times(scenario, found, named, seen)
    time_us = np.concatenate(times) if times else np.empty(0, np.int64)
    source = np.repeat(np.arange(len(found), dtype=np.uint16), [len(part) for part in times])
    del times
    order = np.argsort(time_us, kind="stable")
    time_us, source = time_us[order], source[order]
    del order
    content = np.array([part.content for part in found], np.int16)
    deal = np.array([part.deal for part in found], np.int16)
    region = _regions(named, found, time_us, source, len(scenario.regions))
    return {"time_us": time_us, "content": content[source], "deal": deal[source], "region": region}, source


def _times(scenario: Scenario, found: list[Source], named: NamedStream, seen: Seen) -> list[npt.NDArray[np.int64]]:
    """The sorted times of each source's carts that lie before the horizon."""
    times, carts = [], 0
    for source in found:
        try:
            drawn_us = source.draw(named, seen)
        except OverflowError as error:
            raise ScenarioError(Problem(scenario.name, 0, f"programme ({source.name})", str(error))) from None
        times.append(drawn_us[: np.searchsorted(drawn_us, scenario.horizon_us)])
        carts += len(times[-1])
        refuse_too_many(scenario, carts)
    return times


def _regions(named: NamedStream, found: list[Source], time_us: Column, source: Column, regions: int) -> Column:
    """Where each cart comes from, by the weights of its content at its time."""
    if regions == 1:
        return np.zeros(len(time_us), np.uint8)

    def use(rows: slice, uniform: Uniform) -> Column:
        region = np.empty(len(uniform), np.uint8)
        for number in np.unique(source[rows]):
            mine = np.flatnonzero(source[rows] == number)
            region[mine] = found[number].seasons.pick(time_us[rows][mine], uniform[mine])
        return region

    return drawn(named("region"), len(time_us), "u1", use)


def _first_skus(named: NamedStream, found: list[Source], source: Column) -> Column:
    """The SKU of each cart's first line, among those of its source."""
    first = offers([part.options for part in found])
    return drawn(named("sku"), len(source), "i4", lambda rows, u: first.pick(source[rows], u))


def _bags(scenario: Scenario) -> Offers:
    """What else a buyer of each content may want; group = content."""
    listings = by_listing(scenario)
    contents: list[Broadcast | Video] = [*scenario.programme.broadcasts, *scenario.programme.videos]
    return offers([bag(scenario, content, listings) for content in contents])


def _header(scenario: Scenario, seed: int, replication: int) -> dict[str, Any]:
    return {
        "scenario": scenario.name,
        "start": scenario.start.isoformat(),
        "seed": seed,
        "replication": replication,
        "currency": scenario.reporting_currency,
        "format": FORMAT,
    }
