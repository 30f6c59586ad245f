"""What buyers answer to: moderators and hosts of live shows, and how the shop treats them at checkout."""

from __future__ import annotations

from pydantic import Field

from sim.scenario.parts.base import Part
from sim.scenario.units import DurationUs, Money, RatePpm, Share


class Questions(Part):
    """Viewers of live shows ask, and `moderators` answer: a queue of the kind M/M/n+M (Garnett et al. 2002).

    Each takes an exponential time of mean `handle` and is given up after one of mean `patience` (0: never). Where a
    share a of the questions is answered, the conversion of those who ask (`ask_share` of the buyers-to-be) is
    x (1 + `lift` a) and the returns of all who buy then x (1 - `fewer_returns` a).
    """

    asks_per_viewer_hour: float = Field(0.5, ge=0, le=1000)
    handle_us: DurationUs = Field("20s", alias="handle", gt=0, validate_default=True)
    patience_us: DurationUs = Field("60s", alias="patience", validate_default=True)
    moderators: int = Field(0, ge=0, le=10_000, description="at work all through every show")
    host_answers_per_min: float = Field(0.0, ge=0, le=1000, description="by the host, before moderators are asked")
    wage_per_hour: Money | None = Field(None, description="of one moderator, for the length of every show")
    ask_share: Share = 0.19
    lift: float = Field(0.16, ge=0, le=10)
    fewer_returns: Share = 0.1255


class Persuasion(Part):
    """How hard hosts press, `level` standard deviations of interaction above what the rest of the file describes.

    Conversion in live shows is x (1 + `lift` level) and the share of their orders that come back rises by `returns` a
    level, `before_shipping` of it as cancels before shipping and the rest as returns. `most` is the highest level of
    any strategy: all up to it meet the same buyers.
    """

    level: float = Field(0.0, ge=-3, le=3)
    lift: float = Field(0.1, ge=0, le=0.3)
    returns: Share = 0.1168
    before_shipping: Share = 0.5
    most: float = Field(0.0, ge=0, le=3)


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
