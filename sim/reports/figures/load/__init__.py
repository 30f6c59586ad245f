"""Figures of a load run, each understandable alone; every one is drawn wide and, for phones, narrow."""

from __future__ import annotations

from sim.reports.figures.frame import Draw
from sim.reports.figures.load.frame import NARROW_IN, LoadFrame
from sim.reports.figures.load.ladder import draw_ladder
from sim.reports.figures.load.lag import draw_lag
from sim.reports.figures.load.latency import draw_latency
from sim.reports.figures.load.rates import draw_rates
from sim.reports.figures.load.refusals import draw_refusals
from sim.reports.figures.load.server import draw_server
from sim.reports.load_files import LoadRun

__all__ = ["DRAWINGS", "NARROW_IN", "LoadFrame", "drawings_of"]

DRAWINGS: dict[str, Draw] = {
    "ladder": draw_ladder,
    "rates": draw_rates,
    "checkout": draw_latency("checkout"),
    "confirmation": draw_latency("confirmation"),
    "lag": draw_lag,
    "refusals": draw_refusals,
    "server": draw_server,
}


def drawings_of(run: LoadRun) -> list[str]:
    """The figures that suit a run: a ladder only where there was one."""
    return [name for name in DRAWINGS if name != "ladder" or run.summary["ladder"]]
