"""Catalogues as tables."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.errors import ScenarioError
from sim.scenario import Scenario, load_scenario
from sim.scenario.reading import tables_in as limits
from tests.scenario.helpers import HEAD, PROGRAMME

HEADING = ["listing", "variant", "shop", "category", "price", "cost", "salvage", "share", "stock:main"]
ROWS: list[list[Any]] = [
    ["lipstick", "ruby", "", "makeup", "12.90 GBP", "3.40 GBP", "2 GBP", "60 %", 100],
    ["lipstick", "coral", "", "", "", "", "", "40 %", 50],
    ["serum", "", "", "skincare", "29 GBP", "", "", "", 200],
]


def load(folder: Path, table: str, *overrides: str) -> Scenario:
    path = folder / "show.yaml"
    path.write_text(f"{HEAD}catalogue: {table}\n{PROGRAMME}", encoding="utf-8")
    return load_scenario(path, overrides)


def refusal(folder: Path, table: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        load(folder, table)
    return str(caught.value).replace(f"{folder}{'/' if '/' in str(folder) else chr(92)}", "")


def write_csv(folder: Path, rows: Sequence[Sequence[Any]], separator: str = ",") -> str:
    text = "".join(separator.join(map(str, row)) + "\n" for row in rows)
    (folder / "catalogue.csv").write_text(text, encoding="utf-8", newline="")
    return "catalogue.csv"


def write_xlsx(folder: Path, rows: Sequence[Sequence[Any]], title: str = "Sheet1") -> str:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = title
    for row in rows:
        sheet.append([None if cell == "" else cell for cell in row])
    book.save(folder / "catalogue.xlsx")
    return "catalogue.xlsx"


@pytest.mark.parametrize("write", [write_csv, write_xlsx])
def test_a_table_gives_listings_and_variants(write: Any, tmp_path: Path) -> None:
    lipstick, serum = load(tmp_path, write(tmp_path, [HEADING, *ROWS])).catalogue
    assert [(sku.name, sku.share, sku.stock) for sku in lipstick.skus] == [
        ("ruby", 0.6, {"main": 100}),
        ("coral", 0.4, {"main": 50}),
    ]
    assert (lipstick.category, lipstick.price.minor, lipstick.salvage and lipstick.salvage.minor) == (
        "makeup",
        1290,
        200,
    )
    assert (serum.stock, serum.cost, serum.skus) == ({"main": 200}, None, ())


def test_semicolons_separate_too(tmp_path: Path) -> None:
    assert len(load(tmp_path, write_csv(tmp_path, [HEADING, *ROWS], ";")).catalogue) == 2


def test_columns_may_name_the_currency_and_hold_plain_numbers(tmp_path: Path) -> None:
    rows: list[list[Any]] = [["Listing", "PRICE:GBP", "stock:main", "share", "variant"], ["serum", 29.5, 3.0, 1, "big"]]
    (serum,) = load(tmp_path, write_xlsx(tmp_path, rows), "programme.broadcasts[0].pitches=[]").catalogue
    assert (serum.price.minor, serum.skus[0].stock, serum.skus[0].share) == (2950, {"main": 3}, 1.0)


def test_a_share_may_be_a_plain_number_in_a_csv_file(tmp_path: Path) -> None:
    rows = [["listing", "price", "variant", "share"], ["lipstick", "3 GBP", "a", "0.5"], ["lipstick", "", "b", "0.5"]]
    assert load(tmp_path, write_csv(tmp_path, rows)).catalogue[0].skus[1].share == 0.5


def test_empty_rows_are_skipped(tmp_path: Path) -> None:
    rows = [HEADING, [""] * 9, ROWS[2], [""] * 9, *ROWS[:2]]
    assert len(load(tmp_path, write_xlsx(tmp_path, rows)).catalogue) == 2


def test_the_sheet_called_catalogue_is_read(tmp_path: Path) -> None:
    write_xlsx(tmp_path, [["notes"]])
    book = openpyxl.load_workbook(tmp_path / "catalogue.xlsx")
    sheet = book.create_sheet("Catalogue")
    for row in [HEADING, *ROWS]:
        sheet.append(row)
    book.save(tmp_path / "catalogue.xlsx")
    assert len(load(tmp_path, "catalogue.xlsx").catalogue) == 2


def test_overrides_reach_into_the_table(tmp_path: Path) -> None:
    table = write_csv(tmp_path, [HEADING, *ROWS])
    scenario = load(tmp_path, table, "catalogue.lipstick.skus.coral.stock.main=7", "catalogue.serum.price=9 GBP")
    assert (scenario.catalogue[0].skus[1].stock, scenario.catalogue[1].price.minor) == ({"main": 7}, 900)


def changed(row: int, column: str, value: Any) -> list[list[Any]]:
    rows = [list(HEADING), *(list(each) for each in ROWS)]
    rows[row][HEADING.index(column)] = value
    return rows


CASES = [
    (2, "price", "13 GBP", "E3", "differs from the first row of 'lipstick'; found '13 GBP'"),
    (1, "price", "12.90", "E2", "catalogue[0].price: money is an amount and a currency code"),
    (1, "stock:main", "-5", "I2", "catalogue[0].skus[0].stock.main: too small"),
    (1, "stock:main", "many", "I2", "catalogue[0].skus[0].stock.main: not a whole number; found 'many'"),
    (1, "share", "130 %", "H2", "catalogue[0].skus[0].share: a share lies between 0 and 1"),
    (3, "share", "50 %", "H4", "a share without a variant"),
    (2, "variant", "", "A3", "the listing has a row already"),
    (3, "listing", "", "D4", "the row names no listing"),
    (3, "shop", "nobody", "C4", "catalogue[1].shop: there is no shop of this name"),
    (0, "cost", "kosten", "F1", "unknown column"),
    (0, "cost", "pric", "F1", "unknown column; did you mean 'price'?"),
    (0, "cost", "salvage:EUR", "G1", "this column stands here twice"),
    (0, "price", "", "A1", "there is no column 'price'"),
    (0, "stock:main", "stock:leeds", "I2", "catalogue[0].skus[0].stock.leeds: there is no warehouse of this name"),
]


@pytest.mark.parametrize(("row", "column", "value", "cell", "message"), CASES)
def test_an_error_in_a_workbook_names_sheet_and_cell(
    row: int, column: str, value: Any, cell: str, message: str, tmp_path: Path
) -> None:
    told = refusal(tmp_path, write_xlsx(tmp_path, changed(row, column, value)))
    assert f"catalogue.xlsx, sheet Sheet1, cell {cell}: " in told
    assert message in told


@pytest.mark.parametrize(("row", "column", "value", "cell", "message"), CASES)
def test_an_error_in_a_csv_file_names_line_and_column(
    row: int, column: str, value: Any, cell: str, message: str, tmp_path: Path
) -> None:
    told = refusal(tmp_path, write_csv(tmp_path, changed(row, column, value)))
    assert f"catalogue.csv:{cell[1]}, column " in told
    assert message in told


def test_a_value_under_no_heading_is_refused(tmp_path: Path) -> None:
    rows = [["listing", "price"], ["serum", "3 GBP", "loose"]]
    assert "cell C2: a value under no heading; found 'loose'" in refusal(tmp_path, write_xlsx(tmp_path, rows))


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    assert "there is no row below the heading" in refusal(tmp_path, write_csv(tmp_path, [HEADING]))
    assert "the table: has no rows" in refusal(tmp_path, write_csv(tmp_path, []))


def test_a_missing_table_points_to_the_line_that_names_it(tmp_path: Path) -> None:
    assert refusal(tmp_path, "none.csv") == "show.yaml:4: catalogue: none.csv: no such file"


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    assert "allowed: .csv or .xlsx" in refusal(tmp_path, "catalogue.ods")


def test_a_file_that_is_no_workbook_is_refused(tmp_path: Path) -> None:
    (tmp_path / "catalogue.xlsx").write_bytes(b"listing,price\n")
    assert "not a workbook that can be read" in refusal(tmp_path, "catalogue.xlsx")
    with zipfile.ZipFile(tmp_path / "catalogue.xlsx", "w") as archive:
        archive.writestr("a.txt", "x")
    assert "not a workbook that can be read" in refusal(tmp_path, "catalogue.xlsx")


def test_a_workbook_that_unpacks_to_gigabytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_UNPACKED_BYTES", 1_000)
    assert "too large" in refusal(tmp_path, write_xlsx(tmp_path, [HEADING, *ROWS]))


@pytest.mark.parametrize("write", [write_csv, write_xlsx])
def test_too_many_rows_are_refused(write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_ROWS", 2)
    assert "too many rows" in refusal(tmp_path, write(tmp_path, [HEADING, *ROWS]))


def test_a_broken_csv_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "catalogue.csv").write_text('listing,price\n"a"b,3 GBP\n', encoding="utf-8")
    assert "catalogue.csv:2: not valid CSV" in refusal(tmp_path, "catalogue.csv")


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    listings=st.lists(
        st.tuples(st.integers(0, 10**6), st.lists(st.integers(0, 10**6), min_size=1, max_size=4)),
        min_size=1,
        max_size=5,
    )
)
def test_both_kinds_of_table_read_back_what_was_written(listings: list[tuple[int, list[int]]], tmp_path: Path) -> None:
    rows: list[list[Any]] = [["listing", "variant", "price", "stock:main"]]
    for i, (price, stocks) in enumerate(listings):
        for j, stock in enumerate(stocks):
            rows.append([f"p{i}", f"v{j}", f"{price // 100}.{price % 100:02d} GBP" if j == 0 else "", stock])
    no_pitch = "programme.broadcasts[0].pitches=[]"
    first = load(tmp_path, write_csv(tmp_path, rows), no_pitch).catalogue
    assert first == load(tmp_path, write_xlsx(tmp_path, rows), no_pitch).catalogue
    read = [(each.price.minor, [sku.stock["main"] for sku in each.skus]) for each in first]
    assert read == listings
