"""Small schedules for tests of the replay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from loadtests.schedule import ARRIVALS, CARTS, LINES, NEVER, Offer, Schedule

#: A cart whose buyer pays and whose merchant confirms 20 ms later each.
PLAIN: dict[str, int] = {
    "lines": 1,
    "deal": -1,
    "content": -1,
    "pay_delay_us": 20_000,
    "confirm_delay_us": 20_000,
}


def schedule_of(arrivals: Sequence[tuple[int, int, int]], carts: Sequence[dict[str, int]]) -> Schedule:
    """A schedule of (due_us, kind, cart) arrivals; carts are PLAIN but for what is given."""
    rows = sorted(arrivals)
    columns: dict[str, Any] = {
        "due_us": [due for due, _, _ in rows],
        "kind": [kind for _, kind, _ in rows],
        "cart": [cart for _, _, cart in rows],
        "sku": [0] * len(rows),
        "quantity": [1] * len(rows),
    }
    made = [{"number": 100 + at, "first_line": at, "buyer": at, **PLAIN, **cart} for at, cart in enumerate(carts)]
    return Schedule(
        {name: np.array(columns[name], kind) for name, kind in ARRIVALS.items()},
        {name: np.array([cart.get(name, 0) for cart in made], kind) for name, kind in CARTS.items()},
        {name: np.ones(len(made), kind) for name, kind in LINES.items()},
        [Offer("pen", "pen", "corner shop", 100, "GBP", 1000)] * 2,
    )


def even_schedule(rate_per_s: float, seconds: float, kind: int, **cart: int) -> Schedule:
    """Arrivals of one kind at even distances, each of a cart of its own."""
    count = round(rate_per_s * seconds)
    return schedule_of(
        [(round(at * 1e6 / rate_per_s), kind, at) for at in range(count)],
        [{"pay_delay_us": NEVER, **cart}] * count,
    )
