"""The oracle's engine, worked out by hand: workers, queue, time-outs, retries, store, outages."""

from __future__ import annotations

from typing import Any

from sim.demand.trace import NEVER
from sim.orders.states import Reason, State
from tests.oracle.build import tiny_scenario, tiny_trace
from tests.oracle.model import Outcome, run


def show(carts: list[dict[str, Any]], **parts: Any) -> Outcome:
    """Run a tiny scenario whose buyers do not pay unless they say so."""
    scenario = tiny_scenario(**parts)
    return run(scenario, tiny_trace(scenario, [{"pay_delay_us": NEVER, **cart} for cart in carts]))


def test_the_plain_life_of_an_order() -> None:
    orders = show([{"pay_delay_us": 0}]).orders
    steps = ["placed", "pay_due", "paid", "confirm_due", "confirmed", "delivered", "closed"]
    assert [orders[f"{step}_us"][0] for step in steps] == [1, 1, 2, 7, 8, 110, 130]
    assert (orders["state"], orders["reason"], orders["parcels"]) == ([State.COMPLETED], [Reason.NOTHING], [1])
    stages = ("checkout", "payment", "confirmation")
    assert [orders[f"{stage}_response_us"][0] for stage in stages] == [1, 1, 1]


def test_nothing_happens_at_the_horizon() -> None:
    ends = {"130us": State.DELIVERED, "131us": State.COMPLETED, "110us": State.IN_TRANSIT, "1us": State.NONE}
    for horizon, state in ends.items():
        outcome = show([{"pay_delay_us": 0}], horizon=horizon)
        assert outcome.orders["state"] == [state]
    assert outcome.orders["placed_us"] == [-1]


def test_an_intent_above_the_factor_does_not_go_ahead() -> None:
    scenario = tiny_scenario()
    trace = tiny_trace(scenario, [{"go_u32": 7}, {"go_u32": 8}, {"go_u32": 7, "time_us": 1000}], factors=[8])
    orders = run(scenario, trace).orders
    assert orders["reason"] == [Reason.NOTHING, Reason.NOT_GOING, Reason.NOTHING]
    assert orders["state"] == [State.COMPLETED, State.NONE, State.NONE]


def test_a_start_at_the_instant_of_the_time_out_wins_and_the_ghost_places_the_order() -> None:
    outcome = show([{"checkout_us": 5}, {}], engine={"client_timeout": "5us"})
    # Order 1 waits behind order 0, starts at 5 and loses its client at 5; its work ends at 6.
    assert outcome.orders["timed_out"] == [0, 1]
    assert (outcome.met["timed_out_in_service"], outcome.met.get("timed_out_waiting", 0)) == (1, 0)
    assert outcome.orders["placed_us"] == [5, 6]
    assert outcome.orders["checkout_response_us"] == [5, -1]
    assert outcome.orders["reason"] == [Reason.EXPIRED, Reason.EXPIRED]
    assert outcome.orders["closed_us"] == [55, 56]


def test_a_client_that_waits_too_long_leaves_the_queue() -> None:
    outcome = show([{"checkout_us": 6}, {}], engine={"client_timeout": "5us"})
    assert outcome.orders["timed_out"] == [1, 1]
    assert (outcome.met["timed_out_in_service"], outcome.met["timed_out_waiting"]) == (1, 1)
    assert outcome.orders["placed_us"] == [6, -1]
    assert outcome.orders["reason"] == [Reason.EXPIRED, Reason.ENGINE_TIMEOUT]


def test_a_repetition_answers_the_client_and_the_ghost_has_decided() -> None:
    parts = {"engine": {"client_timeout": "5us", "attempts": 2, "backoff": "2us"}}
    outcome = show([{"checkout_us": 3}, {"checkout_us": 4, "pay_delay_us": 0}], **parts)
    # Order 1: waits to 3, gone at 5, effect at 7; the second attempt arrives at 5 + 2 and repeats the answer at 11.
    assert outcome.orders["placed_us"][1] == 7
    assert outcome.orders["checkout_response_us"][1] == 11
    assert outcome.orders["pay_due_us"][1] == 11
    assert (outcome.met["replays"], outcome.met["retries"], outcome.orders["timed_out"][1]) == (1, 1, 1)
    assert outcome.stock[0, 0]["shipped"] == 1


def test_a_full_queue_refuses_and_the_back_off_doubles() -> None:
    parts = {"engine": {"queue_bound": 0, "attempts": 3, "backoff": "1us"}}
    outcome = show([{"checkout_us": 4}, {}], **parts)  # tries at 0, 1 and 3
    assert outcome.orders["queue_full"] == [0, 3]
    assert outcome.orders["reason"][1] == Reason.ENGINE_BUSY
    outcome = show([{"checkout_us": 3}, {}], **parts)  # at 3 the worker has just become idle
    assert outcome.orders["queue_full"] == [0, 2]
    assert outcome.orders["placed_us"] == [3, 4]


def test_one_more_than_the_bound_may_be_in_the_house() -> None:
    outcome = show([{}, {}, {}], engine={"queue_bound": 1})
    assert outcome.orders["queue_full"] == [0, 0, 1]
    assert outcome.orders["placed_us"] == [1, 2, -1]


def test_the_store_waits_for_a_group_or_for_its_linger() -> None:
    store = {"a": "2us", "b": "1us", "max_group": 2, "linger": "5us"}
    outcome = show([{}, {}, {}], engine={"workers": 4, "store": store})
    # All three join at 1. Two go at once (2 + 2 x 1); the third has waited 5 us at 6.
    assert outcome.orders["placed_us"] == [5, 5, 9]
    assert outcome.met["largest_group"] == 2


def test_who_joins_while_one_lingers_fills_the_group() -> None:
    store = {"a": "2us", "b": "1us", "max_group": 2, "linger": "50us"}
    outcome = show([{}, {"time_us": 3}], engine={"workers": 4, "store": store})
    assert outcome.orders["placed_us"] == [8, 8]


def test_without_linger_the_store_takes_who_is_there() -> None:
    store = {"a": "2us", "b": "1us", "max_group": 9}
    outcome = show([{}, {"checkout_us": 2}, {"checkout_us": 4}], engine={"workers": 4, "store": store})
    assert outcome.orders["placed_us"] == [4, 8, 8]


def test_an_outage_starts_nothing_but_work_goes_on() -> None:
    outages = [{"at": "3us", "length": "4us"}]
    outcome = show([{"checkout_us": 5}, {}], engine={"workers": 1, "outages": outages})
    assert outcome.orders["placed_us"] == [5, 8]
    assert outcome.met["outage_while_busy"] == 1


def test_a_crash_voids_what_is_in_service() -> None:
    outages = [{"at": "3us", "length": "4us", "crash": True}]
    outcome = show([{"checkout_us": 5}], engine={"attempts": 2, "outages": outages})
    assert outcome.orders["crashed"] == [1]
    assert outcome.orders["placed_us"] == [12]  # the second try waits from 4 to 7
    assert outcome.orders["checkout_response_us"] == [12]
    outcome = show([{"checkout_us": 5}], engine={"outages": outages})
    assert outcome.orders["reason"] == [Reason.ENGINE_CRASHED]


def test_a_crash_comes_before_a_completion_of_its_instant() -> None:
    outages = [{"at": "3us", "length": "4us", "crash": True}]
    outcome = show([{"checkout_us": 3}], engine={"outages": outages})
    assert outcome.orders["state"] == [State.NONE]


def test_a_crash_empties_the_store_and_frees_it_at_once() -> None:
    outages = [{"at": "3us", "length": "1us", "crash": True}]
    store = {"a": "10us", "b": "1us", "max_group": 1}
    outcome = show([{}, {}], engine={"workers": 2, "attempts": 2, "outages": outages, "store": store})
    # Order 0 was in the group, order 1 waited. Both try again at 4, join at 5; groups end at 16 and 27.
    assert outcome.orders["crashed"] == [1, 1]
    assert outcome.orders["placed_us"] == [16, 27]
    assert outcome.met["voided"] == 2


def test_a_fall_of_capacity_lets_work_end_and_does_not_replace_it() -> None:
    carts = [{"checkout_us": 5}, {"checkout_us": 10}, {"time_us": 1}]
    outcome = show(carts, engine={"workers": 2, "changes": [{"at": "2us", "servers": 1}]})
    assert outcome.orders["placed_us"] == [5, 10, 11]
    assert outcome.met["capacity_drop_while_busy"] == 1


def test_a_rise_of_capacity_starts_all_it_can() -> None:
    outcome = show([{}, {}, {}], engine={"workers": 0, "changes": [{"at": "2us", "servers": 2}]})
    assert outcome.orders["placed_us"] == [3, 3, 4]


def test_a_change_during_an_outage_counts_from_its_end() -> None:
    engine = {"workers": 1, "changes": [{"at": "2us", "servers": 2}], "outages": [{"at": "0us", "length": "4us"}]}
    assert show([{}, {}], engine=engine).orders["placed_us"] == [5, 5]


def test_a_rise_and_an_outage_at_one_instant_start_nothing() -> None:
    engine = {"workers": 0, "changes": [{"at": "2us", "servers": 1}], "outages": [{"at": "2us", "length": "4us"}]}
    assert show([{}], engine=engine).orders["placed_us"] == [7]
