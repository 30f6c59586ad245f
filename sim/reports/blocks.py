"""What a report says, before it is known where: titles, rows of cells, notes. Text, Markdown and HTML print them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sim.reports.words import width

Cells = list[str]


@dataclass(frozen=True)
class Block:
    """One table. `sides`: `<` or `>` a column; a row of one cell is a line of its own; `head`: the first row names
    the columns; `least`: columns of a terminal that each takes at least."""

    title: str
    rows: Sequence[Cells] = ()
    sides: str = "<><"
    head: bool = False
    notes: Sequence[str] = ()
    least: Sequence[int] = ()
    indent: str = "  "

    @property
    def body(self) -> Sequence[Cells]:
        """The rows without the names of the columns."""
        return self.rows[1:] if self.head else self.rows

    def text(self) -> str:
        """The block for a terminal."""
        title = [self.title] if self.title else []
        lines = padded(self.rows, self.sides, self.indent, self.least)
        return "\n".join([*title, *lines, *(f"{self.indent}{note}" for note in self.notes)])


def plain_text(blocks: Sequence[Block]) -> str:
    """The blocks one below the other, an empty line between them."""
    return "\n\n".join(block.text() for block in blocks)


def padded(rows: Sequence[Cells], sides: str, indent: str = "  ", least: Sequence[int] = ()) -> list[str]:
    """Cells padded to columns, `<` left and `>` right; a row of one cell is a line of its own."""
    most = [max((width(row[k]) for row in rows if 1 < len(row) > k), default=0) for k in range(len(sides))]
    widths = [max(wide, at_least) for wide, at_least in zip(most, [*least, *[0] * len(sides)], strict=False)]
    lines = []
    for row in rows:
        gaps = [" " * (widths[k] - width(cell)) if len(row) > 1 else "" for k, cell in enumerate(row)]
        cells = [
            gap + cell if sides[k] == ">" else cell + gap for k, (cell, gap) in enumerate(zip(row, gaps, strict=True))
        ]
        lines.append((indent + "  ".join(cells)).rstrip())
    return lines
