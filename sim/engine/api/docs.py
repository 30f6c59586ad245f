"""The engine's documentation page: one HTML file without scripts or network, made from the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import msgspec

from sim.engine.api.docs_text import GUIDE, STYLE
from sim.engine.api.explanations import EXPLANATIONS, statuses
from sim.engine.api.openapi import document
from sim.engine.api.route import Route
from sim.engine.problems import title

_SCHEMAS = "#/components/schemas/"


def page(routes: Iterable[Route]) -> bytes:
    """The documentation of routes as HTML."""
    spec = msgspec.json.decode(document(routes))
    tags = [tag["name"] for tag in spec["tags"]]
    menu = [("start", "Start"), *((f"tag-{tag}", tag.capitalize()) for tag in tags)]
    menu += [("shapes", "Shapes"), ("problems", "Problems")]
    links = "".join(f'<a href="#{anchor}">{escape(text)}</a>' for anchor, text in menu)
    body = "".join((GUIDE, *(_tag(spec, tag) for tag in spec["tags"]), _shapes(spec), _problems()))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>LiveRush order engine {escape(spec['info']['version'])}</title><style>{STYLE}</style></head>"
        f"<body><nav><strong>LiveRush</strong>{links}</nav><main>{body}</main></body></html>"
    ).encode()


def _tag(spec: dict[str, Any], tag: dict[str, str]) -> str:
    operations = [
        _operation(method, path, operation)
        for path, methods in spec["paths"].items()
        for method, operation in methods.items()
        if tag["name"] in operation["tags"]
    ]
    heading = f'<h2 id="tag-{tag["name"]}">{escape(tag["name"].capitalize())}</h2><p>{escape(tag["description"])}</p>'
    return f"<section>{heading}{''.join(operations)}</section>"


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [f"<p>{escape(operation['description'])}</p>"]
    if operation["parameters"]:
        rows = [
            (
                f"<code>{escape(one['name'])}</code>",
                one["in"],
                _limits(one["schema"]),
                escape(one.get("description", "")),
            )
            for one in operation["parameters"]
        ]
        parts.append(_table(("parameter", "in", "type", ""), rows))
    if "requestBody" in operation:
        (content,) = operation["requestBody"]["content"].values()
        parts.append(f"<p>Body: {_type(content['schema'])}</p>")
    parts.append(_table(("answer", ""), [_answer(status, one) for status, one in operation["responses"].items()]))
    summary = (
        f'<summary><b class="{method}">{method.upper()}</b> <code>{escape(path)}</code> '
        f"<span>{escape(operation['summary'])}</span></summary>"
    )
    return f'<details id="{escape(operation["operationId"])}">{summary}{"".join(parts)}</details>'


def _meaning(described: dict[str, Any]) -> str:
    return escape(described.get("description", ""))


def _answer(status: str, response: dict[str, Any]) -> tuple[str, str]:
    (content,) = response.get("content", {"": {"schema": {}}}).values()
    codes = content.get("examples", {})
    if not codes:
        return status, _type(content["schema"])
    return status, ", ".join(f'<a href="#{_anchor(code)}"><code>{code}</code></a>' for code in codes)


def _anchor(code: str) -> str:
    return f"problem-{code.replace('_', '-')}"


def _type(schema: dict[str, Any]) -> str:
    """A schema in a few words, with links to the shapes that it names."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_SCHEMAS)
        return f'<a href="#shape-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}{_bounds(schema, 'minItems', 'maxItems')}"
    return _limits(schema)


def _limits(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(word))}</code>" for word in schema["enum"])
    text = escape(str(schema.get("format") or schema.get("type") or "any JSON"))
    text += _bounds(schema, "minimum", "maximum") + _bounds(schema, "minLength", "maxLength")
    if "pattern" in schema:
        text += f" <code>{escape(schema['pattern'])}</code>"
    return text


def _bounds(schema: dict[str, Any], low: str, high: str) -> str:
    if low in schema and high in schema:
        return f", {schema[low]:,} to {schema[high]:,}"
    return f", at most {schema[high]:,}" if high in schema else ""


def _shapes(spec: dict[str, Any]) -> str:
    shapes = "".join(_shape(name, schema) for name, schema in sorted(spec["components"]["schemas"].items()))
    return f'<section><h2 id="shapes">Shapes</h2>{shapes}</section>'


def _shape(name: str, schema: dict[str, Any]) -> str:
    rows = [
        (f"<code>{escape(field)}</code>", _type(kind), _presence(field, kind, schema))
        for field, kind in schema.get("properties", {}).items()
    ]
    about = escape(schema.get("description", ""))
    table = _table(("field", "type", ""), rows) if rows else f"<p>{_limits(schema)}</p>"
    return f'<h3 id="shape-{name}">{name}</h3><p>{about}</p>{table}'


def _presence(field: str, kind: dict[str, Any], schema: dict[str, Any]) -> str:
    if field in schema.get("required", ()):
        return _meaning(kind)
    default = kind.get("default")
    return "may be left out" + (f": <code>{escape(str(default))}</code>" if default not in (None, "", [], {}) else "")


def _problems() -> str:
    rows = [
        (
            f'<a id="{_anchor(code)}"></a><code>{code}</code>',
            str(status),
            escape(title(code)),
            escape(EXPLANATIONS[code]),
        )
        for code, status in statuses().items()
    ]
    about = (
        "Every error is <code>application/problem+json</code> (RFC 9457). Decide by <code>code</code>; "
        "<code>errors</code> has a JSON pointer for each thing wrong; "
        "the log has our own mistakes under <code>request_id</code>."
    )
    table = _table(("code", "status", "title", "what it means"), rows)
    return f'<section><h2 id="problems">Problems</h2><p>{about}</p>{table}</section>'


def _table(heads: tuple[str, ...], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{text}</th>" for text in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
