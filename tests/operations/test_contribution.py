"""Contribution: every line by hand, the sum of all lines, holding over time, and stock that adds up."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from sim.demand.trace import RETURN, Trace
from sim.operations.carts import Carts
from sim.operations.contribution import LostMargin, contribution_lines, holding_minor, ledger_of
from sim.operations.money import Prices, money_chunks
from sim.operations.outcome import Outcome, Purchase
from sim.operations.reviewing import Reviewing
from sim.operations.stock_moves import Moves, StockMoves
from sim.scenario.schema import Scenario
from sim.scenario.tables import sku_table
from tests.operations.compare import money_columns
from tests.operations.from_oracle import oracle_outcome
from tests.operations.shop import DAY_US, HOUR_US, PAID_IN_A_MINUTE, shop
from tests.oracle.build import tiny_trace
from tests.oracle.cases import FEATURES, MODES, make_case


def result(scenario: Scenario, carts: list[dict[str, Any]]) -> tuple[Trace, Outcome]:
    trace = tiny_trace(scenario, carts)
    return trace, oracle_outcome(scenario, trace)[0]


def lines_of(scenario: Scenario, carts: list[dict[str, Any]]) -> dict[str, int]:
    return _lines(scenario, *result(scenario, carts))


def _lines(scenario: Scenario, trace: Trace, outcome: Outcome) -> dict[str, int]:
    moves = StockMoves(scenario, trace, outcome).on_hand()
    return contribution_lines(scenario, outcome, ledger_of(scenario, trace, outcome), moves)


def test_an_order_kept_is_a_sale_less_all_that_it_cost() -> None:
    lines = lines_of(shop("fees.holding_per_day=0 %"), [{**PAID_IN_A_MINUTE, "quantity": 2, "content": 0}])
    assert {name: amount for name, amount in lines.items() if amount} == {
        "gross_sales_minor": 2000,
        "platform_commission_minor": -100,
        "creator_commission_minor": -200,
        "payment_fees_minor": -60,
        "goods_sold_minor": -800,
        "goods_left_minor": -98 * 400 - 10 * 500,
        "salvage_minor": 98 * 100,
        "pick_pack_minor": -50,
        "freight_minor": -300,
    }


@pytest.mark.parametrize("restock", [0, 1])
def test_a_return_takes_the_sale_back_and_its_goods_are_written_off_or_on_the_shelf(restock: int) -> None:
    cart = {**PAID_IN_A_MINUTE, "content": 0, "after": RETURN, "restock": restock}
    lines = lines_of(shop("fees.holding_per_day=0 %"), [cart])
    assert {name: amount for name, amount in lines.items() if amount} == {
        "gross_sales_minor": 1000,
        "refunded_sales_minor": -1000,
        "payment_fees_minor": -40,
        **({} if restock else {"goods_written_off_minor": -400}),
        "goods_left_minor": -(99 + restock) * 400 - 10 * 500,
        "salvage_minor": (99 + restock) * 100,
        "pick_pack_minor": -50,
        "freight_minor": -300,
        "returns_minor": -300,
    }


@pytest.mark.parametrize(("funded_by", "seller"), [("seller", -100), ("platform", 0)])
def test_a_voucher_costs_the_one_who_funds_it(funded_by: str, seller: int) -> None:
    scenario = shop(f"funnel.voucher.funded_by={funded_by}")
    trace, outcome = result(scenario, [{**PAID_IN_A_MINUTE, "voucher": 1}])
    ledger = ledger_of(scenario, trace, outcome)
    lines = _lines(scenario, trace, outcome)
    assert lines["gross_sales_minor"] == 1000
    assert lines["seller_vouchers_minor"] == seller
    assert ledger.totals["captured"] == 900
    assert ledger.totals["platform_voucher"] == 100 + seller


def test_holding_is_paid_for_each_unit_until_the_carrier_takes_it() -> None:
    """100 mugs at 4.00 and 10 pots at 5.00 for 20 days at 1 % a day; one mug leaves on Monday at 18:00."""
    scenario = shop()
    trace, outcome = result(scenario, [{**PAID_IN_A_MINUTE}])
    assert outcome.parcels["collected_us"].tolist() == [18 * HOUR_US]
    unit_days = Fraction(100 * 20) - (20 - Fraction(18, 24))
    expected = (unit_days * 400 + 200 * 500) / 100
    assert holding_minor(scenario, StockMoves(scenario, trace, outcome).on_hand()) == round(expected)


def test_an_order_not_collected_in_time_pays_the_penalty() -> None:
    """The carrier takes 5 parcels a day, Monday to Friday; seven orders of Friday night's are due on Tuesday."""
    carts = [{**PAID_IN_A_MINUTE, "time_us": 4 * DAY_US + 20 * HOUR_US + k} for k in range(17)]
    assert lines_of(shop(), carts)["late_dispatch_minor"] == -150 * (17 - 10)


def test_orders_cost_their_price_and_emergency_units_a_surcharge() -> None:
    emergency = "stock.emergency={level: 1, up_to: 9, surcharge: 0.30 GBP}"
    scenario = shop("stock.policy=s_S", "stock.s=90", "stock.S=100", "stock.order_cost=7.00 GBP", emergency)
    trace, outcome = result(scenario, [{**PAID_IN_A_MINUTE, "quantity": 12}])
    late_us = scenario.horizon_us  # not delivered, so not paid
    outcome.purchases = [Purchase(DAY_US, 0, 0, 90, 4 * DAY_US, 0)] + [
        Purchase(DAY_US, 1, 0, 8, due_us, 1) for due_us in (2 * DAY_US, late_us)
    ]
    lines = _lines(scenario, trace, outcome)
    assert lines["replenishment_minor"] == -(3 * 700 + 8 * 30)


def test_margin_lost_is_an_estimate_from_carts_refused_for_stock() -> None:
    """Ten pots; the eleventh buyer's margin: 20.00 less 17 % of it, 5.00 of cost and 0.20 of fees."""
    scenario = shop()
    trace, outcome = result(scenario, [{**PAID_IN_A_MINUTE, "sku": 1, "time_us": k, "content": 0} for k in range(11)])
    lost = LostMargin(Prices.of(scenario), outcome.orders)
    for chunk in Carts(trace).chunks(4):
        lost.add(chunk)
    assert lost.minor() == 2000 - 340 - 500 - 20


def test_margin_lost_is_the_sum_of_what_its_carts_are_told_to_miss() -> None:
    """Fees of 3.4051 are 3.41 of each of two carts, as of orders that are paid."""
    scenario = shop("catalogue.pot.price=20.03 GBP")
    trace, outcome = result(scenario, [{**PAID_IN_A_MINUTE, "sku": 1, "time_us": k, "content": 0} for k in range(12)])
    carts, prices = Carts(trace), Prices.of(scenario)
    lost, reviewing, told = LostMargin(prices, outcome.orders), Reviewing(scenario, outcome, carts), []
    for chunk, money in money_chunks(scenario, trace, outcome, carts=carts):
        lost.add(chunk)
        told += reviewing.columns(chunk, money)["missed_margin_minor"].tolist()
    assert told == [0] * 10 + [2003 - 341 - 500 - 20] * 2
    assert lost.minor() == sum(told)


@pytest.mark.parametrize("seed", range(25))
def test_goods_bought_are_sold_written_off_or_left(seed: int) -> None:
    scenario, trace = make_case(seed, frozenset(FEATURES) - {"policy"}, MODES[seed % 3], range(30))
    outcome, _ = oracle_outcome(scenario, trace)
    lines = _lines(scenario, trace, outcome)
    bought = sum(sum(row.stock) * row.cost_minor for row in sku_table(scenario))
    assert lines["goods_sold_minor"] + lines["goods_written_off_minor"] + lines["goods_left_minor"] == -bought
    money = money_columns(scenario, trace, outcome)
    kept = lines["gross_sales_minor"] + lines["deal_discounts_minor"] + lines["seller_vouchers_minor"]
    platform = 0 if scenario.funnel.voucher.funded_by == "seller" else int(money["voucher"].sum())
    assert kept == int(money["captured"].sum()) + platform


@pytest.mark.parametrize("seed", range(40))
def test_movements_add_up_to_the_stock_at_the_end(seed: int) -> None:
    scenario, trace = make_case(seed, frozenset(FEATURES) - {"policy"}, MODES[seed % 3], range(40))
    outcome, _ = oracle_outcome(scenario, trace)
    moves = StockMoves(scenario, trace, outcome)
    initial = [sum(row.stock) for row in sku_table(scenario)]
    for name, found in (("on_hand", moves.on_hand()), ("available", moves.available())):
        level = np.array(initial, np.int64)
        for move in found:
            assert isinstance(move, Moves)
            np.add.at(level, move.sku, move.units)
        assert level.tolist() == outcome.stock[name].sum(axis=1).tolist()
