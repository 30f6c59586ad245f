"""How stock is replenished: the policy and its levels, the supplier, the emergency supplier."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from sim.scenario.base import Duration, Name, Part, Units
from sim.scenario.units import DurationUs, Money

POLICIES = ("none", "base_stock", "s_S", "r_Q")
ORDERED_BY_LEVELS = ("base_stock", "s_S", "r_Q")


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


class StockPolicy(Part):
    """How stock is replenished. Position = available + on order, of a SKU at a warehouse with stock at the start.

    `none`: never. `base_stock`: at each review, order up to `S`. `s_S`: at each review, if the position is at or under
    `s`, order up to `S`. `r_Q`: whenever the position falls to `r`, order as many times `Q` as lift it above `r`.
    Reviews are at `offset` (if above 0) and every `review` after; with `review: 0` base stock and (s,S) are reviewed
    continuously too, at each sale.
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

    @field_validator("policy")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in POLICIES:
            raise ValueError(f"not one of the words allowed here: {', '.join(POLICIES)}")
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
