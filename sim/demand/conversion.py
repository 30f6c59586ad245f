"""What multiplies conversion: matching, vouchers, and the price response under its ceiling.

The trace is drawn at the ceiling; the factor of a SKU then says which of its intents go ahead (feedback only thins).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.demand.choices import ALL
from sim.demand.matching import funnel, mean_match
from sim.scenario.schema import Scenario
from sim.scenario.tables import sku_table, to_reporting_minor

_DIGITS = 9  # of a gain computed with exp: what may differ between two machines is rounded away


def matching_gain(scenario: Scenario) -> float:
    """1 + weight x E[z | shown], or P(click and order | shown) at r over that at r = 0."""
    matching = scenario.funnel.matching
    if matching.top <= 0 or matching.r == 0:
        return 1.0
    if matching.law == "linear":
        return 1 + matching.weight * mean_match(matching.r, matching.top)
    (click, order), (plain_click, plain_order) = (matched(scenario, r) for r in (matching.r, 0.0))
    return round(click * order / (plain_click * plain_order), _DIGITS)


def matched(scenario: Scenario, r: float) -> tuple[float, float]:
    """P(click | shown) and P(order | click, shown) of the logit law at an accuracy of `r`."""
    law = scenario.funnel.matching
    return funnel((law.click_level, law.click_spread), (law.order_level, law.order_spread), r, law.top)


def voucher_gain(scenario: Scenario) -> float:
    """1 + share x lift: a share of the buyers have a voucher, and convert better by the lift."""
    return 1 + scenario.funnel.voucher.share * scenario.funnel.voucher.lift


def voucher_share(scenario: Scenario) -> float:
    """Share of the orders that carry a voucher: the share of the buyers who have one, weighted by their conversion."""
    voucher = scenario.funnel.voucher
    return voucher.share * (1 + voucher.lift) / voucher_gain(scenario)


def interaction_ceiling(scenario: Scenario) -> float:
    """Conversion in live shows at the most that answers and persuasion bring."""
    questions, persuasion = scenario.funnel.questions, scenario.funnel.persuasion
    answers = 1.0 if questions is None else 1 + questions.ask_share * questions.lift
    if persuasion is None:
        return answers
    return answers * (1 + persuasion.lift * max(persuasion.level, persuasion.most))


def ceiling_gain(scenario: Scenario) -> float:
    """By how much the trace's conversion exceeds the funnel's plain numbers."""
    return matching_gain(scenario) * voucher_gain(scenario) * scenario.funnel.price.ceiling


def hazard_per_s(scenario: Scenario) -> float:
    """Purchases a second of one viewer outside a pitch, at the ceiling."""
    funnel = scenario.funnel
    plain = funnel.clicks_per_viewer_hour * funnel.order_given_click / 3600 * ceiling_gain(scenario)
    return plain * interaction_ceiling(scenario)


def price_conversion(scenario: Scenario, price_minor: int, reference_minor: int) -> float:
    """(price / reference) ^ -elasticity, at most the ceiling; amounts in one currency."""
    response = scenario.funnel.price
    if response.elasticity == 0 or price_minor == reference_minor:
        return 1.0
    if price_minor <= 0:
        return response.ceiling
    if reference_minor <= 0:
        return 0.0
    return float(min(response.ceiling, (price_minor / reference_minor) ** -response.elasticity))


def factor_u64(scenario: Scenario, prices_minor: list[int] | None = None) -> npt.NDArray[np.uint64]:
    """The factor of every SKU (2^32: all its intents go ahead) at its list price, or at `prices_minor` by SKU.

    With interaction at most 2^32 - 1, so that a `go_u32` of that number never goes ahead.
    """
    response, rows = scenario.funnel.price, sku_table(scenario)
    most = ALL if scenario.funnel.questions is None and scenario.funnel.persuasion is None else ALL - 1
    factors = []
    for number, row in enumerate(rows):
        name = scenario.catalogue[row.listing].name
        written = response.reference.get(name)
        reference = row.price_minor if written is None else to_reporting_minor(scenario, written)
        price = row.price_minor if prices_minor is None else prices_minor[number]
        factors.append(min(most, round(price_conversion(scenario, price, reference) / response.ceiling * ALL)))
    return np.array(factors, np.uint64)
