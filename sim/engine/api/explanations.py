"""What each problem means and what to do about it; a code without an entry fails a test."""

from __future__ import annotations

from sim.engine.problems import HTTP_PROBLEMS, status_of
from sim.orders.events import Refusal

#: By code. Sold out and the like are right answers, not failures: they are 409 and no retry changes them.
EXPLANATIONS: dict[str, str] = {
    "malformed_json": "The body is not JSON in UTF-8, or an object in it has a name twice.",
    "malformed": "A header, the framing or a webhook's event cannot be read, or a header that counts comes twice.",
    "key_missing": "This request moves money or stock or makes something: send an Idempotency-Key.",
    "invalid_parameter": "A query parameter is unknown, given twice or out of bounds; `errors` names it.",
    "unauthorized": "The bearer key is missing or unknown.",
    "bad_signature": "The webhook is not signed with the secret that we share.",
    "stale_timestamp": "The webhook was signed more than five minutes ago, or in the future.",
    "forbidden": "The key's role may not do this.",
    "not_found": "Nothing has the id that the path names.",
    "no_such_route": "There is nothing at this path.",
    "method_not_allowed": "The path has other methods: see the Allow header.",
    "key_in_use": "The first request with this key is still running: ask again after Retry-After seconds.",
    "body_too_large": "The body is larger than the engine takes.",
    "uri_too_long": "The path and the query are longer than the engine takes.",
    "headers_too_large": "The headers are larger than the engine takes.",
    "unsupported_media_type": "Bodies are application/json.",
    "invalid": "The body is JSON but not what this request takes; `errors` has JSON pointers.",
    "key_reused": "This Idempotency-Key came before with another body. Use a new key for each new thing.",
    "precondition_required": "Read the resource and send its ETag as If-Match (or * to overwrite whatever is there).",
    "rate_limited": "The key has used up its requests of this second.",
    "defect": "A mistake of ours; nothing was changed. The log knows the request by its `request_id`.",
    "overloaded": "Too many requests wait. Nothing was done: ask again, with the same key.",
    "not_ready": "The engine is starting or stopping.",
    "store_unavailable": "The database takes no writes now. Ask again with the same key: it tells what became of it.",
    "unknown_sku": "A SKU that the body names does not exist.",
    "off_shelf": "A product in the cart is not on the shelf.",
    "insufficient_stock": "Sold out: `errors` lists each short line with what is available.",
    "deal_closed": "The promotion is not open, or is for another SKU.",
    "deal_sold_out": "The promotion's units are gone.",
    "purchase_limit": "The buyer has as many units of the promotion as one may have.",
    "price_changed": "The price is not the one that the buyer saw; `errors` has the new one.",
    "currency_mismatch": "An amount is in another currency than the thing that it is for.",
    "not_live": "The live room is not live.",
    "not_in_bag": "The product is not in the live room's shopping bag.",
    "hold_expired": "The time to pay is over, and the units go back.",
    "order_cancelled": "The order is cancelled. Money that came for it is refunded.",
    "already_paid": "The order is paid. Money that came for it once more is refunded.",
    "payment_in_progress": "An attempt to pay this order is in progress.",
    "payment_declined": "The provider refused, or took something else than the order costs, which is refunded. The "
    "order stays UNPAID and can be paid again until `pay_by`.",
    "illegal_transition": "The order's state does not allow this; the answer has `from`, `to` and `allowed`.",
    "lines_not_free": "A line is in a parcel already, or not in the order.",
    "request_open": "Another request about this order is still open.",
    "already_answered": "The request has its answer.",
    "limit_reached": "The order has as many of these as an order may have.",
    "window_closed": "The time to ask for a return is over.",
    "refund_exceeds_captured": "More would go back than was taken.",
    "below_reserved": "Fewer units would be on hand than are reserved.",
    "version_changed": "Somebody has changed it since you read it: read it again.",
    "duplicate": "There is one of this name already.",
    "conflict": "It does not go together with what is there.",
}


def statuses() -> dict[str, int]:
    """The HTTP status of every problem code."""
    found = {code: status for code, (status, _title) in HTTP_PROBLEMS.items()}
    found |= {refusal.value: status_of(refusal) for refusal in Refusal if refusal.value not in found}
    return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))
