"""The heap and the calendar queue against a sorted list, plain and compiled."""

from __future__ import annotations

import bisect
import heapq
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.flow.calendar_queue import KEY_MASK, WIDTH_LOG2
from sim.flow.heap import heap_drop, heap_push
from sim.flow.jit import choose
from tests.flow.agenda import Agenda

FAST = pytest.mark.parametrize("fast", [False, True], ids=["plain", "compiled"])
DAY_US = 86_400_000_000


@FAST
def test_the_heap_gives_what_heapq_gives(fast: bool) -> None:
    push, drop = choose(heap_push, fast), choose(heap_drop, fast)
    r = Random(1)
    heap, size, theirs = np.zeros(500, dtype=np.int64), 0, list[int]()
    for _ in range(3000):
        if theirs and (size == len(heap) or r.random() < 0.48):
            assert heap[0] == heapq.heappop(theirs)
            size = drop(heap, size)
        else:
            value = r.choice((r.randrange(20), r.getrandbits(62), -r.randrange(5)))
            size = push(heap, size, value)
            heapq.heappush(theirs, value)
        assert size == len(theirs)


def play(agenda: Agenda, end_us: int, spread_us: int, steps: int, seed: int) -> None:
    """Events come and go at random; time never falls; a sorted list says what must come next."""
    r = Random(seed)
    theirs: list[tuple[int, int]] = []
    now_us = 0
    for step in range(steps):
        if r.random() < (0.7 if step < steps // 2 else 0.4):
            time_us = now_us + r.choice((0, 1, r.randrange(3), r.randrange(spread_us), r.randrange(50 * spread_us)))
            key = r.choice((step, r.randrange(KEY_MASK)))
            agenda.add(time_us, key)
            if time_us < end_us:
                bisect.insort(theirs, (time_us, key))
        elif theirs:
            event = agenda.pop()
            assert event == theirs.pop(0)
            now_us = event[0]
        else:
            assert agenda.pop() is None
        if r.random() < 0.01:
            low, high = sorted((r.randrange(2 * steps), r.randrange(2 * steps)))
            out = [event for event in theirs if low <= event[1] < high]
            theirs = [event for event in theirs if event not in out]
            assert sorted(agenda.remove(low, high)) == sorted(key for _, key in out)
    assert [agenda.pop() for _ in theirs] == theirs
    assert agenda.pop() is None


@FAST
@pytest.mark.parametrize(
    ("end_us", "spread_us"), [(DAY_US, 500_000_000), (DAY_US, 40), (100_000, 900), (50, 5), (40 * DAY_US, DAY_US)]
)
def test_the_calendar_gives_events_in_order_of_time_and_key(end_us: int, spread_us: int, fast: bool) -> None:
    for seed in range(3):
        play(Agenda(end_us, fast=fast), end_us, spread_us, 500 if fast else 1200, seed)


def test_the_calendar_is_exact_with_the_smallest_bins_and_with_the_widest() -> None:
    smallest, widest = Agenda(1 << 20, events=1 << 22), Agenda(1 << 42, events=1)
    assert (smallest.state.cal[WIDTH_LOG2], widest.state.cal[WIDTH_LOG2]) == (10, 29)
    play(smallest, 1 << 20, 300, 3000, 1)
    play(widest, 1 << 42, 1 << 33, 3000, 2)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, KEY_MASK)), max_size=60))
def test_events_all_known_before_the_first_leave_sorted(events: list[tuple[int, int]]) -> None:
    agenda = Agenda(4000)
    for time_us, key in events:
        agenda.add(time_us, key)
    due = sorted(event for event in events if event[0] < 4000)
    assert [agenda.pop() for _ in due] == due
    assert agenda.pop() is None


def test_equal_events_are_kept_apart() -> None:
    agenda = Agenda(1000)
    for _ in range(40):
        agenda.add(7, 3)
    assert [agenda.pop() for _ in range(41)] == [(7, 3)] * 40 + [None]


@FAST
def test_a_calendar_with_a_smaller_pool_holds_the_same_events(fast: bool) -> None:
    r = Random(5)
    agenda, theirs = Agenda(DAY_US, fast=fast), list[tuple[int, int]]()
    for key in range(3000):
        time_us = r.choice((r.randrange(DAY_US), 7, DAY_US // 2))
        agenda.add(time_us, key)
        theirs.append((time_us, key))
    theirs.sort()
    for _ in range(2900):
        assert agenda.pop() == theirs.pop(0)
    before = len(agenda.state.pool)
    agenda.shrink(3)
    assert len(agenda.state.pool) < before // 4
    agenda.shrink(3)
    for key in range(200):
        agenda.add(DAY_US - 1, key)
        theirs.append((DAY_US - 1, key))
    theirs.sort()
    assert [agenda.pop() for _ in range(301)] == [*theirs, None]


def test_removed_events_leave_their_room_to_others() -> None:
    agenda = Agenda(DAY_US, room=8)
    for _ in range(50):
        for key in range(40):
            agenda.add(key * 1_000_000_000, key)
        assert sorted(agenda.remove(0, 40)) == list(range(40))
        assert agenda.pop() is None
    assert len(agenda.state.pool) <= 40 * 16
