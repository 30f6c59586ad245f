"""A catalogue as a table: a CSV or XLSX file with one row a SKU.

Columns, in any order: `listing` and `price` are required; `variant`, `shop`, `category`, `cost`, `salvage`, `share` and
one `stock:<warehouse>` a warehouse are not. Money is written `12.90 GBP`, or as a plain number under `price:GBP`,
`cost:GBP` or `salvage:GBP`. Rows with the same `listing` are its variants; what belongs to the listing (shop, category,
price, cost, salvage) stands in its first row, and is empty or the same in the others. In a workbook the sheet called
`catalogue` is read, otherwise the first one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from sim.errors import Problem, ScenarioError
from sim.scenario.reading.nodes import Node, Place, shown
from sim.scenario.reading.tables_in import Cell, Row, read_csv, read_xlsx
from sim.scenario.shape import suggestion

OF_LISTING = ("shop", "category", "price", "cost", "salvage")
OF_SKU = ("variant", "share")
MONEY = ("price", "cost", "salvage")
STOCK = "stock:"
_READERS = {".csv": read_csv, ".xlsx": read_xlsx}
_COLUMNS = ("listing", *OF_SKU, *OF_LISTING, "stock:<warehouse>")


def read_catalogue(name: str, folder: FilePath, place: Place) -> Node:
    """The listings in the table `name` (relative to `folder`) as a tree; raises ScenarioError with every problem."""
    path = folder / name
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        message = "a catalogue is a list of listings or the name of a table"
        raise ScenarioError(Problem(place.file, place.line, "catalogue", message, shown(name), ".csv or .xlsx"))
    try:
        rows = reader(path)
        return _Table(rows, place).listings()
    except ScenarioError as error:
        raise ScenarioError([_pointing_back(problem, place) for problem in error.problems]) from None


def _pointing_back(problem: Problem, place: Place) -> Problem:
    """A problem with the file itself says which line of the scenario names it."""
    if problem.line or problem.place or ", sheet " in problem.file:
        return problem
    return Problem(
        place.file, place.line, "catalogue", f"{problem.file}: {problem.message}", problem.found, problem.allowed
    )


class _Table:
    """Turns rows into listings, collecting problems."""

    def __init__(self, rows: Iterator[Row], place: Place) -> None:
        self.rows, self.place = rows, place
        self.problems: list[Problem] = []
        self.found: dict[str, dict[str, Node]] = {}  # by listing
        self.first: dict[str, Row] = {}

    def listings(self) -> Node:
        header = next(self.rows, None)
        if header is None:
            raise ScenarioError(Problem("the table", 0, "", "has no rows"))
        columns = self._columns(header)
        for row in self.rows:
            filled = {i: cell for i, cell in enumerate(row) if cell.value is not None}
            for i in filled.keys() - columns.keys():
                self._wrong(filled[i].place, "a value under no heading", shown(filled[i].value), "an empty cell")
            self._row({columns[i]: cell for i, cell in filled.items() if i in columns})
        if not self.found and not self.problems:
            self._wrong(header[0].place, "there is no row below the heading", "", "one row a SKU")
        if self.problems:
            raise ScenarioError(self.problems)
        return Node(self.place, [Node(fields["name"].place, fields) for fields in self.found.values()])

    def _columns(self, header: Row) -> dict[int, str]:
        columns: dict[int, str] = {}
        for i, cell in enumerate(header):
            name = _heading(cell)
            if not name:
                continue
            if not _known(name):
                near = suggestion(name, _COLUMNS)
                self._wrong(cell.place, f"unknown column{near}", shown(cell.value), ", ".join(_COLUMNS))
            elif _base(name) in map(_base, columns.values()):
                self._wrong(cell.place, "this column stands here twice", shown(cell.value), "each column once")
            else:
                columns[i] = name
        for needed in ("listing", "price"):
            if needed not in map(_base, columns.values()):
                self._wrong(header[0].place, f"there is no column '{needed}'", "", ", ".join(_COLUMNS))
        if self.problems:
            raise ScenarioError(self.problems)
        return columns

    def _row(self, cells: dict[str, Cell]) -> None:
        if not cells:
            return
        listing = cells.pop("listing", None)
        if listing is None:
            self._wrong(
                next(iter(cells.values())).place, "the row names no listing", "", "a name in the column 'listing'"
            )
            return
        name = str(listing.value)
        fields = {_base(column): _node(column, cell) for column, cell in cells.items() if not column.startswith(STOCK)}
        stock = {
            column[len(STOCK) :]: _node(column, cell) for column, cell in cells.items() if column.startswith(STOCK)
        }
        if name not in self.found:
            self.found[name] = {"name": Node(listing.place, name)}
            self.found[name] |= {key: fields[key] for key in OF_LISTING if key in fields}
        else:
            self._again(name, listing, fields)
        self._sku(self.found[name], listing, fields, stock)

    def _again(self, name: str, listing: Cell, fields: dict[str, Node]) -> None:
        """A further row of a listing: it has a variant, and says nothing else about the listing."""
        if "variant" not in fields or "skus" not in self.found[name]:
            self._wrong(
                listing.place, "the listing has a row already", shown(name), "one row, or a 'variant' in each row"
            )
        for key in OF_LISTING:
            first = self.found[name].get(key)
            if key in fields and (first is None or first.value != fields[key].value):
                place, value = fields[key].place, fields[key].value
                self._wrong(place, f"differs from the first row of {shown(name)}", shown(value), "the same")

    def _sku(self, into: dict[str, Node], listing: Cell, fields: dict[str, Node], stock: dict[str, Node]) -> None:
        held = Node(listing.place, dict(stock))
        variant = fields.get("variant")
        if variant is None:
            if "share" in fields:
                share = fields["share"]
                self._wrong(share.place, "a share without a variant", shown(share.value), "a variant")
            into["stock"] = held
            return
        sku = {"name": Node(variant.place, str(variant.value)), "stock": held}
        if "share" in fields:
            sku["share"] = fields["share"]
        skus = into.setdefault("skus", Node(listing.place, []))
        if isinstance(skus.value, list):
            skus.value.append(Node(variant.place, dict(sku)))

    def _wrong(self, place: Place, message: str, found: str, allowed: str) -> None:
        self.problems.append(Problem(place.file, place.line, "", message, found, allowed, place.cell))


def _heading(cell: Cell) -> str:
    """A heading in the form we compare: lower case before a colon, as written after it."""
    head, colon, tail = str(cell.value if cell.value is not None else "").strip().partition(":")
    return head.strip().lower() + colon + tail.strip()


def _known(name: str) -> bool:
    head, colon, tail = name.partition(":")
    if colon:
        return bool(tail) and (head == "stock" or head in MONEY)
    return head in ("listing", *OF_SKU, *OF_LISTING)


def _base(column: str) -> str:
    return column if column.startswith(STOCK) else column.partition(":")[0]


def _node(column: str, cell: Cell) -> Node:
    value: Any = cell.value
    head, _, tail = column.partition(":")
    if head in MONEY and tail:
        value = f"{value} {tail}"
    elif isinstance(value, float) and value.is_integer() and head == "stock":
        value = int(value)
    elif head == "share" and isinstance(value, str):
        value = _number(value)
    return Node(cell.place, value)


def _number(text: str) -> str | float:
    """A number where the text is one; every other text as it is."""
    try:
        return float(text)
    except ValueError:
        return text
