"""Figures of a run directory, each understandable alone."""

from __future__ import annotations

from pathlib import Path

from sim.reports.figures.engine import draw_engine
from sim.reports.figures.frame import draw
from sim.reports.figures.funnel import draw_funnel
from sim.reports.figures.money import draw_money
from sim.reports.figures.orders import draw_orders
from sim.reports.figures.parcels import draw_parcels
from sim.reports.figures.stock import draw_stock
from sim.reports.figures.viewers import draw_viewers
from sim.reports.run_files import Run

DRAWINGS = {
    "orders": draw_orders,
    "viewers": draw_viewers,
    "engine": draw_engine,
    "stock": draw_stock,
    "parcels": draw_parcels,
    "funnel": draw_funnel,
    "money": draw_money,
}


def draw_all(directory: Path) -> list[Path]:
    """Draw every figure of the run in `directory` into it, and return their paths. Raises OSError or ValueError."""
    run = Run(directory)
    return [draw(run, directory / f"{name}.png", DRAWINGS[name]) for name in names_of(run)]


def names_of(run: Run) -> list[str]:
    """The figures that suit a run: viewers only where there is a broadcast, as a short video has no room to be in."""
    return [name for name in DRAWINGS if name != "viewers" or run.scenario.programme.broadcasts]
