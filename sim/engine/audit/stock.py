"""What the audit asks of stocks and deals: whether they are the sums of the orders' lines and of what came and went."""

from __future__ import annotations

from sim.engine.audit.check import Check, count
from sim.orders.stock import Phase

#: Units of each SKU's own stock in the lines of all orders, by the lines' phase.
_UNITS = """
SELECT p.part_id AS sku_id,
  SUM(CASE WHEN l.phase = {held} THEN l.quantity * p.units ELSE 0 END) AS held,
  SUM(CASE WHEN l.phase = {committed} THEN l.quantity * p.units ELSE 0 END) AS committed,
  SUM(CASE WHEN l.phase = {releasing} THEN l.quantity * p.units ELSE 0 END) AS releasing,
  SUM(CASE WHEN l.phase = {shipped} THEN l.quantity * p.units ELSE 0 END) AS shipped
FROM (SELECT sku_id, phase, SUM(quantity) AS quantity FROM order_lines GROUP BY sku_id, phase) AS l
JOIN sku_parts AS p ON p.sku_id = l.sku_id GROUP BY p.part_id
""".format(**{phase.name.lower(): phase.value for phase in Phase})

#: What came of each SKU, and what was shipped of it.
_MOVED = """
SELECT sku_id, SUM(units) AS units,
  SUM(CASE WHEN kind = 'shipped' THEN 0 ELSE units END) AS put_in,
  SUM(CASE WHEN kind = 'shipped' THEN -units ELSE 0 END) AS shipped
FROM stock_moves GROUP BY sku_id
"""


def stock_checks() -> tuple[Check, ...]:
    """The checks of S1, S2 and S3."""
    moved = f"FROM stocks AS s LEFT JOIN ({_MOVED}) AS m ON m.sku_id = s.sku_id"
    both = f"{moved} LEFT JOIN ({_UNITS}) AS u ON u.sku_id = s.sku_id"
    sold = "COALESCE(u.committed, 0) + COALESCE(u.shipped, 0)"
    counted = ("held", "committed", "releasing")
    differs = " OR ".join(f"s.{name} <> COALESCE(u.{name}, 0)" for name in counted)
    says = " || ', ' || ".join(f"'{name} ' || s.{name} || ', lines say ' || COALESCE(u.{name}, 0)" for name in counted)
    return (
        Check(
            "S1",
            count("stocks"),
            f"SELECT s.sku_id AS id, 'put in ' || COALESCE(m.put_in, 0) || ', sold ' || ({sold}) AS found "
            f"{both} WHERE {sold} > COALESCE(m.put_in, 0)",
        ),
        Check(
            "S2",
            count("stocks"),
            "SELECT s.sku_id AS id, 'on hand ' || s.on_hand || ', moves say ' || COALESCE(m.units, 0) AS found "
            f"{moved} WHERE s.on_hand <> COALESCE(m.units, 0)",
        ),
        Check(
            "S2",
            count("stock_moves"),
            "SELECT s.sku_id AS id, 'shipped ' || COALESCE(m.shipped, 0) || ', lines say ' || COALESCE(u.shipped, 0) "
            f"AS found {both} WHERE COALESCE(m.shipped, 0) <> COALESCE(u.shipped, 0)",
        ),
        Check(
            "S3",
            count("order_lines"),
            f"SELECT s.sku_id AS id, {says} AS found FROM stocks AS s LEFT JOIN ({_UNITS}) AS u ON u.sku_id = s.sku_id "
            f"WHERE {differs}",
        ),
        Check(
            "S3",
            count("stocks"),
            "SELECT sku_id AS id, 'on hand ' || on_hand || ', reserved ' || (held + committed + releasing) AS found "
            "FROM stocks WHERE held + committed + releasing > on_hand OR held < 0 OR committed < 0 OR releasing < 0",
        ),
    )


def deal_checks() -> tuple[Check, ...]:
    """The checks of S4."""
    # What was shipped stays used, also when it is lost or comes back.
    live = f"l.deal_id > 0 AND l.phase <> {Phase.RELEASED.value}"
    return (
        Check(
            "S4",
            count("deals"),
            "SELECT d.id AS id, 'used ' || d.used || ', live ' || COALESCE(u.units, 0) || ', limit ' || "
            "d.quantity_limit AS found FROM deals AS d LEFT JOIN (SELECT l.deal_id, SUM(l.quantity) AS units "
            f"FROM order_lines AS l WHERE {live} GROUP BY l.deal_id) AS u ON u.deal_id = d.id "
            "WHERE d.used <> COALESCE(u.units, 0) OR (d.quantity_limit > 0 AND d.used > d.quantity_limit)",
        ),
        Check(
            "S4",
            count("deal_buyers"),
            "SELECT b.deal_id AS id, 'buyer ' || b.buyer_id || ' counts ' || b.counted || ', live ' || b.live || "
            "', limit ' || COALESCE(d.quantity_per_user, 0) AS found FROM (SELECT deal_id, buyer_id, "
            "SUM(counted) AS counted, SUM(live) AS live FROM ("
            "SELECT deal_id, buyer_id, units AS counted, 0 AS live FROM deal_buyers UNION ALL "
            "SELECT l.deal_id, o.buyer_id, 0, l.quantity FROM order_lines AS l JOIN orders AS o ON o.id = l.order_id "
            f"WHERE {live}) AS each_one GROUP BY deal_id, buyer_id) AS b LEFT JOIN deals AS d ON d.id = b.deal_id "
            "WHERE b.counted <> b.live OR (d.quantity_per_user > 0 AND b.counted > d.quantity_per_user)",
        ),
    )
