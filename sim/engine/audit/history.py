"""What the audit asks of keys, events and time: nothing acknowledged is missing, no step is skipped, no order late."""

from __future__ import annotations

from sim.engine.audit.check import Check, count, name
from sim.orders.states import TRANSITIONS, State
from sim.orders.stock import Phase

#: What an answer's `Location` can name, each a table of that name.
_MADE = ("orders", "packages", "cancellations", "returns", "refunds")


def _named(table: str) -> str:
    """The query of the answers that name a row of a table: its `id`, and when the answer was given."""
    place = f"/v1/{table}/"
    # The CAST is outermost: what a CASE gives has no type by which SQLite would look it up.
    return (
        f"SELECT CAST(CASE WHEN location LIKE '{place}%' THEN SUBSTR(location, {len(place) + 1}) END AS BIGINT) "
        f"AS id, created_us FROM idempotency WHERE status = 201 AND location LIKE '{place}%'"
    )


def key_checks(keyed_since_us: int) -> tuple[Check, ...]:
    """The checks of O1 and O2; every order placed after `keyed_since_us` must have its key."""
    keyless = f"k.number IS NULL AND o.replaces_id = 0 AND o.placed_us > {keyed_since_us}"
    return (
        *(
            Check(
                "O1",
                f"SELECT COUNT(*) FROM ({_named(table)}) AS k" if table == "orders" else count(table),
                f"SELECT k.id AS id, 'acknowledged in {table}, and not there' AS found "
                f"FROM ({_named(table)}) AS k LEFT JOIN {table} AS t ON t.id = k.id WHERE t.id IS NULL",
            )
            for table in _MADE
        ),
        # A payment's answer names its order too, but is younger than the order; a checkout's is as old. A key that ran
        # twice leaves an order that no key names: the second answer took the place of the first. Keys are counted
        # before they are joined: SQLite makes an index of that; a plain subquery it would go through for each order.
        Check(
            "O2",
            count("orders"),
            "SELECT o.id AS id, COALESCE(k.number, 0) || ' keys made it' AS found FROM orders AS o LEFT JOIN "
            f"(SELECT id, created_us, COUNT(*) AS number FROM ({_named('orders')}) AS n GROUP BY id, created_us) AS k "
            f"ON k.id = o.id AND k.created_us = o.placed_us WHERE k.number > 1 OR ({keyless})",
        ),
        Check(
            "O2",
            count("idempotency"),
            "SELECT MIN(location) AS id, COUNT(*) || ' answers under one key' AS found FROM idempotency "
            "GROUP BY key HAVING COUNT(*) > 1",
        ),
    )


_LEGAL = " OR ".join(
    f"(from_state = {before.value} AND to_state IN ({', '.join(str(state.value) for state in sorted(after))}))"
    for before, after in TRANSITIONS.items()
    if after
)


def history_checks() -> tuple[Check, ...]:
    """The checks of O3 and E1."""
    steps = f"{name(State, 'from_state')} || ' -> ' || {name(State, 'to_state')}"
    return (
        Check(
            "O3",
            count("events"),
            f"SELECT order_id AS id, 'event ' || order_seq || ': ' || {steps} || CASE WHEN from_state = came_from "
            f"THEN ' is not allowed' ELSE ' follows ' || {name(State, 'came_from')} END AS found FROM ("
            "SELECT order_id, order_seq, from_state, to_state, LAG(to_state, 1, 0) OVER ("
            "PARTITION BY order_id ORDER BY order_seq, seq) AS came_from FROM events WHERE order_id > 0) AS steps "
            f"WHERE from_state <> came_from OR ((from_state <> to_state OR from_state = 0) AND NOT ({_LEGAL}))",
        ),
        Check(
            "O3",
            count("orders"),
            f"SELECT o.id AS id, 'is ' || {name(State, 'o.state')} || ', its last event says ' || "
            f"{name(State, 'e.to_state')} AS found FROM orders AS o "
            "JOIN events AS e ON e.order_id = o.id AND e.order_seq = o.seq WHERE e.to_state <> o.state",
        ),
        Check(
            "E1",
            "SELECT COUNT(DISTINCT order_id) FROM events WHERE order_id > 0",
            "SELECT e.order_id AS id, COALESCE('last number ' || o.seq, 'no order') || ', events ' || e.number || "
            "' from ' || e.low || ' to ' || e.high AS found FROM (SELECT order_id, COUNT(*) AS number, "
            "MIN(order_seq) AS low, MAX(order_seq) AS high FROM events WHERE order_id > 0 GROUP BY order_id) AS e "
            "LEFT JOIN orders AS o ON o.id = e.order_id "
            "WHERE o.id IS NULL OR e.number <> o.seq OR e.low <> 1 OR e.high <> o.seq",
        ),
        Check(
            "E1",
            count("orders"),
            "SELECT o.id AS id, 'no events' AS found FROM orders AS o "
            "WHERE NOT EXISTS (SELECT 1 FROM events AS e WHERE e.order_id = o.id)",
        ),
        Check(
            "E1",
            count("events"),
            "SELECT 'feed' AS id, number || ' events, numbered from ' || low || ' to ' || high AS found "
            "FROM (SELECT COUNT(*) AS number, MIN(seq) AS low, MAX(seq) AS high FROM events) AS e "
            "WHERE low <> 1 OR high <> number",
        ),
    )


def time_checks(late_us: int) -> tuple[Check, ...]:
    """The checks of T1: what should have happened before `late_us`."""
    return (
        Check(
            "T1",
            f"SELECT COUNT(*) FROM orders WHERE state = {State.UNPAID.value}",
            f"SELECT id, 'unpaid, ' || ({late_us} - pay_by_us) || ' us too late' AS found FROM orders "
            f"WHERE state = {State.UNPAID.value} AND pay_by_us < {late_us}",
        ),
        Check(
            "T1",
            f"SELECT COUNT(*) FROM order_lines WHERE phase = {Phase.RELEASING.value}",
            "SELECT o.id AS id, 'line ' || l.line_no || ' still releasing, ' || "
            f"({late_us} - o.closed_us) || ' us too late' AS found FROM order_lines AS l "
            "JOIN orders AS o ON o.id = l.order_id "
            f"WHERE l.phase = {Phase.RELEASING.value} AND o.closed_us < {late_us}",
        ),
    )
