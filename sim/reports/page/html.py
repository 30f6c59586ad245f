"""A tiny builder of HTML: text is escaped unless it is markup already, so nothing from a scenario becomes markup."""

from __future__ import annotations

import html
import re

_VOID = frozenset({"meta", "br", "hr", "img"})


_UNIT = re.compile(r"(?<=\d) (?=(?:%|us|ms|s|min|h|d)(?![^\s.,;:)]))")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | None


def tag(element: str, /, *children: Child, **attributes: str | None) -> Markup:
    """An element. `class_` and `for_` mean `class` and `for`, `aria_label` means `aria-label`; None is left out."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if element in _VOID:
        return Markup(f"<{element}{told}>")
    return Markup(f"<{element}{told}>{joined(*children)}</{element}>")


def firm(text: str) -> str:
    """Text whose numbers stay on one line with their units."""
    return _UNIT.sub("\N{NO-BREAK SPACE}", text)


def joined(*children: Child) -> Markup:
    """Children one after the other."""
    return Markup("".join(c if isinstance(c, Markup) else html.escape(c, quote=False) for c in children if c))
