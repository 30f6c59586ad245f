"""A figure as the page shows it: SVG whose greys follow the page's colours, so that it suits light and dark."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from sim.reports.figures.frame import FAINT, INK, OTHER, OTHER_VIDEO, SOFT, Frame, svg_of

#: Colours that have to change with the ground, as variables of the page's style sheet. All others suit both.
_THEMED = {
    INK: "ink",
    SOFT: "soft",
    FAINT: "faint",
    OTHER: "other",
    OTHER_VIDEO: "other-video",
    "#9A9A9A": "edge",
    "#4D4D4D": "grey",
    "#6B1A00": "crash",
}
#: White lines keep shapes apart from each other; white and black text stands inside coloured bars and stays.
_THEMED_LINES = {"#FFFFFF": "ground", "#000000": "ink"}
_HEX = re.compile(r"(fill|stroke): (#[0-9a-f]{6})", re.IGNORECASE)


@dataclass(frozen=True)
class Picture:
    """A figure and what it says. `narrow` is the same for a phone, empty where there is only one;
    `svg` is empty where there is nothing to draw."""

    name: str
    title: str
    takeaway: str
    notes: tuple[str, ...]
    svg: str
    narrow: str = ""


def picture_of(name: str, frame: Frame, narrow: Frame | None = None) -> Picture:
    """The picture of a drawn frame; call it inside `styled`. Where there is nothing to draw the takeaway says so."""
    if frame.is_empty:
        return Picture(name, frame.title, frame.takeaway, tuple(frame.notes), "")
    small = "" if narrow is None else _embedded(svg_of(narrow), f"{name}-n-")
    return Picture(name, frame.title, frame.takeaway, tuple(frame.notes), _embedded(svg_of(frame), f"{name}-"), small)


def _embedded(svg: str, prefix: str) -> str:
    """The <svg> element alone: ids of its own, no size of its own, greys as variables."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<style[^>]*>.*?</style>", "", svg, flags=re.DOTALL)  # it would apply to the whole page
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = _tags(svg, lambda tag: re.sub(r'(\sid="|href="#|url\(#)', rf"\g<1>{prefix}", tag))
    svg = _tags(svg, lambda tag: _HEX.sub(_themed, tag))
    return svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1).strip()


def _themed(hit: re.Match[str]) -> str:
    """A colour that follows the page, or the same colour."""
    kind, colour = hit[1], hit[2].upper()
    variable = _THEMED.get(colour) or (_THEMED_LINES.get(colour) if kind == "stroke" else None)
    return f"{kind}: var(--{variable}, {hit[2]})" if variable else hit[0]


def _tags(svg: str, change: Callable[[str], str]) -> str:
    """Change tags only, never text: a name may look like an id or a colour."""
    return re.sub(r"<[^<>]*>", lambda hit: change(hit[0]), svg)
