"""The review as tables and sentences: the terminal prints them, Markdown and page repeat them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sim.reports.blocks import Block, Cells, plain_text
from sim.reports.review.causes import DELIVERY_CAUSES, LATE_CAUSES
from sim.reports.review.explain_text import explain_block
from sim.reports.words import (
    CONTRIBUTION_LINES,
    NO_VALUE,
    amount,
    count,
    duration,
    percent,
    plural,
    reason_name,
    share_of,
)

Review = dict[str, Any]
TITLES = {
    "content": "By content",
    "listing": "By listing",
    "sku": "By SKU",
    "region": "By region",
    "hour": "By hour of the day",
}
_NOT_BY_GROUP = {**CONTRIBUTION_LINES, "pick_pack_minor": "wages of picking and packing"}
MOST_ROWS = 24


def review_text(review: Review, only: str = "", most: int = MOST_ROWS) -> str:
    """The review for people, plain text without a trailing line break; `only`: one grouping instead of everything."""
    return plain_text(review_blocks(review, only, most))


def review_blocks(review: Review, only: str = "", most: int = MOST_ROWS) -> list[Block]:
    """Head, advice, groups, causes; of a load run what there is."""
    if review["of"] == "load":
        return _load_blocks(review, most)
    wanted = [only] if only else list(review["groups"])
    told = explain_block(review)
    explained = [] if told is None else [told]
    blocks = [_head(review), advice_block(review), *explained, *(group_block(review, by, most) for by in wanted)]
    return blocks if only else [*blocks, *cause_blocks(review)]


def _head(review: Review) -> Block:
    run, total = review["run"], review["totals"]
    of = f", replication 0 of {run['replications']}" if run["replications"] > 1 else ""
    title = (
        f"Review of {run['scenario']}: seed {run['seed']}{of}, amounts in {run['currency']}, hours in {review['zone']}"
    )
    lines = [
        f"{count(round(total['views']))} views, {count(total['going'])} at checkout, {count(total['placed'])} placed, "
        f"{count(total['paid'])} paid; GMV {_amount(review, total['gmv_minor'])}, "
        f"{_amount(review, total['gpm_minor'])} per thousand views",
        f"contribution {_amount(review, review['contribution_minor'])}; margin lost to stockouts, an estimate apart: "
        f"{_amount(review, review['lost_to_stockouts_minor'])}",
    ]
    return Block(title, [[line] for line in lines], "<", indent="")


def advice_block(review: Review) -> Block:
    """The advice, one sentence a line."""
    told = [[each["sentence"]] for each in review["advice"]]
    return Block("What stands out", told or [["Nothing stands out: no rule of docs/review.md is met."]], "<")


def _amount(review: Review, minor: float | None) -> str:
    return amount(minor, review["run"]["currency"])


def group_block(review: Review, by: str, most: int) -> Block:
    """One grouping as a table: the groups of most GMV, in the order of the file (hours: of the day)."""
    rows = review["groups"][by]
    largest = sorted(rows, key=lambda row: (-row["gmv_minor"], -row["views"]))[:most]
    shown = [row for row in rows if row in largest]
    pages = by in ("listing", "sku")
    head: Cells = ["", "page views" if pages else "views", "converted", "checkouts", "paid", "GMV", "GPM",
                   "contribution", "an order", "refused", "lost to stockouts", "returned"]  # fmt: skip
    seen = any(row["views"] for row in rows)  # a scenario need not make views of product pages
    table: list[Cells] = [head, *(_group_row(review, row, seen=seen) for row in shown)]
    notes = _group_notes(review, by)
    if len(rows) > len(shown):
        notes.append(f"{plural(len(rows) - len(shown), 'group')} of less GMV left out: --json has all")
    return Block(TITLES[by], table, "<" + ">" * (len(head) - 1), head=True, notes=notes)


def _group_row(review: Review, row: dict[str, Any], *, seen: bool) -> Cells:
    lost = row["lost_to_stockouts_minor"]
    return [
        row["name"],
        count(round(row["views"]) if seen else None),
        percent(row["conversion_share"], 2),
        count(row["going"]),
        count(row["paid"]),
        _amount(review, row["gmv_minor"]),
        _amount(review, row["gpm_minor"]),
        _amount(review, row["contribution_minor"]),
        _amount(review, row["contribution_per_order_minor"]),
        count(row["refused"] + row["failed"]),
        _amount(review, lost) if lost else "",
        share_of(row["returned"], row["delivered"]),
    ]


def _group_notes(review: Review, by: str) -> list[str]:
    if by in ("listing", "sku"):
        return ["carts of several lines count with their first; page views are those that lead to checkouts"]
    if by == "region":
        return ["views: by the regions' shares of the audience"]
    if by != "content":
        return []
    notes = [_together(review, kind) for kind in ("broadcast", "video")]
    parts = [
        f"{_NOT_BY_GROUP.get(key, key)} {amount(minor, review['run']['currency'], sign=True)}"
        for key, minor in review["not_by_group"].items()
    ]
    if parts:
        notes.append(f"contribution by group is before what belongs to no order: {', '.join(parts)}")
    return [note for note in notes if note]


def _together(review: Review, kind: str) -> str:
    """What all contents of a kind came to, where there are several."""
    rows = [row for row in review["groups"]["content"] if row["kind"] == kind]
    views = sum(row["views"] for row in rows)
    if len(rows) < 2 or not views:
        return ""
    paid, gmv, left = (sum(row[key] for row in rows) for key in ("paid", "gmv_minor", "contribution_minor"))
    return (
        f"{plural(len(rows), kind)}: {count(round(views))} views, {percent(paid / views, 2)} converted, "
        f"{count(paid)} paid, GMV {_amount(review, gmv)}, GPM {_amount(review, 1000 * gmv / views)}, "
        f"contribution {_amount(review, left)}"
    )


def cause_blocks(review: Review) -> list[Block]:
    """Refusals, stockouts, lateness, returns, ends, second choices and repeat refusals; what is empty is left out."""
    blocks = [
        _refusals(review),
        _stockouts(review),
        _repeat(review),
        _second(review),
        _late_dispatch(review),
        _late_delivery(review),
        _returns(review),
        _cancels(review),
    ]
    return [block for block in blocks if block is not None]


def _table(title: str, head: Cells, rows: Sequence[Cells], sides: str, notes: Sequence[str] = ()) -> Block | None:
    return Block(title, [head, *rows], sides, head=True, notes=notes) if rows else None


def _refusals(review: Review) -> Block | None:
    going = review["totals"]["going"]
    rows = [
        [
            reason_name(row["reason"]),
            count(row["for_good"]),
            share_of(row["for_good"], going),
            count(row["first_choices"]),
            count(row["second_choice_placed"]),
        ]
        for row in review["refusals"]
    ]
    head = ["", "for good", "of checkouts", "first choice only", "of them placed"]
    return _table("Refused at checkout, by reason", head, rows, "<>>>>")


def _stockouts(review: Review) -> Block | None:
    rows = [
        [
            row["sku"],
            reason_name(row["reason"]),
            count(row["carts"]),
            count(row["units"]),
            row["first_local"],
            row["last_local"],
            _amount(review, row["lost_minor"]) if row["lost_minor"] else "",
        ]
        for row in review["stockouts"][:MOST_ROWS]
    ]
    head = ["", "", "carts", "units", "first", "last", "margin lost"]
    note = "an estimate, not in contribution: margin of carts refused for good x share of placed orders that were paid"
    return _table("Stockouts", head, rows, "<<>><<>", [note] if review["lost_to_stockouts_minor"] else [])


def _repeat(review: Review) -> Block | None:
    found = review["repeat_refusals"]
    if not found["buyers_refused"]:
        return None
    rows: list[Cells] = [
        ["buyers refused", count(found["buyers_refused"])],
        ["twice or more", count(found["buyers_twice_or_more"])],
        ["  of them never ordered", count(found["of_them_never_ordered"])],
        ["most refusals of one buyer", count(found["most_refusals_of_a_buyer"])],
    ]
    notes = [] if found["buyers_come_again"] else ["each cart has a buyer of its own here (funnel.buyers is 0)"]
    return Block("Repeat refusals", rows, "<>", notes=notes)


def _second(review: Review) -> Block | None:
    rows = [
        [row["refused"], row["taken"] or NO_VALUE, count(row["tried"]), share_of(row["placed"], row["tried"])]
        for row in review["second_choices"][:12]
    ]
    return _table("Second choices", ["refused", "taken", "tried", "placed"], rows, "<<>>")


def _late_dispatch(review: Review) -> Block | None:
    found = review["late_dispatch"]
    late = found["orders_late"]
    rows = [
        [LATE_CAUSES[row["cause"]], row["warehouse"] or NO_VALUE, count(row["orders"]), share_of(row["orders"], late)]
        for row in found["causes"]
    ]
    title = f"Left late: {count(late)} of {plural(found['orders_due'], 'order')} ({percent(found['ldr_share'])})"
    return _table(title, ["cause", "warehouse", "orders", "of late ones"], rows, "<<>>")


def _late_delivery(review: Review) -> Block | None:
    found = review["late_delivery"]
    late = found["orders_late"]
    rows = [
        [DELIVERY_CAUSES[row["cause"]], count(row["orders"]), share_of(row["orders"], late)] for row in found["causes"]
    ]
    rows += [
        [
            f"to {row['region']}",
            count(row["orders_late"]),
            f"{share_of(row['orders_late'], row['orders_due'])} of its own",
        ]
        for row in found["by_region"]
        if rows and row["orders_late"] and len(found["by_region"]) > 1
    ]
    title = f"Came late or not: {count(late)} of {plural(found['orders_due'], 'order')}"
    return _table(title, ["cause, region", "orders", "of late ones"], rows, "<>>")


def _returns(review: Review) -> Block | None:
    rows = [
        [
            f"{row['by']}: {row['name']}",
            count(row["delivered"]),
            count(row["returned"]),
            share_of(row["returned"], row["delivered"]),
            count(row["refunded_only"]),
            _amount(review, row["refunded_minor"]),
            _amount(review, row["return_cost_minor"]),
        ]
        for row in review["returns"]
    ]
    head = ["", "delivered", "returned", "share", "refunded only", "refunded", "cost of returns"]
    return _table("Returns", head, rows, "<" + ">" * 6)


def _cancels(review: Review) -> Block | None:
    rows = [
        [
            reason_name(row["reason"]),
            count(row["orders"]),
            share_of(row["orders"], review["totals"]["placed"]),
            _amount(review, row["refunded_minor"]) if row["refunded_minor"] else "",
            NO_VALUE if row["median_wait_us"] is None else duration(row["median_wait_us"]),
        ]
        for row in review["cancels"]
    ]
    return _table("Placed, but ended", ["", "orders", "of placed", "refunded", "after (median)"], rows, "<>>>>")


def _load_blocks(review: Review, most: int) -> list[Block]:
    run, total = review["run"], review["totals"]
    head = Block(
        f"Review of a load run of {run['scenario']}: seed {run['seed']}",
        [[f"{count(total['checkouts'])} carts asked for checkout: {count(total['placed'])} placed "
          f"({percent(total['placed_share'])}), {count(total['refused'])} refused, {count(total['missed'])} never "
          f"answered in time; {count(total['paid'])} paid, {count(total['confirmed'])} confirmed"]],
        "<", indent="", notes=review["notes"],
    )  # fmt: skip
    blocks = [head]
    for by, rows in review["groups"].items():
        largest = sorted(rows, key=lambda row: -row["checkouts"])[:most]
        names = ("checkouts", "placed", "refused", "missed", "tried_again", "paid", "confirmed")
        shown = [[row["name"], *(count(row[key]) for key in names), percent(row["placed_share"])]
                 for row in rows if row in largest]  # fmt: skip
        top = ["", *(key.replace("_", " ") for key in names), "placed share"]
        blocks.append(Block(TITLES[by], [top, *shown], "<" + ">" * (len(names) + 1), head=True))
    refused = [[row["endpoint"], reason_name(row["reason"]), count(row["requests"])] for row in review["refusals"]]
    table = _table("Refused requests, by reason", ["endpoint", "reason", "requests"], refused, "<<>")
    return blocks if table is None else [*blocks, table]
