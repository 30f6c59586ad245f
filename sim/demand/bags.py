"""What a buyer may put into a cart: SKU numbers with weights, by listing and by content."""

from __future__ import annotations

from sim.scenario.parts.programme import Broadcast, Video
from sim.scenario.schema import Scenario
from sim.scenario.tables import sku_table

Options = list[tuple[int, float]]


def by_listing(scenario: Scenario) -> dict[str, Options]:
    """The (SKU, weight) of each listing in the catalogue's order; a listing's weights add up to 1."""
    found: dict[str, Options] = {listing.name: [] for listing in scenario.catalogue}
    for number, row in enumerate(sku_table(scenario)):
        found[scenario.catalogue[row.listing].name].append((number, row.share))
    return {name: _scaled(options) for name, options in found.items()}


def _scaled(options: Options) -> Options:
    total = sum(weight for _, weight in options)
    return [(sku, weight / total if total else 1 / len(options)) for sku, weight in options]


def bag_listings(scenario: Scenario, content: Broadcast | Video) -> tuple[str, ...]:
    """Listings that a buyer sees there: a broadcast's bag, or what it pitches, else the shop's catalogue."""
    names: tuple[str, ...] = ()
    if isinstance(content, Broadcast):
        names = content.bag or tuple(dict.fromkeys(pitch.listing for pitch in content.pitches))
    own = tuple(row.name for row in scenario.catalogue if not content.shop or row.shop in ("", content.shop))
    return names or own or tuple(row.name for row in scenario.catalogue)


def bag(scenario: Scenario, content: Broadcast | Video, listings: dict[str, Options]) -> Options:
    """The (SKU, weight) of all listings that a buyer sees; the k-th counts k^-position_bias (Craswell et al. 2008)."""
    bias = scenario.funnel.position_bias
    return [
        (sku, weight * rank**-bias)
        for rank, name in enumerate(bag_listings(scenario, content), start=1)
        for sku, weight in listings[name]
    ]
