"""Public holidays by country and subdivision, from the `holidays` package (docs/decisions/0001-dependencies.md)."""

from __future__ import annotations

import datetime as dt
from functools import cache


@cache
def public_holidays(code: str, year: int) -> frozenset[dt.date]:
    """Those of an ISO 3166 country (`GB`) or subdivision (`GB-SCT`) in a year; none for ''.

    Days off in lieu are among them. Raises ValueError for a code that the package does not know.
    """
    if not code:
        return frozenset()
    import holidays  # 0.1 s, and seldom needed

    country, _, part = code.partition("-")
    try:
        return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))
    except NotImplementedError as error:
        raise ValueError(f"no calendar of public holidays for {code}: {error}") from None


def is_known(code: str) -> bool:
    """Whether there is a calendar for this code."""
    try:
        public_holidays(code, 2026)
    except ValueError:
        return False
    return True


@cache
def countries() -> tuple[str, ...]:
    """Every code that is known, countries first."""
    import holidays

    found = holidays.list_supported_countries(include_aliases=False)
    return (*sorted(found), *sorted(f"{country}-{part}" for country, parts in found.items() for part in parts))
