"""OpenAPI 3.1, made from the routes: what goes in, all that may come out, and who may ask."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from sim import __version__
from sim.engine.api.explanations import EXPLANATIONS, statuses
from sim.engine.api.openapi_links import IDS, links_of
from sim.engine.api.parameters import ID_PATTERN, PROVIDER_PATTERN
from sim.engine.api.route import ANYONE, Query, Route
from sim.engine.calls import PROBLEM
from sim.engine.problems import TYPE_ROOT, title
from sim.engine.resources import Problem
from sim.engine.webhooks.signatures import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER

JSON = "application/json"
_REF = "#/components/schemas/{name}"
_EXAMPLE = "#/components/examples/"
#: Names of generic types, as msgspec gives them, and what they become.
_GENERIC = re.compile(r"\b(Page|Listed)_(\w+?)View_")
_PATH_PARAMETER = re.compile(r"{(\w+)}")
_ABOUT = """\
Ids are opaque strings. Money is integer minor units in a string: `{"amount": "1999", "currency": "GBP"}` is 19.99
pounds. Instants are RFC 3339 in UTC. Every error is an RFC 9457 problem with a stable `code`. HEAD is answered
wherever GET is. Another method of a path is 405, `MethodNotAllowed` among the components, another path 404,
`NoSuchRoute`, and a head that is too large 414, `UriTooLong`, or 431, `HeadersTooLarge`: they are no operation's."""
_TAGS = {
    "catalogue": "Shops, products with their SKUs, shelves and prices.",
    "inventory": "Units of SKUs.",
    "live": "Short videos, live rooms, flash sales.",
    "orders": "Quotes, checkout and reading orders.",
    "payments": "Paying, and what the payment provider tells.",
    "fulfilment": "Parcels.",
    "after-sales": "Cancellations, returns, refunds.",
    "events": "The feed, and webhooks out of it.",
    "audit": "Whether anything was oversold, lost or charged twice.",
    "operating": "Health, metrics, this document.",
}
_ROLES = {
    "buyer": "Buys: checkout, payment, cancellations, returns.",
    "merchant": "Sells: catalogue, stock, shows, confirmation, parcels, answers, refunds.",
    "psp": "The payment provider.",
    "admin": "May do everything.",
}


def document(routes: Iterable[Route]) -> bytes:
    """The OpenAPI document of routes, as JSON."""
    table = tuple(routes)
    shapes, components = _schemas(table)
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        operation = paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, shapes)
        for status, links in links_of(route, table):
            operation["responses"][str(status)]["links"] = links
    used = {route.tag for route in table}
    whole = {
        "openapi": "3.1.0",
        "info": {"title": "LiveRush order engine", "version": __version__, "description": _ABOUT},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items() if name in used],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": _of_no_operation(shapes[Problem]),
            "examples": {code: _example(code, status) for code, status in statuses().items()},
            "securitySchemes": {
                role: {"type": "http", "scheme": "bearer", "description": text} for role, text in _ROLES.items()
            },
        },
    }
    text = msgspec.json.encode(whole).decode().replace(r'\\Z"', '$"')  # see `sim.engine.resources`
    return _GENERIC.sub(_plain_name, text).encode()


def _plain_name(match: re.Match[str]) -> str:
    return f"{match[2]}{'Page' if match[1] == 'Page' else 'List'}"


def _schemas(routes: tuple[Route, ...]) -> tuple[dict[Any, Any], dict[str, Any]]:
    """The schema of every type that is asked for or answered, and those that they refer to."""
    types = dict.fromkeys(kind for route in routes for kind in (route.body, *route.answers.values()) if kind)
    types[Problem] = None
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    for component in components.values():
        component["title"] = component["title"].replace("[", "_").replace("]", "_")
    components["Problem"]["additionalProperties"] = True
    return dict(zip(types, schemas, strict=True)), components


def _operation(route: Route, shapes: dict[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.operation_id,
        "summary": route.summary,
        "description": _described(route),
        "tags": [route.tag],
        "security": [{role: []} for role in sorted(route.roles)],
        "parameters": _parameters(route),
        "responses": _responses(route, shapes),
    }
    if route.body is not None:
        required = any(field.required for field in msgspec.structs.fields(route.body))
        operation["requestBody"] = {"required": required, "content": {JSON: {"schema": shapes[route.body]}}}
    return operation


def _described(route: Route) -> str:
    text = inspect.getdoc(route.handler) or f"{route.summary}."
    return f"{text} Roles: {', '.join(sorted(route.roles)) or 'none needed'}."


def _parameters(route: Route) -> list[dict[str, Any]]:
    found = [_path_parameter(name) for name in _PATH_PARAMETER.findall(route.path)]
    found += [_query_parameter(query) for query in route.query]
    if route.idempotent:
        key = {"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$", "examples": ["3f1c1f0a-checkout-1"]}
        meaning = "New for each thing you want done, the same when you ask again: it is done once."
        found.append(_header("Idempotency-Key", key, meaning))
    if route.if_match:
        tag = {"type": "string", "pattern": r'^(\*|"[0-9]{1,18}")$', "examples": ['"1"']}
        found.append(_header("If-Match", tag, "The ETag that you read, or * for whatever is there."))
    if "bad_signature" in route.problems:
        for name in (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER):
            found.append(_header(name, {"type": "string"}, "Standard Webhooks 1.0.0", required=False))
    return found


def _path_parameter(name: str) -> dict[str, Any]:
    is_id = name.endswith("_id")
    schema = {"type": "string", "pattern": ID_PATTERN if is_id else PROVIDER_PATTERN}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameter(query: Query) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if query.kind is int:
        schema = {"type": "integer", "minimum": query.least, "maximum": query.most}
    if query.words:
        schema["enum"] = list(query.words)
    if query.pattern:
        schema["pattern"] = query.pattern
    if query.format:
        schema["format"] = query.format
    return {"name": query.name, "in": "query", "description": query.meaning, "schema": schema}


def _header(name: str, schema: dict[str, Any], meaning: str, *, required: bool = True) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": required, "description": meaning, "schema": schema}


def _responses(route: Route, shapes: dict[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, kind in route.answers.items():
        found[str(status)] = _success(route, status, kind, shapes)
    by_status: dict[int, list[str]] = {}
    known = statuses()
    for code in problem_codes(route):
        by_status.setdefault(known[code], []).append(code)
    for status in sorted(by_status):
        found[str(status)] = _failure(route, status, by_status[status], shapes[Problem])
    return found


def _of_no_operation(schema: Any) -> dict[str, Any]:
    """The answers to what is no operation: another method of a path, another path, too large a head."""
    allow = {"Allow": _answered("The methods that the path has.")}
    return {
        "MethodNotAllowed": _problems(["method_not_allowed"], schema) | {"headers": allow},
        "NoSuchRoute": _problems(["no_such_route"], schema),
        "UriTooLong": _problems(["uri_too_long"], schema),
        "HeadersTooLarge": _problems(["headers_too_large"], schema),
    }


def _success(route: Route, status: int, kind: Any, shapes: dict[Any, Any]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": route.summary}
    if kind is not None:
        response["content"] = {route.media: {"schema": shapes[kind]}}
    headers: dict[str, Any] = {}
    if route.etag:
        headers["ETag"] = _answered("The version, for If-Match.")
    if status == 201 and kind in IDS:
        headers["Location"] = _answered("Where to read what was made.") | {"required": True}
    return _with_headers(response, headers, replayed=route.idempotent)


def _failure(route: Route, status: int, codes: list[str], schema: Any) -> dict[str, Any]:
    response = _problems(codes, schema)
    headers: dict[str, Any] = {}
    if status in (429, 503) or "key_in_use" in codes:
        headers["Retry-After"] = _answered("Seconds to wait.", "integer")
    if status == 401:
        headers["WWW-Authenticate"] = _answered("Bearer")
    return _with_headers(response, headers, replayed=route.idempotent and status in (402, 404, 409, 422))


def _problems(codes: list[str], schema: Any) -> dict[str, Any]:
    return {
        "description": "; ".join(title(code) for code in codes),
        "content": {PROBLEM: {"schema": schema, "examples": {code: {"$ref": _EXAMPLE + code} for code in codes}}},
    }


def _with_headers(response: dict[str, Any], headers: dict[str, Any], *, replayed: bool) -> dict[str, Any]:
    if replayed:
        headers["Idempotent-Replayed"] = _answered("`true` on the stored answer of an earlier request with this key.")
    return response | {"headers": headers} if headers else response


def _answered(meaning: str, kind: str = "string") -> dict[str, Any]:
    return {"description": meaning, "schema": {"type": kind}}


def _example(code: str, status: int) -> dict[str, Any]:
    value = {
        "type": TYPE_ROOT + code.replace("_", "-"),
        "title": title(code),
        "status": status,
        "detail": EXPLANATIONS[code],
        "code": code,
        "instance": "/v1/orders/176403962512345600",
        "request_id": "5e0b66aa-17",
    }
    return {"summary": title(code), "value": value}


def problem_codes(route: Route) -> list[str]:
    """Every problem that a route may answer with: its own, and those of the way to it."""
    codes = [*route.problems, "malformed", "body_too_large", "defect", "store_unavailable"]
    if not route.any_query:
        codes.append("invalid_parameter")
    if route.sheds:
        codes.append("overloaded")
    if route.roles:
        codes += ["unauthorized", "rate_limited"]
    if route.roles and route.roles != ANYONE:
        codes.append("forbidden")
    if "_id}" in route.path:
        codes.append("not_found")
    if route.method != "GET":
        codes += ["malformed_json", "unsupported_media_type", route.bad_body]
    if route.idempotent:
        codes += ["key_missing", "key_reused", "key_in_use"]
    if route.if_match:
        codes += ["precondition_required", "version_changed"]
    return list(dict.fromkeys(codes))
