"""Which defaults decide: each value that nobody set is changed alone, and what that does to contribution is measured.

Every change meets the buyers of the run as it was (common random numbers). First each is tried in one replication;
those that moved most are tried in others, which give an interval: the one that chose them would make them look larger.
The number of simulations is bounded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from sim.demand.generate import generate
from sim.errors import UsageError
from sim.experiments.ahead import Say, compiles
from sim.experiments.workers import Meanwhile, in_order
from sim.operations.contribution import contribution_lines, ledger_of
from sim.operations.simulate import is_compiled, simulate
from sim.operations.stock_moves import StockMoves
from sim.scenario.load import read_root, validate_tree
from sim.scenario.reading.nodes import Node
from sim.scenario.schema import Scenario
from sim.scenario.studies.steps import Default, defaults, stepped
from sim.scenario.studies.study import demand_key
from sim.stats.intervals import t_interval

REPLICATIONS, MOST_RUNS = 5, 400
KEPT, TOLD = 20, 10
_A_UNIT = 8  # simulations that share a trace in one piece of work
_BASE = -1  # the number of the run as it was, among those of changes: the last scenario of a piece of work
Tell = Callable[[int, int], object]


@dataclass(frozen=True)
class Limits:
    """How many replications of those that move most, simulations in all, and processes."""

    replications: int = REPLICATIONS
    runs: int = MOST_RUNS
    workers: int | None = None


@dataclass(frozen=True)
class _Change:
    default: Default
    value: str
    scenario: Scenario


class Measured(NamedTuple):
    """Contribution in minor units: of each change by replication, and of the run as it was by replication."""

    values: list[list[int]]
    bases: list[int]


def explain(
    directory: Path, limits: Limits, tell: Tell = lambda _done, _of: None, say: Say = lambda _text: None
) -> dict[str, Any]:
    """The defaults of a simulated run that move its contribution most (docs/review.md tells the keys).

    `tell(done, of)` counts simulations, `say(text)` is called before what takes long. Raises UsageError where the run
    cannot be explained or too few simulations are allowed.
    """
    base, root, rows, seed, told_minor = _read(directory)
    found = defaults(rows)
    changes = [_Change(each, value, scenario) for each in found for value, scenario in stepped(root, each)]
    if len(changes) + 1 > limits.runs:
        raise UsageError(f"--runs {limits.runs}: {len(changes) + 1:,} are needed to try each default once")
    runner = _Runner(base, seed, limits, tell, say)
    first = runner.run(changes, [0])
    if first.bases != [told_minor]:
        raise UsageError(
            f"{directory}: its contribution comes out otherwise now, another version made it: simulate it again"
        )
    moved = [abs(minor - told_minor) for (minor,) in first.values]
    kept, replications = _kept(changes, moved, limits)
    again = Measured([first.values[k] for k in kept], first.bases)
    if kept and replications:
        again = runner.run([changes[k] for k in kept], range(1, 1 + replications))
    return {
        "metric": "contribution_minor",
        "replications": len(again.bases),
        "runs": runner.done,
        "base": t_interval(again.bases)._asdict(),
        "defaults": len(found),
        **_without_effect(found, changes, moved),
        "values": _ranked([changes[k] for k in kept], again)[:TOLD],
    }


def _without_effect(found: Sequence[Default], changes: Sequence[_Change], moved: Sequence[int]) -> dict[str, list[str]]:
    """The paths of defaults that could not be changed, and of those whose every change moved nothing."""
    moves = [[minor for change, minor in zip(changes, moved, strict=True) if change.default is each] for each in found]
    return {
        "without_step": [each.path for each, own in zip(found, moves, strict=True) if not own],
        "moved_nothing": [each.path for each, own in zip(found, moves, strict=True) if own and not any(own)],
    }


def _read(directory: Path) -> tuple[Scenario, Node, list[dict[str, Any]], int, int]:
    """The scenario as run, its tree, whose each value is, the seed, and the contribution of replication 0."""
    summary = json.loads((directory / "summary.json").read_text(encoding="utf-8"))
    if "kind" in summary:
        raise UsageError(
            f"{directory} is the run directory of a {summary['kind']} run; --explain takes a simulated one"
        )
    rows = json.loads((directory / "provenance.json").read_text(encoding="utf-8"))
    if all(row["origin"] == "given" for row in rows):
        raise UsageError(f"{directory}: its scenario was made in Python, so nobody knows which values are defaults")
    root, _, _ = read_root(directory / "scenario.yaml")
    assert isinstance(root.value, dict)
    root = replace(root, value={key: child for key, child in root.value.items() if key != "strategies"})
    scenario, problems = validate_tree(root)
    if scenario is None:
        raise UsageError(f"{directory / 'scenario.yaml'}: {problems[0]}")
    return scenario, root, rows, summary["seed"], summary["metrics"]["contribution_minor"]


def _kept(changes: Sequence[_Change], moved: Sequence[int], limits: Limits) -> tuple[list[int], int]:
    """The changes of those defaults that moved most, and in how many more replications they are tried.

    Of fewer defaults where there are too few runs for as many replications as were asked for.
    """
    most: dict[str, int] = {}
    for change, minor in zip(changes, moved, strict=True):
        most[change.default.path] = max(most.get(change.default.path, 0), minor)
    ranked = [path for path in sorted(most, key=lambda path: -most[path]) if most[path]]
    left = limits.runs - len(changes) - 1

    def of_first(number: int) -> tuple[list[int], int]:
        own = [k for k, change in enumerate(changes) if change.default.path in ranked[:number]]
        return own, min(limits.replications, left // (len(own) + 1))

    kept, replications = of_first(KEPT)
    return (kept, replications) if replications == limits.replications else of_first(TOLD)


class _Runner:
    """Simulates changes in replications, those that leave demand alone on one trace, and counts."""

    def __init__(self, base: Scenario, seed: int, limits: Limits, tell: Tell, say: Say) -> None:
        self.base, self.seed, self.limits, self.tell, self.say = base, seed, limits, tell, say
        self.done = 0

    def run(self, changes: Sequence[_Change], replications: Sequence[int]) -> Measured:
        """What each change and the run as it was come to in these replications."""
        units = [(r, part) for r in replications for part in self._parts(changes)]
        scenarios = [*(change.scenario for change in changes), self.base]
        runs = len(replications) * len(scenarios)
        work = partial(_unit, scenarios, units, self.seed, runs)
        meanwhile = Meanwhile(_wait, is_compiled) if compiles(self.base, runs, None, self.say) else None
        found: dict[tuple[int, int], int] = {}
        of = self.done + runs
        with closing(in_order(work, range(len(units)), self.limits.workers, None, meanwhile)) as results:
            for (replication, part), values in zip(units, results, strict=True):
                found |= {(k, replication): value for k, value in zip(part, values, strict=True)}
                self.done += len(part)
                self.tell(self.done, of)
        each = [[found[k, r] for r in replications] for k in range(len(changes))]
        return Measured(each, [found[_BASE, r] for r in replications])

    def _parts(self, changes: Sequence[_Change]) -> Iterator[list[int]]:
        """Numbers of changes that make the same trace, a few at a time."""
        sharing: dict[str, list[int]] = {demand_key(self.base): [_BASE]}
        for k, change in enumerate(changes):
            sharing.setdefault(demand_key(change.scenario), []).append(k)
        for members in sharing.values():
            yield from (members[first : first + _A_UNIT] for first in range(0, len(members), _A_UNIT))


def _wait(_number: int) -> None:
    """What other workers have to do while the first compiles: a trace is soon made beside eight simulations of it."""


def _unit(
    scenarios: Sequence[Scenario], units: Sequence[tuple[int, list[int]]], seed: int, runs: int, number: int
) -> list[int]:
    """The contributions of one piece of work: simulations of one replication that share a trace."""
    replication, part = units[number]
    trace = generate(scenarios[part[0]], seed, replication)
    found = []
    for k in part:
        scenario = scenarios[k]
        outcome = simulate(scenario, trace, runs=runs)
        lines = contribution_lines(
            scenario, outcome, ledger_of(scenario, trace, outcome), StockMoves(scenario, trace, outcome).on_hand()
        )
        found.append(sum(lines.values()))
    return found


def _ranked(changes: Sequence[_Change], measured: Measured) -> list[dict[str, Any]]:
    """Each default with the paired difference that every step of it makes, the largest first."""
    found: dict[str, dict[str, Any]] = {}
    for change, own in zip(changes, measured.values, strict=True):
        row = found.setdefault(
            change.default.path,
            {
                "path": change.default.path,
                "value": change.default.value,
                "places": len(change.default.places),
                "source": change.default.source,
                "steps": [],
            },
        )
        gap = t_interval([a - b for a, b in zip(own, measured.bases, strict=True)])
        row["steps"].append({"value": change.value, **gap._asdict()})
    for row in found.values():
        row["most_minor"] = max(abs(step["mean"]) for step in row["steps"])
    return sorted(found.values(), key=lambda row: -row["most_minor"])
