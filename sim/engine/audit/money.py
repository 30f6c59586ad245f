"""What the audit asks of money: one capture an order, the books in balance, nothing refunded twice or kept."""

from __future__ import annotations

from sim.engine.audit.check import Check, count, name
from sim.orders.entities import PackageStatus, PaymentStatus
from sim.orders.money import BUYERS, PLATFORM, PPM, SUSPENSE
from sim.orders.states import State
from sim.orders.stock import Phase

_PAID = ", ".join(str(state.value) for state in State if state not in (State.NONE, State.UNPAID, State.CANCELLED))
_CAPTURED = PaymentStatus.CAPTURED.value
_RETURNED = PaymentStatus.RETURNED.value

#: What a line's phase must be, by the state of its order.
_PHASES: dict[State, tuple[Phase, ...]] = {
    State.UNPAID: (Phase.HELD,),
    State.ON_HOLD: (Phase.COMMITTED,),
    State.AWAITING_SHIPMENT: (Phase.COMMITTED,),
    State.PARTIALLY_SHIPPING: (Phase.COMMITTED, Phase.SHIPPED),
    State.AWAITING_COLLECTION: (Phase.COMMITTED,),
    State.IN_TRANSIT: (Phase.SHIPPED,),
    State.DELIVERED: (Phase.SHIPPED,),
    State.COMPLETED: (Phase.SHIPPED,),
    State.CANCELLED: (Phase.RELEASING, Phase.RELEASED, Phase.SHIPPED),  # shipped: lost on the way
}


def capture_checks() -> tuple[Check, ...]:
    """The checks of M1 and M4."""
    fitting = " OR ".join(
        f"(o.state = {state.value} AND l.phase IN ({', '.join(str(phase.value) for phase in phases)}))"
        for state, phases in _PHASES.items()
    )
    return (
        Check(
            "M1",
            count("orders"),
            "SELECT o.id AS id, 'captures ' || COALESCE(p.number, 0) || ' of ' || COALESCE(p.amount, 0) || "
            f"', order says ' || o.captured_minor || ' of ' || o.total_minor || ', ' || {name(State, 'o.state')} "
            "AS found FROM orders AS o LEFT JOIN (SELECT order_id, COUNT(*) AS number, SUM(amount_minor) AS amount, "
            f"MIN(currency) AS currency FROM payments WHERE status = {_CAPTURED} GROUP BY order_id) AS p "
            "ON p.order_id = o.id WHERE COALESCE(p.number, 0) > 1 OR COALESCE(p.amount, 0) <> o.captured_minor "
            "OR (p.number = 1 AND (p.amount <> o.total_minor OR p.currency <> o.currency)) "
            f"OR (p.number IS NULL AND (o.state IN ({_PAID}) OR o.paid_us > 0))",
        ),
        Check(
            "M1",
            count("orders"),
            "SELECT o.id AS id, 'total ' || o.total_minor || ', lines say ' || l.amount AS found FROM orders AS o "
            "JOIN (SELECT order_id, SUM(quantity * price_minor) AS amount FROM order_lines GROUP BY order_id) AS l "
            "ON l.order_id = o.id WHERE o.total_minor <> l.amount",
        ),
        *(
            Check(
                "M4",
                count(table),
                f"SELECT t.order_id AS id, '{table} ' || t.id || ' of an order that is not there' AS found "
                f"FROM {table} AS t "
                "WHERE NOT EXISTS (SELECT 1 FROM orders AS o WHERE o.id = t.order_id)",
            )
            for table in ("payments", "refunds", "transfers")
        ),
        Check(
            "M4",
            count("order_lines"),
            f"SELECT l.order_id AS id, 'line ' || l.line_no || ' is ' || {name(Phase, 'l.phase')} || ', the order ' "
            f"|| COALESCE({name(State, 'o.state')}, 'missing') AS found FROM order_lines AS l "
            f"LEFT JOIN orders AS o ON o.id = l.order_id WHERE o.id IS NULL OR NOT ({fitting})",
        ),
        Check(
            "M4",
            count("orders"),
            "SELECT o.id AS id, 'no lines' AS found FROM orders AS o "
            "WHERE NOT EXISTS (SELECT 1 FROM order_lines AS l WHERE l.order_id = o.id)",
        ),
    )


#: What each order's buyer paid and got back by payments and refunds (`told`), and by transfers (`moved`).
_TOLD = f"""
SELECT order_id, currency, amount_minor AS told, 0 AS moved FROM payments WHERE status IN ({_CAPTURED}, {_RETURNED})
UNION ALL SELECT order_id, currency, -amount_minor, 0 FROM refunds
UNION ALL SELECT order_id, currency, 0, CASE WHEN debit = '{BUYERS}' THEN amount_minor ELSE 0 END
  - CASE WHEN credit = '{BUYERS}' THEN amount_minor ELSE 0 END FROM transfers
"""
#: What each account but the buyers' gained by each order.
_GAINED = f"""
SELECT order_id, credit AS account, amount_minor AS amount FROM transfers WHERE credit <> '{BUYERS}'
UNION ALL SELECT order_id, debit, -amount_minor FROM transfers WHERE debit <> '{BUYERS}'
"""
#: What each account should have got of each order's capture, and what it got.
_CREDITED = f"""
WITH sold AS MATERIALIZED (
  SELECT l.order_id, l.shop_id, l.amount, (2 * l.amount * s.commission_ppm + {PPM}) / {2 * PPM} AS part FROM (
    SELECT order_id, shop_id, CAST(SUM(quantity * price_minor) AS BIGINT) AS amount FROM order_lines
    GROUP BY order_id, shop_id) AS l
  JOIN orders AS o ON o.id = l.order_id AND o.captured_minor > 0 JOIN shops AS s ON s.id = l.shop_id)
SELECT order_id, 'merchant:' || shop_id AS account, amount - part AS due, 0 AS got FROM sold
UNION ALL SELECT order_id, '{PLATFORM}', part, 0 FROM sold
UNION ALL SELECT order_id, credit, 0, amount_minor FROM transfers
  WHERE debit = '{BUYERS}' AND credit <> '{SUSPENSE}'
"""


def book_checks() -> tuple[Check, ...]:
    """The checks of M2."""
    return (
        Check(
            "M2",
            count("transfers"),
            "SELECT order_id AS id, currency || ': paid less refunded ' || told || ', transfers say ' || moved "
            f"AS found FROM (SELECT order_id, currency, SUM(told) AS told, SUM(moved) AS moved FROM ({_TOLD}) AS t "
            "GROUP BY order_id, currency) AS sums WHERE told <> moved",
        ),
        Check(
            "M2",
            "SELECT COUNT(DISTINCT currency) FROM transfers",
            "SELECT currency AS id, 'paid less refunded ' || told || ', transfers say ' || moved AS found "
            f"FROM (SELECT currency, SUM(told) AS told, SUM(moved) AS moved FROM ({_TOLD}) AS each_one "
            "GROUP BY currency) AS sums WHERE told <> moved",
        ),
        Check(
            "M2",
            count("transfers"),
            "SELECT order_id AS id, account || ' ends at ' || amount AS found FROM (SELECT order_id, account, "
            f"SUM(amount) AS amount FROM ({_GAINED}) AS each_one GROUP BY order_id, account) AS sums "
            f"WHERE amount < 0 OR (account = '{SUSPENSE}' AND amount <> 0)",
        ),
        Check(
            "M2",
            count("orders"),
            "SELECT order_id AS id, account || ' was credited ' || got || ', its part is ' || due AS found FROM ("
            f"SELECT order_id, account, SUM(due) AS due, SUM(got) AS got FROM ({_CREDITED}) AS each_one "
            "GROUP BY order_id, account) AS sums WHERE due <> got",
        ),
    )


#: What the goods cost that should have replaced others and were cancelled or lost, by the order that paid for them.
_NOT_REPLACED = f"""
SELECT r.replaces_id AS id, SUM(l.quantity * (SELECT MAX(p.price_minor) FROM order_lines AS p
  WHERE p.order_id = r.replaces_id AND p.sku_id = l.sku_id)) AS amount
FROM orders AS r JOIN order_lines AS l ON l.order_id = r.id LEFT JOIN packages AS k ON k.id = l.package_id
WHERE r.replaces_id > 0 AND (r.state = {State.CANCELLED.value} OR k.status = {PackageStatus.LOST.value})
GROUP BY r.replaces_id
"""


def refund_checks() -> tuple[Check, ...]:
    """The checks of M3 and O4."""
    return (
        Check(
            "M3",
            count("refunds"),
            f"SELECT p.order_id AS id, 'payment ' || p.id || ' of ' || p.amount_minor || ' ' || "
            f"{name(PaymentStatus, 'p.status')} || ', refunded ' || r.amount AS found FROM payments AS p "
            "JOIN (SELECT payment_id, SUM(amount_minor) AS amount FROM refunds GROUP BY payment_id) AS r "
            f"ON r.payment_id = p.id WHERE r.amount > p.amount_minor OR p.status NOT IN ({_CAPTURED}, {_RETURNED})",
        ),
        Check(
            "M3",
            count("orders"),
            "SELECT o.id AS id, 'captured ' || o.captured_minor || ', refunded ' || o.refunded_minor || "
            "', refunds say ' || COALESCE(r.amount, 0) AS found FROM orders AS o LEFT JOIN (SELECT f.order_id, "
            "SUM(f.amount_minor) AS amount FROM refunds AS f JOIN payments AS p ON p.id = f.payment_id "
            f"WHERE p.status = {_CAPTURED} GROUP BY f.order_id) AS r ON r.order_id = o.id "
            "WHERE COALESCE(r.amount, 0) <> o.refunded_minor OR o.refunded_minor > o.captured_minor",
        ),
        Check(
            "O4",
            f"SELECT COUNT(*) FROM payments WHERE status = {_RETURNED}",
            "SELECT p.order_id AS id, 'payment ' || p.id || ' of ' || p.amount_minor || ' came too late, refunded ' || "
            "COALESCE(r.amount, 0) AS found FROM payments AS p LEFT JOIN (SELECT payment_id, "
            "SUM(amount_minor) AS amount FROM refunds GROUP BY payment_id) AS r ON r.payment_id = p.id "
            f"WHERE p.status = {_RETURNED} AND COALESCE(r.amount, 0) <> p.amount_minor",
        ),
        Check(
            "O4",
            f"SELECT COUNT(*) FROM orders WHERE state = {State.CANCELLED.value}",
            "SELECT id, 'cancelled; captured ' || captured_minor || ', refunded ' || refunded_minor AS found "
            f"FROM orders WHERE state = {State.CANCELLED.value} AND captured_minor <> refunded_minor",
        ),
        Check(
            "O4",
            "SELECT COUNT(*) FROM orders WHERE replaces_id > 0",
            "SELECT w.id AS id, 'goods of ' || COALESCE(w.amount, 0) || ' were not replaced, refunded ' || "
            f"COALESCE(o.refunded_minor, 0) AS found FROM ({_NOT_REPLACED}) AS w LEFT JOIN orders AS o ON o.id = w.id "
            "WHERE o.id IS NULL OR (o.refunded_minor < o.captured_minor AND o.refunded_minor < w.amount)",
        ),
    )
