"""Tables of people: CSV and XLSX files as rows of cells that know their place."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sim.errors import Problem, ScenarioError
from sim.scenario.reading.files import check_file, read_text
from sim.scenario.reading.nodes import Place, Scalar, shown

MAX_BYTES = 50_000_000
MAX_UNPACKED_BYTES = 400_000_000
MAX_ROWS = 100_000
MAX_COLUMNS = 200


class Cell(NamedTuple):
    """A value, None where the cell is empty, and its place."""

    value: Scalar
    place: Place


Row = list[Cell]


def read_csv(path: Path) -> Iterator[Row]:
    """The rows, not empty, of a UTF-8 CSV file with commas or semicolons, the heading first. Raises ScenarioError."""
    text = read_text(path, "catalogue", MAX_BYTES)
    heading = text.lstrip().partition("\n")[0]
    delimiter = ";" if heading.count(";") > heading.count(",") else ","
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
    names: list[str] = []
    try:
        for number, texts in enumerate(reader):
            _limit(str(path), number, len(texts))
            names = names or texts
            row = [_csv_cell(path, reader.line_num, names, i, value) for i, value in enumerate(texts)]
            if any(cell.value is not None for cell in row):
                yield row
    except csv.Error as error:
        raise ScenarioError(Problem(str(path), reader.line_num, "", f"not valid CSV: {error}")) from None


def _csv_cell(path: Path, line: int, names: list[str], index: int, text: str) -> Cell:
    column = names[index].strip() if index < len(names) else str(index + 1)
    return Cell(text.strip() or None, Place(str(path), line, f"{line}, column {column}"))


def read_xlsx(path: Path) -> Iterator[Row]:
    """The rows of a workbook's catalogue sheet that are not empty, the heading first. Raises ScenarioError."""
    check_file(path, "catalogue", MAX_BYTES)
    _check_zip(path)
    import openpyxl

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # From memory: an open file would live as long as openpyxl's half-read sheet, whoever still holds that.
            book = openpyxl.load_workbook(io.BytesIO(path.read_bytes()), read_only=True, data_only=True)
        except Exception as error:  # openpyxl raises whatever its parts raise
            raise _no_workbook(path, error) from None
        try:
            yield from _sheet_rows(path, book)
        finally:
            book.close()


def _sheet_rows(path: Path, book: Any) -> Iterator[Row]:
    if not book.worksheets:
        raise ScenarioError(Problem(str(path), 0, "", "the workbook has no sheet"))
    sheet = next((sheet for sheet in book.worksheets if sheet.title.casefold() == "catalogue"), book.worksheets[0])
    where, filled = f"{path}, sheet {sheet.title}", 0
    sheet.reset_dimensions()
    rows = iter(sheet.iter_rows(max_col=MAX_COLUMNS, values_only=True))
    for number in range(1, 2**20 + 1):
        try:
            values = next(rows)
        except StopIteration:
            return
        except Exception as error:
            raise _no_workbook(path, error) from None
        if any(value is not None for value in values):
            filled += 1
            _limit(str(path), filled, len(values))
            yield [
                Cell(_xlsx_value(value), Place(f"{where}, cell {_letters(i)}{number}"))
                for i, value in enumerate(values)
            ]


def _xlsx_value(value: Any) -> Scalar:
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _letters(index: int) -> str:
    """0 -> A, 25 -> Z, 26 -> AA."""
    text = ""
    index += 1
    while index:
        index, letter = divmod(index - 1, 26)
        text = chr(ord("A") + letter) + text
    return text


def _check_zip(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _no_workbook(path, error) from None
    if size > MAX_UNPACKED_BYTES:
        found, allowed = f"{size:,} bytes unpacked", f"at most {MAX_UNPACKED_BYTES:,}"
        raise ScenarioError(Problem(str(path), 0, "", "too large", found, allowed))


def _no_workbook(path: Path, error: Exception) -> ScenarioError:
    return ScenarioError(
        Problem(str(path), 0, "", "not a workbook that can be read", shown(str(error)), "an .xlsx file")
    )


def _limit(file: str, rows: int, columns: int) -> None:
    if rows > MAX_ROWS:
        raise ScenarioError(Problem(file, 0, "", "too many rows", f"more than {MAX_ROWS:,}", f"at most {MAX_ROWS:,}"))
    if columns > MAX_COLUMNS:
        raise ScenarioError(Problem(file, 0, "", "too many columns", f"{columns:,}", f"at most {MAX_COLUMNS:,}"))
