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
from typing import Any

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
    if first[-1, 0] != told_minor:
        raise UsageError(
            f"{directory}: its contribution comes out otherwise now, another version made it: simulate it again"
        )
    moved = {k: abs(first[k, 0] - first[-1, 0]) for k in range(len(changes))}
    kept, replications = _kept(changes, moved, limits)
    fresh = range(1, 1 + replications)
    more = runner.run([changes[k] for k in kept], fresh) if kept and fresh else {}
    values = {k: [more[n, r] for r in fresh] or [first[k, 0]] for n, k in enumerate(kept)}
    bases = [more[-1, r] for r in fresh] if more else [told_minor]
    return {
        "metric": "contribution_minor",
        "replications": len(bases),
        "runs": runner.done,
        "base": t_interval(bases)._asdict(),
        "defaults": len(found),
        "without_step": [each.path for each in found if all(c.default is not each for c in changes)],
        "moved_nothing": [
            each.path
            for each in found
            if (own := [k for k, c in enumerate(changes) if c.default is each]) and not any(moved[k] for k in own)
        ],
        "values": _ranked(changes, values, bases)[:TOLD],
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


def _kept(changes: Sequence[_Change], moved: dict[int, int], limits: Limits) -> tuple[list[int], int]:
    """The changes of those defaults that moved most, and in how many more replications they are tried."""
    most: dict[str, int] = {}
    for k, change in enumerate(changes):
        most[change.default.path] = max(most.get(change.default.path, 0), moved[k])
    ranked = [path for path in sorted(most, key=lambda path: -most[path]) if most[path]]
    left = limits.runs - len(changes) - 1
    for number in (KEPT, TOLD):
        own = [k for k, change in enumerate(changes) if change.default.path in ranked[:number]]
        replications = min(limits.replications, left // (len(own) + 1))
        if replications == limits.replications:
            break
    return own, replications


class _Runner:
    """Simulates changes in replications, those that leave demand alone on one trace, and counts."""

    def __init__(self, base: Scenario, seed: int, limits: Limits, tell: Tell, say: Say) -> None:
        self.base, self.seed, self.limits, self.tell, self.say = base, seed, limits, tell, say
        self.done = 0

    def run(self, changes: Sequence[_Change], replications: Sequence[int] | range) -> dict[tuple[int, int], int]:
        """Contribution by (number of the change, replication); -1 is the run as it was."""
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
        return found

    def _parts(self, changes: Sequence[_Change]) -> Iterator[list[int]]:
        """Numbers of changes that make the same trace, a few at a time."""
        sharing: dict[str, list[int]] = {demand_key(self.base): [-1]}
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


def _ranked(changes: Sequence[_Change], values: dict[int, list[int]], bases: list[int]) -> list[dict[str, Any]]:
    """Each default with the paired difference that every step of it makes, the largest first."""
    found: dict[str, dict[str, Any]] = {}
    for k, own in values.items():
        change = changes[k]
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
        gap = t_interval([a - b for a, b in zip(own, bases, strict=True)])
        row["steps"].append({"value": change.value, **gap._asdict()})
    for row in found.values():
        row["most_minor"] = max(abs(step["mean"]) for step in row["steps"])
    return sorted(found.values(), key=lambda row: -row["most_minor"])
