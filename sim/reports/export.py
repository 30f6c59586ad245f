"""A run for other tools: its tables as CSV, its intended arrivals as a k6 script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sim.errors import UsageError
from sim.measure.directory import whole_file, write_whole
from sim.reports.k6 import FILE_NAME, k6_script
from sim.reports.load_files import LoadRun, is_load


def export_run(directory: Path, form: str, out: Path) -> list[Path]:
    """Write a run as `csv` or `k6` into `out`, and return the files. Raises UsageError, OSError or ValueError."""
    return export_csv(directory, out) if form == "csv" else [export_k6(directory, out)]


def export_csv(directory: Path, out: Path) -> list[Path]:
    """Every table of a run, study or search: a header, then a line a row; null is empty.

    Raises ValueError where there is no table, UsageError where one cannot be written.
    """
    from pyarrow import csv
    from pyarrow import parquet as pq

    found = sorted(path.stem for path in directory.glob("*.parquet") if path.is_file())
    if not found:
        raise ValueError("it has no table")
    out.mkdir(parents=True, exist_ok=True)
    for name in found:
        table = pq.read_table(directory / f"{name}.parquet", partitioning=None)
        try:
            with whole_file(out / f"{name}.csv") as partial:
                csv.write_csv(_decoded(table), partial)
        except OSError as error:  # Arrow does not say which kind of error it is
            raise UsageError(f"{out / f'{name}.csv'}: {error}") from error
    return [out / f"{name}.csv" for name in found]


def _decoded(table: Any) -> Any:
    """The table with text in place of dictionaries, which CSV cannot hold."""
    import pyarrow as pa

    fields = [
        pa.field(field.name, field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def export_k6(directory: Path, out: Path) -> Path:
    """A k6 script that starts arrivals at the rate at which the run's were due. Raises ValueError for no load run."""
    run = LoadRun(directory)
    if not is_load(run.summary):
        raise UsageError(f"a k6 script is made of load runs; {directory} was simulated")
    script = k6_script(run)
    out.mkdir(parents=True, exist_ok=True)
    path = out / FILE_NAME
    write_whole(path, script)
    return path
