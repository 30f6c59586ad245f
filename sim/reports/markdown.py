"""The summary of a run as Markdown, for the step summary of a continuous integration."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sim.reports.blocks import Block, Cells
from sim.reports.load_files import is_load
from sim.reports.load_text import command, load_blocks, verdict_line
from sim.reports.text import summary_blocks

#: Characters that would become markup, in text that comes from scenarios, targets and servers.
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&])")


def markdown_text(summary: Mapping[str, Any]) -> str:
    """The summary of a run of either kind, verdict first, without a trailing line break."""
    if is_load(summary):
        head, *blocks = load_blocks(summary)
        lines = [f"## {_plain(verdict_line(summary))}", "", *_lines(head.body)]
        tail = ["", "To repeat it:", "", *_fenced(command(summary))]
    else:
        head, *blocks = summary_blocks(dict(summary))
        lines = [f"## {_plain(head.title)}", "", *_table(Block("", head.rows, head.sides))]
        tail = []
    return "\n".join([*lines, *_sections(blocks), *tail])


def markdown_blocks(head: Block, blocks: Sequence[Block]) -> str:
    """A title with its lines, then each block below a heading, without a trailing line break."""
    return "\n".join([f"## {_plain(head.title)}", "", *_lines(head.rows), *_sections(blocks)])


def _sections(blocks: Sequence[Block]) -> list[str]:
    return [line for block in blocks for line in ("", f"### {_plain(block.title)}", "", *_table(block))]


def _lines(rows: Sequence[Cells]) -> list[str]:
    return [f"- {_plain(row[0])}" for row in rows]


def _table(block: Block) -> list[str]:
    """A table; a block whose rows have one cell is a list."""
    wide = max((len(row) for row in block.rows), default=0)
    notes = [line for note in block.notes if note for line in ("", _plain(note))]
    if wide <= 1:
        return _lines(block.rows) + notes
    head = block.rows[0] if block.head else [""] * wide
    rule = ["---:" if side == ">" else ":---" for side in block.sides[:wide]]
    rows = [[*row, *[""] * (wide - len(row))] for row in block.body]
    return [_row(head), _row(rule, escaped=True), *(_row(row) for row in rows), *notes]


def _row(cells: Cells, *, escaped: bool = False) -> str:
    return "| " + " | ".join(cells if escaped else [_plain(cell.strip()) for cell in cells]) + " |"


def _plain(text: str) -> str:
    """Text as it is, on one line."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def _fenced(code: str) -> list[str]:
    """Code in a fence that it cannot end itself."""
    fence = "`" * max(3, max((len(run) for run in re.findall("`+", code)), default=0) + 1)
    return [f"{fence}sh", code, fence]
