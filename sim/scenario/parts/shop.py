"""What is sold and to whom: shops, listings with their SKUs, regions, the funnel from a view to an order."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

from pydantic import Field, field_validator

from sim.scenario.parts.allocation import WarehouseChoice
from sim.scenario.parts.base import EVERY_DAY, Country, Duration, Factor, Name, Part, Units, Weekday, equal_shares
from sim.scenario.parts.interaction import Feedback, Persuasion, Questions
from sim.scenario.units import DurationUs, Money, Share


class Shop(Part):
    """A seller."""

    name: Name


class BundlePart(Part):
    """`units` of another SKU inside one unit of a bundle."""

    sku: Name
    units: int = Field(1, ge=1, le=1000)


class Sku(Part):
    """A variant of a listing. `share` of the listing's orders choose it; its id is `listing/name`."""

    name: Name
    share: Share = Field(1.0, description="of the listing's orders; left out everywhere: equal shares")
    stock: dict[Name, Units] = Field(default_factory=dict, description="units by warehouse at the start")


class OnShelf(Part):
    """A listing can be bought from `on` until `off`."""

    on_us: DurationUs = Field(alias="on")
    off_us: DurationUs = Field(alias="off", gt=0)


class Listing(Part):
    """One product page. Without `skus` it has one SKU with the listing's own name; a `bundle` holds no stock itself."""

    name: Name
    shop: Name = ""
    category: Name = "general"
    price: Money
    cost: Money | None = None
    salvage: Money | None = None
    skus: tuple[Sku, ...] = ()
    stock: dict[Name, Units] = Field(
        default_factory=dict, description="units by warehouse, split over the SKUs by their shares"
    )
    bundle: tuple[BundlePart, ...] = ()
    shelf: tuple[OnShelf, ...] = Field((), description="empty: always on the shelf")

    @field_validator("skus", mode="before")
    @classmethod
    def _equal_shares(cls, value: Any) -> Any:
        return equal_shares(value, "share")


class CurrencyRate(Part):
    """One unit of `currency` is worth `rate` units of the reporting currency on `date`."""

    currency: str = Field(pattern="^[A-Z]{3}$")
    rate: float = Field(gt=0, lt=1e6)
    date: dt.date


class Region(Part):
    """A part of the audience. `nearest` orders the warehouses; left empty it is the order of the warehouses."""

    name: Name
    audience: Share = Field(1.0, description="share of the viewers; left out everywhere: equal shares")
    zone: str = "UTC"
    currency: str = Field("", pattern="^([A-Z]{3})?$")
    payment_mix: dict[Name, Share] = Field(default_factory=dict, description="empty: equal shares")
    nearest: tuple[Name, ...] = ()
    day_factors: dict[Weekday, Factor] = Field(default_factory=dict, description="demand by local weekday, 1 if absent")
    hour_factors: tuple[Factor, ...] = Field((), description="24 factors by local hour for short videos; empty: flat")
    business_days: tuple[Weekday, ...] = EVERY_DAY[:5]
    holidays: tuple[dt.date, ...] = ()
    public_holidays: Country = ""
    allocation: WarehouseChoice | None = Field(None, description="instead of the scenario's choice of warehouses")


class Voucher(Part):
    """`share` of the orders carry a voucher of `off` the goods' value, paid by the seller or by the platform."""

    share: Share = 0.0
    off: Share = 0.1
    funded_by: Literal["seller", "platform"] = "seller"
    lift: float = Field(0.0, ge=0, le=10, description="conversion x (1 + lift) for orders with a voucher")


class PriceResponse(Part):
    """Conversion x (price / reference) ** -elasticity, at most `ceiling` times that at the reference price.

    Prices that are lowered (by --set, a strategy, a knob or --vary) need a `ceiling` above 1 to sell more.
    """

    elasticity: float = Field(0.0, ge=0, le=20)
    reference: dict[Name, Money] = Field(
        default_factory=dict,
        description="by listing; strategies, knobs, --vary and --set that change the price leave it as it is",
    )
    ceiling: float = Field(1.0, ge=1, le=10)


class Matching(Part):
    """How well the platform matches viewers to products: correlation `r`, shown to the best `top` share.

    `linear`: conversion of those shown x (1 + weight x E[z | shown]), E[z | shown] = r i(top) (Cochran 1951).
    `logit`: a viewer of match z clicks with 1 / (1 + exp(-click_level - click_spread z)) and orders after a click
    with the same form in order_level and order_spread, so that both rise together; conversion is multiplied by what
    the two are worth against r = 0.
    """

    r: Share = 0.0
    top: Share = 0.1
    law: Literal["linear", "logit"] = "linear"
    weight: float = Field(0.25, ge=0, le=10, description="linear")
    click_level: float = Field(-3.0, ge=-20, le=20, description="logit: log-odds of a click at z = 0")
    click_spread: float = Field(0.8, ge=0, le=5, description="logit: log-odds a standard deviation of z")
    order_level: float = Field(-5.2, ge=-20, le=20, description="logit: log-odds of an order after a click at z = 0")
    order_spread: float = Field(0.8, ge=0, le=5, description="logit: log-odds a standard deviation of z")


class SharedExposure(Part):
    """Live shows and short videos compete for one exposure, of which the platform gives shows the share `live`.

    The programme is written for a share of `written_at`. So entries of shows are x live / written_at and exposures of
    videos x (1 - live) / (1 - written_at): what one gains the other loses.
    """

    live: Share = 0.1
    written_at: Share = Field(0.1, gt=0, lt=1)


class Funnel(Part):
    """From viewer to order. A viewer's purchase hazard outside a pitch is `clicks_per_viewer_hour x order_given_click`.

    4 clicks an hour are 8.4 clicks per 100 viewers over the default stay (mean 76 s), by 6.9 % of them: few stay long
    and click often. Published are 9.15 % of viewers who browse, which 5.6 an hour would give; 5 % of clicks ordering
    makes 0.4 % of viewers buy (published: 0.67 % within a month).
    `pitch_lift` multiplies it while the listing is pinned: x (1 + 1.36) is the published +136 % (SSRN 4847854).
    """

    clicks_per_viewer_hour: float = Field(4.0, ge=0, le=10_000)
    order_given_click: Share = 0.05
    pitch_lift: float = Field(1.36, ge=0, le=1000)
    countdown_lift: float = Field(0.0, ge=0, le=10, description="intent of a deal with a countdown x (1 + this)")
    views_per_buy: float = Field(0.0, ge=0, le=1000, description="rows of kind view before each buy")
    refreshes_per_buy: float = Field(0.0, ge=0, le=1000)
    quotes_per_buy: float = Field(0.0, ge=0, le=100)
    browse_time: Duration = Field({"dist": "exponential", "mean": "20s"}, validate_default=True)
    lines_per_cart: float = Field(1.0, ge=1, le=20, description="mean; geometric, at most 20")
    units_per_line: float = Field(1.0, ge=1, le=100, description="mean; geometric, at most 100")
    matching: Matching = Matching()
    exposure: SharedExposure = SharedExposure()
    position_bias: float = Field(
        0.0, ge=0, le=5, description="the k-th listing of a bag is seen k^-bias times as often as the first; 0: alike"
    )
    voucher: Voucher = Voucher()
    price: PriceResponse = PriceResponse()
    questions: Questions | None = Field(None, description="absent: nobody asks")
    persuasion: Persuasion | None = Field(None, description="absent: as the rest of the file describes")
    feedback: Feedback | None = Field(None, description="absent: buyers do not mind slow checkouts and stockouts")
    second_choice: Share = Field(0.0, description="share of refused lines whose buyer would take another SKU")
    second_choice_delay_us: DurationUs = Field("10s", alias="second_choice_delay", validate_default=True)
    buyers: int = Field(
        0, ge=0, le=2_000_000_000, description="0: every cart has its own buyer; else ids in 0..buyers-1"
    )
