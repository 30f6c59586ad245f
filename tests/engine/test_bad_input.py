"""Bad input over real HTTP, on both stores: a problem with a stable code, and nothing changed."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sim.engine.auth import development_key
from sim.engine.problems import HTTP_PROBLEMS, status_of
from sim.engine.stores.pgserver import PrivatePostgres
from sim.engine.webhooks.signatures import secret_of, signed_headers
from sim.orders.events import Refusal
from sim.orders.placing import MAX_TOTAL_MINOR
from tests.engine.databases import Database, PostgresDatabase, SqliteDatabase, admin
from tests.engine.process import Heard, Running, running
from tests.engine.rig import run
from tests.engine.served import SECRET

PLACE = "/v1/orders"
PRICE = {"unit_price": {"amount": "9999999999", "currency": "GBP"}}
WHOLE = b'{"buyer_id":"a","lines":[{"sku_id":"1","quantity":1}]}'
HUGE = b'{"buyer_id":"' + b"x" * 300_000 + b'"}'
DEEP = b'{"id":"deep","type":"x","data":{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}}"


def cart(quantity: Any = 1, sku_id: Any = "<mug>", **more: Any) -> dict[str, Any]:
    return {"buyer_id": "ann", "lines": [{"sku_id": sku_id, "quantity": quantity}], **more}


def priced(amount: Any, currency: Any = "GBP") -> dict[str, Any]:
    line = {"sku_id": "<mug>", "quantity": 1, "unit_price": {"amount": amount, "currency": currency}}
    return {"buyer_id": "ann", "lines": [line]}


def more_priced() -> dict[str, Any]:
    body = priced("1290")
    body["lines"][0]["unit_price"]["x"] = 1
    return body


def twice_priced(*amounts: str) -> dict[str, Any]:
    return {"buyer_id": "ann", "lines": [line for amount in amounts for line in priced(amount)["lines"]]}


def product(price: Any, **more: Any) -> dict[str, Any]:
    return {"title": "x", "skus": [{"seller_sku": "new", "price": price, **more}]}


def sale(begin: str, end: str, currency: str = "GBP") -> dict[str, Any]:
    return {"sku_id": "<mug>", "activity_price": {"amount": "1", "currency": currency}, "begin": begin, "end": end}


@dataclass
class Case:
    """A request, and the code of the answer that it must get. `<name>` stands for an id of the shop below."""

    name: str
    code: str
    method: str = "POST"
    path: str = PLACE
    body: Any = None
    headers: dict[str, str | bytes] | None = None
    role: str = "admin"


BODIES = (
    Case("cut off", "malformed_json", body=b'{"buyer_id": "ann", "lines": ['),
    Case("no JSON", "malformed_json", body=b"hello"),
    Case("single quotes", "malformed_json", body=b"{'buyer_id': 'ann'}"),
    Case("two values", "malformed_json", body=WHOLE + b" {}"),
    Case("a comment", "malformed_json", body=WHOLE + b" // comment"),
    Case("a byte order mark", "malformed_json", body=b"\xef\xbb\xbf{}"),
    Case("UTF-16", "malformed_json", body='{"buyer_id":"ann"}'.encode("utf-16")),
    Case("Latin-1", "malformed_json", body='{"buyer_id":"Jürgen","lines":[]}'.encode("latin-1")),
    Case("not a number", "malformed_json", body=b'{"buyer_id":"a","lines":[{"sku_id":"1","quantity":NaN}]}'),
    Case("1e999", "invalid", body=b'{"buyer_id":"a","lines":[{"sku_id":"1","quantity":1e999}]}'),
    Case("5,000 digits", "invalid", body=b'{"buyer_id":"a","lines":[{"sku_id":"1","quantity":%b}]}' % (b"9" * 5000)),
    Case("deep where nothing is deep", "invalid", body=b"[" * 60_000),
    Case(
        "a name twice", "malformed_json", body=b'{"buyer_id":"a","buyer_id":"b","lines":[{"sku_id":"1","quantity":1}]}'
    ),
    Case("a name twice, once escaped", "malformed_json", body=rb'{"buyer_id":"a","buyer\u005fid":"b",' + WHOLE[16:]),
    Case(
        "twice in a line", "malformed_json", body=b'{"buyer_id":"a","lines":[{"sku_id":"1","sku_id":"2","quantity":1}]}'
    ),
    Case(
        "twice in an address",
        "malformed_json",
        body=json.dumps(cart()).encode()[:-1] + b',"address":{"a":"1","a":"2"}}',
    ),
    Case("a lone surrogate", "malformed_json", body=rb'{"buyer_id":"\ud800","lines":[{"sku_id":"1","quantity":1}]}'),
    Case("nothing", "invalid", body=b""),
    Case("null", "invalid", body=b"null"),
    Case("a list", "invalid", body=[1]),
    Case("no lines", "invalid", body={"buyer_id": "ann", "lines": []}),
    Case("101 lines", "invalid", body={"buyer_id": "ann", "lines": [{"sku_id": "<mug>", "quantity": 1}] * 101}),
    Case("lines of another type", "invalid", body={"buyer_id": "ann", "lines": "mug"}),
    Case("no buyer", "invalid", body={"lines": cart()["lines"]}),
    Case("an empty buyer", "invalid", body=cart() | {"buyer_id": ""}),
    Case("a buyer of 129 characters", "invalid", body=cart() | {"buyer_id": "x" * 129}),
    Case("a misspelt field", "invalid", body=cart(adress={})),
    Case("a body where none is taken", "invalid", path="/v1/orders/<paid>:confirm", body={"lines": [1]}),
    Case("no JSON where no body is taken", "malformed_json", path="/v1/orders/<paid>:confirm", body=b"yes"),
    Case("an unknown parameter of a step", "invalid_parameter", path="/v1/orders/<paid>:confirm?dry_run=true"),
    Case("too large", "body_too_large", body=HUGE),
    Case(
        "too large, in chunks", "body_too_large", body=[HUGE[start : start + 9000] for start in range(0, 300_000, 9000)]
    ),
)

NO_QUANTITY: tuple[Any, ...] = (0, -1, 1_000_001, 2**63, 2**64, 1.5, "1", True, None, [], {})
NUMBERS = (
    *(Case(f"quantity {quantity}", "invalid", body=cart(quantity)) for quantity in NO_QUANTITY),
    Case(
        "equal lines that are too many together", "invalid", body={"buyer_id": "a", "lines": cart(600_000)["lines"] * 2}
    ),
    Case("quantity times price beyond all measure", "invalid", body=cart(1_000_000, "<dear>")),
    Case("more than there is", "insufficient_stock", body=cart(11)),
    Case("an unknown SKU", "unknown_sku", body=cart(1, "5")),
    Case("a SKU with a sign", "invalid", body=cart(1, "-5")),
    Case("a SKU of 19 digits", "invalid", body=cart(1, "9" * 19)),
    Case("a SKU in other digits", "invalid", body=cart(1, "١٢٣")),
    Case("a SKU as a number", "invalid", body=cart(1, 5)),
    Case("an unknown promotion", "deal_closed", body=cart(promotion_id="5")),
    Case("another price", "price_changed", body=priced("1289")),
    Case("a stale price before the right one", "price_changed", body=twice_priced("1", "1290")),
    Case("a stale price after the right one", "price_changed", body=twice_priced("1290", "1")),
    Case("the price in another currency", "price_changed", body=priced("1290", "EUR")),
    Case("a price with a point", "invalid", body=priced("12.90")),
    Case("a negative price", "invalid", body=priced("-1290")),
    Case("a price as a number", "invalid", body=priced(1290)),
    Case("a price that ends with a line feed", "invalid", body=priced("1290\n")),
    Case("a currency that ends with a line feed", "invalid", body=priced("1290", "GBP\n")),
    Case("a SKU that ends with a line feed", "invalid", body=cart(1, "<mug>\n")),
    Case("a price with more than an amount and a currency", "invalid", body=more_priced()),
    Case("a currency in small letters", "invalid", body=priced("1290", "gbp")),
    Case("an unknown SKU in a quote", "unknown_sku", path="/v1/checkout/quotes", body={"lines": cart(1, "5")["lines"]}),
    Case(
        "two currencies in a quote",
        "currency_mismatch",
        path="/v1/checkout/quotes",
        body={"lines": [*cart()["lines"], *cart(1, "<foreign>")["lines"]]},
    ),
    Case(
        "two currencies in a cart",
        "currency_mismatch",
        body={"buyer_id": "a", "lines": [*cart()["lines"], *cart(1, "<foreign>")["lines"]]},
    ),
    Case(
        "a product for nothing",
        "invalid",
        path="/v1/shops/<shop>/products",
        body=product({"amount": "0", "currency": "GBP"}),
    ),
    Case(
        "a product's price that ends with a line feed",
        "invalid",
        path="/v1/shops/<shop>/products",
        body=product({"amount": "5\n", "currency": "GBP"}),
    ),
    Case(
        "a shop's currency that ends with a line feed",
        "invalid",
        path="/v1/shops",
        body={"name": "x", "currency": "GBP\n"},
    ),
    Case(
        "a product in two currencies",
        "currency_mismatch",
        path="/v1/shops/<shop>/products",
        body={
            "title": "x",
            "skus": [{"seller_sku": word, "price": {"amount": "1", "currency": word}} for word in ("GBP", "EUR")],
        },
    ),
    Case(
        "negative units",
        "invalid",
        path="/v1/shops/<shop>/products",
        body=product({"amount": "1", "currency": "GBP"}, on_hand=-1),
    ),
    Case(
        "a name of another product",
        "duplicate",
        path="/v1/shops/<shop>/products",
        body={"title": "x", "skus": [{"seller_sku": "mug", "price": {"amount": "1", "currency": "GBP"}}]},
    ),
    Case(
        "units taken that are not there",
        "below_reserved",
        path="/v1/skus/<mug>/inventory-adjustments",
        body={"delta": -11},
    ),
    Case("units beyond all measure", "invalid", path="/v1/skus/<mug>/inventory-adjustments", body={"delta": 2**62}),
    Case(
        "a sale in another currency",
        "currency_mismatch",
        path="/v1/promotions",
        body=sale("2030-01-01T00:00:00Z", "2030-01-02T00:00:00Z", "EUR"),
    ),
    Case(
        "a sale that ends before it begins",
        "invalid",
        path="/v1/promotions",
        body=sale("2030-01-02T00:00:00Z", "2030-01-01T00:00:00Z"),
    ),
    Case(
        "a sale before 1970",
        "invalid",
        path="/v1/promotions",
        body=sale("1969-01-01T00:00:00Z", "2030-01-01T00:00:00Z"),
    ),
    Case(
        "a sale until the year 10000",
        "invalid",
        path="/v1/promotions",
        body=sale("2030-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00"),
    ),
    Case("a sale at no time", "invalid", path="/v1/promotions", body=sale("2030-02-30T00:00:00Z", "tomorrow")),
    Case(
        "a sale without a time zone",
        "invalid",
        path="/v1/promotions",
        body=sale("2030-01-01T00:00:00", "2030-01-02T00:00:00"),
    ),
)

NUL = "a\0b"
TEXTS = (
    Case("NUL in a buyer", "invalid", body=cart() | {"buyer_id": NUL}),
    Case("NUL in a creator", "invalid", body=cart(attribution={"creator_id": NUL})),
    Case("NUL in an address", "invalid", body=cart(address={"city": NUL})),
    Case("NUL in a way to pay", "invalid", path="/v1/orders/<unpaid>/payments", body={"method": NUL}),
    Case("NUL in a carrier", "invalid", path="/v1/orders/<paid>/packages", body={"carrier": NUL}),
    Case("NUL in a tracking number", "invalid", path="/v1/orders/<paid>/packages", body={"tracking_number": NUL}),
    Case("NUL in a reason", "invalid", path="/v1/orders/<unpaid>/cancellations", body={"reason": NUL}),
    Case("NUL in a shop", "invalid", path="/v1/shops", body={"name": NUL, "currency": "GBP"}),
    Case(
        "NUL in a seller's SKU",
        "invalid",
        path="/v1/shops/<shop>/products",
        body={"title": "x", "skus": [{"seller_sku": NUL, "price": {"amount": "1", "currency": "GBP"}}]},
    ),
    Case("NUL in a URL", "invalid", path="/v1/webhook-endpoints", body={"url": "https://example.com/" + NUL}),
    Case("NUL in a path", "not_found", "GET", "/v1/orders/%00"),
    Case("NUL in a query", "invalid_parameter", "GET", "/v1/orders?buyer_id=%00"),
    Case("NUL in the name of a SKU that is looked for", "invalid_parameter", "GET", "/v1/skus?seller_sku=a%00b"),
    Case("an address that is no URL", "invalid", path="/v1/webhook-endpoints", body={"url": "ftp://example.com"}),
    Case(
        "a secret that is none",
        "invalid",
        path="/v1/webhook-endpoints",
        body={"url": "https://example.com", "secret": "x"},
    ),
)

STATES = (
    Case("confirming what is not paid", "illegal_transition", path="/v1/orders/<unpaid>:confirm"),
    Case("packing what is not confirmed", "illegal_transition", path="/v1/orders/<paid>/packages", body={}),
    Case("returning what did not arrive", "illegal_transition", path="/v1/orders/<paid>/returns", body={}),
    Case("paying twice", "already_paid", path="/v1/orders/<paid>/payments", body={}),
    Case("paying what is cancelled", "order_cancelled", path="/v1/orders/<cancelled>/payments", body={}),
    Case("cancelling twice", "illegal_transition", path="/v1/orders/<cancelled>/cancellations", body={}),
    Case(
        "refunding more than was paid",
        "refund_exceeds_captured",
        path="/v1/orders/<paid>/refunds",
        body={"amount": {"amount": "1291", "currency": "GBP"}},
    ),
    Case(
        "refunding nothing",
        "invalid",
        path="/v1/orders/<paid>/refunds",
        body={"amount": {"amount": "0", "currency": "GBP"}},
    ),
    Case(
        "refunding in another currency",
        "currency_mismatch",
        path="/v1/orders/<paid>/refunds",
        body={"amount": {"amount": "1", "currency": "EUR"}},
    ),
    Case(
        "collecting what is not ready",
        "illegal_transition",
        path="/v1/packages/<package>/tracking-events",
        body={"status": "COLLECTED"},
    ),
    Case(
        "tracking a parcel to nowhere", "invalid", path="/v1/packages/<package>/tracking-events", body={"status": "ATE"}
    ),
    Case(
        "tracking a parcel to what ends with a line feed",
        "invalid",
        path="/v1/packages/<package>/tracking-events",
        body={"status": "COLLECTED\n"},
    ),
    Case("an unknown order", "not_found", path="/v1/orders/5:confirm"),
    Case("an unknown parcel", "not_found", path="/v1/packages/5:ship"),
    Case("an order that is no number", "not_found", "GET", "/v1/orders/abc"),
    Case("an order in other digits", "not_found", "GET", "/v1/orders/%D9%A1"),
    Case("ending a show that has not begun", "not_live", path="/v1/live-rooms/<room>:end"),
)

HEADERS = (
    Case("no key", "unauthorized", role="", body=cart()),
    Case("an unknown key", "unauthorized", body=cart(), headers={"authorization": "Bearer dev-nobody-key-0000"}),
    Case("another scheme", "unauthorized", body=cart(), headers={"authorization": "Basic dev-admin-key-0000"}),
    Case("a key of odd bytes", "unauthorized", body=cart(), headers={"authorization": b"Bearer \xff\xfe"}),
    Case("a merchant who buys", "forbidden", role="merchant", body=cart()),
    Case("a buyer who confirms", "forbidden", role="buyer", path="/v1/orders/<paid>:confirm"),
    Case("a buyer who audits", "forbidden", "GET", "/v1/audit/invariants", role="buyer"),
    Case("no Idempotency-Key", "key_missing", body=cart(), headers={"idempotency-key": ""}),
    Case("an Idempotency-Key of 256 characters", "malformed", body=cart(), headers={"idempotency-key": "k" * 256}),
    Case("an Idempotency-Key of odd bytes", "malformed", body=cart(), headers={"idempotency-key": b"k\xff"}),
    Case("a key with another body", "key_reused", body=cart(2), headers={"idempotency-key": "cart-unpaid"}),
    Case("text", "unsupported_media_type", body=cart(), headers={"content-type": "text/plain"}),
    Case(
        "a form", "unsupported_media_type", body=b"a=b", headers={"content-type": "application/x-www-form-urlencoded"}
    ),
    Case(
        "another JSON", "unsupported_media_type", body=cart(), headers={"content-type": "application/json-patch+json"}
    ),
    Case("packed JSON", "malformed_json", body=b"\x1f\x8b\x08", headers={"content-encoding": "gzip"}),
    Case(
        "no If-Match of a bag",
        "precondition_required",
        "PUT",
        "/v1/live-rooms/<room>/shopping-bag",
        {"product_ids": []},
    ),
    Case(
        "a stale If-Match of a bag",
        "version_changed",
        "PUT",
        "/v1/live-rooms/<room>/shopping-bag",
        {"product_ids": []},
        {"if-match": '"7"'},
    ),
    Case(
        "a stale If-Match of a pin",
        "version_changed",
        "PUT",
        "/v1/live-rooms/<room>/pinned-product",
        {"product_id": None},
        {"if-match": '"7"'},
    ),
    Case("no If-Match", "precondition_required", "PUT", "/v1/skus/<mug>/inventory", {"on_hand": 99}),
    Case(
        "a stale If-Match", "version_changed", "PUT", "/v1/skus/<mug>/inventory", {"on_hand": 99}, {"if-match": '"1"'}
    ),
    Case(
        "an If-Match without quotes", "malformed", "PUT", "/v1/skus/<mug>/inventory", {"on_hand": 99}, {"if-match": "1"}
    ),
    Case("a weak If-Match", "malformed", "PUT", "/v1/skus/<mug>/inventory", {"on_hand": 99}, {"if-match": 'W/"1"'}),
    Case(
        "an If-Match of no version",
        "version_changed",
        "PUT",
        "/v1/skus/<mug>/inventory",
        {"on_hand": 99},
        {"if-match": '"0"'},
    ),
    Case(
        "a stale If-Match of a price",
        "version_changed",
        "PATCH",
        "/v1/skus/<mug>",
        {"price": {"amount": "1", "currency": "GBP"}},
        {"if-match": '"7"'},
    ),
    Case(
        "a price in another currency",
        "currency_mismatch",
        "PATCH",
        "/v1/skus/<mug>",
        {"price": {"amount": "1", "currency": "EUR"}},
        {"if-match": "*"},
    ),
    Case(
        "fewer units than are reserved",
        "below_reserved",
        "PUT",
        "/v1/skus/<mug>/inventory",
        {"on_hand": 0},
        {"if-match": "*"},
    ),
    Case("an unknown route", "no_such_route", "GET", "/v1/nothing"),
    Case("a slash too many", "no_such_route", "GET", "/v1/orders/"),
    Case("an unknown verb", "method_not_allowed", "POST", "/v1/orders/<paid>:eat"),
    Case("another method", "method_not_allowed", "DELETE", "/v1/orders"),
    Case("a method of nobody's", "method_not_allowed", "PROPFIND", "/v1/orders"),
    *(
        Case(f"?{query}", "invalid_parameter", "GET", f"/v1/orders?{query}")
        for query in (
            "limit=0",
            "limit=501",
            "limit=x",
            "limit=1&limit=2",
            "page_token=-1",
            "status=EATEN",
            "foo=1",
            "updated_after=yesterday",
            "updated_after=5",
            "updated_after=2026-13-01T00:00:00Z",
            "&".join(f"a{n}=" for n in range(30)),
        )
    ),
)

CASES = (*BODIES, *NUMBERS, *TEXTS, *STATES, *HEADERS)


class Shop:
    """A running engine with a little of everything in it; ids by name."""

    def __init__(self, engine: Running, database: Database) -> None:
        self.engine = engine
        self.database = database
        self.ids = ids = {"shop": engine.made("/v1/shops", {"name": "shop", "currency": "GBP"})["id"]}
        skus = [("mug", "1290", 10), ("dear", "9999999999", 1_000_000)]
        ids["mug"], ids["dear"] = (self._sku(ids["shop"], "GBP", *sku) for sku in skus)
        foreign = engine.made("/v1/shops", {"name": "foreign", "currency": "EUR"})["id"]
        ids["foreign"] = self._sku(foreign, "EUR", "foreign", "500", 10)
        ids["unpaid"] = self._order("cart-unpaid")
        ids["paid"], ids["packed"], ids["cancelled"] = (self._order() for _ in range(3))
        for order in ("paid", "packed"):
            assert self.tell(order_id=ids[order]).json == {"received": True, "changed": True}
        engine.made(f"/v1/orders/{ids['packed']}:confirm")
        ids["package"] = engine.made(f"/v1/orders/{ids['packed']}/packages", {})["id"]
        engine.made(f"/v1/orders/{ids['cancelled']}/cancellations", {})
        room = {"shop_id": ids["shop"], "title": "show"}
        ids["room"] = engine.made("/v1/live-rooms", room)["id"]

    def _sku(self, shop: str, currency: str, name: str, price: str, on_hand: int) -> str:
        sku = {"seller_sku": name, "price": {"amount": price, "currency": currency}, "on_hand": on_hand}
        return str(self.engine.made(f"/v1/shops/{shop}/products", {"title": name, "skus": [sku]})["skus"][0]["id"])

    def _order(self, key: str = "") -> str:
        headers = {"idempotency-key": key} if key else {}
        body = {"buyer_id": "ann", "lines": [{"sku_id": self.ids["mug"], "quantity": 1}]}
        return str(self.engine.made(PLACE, body, **headers)["id"])

    def tell(self, path: str = "psp", age_s: float = 0, secret: str = SECRET, event: str = "", **data: Any) -> Heard:
        """Tell as the payment provider that an order was paid."""
        known = {"payment_id": "c" + str(data.get("order_id")), "amount": "1290", "currency": "GBP"}
        told = {"id": event or f"e{data}", "type": "payment.captured", "data": known | data}
        return self.tell_raw(json.dumps(told).encode(), path, age_s, secret)

    def tell_raw(self, body: bytes, path: str = "psp", age_s: float = 0, secret: str = SECRET, kind: str = "") -> Heard:
        """Tell anything, signed as the payment provider signs."""
        signed = signed_headers(secret, "message", int(time.time() - age_s), body)
        signed |= {"content-type": kind} if kind else {}
        return self.engine.ask("POST", f"/v1/payment-webhooks/{path}", body, signed, role="")

    def filled(self, text: str) -> str:
        for name, number in self.ids.items():
            text = text.replace(f"<{name}>", number)
        return text

    def send(self, case: Case) -> Heard:
        body = case.body
        if isinstance(body, bytes):
            body = self.filled(body.decode("latin-1")).encode("latin-1")
        elif body is not None and not (isinstance(body, list) and isinstance(body[0], bytes)):
            body = self.filled(json.dumps(body)).encode()
        return self.engine.ask(case.method, self.filled(case.path), body, case.headers, role=case.role)

    def state(self) -> list[tuple[Any, ...]]:
        """What tells of any change: the size of every table but that of keys, versions, units."""
        tables = ("shops", "products", "skus", "rooms", "deals", "orders", "order_lines", "payments", "refunds")
        more = ("packages", "cancellations", "returns", "events", "transfers", "stock_moves", "endpoints")
        parts = [f"SELECT '{name}', COUNT(*), 0 FROM {name}" for name in (*tables, *more, "provider_events")]
        parts += [
            f"SELECT 'versions of {name}', SUM(version), 0 FROM {name}"
            for name in ("products", "skus", "stocks", "rooms")
        ]
        parts.append("SELECT 'units', SUM(on_hand), SUM(held + committed) FROM stocks")
        parts.append("SELECT 'releasing', SUM(releasing), 0 FROM stocks")
        found: list[list[tuple[Any, ...]]] = []

        async def main() -> None:
            found.append(await self.database.run(" UNION ALL ".join(parts)))

        run(main())
        return sorted(found[0])

    def _settled(self) -> list[tuple[Any, ...]]:
        """The state once the sweep has put all units back that orders have let go."""
        deadline = time.monotonic() + 10
        while ("releasing", 0, 0) not in (state := self.state()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return state

    @contextlib.contextmanager
    def unchanged(self) -> Iterator[None]:
        before = self._settled()
        yield
        assert self.state() == before


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("bad_input")
    database: Database = SqliteDatabase(folder / "engine.sqlite3")
    place = str(folder / "engine.sqlite3")
    if request.param == "postgres":
        server: PrivatePostgres = request.getfixturevalue("postgres_server")
        run(admin(server.url, ["CREATE DATABASE bad_input"]))
        place = server.url.replace("/postgres?", "/bad_input?")
        database = PostgresDatabase(place)
    with running(folder, "--store", request.param, "--database", place) as engine:
        yield Shop(engine, database)
        audit = engine.ask("GET", "/v1/audit/invariants").json
        assert audit["clean"], [one for one in audit["invariants"] if one["violations"]]
    if request.param == "postgres":
        run(admin(server.url, ["DROP DATABASE bad_input WITH (FORCE)"]))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_is_told_by_a_stable_code_and_changes_nothing(shop: Shop, case: Case) -> None:
    with shop.unchanged():
        heard = shop.send(case)
    assert heard.code == case.code, heard.body
    known = HTTP_PROBLEMS[case.code][0] if case.code in HTTP_PROBLEMS else status_of(Refusal(case.code))
    assert heard.status == known


def test_an_illegal_transition_tells_what_would_be_legal(shop: Shop) -> None:
    told = shop.engine.ask("POST", f"/v1/orders/{shop.ids['unpaid']}:confirm").json
    assert (told["from"], told["to"]) == ("UNPAID", "AWAITING_SHIPMENT")
    assert "ON_HOLD" in told["allowed"]
    parcel = f"/v1/packages/{shop.ids['package']}/tracking-events"
    told = shop.engine.ask("POST", parcel, {"status": "COLLECTED"}).json
    assert (told["from"], told["to"], told["allowed"]) == ("PROCESSING", "COLLECTED", ["READY"])


def test_a_wrong_method_tells_the_right_ones(shop: Shop) -> None:
    assert shop.engine.ask("DELETE", "/v1/orders").headers["allow"] == "GET, HEAD, POST"
    assert shop.engine.ask("GET", "/v1/shops", role="").headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", [PLACE, "/v1/orders/5", "/v1/nothing", "/v1/shops/%22%5C%C3%BC", "/v1/orders/7:eat"])
def test_a_problem_tells_of_which_path_it_is(shop: Shop, path: str) -> None:
    assert shop.engine.ask("POST", path, {}).json["instance"] == path


def test_an_error_points_to_where_it_is(shop: Shop) -> None:
    (error,) = shop.engine.ask("POST", PLACE, {"buyer_id": "a", "lines": [{"sku_id": "1", "quantity": -1}]}).json[
        "errors"
    ]
    assert error["pointer"] == "/lines/0/quantity"
    (error,) = shop.engine.ask("POST", PLACE, cart(1, shop.ids["mug"], address={"city": 5})).json["errors"]
    assert error["pointer"] == "/address"


def test_an_error_points_to_a_line_where_it_was_sent(shop: Shop) -> None:
    dear = cart(1, shop.ids["dear"])["lines"]
    for lines, place in (
        ([*dear, *dear, *cart(11, shop.ids["mug"])["lines"]], 2),
        ([*dear, *cart(1, "5")["lines"], *dear, *cart(1, "5")["lines"]], 1),
    ):
        (error,) = shop.engine.ask("POST", PLACE, {"buyer_id": "ann", "lines": lines}).json["errors"]
        assert error["pointer"] == f"/lines/{place}"


def test_equal_lines_are_one_line_and_one_of_them_may_name_the_price(shop: Shop) -> None:
    lines = cart(1, shop.ids["dear"])["lines"]
    for both in ([*lines, {**lines[0], **PRICE}], [{**lines[0], **PRICE}, *lines], [{**lines[0], **PRICE}] * 2):
        order = shop.engine.made(PLACE, {"buyer_id": "ann", "lines": both})
        (line,) = shop.engine.ask("GET", f"{PLACE}/{order['id']}").json["lines"]
        assert (line["quantity"], order["total"]["amount"]) == (2, "19999999998")
        shop.engine.made(f"{PLACE}/{order['id']}/cancellations", {})


def test_a_body_with_its_names_in_another_order_is_the_same(shop: Shop) -> None:
    body = cart(1, shop.ids["dear"], address={"city": "Leeds", "street": "1 Mill"})
    other = {name: body[name] for name in reversed(body)} | {"address": {"street": "1 Mill", "city": "Leeds"}}
    first, again = (shop.engine.ask("POST", PLACE, one, {"idempotency-key": "order"}) for one in (body, other))
    assert (first.status, again.status, again.json) == (201, 201, first.json)
    changed = body | {"address": {"city": "1 Mill", "street": "Leeds"}}
    assert shop.engine.ask("POST", PLACE, changed, {"idempotency-key": "order"}).code == "key_reused"
    shop.engine.made(f"{PLACE}/{first.json['id']}/cancellations", {})


def test_a_body_that_cannot_be_right_uses_no_key_up(shop: Shop) -> None:
    key = {"idempotency-key": "unspent"}
    assert shop.engine.ask("POST", PLACE, cart(0, shop.ids["dear"]), key).code == "invalid"
    order = shop.engine.ask("POST", PLACE, cart(1, shop.ids["dear"]), key)
    assert (order.status, order.headers.get("idempotent-replayed")) == (201, None)
    shop.engine.made(f"{PLACE}/{order.json['id']}/cancellations", {})


@pytest.mark.parametrize("age_s", [301, -301, 10**9])
def test_a_webhook_signed_at_another_time_is_not_believed(shop: Shop, age_s: float) -> None:
    with shop.unchanged():
        assert shop.tell(age_s=age_s, order_id=shop.ids["unpaid"]).code == "stale_timestamp"


def test_a_webhook_that_is_signed_wrongly_is_not_believed(shop: Shop) -> None:
    order_id = shop.ids["unpaid"]
    with shop.unchanged():
        assert shop.tell(secret=secret_of(b"x" * 32), order_id=order_id).code == "bad_signature"
        body = json.dumps({"id": "e", "type": "payment.captured", "data": {"order_id": order_id}}).encode()
        right = signed_headers(SECRET, "message", int(time.time()), body)
        for name in right:
            for value in ("", "x", "99999999999999999999", b"\xff\xff"):
                heard = shop.engine.ask("POST", "/v1/payment-webhooks/psp", body, right | {name: value}, role="")
                assert heard.code == "bad_signature", (name, value)
        other = shop.engine.ask("POST", "/v1/payment-webhooks/psp", body + b" ", right, role="")
        assert other.code == "bad_signature"


@pytest.mark.parametrize(
    "data",
    [
        {"order_id": "x"},
        {"order_id": "1" * 19},
        {"payment_id": NUL},
        {"payment_id": ""},
        {"payment_id": "p" * 256},
        {"amount": "-1"},
        {"amount": "9" * 16},
        {"amount": 1290},
        {"amount": "1290\n"},
        {"currency": "pounds"},
    ],
    ids=str,
)
def test_a_signed_webhook_with_bad_data_is_told(shop: Shop, data: dict[str, Any]) -> None:
    with shop.unchanged():
        heard = shop.tell(**{"order_id": shop.ids["unpaid"], **data})
    assert (heard.status, heard.code) == (400, "malformed")


NO_EVENTS = (
    (b"", "malformed"),
    (b"[]", "malformed"),
    (b"null", "malformed"),
    (b'{"id":"","type":"payment.captured"}', "malformed"),
    (b'{"id":"e"}', "malformed"),
    (b'{"id":"e","type":"payment.captured"}', "malformed"),
    (b'{"id":"e","type":"refund.succeeded","data":{"order_id":"1","refund_id":"99999999999999999999"}}', "malformed"),
    (b"{", "malformed_json"),
    (b"\xff", "malformed_json"),
    (DEEP, "malformed_json"),
)


@pytest.mark.parametrize(("body", "code"), NO_EVENTS, ids=[str(body[:40]) for body, _code in NO_EVENTS])
def test_who_signs_what_is_no_event_is_told_so_and_who_has_not_signed_only_that(
    shop: Shop, body: bytes, code: str
) -> None:
    with shop.unchanged():
        heard = shop.tell_raw(body)
        assert (heard.status, heard.code) == (400, code)
        unsigned = shop.engine.ask("POST", "/v1/payment-webhooks/psp", body, role="")
        assert (unsigned.status, unsigned.code) == (401, "bad_signature")


def test_a_signed_event_of_an_unknown_type_is_taken_and_one_that_is_not_json_by_its_header_is_not(shop: Shop) -> None:
    body = b'{"id":"e-odd","type":"dispute.opened","data":{"whatever":[]}}'
    with shop.unchanged():
        assert shop.tell_raw(body).json == {"received": True, "changed": False}
        assert shop.tell_raw(body, kind="text/plain").code == "unsupported_media_type"
        assert (
            shop.engine.ask("POST", "/v1/payment-webhooks/psp", body, {"content-type": "text/plain"}, role="").code
            == "bad_signature"
        )


def test_a_provider_may_have_a_query_in_its_webhooks_address(shop: Shop) -> None:
    unsigned = shop.engine.ask("POST", "/v1/payment-webhooks/psp?attempt=2", b"{}", role="")
    assert (unsigned.status, unsigned.code) == (401, "bad_signature")
    heard = shop.tell("psp?attempt=2&attempt=%00" + "&a=b" * 30, order_id=shop._order())
    assert (heard.status, heard.json) == (200, {"received": True, "changed": True})


def test_a_webhook_s_own_id_and_provider_are_checked_too(shop: Shop) -> None:
    with shop.unchanged():
        assert shop.tell(event=NUL, order_id=shop.ids["unpaid"]).code == "malformed"
        assert shop.tell("a%00b", order_id=shop.ids["unpaid"]).code == "not_found"
        assert shop.tell("a/b", order_id=shop.ids["unpaid"]).code == "not_found"


def test_a_capture_in_another_currency_pays_nothing_and_goes_back(shop: Shop) -> None:
    order_id = shop._order()
    assert shop.tell(order_id=order_id, currency="EUR").status == 200
    assert shop.engine.ask("GET", f"/v1/orders/{order_id}").json["status"] == "UNPAID"
    (refund,) = shop.engine.ask("GET", f"/v1/orders/{order_id}/refunds").json["items"]
    assert refund["amount"] == {"amount": "1290", "currency": "EUR"}


def test_the_dearest_order_that_is_can_be_paid(shop: Shop) -> None:
    sku = shop._sku(shop.ids["shop"], "GBP", "gold", "1000000", 1_000_000)
    order = shop.engine.made(PLACE, cart(1_000_000, sku))
    assert order["total"]["amount"] == str(MAX_TOTAL_MINOR)
    assert shop.tell(order_id=order["id"], amount=str(MAX_TOTAL_MINOR)).json == {"received": True, "changed": True}
    assert shop.engine.ask("GET", f"{PLACE}/{order['id']}").json["status"] == "ON_HOLD"


def test_strange_but_good_texts_are_kept_as_they_are(shop: Shop) -> None:
    buyer = "Ünïcode 日本語 👩‍👩‍👧 \u202e \x7f '; DROP TABLE orders; --"
    body = {"buyer_id": buyer, "lines": [{"sku_id": shop.ids["mug"], "quantity": 1}], "address": {"ü": "\u2028\uffff"}}
    order = shop.engine.made(PLACE, body)
    read = shop.engine.ask("GET", f"/v1/orders/{order['id']}").json
    assert (read["buyer_id"], read["address"]) == (buyer, body["address"])
    shop.engine.made(f"/v1/orders/{order['id']}/cancellations", {})


def exchange(shop: Shop, sent: bytes, *, then_close: bool = False) -> bytes:
    """Send bytes and return what comes until the engine closes or is silent."""
    with socket.create_connection(shop.engine.address, timeout=2) as connection:
        connection.sendall(sent)
        if then_close:
            connection.shutdown(socket.SHUT_WR)
        heard = b""
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while part := connection.recv(65536):
                heard += part
                if b"\r\n\r\n" in heard and not then_close:
                    break
        return heard


def head(shop: Shop, *lines: str, path: str = PLACE, role: str = "buyer") -> bytes:
    known = ("host: x", f"authorization: Bearer {development_key(role)}", "content-type: application/json")
    return "\r\n".join([f"POST {shop.filled(path)} HTTP/1.1", *known, *lines, "", ""]).encode()


def test_a_body_that_is_cut_off_changes_nothing(shop: Shop) -> None:
    whole = json.dumps({"buyer_id": "a", "lines": [{"sku_id": shop.ids["mug"], "quantity": 1}]}).encode()
    with shop.unchanged():
        for length in (0, 1, len(whole) // 2, len(whole) - 1):
            exchange(
                shop,
                head(shop, "idempotency-key: cut", f"content-length: {len(whole)}") + whole[:length],
                then_close=True,
            )
        chunk = b"%x\r\n%b\r\n" % (len(whole), whole)
        exchange(shop, head(shop, "idempotency-key: cut", "transfer-encoding: chunked") + chunk, then_close=True)
    heard = shop.engine.ask("POST", PLACE, whole, {"idempotency-key": "cut"})
    assert heard.status == 201
    assert "idempotent-replayed" not in heard.headers
    shop.engine.made(f"{PLACE}/{heard.json['id']}/cancellations", {})


@pytest.mark.parametrize("length", [0, 1])
def test_a_request_whose_body_never_came_is_not_taken_for_one_that_says_nothing(shop: Shop, length: int) -> None:
    order_id, key = shop._order(), f"never-{length}"
    path = f"{PLACE}/{order_id}/cancellations"
    cut = head(shop, f"idempotency-key: {key}", "content-length: 60", path=path, role="admin")
    exchange(shop, cut + b"{" * length, then_close=True)
    again = shop.engine.ask("POST", path, {"reason": "too dear"}, {"idempotency-key": key})
    assert again.status == 201, again.body
    assert "idempotent-replayed" not in again.headers


def test_a_client_that_has_sent_all_that_it_will_gets_its_answer(shop: Shop) -> None:
    for path, body in (("/v1/checkout/quotes", b'{"lines":[]}'), (PLACE, b"{}")):
        whole = head(shop, "idempotency-key: half", f"content-length: {len(body)}", path=path) + body
        assert exchange(shop, whole, then_close=True).startswith(b"HTTP/1.1 422")


def test_what_is_no_http_is_refused_and_the_engine_lives_on(shop: Shop) -> None:
    with shop.unchanged():
        for sent in (
            b"hello\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00",
            b"GET / HTTP/9.9\r\n\r\n",
            head(shop, "content-length: -5"),
            head(shop, "content-length: 5", "transfer-encoding: chunked") + b"0\r\n\r\n",
            head(shop, "transfer-encoding: chunked") + b"zz\r\n",
        ):
            assert exchange(shop, sent).startswith(b"HTTP/1.1 400"), sent
    assert shop.engine.ask("GET", "/readyz").status == 200


def test_a_key_s_requests_are_limited_and_told_when_to_come_again(tmp_path: Path) -> None:
    options = ("--database", str(tmp_path / "engine.sqlite3"), "--rate-limit", "5")
    with running(tmp_path, *options) as engine:
        heard = [engine.ask("GET", "/v1/shops", role="buyer") for _ in range(12)]
        limited = [one for one in heard if one.status == 429]
        assert {one.status for one in heard} == {200, 429}
        assert {one.code for one in limited} == {"rate_limited"}
        assert all(int(one.headers["retry-after"]) >= 1 for one in limited)
        assert engine.ask("GET", "/v1/shops", role="merchant").status == 200, "another key has a limit of its own"
        assert engine.ask("GET", "/healthz", role="").status == 200
