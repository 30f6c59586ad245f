"""The routes that describe all routes: OpenAPI and the documentation page."""

from __future__ import annotations

import functools

from sim.engine.api import docs, openapi
from sim.engine.api.request import Request
from sim.engine.api.route import OPEN, Handler, Route
from sim.engine.calls import JSON, Reply

HTML = "text/html; charset=utf-8"


def with_descriptions(routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """Routes and the two that describe them all, themselves included."""

    @functools.cache
    def described() -> bytes:
        return openapi.document(joined)

    @functools.cache
    def page() -> bytes:
        return docs.page(joined)

    async def get_openapi(_request: Request) -> Reply:
        """Give this document."""
        return Reply(200, described())

    async def get_docs(_request: Request) -> Reply:
        """Give the documentation as a page."""
        return Reply(200, page())

    joined = (
        *routes,
        _describing("/openapi.json", "This document", get_openapi, dict, JSON),
        _describing("/docs", "Documentation", get_docs, str, HTML),
    )
    return joined


def _describing(path: str, summary: str, handler: Handler, answer: type, media: str) -> Route:
    return Route("GET", path, summary, handler, OPEN, "operating", {200: answer}, media=media)
