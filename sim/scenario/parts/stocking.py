"""How stock is replenished: the policy and its levels, the supplier, the emergency supplier."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from sim.scenario.parts.base import Duration, Name, Part, Units
from sim.scenario.units import DurationUs, Money

LawName = Literal["normal", "poisson", "lognormal", "negative_binomial"]

POLICIES = ("none", "base_stock", "s_S", "r_Q", "newsvendor", "wagner_whitin")
PLANNED = ("newsvendor", "wagner_whitin")
Allotted = Literal["none", "proportional", "equal_fractile"]


def is_own(policy: str) -> bool:
    """Whether it names a class of the user's, `module:Class`."""
    return re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", policy) is not None


class Levels(Part):
    """A SKU's own levels, or those of all SKUs of a listing; what is left out is as for all."""

    s: Units | None = None
    S: Units | None = None
    r: Units | None = None
    Q: Units | None = Field(None, gt=0)


class Emergency(Part):
    """A faster, dearer supplier, asked at once whenever what is available, with what it still owes, falls to `level`.

    It is asked for what is missing up to `up_to`; what the ordinary supplier owes does not count, for it comes later
    (Moinzadeh & Nahmias 1988).
    """

    level: Units
    up_to: Units
    lead_time: Duration = Field("1d", validate_default=True)
    surcharge: Money | None = Field(None, description="a unit, on top of its cost")

    @model_validator(mode="after")
    def _ordered(self) -> Emergency:
        if self.up_to <= self.level:
            raise ValueError("an emergency supplier needs up_to above level")
        return self


class GivenDemand(Part):
    """Units wanted of a SKU in each show, at all warehouses together."""

    mean: float = Field(ge=0, le=1e9)
    sd: float = Field(ge=0, le=1e9)


class Forecast(Part):
    """What planned orders and allotments expect to sell: a law of demand, by default fitted to `pilots` replications.

    Pilots are made of the scenario's own demand with other random numbers than any run. Demand is what buyers want who
    go ahead and would pay, at the warehouse nearest to their region. Live bursts vary more than a Poisson law, hence
    the negative binomial one.
    """

    law: LawName = "negative_binomial"
    pilots: int = Field(10, ge=2, le=1000)
    given: dict[Name, GivenDemand] = Field(
        default_factory=dict, description="by SKU or listing, instead of a fit; shared by the regions' audiences"
    )

    def given_for(self, sku: str, listing: str) -> GivenDemand | None:
        """The demand given for a SKU, or each SKU of its listing; None: it is fitted."""
        return self.given.get(sku, self.given.get(listing))


class StockPolicy(Part):
    """How stock is replenished. Position = available + on order, of a SKU at a warehouse with stock at the start.

    `none`: never. `base_stock`: at each review, order up to `S`. `s_S`: at each review, if the position is at or under
    `s`, order up to `S`. `r_Q`: whenever the position falls to `r`, order as many times `Q` as lift it above `r`.
    Reviews are at `offset` (if above 0) and every `review` after; with `review: 0` base stock and (s,S) are reviewed
    continuously too, at each sale. `newsvendor`: for every show, a lead time ahead (its 95 % quantile), order up to the
    stock of greatest expected contribution until the next show, as if every wish to cancel came in time (what comes
    too late costs more: docs/stock.md). `wagner_whitin`: the same stocks, in lots of the cheapest ordering and holding.
    Both look after every SKU in every warehouse. `module:Class`: a policy of your own (docs/own-policy.md), found
    beside the scenario file or on Python's path.
    """

    policy: str = "none"
    s: Units = 0
    S: Units = 0
    r: Units = 0
    Q: Units = 0
    levels: dict[Name, Levels] = Field(default_factory=dict, description="by SKU or listing")
    review_us: DurationUs = Field("1d", alias="review", validate_default=True, description="0: continuous")
    offset_us: DurationUs = Field(0, alias="offset", description="when the first review is; 0: after one `review`")
    lead_time: Duration = Field("3d", validate_default=True)
    minimum_order: Units = Field(0, description="smaller orders are raised to it")
    capacity: Units = Field(0, description="units the supplier takes on a period, of all SKUs together; 0: no limit")
    capacity_every_us: DurationUs = Field("1d", alias="capacity_every", gt=0, validate_default=True)
    order_cost: Money | None = Field(None, description="an order")
    emergency: Emergency | None = None
    allocation: Allotted = Field(
        "none",
        description="orders are placed for all warehouses together and shared out on arrival: by mean demand, or so "
        "that all are equally safe (Eppen & Schrage 1981)",
    )
    initial_allocation: Allotted = Field("none", description="the same for the stock at the start")
    forecast: Forecast = Forecast()
    rule: Literal["fractile", "min_max"] = Field(
        "fractile",
        description="of newsvendor stocks: the law's critical fractile, or best in the worst law (Scarf 1958)",
    )
    count_on_returns: bool = Field(
        False,
        description="newsvendor stocks count on the returns that will be sold again (Mostard & Teunter 2006): where "
        "later shows sell them; those of a single show come back too late, and are worth their salvage; wishes to "
        "cancel count as in time",
    )

    @field_validator("policy")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in POLICIES and not is_own(value):
            raise ValueError(f"not one of the words allowed here: {', '.join(POLICIES)}, or module:Class of your own")
        return value

    @model_validator(mode="after")
    def _ordered(self) -> StockPolicy:
        for name in (None, *self.levels):
            s, S, _, Q = self.of(name, name)
            if self.policy == "s_S" and S <= s:
                raise ValueError("an (s,S) policy needs S above s" + (f" for {name} too" if name else ""))
            if self.policy == "r_Q" and Q == 0:
                raise ValueError("an (r,Q) policy needs Q above 0" + (f" for {name} too" if name else ""))
        return self

    def of(self, sku: str | None, listing: str | None) -> tuple[int, int, int, int]:
        """s, S, r and Q of a SKU: its own, else its listing's, else those of all."""
        rows = [self.levels[name] for name in (sku, listing) if name is not None and name in self.levels]
        found = []
        for key in ("s", "S", "r", "Q"):
            own = [getattr(row, key) for row in rows if getattr(row, key) is not None]
            found.append(own[0] if own else getattr(self, key))
        return found[0], found[1], found[2], found[3]
