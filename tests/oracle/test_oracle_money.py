"""The oracle's lines of money, worked out by hand."""

from __future__ import annotations

from typing import Any

from sim.demand.trace import NEVER, REFUND_ONLY, RETURN
from tests.oracle.build import tiny_scenario, tiny_trace
from tests.oracle.model import run
from tests.oracle.money import COLUMNS, half_up

MAIN = {"name": "main", "cut_off": 0, "pick_ups": [{"at": "18:00"}]}
FEES = {
    "platform": "5 %",
    "creator": "10 %",
    "payment": "2 %",
    "payment_fixed": "0.30 GBP",
    "pick_pack": "0.55 GBP",
    "late_dispatch": "3.00 GBP",
}
PARTS: dict[str, Any] = {
    "fees": FEES,
    "lanes": [{"warehouse": "main", "region": "all", "lead_time": "10us", "cost": "1.25 GBP"}],
    "after_sales": {"return_freight": "2.00 GBP", "return_handling": "0.50 GBP"},
    "funnel": {"voucher": {"off": "10 %"}},
}


def amounts(cart: dict[str, Any], **parts: Any) -> dict[str, int]:
    """The lines above zero of an order of two mugs at 10.00, cost 4.00."""
    scenario = tiny_scenario(**{**PARTS, **parts})
    orders = run(scenario, tiny_trace(scenario, [{"quantity": 2, **cart}])).orders
    return {name: orders[name][0] for name in COLUMNS if orders[name][0]}


SOLD = {
    "gross": 2000,
    "captured": 2000,
    "platform_commission": 100,
    "payment_fee": 40 + 30,
    "goods_cost": 800,
    "pick_pack": 55,
    "freight": 125,
}


def test_a_plain_sale() -> None:
    assert amounts({}) == SOLD
    assert amounts({"content": 0}) == {**SOLD, "creator_commission": 200}


def test_an_order_never_paid_has_zeros_only() -> None:
    assert amounts({"pay_delay_us": NEVER}) == {}


def test_a_voucher_is_paid_by_seller_or_platform() -> None:
    paid = {"voucher": 200, "captured": 1800, "payment_fee": 36 + 30}
    assert amounts({"voucher": 1}) == {**SOLD, **paid, "platform_commission": 90}
    funnel = {"voucher": {"off": "10 %", "funded_by": "platform"}}
    assert amounts({"voucher": 1}, funnel=funnel) == {**SOLD, **paid}


def test_a_deal_has_its_price() -> None:
    deal = {"sku": "mug", "at": 0, "countdown": 0, "price": "7.00 GBP", "units": 5, "per_buyer": 2}
    show = {"name": "show", "start": 0, "length": "1h", "entries": [{"at": 0, "per_min": 1}], "deals": [deal]}
    sale = {"deal_discount": 600, "captured": 1400, "platform_commission": 70, "payment_fee": 28 + 30}
    assert amounts({"deal": 0}, programme={"broadcasts": [show]}) == {**SOLD, **sale}


def test_a_return_is_refunded_and_costs_carriage() -> None:
    back = {name: amount for name, amount in SOLD.items() if name != "platform_commission"}
    returned = {**back, "refunded": 2000, "refunded_sales": 2000, "return_cost": 250}
    assert amounts({"after": RETURN, "content": 0}) == returned
    del returned["goods_cost"]
    assert amounts({"after": RETURN, "restock": 1}) == returned
    assert amounts({"after": REFUND_ONLY, "restock": 1}) == {**back, "refunded": 2000, "refunded_sales": 2000}


def test_a_lost_order_is_refunded_and_its_goods_are_gone() -> None:
    lanes = [{"warehouse": "main", "region": "all", "lead_time": "10us", "lost": 1, "cost": "1.25 GBP"}]
    lost = {name: amount for name, amount in SOLD.items() if name != "platform_commission"}
    assert amounts({}, lanes=lanes) == {**lost, "refunded": 2000, "refunded_sales": 2000}


TORN: dict[str, Any] = {
    "catalogue": [
        {"name": "mug", "price": "10.00 GBP", "cost": "4.00 GBP", "stock": {"main": 9, "far": 0}},
        {"name": "lid", "price": "3.00 GBP", "cost": "1.00 GBP", "stock": {"main": 1, "far": 9}},
        {"name": "set", "price": "15.00 GBP", "bundle": [{"sku": "mug"}, {"sku": "lid", "units": 2}]},
    ],
    "warehouses": [MAIN, {**MAIN, "name": "far"}],
    "lanes": [
        {"warehouse": "main", "region": "all", "lead_time": "10us", "cost": "1.25 GBP"},
        {"warehouse": "far", "region": "all", "lead_time": "15us", "cost": "2.00 GBP", "lost": 1},
    ],
}
#: A mug and two lids, of which one comes from near by and the other is lost.
LACKING = {
    "gross": 1600,
    "captured": 1600,
    "refunded": 300,
    "refunded_sales": 300,
    "platform_commission": 65,
    "payment_fee": 32 + 30,
    "goods_cost": 600,
    "pick_pack": 110,
    "freight": 325,
}


def torn(*lines: tuple[int, int], voucher: int = 0, **parts: Any) -> dict[str, int]:
    """The lines above zero of an order of (SKU, units), of which the second warehouse's parcel is lost."""
    lines_of = [{"sku": sku, "quantity": units} for sku, units in lines]
    return amounts({"lines": lines_of, "quantity": 1, "voucher": voucher}, **{**TORN, **parts})


def test_what_is_lost_of_a_split_order_is_refunded_and_the_rest_is_sold() -> None:
    assert torn((0, 1), (1, 2)) == LACKING
    assert torn((0, 1), (1, 2), after_sales={"return_window": "1s"}) == LACKING  # delivered and not yet completed
    before = {name: amount for name, amount in LACKING.items() if not name.startswith("refunded")}
    assert torn((0, 1), (1, 2), horizon="115us") == {**before, "platform_commission": 80}


def test_a_voucher_on_what_is_lost_is_not_given_back() -> None:
    paid = {"voucher": 160, "captured": 1440, "payment_fee": 29 + 30, "refunded": 270}
    by_seller = {**LACKING, **paid, "refunded_sales": 270, "platform_commission": 59}  # 5 % of 11.70, 58.5
    assert torn((0, 1), (1, 2), voucher=1) == by_seller
    funnel = {"voucher": {"off": "10 %", "funded_by": "platform"}}
    assert torn((0, 1), (1, 2), voucher=1, funnel=funnel) == {**LACKING, **paid}


def test_a_bundle_that_lacks_a_part_is_refunded_whole() -> None:
    """Two sets need four lids: one is near by and three are lost, so both sets lack some; of one, one lid is lost."""
    assert torn((2, 2))["refunded"] == 3000
    assert torn((2, 1))["refunded"] == 1500
    assert torn((2, 1), (0, 3))["refunded"] == 1500


def test_an_order_that_lacks_a_part_and_is_returned_is_refunded_whole() -> None:
    back = amounts({"lines": [{"sku": 0}, {"sku": 1, "quantity": 2}], "after": RETURN, "restock": 1}, **TORN)
    assert (back["refunded"], back["goods_cost"]) == (1600, 100)  # the lost lid's


def test_a_parcel_not_collected_has_no_goods_cost_and_no_freight() -> None:
    kept = {name: SOLD[name] for name in ("gross", "captured", "platform_commission", "payment_fee", "pick_pack")}
    assert amounts({}, horizon="100us") == kept


def test_dispatch_is_late_after_the_end_of_a_business_day() -> None:
    # In UTC+6 a Friday ends at 100, the instant of the first pick-up; the second comes a minute later.
    regions = [{"name": "all", "zone": "Asia/Dhaka"}]
    for days, at, penalty in ((0, "18:00", 0), (0, "18:01", 300), (1, "18:01", 0)):
        parts = {"regions": regions, "dispatch": {"dispatch_days": days}, "horizon": "2m"}
        house = {**MAIN, "pick_ups": [{"at": at}]}
        assert amounts({}, warehouses=[house], **parts).get("late_penalty", 0) == penalty


def test_halves_are_rounded_up() -> None:
    assert [half_up(amount, 500_000) for amount in (1, 2, 3)] == [1, 1, 2]
