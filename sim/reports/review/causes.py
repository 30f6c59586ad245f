"""Why parcels left or came late, why orders ended, who was refused again and what was taken instead."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from sim.arrays import Flags, Ints
from sim.operations.punctuality import DISPATCHED_BY
from sim.orders.states import REFUSALS
from sim.reports.review.facts import CANCELS, Facts
from sim.reports.run_files import NONE
from sim.scenario.tables import sku_table

LATE_CAUSES = {
    "waited for stock": "without stock until after the deadline",
    "confirmed late": "not confirmed before the deadline",
    "packed late": "confirmed in time, not picked and packed",
    "pick-up full": "packed in time, but a pick-up before the deadline was full",
    "no pick-up": "packed in time, but the last pick-up before the deadline had gone",
}
DELIVERY_CAUSES = {
    "lost": "had a parcel lost by the carrier",
    "dispatched late": "left late",
    "on the road": "left in time, but were too long on the road",
}
_MOST_PAIRS = 20
Row = dict[str, Any]


class Lateness:
    """Which orders left late and which came late, judged as the late dispatch and on-time delivery rates are."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        orders, size = facts.orders, len(facts.orders["paid_us"])
        self.kept: Flags = facts.paid & (orders["late"] != 1)
        self.kept &= ~facts.labels("state").where("CANCELLED") | facts.reason("LOST")
        self.packed_us = facts.parcels.last("packed_us", size)
        event = DISPATCHED_BY[facts.run.scenario.dispatch.event]
        dispatched_us = facts.parcels.last(event, size)
        dropped = facts.reason("AUTO_CANCELLED")
        due_us = np.where(orders["dispatch_due_us"] >= 0, orders["dispatch_due_us"], np.iinfo(np.int64).max)
        self.due_us: Ints = due_us
        done = (dispatched_us >= 0) & (orders["parcels"] > 0)
        table = facts.parcels.columns
        tardy = np.zeros(size, np.bool_)
        tardy[table["order"][table[event] > due_us[table["order"]]]] = True
        past = due_us < facts.horizon_us
        self.due: Flags = (self.kept & (done | tardy | past)) | dropped
        self.late: Flags = (self.kept & (tardy | (~done & past))) | dropped
        self._judge_delivery()

    def _judge_delivery(self) -> None:
        orders = self.facts.orders
        promised_us = np.where(orders["deliver_due_us"] >= 0, orders["deliver_due_us"], np.iinfo(np.int64).max)
        delivered = orders["delivered_us"] >= 0
        self.lost = self.facts.parcels.any("lost", len(delivered))
        self.promised: Flags = self.kept & (delivered | self.lost | (promised_us < self.facts.horizon_us))
        in_time = delivered & (orders["delivered_us"] <= promised_us)
        self.late_delivery: Flags = self.promised & ~(in_time & ~self.lost)

    @cached_property
    def houses(self) -> Ints:
        """By order the warehouse of its last parcel."""
        return self.facts.parcels.last_warehouse(len(self.due))

    def dispatch(self) -> Row:
        """Orders due and late, and the late ones by cause and warehouse."""
        rows = np.flatnonzero(self.late)
        causes = self._causes(rows)
        names = self.facts.parcels.warehouse.names
        found = Counter(zip(causes, self.houses[rows].tolist(), strict=True))
        due, late = int(self.due.sum()), len(rows)
        return {
            "orders_due": due,
            "orders_late": late,
            "ldr_share": late / due if due else None,
            "causes": [
                {"cause": cause, "warehouse": names[house] if house >= 0 else None, "orders": number}
                for (cause, house), number in sorted(found.items(), key=lambda item: (-item[1], item[0]))
            ],
        }

    def _causes(self, rows: Ints) -> list[str]:
        """The first step that was not done before the deadline, of each late order."""
        due_us = self.due_us[rows]
        confirmed_us, packed_us = self.facts.orders["confirmed_us"][rows], self.packed_us[rows]
        full = self._full_pick_up(rows)
        causes = np.where(full, "pick-up full", "no pick-up")
        causes = np.where((packed_us < 0) | (packed_us > due_us), "packed late", causes)
        causes = np.where((confirmed_us < 0) | (confirmed_us > due_us), "confirmed late", causes)
        promised_us, allocated_us = (self.facts.orders[name][rows] for name in ("promised_us", "allocated_us"))
        waited = (promised_us >= 0) & ((allocated_us < 0) | (allocated_us > due_us))
        return [str(cause) for cause in np.where(waited, "waited for stock", causes)]

    def _full_pick_up(self, rows: Ints) -> Flags:
        """Whether a pick-up of the order's warehouse was full between packing (and cut-off) and deadline."""
        run = self.facts.run
        table, labels = run.numbers("pickups"), run.labels("pickups", "warehouse")
        full = (table["capacity"] >= 0) & (table["collected"] >= table["capacity"])
        found = np.zeros(len(rows), np.bool_)
        for house, name in enumerate(self.facts.parcels.warehouse.names):
            times_us = np.sort(table["time_us"][full & labels.where(name)])
            cut_off_us = next((w.cut_off_us for w in run.scenario.warehouses if w.name == name), 0)
            mine = np.flatnonzero(self.houses[rows] == house)
            ready_us = self.packed_us[rows[mine]] + cut_off_us
            first = np.searchsorted(times_us, ready_us)
            found[mine] = first < np.searchsorted(times_us, self.due_us[rows[mine]], side="right")
        return found

    def delivery(self) -> Row:
        """Orders promised and late, and the late ones by cause."""
        late, due = self.late_delivery, int(self.promised.sum())
        causes = {
            "lost": late & self.lost,
            "dispatched late": late & ~self.lost & self.late,
            "on the road": late & ~self.lost & ~self.late,
        }
        return {
            "orders_due": due,
            "orders_late": int(late.sum()),
            "otdr_share": 1 - int(late.sum()) / due if due else None,
            "causes": [{"cause": cause, "orders": int(flags.sum())} for cause, flags in causes.items() if flags.any()],
        }

    def by_region(self) -> list[Row]:
        """Orders that came late of those promised, by region."""
        labels = self.facts.labels("region")
        return [
            {
                "region": name,
                "orders_due": int(np.count_nonzero(self.promised & (labels.codes == k))),
                "orders_late": int(np.count_nonzero(self.late_delivery & (labels.codes == k))),
            }
            for k, name in enumerate(labels.names)
            if (labels.codes == k).any()
        ]


def returns(facts: Facts) -> list[Row]:
    """Returned and refunded orders of those delivered: by category, by the kind of content, after a second choice."""
    scenario = facts.run.scenario
    sku, content = facts.labels("sku"), facts.labels("content")
    category = {row.name: row.category or "no category" for row in sku_table(scenario)}
    shows = {broadcast.name for broadcast in scenario.programme.broadcasts}
    second = facts.orders["second"] == 1
    splits: list[tuple[str, str, Flags]] = [
        ("category", name, np.isin(sku.codes, [k for k, own in enumerate(sku.names) if category.get(own) == name]))
        for name in dict.fromkeys(category.values())
    ]
    live = np.isin(content.codes, [k for k, name in enumerate(content.names) if name in shows])
    splits += [("bought in", "broadcasts", live), ("bought in", "videos", ~live & (content.codes >= 0))]
    splits += [("choice", "first", ~second), ("choice", "second", second)]
    delivered, back = facts.orders["delivered_us"] >= 0, facts.reason("RETURNED")
    kept = facts.reason("REFUNDED")
    return [
        {
            "by": by,
            "name": name,
            "delivered": int(np.count_nonzero(flags & delivered)),
            "returned": int(np.count_nonzero(flags & back)),
            "refunded_only": int(np.count_nonzero(flags & kept)),
            "refunded_minor": int(facts.orders["refunded_minor"][flags & (back | kept)].sum()),
            "return_cost_minor": int(facts.orders["return_cost_minor"][flags].sum()),
        }
        for by, name, flags in splits
        if (flags & delivered).any()
    ]


def cancels(facts: Facts) -> list[Row]:
    """Placed orders that ended before delivery, by reason, with the hours from placing to the end."""
    rows = []
    for name in ("EXPIRED", *CANCELS, "LOST"):
        flags = facts.reason(name)
        if flags.any():
            waited_us = (facts.orders["closed_us"] - facts.orders["placed_us"])[flags]
            rows.append(
                {
                    "reason": name,
                    "orders": int(flags.sum()),
                    "paid": int((flags & facts.paid).sum()),
                    "refunded_minor": int(facts.orders["refunded_minor"][flags].sum()),
                    "median_wait_us": int(np.sort(waited_us)[(len(waited_us) - 1) // 2]),
                }
            )
    late = int(np.count_nonzero(facts.orders["late"] == 1))
    return rows + (
        [{"reason": "PAID_TOO_LATE", "orders": late, "paid": late, "refunded_minor": _late_refunds(facts),
          "median_wait_us": None}] if late else []
    )  # fmt: skip


def _late_refunds(facts: Facts) -> int:
    return int(facts.orders["refunded_minor"][facts.orders["late"] == 1].sum())


def repeat_refusals(facts: Facts) -> Row:
    """Buyers who were refused twice or more: how many, how often, and how many of them ordered in the end."""
    buyer = facts.orders["buyer"]
    ids, number = np.unique(buyer, return_inverse=True)
    times = np.bincount(number, weights=facts.refusals, minlength=len(ids))
    bought = np.bincount(number, weights=facts.placed, minlength=len(ids)) > 0
    again = times >= 2
    return {
        "buyers_refused": int(np.count_nonzero(times)),
        "buyers_twice_or_more": int(np.count_nonzero(again)),
        "their_refusals": int(times[again].sum()),
        "of_them_never_ordered": int(np.count_nonzero(again & ~bought)),
        "most_refusals_of_a_buyer": int(times.max(initial=0)),
        "buyers_come_again": bool(facts.run.scenario.funnel.buyers),
    }


def second_choices(facts: Facts) -> list[Row]:
    """What was tried in place of what was refused, most frequent first."""
    again = facts.orders["second"] == 1
    refused, taken = facts.labels("first_refused_sku"), facts.labels("second_sku")
    tried = Counter(zip(refused.codes[again].tolist(), taken.codes[again].tolist(), strict=True))
    rows = again & facts.placed
    placed = Counter(zip(refused.codes[rows].tolist(), taken.codes[rows].tolist(), strict=True))
    return [
        {"refused": refused.names[a], "taken": taken.names[b] if b >= 0 else None, "tried": number,
         "placed": placed[a, b]}
        for (a, b), number in sorted(tried.items(), key=lambda item: (-item[1], item[0]))[:_MOST_PAIRS]
    ]  # fmt: skip


def stockouts(facts: Facts, zone: ZoneInfo) -> list[Row]:
    """SKUs that buyers were refused SOLD_OUT or DEAL_SOLD_OUT: when first and last, how often.

    A cart that was refused twice for one reason counts for what it wanted first.
    """
    final, first = facts.labels("reason"), facts.labels("first_refusal")
    wanted, last = facts.labels("first_refused_sku"), facts.labels("refused_sku")
    codes = {name: code for code, name in enumerate(dict.fromkeys((*wanted.names, *last.names)))}
    names, last_codes = list(codes), np.array([*map(codes.__getitem__, last.names), NONE])[last.codes]
    arrived_us, rows = facts.orders["arrived_us"], []
    for name in sorted(reason.name for reason in REFUSALS):
        if not name.endswith("SOLD_OUT"):
            continue
        at_first = first.where(name) & (facts.orders["second"] == 1)
        flags = (final.where(name) & facts.never) | at_first
        sku = np.where(at_first, wanted.codes, last_codes)
        units = np.where(at_first, facts.orders["first_refused_units"], facts.orders["refused_units"])
        for code in np.unique(sku[flags]).tolist():
            mine = flags & (sku == code)
            rows.append(
                {
                    "sku": names[code],
                    "reason": name,
                    "carts": int(mine.sum()),
                    "units": int(units[mine].sum()),
                    "first_local": _local(facts, zone, int(arrived_us[mine].min())),
                    "last_local": _local(facts, zone, int(arrived_us[mine].max())),
                    "lost_minor": int(facts.orders["missed_margin_minor"][mine].sum() * facts.paid_share),
                }
            )
    return sorted(rows, key=lambda row: (-row["carts"], str(row["sku"])))


def _local(facts: Facts, zone: ZoneInfo, time_us: int) -> str:
    moment = facts.run.scenario.start + dt.timedelta(microseconds=time_us)
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"
