"""The units people write in scenario files, and what they become.

Durations (`15m`, `2h 30m`, `90s`, `250ms`) become whole microseconds, shares (`3 %`, `0.03`) become floats, rates of
money (`5 %`) whole parts per million, money (`12.90 GBP`) integer minor units with an ISO 4217 code, times of day
(`18:00`) whole minutes since local midnight. Every parser raises `ValueError` with a sentence on what is allowed.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

US_PER_S = 1_000_000
US_PER_MIN = 60 * US_PER_S
US_PER_H = 60 * US_PER_MIN
US_PER_DAY = 24 * US_PER_H
PPM = 1_000_000
_UNIT_US = {
    "us": 1,
    "ms": 1_000,
    "s": US_PER_S,
    "m": US_PER_MIN,
    "min": US_PER_MIN,
    "h": US_PER_H,
    "d": US_PER_DAY,
    "w": 7 * US_PER_DAY,
}
_DURATION = re.compile(r"\s*(\d{1,18}(?:\.\d{1,18})?)\s*(us|ms|min|s|m|h|d|w)(?![a-z])")
_MONEY = re.compile(r"^\s*(-?\d{1,18}(?:\.\d{1,9})?)\s*([A-Z]{3})\s*$")
_CLOCK = re.compile(r"^([01]?\d|2[0-4]):([0-5]\d)$")
_MINOR_DIGITS = {"JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "ISK": 0, "BHD": 3, "KWD": 3, "OMR": 3, "JOD": 3, "TND": 3}
MAX_DURATION_US = 3_660 * US_PER_DAY


def parse_duration_us(value: Any) -> int:
    """`'15m'`, `'2h 30m'`, `'250ms'` or `0` -> whole microseconds; raises ValueError otherwise."""
    if value == 0 and not isinstance(value, bool):
        return 0
    if not isinstance(value, str) or len(value) > 200:
        raise ValueError("a duration needs a unit, such as 15m, 2h, 90s or 250ms")
    total, end = Decimal(0), 0
    for match in _DURATION.finditer(value):
        if value[end : match.start()].strip():
            break
        total += Decimal(match[1]) * _UNIT_US[match[2]]
        end = match.end()
    if end == 0 or value[end:].strip():
        raise ValueError("a duration is a number and a unit (us, ms, s, m, h, d, w), such as 15m or 2h 30m")
    if total > MAX_DURATION_US:
        raise ValueError("a duration is at most ten years")
    return int(total.to_integral_value())


def parse_share(value: Any) -> float:
    """`'3 %'` or `0.03` -> 0.03; raises ValueError outside 0 to 1."""
    share = _number_or_percent(value)
    if not 0.0 <= share <= 1.0:
        raise ValueError("a share lies between 0 and 1 (or 0 % and 100 %)")
    return share


def parse_ppm(value: Any) -> int:
    """`'5 %'` or `0.05` -> 50000 parts per million; raises ValueError outside 0 to 1."""
    return round(parse_share(value) * PPM)


def _number_or_percent(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and value.strip().endswith("%"):
        try:
            return float(value.strip()[:-1]) / 100
        except ValueError:
            pass
    raise ValueError("write a share as 3 % or 0.03")


def parse_clock_min(value: Any) -> int:
    """`'18:00'` -> 1080 minutes since local midnight. Raises ValueError."""
    match = _CLOCK.match(value.strip()) if isinstance(value, str) else None
    if match is None or int(match[1]) * 60 + int(match[2]) > 1440:
        raise ValueError("a time of day is written 18:00 (00:00 to 24:00)")
    return int(match[1]) * 60 + int(match[2])


def minor_digits(currency: str) -> int:
    """How many decimal digits the minor unit of an ISO 4217 currency has."""
    return _MINOR_DIGITS.get(currency, 2)


class Money(BaseModel):
    """An amount in integer minor units (`minor`) of one ISO 4217 `currency`; written `12.90 GBP`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    minor: int
    currency: str = Field(pattern="^[A-Z]{3}$")

    @model_validator(mode="before")
    @classmethod
    def _parse(cls, value: Any) -> Any:
        if isinstance(value, dict | Money):
            return value
        match = _MONEY.match(value) if isinstance(value, str) else None
        if match is None:
            raise ValueError("money is an amount and a currency code, such as 12.90 GBP")
        minor = Decimal(match[1]).scaleb(minor_digits(match[2]))
        if minor != minor.to_integral_value():
            raise ValueError(f"{match[2]} has {minor_digits(match[2])} decimal digits")
        if abs(minor) > 10**12:
            raise ValueError("an amount of money is at most 10 to the power of 12 minor units")
        return {"minor": int(minor), "currency": match[2]}


DurationUs = Annotated[int, BeforeValidator(parse_duration_us)]
Share = Annotated[float, BeforeValidator(parse_share)]
RatePpm = Annotated[int, BeforeValidator(parse_ppm)]
ClockMin = Annotated[int, BeforeValidator(parse_clock_min)]
