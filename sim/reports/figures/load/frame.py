"""The frame of a load run's figures: seconds since the replay's start, and two widths of the same drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from sim.arrays import Floats
from sim.reports.figures.frame import WIDTH_IN, Frame
from sim.reports.load_files import LoadRun
from sim.reports.load_text import target_name
from sim.reports.words import duration, percent

NARROW_IN = 4.3
_NICE_US = tuple(int(base * 10**power) for power in range(5, 12) for base in (1, 2, 5))


class LoadFrame(Frame):
    """A figure of a load run in the making."""

    run: LoadRun

    def __init__(self, run: LoadRun, width_in: float = WIDTH_IN) -> None:
        super().__init__(run, width_in)

    @property
    def narrow(self) -> bool:
        """Whether it is drawn for a phone."""
        return self.width_in < WIDTH_IN

    def footer(self) -> str:
        """Which run this is."""
        summary = self.run.summary
        target = summary["target"]
        parts = [f"scenario {summary['scenario']}", f"seed {summary['seed']}", f"target {target_name(summary)}"]
        parts += [target["store"]] if target["store"] else []
        if summary["share"] != 1:
            parts.append(f"{percent(summary['share'])} of the carts")
        if summary["speed"] != 1:
            parts.append(f"speed x{summary['speed']:g}")
        return "  ·  ".join([*parts, *self.notes])

    def seconds_axis(self, axes: Axes, end_us: float, *, labelled: bool = True) -> None:
        """Time since the replay's start along the bottom, in seconds or minutes."""
        minutes = end_us > 600e6
        size_us = 60e6 if minutes else 1e6
        axes.set_xlim(0, max(end_us, 1e5))
        axes.xaxis.set_major_locator(_Scaled(size_us, 6 if self.narrow else 12))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / size_us:,.4g}"))
        axes.tick_params(axis="x", labelbottom=labelled, length=3 if labelled else 0)
        if labelled:
            axes.set_xlabel(f"{'minutes' if minutes else 'seconds'} since the replay's start")

    def legend(self, axes: Axes, *, title: str = "") -> None:
        """The legend to the right of `axes`, or above it where that is too narrow."""
        handles, labels = axes.get_legend_handles_labels()
        if not handles:
            return
        if self.narrow:
            axes.legend(handles, labels, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, borderaxespad=0.2,
                        columnspacing=1.0, handlelength=1.4)  # fmt: skip
        else:
            axes.legend(handles, labels, loc="upper left", bbox_to_anchor=(1.005, 1.0), borderaxespad=0, title=title)


class _Scaled(MaxNLocator):
    """Round ticks of a unit that the axis itself does not use."""

    def __init__(self, size: float, most: int) -> None:
        super().__init__(most, steps=[1, 2, 2.5, 5, 10])
        self._size = size

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        """Ticks between two values of the axis."""
        return list(np.asarray(super().tick_values(vmin / self._size, vmax / self._size)) * self._size)


@dataclass(frozen=True)
class Bins:
    """Equal stretches of time from the replay's start."""

    size_us: int
    number: int

    @property
    def edges(self) -> Floats:
        """Edges in microseconds, one more than bins."""
        return np.arange(self.number + 1, dtype=np.float64) * self.size_us

    @property
    def middles(self) -> Floats:
        """Middle of each bin in microseconds."""
        return self.edges[:-1] + self.size_us / 2

    def index(self, time_us: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """The bin of each time; what lies outside goes into the first or last."""
        return np.asarray(np.clip(time_us // self.size_us, 0, self.number - 1), np.int64)

    def rate(self, time_us: npt.NDArray[Any], weights: npt.NDArray[Any] | None = None) -> Floats:
        """How many a second in each bin."""
        return np.asarray(np.bincount(self.index(time_us), weights, self.number), np.float64) * (1e6 / self.size_us)

    @property
    def name(self) -> str:
        """`100 ms`."""
        return duration(self.size_us)


def bins_of(end_us: int, most: int) -> Bins:
    """At most `most` bins of a round size, none shorter than a tenth of a second."""
    size = next(size for size in (*_NICE_US, max(end_us, 1)) if end_us < size * most)
    return Bins(size, end_us // size + 1)


def percentiles(bins: Bins, due_us: npt.NDArray[Any], times_us: npt.NDArray[Any], shares: Sequence[float]) -> Floats:
    """Nearest-rank percentiles of `times_us` by bin of `due_us`: a row a share, NaN where a bin has none."""
    index = bins.index(due_us)
    times = times_us[np.lexsort((times_us, index))]
    ends = np.cumsum(np.bincount(index, minlength=bins.number))
    counts = np.diff(ends, prepend=0)
    found = np.full((len(shares), bins.number), np.nan)
    some = counts > 0
    for row, share in enumerate(shares):
        rank = np.maximum(np.ceil(share * counts[some]).astype(np.int64), 1)
        found[row, some] = times[ends[some] - counts[some] + rank - 1]
    return found
