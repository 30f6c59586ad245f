"""Figures of a run directory, each understandable alone."""

from __future__ import annotations

from sim.reports.figures.carriers import draw_carriers
from sim.reports.figures.engine import draw_engine
from sim.reports.figures.funnel import draw_funnel
from sim.reports.figures.money import draw_money
from sim.reports.figures.orders import draw_orders
from sim.reports.figures.parcels import draw_parcels
from sim.reports.figures.stock import draw_stock
from sim.reports.figures.viewers import draw_viewers
from sim.reports.run_files import Run
from sim.scenario.tables import has_carriers

DRAWINGS = {
    "orders": draw_orders,
    "viewers": draw_viewers,
    "engine": draw_engine,
    "stock": draw_stock,
    "parcels": draw_parcels,
    "carriers": draw_carriers,
    "funnel": draw_funnel,
    "money": draw_money,
}


def names_of(run: Run) -> list[str]:
    """The figures that suit a run: viewers only where there is a broadcast, carriers where a warehouse has several."""
    suits = {"viewers": bool(run.scenario.programme.broadcasts), "carriers": has_carriers(run.scenario)}
    return [name for name in DRAWINGS if suits.get(name, True)]
