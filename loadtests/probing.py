"""How much this machine holds: a few seconds of the replay at a small share, and what they cost.

The demonstration replays at a share of the carts at which generator, engine and database together are about half busy,
so that its result says something of the engine and not of the machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from loadtests.options import LoadOptions
from loadtests.planning import plan_schedule
from loadtests.session import replay
from sim.demand.trace import Trace
from sim.measure.sampler import Sample
from sim.orders.rules import SECOND_US

PROBE_S = 4
#: Part of the wanted share that is probed.
PART = 0.2
#: Share of the cores, and of one core by any one process, that the replay may take.
BUSY = 0.5


def share_held(folder: Path, options: LoadOptions, trace: Trace, show: Callable[[str], None]) -> tuple[float, str]:
    """The share of the carts, at most the wanted one, that this machine holds, and how that was found."""
    wanted = options.choice.share
    length_us = round(PROBE_S * SECOND_US * options.choice.speed)
    choice = replace(options.choice, length_us=length_us, share=wanted * PART, tail_us=SECOND_US)
    schedule = plan_schedule(options.scenario, trace, choice)
    show(f"probing this machine for {PROBE_S} s")
    seen = replay(folder, schedule, replace(options, choice=choice), lambda _text: None)
    used = busiest(seen.samples.rows())
    rate = len(schedule.arrivals["due_us"]) / PROBE_S
    share = max(0.01, min(wanted, round(wanted * PART * BUSY / used, 2)))
    return share, f"probed: {rate:.0f} arrivals/s kept {used:.0%} of this machine busy, so {share:.0%} of the carts go"


def busiest(rows: list[Sample]) -> float:
    """How busy the machine or the busiest process was, the median of the seconds, at least 1 %."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shares = sorted(
        max(sum(used) / cores, max(used)) for row in rows if (used := [use.cpu_share for use in row.processes.values()])
    )
    return max(0.01, shares[len(shares) // 2]) if shares else 1.0
