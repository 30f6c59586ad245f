"""The shop's own books, in SQLite: other words for states, decimal money, order numbers such as A-17."""

from __future__ import annotations

import sqlite3
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

_TABLES = """
CREATE TABLE articles (code TEXT PRIMARY KEY, price TEXT, delivered INTEGER, available INTEGER);
CREATE TABLE purchases (
  number TEXT PRIMARY KEY, token TEXT UNIQUE, remark TEXT, customer TEXT, state TEXT, to_pay TEXT, accepted INTEGER);
CREATE TABLE positions (number TEXT, code TEXT, pieces INTEGER);
CREATE TABLE bookings (id TEXT PRIMARY KEY, number TEXT, amount TEXT, returned TEXT);
"""


class Refusal(Exception):
    """A correct no; carries the shop's word for it."""


class Books:
    """All that the shop knows. One thing at a time: the shop is small."""

    def __init__(self, database: Path, fault: str = "") -> None:
        self._db = sqlite3.connect(database, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(_TABLES)
        self._lock = threading.Lock()
        self._fault = fault

    def reset(self, articles: list[dict[str, Any]]) -> None:
        """Forget everything and sell these."""
        with self._lock:
            for table in ("articles", "purchases", "positions", "bookings"):
                self._db.execute(f"DELETE FROM {table}")
            rows = [(one["code"], one["price"], one["pieces"], one["pieces"]) for one in articles]
            self._db.executemany("INSERT INTO articles VALUES (?, ?, ?, ?)", rows)

    def article(self, code: str) -> dict[str, Any] | None:
        """An article."""
        row = self._db.execute("SELECT code, price, available FROM articles WHERE code = ?", (code,)).fetchone()
        return dict(zip(("code", "price", "available"), row, strict=True)) if row else None

    def submit(self, token: str, customer: str, remark: str, basket: dict[str, int]) -> dict[str, Any]:
        """Make a purchase of a basket; the same token again finds it."""
        with self._lock:
            known = self._db.execute("SELECT number, to_pay FROM purchases WHERE token = ?", (token,)).fetchone()
            if known is not None:
                return {"orderNumber": known[0], "toPay": known[1], "again": True}
            total = Decimal(0)
            for code, pieces in basket.items():
                article = self.article(code)
                if article is None or (article["available"] < pieces and self._fault != "oversell"):
                    raise Refusal("NOT_ENOUGH")
                total += Decimal(article["price"]) * pieces
            count = self._db.execute("SELECT COUNT(*) FROM purchases").fetchone()[0]
            number = f"A-{count + 1}"
            self._db.execute("BEGIN")
            values = (number, token, remark, customer, "RESERVED", str(total), 0)
            self._db.execute("INSERT INTO purchases VALUES (?, ?, ?, ?, ?, ?, ?)", values)
            for code, pieces in basket.items():
                self._db.execute("INSERT INTO positions VALUES (?, ?, ?)", (number, code, pieces))
                self._db.execute("UPDATE articles SET available = available - ? WHERE code = ?", (pieces, code))
            self._db.execute("COMMIT")
            return {"orderNumber": number, "toPay": str(total)}

    def settle(self, number: str) -> str:
        """Take the money of a purchase; returns its state."""
        with self._lock:
            row = self._db.execute("SELECT state, to_pay FROM purchases WHERE number = ?", (number,)).fetchone()
            if row is None or row[0] == "VOID":
                raise Refusal("VOID")
            if row[0] == "RESERVED":
                times = 2 if self._fault == "double_capture" else 1
                for time in range(times):
                    self._db.execute("INSERT INTO bookings VALUES (?, ?, ?, '0')", (f"{number}/{time}", number, row[1]))
                self._db.execute("UPDATE purchases SET state = 'SETTLED' WHERE number = ?", (number,))
            return "SETTLED"

    def accept(self, number: str) -> None:
        """Accept a settled purchase."""
        with self._lock:
            done = self._db.execute(
                "UPDATE purchases SET accepted = 1 WHERE number = ? AND state = 'SETTLED'", (number,)
            ).rowcount
        if not done:
            raise Refusal("NOT_SETTLED")

    def void(self, number: str) -> None:
        """Cancel a purchase, money back."""
        with self._lock:
            state = self._db.execute("SELECT state FROM purchases WHERE number = ?", (number,)).fetchone()
            if state is None or state[0] == "VOID":
                raise Refusal("VOID")
            self._db.execute("UPDATE purchases SET state = 'VOID' WHERE number = ?", (number,))
            self._db.execute("UPDATE bookings SET returned = amount WHERE number = ?", (number,))
            for code, pieces in self._db.execute("SELECT code, pieces FROM positions WHERE number = ?", (number,)):
                self._db.execute("UPDATE articles SET available = available + ? WHERE code = ?", (pieces, code))

    def purchases(self, after: int, most: int) -> list[dict[str, Any]]:
        """A page of purchases with their positions."""
        rows = self._db.execute(
            "SELECT number, remark, customer, state, to_pay, accepted FROM purchases ORDER BY rowid LIMIT ? OFFSET ?",
            (most, after),
        ).fetchall()
        names = ("orderNumber", "remark", "customer", "state", "toPay", "accepted")
        found = [dict(zip(names, row, strict=True)) for row in rows]
        for one in found:
            query = "SELECT code, pieces FROM positions WHERE number = ?"
            one["positions"] = [
                {"code": code, "pieces": pieces} for code, pieces in self._db.execute(query, (one["orderNumber"],))
            ]
        return found

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All of a table."""
        cursor = self._db.execute(f"SELECT * FROM {table}")
        return [dict(zip([column[0] for column in cursor.description], row, strict=True)) for row in cursor]
