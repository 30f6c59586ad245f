"""The scenario: one show or season, whole. Its parts are in the modules beside this one.

Checks that need several parts at once (names that must exist, windows inside windows) are in `crosscheck`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from pydantic import AwareDatetime, Field, PrivateAttr, field_validator

from sim.scenario.parts.allocation import Allocation
from sim.scenario.parts.base import Name, Part, equal_shares
from sim.scenario.parts.carriage import Lane
from sim.scenario.parts.comparing import SearchSpace, Strategy
from sim.scenario.parts.dispatch import DispatchRules
from sim.scenario.parts.logistics import AfterSales, Fees, Fulfilment, Warehouse
from sim.scenario.parts.programme import Programme
from sim.scenario.parts.shop import CurrencyRate, Funnel, Listing, Region, Shop
from sim.scenario.parts.stocking import StockPolicy
from sim.scenario.parts.system import Confirmation, Engine, Payment, Slo
from sim.scenario.units import DurationUs

MAX_ROWS = 50_000_000


@dataclass(frozen=True)
class Origin:
    """The folder of the file that a scenario was read from. Any two are equal: scenarios are what they say."""

    folder: str = field(default="", compare=False)


class Scenario(Part):
    """A live-commerce shop and its programme, in the units of `sim.scenario.units`. Time 0 is `start`."""

    name: Name = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    description: str = ""
    start: AwareDatetime = dt.datetime(2026, 11, 20, 19, 0, tzinfo=dt.UTC)
    horizon_us: DurationUs = Field("30d", alias="horizon", gt=0, validate_default=True)
    seed: int = Field(1, ge=0, lt=2**63)
    max_rows: int = Field(MAX_ROWS, ge=1, le=MAX_ROWS, description="a trace with more rows is refused")
    reporting_currency: str = Field("GBP", pattern="^[A-Z]{3}$")
    currencies: tuple[CurrencyRate, ...] = ()
    shops: tuple[Shop, ...] = Field(({"name": "shop"},), min_length=1, validate_default=True)
    catalogue: tuple[Listing, ...] = Field(min_length=1)
    regions: tuple[Region, ...] = Field(({"name": "all"},), min_length=1, validate_default=True)
    programme: Programme
    funnel: Funnel = Funnel()
    engine: Engine = Engine()
    payment: Payment = Payment()
    confirmation: Confirmation = Confirmation()
    warehouses: tuple[Warehouse, ...] = Field(({"name": "main"},), min_length=1, validate_default=True)
    fulfilment: Fulfilment = Fulfilment()
    lanes: tuple[Lane, ...] = Field((), description="absent pairs of warehouse and region use the default lane")
    after_sales: AfterSales = AfterSales()
    fees: Fees = Fees()
    dispatch: DispatchRules = DispatchRules()
    stock: StockPolicy = StockPolicy()
    allocation: Allocation = Allocation()
    slos: tuple[Slo, ...] = ()
    strategies: tuple[Strategy, ...] = Field((), max_length=200, description="what `liverush compare` compares")
    optimise: SearchSpace = SearchSpace()

    _origin: Origin = PrivateAttr(default=Origin())

    @property
    def origin(self) -> Origin:
        """Where it came from, for files that it names (a stock policy of the user's)."""
        return self._origin

    def read_from(self, folder: str) -> Scenario:
        """The same, now that its folder is known."""
        self._origin = Origin(folder)
        return self

    @field_validator("regions", mode="before")
    @classmethod
    def _equal_shares(cls, value: Any) -> Any:
        return equal_shares(value, "audience")
