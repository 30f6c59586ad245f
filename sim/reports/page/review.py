"""The page of a review: what stands out with its figures, the groups, the causes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sim.reports.blocks import Block
from sim.reports.figures.picture import Picture
from sim.reports.page import parts
from sim.reports.page.html import Markup, firm, tag
from sim.reports.review.explain_text import explain_block
from sim.reports.review.text import cause_blocks, group_block, review_blocks

_MOST = 200


def review_page(review: Mapping[str, Any], pictures: Mapping[str, Picture]) -> str:
    """The whole page."""
    found = dict(review)
    head, *blocks = review_blocks(found)
    sections = _load(blocks) if found["of"] == "load" else _simulated(found, pictures)
    return parts.document(
        f"{found['run']['scenario']}, reviewed",
        tag("header", tag("h1", firm(head.title)), *(tag("p", firm(row[0])) for row in head.rows),
            *(tag("p", note, class_="soft") for note in head.notes)),
        tag("main", *sections),
        tag("footer", "Made by LiveRush from the files of this run."),
    )  # fmt: skip


def _load(blocks: list[Block]) -> list[Markup]:
    return [parts.section("tables", "All numbers", parts.tables(blocks))]


def _simulated(review: dict[str, Any], pictures: Mapping[str, Picture]) -> list[Markup]:
    shown = [parts.figure(picture) for picture in pictures.values()]
    groups = [group_block(review, by, _MOST) for by in review["groups"]]
    told = explain_block(review)
    explained = None if told is None else parts.section("explain", told.title, parts.table(told))
    return [
        parts.section("advice", "What stands out", _advice(review)),
        parts.section("figures", "Figures", *shown),
        *([explained] if explained else []),
        parts.section("groups", "By group", parts.tables(groups)),
        parts.section("causes", "Why", parts.tables(cause_blocks(review))),
    ]


def _advice(review: dict[str, Any]) -> Markup:
    """Each sentence with the figures behind it, folded away."""
    told = [
        tag(
            "li",
            firm(each["sentence"]),
            parts.folded("The figures behind it", tag("pre", tag("code", _figures(each)))),
        )
        for each in review["advice"]
    ]
    return tag("ul", *told) if told else tag("p", "Nothing stands out: no rule is met.")


def _figures(each: dict[str, Any]) -> str:
    return f"rule: {each['rule']}\n" + json.dumps(each["evidence"], indent=1, ensure_ascii=False)
