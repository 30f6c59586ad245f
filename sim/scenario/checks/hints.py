"""What is no mistake and yet seldom meant: told by `validate`, after the file is found to be right."""

from __future__ import annotations

from collections.abc import Iterator

from sim.scenario.schema import Scenario
from sim.scenario.writing.human import share_text

#: Shares of paid orders that come back, before and after shipping (about 1 : 1), by category. Beauty and home: trade
#: figures; apparel sold live: 36Kr Research 2025, Yicai 2024, and a case of June 2024 (35 % + 38 %).
PUBLISHED = {"apparel": (0.40, 0.70), "beauty": (0.10, 0.20), "home": (0.08, 0.15)}


def hints(scenario: Scenario) -> Iterator[str]:
    """One line for each category whose returns are the default's and far from what is published of it."""
    after, usual = scenario.after_sales, scenario.after_sales.default
    back = round(after.cancel_on_hold + usual.before_shipping + usual.after_delivery + usual.refund_only, 9)
    for category in dict.fromkeys(listing.category for listing in scenario.catalogue):
        low, high = PUBLISHED.get(category.lower(), (0.0, 1.0))
        if category not in after.categories and not low <= back <= high:
            yield (
                f"after_sales.categories: {category} has no shares of its own, so {share_text(back)} of its orders are "
                f"cancelled, returned or refunded; published are {share_text(low)} to {share_text(high)}, about half "
                "of it before shipping"
            )
