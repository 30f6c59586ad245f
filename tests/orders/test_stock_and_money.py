"""Stock in two phases, money in double entry, rules and states: the arithmetic under the orders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import Defect
from sim.orders import stock
from sim.orders.money import PPM, commission, split
from sim.orders.rules import Rules
from sim.orders.states import TERMINAL, TRANSITIONS, State, may_go
from sim.orders.stock import Phase, Stock

FULL = Stock(1, 10, 3, 4, 2)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (stock.hold(FULL, 1), (10, 4, 4, 2)),
        (stock.commit(FULL, 2), (10, 1, 6, 2)),
        (stock.let_go(FULL, 3, Phase.HELD), (10, 0, 4, 5)),
        (stock.let_go(FULL, 4, Phase.COMMITTED), (10, 3, 0, 6)),
        (stock.release(FULL, 2), (10, 3, 4, 0)),
        (stock.ship(FULL, 4), (6, 3, 0, 2)),
        (stock.add(FULL, -1), (9, 3, 4, 2)),
    ],
)
def test_each_step_moves_units_and_nothing_else(after: Stock, expected: tuple[int, ...]) -> None:
    assert (after.on_hand, after.held, after.committed, after.releasing) == expected
    assert after.version == FULL.version + 1
    assert after.reserved + after.available == after.on_hand


def test_a_step_that_would_break_the_identity_is_a_defect() -> None:
    for step, units in ((stock.hold, 2), (stock.commit, 4), (stock.release, 3), (stock.ship, 5), (stock.add, -2)):
        with pytest.raises(Defect, match="identity"):
            step(FULL, units)
    for phase in (Phase.HELD, Phase.COMMITTED):
        with pytest.raises(Defect, match="identity"):
            stock.let_go(FULL, 5, phase)


@pytest.mark.parametrize("phase", [Phase.RELEASING, Phase.RELEASED, Phase.SHIPPED])
def test_units_are_let_go_only_once(phase: Phase) -> None:
    with pytest.raises(Defect, match="cannot be let go"):
        stock.let_go(FULL, 1, phase)


WEIGHTS = st.lists(st.integers(0, 10**12), min_size=1, max_size=6).map(
    lambda sizes: {f"account {number}": size for number, size in enumerate(sizes)}
)


@given(WEIGHTS, st.data())
def test_a_split_sums_to_the_amount_and_none_gets_more_than_its_weight(
    weights: dict[str, int], data: st.DataObject
) -> None:
    amount = data.draw(st.integers(0, sum(weights.values())))
    parts = split(amount, weights)
    assert sum(parts.values()) == amount
    assert all(0 <= parts[account] <= weight for account, weight in weights.items())


@given(WEIGHTS, st.data())
def test_no_part_of_a_split_falls_as_the_amount_grows(weights: dict[str, int], data: st.DataObject) -> None:
    more = data.draw(st.integers(0, sum(weights.values())))
    less = data.draw(st.integers(0, more))
    small, large = split(less, weights), split(more, weights)
    assert all(small[account] <= large[account] for account in weights)


@given(WEIGHTS)
def test_a_split_of_everything_gives_each_its_weight(weights: dict[str, int]) -> None:
    assert split(sum(weights.values()), weights) == weights


@pytest.mark.parametrize("amount", [-1, 101])
def test_more_than_there_is_cannot_be_split(amount: int) -> None:
    with pytest.raises(ValueError, match="cannot split"):
        split(amount, {"a": 60, "b": 40})


@given(st.integers(0, 10**15), st.integers(0, PPM))
def test_a_commission_is_rounded_half_up_and_within_the_amount(amount: int, ppm: int) -> None:
    part = commission(amount, ppm)
    assert abs(part * PPM - amount * ppm) * 2 <= PPM
    assert 0 <= part <= amount


def test_half_a_penny_of_commission_counts_as_one() -> None:
    assert [commission(amount, 50_000) for amount in (9, 10, 29, 30)] == [0, 1, 1, 2]


def test_faster_rules_divide_durations_only_and_never_to_nothing() -> None:
    rules = Rules(cancel_freely_us=0, pay_window_us=7).faster(1000)
    assert rules.pay_window_us == 1
    assert rules.cancel_freely_us == 0
    assert rules.on_hold_us == 3_600_000
    assert (rules.max_lines, rules.confirms_itself) == (Rules().max_lines, True)


def test_the_table_has_every_state_and_ends_where_it_should() -> None:
    assert set(TRANSITIONS) == set(State)
    assert {State.COMPLETED, State.CANCELLED} == TERMINAL
    assert may_go(State.UNPAID, State.ON_HOLD)
    assert not may_go(State.UNPAID, State.DELIVERED)
