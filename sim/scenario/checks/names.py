"""Names: each is unique and well formed, and whatever is referred to exists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sim.scenario.checks.findings import Finding, repeated, unknown
from sim.scenario.parts.comparing import AS_WRITTEN, FORMULA, FOUND
from sim.scenario.parts.shop import Listing
from sim.scenario.reading.nodes import Path
from sim.scenario.schema import Scenario
from sim.scenario.shape import listing_of
from sim.scenario.tables import carrier_table, contents, sku_names

MAX_NAME = 64
_RESERVED = "/[]="
#: Limits of the trace's columns.
MAX_CONTENTS, MAX_DEALS, MAX_REGIONS, MAX_METHODS, MAX_SKUS = 32_000, 32_000, 255, 255, 1_000_000
MAX_WAREHOUSES = 250  # an order's warehouse is a byte, of which a few values mean something else
MAX_CARRIERS = 900  # ranks of pick-ups among the control events of one instant


def check_names(scenario: Scenario) -> Iterator[Finding]:
    """Findings on names, references and numbers of things."""
    yield from _unique(scenario)
    yield from _counts(scenario)
    yield from _listings(scenario)
    yield from _bundles(scenario)
    yield from _shown(scenario)
    yield from _places(scenario)


def _unique(scenario: Scenario) -> Iterator[Finding]:
    programme = scenario.programme
    kinds: list[tuple[Path, str, Sequence[Any]]] = [
        (("shops",), "shop", scenario.shops),
        (("catalogue",), "listing", scenario.catalogue),
        *((("warehouses", i, "carriers"), "carrier", each.carriers) for i, each in enumerate(scenario.warehouses)),
        *((("catalogue", i, "skus"), "SKU", each.skus) for i, each in enumerate(scenario.catalogue)),
        (("regions",), "region", scenario.regions),
        (("warehouses",), "warehouse", scenario.warehouses),
        (("payment", "methods"), "method", scenario.payment.methods),
        (("strategies",), "strategy", scenario.strategies),
        (("programme", "broadcasts"), "broadcast", programme.broadcasts),
        (("programme", "videos"), "video", programme.videos),
    ]
    for path, what, things in kinds:
        yield from _named(path, what, [thing.name for thing in things])
    for i, strategy in enumerate(scenario.strategies):
        if strategy.name in (AS_WRITTEN, FOUND) or strategy.name.startswith(FORMULA):
            at = ("strategies", i, "name")
            yield Finding(at, "studies and searches use this name themselves", "a name of its own")
    taken = {broadcast.name for broadcast in programme.broadcasts}
    for i, video in enumerate(programme.videos):
        if video.name in taken:
            yield Finding(("programme", "videos", i, "name"), "a broadcast has this name already", "a name of its own")


def _named(path: Path, what: str, names: Sequence[str]) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for i, name in enumerate(names):
        at = (*path, i, "name")
        if not _is_name(name):
            allowed = f"1 to {MAX_NAME} characters without {' '.join(_RESERVED)} and outer blanks"
            yield Finding(at, "not a name", allowed)
        elif name in first:
            yield Finding(at, f"{what} {first[name]} has this name already", "a name of its own")
        first.setdefault(name, i)


def _is_name(text: str) -> bool:
    return 0 < len(text) <= MAX_NAME and text == text.strip() and text.isprintable() and not set(text) & set(_RESERVED)


def _counts(scenario: Scenario) -> Iterator[Finding]:
    deals = sum(len(broadcast.deals) for broadcast in scenario.programme.broadcasts)
    for path, what, count, limit in (
        (("programme",), "broadcasts and videos", len(contents(scenario)), MAX_CONTENTS),
        (("programme", "broadcasts"), "flash deals", deals, MAX_DEALS),
        (("regions",), "regions", len(scenario.regions), MAX_REGIONS),
        (("warehouses",), "warehouses", len(scenario.warehouses), MAX_WAREHOUSES),
        (("payment", "methods"), "payment methods", len(scenario.payment.methods), MAX_METHODS),
        (("catalogue",), "SKUs", len(sku_names(scenario)), MAX_SKUS),
        (("warehouses",), "carriers", len(carrier_table(scenario)), MAX_CARRIERS),
    ):
        if count > limit:
            yield Finding(path, f"too many {what}", f"at most {limit:,}", f"{count:,}")


def _listings(scenario: Scenario) -> Iterator[Finding]:
    shops = dict.fromkeys(shop.name for shop in scenario.shops)
    houses = dict.fromkeys(house.name for house in scenario.warehouses)
    for i, listing in enumerate(scenario.catalogue):
        at: Path = ("catalogue", i)
        if listing.shop:
            yield from unknown((*at, "shop"), "shop", listing.shop, shops)
        for house in listing.stock:
            yield from unknown((*at, "stock", house), "warehouse", house, houses)
        for j, sku in enumerate(listing.skus):
            for house in sku.stock:
                yield from unknown((*at, "skus", j, "stock", house), "warehouse", house, houses)
    listings = dict.fromkeys(listing.name for listing in scenario.catalogue)
    either = {**listings, **dict.fromkeys(sku_names(scenario))}
    for name in scenario.stock.levels:
        yield from unknown(("stock", "levels", name), "listing or SKU", name, either)
    for name in scenario.stock.forecast.given:
        yield from unknown(("stock", "forecast", "given", name), "listing or SKU", name, either)
    for name in scenario.funnel.price.reference:
        yield from unknown(("funnel", "price", "reference", name), "listing", name, listings)
    categories = dict.fromkeys(listing.category for listing in scenario.catalogue)
    for name in scenario.after_sales.categories:
        yield from unknown(("after_sales", "categories", name), "listing with a category", name, categories)


def _bundles(scenario: Scenario) -> Iterator[Finding]:
    listings = {listing.name: listing for listing in scenario.catalogue}
    known = dict.fromkeys(sku_names(scenario))
    for i, listing in enumerate(scenario.catalogue):
        if not listing.bundle:
            continue
        at: Path = ("catalogue", i)
        if listing.stock:
            yield Finding((*at, "stock"), "a bundle holds no stock itself", "stock at the SKUs it is packed from", "")
        if listing.skus:
            yield Finding((*at, "skus"), "a bundle has no variants", "one bundle a listing", "")
        seen: set[str] = set()
        for j, part in enumerate(listing.bundle):
            here = (*at, "bundle", j, "sku")
            yield from one_sku(here, part.sku, known, listings)
            yield from _part(here, part.sku, listing, listings)
            if part.sku in seen:
                yield Finding(here, "stands in this bundle already", "each SKU once, with its `units`")
            seen.add(part.sku)


def _part(path: Path, sku: str, listing: Listing, listings: dict[str, Listing]) -> Iterator[Finding]:
    owner = listings.get(sku.partition("/")[0])
    if owner is listing:
        yield Finding(path, "a bundle does not contain itself", "other SKUs")
    elif owner is not None and owner.bundle:
        yield Finding(path, "a bundle does not contain bundles", "SKUs that hold stock")


def one_sku(path: Path, name: str, known: dict[str, None], listings: dict[str, Listing]) -> Iterator[Finding]:
    """A finding where `name` is no SKU; that of a listing with variants would leave open which of them is meant."""
    if name in listings and name not in known:
        variants = listing_of([f"{name}/{sku.name}" for sku in listings[name].skus])
        yield Finding(path, "this listing has variants: name one of them", variants)
    else:
        yield from unknown(path, "SKU", name, known)


def _shown(scenario: Scenario) -> Iterator[Finding]:
    shops = dict.fromkeys(shop.name for shop in scenario.shops)
    listings = {listing.name: listing for listing in scenario.catalogue}
    skus = dict.fromkeys(sku_names(scenario))
    for i, broadcast in enumerate(scenario.programme.broadcasts):
        at: Path = ("programme", "broadcasts", i)
        if broadcast.shop:
            yield from unknown((*at, "shop"), "shop", broadcast.shop, shops)
        for j, name in enumerate(broadcast.bag):
            yield from unknown((*at, "bag", j), "listing", name, listings)
        yield from repeated((*at, "bag"), broadcast.bag, "stands in the bag already", "each listing once")
        for j, pitch in enumerate(broadcast.pitches):
            yield from unknown((*at, "pitches", j, "listing"), "listing", pitch.listing, listings)
        for j, deal in enumerate(broadcast.deals):
            yield from one_sku((*at, "deals", j, "sku"), deal.sku, skus, listings)
    for i, video in enumerate(scenario.programme.videos):
        if video.shop:
            yield from unknown(("programme", "videos", i, "shop"), "shop", video.shop, shops)
        yield from unknown(("programme", "videos", i, "listing"), "listing", video.listing, listings)


def _places(scenario: Scenario) -> Iterator[Finding]:
    houses = dict.fromkeys(house.name for house in scenario.warehouses)
    regions = dict.fromkeys(region.name for region in scenario.regions)
    methods = dict.fromkeys(method.name for method in scenario.payment.methods)
    for i, region in enumerate(scenario.regions):
        for j, name in enumerate(region.nearest):
            yield from unknown(("regions", i, "nearest", j), "warehouse", name, houses)
        yield from repeated(("regions", i, "nearest"), region.nearest, "is named already", "each warehouse once")
        for name in region.payment_mix:
            yield from unknown(("regions", i, "payment_mix", name), "payment method", name, methods)
    for i, house in enumerate(scenario.warehouses):
        for j, carrier in enumerate(house.carriers):
            for name in carrier.to:
                yield from unknown(("warehouses", i, "carriers", j, "to", name), "region", name, regions)
    seen: dict[tuple[str, str], int] = {}
    for i, lane in enumerate(scenario.lanes):
        yield from unknown(("lanes", i, "warehouse"), "warehouse", lane.warehouse, houses)
        yield from unknown(("lanes", i, "region"), "region", lane.region, regions)
        pair = (lane.warehouse, lane.region)
        if pair in seen:
            yield Finding(("lanes", i), f"lane {seen[pair]} joins these two already", "one lane a pair", "")
        seen.setdefault(pair, i)
