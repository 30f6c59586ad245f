"""The stock that is best for a show: the newsvendor's, for expected demand and what a unit is worth."""

from __future__ import annotations

import math

from sim.demand.conversion import voucher_share
from sim.demand.interaction import questions_told
from sim.demand.orders import Wishes, extra_returns, wishes_of
from sim.operations.strategies.analytic.demand import Demand
from sim.operations.strategies.analytic.newsvendor import Worth, newsvendor_stock, scarf_stock
from sim.scenario.freight import expected_freight
from sim.scenario.schema import Scenario
from sim.scenario.tables import SkuRow, nearest_warehouses, to_reporting_minor
from sim.scenario.units import PPM


def worth_of(scenario: Scenario, row: SkuRow, *, count_on_returns: bool) -> Worth:
    """A unit of a SKU: its list price less commissions and the seller's vouchers, its cost and salvage.

    A sale costs what payment does (also where the money is given back), picking and packing, freight in the mean, and
    the handling of returns. Cancelled orders come back at once and without freight, as if all wishes came in time: how
    many do depends on the warehouse. Returns come back by the share `restock`: with `count_on_returns` they are sold
    again, without they are left over, and worth their salvage.
    """
    fees, sales, voucher = scenario.fees, scenario.after_sales, scenario.funnel.voucher
    off = voucher_share(scenario) * voucher.off if voucher.funded_by == "seller" else 0.0
    asked = row.price_minor * (1 - off)
    wishes = planned_wishes(scenario, row.category)
    early = wishes.cancel_on_hold + wishes.before_shipping
    back = early + wishes.after_delivery * sales.restock
    carriage = to_reporting_minor(scenario, fees.pick_pack) + _freight(scenario)
    return_cost = to_reporting_minor(scenario, sales.return_freight) + to_reporting_minor(
        scenario, sales.return_handling
    )
    expense = _payment(scenario, asked) + (1 - early) * carriage + wishes.after_delivery * return_cost
    return Worth(
        asked * (1 - (fees.platform + fees.creator) / PPM),
        row.cost_minor,
        row.salvage_minor,
        refunded=early + wishes.after_delivery + wishes.refund_only,
        resold=back if count_on_returns else 0.0,
        expense=expense if count_on_returns else expense - back * row.salvage_minor,
    )


def planned_wishes(scenario: Scenario, category: str) -> Wishes:
    """What a planner expects buyers not to keep: where there are shows as of their orders, with what persuasion adds
    and answers spare."""
    if not scenario.programme.broadcasts:
        return wishes_of(scenario, category, 0.0)
    questions, told = scenario.funnel.questions, questions_told(scenario)["answered_share"]
    kept = 1.0 if questions is None or told is None else 1 - questions.fewer_returns * told
    wishes = wishes_of(scenario, category, extra_returns(scenario))
    return Wishes(wishes.cancel_on_hold, *(share * kept for share in wishes[1:]))


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
