"""Carriage: from the warehouse door to the buyer's, by one or several carriers, over a border or not."""

from __future__ import annotations

import datetime as dt
import math
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from sim.scenario.parts.base import EVERY_DAY, Country, Duration, Name, Part, Weekday
from sim.scenario.units import ClockMin, Money, Share

#: Services of cross-border parcels and their days, as trade pages tell them: directions only, no measurement.
SERVICE_DAYS = {
    "premium": (5, 10),
    "standard": (10, 18),
    "economy": (20, 45),
    "express": (3, 7),
    "line": (7, 15),
    "post": (15, 40),
}
_Z_95 = 1.644854  # nine parcels in ten arrive within the days told


def parse_lead_time(value: Any) -> Any:
    """A service by name as a lognormal law of which 5 % lie below its first day and 5 % above its last."""
    if not isinstance(value, str) or value.strip() not in SERVICE_DAYS:
        return value
    low, high = SERVICE_DAYS[value.strip()]
    sigma = round(math.log(high / low) / (2 * _Z_95), 4)
    return {"dist": "lognormal", "median": f"{round(math.sqrt(low * high) * 24 * 60)}m", "sigma": sigma}


LeadTime = Annotated[Duration, BeforeValidator(parse_lead_time)]


class Customs(Part):
    """A border on the way: each parcel costs `cost`, and a share `held` is kept for `delay` more."""

    held: Share = 0.0
    delay: Duration = Field({"dist": "gamma", "mean": "3d", "shape": 2}, validate_default=True)
    cost: Money | None = Field(None, description="duty and clearance a parcel, told with freight")


class Carriage(Part):
    """Lead time from pick-up to door, freight a parcel, share lost, customs.

    `lead_time` may name a cross-border service instead of a law: premium (5-10 days), standard (10-18), economy
    (20-45), express (3-7), line (7-15), post (15-40). These are presets from trade pages, directions only; nine
    parcels in ten arrive within the days told.
    """

    lead_time: LeadTime = Field({"dist": "gamma", "mean": "2d", "shape": 8}, validate_default=True)
    cost: Money | None = None
    lost: Share = 0.0
    customs: Customs | None = None


class Lane(Carriage):
    """Carriage from a warehouse to a region: lead time from pick-up to door, freight a parcel, share lost, customs."""

    warehouse: Name
    region: Name


class PickUp(Part):
    """The carrier comes at a local time of day and takes at most `capacity` parcels (0: no limit)."""

    at_min: ClockMin = Field(alias="at")
    capacity: int = Field(0, ge=0, le=100_000_000)


class Carrier(Part):
    """One of several carriers of a warehouse. What it leaves out of its pick-ups is the warehouse's.

    `share` is of the parcels that are given to it first, where the warehouse's `carrier_choice` is by share.
    """

    name: Name
    share: Share = Field(1.0, description="left out everywhere: equal shares")
    pick_ups: tuple[PickUp, ...] = Field(({"at": "18:00"},), min_length=1, validate_default=True)
    pick_up_days: tuple[Weekday, ...] = EVERY_DAY[:6]
    holidays: tuple[dt.date, ...] = ()
    public_holidays: Country = ""
    to: dict[Name, Carriage] = Field(default_factory=dict, description="by region; absent: the lane's")


#: What a carrier takes over from its warehouse.
OF_WAREHOUSE = ("pick_ups", "pick_up_days", "holidays", "public_holidays")
