"""What server and generator did meanwhile: CPU by process, queue and group size of the engine."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from sim.arrays import Column
from sim.reports.figures.frame import BAD, COLOURS, OTHER, SOFT, count_axis
from sim.reports.figures.load.frame import LoadFrame
from sim.reports.run_files import Labels
from sim.reports.words import count, percent, plural, shortened

Table = dict[str, Column]


def draw_server(frame: LoadFrame) -> None:
    """CPU above; the engine's queue, group size and stolen CPU below, where the target tells them."""
    run = frame.run
    frame.title = "Server and load generator"
    server, engine = run.optional("server"), run.optional("engine")
    if engine is not None and not np.isfinite(engine["queue_length"].astype(float)).any():
        engine = None
    if server is None and engine is None:
        frame.takeaway = "This target tells neither its CPU nor its queue."
        frame.empty("not seen")
        return
    axes = frame.rows([2.0] * (server is not None) + [1.7] * (engine is not None))
    said = []
    if server is not None:
        said.append(_draw_cpu(axes[0], frame, server, run.labels("server", "process")))
    if engine is not None:
        said.append(_draw_queue(axes[-1], engine))
    for ax in axes:
        frame.seconds_axis(ax, run.end_us, labelled=frame.narrow or ax is axes[-1])
        frame.legend(ax)
    frame.takeaway = "; ".join(said) + "."


def _draw_cpu(axes: Axes, frame: LoadFrame, table: Table, process: Labels) -> str:
    peaks: list[tuple[float, str]] = []
    generators = 0
    for k, name in enumerate(process.names):
        mask = process.where(name)
        share = table["cpu_share"][mask]
        if not len(share):
            continue
        generator = name.startswith("generator")
        generators += generator
        colour, dashes = (OTHER, "--") if generator else (COLOURS[k % 6], "-")
        label = shortened(name, 18) if not generator or generators == 1 else "_"
        at_us = table["second"][mask] * 1e6 + 5e5
        axes.plot(at_us, share * 100, color=SOFT if generator else colour, linestyle=dashes, label=label)
        peaks.append((float(np.nanmax(share)), name))
    limit = frame.run.summary["generator"]["limit"]
    axes.axhline(limit * 100, color=BAD, linewidth=1, linestyle=":", label=f"limit of the generator: {limit:.0%}")
    count_axis(axes, "CPU, % of a core\n(in each second)", whole=False)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    most, busiest = max(peaks)
    return f"Seen from outside, the busiest process is {busiest} with {percent(most)} of a core in its worst second"


def _draw_queue(axes: Axes, table: Table) -> str:
    at_us = table["second"] * 1e6 + 5e5
    queue = table["queue_length"].astype(float)
    axes.plot(at_us, queue, color=COLOURS[0], label="requests waiting")
    if np.isfinite(table.get("group_size_mean", np.nan)).any():
        axes.plot(at_us, table["group_size_mean"], color=COLOURS[2], label="stored at once (mean)")
    count_axis(axes, "engine's queue\n(each second)", whole=False)
    text = f"the engine's queue is at most {plural(int(np.nanmax(queue)), 'request')} long"
    steal = table.get("steal_share")
    if steal is not None and np.isfinite(steal).any() and float(np.nanmax(steal)) > 0.05:
        worst = int(np.nanargmax(steal))
        text += (
            f"; other machines took {percent(float(steal[worst]))} of the CPU in second {count(table['second'][worst])}"
        )
    return text
