"""What the audit asks of keys, events and time: nothing acknowledged is missing, no step is skipped, no order late."""

from __future__ import annotations

from sim.engine.audit_check import Check, count, name
from sim.orders.states import TRANSITIONS, State
from sim.orders.stock import Phase

_PLACE = "/v1/orders/"
#: Keys whose answer names an order, and that order.
_NAMED = (
    f"SELECT CASE WHEN location LIKE '{_PLACE}%' THEN CAST(SUBSTR(location, {len(_PLACE) + 1}) AS BIGINT) END "
    f"AS order_id, created_us FROM idempotency WHERE status = 201 AND location LIKE '{_PLACE}%'"
)


def key_checks() -> tuple[Check, ...]:
    """Return the checks of O1 and O2."""
    return (
        Check(
            "O1",
            f"SELECT COUNT(*) FROM ({_NAMED}) AS k",
            "SELECT k.order_id AS id, 'acknowledged, and not there' AS found "
            f"FROM ({_NAMED}) AS k LEFT JOIN orders AS o ON o.id = k.order_id WHERE o.id IS NULL",
        ),
        # A payment's answer names its order too, but is younger than the order; a checkout's is as old.
        Check(
            "O2",
            count("orders"),
            "SELECT o.id AS id, COUNT(*) || ' keys made it' AS found "
            f"FROM ({_NAMED}) AS k JOIN orders AS o ON o.id = k.order_id AND o.placed_us = k.created_us "
            "GROUP BY o.id HAVING COUNT(*) > 1",
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
    """Return the checks of O3 and E1."""
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
    )


def time_checks(late_us: int) -> tuple[Check, ...]:
    """Return the checks of T1: what should have happened before `late_us`."""
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
