"""Moderators' queues: cases V01 and V02, their neighbours by a transition matrix, and the limits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sim.demand.erlang import erlang_a, erlang_c, shares_answered
from tests.demand.cases import assert_near, expected, params


def test_v01_erlang_c() -> None:
    p, want = params("V01"), expected("V01")
    queue = erlang_c(p["lam"], p["mu"], p["c"])
    assert_near(queue.wait_share, want["P_wait"], 5)
    assert_near(queue.mean_wait, want["Wq"], 5)
    assert_near(queue.waiting, want["Lq"])
    assert_near(queue.present, want["L"])


def test_v02_erlang_a_and_the_same_without_leaving() -> None:
    p, want = params("V02"), expected("V02")
    queue = erlang_a(p["lam"], p["mu"], p["n"], p["theta"])
    assert_near(queue.wait_share, want["P_wait"])
    assert_near(queue.mean_wait * 60, want["Wq_s"], 4)
    assert_near(queue.gives_up_share, want["P_ab"])
    assert_near(queue.busy_share, want["util"])
    assert_near(queue.waiting, want["Lq"])
    patient = erlang_a(p["lam"], p["mu"], p["n"], 0)
    assert_near(patient.mean_wait * 60, want["no-abandon Wq_s"], 4)
    assert_near(patient.waiting, want["no-abandon Lq"])


@pytest.mark.parametrize(
    ("rate", "service", "servers", "leaving"),
    [
        (48, 1, 50, 0.5),
        (3, 1, 1, 0.5),
        (30, 1, 4, 2),
        (0.2, 1, 1, 0.01),
        (5, 2, 0, 1),
        (8, 1, 10, 4),
        (40, 1, 41, 0.02),
    ],
)
def test_erlang_a_solves_the_balance_of_births_and_deaths(
    rate: float, service: float, servers: int, leaving: float
) -> None:
    size = 800
    number = np.arange(size)
    down = np.minimum(number, servers) * service + np.maximum(number - servers, 0) * leaving
    flow = np.diag(np.full(size - 1, float(rate)), 1) + np.diag(down[1:], -1)
    flow -= np.diag(flow.sum(axis=1))
    flow[:, -1] = 1  # in place of one equation: the probabilities add up to 1
    share = np.linalg.solve(flow.T, np.append(np.zeros(size - 1), 1.0))
    queue, queued = erlang_a(rate, service, servers, leaving), np.maximum(number - servers, 0)
    assert queue.waiting == pytest.approx(share @ queued, rel=1e-9)
    assert queue.wait_share == pytest.approx(share[number >= servers].sum(), rel=1e-9)
    assert queue.gives_up_share == pytest.approx(leaving * (share @ queued) / rate, rel=1e-9)
    assert queue.answered_share * rate == pytest.approx(service * (share @ np.minimum(number, servers)), rel=1e-9)


def test_ever_slower_leaving_comes_to_erlang_c() -> None:
    limit = erlang_c(8, 1, 10)
    near = erlang_a(8, 1, 10, 1e-9)
    assert near.wait_share == pytest.approx(limit.wait_share, rel=1e-6)
    assert near.waiting == pytest.approx(limit.waiting, rel=1e-6)


def test_one_patient_queue_of_one_is_the_textbooks() -> None:
    queue = erlang_a(0.75, 1, 1, 0)
    assert (queue.wait_share, queue.mean_wait, queue.waiting) == pytest.approx((0.75, 3, 2.25))


def test_more_questions_than_moderators_can_answer() -> None:
    assert erlang_c(30, 1, 10).answered_share == pytest.approx(1 / 3)
    assert erlang_c(30, 1, 10).mean_wait == math.inf
    assert erlang_a(1e6, 1, 1000, 1).answered_share == pytest.approx(1e-3, rel=1e-9)
    assert erlang_a(5, 1, 0, 1).answered_share == pytest.approx(0, abs=1e-12)
    assert erlang_a(0, 1, 3, 1).answered_share == 1


@pytest.mark.parametrize(("servers", "leaving"), [(0, 0.5), (1, 0.01), (7, 2.0), (300, 0.1), (12, 0.0)])
def test_shares_answered_at_many_rates_are_those_of_each(servers: int, leaving: float) -> None:
    rates = 900 * (np.arange(1, 130) / 129) ** 2
    each = [erlang_a(rate, 2.0, servers, leaving).answered_share for rate in rates.tolist()]
    assert shares_answered(rates, 2.0, servers, leaving) == pytest.approx(each, rel=1e-9, abs=1e-12)
