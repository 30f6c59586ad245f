"""The pieces that every page is made of: the frame of the document, tables, figures, verdicts, cards."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sim.reports.blocks import Block, Cells
from sim.reports.figures.picture import Picture
from sim.reports.page.html import Child, Markup, firm, joined, tag
from sim.reports.page.style import STYLE

GOOD, BAD, OPEN = "good", "bad", "open"
_SIGNS = {GOOD: "✓", BAD: "✗", OPEN: "–"}
#: Verdicts, whole: a name that begins like one is none. What follows in brackets says more.
_VERDICTS = tuple((re.compile(rf"(?:{words})(?: \(.*\))?"), tone) for words, tone in (
    ("INVALID", BAD), ("SLO MISSED", BAD), ("AUDIT: .*", BAD), ("AUDIT FINDINGS", BAD), ("AUDIT FAILED", BAD),
    ("ABORTED", BAD), (r"broken: [\d,]+", BAD), ("INCOMPLETE", OPEN), ("SLO NOT TESTED", OPEN), ("NO SLO", OPEN),
    ("AUDIT NOT DONE", OPEN), ("VALID", GOOD), ("SLO MET", GOOD), ("AUDIT CLEAN", GOOD), ("clean", GOOD),
))  # fmt: skip


def document(title: str, *body: Child) -> str:
    """The whole page; it may load nothing and run nothing, which its own policy tells the browser."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Markup(STYLE)),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, tag('body', *body), lang='en')}\n"


def section(name: str, title: str, *body: Child) -> Markup:
    """A section with a heading, which links can point to."""
    return tag("section", tag("h2", title), *body, id=name, aria_label=title)


def tone_of(word: str) -> str | None:
    """Whether a verdict's word is good, bad or open; None for any other text."""
    return next((tone for verdict, tone in _VERDICTS if verdict.fullmatch(word)), None)


def verdict(line: str) -> Markup:
    """The verdict, big: each word with its colour and a sign, so that colour alone tells nothing."""
    return tag("ul", *(_big(word.strip()) for word in line.split(" · ")), class_="verdict", aria_label="Verdict")


def _big(word: str) -> Markup:
    tone = tone_of(word) or OPEN
    main, bracket, rest = word.partition(" (")
    return tag("li", _sign(tone), main, tag("small", bracket, firm(rest)) if rest else None, class_=tone)


def _sign(tone: str) -> Markup:
    return tag("span", f"{_SIGNS[tone]} ", aria_hidden="true")


def table(block: Block) -> Markup:
    """A block as a table; the first cell of a row names it."""
    widest = max((len(row) for row in block.rows), default=1)
    head = tag("thead", _head(block.rows[0], block.sides)) if block.head else None
    rows = tag("tbody", *(_row(row, block.sides, widest) for row in block.body))
    notes = [tag("p", firm(note), class_="soft small") for note in block.notes if note]
    whole = tag("table", head, rows) if block.body else None
    return joined(tag("div", whole, class_="scroll", tabindex="0", role="group", aria_label=block.title), *notes)


def _head(row: Cells, sides: str) -> Markup:
    cells = [tag("th", cell, scope="col", class_=_side(sides, k)) for k, cell in enumerate(row)]
    return tag("tr", *cells)


def _side(sides: str, k: int) -> str | None:
    return "number" if sides[k] == ">" else None


def _row(row: Cells, sides: str, widest: int) -> Markup:
    if len(row) == 1 and widest > 1:
        return tag("tr", tag("th", row[0], colspan=str(widest), scope="rowgroup", class_="soft"))
    indented = "inset" if row[0].startswith(" ") else None
    name = row[0].strip()  # names of people's own stand here, but for the verdicts of objectives
    first = tag("th", _worded(name) if name.startswith("SLO ") else firm(name), scope="row", class_=indented)
    rest = [tag("td", _worded(cell), class_=_cell_class(sides, k, cell)) for k, cell in enumerate(row[1:], start=1)]
    return tag("tr", first, *rest, *([tag("td")] * (widest - len(row))))


def _cell_class(sides: str, k: int, cell: str) -> str | None:
    return _side(sides, k) or ("wide" if len(cell) > 40 else "whole" if tone_of(cell) else None)


def _worded(cell: str) -> Child:
    """A verdict's words inside a table, coloured."""
    tones = [(word, tone_of(word)) for word in cell.split(" · ")]
    if not all(tone for _, tone in tones):
        return firm(cell)
    return joined(*(joined(tag("span", word, class_=f"word {tone}"), " ") for word, tone in tones))


def tables(blocks: Sequence[Block | None]) -> Markup:
    """Blocks as tables below headings of the third rank."""
    return joined(*(joined(tag("h3", block.title), table(block)) for block in blocks if block))


def figure(picture: Picture) -> Markup:
    """A figure: its takeaway is its caption and its description for those who cannot see it."""
    notes = tag("span", " ".join(picture.notes), class_="soft small") if picture.notes else None
    caption = tag("figcaption", tag("h3", picture.title), firm(picture.takeaway), " ", notes)
    described = f"{picture.title}. {picture.takeaway}"
    wide = picture.svg and tag("div", Markup(picture.svg), class_="scroll only-wide", role="img", aria_label=described)
    narrow = picture.narrow and tag("div", Markup(picture.narrow), class_="narrow", role="img", aria_label=described)
    return tag("figure", caption, wide, narrow, id=picture.name, class_="has-narrow" if narrow else "no-narrow")


def cards(pairs: Sequence[tuple[str, str]]) -> Markup:
    """Figures to see at a glance."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs), class_="cards")


def folded(title: str, *body: Child) -> Markup:
    """What few want to see: closed until asked for."""
    return tag("details", tag("summary", title), *body)


def scenario_as_run(directory: Path) -> Markup | None:
    """The scenario as run, folded; None where its file is missing."""
    path = directory / "scenario.yaml"
    if not path.is_file():
        return None
    return folded("The scenario as run", tag("pre", tag("code", path.read_text(encoding="utf-8"))))
