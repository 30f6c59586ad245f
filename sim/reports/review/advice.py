"""What stands out, and the figures behind it: a table of rules. A rule that nothing meets says nothing.

Each rule has a condition in words, which docs/review.md repeats, and a function that yields sentences with their
evidence. Differences between groups count only where chance hardly makes them (`_stands_out`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from sim.reports.review.causes import DELIVERY_CAUSES, LATE_CAUSES
from sim.reports.run_files import Run
from sim.reports.words import count, duration, money, percent, plural

Review = dict[str, Any]
Found = tuple[float, str, dict[str, Any]]  # weight within its rule, sentence, evidence
LDR_LIMIT, OTDR_LIMIT = 0.04, 0.80  # TikTok Shop US (seller-us 3668989549299511, 7671875816589099)
LEAST_ORDERS, SIGMAS, MOST_OF_A_RULE = 30, 3.0, 3


class Rule(NamedTuple):
    """`name`, the condition in words, and what finds the sentences."""

    name: str
    condition: str
    find: Callable[[Review, Run], Iterator[Found]]


def advice(review: Review, run: Run) -> list[dict[str, Any]]:
    """A list of `rule`, `sentence`, `evidence`; at most three of a rule, the weightiest first."""
    told = []
    for rule in RULES:
        found = sorted(rule.find(review, run), key=lambda each: -each[0])[:MOST_OF_A_RULE]
        told += [{"rule": rule.name, "sentence": sentence, "evidence": evidence} for _, sentence, evidence in found]
    return told


def _stands_out(part: float, whole: float, share: float) -> bool:
    """Whether `part` of `whole` lies `SIGMAS` standard errors above `share`, with orders enough to say so."""
    if whole < LEAST_ORDERS or not 0 < share < 1:
        return False
    return part - whole * share > SIGMAS * math.sqrt(whole * share * (1 - share))


def _money(review: Review, minor: float) -> str:
    return money(round(minor), review["run"]["currency"])


def _sold_out(review: Review, _: Run) -> Iterator[Found]:
    for row in review["stockouts"]:
        if row["reason"] == "SOLD_OUT" and row["carts"] >= LEAST_ORDERS:
            yield (
                row["lost_minor"],
                f"{row['sku']} was first sold out at {row['first_local']} ({review['zone']}): "
                f"{plural(row['carts'], 'cart')} of {plural(row['units'], 'unit')} found none; the margin missed is "
                f"about {_money(review, row['lost_minor'])}. More units or an earlier reorder would have served them.",
                row,
            )


def _deal_sold_out(review: Review, _: Run) -> Iterator[Found]:
    for row in review["stockouts"]:
        deals = [deal for deal in review["deals"] if deal["sku"] == row["sku"]]
        units = sum(deal["units"] for deal in deals)
        if row["reason"] == "DEAL_SOLD_OUT" and row["units"] >= LEAST_ORDERS and row["units"] >= 0.1 * units:
            left = sum(deal["left_units"] for deal in deals)
            after = f"; {plural(left, 'unit')} came back unpaid and stayed unsold" if left else ""
            yield (
                row["units"],
                f"The flash deal on {row['sku']} turned away {plural(row['carts'], 'cart')} of "
                f"{plural(row['units'], 'unit')} beside its {count(units)}{after}.",
                {**row, "deal_units": units, "left_units": left},
            )


def _stock_left(review: Review, _: Run) -> Iterator[Found]:
    for row in review["groups"]["sku"]:
        had = row["initial_units"] + row["received_units"]
        if had and row["on_hand_units"] > 0.5 * had and row["cost_left_minor"] > 0.01 * review["totals"]["gmv_minor"]:
            yield (
                row["cost_left_minor"],
                f"{row['name']}: {percent(row['on_hand_units'] / had)} of {plural(had, 'unit')} are left at the end, "
                f"{_money(review, row['cost_left_minor'])} at cost; {count(row['units_wanted'])} were wanted.",
                {key: row[key] for key in ("name", "on_hand_units", "units_wanted", "cost_left_minor")},
            )


def _loses(review: Review, _: Run) -> Iterator[Found]:
    for by in ("content", "listing", "region"):
        for row in review["groups"][by]:
            if row["paid"] >= LEAST_ORDERS and row["contribution_minor"] < 0:
                each = row["contribution_per_order_minor"]
                yield (
                    -row["contribution_minor"],
                    f"{row['name']} ({by}) loses {_money(review, -each)} an order over {count(row['paid'])} orders, "
                    f"before its share of stock costs; freight alone is "
                    f"{_money(review, row['freight_minor'] / row['paid'])} an order.",
                    {"by": by, **{key: row[key] for key in ("name", "paid", "contribution_minor", "freight_minor")}},
                )


def _weak_content(review: Review, _: Run) -> Iterator[Found]:
    rows = [row for row in review["groups"]["content"] if row["views"]]
    for kind in ("broadcast", "video"):
        mine = [row for row in rows if row["kind"] == kind]
        views, paid = sum(row["views"] for row in mine), sum(row["paid"] for row in mine)
        gmv = sum(row["gmv_minor"] for row in mine)
        for row in mine if len(mine) > 1 else ():
            expected, mean = row["views"] * paid / views, 1000 * gmv / views
            if expected - row["paid"] > SIGMAS * math.sqrt(expected) and row["gpm_minor"] < mean / 2 and expected >= 9:
                yield (
                    expected - row["paid"],
                    f"{row['name']} earned {_money(review, row['gpm_minor'])} per thousand views over "
                    f"{count(round(row['views']))} views; all {kind}s together earned {_money(review, mean)}.",
                    {"name": row["name"], "gpm_minor": row["gpm_minor"], "mean_gpm_minor": mean, "paid": row["paid"],
                     "views": row["views"]},
                )  # fmt: skip


def _late_dispatch(review: Review, run: Run) -> Iterator[Found]:
    found, own = review["late_dispatch"], run.scenario.dispatch.thresholds.ldr_at_most
    limit = LDR_LIMIT if own is None else own
    if found["orders_due"] >= LEAST_ORDERS and (found["ldr_share"] or 0) > limit:
        top = found["causes"][0]
        where = f" at {top['warehouse']}" if top["warehouse"] else ""
        yield (
            found["orders_late"],
            f"The late dispatch rate is {percent(found['ldr_share'])}, above {percent(limit)}: "
            f"{count(top['orders'])} of {plural(found['orders_late'], 'late order')} were {LATE_CAUSES[top['cause']]}"
            f"{where}. Pick-ups were full {count(run.metrics['parcels']['carried_over'])} times for a parcel in time.",
            {**found, "limit_share": limit},
        )


def _late_delivery(review: Review, run: Run) -> Iterator[Found]:
    found, own = review["late_delivery"], run.scenario.dispatch.thresholds.otdr_at_least
    limit = OTDR_LIMIT if own is None else own
    if found["orders_due"] >= LEAST_ORDERS and found["otdr_share"] < limit:
        top = max(found["causes"], key=lambda row: row["orders"])
        yield (
            found["orders_late"],
            f"{percent(found['otdr_share'])} of orders came on time, below {percent(limit)}: "
            f"{count(top['orders'])} of {count(found['orders_late'])} late ones {DELIVERY_CAUSES[top['cause']]}.",
            {key: found[key] for key in ("orders_due", "orders_late", "otdr_share", "causes")},
        )


def _late_region(review: Review, _: Run) -> Iterator[Found]:
    found = review["late_delivery"]
    rows = found["by_region"]
    for row in rows if len(rows) > 1 else ():
        due, late = found["orders_due"] - row["orders_due"], found["orders_late"] - row["orders_late"]
        share = row["orders_late"] / row["orders_due"] if row["orders_due"] else 0.0
        if due and share > max(2 * late / due, 0.1) and _stands_out(row["orders_late"], row["orders_due"], late / due):
            yield (
                row["orders_late"],
                f"{percent(share)} of orders to {row['region']} came late, elsewhere {percent(late / due)}: promise "
                "more days there, or ship from nearer.",
                {**row, "elsewhere_share": late / due},
            )


def _returns(review: Review, _: Run) -> Iterator[Found]:
    rows = [row for row in review["returns"] if row["by"] == "category"]
    for row in rows if len(rows) > 1 else ():
        others = [each for each in rows if each is not row]
        delivered, back = (sum(each[key] for each in others) for key in ("delivered", "returned"))
        own = row["returned"] / row["delivered"]
        if delivered and own > 1.5 * back / delivered and _stands_out(row["returned"], row["delivered"],
                                                                      back / delivered):  # fmt: skip
            yield (
                row["refunded_minor"],
                f"{percent(own)} of delivered {row['name']} come back, of the rest {percent(back / delivered)}: "
                f"{_money(review, row['refunded_minor'])} refunded and {_money(review, row['return_cost_minor'])} "
                "spent on returns.",
                row,
            )


def _unpaid(review: Review, run: Run) -> Iterator[Found]:
    total = review["totals"]
    refused = sum(row["carts"] for row in review["stockouts"])
    share = total["expired"] / total["placed"] if total["placed"] else 0.0
    if share > 0.05 and refused >= LEAST_ORDERS:
        window = duration(run.scenario.payment.hold_window_us)
        yield (
            total["expired"],
            f"{percent(share)} of placed orders were never paid and kept their units for {window} each, while "
            f"{plural(refused, 'cart')} found nothing left: a shorter hold would free them sooner.",
            {"expired": total["expired"], "placed": total["placed"], "carts_refused": refused},
        )


def _engine(review: Review, _: Run) -> Iterator[Found]:
    total = review["totals"]
    if total["failed"] >= LEAST_ORDERS and total["failed"] > 0.001 * total["going"]:
        each = total["gmv_minor"] / total["paid"] if total["paid"] else 0
        yield (
            total["failed"],
            f"{plural(total['failed'], 'buyer')} ({percent(total['failed'] / total['going'])} of those at checkout) "
            f"gave up because the engine was full, slow or down; an order is worth {_money(review, each)} on average.",
            {"failed": total["failed"], "going": total["going"], "gmv_per_order_minor": each},
        )


def _repeat(review: Review, _: Run) -> Iterator[Found]:
    found = review["repeat_refusals"]
    again, refused = found["buyers_twice_or_more"], found["buyers_refused"]
    if again >= LEAST_ORDERS and again > 0.05 * refused:
        yield (
            again,
            f"{plural(again, 'buyer')} of {count(refused)} who were refused met that twice or more; "
            f"{count(found['of_them_never_ordered'])} of them never ordered.",
            found,
        )


RULES = (
    Rule("sold out", "at least 30 carts found a SKU sold out", _sold_out),
    Rule("deal sold out", "a flash deal turned away 30 units or more, and at least a tenth of its own", _deal_sold_out),
    Rule("stock left", "more than half of a SKU is left, and its cost is over 1 % of GMV", _stock_left),
    Rule("loses money", "a content, listing or region of at least 30 orders leaves less than nothing", _loses),
    Rule(
        "weak content",
        "GMV per thousand views under half of its kind's, orders 3 standard errors short of what views like those "
        "brought, 9 or more expected",
        _weak_content,
    ),
    Rule(
        "late dispatch", "late dispatch rate above the policy's limit, else 4 %; 30 orders or more due", _late_dispatch
    ),
    Rule(
        "late delivery",
        "on-time delivery rate below the policy's limit, else 80 %; 30 orders or more due",
        _late_delivery,
    ),
    Rule("late region", "over 10 % late in a region, twice the others and 3 standard errors above", _late_region),
    Rule("returns", "a category comes back 1.5 times as often as the rest, 3 standard errors above", _returns),
    Rule("unpaid", "over 5 % of orders never paid, while 30 carts or more found nothing left", _unpaid),
    Rule("engine", "at least 30 buyers, and one in a thousand, gave up at the engine", _engine),
    Rule("repeat refusals", "at least 30 buyers, and 5 % of those refused, were refused twice or more", _repeat),
)
