"""The stock that is best for a show: the newsvendor's, for expected demand and what a unit is worth."""

from __future__ import annotations

import math

from sim.operations.strategies.analytic.demand import Demand
from sim.operations.strategies.analytic.newsvendor import Worth, newsvendor_stock, scarf_stock
from sim.scenario.freight import expected_freight
from sim.scenario.schema import Scenario
from sim.scenario.tables import SkuRow, nearest_warehouses, to_reporting_minor
from sim.scenario.units import PPM


def worth_of(scenario: Scenario, row: SkuRow, *, count_on_returns: bool) -> Worth:
    """A unit of a SKU: its list price less commissions and the seller's vouchers, its cost and salvage.

    With `count_on_returns` also what comes back: cancelled orders at once, returns by the share `restock`. A sale costs
    what payment does (also where the money is given back), picking and packing, freight in the mean, and the handling
    of returns.
    """
    fees, sales, voucher = scenario.fees, scenario.after_sales, scenario.funnel.voucher
    asked = row.price_minor * (1 - voucher.share * voucher.off if voucher.funded_by == "seller" else 1.0)
    price, paying = asked * (1 - (fees.platform + fees.creator) / PPM), _payment(scenario, asked)
    carriage = to_reporting_minor(scenario, fees.pick_pack) + _freight(scenario)
    if not count_on_returns:
        return Worth(price, row.cost_minor, row.salvage_minor, expense=paying + carriage)
    shares = sales.categories.get(row.category, sales.default)
    early = sales.cancel_on_hold + shares.before_shipping
    back = to_reporting_minor(scenario, sales.return_freight) + to_reporting_minor(scenario, sales.return_handling)
    return Worth(
        price,
        row.cost_minor,
        row.salvage_minor,
        refunded=early + shares.after_delivery + shares.refund_only,
        resold=early + shares.after_delivery * sales.restock,
        expense=paying + (1 - early) * carriage + shares.after_delivery * back,
    )


def _payment(scenario: Scenario, asked_minor: float) -> float:
    """What it costs that an order of this price is paid, over the regions."""
    fees, own = scenario.fees, ("", scenario.reporting_currency)
    abroad = math.fsum(region.audience for region in scenario.regions if region.currency not in own)
    rate = (fees.payment + fees.exchange * abroad) / PPM
    return asked_minor * rate + to_reporting_minor(scenario, fees.payment_fixed)


def _freight(scenario: Scenario) -> float:
    """Freight of a parcel from the nearest warehouse, over the regions."""
    freight = expected_freight(scenario)
    return math.fsum(
        region.audience * freight[nearest[0]][number]
        for number, (region, nearest) in enumerate(zip(scenario.regions, nearest_warehouses(scenario), strict=True))
    )


def best_stock(scenario: Scenario, worth: Worth, expected: tuple[float, float]) -> int:
    """The whole units to have for demand of this mean and standard deviation; 0 where a sale earns nothing."""
    mean, sd = expected
    short, over = worth.costs() if worth.eats > 0 else (0.0, 0.0)
    if mean == 0 or short <= 0:
        return 0
    if over <= 0:  # what is left loses nothing: the most that a fitted law can tell
        over = short * 1e-3
    if scenario.stock.rule == "min_max":
        gross = scarf_stock(mean, sd, short, over)
    else:
        gross = newsvendor_stock(Demand(scenario.stock.forecast.law, mean, sd), short, over)
    return max(math.floor(worth.eats * gross + 0.5), 0)
