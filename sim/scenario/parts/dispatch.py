"""A platform's rules of dispatch: deadlines, how lateness is counted, limits, and what is cancelled for it."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import Field

from sim.scenario.parts.base import EVERY_DAY, Country, Part, Weekday
from sim.scenario.units import ClockMin, Share

DispatchEvent = Literal["carrier_scan", "ready_to_ship"]


class BusinessCalendar(Part):
    """Business days of the platform, where they are not those of the buyer's region."""

    zone: str = "UTC"
    business_days: tuple[Weekday, ...] = EVERY_DAY[:5]
    holidays: tuple[dt.date, ...] = ()
    public_holidays: Country = ""


class Thresholds(Part):
    """Limits that the platform sets; absent: none. A summary tells which are missed."""

    ldr_at_most: Share | None = Field(None, description="late dispatch rate: recommended")
    ldr_enforced_above: Share | None = Field(None, description="late dispatch rate: beyond it the platform acts")
    otdr_at_least: Share | None = Field(None, description="on-time delivery rate")
    vtr_at_least: Share | None = Field(None, description="valid tracking rate")
    sfcr_at_most: Share | None = Field(None, description="seller-fault cancellation rate")


class DispatchRules(Part):
    """Late when not dispatched by the end of `dispatch_days` business days after payment; promised in `deliver_days`.

    TikTok Shop US, read 2026: 2 and 6 business days (8064131472115499, 3995852763301633). `policy` names a dated file
    with all values of a platform; what is written beside it wins.
    """

    policy: str = Field("", description="a shipped policy by name, or the path of a file of that form (.yaml)")
    rules: str = Field("", description="what the values below are called in reports; a policy fills it in")
    dispatch_days: int = Field(2, ge=0, le=60)
    deliver_days: int = Field(6, ge=0, le=120)
    cut_off_min: ClockMin = Field(
        "24:00", alias="cut_off", validate_default=True, description="when a business day ends, by the calendar's clock"
    )
    calendar: BusinessCalendar | None = Field(None, description="absent: zone and business days of the order's region")
    event: DispatchEvent = Field(
        "carrier_scan", description="what dispatches a parcel: its collection, or that it is packed and has a label"
    )
    daily_capacity: int = Field(
        0, ge=0, le=1_000_000_000, description="orders beyond it in one business day get `capacity_days` more; 0: none"
    )
    capacity_days: int = Field(1, ge=0, le=60)
    auto_cancel_days: int | None = Field(
        None,
        ge=0,
        le=120,
        description="an order not at `auto_cancel_event` by the end of this business day is cancelled; absent: never",
    )
    auto_cancel_event: DispatchEvent = Field(
        "ready_to_ship", description="what keeps an order from that, in all its parcels: a label, or the carrier's scan"
    )
    thresholds: Thresholds = Thresholds()
    penalties: tuple[str, ...] = Field((), description="what the platform does where a limit is missed: told only")
