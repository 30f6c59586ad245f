"""The Parquet files of a run directory: their columns and types, as docs/run-directory.md tells them."""

from __future__ import annotations

import pyarrow as pa

from sim.operations.money import MONEY_COLUMNS

NAME = pa.dictionary(pa.int32(), pa.string())

ORDERS: dict[str, pa.DataType] = {
    "order": pa.int32(),
    "arrived_us": pa.int64(),
    "content": NAME,
    "region": NAME,
    "sku": NAME,
    "lines": pa.int16(),
    "quantity": pa.int32(),
    "buyer": pa.int32(),
    "deal": pa.int16(),
    "method": NAME,
    "state": NAME,
    "reason": NAME,
    "first_refusal": NAME,
    "second": pa.bool_(),
    "refused_line": pa.int8(),
    "first_refused_sku": NAME,
    "first_refused_units": pa.int32(),
    "second_sku": NAME,
    "refused_sku": NAME,
    "refused_units": pa.int32(),
    "late": pa.bool_(),
    "placed_us": pa.int64(),
    "pay_due_us": pa.int64(),
    "paid_us": pa.int64(),
    "confirm_due_us": pa.int64(),
    "confirmed_us": pa.int64(),
    "closed_us": pa.int64(),
    "delivered_us": pa.int64(),
    "dispatch_due_us": pa.int64(),
    "deliver_due_us": pa.int64(),
    "promised_us": pa.int64(),
    "allocated_us": pa.int64(),
    "checkout_response_us": pa.int32(),
    "payment_response_us": pa.int32(),
    "confirmation_response_us": pa.int32(),
    "queue_full": pa.uint8(),
    "timed_out": pa.uint8(),
    "declined": pa.uint8(),
    "crashed": pa.uint8(),
    "parcels": pa.uint8(),
    **{f"{name}_minor": pa.int64() for name in MONEY_COLUMNS},
    "gmv_minor": pa.int64(),
    "missed_margin_minor": pa.int64(),
}

PARCELS: dict[str, pa.DataType] = {
    "order": pa.int32(),
    "warehouse": NAME,
    "carrier": NAME,
    "picked_us": pa.int64(),
    "packed_us": pa.int64(),
    "collected_us": pa.int64(),
    "arrived_us": pa.int64(),
    "lost": pa.bool_(),
}

_COUNTS = ("intents", "going", "refused", "failed", "placed", "paid", "confirmed", "cancelled", "queue_peak")
TIMELINE: dict[str, pa.DataType] = {
    "time_s": pa.int32(),
    **dict.fromkeys(_COUNTS, pa.int32()),
    **dict.fromkeys(("checkout_p50_us", "checkout_p99_us", "payment_p99_us", "confirmation_p99_us"), pa.int32()),
}

TIMELINE_CONTENT: dict[str, pa.DataType] = {
    "time_s": pa.int32(),
    "content": NAME,
    **dict.fromkeys(("intents", "placed", "paid"), pa.int32()),
    "gmv_minor": pa.int64(),
}

VIEWERS: dict[str, pa.DataType] = {"time_s": pa.int32(), "content": NAME, "viewers": pa.float64()}

AUDIENCE: dict[str, pa.DataType] = {"time_s": pa.int32(), "content": NAME, "views": pa.float64()}

PAGES: dict[str, pa.DataType] = {
    "time_s": pa.int32(),
    **dict.fromkeys(("content", "region", "sku"), NAME),
    **dict.fromkeys(("views", "refreshes", "quotes"), pa.int32()),
}

STOCK: dict[str, pa.DataType] = {
    "time_s": pa.int32(),
    "sku": NAME,
    "on_hand_units": pa.int64(),
    "available_units": pa.int64(),
}

HOURS: dict[str, pa.DataType] = {
    "time_s": pa.int32(),
    "warehouse": NAME,
    **dict.fromkeys(("picked", "packed", "collected", "arrived", "lost"), pa.int32()),
}

PICKUPS: dict[str, pa.DataType] = {
    "time_us": pa.int64(),
    "warehouse": NAME,
    "carrier": NAME,
    "local_date": pa.string(),
    "capacity": pa.int32(),
    "collected": pa.int32(),
}

PURCHASES: dict[str, pa.DataType] = {
    "ordered_us": pa.int64(),
    **dict.fromkeys(("sku", "warehouse"), NAME),
    **dict.fromkeys(("units", "due_us"), pa.int64()),
    "emergency": pa.bool_(),
}

SKUS: dict[str, pa.DataType] = {
    "sku": NAME,
    "category": NAME,
    **dict.fromkeys(
        (
            *("price_minor", "cost_minor", "units_wanted", "units_placed", "units_paid", "gross_minor"),
            *("initial_units", "received_units", "restocked_units", "shipped_units", "on_hand_units"),
            "available_units",
        ),
        pa.int64(),
    ),
}

CONTENTS: dict[str, pa.DataType] = {
    "content": NAME,
    "kind": NAME,
    **dict.fromkeys(("intents", "going", "placed", "refused", "paid", "gmv_minor", "captured_minor"), pa.int64()),
}

FILES: dict[str, dict[str, pa.DataType]] = {
    "orders.parquet": ORDERS,
    "parcels.parquet": PARCELS,
    "timeline.parquet": TIMELINE,
    "timeline_content.parquet": TIMELINE_CONTENT,
    "viewers.parquet": VIEWERS,
    "audience.parquet": AUDIENCE,
    "pages.parquet": PAGES,
    "stock.parquet": STOCK,
    "hours.parquet": HOURS,
    "pickups.parquet": PICKUPS,
    "purchases.parquet": PURCHASES,
    "skus.parquet": SKUS,
    "contents.parquet": CONTENTS,
}
