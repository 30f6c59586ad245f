"""The page: whole, self-contained, well-formed, verdict first; and the figures beside it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from sim.cli import run
from sim.reports import page
from sim.reports.blocks import Block
from sim.reports.figures.frame import styled
from sim.reports.figures.load import DRAWINGS, LoadFrame
from sim.reports.figures.load.frame import Bins, bins_of, percentiles
from sim.reports.figures.load.rates import first_tries
from sim.reports.load_files import LoadRun
from sim.reports.page import parts
from sim.reports.page.simulate import _verdict
from tests.paths import SCENARIOS
from tests.reports.load_runs import KINDS, write_load_run
from tests.reports.synthetic import write_run

VOID = {"meta", "br", "hr", "img"}
#: Elements of our own that hold text or others; those inside an <svg> are matplotlib's.
SCHEMES = re.compile(r"""(?:src|href|url)\s*[=(]\s*["']?\s*([a-z]+):""", re.IGNORECASE)


class Reader(HTMLParser):
    """Checks that elements are closed in order, and collects ids, references and text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.seen: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for key, value in attrs:
            assert not key.startswith("on"), "no scripts"
            if key == "id":
                self.ids.append(str(value))
            if key.endswith("href") and str(value).startswith("#"):
                self.references.append(str(value)[1:])
            self.references += re.findall(r"url\(#([^)]*)\)", str(value))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def read(path: Path) -> tuple[str, Reader]:
    html = path.read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return html, reader


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module", params=["ladder", "nothing"])
def load_page(request: pytest.FixtureRequest, folder: Path) -> Path:
    return page.write(write_load_run(folder / request.param, request.param))


@pytest.fixture(scope="module")
def simulated_page(folder: Path) -> Path:
    return page.write(write_run(folder / "simulated", SCENARIOS / "evening_show.yaml", 300))


@pytest.fixture
def both(load_page: Path, simulated_page: Path) -> list[Path]:
    return [load_page, simulated_page]


def test_a_page_is_whole_and_loads_and_runs_nothing(both: list[Path]) -> None:
    for path in both:
        html, reader = read(path)
        assert {"script", "link", "iframe", "object"} & set(reader.seen) == set()
        assert {scheme.lower() for scheme in SCHEMES.findall(html)} <= {"data"}
        assert "@import" not in html
        assert "mathdefault" not in html


def test_ids_are_unique_and_every_reference_has_its_target(both: list[Path]) -> None:
    for path in both:
        _, reader = read(path)
        assert len(reader.ids) == len(set(reader.ids))
        assert set(reader.references) <= set(reader.ids)


def test_the_verdict_stands_before_the_audit_and_both_before_all_else(load_page: Path) -> None:
    html, _ = read(load_page)
    places = [html.index(part) for part in ('class="verdict', 'id="audit"', 'id="objectives"', 'id="provenance"')]
    assert places == sorted(places)
    assert not re.search("<(h2|svg|table)", html[: html.index('id="audit"')])


def test_figures_can_be_heard(both: list[Path]) -> None:
    for path in both:
        html, _ = read(path)
        for opened in re.findall(r'<div [^>]*role="img"[^>]*>', html):
            assert re.search(r'aria-label="[^"]{20,}"', opened)
        assert html.count("<svg ") == html.count('<svg aria-hidden="true"')


def test_a_page_and_its_figures_are_the_same_bytes_each_time(folder: Path) -> None:
    directory = write_load_run(folder / "again", "foreign")
    first = {p.name: p.read_bytes() for p in page.write(directory).parent.iterdir()}
    assert {p.name: p.read_bytes() for p in page.write(directory).parent.iterdir()} == first
    assert {"report.html", "summary.md", "junit.xml", "rates.png", "checkout.png"} <= set(first)
    assert "ladder.png" not in first


def test_what_comes_from_outside_cannot_become_markup(folder: Path) -> None:
    directory = write_load_run(folder / "odd", "nothing")
    path = directory / "summary.json"
    text = path.read_text("utf-8").replace('"reference"', r'"<script>x</script>\"&"')
    path.write_text(text.replace('"notes": []', '"notes": ["<img src=x onerror=y>"]'), "utf-8")
    html, reader = read(page.write(directory))
    assert not {"script", "img"} & set(reader.seen)
    assert "&lt;script&gt;" in html
    assert '<script>x</script>"&' in "".join(reader.text)


def test_every_id_of_a_finding_and_every_unseen_rule_is_on_the_page(folder: Path) -> None:
    for kind, words in (("findings", ["sku-39", "ord_b771"]), ("unseen", ["the target tells no captures <secret>"])):
        directory = write_load_run(folder / kind, kind)
        from sim.reports.page.load import load_page as made

        text = made(LoadRun(directory), {})
        reader = Reader()
        reader.feed(text)
        for word in words:
            assert word in "".join(reader.text)


@pytest.mark.parametrize("kind", KINDS)
def test_every_figure_says_what_it_shows(folder: Path, kind: str) -> None:
    run_ = LoadRun(write_load_run(folder / f"frames-{kind}", kind))
    for drawing in DRAWINGS.values():
        with styled():
            frame = LoadFrame(run_)
            drawing(frame)
        assert frame.title
        assert frame.takeaway.endswith(".")
        assert "nan" not in frame.takeaway
        assert frame.footer().startswith("scenario flash_drop  ·  seed 500")


def test_a_run_without_confirmations_says_so(folder: Path) -> None:
    frame = LoadFrame(LoadRun(write_load_run(folder / "none", "no_confirmations")))
    DRAWINGS["confirmation"](frame)
    assert frame.takeaway == "This run sent no confirmation."


def test_the_refusals_figure_leaves_errors_with_a_reason_out(folder: Path) -> None:
    run_ = LoadRun(write_load_run(folder / "shed", "aborted"))
    assert run_.reason.where("QUEUE_FULL").any()
    with styled():
        frame = LoadFrame(run_)
        DRAWINGS["refusals"](frame)
    refused = run_.summary["refusals"]
    assert frame.takeaway.startswith(f"{sum(refused.values())} requests refused, ")
    _handles, labels = frame.figure.axes[0].get_legend_handles_labels()
    assert sorted(int(label.rpartition(": ")[2]) for label in labels) == sorted(refused.values())


def test_the_ladders_marks_say_what_each_rung_says_of_itself(folder: Path) -> None:
    run_ = LoadRun(write_load_run(folder / "marks", "ladder"))
    rungs = run_.summary["ladder"][:3]
    for rung, within in zip(rungs, (True, False, None), strict=True):
        rung["within"] = within  # all of them met their objectives: one may have been aborted, or have findings
    run_.summary["ladder"] = rungs
    with styled():
        frame = LoadFrame(run_)
        DRAWINGS["ladder"](frame)
    for axes in frame.figure.axes:
        points = [line for line in axes.lines if np.size(line.get_xdata()) == 1]
        faces = [line.get_markerfacecolor() for line in points]
        assert [line.get_marker() for line in points] == ["o", "X", "o"]
        assert len(set(faces)) == 3
        assert faces[2] == "none"


def test_percentiles_by_bin_are_by_nearest_rank() -> None:
    rng = np.random.default_rng(3)
    due, times = rng.integers(0, 1_000_000, 5_000), rng.integers(1, 10_000, 5_000)
    bins = Bins(100_000, 11)
    found = percentiles(bins, due, times, (0.5, 0.99, 1.0))
    for k in range(10):
        mine = np.sort(times[due // 100_000 == k])
        for row, share in enumerate((0.5, 0.99, 1.0)):
            assert found[row, k] == mine[int(np.ceil(share * len(mine))) - 1]
    assert np.isnan(found[:, 10]).all()


@pytest.mark.parametrize("end_us", [0, 1, 99_999, 100_000, 19_999_999, 20_000_000, 10**9, 10**12])
def test_bins_hold_the_whole_run(end_us: int) -> None:
    bins = bins_of(end_us, 200)
    assert bins.edges[-1] > end_us
    assert bins.number <= 201
    assert bins.size_us >= 100_000


def test_retries_and_twins_are_no_arrivals(folder: Path) -> None:
    run_ = LoadRun(write_load_run(folder / "tries", "aborted"))
    every = int(first_tries(run_).sum())
    assert every == run_.summary["planned"]["arrivals"]
    again = LoadRun(run_.directory)
    again.requests["attempt"] = again.requests["attempt"].copy()
    again.requests["attempt"][np.flatnonzero(first_tries(run_))[:7]] = 2
    again.requests["twin"] = np.zeros(len(again.requests["attempt"]), np.uint8)
    again.requests["twin"][np.flatnonzero(first_tries(again))[:5]] = 1
    assert int(first_tries(again).sum()) == every - 12


def test_report_makes_the_page_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = write_load_run(folder / "verb", "nothing")
    assert run(["report", str(directory)]) == 0
    assert capsys.readouterr().out == f"Wrote {directory / 'report.html'}\n"
    assert run(["report", str(directory), "--as", "text"]) == 0
    assert capsys.readouterr().out.startswith("VALID · SLO NOT TESTED")


@pytest.mark.parametrize("args", [["report"], ["export", "--to", "csv"], ["export", "--to", "k6"]])
def test_a_folder_that_is_no_run_is_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], args: list[str]
) -> None:
    assert run([args[0], str(tmp_path), *args[1:]]) == 2
    assert "is no run directory" in capsys.readouterr().err
    for summary in ('{"kind": "load"}', '{"kind": "load", "verdict": null}', "null", "12", "[]"):
        (tmp_path / "summary.json").write_text(summary)
        assert run([args[0], str(tmp_path), *args[1:]]) == 2
        told = capsys.readouterr().err
        assert "no whole run directory" in told
        assert len(told.splitlines()) == 1


@pytest.mark.parametrize(
    ("slos", "met", "told"),
    [([], None, "NO SLO"), ([{}], None, "SLO NOT TESTED"), ([{}], True, "SLO MET"), ([{}], False, "SLO MISSED")],
)
def test_a_simulation_without_objectives_says_so(slos: list[object], met: bool | None, told: str) -> None:
    intervals = {} if met is None else {"slos_met": {"mean": float(met), "n": 1}}
    assert _verdict({"metrics": {"slos": slos}, "intervals": intervals}) == told


def test_a_name_that_begins_like_a_verdict_is_none() -> None:
    block = Block("SKUs", [["sku", "note"], ["cleanser", "clean wipes"], ["clean", "clean"], ["SLO MET", "broken: 3"]],
                  "<<", head=True)  # fmt: skip
    page = parts.table(block)
    assert page.count("word good") == 2
    assert page.count("word bad") == 1
    assert [parts.tone_of(word) for word in ("VALID (cut)", "INVALID", "AUDIT: 3 FINDINGS")] == ["good", "bad", "bad"]
