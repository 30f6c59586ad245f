"""The served OpenAPI document is held against the served engine: no 5xx, no answer that the document does not know.

Each operation gets what its document allows, and what it does not; mostly with ids that exist, which are collected
from the answers by the document's links, so that operations meet orders, parcels and returns in all their states.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode
from schemathesis.generation.case import Case
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from sim.engine.api.routes import ALL_ROUTES
from sim.engine.auth import development_key
from sim.engine.stores.pgserver import PrivatePostgres
from sim.engine.webhooks.signatures import secret_of, signed_headers
from tests.engine.databases import admin
from tests.engine.process import running
from tests.engine.rig import run
from tests.engine.soak import write_result

_SECRET = secret_of(b"schemathesis signs with this key")
_MODES = {"allowed": GenerationMode.POSITIVE, "not allowed": GenerationMode.NEGATIVE}
#: Made-up keys would be refused before anything else is looked at.
_KEYS_OF_OUR_OWN = SchemathesisConfig.from_dict({"generation": {"with-security-parameters": False}})
#: What must hold of every answer. That good requests succeed is not among them: most depend on what there is.
_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
#: The document itself, which Schemathesis leaves out, and what reads all that the examples have made.
_LEFT_OUT = {"get_openapi", "audit_invariants"}
#: Nobody listens there.
_NOWHERE = "http://127.0.0.1:9/"


@dataclass
class Tried:
    """An engine, its document, and the ids that are known by the names of the parameters that take them."""

    url: str
    schema: Any
    session: requests.Session
    ids: dict[str, list[str]] = field(default_factory=dict)
    heard: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.operations = {
            found.ok().definition.raw["operationId"]: found.ok() for found in self.schema.get_all_operations()
        }

    def attempt(self, case: Case[Any], pick: int) -> None:
        """Send a case, mostly with ids that exist, and hold the answer against the document."""
        if pick % 4:
            self._make_real(case, pick)
        wanted = case.as_transport_kwargs(base_url=self.url)
        request = requests.Request(**wanted)
        request.headers = dict(request.headers or {})
        if pick % 16 != 1:
            request.headers["Authorization"] = f"Bearer {development_key('admin')}"
        prepared = self.session.prepare_request(request)
        body = prepared.body or b""
        if "payment-webhooks" in (prepared.url or "") and pick % 2:
            raw = body if isinstance(body, bytes) else str(body).encode()
            prepared.headers.update(signed_headers(_SECRET, "message", int(time.time()), raw))
        heard = self.session.send(prepared, allow_redirects=False, timeout=30)
        case.validate_response(schemathesis.Response.from_any(heard), checks=_CHECKS)
        self.heard[heard.status_code] += 1
        self._collect(case, heard)

    def _make_real(self, case: Case[Any], pick: int) -> None:
        for name in case.path_parameters or {}:
            known = self.ids.get(name, [])
            if known:
                case.path_parameters[name] = known[pick // 4 % len(known)]
        if isinstance(case.body, dict):
            case.body = self._real(case.body, pick // 4)

    def _real(self, value: Any, pick: int, name: str = "") -> Any:
        """A body with ids that exist where it has ids, and an address to nowhere where it has one."""
        if isinstance(value, dict):
            return {key: self._real(part, pick, key) for key, part in value.items()}
        if isinstance(value, list):
            return [self._real(part, pick + at, name.removesuffix("s")) for at, part in enumerate(value)]
        if name in ("promotion_id", "live_room_id") and pick % 3 and not isinstance(value, str):
            return value
        if name == "url":
            return _NOWHERE
        known = self.ids.get(name, [])
        return known[pick % len(known)] if known and isinstance(value, str) else value

    def _collect(self, case: Case[Any], heard: requests.Response) -> None:
        """Keep the ids that the document's links find in an answer."""
        responses = case.operation.definition.raw["responses"]
        for link in responses.get(str(heard.status_code), {}).get("links", {}).values():
            for name, pointer in link["parameters"].items():
                found: Any = heard.json()
                for part in pointer.partition("#/")[2].split("/"):
                    found = found[int(part) if isinstance(found, list) else part]
                known = self.ids.setdefault(name, [])
                if found not in known:
                    known.append(found)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.soak)])
def tried(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tried]:
    folder = tmp_path_factory.mktemp("schemathesis")
    options = ["--database", str(folder / "engine.sqlite3")]
    if request.param == "postgres":
        server: PrivatePostgres = request.getfixturevalue("postgres_server")
        run(admin(server.url, ["CREATE DATABASE schemathesis"]))
        options = ["--store", "postgres", "--database", server.url.replace("/postgres?", "/schemathesis?")]
    with running(folder, *options, "--psp", LIVERUSH_PSP_SECRET=_SECRET) as engine, requests.Session() as session:
        schema = schemathesis.openapi.from_url(f"{engine.url}/openapi.json", config=_KEYS_OF_OUR_OWN)
        tried = Tried(engine.url, schema, session)
        tried.ids = {"event_id": ["1", "2", "3"], "provider": ["psp"]}
        _fill(tried, engine.made)
        yield tried
        audit = engine.ask("GET", "/v1/audit/invariants").json
        assert audit["clean"], [found for found in audit["invariants"] if found["violations"]]
    if request.config.getoption("markexpr") == "soak" and not request.session.testsfailed:
        _write(tried, request.param)
    if request.param == "postgres":
        run(admin(server.url, ["DROP DATABASE schemathesis WITH (FORCE)"]))


def _write(tried: Tried, store: str) -> None:
    """Keep what a long run came to."""
    write_result(
        f"schemathesis_{store}",
        {
            "command": f"python -m pytest -m soak tests/engine/test_schemathesis.py -k {store}",
            "store": store,
            "operations": len(tried.operations),
            "requests": sum(tried.heard.values()),
            "by_status": {str(status): tried.heard[status] for status in sorted(tried.heard)},
            "answers_that_the_document_does_not_know": 0,
            "audit_clean": True,
        },
    )


def _fill(tried: Tried, made: Any) -> None:
    """Have a shop whose units nobody can buy up, and orders in several states."""
    shop = made("/v1/shops", {"name": "shop", "currency": "GBP"})["id"]
    price = {"amount": "1", "currency": "GBP"}
    skus = [{"seller_sku": name, "price": price, "on_hand": 10**9} for name in ("mug", "cup")]
    product = made(f"/v1/shops/{shop}/products", {"title": "mugs", "skus": skus})
    room = made("/v1/live-rooms", {"shop_id": shop, "title": "show", "product_ids": [product["id"]]})
    made(f"/v1/live-rooms/{room['id']}:start")
    known = {"shop_id": shop, "product_id": product["id"], "live_room_id": room["id"]}
    tried.ids |= {name: [number] for name, number in known.items()}
    tried.ids["sku_id"] = [sku["id"] for sku in product["skus"]]
    tried.ids["order_id"], tried.ids["package_id"] = [], []
    for steps in range(6):
        body = {"buyer_id": "ann", "lines": [{"sku_id": sku, "quantity": 2} for sku in tried.ids["sku_id"]]}
        order = made("/v1/orders", body)["id"]
        tried.ids["order_id"].append(order)
        if steps > 0:
            made(f"/v1/orders/{order}/payments", {})
        if steps > 1:
            made(f"/v1/orders/{order}:confirm")
        if steps > 2:
            tried.ids["package_id"].append(made(f"/v1/orders/{order}/packages", {})["id"])
            made(f"/v1/packages/{tried.ids['package_id'][-1]}:ship")
        for status in ("COLLECTED", "DELIVERED")[: max(0, steps - 3)]:
            made(f"/v1/packages/{tried.ids['package_id'][-1]}/tracking-events", {"status": status})


def _try(tried: Tried, name: str, mode: str, examples: int, *, derandomize: bool) -> None:
    """Try an operation with examples of a mode."""
    if mode == "not allowed" and not _has_input(tried, name):
        return

    @settings(
        max_examples=examples,
        derandomize=derandomize,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=tried.operations[name].as_strategy(_MODES[mode]), pick=st.integers(0, 10_000))
    def attempt(case: Case[Any], pick: int) -> None:
        tried.attempt(case, pick)

    attempt()


def _has_input(tried: Tried, name: str) -> bool:
    raw = tried.operations[name].definition.raw
    return bool(raw["parameters"]) or "requestBody" in raw


_NAMES = [route.operation_id for route in ALL_ROUTES if route.operation_id not in _LEFT_OUT]
modes = pytest.mark.parametrize("mode", _MODES)
names = pytest.mark.parametrize("name", _NAMES)


def test_the_served_document_has_every_operation(tried: Tried) -> None:
    assert set(tried.operations) | {"get_openapi"} == {route.operation_id for route in ALL_ROUTES}


@names
@modes
def test_every_answer_is_one_that_the_document_knows(tried: Tried, mode: str, name: str) -> None:
    _try(tried, name, mode, 5, derandomize=True)


@pytest.mark.soak
@names
@modes
def test_every_answer_to_many_is_one_that_the_document_knows(tried: Tried, mode: str, name: str) -> None:
    _try(tried, name, mode, 150, derandomize=False)
