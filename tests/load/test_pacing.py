"""Things start in order and never early, and the parts of a trace make the whole."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import gevent
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.replay.pacing import BATCH, Pacer
from loadtests.replay.plan import planned_end_us
from loadtests.replay.worker import part_of
from loadtests.schedule import NEVER, PLACE, QUOTE, REFRESH, VIEW
from tests.load.made_schedules import schedule_of

PORTABLE = pytest.mark.parametrize("portable", [False, True], ids=["timerfd", "portable"])


@pytest.fixture
def pacers() -> Iterator[list[Pacer]]:
    made: list[Pacer] = []
    yield made
    for pacer in made:
        pacer.close()


def begin(pacers: list[Pacer], portable: bool) -> Pacer:
    pacer = Pacer(portable=portable)
    pacer.begin(time.monotonic_ns() // 1000)
    pacers.append(pacer)
    return pacer


@PORTABLE
def test_arrivals_start_in_order_and_never_early(portable: bool, pacers: list[Pacer]) -> None:
    pacer = begin(pacers, portable)
    due = np.sort(np.random.default_rng(1).integers(0, 300_000, 400)).tolist()
    started: list[tuple[int, int]] = []
    pacer.feed(((at, number) for number, at in enumerate(due)), lambda row: started.append((row[1], pacer.now_us())))
    gevent.sleep(0.4)
    assert [number for number, _ in started] == list(range(400))
    assert all(at >= due[number] for number, at in started)
    assert pacer.exhausted


@PORTABLE
def test_waiting_greenlets_and_arrivals_share_one_order(portable: bool, pacers: list[Pacer]) -> None:
    pacer = begin(pacers, portable)
    order: list[int] = []

    def wait(due_us: int) -> None:
        pacer.wait(due_us)
        assert pacer.now_us() >= due_us
        order.append(due_us)

    jobs = [gevent.spawn(wait, due_us) for due_us in (90_000, 30_000, 60_000)]
    gevent.sleep(0)
    pacer.feed(iter([(due,) for due in (20_000, 40_000, 80_000)]), lambda row: order.append(row[0]))
    gevent.joinall(jobs, raise_error=True)
    assert order == [20_000, 30_000, 40_000, 60_000, 80_000, 90_000]


@PORTABLE
def test_something_nearer_may_be_asked_for_while_something_farther_is_waited_for(
    portable: bool, pacers: list[Pacer]
) -> None:
    pacer = begin(pacers, portable)
    happened: list[str] = []
    pacer.at(10_000_000, lambda: happened.append("far"))
    gevent.sleep(0.01)
    pacer.at(pacer.now_us() + 20_000, lambda: happened.append("near"))
    gevent.sleep(0.1)
    assert happened == ["near"]


@PORTABLE
def test_what_is_overdue_starts_in_batches_so_that_answers_get_their_turn(portable: bool, pacers: list[Pacer]) -> None:
    pacer = begin(pacers, portable)
    turns: list[int] = []
    started: list[int] = []

    def others() -> None:
        while len(started) < 10 * BATCH:
            turns.append(len(started))
            gevent.sleep(0)

    job = gevent.spawn(others)
    pacer.feed(((0,) for _ in range(10 * BATCH)), lambda row: started.append(0))
    job.join(5)
    assert len(started) == 10 * BATCH
    assert len(set(turns)) >= 9


def test_a_wait_for_the_past_is_none(pacers: list[Pacer]) -> None:
    """Nobody else gets a turn."""
    pacer, others = begin(pacers, False), [0]
    other = gevent.spawn(lambda: others.append(1))
    pacer.wait(pacer.now_us() - 1)
    pacer.wait(0)
    assert others == [0]
    other.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="timerfd is Linux's")
def test_most_starts_are_far_less_than_a_millisecond_late(pacers: list[Pacer]) -> None:
    pacer = begin(pacers, False)
    late: list[int] = []
    pacer.feed(((at * 1000 + 137,) for at in range(300)), lambda row: late.append(pacer.now_us() - row[0]))
    gevent.sleep(0.4)
    assert len(late) == 300
    assert np.median(late) < 1000  # about 60 us on an idle machine


@settings(max_examples=60, deadline=None)
@given(
    carts=st.integers(1, 30),
    arrivals=st.lists(st.tuples(st.integers(0, 1000), st.sampled_from([VIEW, REFRESH, QUOTE, PLACE]), st.integers(0))),
    workers=st.integers(1, 7),
    steps=st.frozensets(st.sampled_from(["view", "refresh", "quote"])),
)
def test_the_workers_parts_are_the_whole_trace_with_no_arrival_twice_and_no_cart_divided(
    carts: int, arrivals: list[tuple[int, int, int]], workers: int, steps: frozenset[str]
) -> None:
    schedule = schedule_of([(due, kind, cart % carts) for due, kind, cart in arrivals], [{}] * carts)
    parts = [part_of(schedule, worker, workers, steps | {"place"}) for worker in range(workers)]
    sent = np.sort(np.concatenate([part for part, _ in parts]))
    kinds = np.array(["view", "refresh", "quote", "place"])[schedule.arrivals["kind"]]
    assert sent.tolist() == [row for row, kind in enumerate(kinds) if kind in steps | {"place"}]
    left_out = sum(count for _, counts in parts for count in counts.values())
    assert left_out + len(sent) == len(arrivals)
    of = [set(schedule.arrivals["cart"][part].tolist()) for part, _ in parts]
    assert sum(len(one) for one in of) == len(set().union(*of))


def test_the_end_of_the_plan_counts_every_delay_that_is_waited_for() -> None:
    carts = [{"pay_delay_us": NEVER, "confirm_delay_us": NEVER}, {"pay_delay_us": 5, "confirm_delay_us": 7}]
    assert planned_end_us(schedule_of([(100, PLACE, 0), (200, PLACE, 1)], carts)) == 212
    assert planned_end_us(schedule_of([], [])) == 0
