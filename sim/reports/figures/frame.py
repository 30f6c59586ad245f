"""The frame that every figure shares: title, takeaway, footer, colours, time axis, and writing PNG and SVG.

Figures are plain `Figure` objects on the Agg canvas: no pyplot, no global state, the same bytes every time.
"""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import LogFormatter, MaxNLocator

from sim.measure.directory import whole_file
from sim.reports.figures.clock import Clock, Window, clock_of
from sim.reports.run_files import Run
from sim.reports.words import plural, shortened

#: Okabe and Ito's colours, told apart by colour-blind readers; their yellow darkened for white paper.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#A08A00", "#D55E00", "#4D4D4D")
OTHER, OTHER_VIDEO = "#C4C4C4", "#8E8E8E"
INK, SOFT, FAINT = "#1A1A1A", "#5A5A5A", "#E4E4E4"
GOOD, BAD, WARN = "#0072B2", "#D55E00", "#E69F00"
WIDTH_IN, DPI = 10.0, 120
NAME_COLUMNS = 24
_MOST_TICKS = 11
_STYLE = {
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": "#9A9A9A",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "text.color": INK,
    "text.parse_math": False,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "lines.linewidth": 1.4,
    "savefig.dpi": DPI,
    "svg.fonttype": "none",  # text stays text: small, sharp, to be searched and selected
    "svg.hashsalt": "liverush",
}

Draw = Callable[[Any], None]


class Frame:
    """A figure in the making. A drawing function makes its axes and tells title and takeaway."""

    def __init__(self, run: Run, width_in: float = WIDTH_IN) -> None:
        self.run = run
        self.width_in = width_in
        self.figure = Figure(figsize=(width_in, 5.0))
        FigureCanvasAgg(self.figure)
        self.title = ""
        self.takeaway = ""
        self.notes: list[str] = []
        self.has_times = False
        self.is_empty = False
        self.headed = False  # whether title, takeaway and footer have been added

    @cached_property
    def clock(self) -> Clock:
        """The local time of the scenario's first region."""
        return clock_of(self.run.scenario)

    def rows(self, heights_in: Sequence[float]) -> list[Axes]:
        """Axes one below the other, as high as told."""
        self.figure.set_size_inches(self.width_in, sum(heights_in) + 1.5)
        grid = self.figure.add_gridspec(len(heights_in), 1, height_ratios=list(heights_in))
        return [self.figure.add_subplot(grid[k]) for k in range(len(heights_in))]

    def columns(self, widths: Sequence[float], height_in: float) -> list[Axes]:
        """Axes side by side."""
        self.figure.set_size_inches(self.width_in, height_in + 1.5)
        grid = self.figure.add_gridspec(1, len(widths), width_ratios=list(widths))
        return [self.figure.add_subplot(grid[k]) for k in range(len(widths))]

    def empty(self, words: str) -> None:
        """Say in place of a picture that there is nothing to draw."""
        self.is_empty = True
        axes = self.rows([1.2])[0]
        axes.set_axis_off()
        axes.text(0.5, 0.5, words, ha="center", va="center", color=SOFT, fontsize=12, transform=axes.transAxes)

    def time_axis(self, axes: Axes, window: Window, *, labelled: bool = True) -> None:
        """Local times along the bottom of `axes`."""
        self.has_times = True
        positions, labels = self.clock.ticks(window, _MOST_TICKS)
        axes.set_xlim(window.start_s, window.end_s)
        axes.set_xticks(positions, labels if labelled else [""] * len(labels))
        if labelled:
            axes.set_xlabel(self.clock.label())
        else:
            axes.tick_params(axis="x", length=0)

    def footer(self) -> str:
        """Which run this is."""
        summary = self.run.summary
        number = summary["replications"]
        parts = [
            f"scenario {summary['scenario']}",
            f"seed {summary['seed']}",
            "1 replication" if number == 1 else f"replication 0 of {plural(number, 'replication')}",
        ]
        if self.has_times:
            parts.append(f"times: {self.clock.zone.key}")
        return "  ·  ".join([*parts, *self.notes])


@contextmanager
def styled() -> Iterator[None]:
    """Our style, whatever the user's own settings of matplotlib; frames are made, drawn and saved inside."""
    style: Any = {key: value for key, value in mpl.rcParamsDefault.items() if not key.startswith("backend")}
    with warnings.catch_warnings(), mpl.rc_context(style | _STYLE):
        # A name in a script that no font of this machine has is drawn as boxes; that is no reason to complain.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def save_png(frame: Frame, path: Path) -> None:
    """Write a drawn figure with its title, takeaway and footer."""
    _finish(frame)
    with whole_file(path) as partial:
        frame.figure.savefig(partial, format="png", metadata={"Software": None})


def svg_of(frame: Frame) -> str:
    """The drawn figure alone, on a transparent ground: its page tells title, takeaway and which run it is."""
    figure = frame.figure
    for text in list(figure.texts):
        text.remove()
    if frame.headed:
        _behead(frame)
    else:
        _lay_out(figure, (0.005, 0.005, 0.99, 0.99))
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return file.getvalue()


def _lay_out(figure: Figure, rect: tuple[float, float, float, float]) -> None:
    """Place the axes within `rect`, once: an engine that the figure knew would do it for each picture, and twice."""
    ConstrainedLayoutEngine(rect=rect, h_pad=0.05, w_pad=0.05, wspace=0.04).execute(figure)
    for axes in figure.axes:
        _place(axes, *axes.get_position().bounds)


def _behead(frame: Frame) -> None:
    """Cut title, takeaway and footer off a figure that is laid out; what is left keeps its place and size."""
    height_in = float(frame.figure.get_size_inches()[1])
    left_in = height_in - _head_in(_wrapped(frame)) - _FOOT_IN
    frame.figure.set_size_inches(frame.width_in, left_in)
    for axes in frame.figure.axes:
        x, y, width, height = axes.get_position().bounds
        _place(axes, x, (y * height_in - _FOOT_IN) / left_in, width, height * height_in / left_in)


def _place(axes: Axes, *bounds: float) -> None:
    """Put axes somewhere, rounded: the layout's last bits differ each time, and ids of an SVG with them."""
    x, y, width, height = (round(bound, 9) for bound in bounds)
    axes.set_position((x, y, width, height))


_FOOT_IN = 0.3


def _wrapped(frame: Frame) -> list[str]:
    """The takeaway in lines as long as the figure is wide."""
    return textwrap.wrap(frame.takeaway.replace(" %", "\N{NO-BREAK SPACE}%"), 122)[:3]


def _head_in(takeaway: list[str]) -> float:
    return 0.55 + 0.19 * len(takeaway)


def _finish(frame: Frame) -> None:
    figure = frame.figure
    frame.headed = True
    height_in = float(figure.get_size_inches()[1])
    takeaway = _wrapped(frame)
    left, head_in = 0.012, _head_in(takeaway)
    figure.text(left, 1 - 0.14 / height_in, frame.title, ha="left", va="top", fontsize=13, fontweight="bold")
    figure.text(left, 1 - 0.43 / height_in, "\n".join(takeaway), ha="left", va="top", fontsize=10, color=SOFT)
    figure.text(left, 0.08 / height_in, frame.footer(), ha="left", va="bottom", fontsize=7.5, color=SOFT)
    rect = (0.005, _FOOT_IN / height_in, 0.99, 1 - (head_in + _FOOT_IN) / height_in)
    _lay_out(figure, rect)


def name_text(name: str, columns: int = NAME_COLUMNS) -> str:
    """A name from the scenario as a label: short, and never hidden by a leading underscore."""
    text = shortened(name, columns) or "?"
    return f"\u200a{text}" if text.startswith("_") else text


def count_axis(axes: Axes, label: str, *, top: float | None = None, whole: bool = True) -> None:
    """A vertical axis from 0 for counts (`whole`) or rates."""
    axes.set_ylim(0, top)
    axes.set_ylabel(label)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10], integer=whole, min_n_ticks=1 if whole else 2))
    plain_numbers(axes.yaxis)


def plain_numbers(axis: Axis) -> None:
    """Label an axis with plain numbers: no exponents, thousands set off."""
    axis.set_major_formatter(lambda value, _: f"{value:,.10g}")


class _BetweenDecades(LogFormatter):
    """Numbers between the decades where these are few; matplotlib's own are formulas, which our texts do not set."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:,.10g}" if super().__call__(x, pos) else ""


def log_axis(axes: Axes, label: str, low: float, high: float) -> None:
    """A vertical logarithmic axis with plain numbers."""
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    axes.set_ylabel(label)
    plain_numbers(axes.yaxis)
    axes.yaxis.set_minor_formatter(_BetweenDecades())


def legend(axes: Axes, *, title: str = "") -> None:
    """The legend to the right of `axes`, where it covers nothing."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.legend(
            handles, labels, loc="upper left", bbox_to_anchor=(1.005, 1.0), borderaxespad=0, title=title or None
        )
