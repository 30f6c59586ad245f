"""What buyers answer to: how the shop treats them at checkout."""

from __future__ import annotations

from pydantic import Field

from sim.scenario.base import Part
from sim.scenario.units import DurationUs, RatePpm


class Feedback(Part):
    """Slow checkouts and stockouts lower conversion for the next `period`.

    Every second by which the last period's mean checkout exceeded `tolerated` costs `loss_per_s` of conversion, at most
    `most`. The share of a SKU's first checkouts that found it sold out costs the SKU that share x `sold_out`.
    """

    period_us: DurationUs = Field("1m", alias="period", gt=0, validate_default=True)
    tolerated_us: DurationUs = Field("1s", alias="tolerated", validate_default=True)
    loss_per_s: RatePpm = Field("7 %", validate_default=True)
    most: RatePpm = Field("50 %", validate_default=True)
    sold_out: RatePpm = Field("50 %", validate_default=True)
