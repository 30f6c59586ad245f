"""The environment's order, quantile tables in kernels, and what kernels are handed."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.flow import structs
from sim.flow.calendar_queue import next_time, schedule
from sim.flow.environment import MAX_WINDOW_US, FlowEnvironment
from sim.flow.jit import choose, compiled
from sim.flow.structs import handle
from sim.flow.transit import delay_us
from sim.scenario.parts.base import Duration
from sim.scenario.quantiles import at_u32, quantile_table
from tests.flow.agenda import Agenda

LAWS = (
    "3s",
    {"dist": "exponential", "mean": "2d"},
    {"dist": "uniform", "low": "1s", "high": "40d"},
    {"dist": "gamma", "mean": "36h", "shape": 0.4},
    {"dist": "lognormal", "median": "2us", "sigma": 2},
)


class Log:
    """A flow that writes down how far it was moved."""

    def __init__(self, name: str, seen: list[tuple[str, int]]) -> None:
        self.name, self.seen = name, seen

    def catch_up(self, end_us: int) -> int:
        """Write it down."""
        self.seen.append((self.name, end_us))
        return end_us


def test_events_of_one_instant_are_executed_by_rank_not_by_insertion() -> None:
    env, seen = FlowEnvironment(), list[tuple[int, int]]()

    def process(time_us: int, rank: int) -> Generator[simpy.Event, Any, None]:
        yield env.at(time_us, rank)
        seen.append((time_us, rank))

    for time_us, rank in [(5, 3), (5, 0), (9, 1), (5, 7), (0, 2), (5, 1), (0, 0), (9, 0)]:
        env.process(process(time_us, rank))
    env.run()
    assert seen == sorted(seen)
    assert len(seen) == 8


def test_an_event_planned_at_its_own_instant_still_waits_for_lower_ranks() -> None:
    env, seen = FlowEnvironment(), list[str]()

    def early() -> Generator[simpy.Event, Any, None]:
        yield env.at(5, 0)
        seen.append("early")
        yield env.at(5, 2)
        seen.append("again")

    def middle() -> Generator[simpy.Event, Any, None]:
        yield env.at(5, 1)
        seen.append("middle")

    env.process(early())
    env.process(middle())
    env.run()
    assert seen == ["early", "middle", "again"]


def test_the_past_cannot_be_planned() -> None:
    env = FlowEnvironment()
    env.run(until=env.at(5, 0))
    with pytest.raises(ValueError, match="before now"):
        env.at(4, 0)


def test_flows_catch_up_in_their_order_before_each_event() -> None:
    env, seen = FlowEnvironment(), list[tuple[str, int]]()
    env.flows = [Log("first", seen), Log("second", seen)]

    def process() -> Generator[simpy.Event, Any, None]:
        for time_us in (4, 4, 9):
            yield env.at(time_us, 0)
            seen.append(("event", time_us))

    env.process(process())
    env.run()
    moved = [("first", 4), ("second", 4)], [("first", 9), ("second", 9)]
    assert seen == [*moved[0], ("event", 4), ("event", 4), *moved[1], ("event", 9)]


def test_a_long_wait_is_cut_into_windows_that_kernels_can_count_in() -> None:
    env, seen = FlowEnvironment(), list[tuple[str, int]]()
    env.flows = [Log("flow", seen)]
    env.catch_up(2 * MAX_WINDOW_US + 7)
    env.catch_up(2 * MAX_WINDOW_US + 7)
    env.catch_up(2 * MAX_WINDOW_US + 8)
    ends = [end_us for _, end_us in seen]
    assert ends == [MAX_WINDOW_US, 2 * MAX_WINDOW_US, 2 * MAX_WINDOW_US + 7, 2 * MAX_WINDOW_US + 8]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.sampled_from(LAWS), st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20))
def test_delays_in_flows_are_those_of_the_quantile_table(law: Any, uniforms: list[int]) -> None:
    table = quantile_table(Duration.model_validate(law))
    edges = [0, 1, 2**22 - 1, 2**22, 2**32 - 1]
    expected = [at_u32(table, uniform) for uniform in [*uniforms, *edges]]
    assert [delay_us(table, uniform) for uniform in [*uniforms, *edges]] == expected


def test_a_compiled_kernel_is_the_same_function() -> None:
    table = quantile_table(Duration.model_validate(LAWS[2]))
    twin = compiled(delay_us)
    assert twin is not delay_us
    assert twin is compiled(delay_us) is choose(delay_us, True)
    assert choose(delay_us, False) is delay_us
    for uniform in range(0, 2**32, 98_765_432):
        assert twin(table, uniform) == delay_us(table, uniform)


class Pair(NamedTuple):
    """A state of two arrays."""

    numbers: np.ndarray
    table: np.ndarray


def test_handles_share_the_memory_of_the_arrays() -> None:
    pair = Pair(np.zeros(3, dtype=np.int64), np.zeros((2, 2), dtype=np.uint8))
    plain = handle(pair, fast=False)
    plain.numbers[1], plain.table[1, 0] = 7, 8
    assert (pair.numbers[1], pair.table[1, 0]) == (7, 8)
    assert type(plain.numbers[1]) is int
    agenda = Agenda(1000, fast=True)
    shared = handle(agenda.state, fast=True)
    compiled(schedule)(shared, 77, 5)
    assert next_time(agenda.state) == compiled(next_time)(shared)
    assert agenda.pop() == (77, 5)


def read_only() -> np.ndarray:
    array = np.zeros((2, 2), dtype=np.uint8)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("table", [read_only(), np.zeros((2, 4), dtype=np.uint8)[:, ::2]], ids=["read-only", "strided"])
def test_a_handle_refuses_arrays_that_machine_code_would_misread(table: np.ndarray) -> None:
    pair = Pair(np.zeros(3, dtype=np.int64), table)
    with pytest.raises(ValueError, match="contiguous arrays that can be written"):
        handle(pair, fast=True)
    with pytest.raises(ValueError, match="contiguous arrays that can be written"):
        structs.Handle(pair)
