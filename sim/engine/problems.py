"""Errors as answers: RFC 9457 problems with a stable `code`, a constant title and what to look at."""

from __future__ import annotations

from typing import Any

import msgspec

from sim.engine.calls import Reply
from sim.orders.events import Refusal, Refused

#: Where a problem's type is explained: the engine's own documentation page.
TYPE_ROOT = "/docs#problem-"

#: Status of each refusal; those not named are 409, a conflict with the state of things.
_STATUS: dict[Refusal, int] = {
    Refusal.UNKNOWN_SKU: 422,
    Refusal.CURRENCY_MISMATCH: 422,
    Refusal.WINDOW_CLOSED: 422,
    Refusal.NOT_IN_BAG: 422,
    Refusal.INVALID: 422,
    Refusal.NOT_FOUND: 404,
    Refusal.PAYMENT_DECLINED: 402,
    Refusal.VERSION_CHANGED: 412,
}

#: Problems that HTTP itself finds: code -> (status, title).
HTTP_PROBLEMS: dict[str, tuple[int, str]] = {
    "malformed_json": (400, "Malformed JSON"),
    "malformed": (400, "Malformed request"),
    "key_missing": (400, "Idempotency-Key missing"),
    "invalid_parameter": (400, "Invalid parameter"),
    "unauthorized": (401, "Not authorised"),
    "bad_signature": (401, "Bad signature"),
    "stale_timestamp": (401, "Signed too long ago"),
    "forbidden": (403, "Not allowed for this role"),
    "not_found": (404, "Not found"),
    "no_such_route": (404, "No such route"),
    "method_not_allowed": (405, "Method not allowed"),
    "key_in_use": (409, "The first request with this key is still running"),
    "body_too_large": (413, "Body too large"),
    "uri_too_long": (414, "URI too long"),
    "unsupported_media_type": (415, "Not JSON"),
    "invalid": (422, "Invalid request"),
    "key_reused": (422, "Idempotency-Key reused with another body"),
    "precondition_required": (428, "If-Match missing"),
    "headers_too_large": (431, "Headers too large"),
    "rate_limited": (429, "Too many requests"),
    "defect": (500, "A defect of the engine"),
    "overloaded": (503, "Overloaded"),
    "not_ready": (503, "Not ready"),
    "store_unavailable": (503, "The database takes no writes now"),
}


def title(code: str) -> str:
    """The constant title of a code."""
    if code in HTTP_PROBLEMS:
        return HTTP_PROBLEMS[code][1]
    return code.replace("_", " ").capitalize()


def problem(status: int, code: str, detail: str = "", **facts: Any) -> Reply:
    """The answer for a problem; `facts` stand beside the standard members."""
    members = {"type": TYPE_ROOT + code.replace("_", "-"), "title": title(code), "status": status}
    if detail:
        members["detail"] = detail
    return Reply(status, msgspec.json.encode(members | {"code": code} | facts))


def http_problem(code: str, detail: str = "", **facts: Any) -> Reply:
    """The answer for a problem that HTTP found."""
    return problem(HTTP_PROBLEMS[code][0], code, detail, **facts)


def status_of(refusal: Refusal) -> int:
    """The HTTP status of a refusal."""
    return _STATUS.get(refusal, 409)


def refused(refusal: Refused) -> Reply:
    """The answer for a refusal of the core."""
    facts = dict(refusal.facts)
    if refusal.errors:
        facts["errors"] = refusal.errors
    return problem(status_of(refusal.code), refusal.code.value, refusal.detail, **facts)


KEY_REUSED = http_problem("key_reused")
KEY_IN_USE = http_problem("key_in_use")
OVERLOADED = http_problem("overloaded")
STORE_UNAVAILABLE = http_problem("store_unavailable")
DEFECT = http_problem("defect")
