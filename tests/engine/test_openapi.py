"""The OpenAPI document and the documentation page: whole, and true."""

from __future__ import annotations

import asyncio
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from sim.engine.api import docs, openapi
from sim.engine.api.explanations import EXPLANATIONS, statuses
from sim.engine.api.route import ANYONE
from sim.engine.api.routes import ALL_ROUTES
from sim.engine.problems import TYPE_ROOT
from sim.engine.stores.sqlite import SqliteStore
from tests.engine.client import Client, paid, serving
from tests.engine.test_reading import delivered

SPEC: dict[str, Any] = msgspec.json.decode(openapi.document(ALL_ROUTES))


def operation(method: str, path: str) -> Any:
    return SPEC["paths"][path][method]


def check(method: str, path: str, answer: Any) -> None:
    """Assert that an answer is one that the document knows."""
    match(operation(method, path)["responses"][str(answer.status)], answer)


def match(response: Any, answer: Any) -> None:
    """Assert that an answer is as a response of the document."""
    (media,) = response["content"]
    assert answer.headers["content-type"] == media
    schema = response["content"][media]["schema"]
    validator = jsonschema_rs.Draft202012Validator({**schema, "components": SPEC["components"]})
    assert [error.message for error in validator.iter_errors(answer.json)] == []


def test_the_document_names_every_route_once() -> None:
    ids = [one["operationId"] for methods in SPEC["paths"].values() for one in methods.values()]
    assert len(ids) == len(set(ids)) == len(ALL_ROUTES)


def test_every_reference_in_the_document_leads_somewhere() -> None:
    text = msgspec.json.encode(SPEC).decode()
    for kind, name in set(re.findall(r'"#/components/(\w+)/(\w+)"', text)):
        assert name in SPEC["components"][kind]
    assert "_View_" not in text


def test_every_schema_is_a_json_schema_and_every_pattern_compiles() -> None:
    for schema in SPEC["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)
    for pattern in re.findall(r'"pattern":"((?:[^"\\]|\\.)*)"', msgspec.json.encode(SPEC).decode()):
        plain = msgspec.json.decode(f'"{pattern}"')
        re.compile(plain)
        assert plain.endswith("$"), "JSON Schema's dialect has no other end of a text"


def test_every_operation_tells_who_may_and_what_may_go_wrong() -> None:
    for route in ALL_ROUTES:
        one = operation(route.method.lower(), route.path)
        assert {role for alternative in one["security"] for role in alternative} == route.roles
        expected = {"413", "500", "503"} | ({"401", "429"} if route.roles else set())
        expected |= {"403"} if route.roles and route.roles != ANYONE else set()
        expected |= {"415", "422" if route.bad_body == "invalid" else "400"} if route.body else set()
        expected |= {"409", "422"} if route.idempotent else set()
        expected |= {"412", "428"} if route.if_match else set()
        assert expected <= set(one["responses"])
        names = {parameter["name"] for parameter in one["parameters"]}
        assert ("Idempotency-Key" in names, "If-Match" in names) == (route.idempotent, route.if_match)


def test_waiting_and_replaying_are_told_in_headers() -> None:
    responses = operation("post", "/v1/orders")["responses"]
    assert "Retry-After" in responses["503"]["headers"]
    assert responses["201"]["headers"]["Location"]["required"]
    assert "Location" not in operation("post", "/v1/skus/{sku_id}/inventory-adjustments")["responses"]["201"]["headers"]
    assert "Idempotent-Replayed" in responses["409"]["headers"]
    assert "ETag" in operation("get", "/v1/skus/{sku_id}")["responses"]["200"]["headers"]


def test_whatever_may_be_shed_says_so_and_what_watches_the_engine_is_not() -> None:
    for route in ALL_ROUTES:
        assert ("overloaded" in openapi.problem_codes(route)) == (route.tag != "operating"), route.path


def test_every_problem_of_a_route_is_explained_and_has_an_example_of_its_status() -> None:
    assert set(EXPLANATIONS) == set(statuses())
    for route in ALL_ROUTES:
        for code in openapi.problem_codes(route):
            example = SPEC["components"]["examples"][code]["value"]
            assert example["status"] == statuses()[code]


class Page(HTMLParser):
    """Collects the anchors and links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.add(tag)
        self.ids += [value for key, value in found.items() if key == "id" and value]
        self.links += [value for key, value in found.items() if key in ("href", "src") and value]


def test_the_page_explains_every_problem_where_its_type_points() -> None:
    page = Page(docs.page(ALL_ROUTES).decode())
    assert len(page.ids) == len(set(page.ids))
    for code in statuses():
        assert TYPE_ROOT.partition("#")[2] + code.replace("_", "-") in page.ids
    assert {link.removeprefix("#") for link in page.links if link.startswith("#")} <= set(page.ids)
    assert [link for link in page.links if not link.startswith("#")] == ["/openapi.json"]
    assert not page.tags & {"script", "link", "img", "iframe"}


@pytest.fixture
def client_on(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "engine.sqlite3")


def test_answers_are_as_the_document_says(client_on: SqliteStore) -> None:
    async def main() -> None:
        async with serving(client_on) as client:
            shop = await client.shop()
            sku = await client.sku(shop)
            order = await client.order(sku)
            await client.post(f"/v1/orders/{order}/payments", {})
            await _check_reading(client, {"shop_id": shop, "sku_id": sku, "order_id": order})
            await _check_refusals(client, sku)

    asyncio.run(main())


def test_all_that_was_made_is_where_its_answer_says(client_on: SqliteStore) -> None:
    async def main() -> None:
        async with serving(client_on) as client:
            sku = await client.sku(await client.shop())
            first, second = await client.order(sku), await client.order(sku)
            await paid(client, first)
            await delivered(client, first)
            back = {"amount": {"amount": "1", "currency": "GBP"}}
            made = {
                "/v1/orders/{order_id}/cancellations": await client.post(f"/v1/orders/{second}/cancellations", {}),
                "/v1/orders/{order_id}/refunds": await client.post(f"/v1/orders/{first}/refunds", back),
                "/v1/orders/{order_id}/returns": await client.post(f"/v1/orders/{first}/returns", {}),
            }
            for path, answer in made.items():
                assert answer.status == 201
                check("post", path, answer)
                assert (await client.get(answer.headers["location"])).json == answer.json, path
            adjusted = await client.post(f"/v1/skus/{sku}/inventory-adjustments", {"delta": 1})
            assert (adjusted.status, "location" in adjusted.headers) == (201, False)

    asyncio.run(main())


async def _check_reading(client: Client, known: dict[str, str]) -> None:
    """Read whatever can be read, by ids that exist where there are any."""
    for route in ALL_ROUTES:
        if route.method == "GET" and route.media == "application/json":
            path = re.sub(r"{(\w+)}", lambda match: known.get(match[1], "5"), route.path)
            check("get", route.path, await client.get(path))


async def _check_refusals(client: Client, sku: str) -> None:
    """Ask wrongly in many ways."""
    place = ("post", "/v1/orders")
    body = {"buyer_id": "b", "lines": [{"sku_id": sku, "quantity": 1}]}
    check(*place, await client.post("/v1/orders", body | {"lines": [{"sku_id": sku, "quantity": 99}]}))
    check(*place, await client.post("/v1/orders", {"buyer_id": "b", "lines": []}))
    check(*place, await client.post("/v1/orders", body, idempotency_key=""))
    check(*place, await client.post("/v1/orders", body, role=""))
    check(*place, await client.post("/v1/orders", body, role="psp"))
    check(*place, await client.post("/v1/orders", body, content_type="text/plain"))
    check(*place, await client.call("POST", "/v1/orders", raw=b"{"))
    check(*place, await client.call("POST", "/v1/orders", raw=b" " * 100_000))
    stock = "/v1/skus/{sku_id}/inventory"
    check("put", stock, await client.put(f"/v1/skus/{sku}/inventory", {"on_hand": 1}))
    check("put", stock, await client.put(f"/v1/skus/{sku}/inventory", {"on_hand": 1}, if_match='"99"'))
    check("put", stock, await client.put(f"/v1/skus/{sku}/inventory", {"on_hand": 1}, if_match="W/x"))
    check("put", stock, await client.put("/v1/skus/5/inventory", {"on_hand": 1}, if_match="*"))


def test_the_engine_serves_its_document_and_its_page(client_on: SqliteStore) -> None:
    async def main() -> None:
        async with serving(client_on) as client:
            served = await client.get("/openapi.json", role="")
            assert served.json["openapi"] == "3.1.0"
            assert "/docs" in served.json["paths"]
            page = await client.get("/docs", role="")
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            other = await client.call("DELETE", "/docs")
            assert (other.status, other.code, other.headers["allow"]) == (405, "method_not_allowed", "GET, HEAD")
            match(SPEC["components"]["responses"]["MethodNotAllowed"], other)
            nowhere = await client.get("/nowhere")
            assert nowhere.code == "no_such_route"
            match(SPEC["components"]["responses"]["NoSuchRoute"], nowhere)

    asyncio.run(main())
