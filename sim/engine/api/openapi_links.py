"""Links of the OpenAPI document: what can be done with the ids that an answer gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim.engine.api.route import Route
from sim.engine.catalogue.views import ProductView, PromotionView, RoomView, ShopView, VideoView
from sim.engine.resources import CancellationView, PackageView, PaymentView, ReceiptView, RefundView, ReturnView
from sim.engine.webhooks.endpoints import EndpointView, NewEndpointView

#: Where an answer of a type has the ids that paths ask for.
IDS: dict[Any, dict[str, str]] = {
    ShopView: {"shop_id": "/id"},
    ProductView: {"product_id": "/id", "sku_id": "/skus/0/id"},
    VideoView: {"video_id": "/id"},
    RoomView: {"live_room_id": "/id"},
    PromotionView: {"promotion_id": "/id"},
    ReceiptView: {"order_id": "/id"},
    PaymentView: {"payment_id": "/id"},
    PackageView: {"package_id": "/id"},
    CancellationView: {"cancellation_id": "/id"},
    ReturnView: {"return_id": "/id"},
    RefundView: {"refund_id": "/id"},
    EndpointView: {"endpoint_id": "/id"},
    NewEndpointView: {"endpoint_id": "/id"},
}
_MADE = (201, 202)


def links_of(route: Route, table: tuple[Route, ...]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The links of each answer that makes something."""
    for status, kind in route.answers.items():
        if status in _MADE and kind in IDS:
            yield status, dict(_links(kind, table))


def _links(kind: Any, table: tuple[Route, ...]) -> Iterator[tuple[str, Any]]:
    for parameter, pointer in IDS[kind].items():
        for other in table:
            if f"{{{parameter}}}" in other.path:
                parameters = {parameter: f"$response.body#{pointer}"}
                yield other.operation_id, {"operationId": other.operation_id, "parameters": parameters}
