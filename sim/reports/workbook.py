"""A study as one workbook for people who calculate: units stand in the headers, numbers are numbers."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sim.measure.directory import whole_file
from sim.reports.compare_text import sentences
from sim.reports.run_files import Run
from sim.reports.search_text import verdict_of_search
from sim.reports.words import CONTRIBUTION_LINES, major

_MOST_RESULTS = 200_000
#: What a book says of when it was made: the first instant that its archive knows, so that equal runs are equal bytes.
_DATE = (1980, 1, 1, 0, 0, 0)
_TIMES = re.compile(rb"(?<=W3CDTF\">)[^<]+(?=</dcterms:)")
Row = Sequence[Any]


def write_workbook(directory: Path) -> Path:
    """Write `workbook.xlsx` into the run directory of a study: verdict, strategies, pairs, money, results, inputs."""
    return _write(directory, _sheets(Run(directory)))


def write_search_workbook(directory: Path) -> Path:
    """Write `workbook.xlsx` into the run directory of a search: verdict, points, and its confirmation as a study."""
    return _write(directory, _search_sheets(Run(directory)))


def _write(directory: Path, sheets: Iterable[tuple[str, Iterable[Row]]]) -> Path:
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    for title, rows in sheets:
        sheet = book.create_sheet(title)
        sheet.freeze_panes = "B2"
        for column, width in zip("ABCDEFGHIJ", (34, *[18] * 9), strict=True):
            sheet.column_dimensions[column].width = width
        for row in rows:
            sheet.append([_safe(value) for value in row])
    path = directory / "workbook.xlsx"
    written = io.BytesIO()
    book.save(written)
    with whole_file(path) as partial:
        _save_undated(written, partial)
    return path


def _save_undated(written: io.BytesIO, path: Path) -> None:
    """Write a book without the time of its writing, which the library puts into it and into its archive."""
    with zipfile.ZipFile(written) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "docProps/core.xml":
                data = _TIMES.sub(b"1980-01-01T00:00:00Z", data)
            new.writestr(zipfile.ZipInfo(name, _DATE), data, zipfile.ZIP_DEFLATED)


def _safe(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula gets a blank before it."""
    return f" {value}" if isinstance(value, str) and value[:1] in "=+-@" else value


def _sheets(run: Run) -> Iterable[tuple[str, Iterable[Row]]]:
    summary = run.summary
    yield "verdict", [["in words"], *([sentence] for sentence in sentences(summary))]
    yield "strategies", _strategies(summary)
    yield "pairs", _pairs(summary)
    yield "money", _money(summary)
    yield "results", _results(run)
    if summary["uncertain"]:
        inputs = run.numbers("inputs")
        strategies, names = run.labels("inputs", "strategy"), run.labels("inputs", "input")
        rows = zip(strategies.codes.tolist(), inputs["replication"].tolist(), names.codes.tolist(),
                   inputs["number"].tolist(), strict=True)  # fmt: skip
        told = ([strategies.names[k], r, names.names[code], value] for k, r, code, value in rows)
        yield "inputs", [["strategy", "replication", "input", "value (us, minor units, shares or plain)"], *told]


def _search_sheets(run: Run) -> Iterable[tuple[str, Iterable[Row]]]:
    summary, study = run.summary, run.summary["confirmation"]
    yield "verdict", [["in words"], *([sentence] for sentence in verdict_of_search(summary))]
    yield "points", _points(summary)
    if study is not None:
        yield "strategies", _strategies(study)
        yield "pairs", _pairs(study)
        yield "money", _money(study)


def _points(summary: dict[str, Any]) -> Iterable[Row]:
    unit, scale = _unit(summary["metric"], summary["currency"])
    name = summary["metric"].removesuffix("_minor")
    limits = [limit["metric"] for limit in summary["limits"]]
    heads = ["point", "kind", "replications", f"mean of {name} ({unit})", f"better than {summary['base']} by ({unit})",
             f"95 % low ({unit})", f"95 % high ({unit})", "keeps the limits", "on time (share)"]  # fmt: skip
    limited = [f"{path} ({_unit(path, summary['currency'])[0]})" for path in limits]
    yield [*heads, *limited, *(knob["path"] for knob in summary["knobs"])]
    for point in summary["points"]:
        gain = [None if point["gain"][key] is None else point["gain"][key] * scale for key in ("mean", "low", "high")]
        head = [point["name"], point["kind"], point["replications"], point["mean"] * scale, *gain]
        means = [(path, point["limits"].get(path)) for path in limits]
        told = [None if mean is None else mean * _unit(path, summary["currency"])[1] for path, mean in means]
        knobs = [point["values"][knob["path"]] for knob in summary["knobs"]] if point["values"] else []
        yield [*head, point["feasible"], point["on_time_share"], *told, *(_number(value) for value in knobs)]


def _number(text: str) -> str | float:
    """A plain number as one, so that a spreadsheet can calculate with it."""
    try:
        return float(text)
    except ValueError:
        return text


def _unit(path: str, currency: str) -> tuple[str, float]:
    """The unit of a metric by the end of its name, and what a value is multiplied with."""
    if path.endswith("_minor"):
        return currency, major(1, currency)
    if path.endswith("_us"):
        return "ms", 0.001
    for end, unit in (("_share", "share"), ("_units", "units"), ("_requests", "requests"), ("_attempts", "attempts")):
        if path.endswith(end):
            return unit, 1.0
    return ("orders" if path.split(".")[-1].startswith("orders") else ""), 1.0


def _strategies(summary: dict[str, Any]) -> Iterable[Row]:
    currency = summary["currency"]
    yield ["strategy", "metric", "unit", "mean", "95 % low", "95 % high", "values"]
    for each in summary["strategies"]:
        for path, found in each["intervals"].items():
            unit, scale = _unit(path, currency)
            ends = [None if found[key] is None else found[key] * scale for key in ("mean", "low", "high")]
            yield [each["name"], path, unit, *ends, found["n"]]


def _pairs(summary: dict[str, Any]) -> Iterable[Row]:
    unit, scale = _unit(summary["metric"], summary["currency"])
    name = f"{summary['metric'].removesuffix('_minor')} ({unit})"
    yield ["strategy", "less", f"difference in {name}", f"95 % low ({unit})", f"95 % high ({unit})", "difference (%)",
           "95 % low (%)", "95 % high (%)", "told apart", "replications needed"]  # fmt: skip
    for pair in summary["pairs"]:
        ends = [None if pair[key] is None else pair[key] * scale for key in ("mean", "low", "high")]
        percents = [pair["percent"][key] for key in ("mean", "low", "high")]
        yield [pair["other"], pair["base"], *ends, *percents, pair["told_apart"], pair["needed_replications"]]


def _money(summary: dict[str, Any]) -> Iterable[Row]:
    currency, strategies = summary["currency"], summary["strategies"]
    yield ["line, mean", *(f"{each['name']} ({currency})" for each in strategies)]
    lines = {f"contribution.{key}": name for key, name in CONTRIBUTION_LINES.items()}
    for path, name in {**lines, "contribution_minor": "contribution"}.items():
        found = [each["intervals"].get(path) for each in strategies]
        yield [name, *(major(each["mean"], currency) if each else None for each in found)]


def _results(run: Run) -> Iterable[Row]:
    currency = run.currency
    yield ["strategy", "replication", "metric", "unit", "value"]
    columns = run.numbers("results")
    strategies, metrics = run.labels("results", "strategy"), run.labels("results", "metric")
    units = [_unit(path, currency) for path in metrics.names]
    rows = zip(strategies.codes.tolist(), columns["replication"].tolist(), metrics.codes.tolist(),
               columns["value"].tolist(), strict=True)  # fmt: skip
    for number, (k, r, m, value) in enumerate(rows):
        if number == _MOST_RESULTS:
            yield ["more rows: results.parquet"]
            return
        yield [strategies.names[k], r, metrics.names[m], units[m][0], value * units[m][1]]
