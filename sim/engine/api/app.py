"""The ASGI application: the hot routes by hand, the others by Starlette's router, all through one pipeline."""

from __future__ import annotations

from collections.abc import Iterable

import starlette.routing
from starlette.types import ASGIApp, Receive, Scope, Send

from sim.engine.api.answers import Unserved
from sim.engine.api.pipeline import Endpoint, UnderWay
from sim.engine.api.route import Route
from sim.engine.core import Served
from sim.engine.problems import http_problem

#: Requests that may be under way besides the hot ones, payments and those that watch the engine; more get 503: who
#: only looks must not stop the buyers.
MOST_UNDER_WAY = 1_000
_PLACE = ("POST", "/v1/orders")
_CONFIRM = ("POST", "/v1/orders/{order_id}:confirm")
_WEBHOOK = ("POST", "/v1/payment-webhooks/{provider}")
_ORDERS = "/v1/orders/"
_WEBHOOKS = "/v1/payment-webhooks/"
_SUFFIX = ":confirm"
#: They may wait for their provider, and have a bound of their own.
_PAY = ("POST", "/v1/orders/{order_id}/payments")


def _is_bounded(route: Route) -> bool:
    """Whether requests of a route count as under way."""
    return route.sheds and (route.method, route.path) not in (_PLACE, _CONFIRM, _WEBHOOK, _PAY)


class App:
    """Serves an engine. Placing, confirming and payment webhooks come first and cost no router."""

    def __init__(self, engine: Served, routes: Iterable[Route]) -> None:
        table = tuple(routes)
        under_way = UnderWay(MOST_UNDER_WAY)
        endpoints = {
            (route.method, route.path): Endpoint(engine, route, under_way if _is_bounded(route) else None)
            for route in table
        }
        self.unserved = Unserved(engine)
        self._place = endpoints[_PLACE]
        #: What a server may serve without ASGI, by method and target.
        self.quick = {(method.encode(), path.encode()): endpoints[method, path] for method, path in (_PLACE,)}
        self._confirm = endpoints[_CONFIRM]
        self._webhook = endpoints[_WEBHOOK]
        by_path: dict[str, dict[str, ASGIApp]] = {}
        for route in table:
            by_path.setdefault(route.path, {})[route.method] = endpoints[route.method, route.path]
        # "{id}:verb" before "{id}": the first route that matches is taken.
        ordered = sorted(by_path.items(), key=lambda item: ":" not in item[0])
        self._router = starlette.routing.Router(
            [starlette.routing.Route(path, _Methods(methods, self.unserved)) for path, methods in ordered],
            redirect_slashes=False,
            default=self._no_such_route,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; what is no HTTP is refused by the server that calls this."""
        path: str = scope["path"]
        if scope["method"] == "POST":
            if path == "/v1/orders":
                return await self._place(scope, receive, send)
            if path.startswith(_ORDERS):
                if path.endswith(_SUFFIX):
                    scope["path_params"] = {"order_id": path[len(_ORDERS) : -len(_SUFFIX)]}
                    return await self._confirm(scope, receive, send)
            elif path.startswith(_WEBHOOKS):
                scope["path_params"] = {"provider": path[len(_WEBHOOKS) :]}
                return await self._webhook(scope, receive, send)
        return await self._router(scope, receive, send)

    async def _no_such_route(self, scope: Scope, _receive: Receive, send: Send) -> None:
        await self.unserved.respond(scope, send, http_problem("no_such_route"))


class _Methods:
    """One path's operations by method."""

    def __init__(self, methods: dict[str, ASGIApp], unserved: Unserved) -> None:
        self._methods = methods
        self._unserved = unserved
        if "GET" in methods:  # the same, and the server leaves the body out (RFC 9110, 9.3.2)
            self._methods = {"HEAD": methods["GET"], **methods}
        self._allow = ", ".join(sorted(self._methods)).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._methods.get(scope["method"])
        if endpoint is not None:
            return await endpoint(scope, receive, send)
        reply = http_problem("method_not_allowed", f"Allowed: {self._allow.decode()}.")
        return await self._unserved.respond(scope, send, reply, self._allow)
