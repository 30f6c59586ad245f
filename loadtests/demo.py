"""The demonstration: two minutes around the flagship's peak in twenty seconds, as much of it as this machine holds."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from loadtests import harness
from loadtests.choosing import Choice, settled
from loadtests.options import LoadOptions
from loadtests.probing import share_held
from sim.orders.rules import SECOND_US
from sim.scenario.load import Loaded

LENGTH_US = 120 * SECOND_US
SPEED = 6.0
CONFIRM_US = 5 * SECOND_US


def run(
    loaded: Loaded, out: Path, command: str, show: Callable[[str], None], draw: Callable[[Path], object]
) -> harness.LoadResult:
    """Probe, replay and audit; returns the load run."""
    choice = Choice(length_us=LENGTH_US, speed=SPEED, confirm_after_us=round(CONFIRM_US * SPEED))
    options = LoadOptions(loaded.scenario, out, choice, written=loaded.written, command=command)
    trace = harness.trace_of(options)
    options = replace(options, choice=settled(loaded.scenario, trace, choice))
    with tempfile.TemporaryDirectory(prefix="liverush-probe-") as folder:
        share, note = share_held(Path(folder), options, trace, show)
    return harness.run(replace(options, choice=replace(options.choice, share=share), notes=(note,)), show, draw)
