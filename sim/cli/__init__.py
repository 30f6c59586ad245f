"""The command `liverush`: its verbs, one module a group of them.

Only plumbing lives here. Each verb imports what it needs when it runs, so that `liverush --help` stays quick.
"""

from sim.cli import (
    comparing,
    loading,
    optimising,
    reporting,
    reviewing,
    scenarios,
    serving,
    simulating,
)  # importing a module adds its verbs
from sim.cli.frame import find_scenario, main, run, shipped_scenarios, verbs

__all__ = [
    "comparing",
    "find_scenario",
    "loading",
    "main",
    "optimising",
    "reporting",
    "reviewing",
    "run",
    "scenarios",
    "serving",
    "shipped_scenarios",
    "simulating",
    "verbs",
]
