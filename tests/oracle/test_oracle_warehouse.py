"""The oracle's warehouses, carriers and after-sales, worked out by hand."""

from __future__ import annotations

from typing import Any

from sim.demand.trace import CANCEL_BEFORE_SHIPPING, REFUND_ONLY, RETURN
from sim.orders.states import Reason, State
from sim.scenario.quantiles import derived_u32
from tests.oracle.build import tiny_scenario, tiny_trace
from tests.oracle.model import Outcome, run

MAIN = {"name": "main", "cut_off": 0, "pick_ups": [{"at": "18:00"}]}
LANE = {"warehouse": "main", "region": "all", "lead_time": "10us"}


def show(carts: list[dict[str, Any]], house: dict[str, Any] | None = None, **parts: Any) -> Outcome:
    """Run a tiny scenario with five workers and a changed warehouse. Plain carts at 0 are confirmed at 8."""
    house = {**MAIN, **(house or {})}
    scenario = tiny_scenario(**{"engine": {"workers": 5}, "warehouses": [house], **parts})
    return run(scenario, tiny_trace(scenario, carts))


def stamps(outcome: Outcome) -> list[tuple[int, ...]]:
    """Picked, packed, collected of every parcel."""
    return [row[2:5] for row in outcome.parcels]


def test_pickers_and_packers_work_first_come_first_served() -> None:
    carts = [{"pick_us": 5, "pack_us": 9}, {"pick_us": 2, "pack_us": 1}, {}]
    outcome = show(carts, {"pickers": 2, "packers": 1})
    assert stamps(outcome) == [(13, 22, 100), (10, 11, 100), (11, 12, 100)]


def test_picked_at_one_instant_they_are_packed_by_number() -> None:
    carts = [{"pick_us": 5, "pack_us": 9}, {"pick_us": 5, "pack_us": 1}]
    assert stamps(show(carts, {"packers": 1})) == [(13, 22, 100), (13, 23, 100)]


def test_a_parcel_cancelled_while_it_waits_is_passed_over() -> None:
    carts = [{"pick_us": 5}, {"pick_us": 7, "after": CANCEL_BEFORE_SHIPPING}, {}]
    outcome = show(carts, {"pickers": 1}, after_sales={"before_shipping_delay": "3us"})
    assert stamps(outcome) == [(13, 14, 100), (-1, -1, -1), (14, 15, 100)]
    assert outcome.met["parcel_passed_over"] == 1


def test_a_wave_takes_what_was_confirmed_before_it() -> None:
    carts = [{}, {"time_us": 2}]  # confirmed at 8 and at 10
    outcome = show(carts, {"waves": {"every": "10us"}})
    assert stamps(outcome) == [(11, 12, 100), (21, 22, 100)]


def test_a_full_wave_leaves_the_last_behind() -> None:
    outcome = show([{}, {}, {}], {"waves": {"every": "10us", "capacity": 2}})
    assert stamps(outcome) == [(11, 12, 100), (11, 12, 100), (21, 22, 100)]
    assert outcome.met["wave_left_behind"] == 1


def test_a_cancelled_parcel_takes_no_room_in_a_wave() -> None:
    carts = [{"after": CANCEL_BEFORE_SHIPPING}, {}]
    outcome = show(carts, {"waves": {"every": "10us", "capacity": 1}})
    assert stamps(outcome) == [(-1, -1, -1), (11, 12, 100)]


def test_the_carrier_takes_what_was_packed_before_the_cut_off() -> None:
    for cut_off_us, collected_us in ((90, 100), (91, -1)):  # packed at 10
        assert stamps(show([{}], {"cut_off": f"{cut_off_us}us"}))[0][2] == collected_us
    for time_us, collected_us in ((89, 100), (90, -1)):  # packed at 99 and at 100
        assert stamps(show([{"time_us": time_us}]))[0][2] == collected_us


def test_what_finds_no_room_waits_for_the_next_pick_up() -> None:
    house = {"pick_ups": [{"at": "18:00", "capacity": 1}, {"at": "18:01", "capacity": 9}]}
    outcome = show([{"pack_us": 2}, {}], house, horizon="2m")
    assert [row[4] for row in outcome.parcels] == [60_000_100, 100]  # packed at 11 and at 10
    assert outcome.carried == [1]


def test_an_order_of_two_parcels_is_partially_shipping_until_the_last() -> None:
    houses = [{**MAIN, "name": "near"}, {**MAIN, "name": "far", "pick_ups": [{"at": "18:01"}]}]
    mug = {"name": "mug", "price": "1.00 GBP", "stock": {"near": 1, "far": 1}}
    states = {"100us": State.AWAITING_COLLECTION, "101us": State.PARTIALLY_SHIPPING, "2m": State.IN_TRANSIT}
    for horizon, state in states.items():
        scenario = tiny_scenario(warehouses=houses, catalogue=[mug], lanes=[], horizon=horizon)
        assert run(scenario, tiny_trace(scenario, [{"quantity": 2}])).orders["state"] == [state]


def test_a_lost_parcel_ends_its_order() -> None:
    lanes = [{**LANE, "lost": 0.5}]
    outcome = show([{"loss_u32": (1 << 31) - 1}, {"loss_u32": 1 << 31}], lanes=lanes)
    assert outcome.orders["state"] == [State.CANCELLED, State.COMPLETED]
    assert outcome.orders["reason"] == [Reason.LOST, Reason.NOTHING]
    assert outcome.orders["closed_us"] == [110, 130]
    assert outcome.orders["delivered_us"] == [-1, 110]
    assert [row[5:7] for row in outcome.parcels] == [(110, 1), (110, 0)]
    assert outcome.stock[0, 0]["on_hand"] == 8


def test_an_order_is_delivered_if_one_of_its_parcels_arrives() -> None:
    houses = [{**MAIN, "name": "near"}, {**MAIN, "name": "far"}]
    mug = {"name": "mug", "price": "1.00 GBP", "stock": {"near": 1, "far": 1}}
    lanes = [
        {"warehouse": "near", "region": "all", "lead_time": "10us"},
        {"warehouse": "far", "region": "all", "lead_time": "15us", "lost": 1},
    ]
    carts = [{"quantity": 2, "loss_u32": 0, "after": RETURN, "restock": 1}]
    scenario = tiny_scenario(warehouses=houses, catalogue=[mug], lanes=lanes)
    outcome = run(scenario, tiny_trace(scenario, carts))
    assert (outcome.orders["delivered_us"], outcome.orders["closed_us"]) == ([115], [127])
    assert [row[5:7] for row in outcome.parcels] == [(110, 0), (115, 1)]
    assert [outcome.stock[0, house]["restocked"] for house in (0, 1)] == [1, 0]


def test_the_first_parcel_of_an_order_has_its_uniforms_and_every_further_one_others_made_of_them() -> None:
    houses = [{**MAIN, "name": name} for name in ("near", "far", "third")]
    mug = {"name": "mug", "price": "1.00 GBP", "stock": dict.fromkeys(("near", "far", "third"), 1)}
    law = {"dist": "uniform", "low": 0, "high": "400us"}
    lanes = [{"warehouse": house["name"], "region": "all", "lead_time": law} for house in houses]
    scenario = tiny_scenario(warehouses=houses, catalogue=[mug], lanes=lanes)
    outcome = run(scenario, tiny_trace(scenario, [{"quantity": 3, "transit_u32": 7 << 28}]))
    shares = [(row[5] - 100) / 400 for row in outcome.parcels]
    expected = [7 / 16, *(derived_u32(7 << 28, use) / 2**32 for use in (4, 5))]
    assert all(abs(share - at) <= 1 / 400 for share, at in zip(shares, expected, strict=True))
    assert len({round(share, 1) for share in shares}) == 3
    assert outcome.orders["delivered_us"] == [max(row[5] for row in outcome.parcels)]


def test_a_parcel_takes_at_least_a_microsecond() -> None:
    assert show([{}], lanes=[{**LANE, "lead_time": 0}]).orders["delivered_us"] == [101]


def test_a_return_is_put_back_and_sold_again() -> None:
    mug = {"name": "mug", "price": "10.00 GBP", "cost": "4.00 GBP", "stock": {"main": 1}}
    carts = [
        {"after": RETURN, "restock": 1},  # delivered at 110, back at 110 + 5 + 7
        {"time_us": 121},  # its effect at 122 comes before
        {"time_us": 122},
    ]
    outcome = show(carts, catalogue=[mug], horizon="124us")
    assert outcome.orders["state"] == [State.COMPLETED, State.NONE, State.UNPAID]
    assert outcome.orders["reason"] == [Reason.RETURNED, Reason.SOLD_OUT, Reason.NOTHING]
    assert outcome.orders["closed_us"][0] == 122
    assert outcome.stock[0, 0] == {
        "on_hand": 1, "held": 1, "committed": 0, "releasing": 0, "available": 0,
        "received": 0, "restocked": 1, "shipped": 1, "waited_for": 0,
    }  # fmt: skip
    assert outcome.met["resold_returns"] == 1


def test_a_return_that_cannot_be_sold_again_is_not_put_back() -> None:
    outcome = show([{"after": RETURN}])
    assert (outcome.orders["closed_us"], outcome.stock[0, 0]["on_hand"]) == ([122], 9)


def test_a_refund_without_return() -> None:
    outcome = show([{"after": REFUND_ONLY, "restock": 1}])
    assert (outcome.orders["closed_us"], outcome.orders["reason"]) == ([115], [Reason.REFUNDED])
    assert outcome.stock[0, 0]["on_hand"] == 9


def test_a_cancel_that_comes_too_late_sends_the_order_back_from_the_door() -> None:
    """Collected at 100 and delivered at 110; the way back takes 7 from there, or from the wish if that is later."""
    for delay_us, received_us in ((93, 117), (103, 117), (104, 118), (200, 214)):  # wishes at 100, 110, 111, 207
        sales = {"before_shipping_delay": f"{delay_us}us", "return_freight": "2.00 GBP"}
        outcome = show([{"after": CANCEL_BEFORE_SHIPPING, "restock": 1}], after_sales=sales)
        orders = outcome.orders
        assert (orders["closed_us"], orders["reason"]) == ([received_us], [Reason.RETURNED])
        assert (orders["refunded"], orders["return_cost"]) == ([1000], [200])
        assert (outcome.stock[0, 0]["restocked"], outcome.met["cancel_too_late"]) == (1, 1)
    kept = show(
        [{"after": CANCEL_BEFORE_SHIPPING}], after_sales={"before_shipping_delay": "93us", "late_cancels": "keep"}
    )
    assert (kept.orders["closed_us"], kept.orders["refunded"], kept.met["cancel_too_late"]) == ([130], [0], 1)


def test_a_cancel_too_late_of_an_order_that_is_lost_changes_nothing() -> None:
    sales = {"before_shipping_delay": "93us"}
    outcome = show([{"after": CANCEL_BEFORE_SHIPPING}], lanes=[{**LANE, "lost": 1}], after_sales=sales)
    assert (outcome.orders["closed_us"], outcome.orders["reason"]) == ([110], [Reason.LOST])
    assert outcome.met["cancel_too_late"] == 1


def test_what_keeps_an_order_from_the_platforms_cancel_is_a_label_or_the_carriers_scan() -> None:
    """The business day ends at 100 in UTC+6; the parcel is packed at 10 and collected a minute later."""
    house, regions = {"pick_ups": [{"at": "18:01"}]}, [{"name": "all", "zone": "Asia/Dhaka"}]
    for event, state in (("ready_to_ship", State.COMPLETED), ("carrier_scan", State.CANCELLED)):
        rules = {"auto_cancel_days": 0, "auto_cancel_event": event}
        assert show([{}], house, regions=regions, dispatch=rules, horizon="2m").orders["state"] == [state]
    late = {"confirmation": {"on_hold": "97us"}, "dispatch": {"auto_cancel_days": 0, "event": "ready_to_ship"}}
    assert show([{}], house, regions=regions, horizon="2m", **late).orders["closed_us"] == [100]
