"""The trace: every potential intent of one replication, as columns. The hinge between demand, operations and load.

Two tables. `lines` has one row a line of intent, sorted by time; the buy rows of one cart stand together at one time.
`carts` has one row a cart (an order, if it is placed); cart numbers run 0.. in the order of the buy rows. What a
strategy or an engine does never changes a trace: it only decides which intents go ahead.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arrays import Column

VIEW, REFRESH, QUOTE, BUY = 0, 1, 2, 3
KINDS = ("view", "refresh", "quote", "buy")
NEVER = -1
NOTHING, CANCEL_ON_HOLD, CANCEL_BEFORE_SHIPPING, RETURN, REFUND_ONLY = 0, 1, 2, 3, 4
AFTER = ("nothing", "cancel_on_hold", "cancel_before_shipping", "return", "refund_only")

LINE_COLUMNS: dict[str, str] = {
    "time_us": "i8",  # since the scenario's start
    "kind": "u1",  # index into KINDS
    "cart": "i4",  # cart number; views, refreshes and quotes carry the cart they lead to
    "content": "i2",  # broadcast or video number (scenario.tables.contents), -1 none
    "region": "u1",
    "sku": "i4",
    "quantity": "i2",
    "buyer": "i4",
    "deal": "i2",  # flash deal whose price the buyer wants (scenario.tables.deal_table), -1 none
    "second_sku": "i4",  # taken instead if this line is refused, -1: the buyer leaves
}
CART_COLUMNS: dict[str, str] = {
    "go_u32": "u4",  # the intent goes ahead when this is below its SKU's factor (first line's SKU)
    "checkout_us": "i4",  # worker's time for the checkout request
    "payment_us": "i4",  # worker's time for the payment request
    "confirmation_us": "i4",  # worker's time for the confirmation request
    "pay_delay_us": "i8",  # from the answer to checkout to the first payment try; NEVER: does not pay
    "method": "u1",
    "provider_us": "i4",  # the payment provider's time for one try
    "declines": "u1",  # how many tries are declined before one is approved
    "voucher": "u1",  # 1: the order carries the voucher
    "confirm_work_us": "i4",  # staff time
    "pick_us": "i4",
    "pack_us": "i4",
    "transit_u32": "u4",  # read through the lane's quantile table
    "loss_u32": "u4",  # lost when below the lane's loss threshold
    "after": "u1",  # index into AFTER: what the buyer will want after paying
    "after_u32": "u4",  # when, read through the quantile table of that wish
    "back_u32": "u4",  # transit of a return, read through its quantile table
    "restock": "u1",  # 1: a returned order can be sold again
}


@dataclass(frozen=True)
class Trace:
    """`lines` and `carts` as in LINE_COLUMNS and CART_COLUMNS; `factor_u64[sku]` is the neutral conversion factor.

    An intent goes ahead when `go_u32 < factor_u64[sku of its first line]` (2^32: always). `header` carries scenario
    name, UTC start, seed, replication, currency and format version. Raises ValueError when columns do not fit.
    """

    lines: dict[str, Column]
    carts: dict[str, Column]
    factor_u64: npt.NDArray[np.uint64]
    header: dict[str, Any]

    def __post_init__(self) -> None:
        for table, columns, what in ((self.lines, LINE_COLUMNS, "lines"), (self.carts, CART_COLUMNS, "carts")):
            if list(table) != list(columns):
                raise ValueError(f"trace {what} need exactly the columns {', '.join(columns)}")
            lengths = {len(column) for column in table.values()}
            if len(lengths) > 1:
                raise ValueError(f"trace {what} have columns of different lengths")
            for name, column in table.items():
                if column.dtype != np.dtype(columns[name]):
                    raise ValueError(f"trace column {name} is {column.dtype}, not {columns[name]}")
        times = self.lines["time_us"]
        if len(times) and (np.any(times[1:] < times[:-1]) or times[0] < 0):
            raise ValueError("trace lines are not sorted by time from 0 on")

    @property
    def rows(self) -> int:
        """Number of lines."""
        return len(self.lines["time_us"])

    @property
    def orders(self) -> int:
        """Number of carts."""
        return len(self.carts["go_u32"])

    @cached_property
    def buys(self) -> dict[str, Column]:
        """The buy lines: the columns themselves where there are no other lines, else copies, made once."""
        rows = np.flatnonzero(self.lines["kind"] == BUY)
        if len(rows) == self.rows:
            return self.lines
        return {name: column[rows] for name, column in self.lines.items()}

    def fingerprint(self) -> str:
        """SHA-256 over the canonical little-endian bytes of every column, hex."""
        digest = hashlib.sha256(b"liverush-trace-1")
        for table, columns in ((self.lines, LINE_COLUMNS), (self.carts, CART_COLUMNS)):
            for name, column in table.items():
                digest.update(f"{name}:{len(column)};".encode())
                digest.update(np.ascontiguousarray(column, dtype="<" + columns[name]).data.cast("B"))
        digest.update(np.ascontiguousarray(self.factor_u64, dtype="<u8").tobytes())
        return digest.hexdigest()

    def write(self, directory: Path) -> None:
        """Write `trace-lines.parquet` and `trace-carts.parquet` into an existing directory."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        meta = {b"liverush": json.dumps({**self.header, "factor": self.factor_u64.tolist()}).encode()}
        for name, table in (("lines", self.lines), ("carts", self.carts)):
            arrow = pa.table(table).replace_schema_metadata(meta)
            pq.write_table(arrow, directory / f"trace-{name}.parquet", compression="zstd")


def read_trace(directory: Path) -> Trace:
    """The trace written by `Trace.write`; raises OSError or ValueError."""
    import pyarrow.parquet as pq

    tables: list[dict[str, Column]] = []
    header: dict[str, Any] = {}
    for name, columns in (("lines", LINE_COLUMNS), ("carts", CART_COLUMNS)):
        with pq.ParquetFile(directory / f"trace-{name}.parquet") as file:
            header = json.loads(file.schema_arrow.metadata[b"liverush"])
            tables.append({key: _column(file, key, kind) for key, kind in columns.items()})
    factor = np.array(header.pop("factor"), dtype=np.uint64)
    return Trace(tables[0], tables[1], factor, header)


def _column(file: Any, name: str, kind: str) -> Column:
    """One column of a Parquet file, a row group at a time, so that nothing is held twice."""
    column = np.empty(file.metadata.num_rows, dtype=kind)
    start = 0
    for batch in file.iter_batches(batch_size=1 << 18, columns=[name], use_threads=False):
        column[start : start + len(batch)] = batch.column(0).to_numpy()
        start += len(batch)
    return column
