"""What is shown when: broadcasts with pitches and LIVE flash deals, and short videos."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sim.scenario.parts.base import Duration, Knot, Name, Part, Stay
from sim.scenario.units import DurationUs, Money, Share


class Pitch(Part):
    """The host presents a listing: it is pinned from `at` (after the broadcast's start) for `length`."""

    listing: Name
    at_us: DurationUs = Field(alias="at")
    length_us: DurationUs = Field("5m", alias="length", gt=0, validate_default=True)
    lift: float | None = Field(None, ge=0, le=1000, description="instead of funnel.pitch_lift")


class Deal(Part):
    """A LIVE flash deal: `units` of one SKU at `price`, opening at `at` + `countdown` for `duration`.

    A share `intent` of the viewers present at the opening react after an exponential time of mean `reaction`.
    Windows after TikTok Shop: countdown 10-300 s, duration 1-20 min (seller-us 6441265748903735).
    """

    sku: Name
    at_us: DurationUs = Field(alias="at")
    countdown_us: DurationUs = Field("60s", alias="countdown", validate_default=True)
    duration_us: DurationUs = Field("5m", alias="duration", gt=0, validate_default=True)
    price: Money
    units: int = Field(ge=1, le=1_000_000_000)
    per_buyer: int = Field(1, ge=1, le=1_000_000)
    intent: Share = 0.05
    reaction: Duration = Field({"dist": "exponential", "mean": "2s"}, validate_default=True)


class Broadcast(Part):
    """A live show. Viewers enter at the rate `entries` (knots, straight lines between) and stay `stay`."""

    name: Name
    shop: Name = ""
    host: str = ""
    start_us: DurationUs = Field(alias="start")
    length_us: DurationUs = Field(alias="length", gt=0)
    entries: tuple[Knot, ...] = Field(min_length=1)
    stay: Stay = Field({}, validate_default=True)
    bag: tuple[Name, ...] = Field((), description="listings on sale all through the show; empty: those pitched")
    pitches: tuple[Pitch, ...] = ()
    deals: tuple[Deal, ...] = ()


class Kernel(Part):
    """When a view makes re-shares: exponential (`mean`), or SEISMIC (flat to 300 s, then a power 1 + theta)."""

    kind: Literal["exponential", "seismic"] = "seismic"
    mean_us: DurationUs = Field("1h", alias="mean", gt=0, validate_default=True)
    theta: float = Field(0.2314843, gt=0, le=10, description="Zhao et al. 2015, constants of the R package seismic")


class Exposure(Part):
    """Traffic pools: tier k is shown `tiers[k]` times within `tier_time`, passed at an engagement >= `threshold`."""

    tiers: tuple[Annotated[int, Field(ge=1, le=1_000_000_000)], ...] = Field(
        (300, 3_000, 30_000, 300_000), min_length=1
    )
    threshold: Share = 0.05
    tier_time_us: DurationUs = Field("12h", alias="tier_time", gt=0, validate_default=True)


class Video(Part):
    """A short video with one listing anchored. `quality` is its engagement share; a view makes `branching` more."""

    name: Name
    shop: Name = ""
    listing: Name
    publish_us: DurationUs = Field(alias="publish")
    quality: Share = 0.055
    exposure: Exposure = Exposure()
    branching: Share = 0.3
    kernel: Kernel = Kernel()
    click: Share = Field(0.0405, description="click given view: 4.05 % (Ali-CCP, Ma et al. 2018)")
    order_given_click: Share = Field(0.0053, description="order given click: 0.53 % (Ali-CCP)")


class Programme(Part):
    """Everything that is shown. At least one broadcast or video."""

    broadcasts: tuple[Broadcast, ...] = ()
    videos: tuple[Video, ...] = ()

    @model_validator(mode="after")
    def _not_empty(self) -> Programme:
        if not self.broadcasts and not self.videos:
            raise ValueError("the programme is empty: give it a broadcast or a short video")
        return self
