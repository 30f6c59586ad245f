"""Money: every column equals the oracle's, and the examples that anyone can do in the head."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from sim.operations.contribution import exact_sum
from sim.operations.money import MONEY_COLUMNS, money_chunks, share_of
from sim.operations.simulate import simulate
from tests.operations.compare import money_columns
from tests.operations.from_oracle import oracle_outcome
from tests.operations.shop import PAID_IN_A_MINUTE, shop
from tests.oracle import model
from tests.oracle.build import tiny_trace
from tests.oracle.cases import FEATURES, MODES, make_case


@pytest.mark.parametrize("seed", range(60))
def test_every_amount_equals_the_oracles(seed: int) -> None:
    r = Random(seed)
    features = frozenset(name for name in FEATURES if r.random() < 0.75) | {"money"}
    scenario, trace = make_case(seed, features, r.choice(MODES), range(r.randint(5, 40)))
    outcome, oracle = oracle_outcome(scenario, trace)
    money = money_columns(scenario, trace, outcome)
    assert {name: column.tolist() for name, column in money.items()} == {n: oracle.orders[n] for n in MONEY_COLUMNS}


def test_the_same_comes_out_whatever_the_size_of_a_chunk() -> None:
    scenario, trace = make_case(5, frozenset(FEATURES), "minutes", range(40))
    outcome, _ = oracle_outcome(scenario, trace)
    whole = money_columns(scenario, trace, outcome)
    for size in (1, 3, 7):
        parts = [money for _, money in money_chunks(scenario, trace, outcome, size=size)]
        for name in MONEY_COLUMNS:
            assert np.concatenate([part[name] for part in parts]).tolist() == whole[name].tolist()


def test_a_plain_order_pays_commissions_fees_goods_and_freight() -> None:
    scenario = shop()
    trace = tiny_trace(scenario, [{**PAID_IN_A_MINUTE, "quantity": 2, "content": 0}])
    outcome, _ = oracle_outcome(scenario, trace)
    money = {name: int(column[0]) for name, column in money_columns(scenario, trace, outcome).items()}
    assert money == {
        "gross": 2000,
        "deal_discount": 0,
        "voucher": 0,
        "captured": 2000,
        "refunded": 0,
        "refunded_sales": 0,
        "platform_commission": 100,
        "creator_commission": 200,
        "payment_fee": 60,
        "goods_cost": 800,
        "pick_pack": 50,
        "freight": 300,
        "return_cost": 0,
        "late_penalty": 0,
    }


def test_an_order_never_paid_has_zeros_only() -> None:
    scenario = shop()
    trace = tiny_trace(scenario, [{"pay_delay_us": -1}])
    outcome, _ = oracle_outcome(scenario, trace)
    assert {int(column[0]) for column in money_columns(scenario, trace, outcome).values()} == {0}


@pytest.mark.parametrize("amount", [0, 1, 49, 50, 51, 999_999, 10**12, 2**62, -1, -50, -51])
@pytest.mark.parametrize("ppm", [0, 1, 10_000, 333_333, 500_000, 1_000_000])
def test_a_share_is_rounded_half_up_and_exact_at_any_size(amount: int, ppm: int) -> None:
    assert share_of(np.array([amount]), ppm).tolist() == [(amount * ppm + 500_000) // 1_000_000]


def test_a_sum_is_exact_where_64_bits_would_overflow() -> None:
    assert exact_sum(np.full(4, 2**62)) == 2**64


@pytest.mark.parametrize("seed", [1, 2])
def test_the_flows_money_equals_the_oracles_too(seed: int) -> None:
    scenario, trace = make_case(seed, frozenset(FEATURES), "minutes", range(40))
    money = money_columns(scenario, trace, simulate(scenario, trace, fast=False))
    oracle = model.run(scenario, trace)
    assert {name: column.tolist() for name, column in money.items()} == {n: oracle.orders[n] for n in MONEY_COLUMNS}


@pytest.mark.parametrize(("currency", "fee"), [("", 40), ("GBP", 40), ("EUR", 40 + 30)])
def test_who_pays_in_another_currency_costs_the_exchange(currency: str, fee: int) -> None:
    """Two mugs for 20 GBP: 2 % payment fee, and 1.5 % where the region's currency is not the reporting one."""
    fees = (
        "fees.payment_fixed=null",
        "fees.exchange=1.5 %",
        "currencies=[{currency: EUR, rate: 0.85, date: 2026-06-01}]",
    )
    scenario = shop(*fees, f"regions[0].currency='{currency}'")
    trace = tiny_trace(scenario, [{**PAID_IN_A_MINUTE, "quantity": 2}])
    outcome, _ = oracle_outcome(scenario, trace)
    assert money_columns(scenario, trace, outcome)["payment_fee"].tolist() == [fee]
