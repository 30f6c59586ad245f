"""One replication of a study: every strategy meets the same buyers, at the same uncertain inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from sim.arrays import Ints
from sim.demand.generate import generate
from sim.demand.streams import stream
from sim.demand.trace import Trace
from sim.errors import LiveRushError, UsageError
from sim.experiments.ahead import Ahead
from sim.experiments.summary import numbers
from sim.operations.metrics import summarise
from sim.operations.outcome import Outcome
from sim.operations.simulate import simulate
from sim.operations.stock_moves import Moves, StockMoves
from sim.operations.strategies.forecast import remember
from sim.operations.strategies.own import line_of_user
from sim.scenario.schema import Scenario
from sim.scenario.studies.study import Study, demand_key
from sim.scenario.tables import sku_table

#: Points of the fans over the horizon, its end included.
FAN_POINTS = 121
#: Replications that share one draw of the uncertain inputs: two tell chance from inputs.
A_DRAW = 2
Result = dict[str, Any]


def runs_a_draw(study: Study) -> int:
    """Replications that belong together: those of one draw, or one where nothing is uncertain."""
    return A_DRAW if study.uncertain else 1


def replicate_study(
    study: Study,
    seed: int,
    runs: int,
    replication: int,
    pilots: Mapping[str, Ints] | None = None,
    ahead: Ahead | None = None,
) -> Result:
    """What one replication came to, as plain values that JSON keeps exactly.

    `strategies`, in order: `inputs`, uncertain ones as it met them, and `values`, both by dotted path, and `on_hand`,
    `backlog` at FAN_POINTS times. `traces`: how many were made. `runs`: simulations of the whole study,
    which decides whether machine code is worth its compiling. `pilots`: what stock policies plan from (`pilots_for`),
    made once a study. `ahead`: where its traces may lie. Plans rest on the modes of uncertain inputs, not on what is
    drawn. Raises UsageError where a user's policy raises.
    """
    remember(pilots or {})
    drawn, scenarios, sharing = _inputs(study, seed, replication)
    found: dict[int, Result] = {}
    for key, members in sharing.items():  # one trace in memory at a time
        made = ahead.take(replication, key) if ahead else None
        trace = made or generate(scenarios[members[0]], seed, replication)
        del made
        for number in members:
            try:
                one = _one(scenarios[number], trace, runs, study.strategies[number].scenario)
                found[number] = {"inputs": drawn[number], **one}
            except Exception as error:
                raise _told(error, study.names[number], replication) from error
        del trace
    strategies = [found[number] for number in range(len(scenarios))]
    return {"replication": replication, "traces": len(sharing), "strategies": strategies}


def make_traces(study: Study, seed: int, ahead: Ahead, replication: int) -> None:
    """Make the traces of a replication, and keep them where `replicate_study` finds them."""
    _, scenarios, sharing = _inputs(study, seed, replication)
    for key, members in sharing.items():
        if ahead.wants(replication, key):
            ahead.keep(generate(scenarios[members[0]], seed, replication), replication, key)


def _inputs(
    study: Study, seed: int, replication: int
) -> tuple[list[dict[str, float]], list[Scenario], dict[str, list[int]]]:
    """By strategy the uncertain inputs drawn and the scenario with them; and the numbers of those that share a trace.

    One quantile a path for all strategies, each of which has its own law: so laws that are equal give equal numbers.
    """

    def uniform(name: str) -> float:
        return float(stream(seed, replication // A_DRAW, f"uncertain/{name}").random())

    drawn = [strategy.draw(uniform) for strategy in study.strategies]
    scenarios = [strategy.at(numbers) for strategy, numbers in zip(study.strategies, drawn, strict=True)]
    sharing: dict[str, list[int]] = {}
    for number, scenario in enumerate(scenarios):
        sharing.setdefault(demand_key(scenario), []).append(number)
    return drawn, scenarios, sharing


def _one(scenario: Scenario, trace: Trace, runs: int, believed: Scenario) -> Result:
    outcome = simulate(scenario, trace, runs=runs, believed=believed)
    moves = list(StockMoves(scenario, trace, outcome).on_hand())
    values = dict(numbers(summarise(scenario, trace, outcome, moves)))
    grid_us = np.linspace(0, scenario.horizon_us, FAN_POINTS).astype(np.int64)
    return {
        "values": values,
        "on_hand": on_hand_at(scenario, moves, grid_us).tolist(),
        "backlog": backlog_at(outcome, grid_us).tolist(),
    }


def on_hand_at(scenario: Scenario, moves: Iterable[Moves], grid_us: Ints) -> Ints:
    """Units on hand over all SKUs and warehouses just after each time, from `moves` of stock on hand."""
    changes = np.zeros(len(grid_us) + 1, np.int64)
    for move in moves:
        np.add.at(changes, np.searchsorted(grid_us, move.time_us), move.units)
    initial = sum(sum(row.stock) for row in sku_table(scenario) if len(row.stock))
    return np.asarray(initial + np.cumsum(changes[: len(grid_us)]))


def backlog_at(outcome: Outcome, grid_us: Ints) -> Ints:
    """Orders paid and neither closed nor wholly with the carrier, just after each time."""
    orders, parcels = outcome.orders, outcome.parcels
    never = np.iinfo(np.int64).max
    left = np.zeros(len(orders["paid_us"]), np.int64)
    collected = np.where(parcels["collected_us"] >= 0, parcels["collected_us"], never)
    np.maximum.at(left, parcels["order"], collected)
    left[left == 0] = never  # no parcel at all
    closed = orders["closed_us"]
    left = np.minimum(left, np.where(closed >= 0, closed, never))
    paid = orders["paid_us"] >= 0
    return _by(grid_us, orders["paid_us"][paid]) - _by(grid_us, np.maximum(left, orders["paid_us"])[paid])


def _by(grid_us: Ints, times_us: Ints) -> Ints:
    """How many of the times are over just after each time of the grid."""
    return np.cumsum(np.bincount(np.searchsorted(grid_us, times_us), minlength=len(grid_us) + 1)[:-1], dtype=np.int64)


def _told(error: Exception, name: str, replication: int) -> Exception:
    """An error of the user's own code as one line; ours stay what they are."""
    told = f"strategy {name}, replication {replication}: "
    if isinstance(error, LiveRushError):
        return UsageError(f"{told}{error}") if type(error) is UsageError else error
    where = line_of_user(error)
    return UsageError(f"{told}{type(error).__name__} in {where}: {' '.join(str(error).split())}") if where else error
