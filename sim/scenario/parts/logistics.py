"""From a confirmed order to the buyer's door and back: warehouses, lanes, after-sales, fees."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

from pydantic import Field, model_validator

from sim.scenario.parts.base import (
    EVERY_DAY,
    Country,
    Duration,
    Name,
    Part,
    Servers,
    Weekday,
    equal_shares,
    in_zone,
)
from sim.scenario.parts.carriage import OF_WAREHOUSE, Carrier, PickUp
from sim.scenario.units import ClockMin, DurationUs, Money, RatePpm, Share


class Waves(Part):
    """Orders are released to the pickers every `every`, at most `capacity` a wave (0: no limit)."""

    every_us: DurationUs = Field(alias="every", gt=0)
    capacity: int = Field(0, ge=0, le=100_000_000)


class Overtime(Part):
    """Extra hands for `length` from the local time `at` on, on days when more than `backlog` parcels wait.

    Waiting are those of confirmed orders that are not packed. Whoever is called is paid for the whole `length`.
    """

    at_min: ClockMin = Field(alias="at")
    length_us: DurationUs = Field(alias="length", gt=0)
    backlog: int = Field(0, ge=0, le=100_000_000)
    pickers: int = Field(0, ge=0, le=1_000_000)
    packers: int = Field(0, ge=0, le=1_000_000)
    days: tuple[Weekday, ...] = EVERY_DAY
    wage_per_h: Money | None = Field(None, description="of each, an hour; told with pick and pack")


class Warehouse(Part):
    """Pickers, packers, waves and carrier pick-ups. A parcel goes with a pick-up if packed `cut_off` before it.

    Shifts of pickers and packers without a `zone` of their own are told in the warehouse's.
    """

    name: Name
    zone: str = "UTC"
    pickers: Servers = Field(4, validate_default=True)
    packers: Servers = Field(4, validate_default=True)
    wage_per_h: Money | None = Field(None, description="of each planned picker and packer, an hour")
    overtime: tuple[Overtime, ...] = ()
    waves: Waves | None = None
    pick_ups: tuple[PickUp, ...] = Field(({"at": "18:00"},), min_length=1, validate_default=True)
    pick_up_days: tuple[Weekday, ...] = EVERY_DAY[:6]
    holidays: tuple[dt.date, ...] = ()
    public_holidays: Country = ""
    cut_off_us: DurationUs = Field("2h", alias="cut_off", validate_default=True)
    carriers: tuple[Carrier, ...] = Field((), description="several, each with pick-ups of its own; empty: one")
    carrier_choice: Literal["cheapest", "fastest", "share"] = Field(
        "cheapest", description="who gets a parcel first; what finds no room goes to the next"
    )

    @model_validator(mode="before")
    @classmethod
    def _local_shifts(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get("zone"), str):
            return value
        teams = {key: in_zone(value[key], value["zone"]) for key in ("pickers", "packers") if key in value}
        return {**value, **teams}

    @model_validator(mode="before")
    @classmethod
    def _own_pick_ups(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get("carriers"), list | tuple):
            return value
        given = {key: value[key] for key in OF_WAREHOUSE if key in value}
        rows = [{**given, **row} if isinstance(row, dict) else row for row in value["carriers"]]
        return {**value, "carriers": equal_shares(rows, "share")}


class Fulfilment(Part):
    """Work on one parcel."""

    pick: Duration = Field({"dist": "lognormal", "median": "40s", "sigma": 0.5}, validate_default=True)
    pack: Duration = Field({"dist": "lognormal", "median": "30s", "sigma": 0.4}, validate_default=True)


class ReturnShares(Part):
    """Shares of a category's paid orders: cancelled before shipping, returned, refunded without return."""

    before_shipping: Share = 0.02
    after_delivery: Share = 0.08
    refund_only: Share = 0.01


class AfterSales(Part):
    """Cancels and returns. Defaults are those of hard goods (5-9 %, Toktay).

    A listing's `category` changes them only through `categories`. Published in all, about half of it before shipping:
    beauty 10-20 %, home 8-15 %, apparel sold live 40-70 %.
    """

    cancel_on_hold: Share = Field(0.02, description="share of paid orders cancelled while ON_HOLD")
    default: ReturnShares = ReturnShares()
    categories: dict[Name, ReturnShares] = Field(default_factory=dict)
    before_shipping_delay: Duration = Field({"dist": "exponential", "mean": "8h"}, validate_default=True)
    return_delay: Duration = Field({"dist": "exponential", "mean": "3d"}, validate_default=True)
    return_transit: Duration = Field({"dist": "gamma", "mean": "3d", "shape": 6}, validate_default=True)
    return_window_us: DurationUs = Field("7d", alias="return_window", validate_default=True)
    restock: Share = Field(0.8, description="share of returned orders that can be sold again")
    return_freight: Money | None = None
    return_handling: Money | None = None
    late_cancels: Literal["return", "keep"] = Field(
        "return",
        description="what becomes of an order that its buyer wants to cancel when the carrier has it: it comes back "
        "from the door, with freight and handling of a return, or the buyer keeps it",
    )


class Fees(Part):
    """What others take of a sale, and what handling and holding cost."""

    platform: RatePpm = Field("5 %", validate_default=True)
    creator: RatePpm = Field("0 %", validate_default=True)
    payment: RatePpm = Field("2 %", validate_default=True)
    payment_fixed: Money | None = None
    exchange: RatePpm = Field(
        "0 %", validate_default=True, description="of what regions pay whose currency is not the reporting one"
    )
    pick_pack: Money | None = Field(None, description="a parcel")
    holding_per_day: RatePpm = Field("0 %", validate_default=True, description="of the cost of a unit on hand, a day")
    late_dispatch: Money | None = Field(None, description="penalty an order collected late")
