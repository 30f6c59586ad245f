"""The reference page of scenario files, made from the schema so that it cannot drift: `docs/scenario.md`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sim.scenario.parts.base import NAME, Duration, Part, Servers
from sim.scenario.reading.problems import plain_number
from sim.scenario.schema import Scenario
from sim.scenario.shape import fields_by_key, part_in
from sim.scenario.units import Money, parse_clock_min, parse_duration_us, parse_ppm, parse_share
from sim.scenario.writing.human import field_text
from sim.scenario.writing.sources import ASSUMED, NOTHING, SOURCES

INTRO = """# The scenario file

Made from the schema by `python -m sim.scenario.writing.reference`; do not edit it by hand.

A scenario is one YAML file (UTF-8, at most 5 MB). Unknown keys are errors. `liverush validate FILE` tells every
problem with file, line, path, what was found and what is allowed; `liverush schema` prints the JSON Schema; `liverush
new` writes a first file.

## How values are written

| value | written |
|---|---|
| duration | a number and a unit: `15m`, `2h 30m`, `90s`, `250ms`; units us, ms, s, m, h, d, w; a bare `0` is allowed |
| share, rate | `3 %` or `0.03` |
| money | amount and ISO 4217 code: `12.90 GBP`; every currency but the reporting one needs a row in `currencies` |
| time of day | `18:00`, local to the zone that stands beside it |
| moment | date, time and offset: `2026-11-20T18:00:00+00:00` |
| time zone | IANA name: `Europe/London` |
| name | 1 to 64 characters, none of `/ [ ] =`, no outer blanks; the scenario's own: letters, digits, `-`, `_` |
| SKU | `listing/variant`, or the listing's name where it has no variants |
| random duration | `250ms` (constant), or `{dist: lognormal, median: 30s, sigma: 1.4}`; see Duration |
| servers | a number, or a list of shifts, or `{zone: ..., shifts: [...]}`; see Servers |

Times (`at`, `start`, `on`, `publish`) count from the scenario's `start`; inside a broadcast from the broadcast's
start. No duration is longer than ten years. Only `true` and `false` are booleans, and text such as `18:00` or `on`
needs no quotes. Anchors, aliases and `<<` work, within 200,000 values in all; tags and repeated keys are refused.

Shares of regions, of the SKUs of a listing and of a payment mix add up to 100 %; leave all of them out for equal
shares.

## Overrides

`--set PATH=VALUE` replaces one value; the value is YAML. `stock.policy=s_S`, `catalogue[0].price="9.90 GBP"`, and by
name `catalogue.lipstick.price="9.90 GBP"` (`catalogue[No.5].price` for a name with dots). What the file leaves to its
default can be set too: `payment.methods[0].declines="5 %"`.

## Strategies

`strategies:` names what `liverush compare` compares; each changes the scenario by overrides:

```yaml
strategies:
  - {name: today} # the scenario as written
  - {name: restock, set: {stock.policy: s_S, stock.s: 100, stock.S: 400}}
  - {name: two shifts, set: {warehouses.main.pickers: 8, warehouses.main.waves: {every: 30m}}}
```

`--strategy "restock=stock.policy=s_S,stock.s=100,stock.S=400"` adds one on the command line, or replaces the one of
that name. Names of elements and short forms are those of overrides.

## Policies of platforms

`dispatch: {policy: tiktok_us_2026_03}` puts a platform's rules of dispatch in place of what the scenario leaves open;
what it writes itself wins. Shipped are `tiktok_us_2026_03` (TikTok Shop US, March 2026: lateness counted at the
carrier's scan) and `tiktok_us_before_2026_03` (counted when a label is made). `policy: mine.yaml` reads a file beside
the scenario, in the form of the shipped ones:

```yaml
title: Our marketplace, June 2026
read: 2026-06
values:
  dispatch.dispatch_days: {value: 1, source: "seller handbook, page 12", known: published} # or secondhand
  dispatch.thresholds.ldr_at_most: {value: 5 %, source: "seller handbook, page 14", known: published}
```

## What may be searched

`optimise:` names knobs and limits of `liverush optimise` ([optimise.md](optimise.md)):

```yaml
optimise:
  knobs: {stock.s: 50:500, warehouses.main.waves.every: 5m:1h, stock.policy: s_S|base_stock}
  subject_to: [ldr <= 4 %]
```

## Carriers and borders

A warehouse has one carrier, whose pick-ups stand with it and whose terms are the `lanes`. With `carriers` it has more:

```yaml
warehouses:
  - name: main
    carrier_choice: cheapest # or fastest, or share; what finds no room goes to the next one
    carriers:
      - {name: post, pick_ups: [{at: "16:00", capacity: 800}], to: {home: {lead_time: 3d, cost: 2.40 GBP}}}
      - name: courier
        pick_ups: [{at: "13:00"}, {at: "19:00"}]
        to: {home: {lead_time: 1d, cost: 4.10 GBP}, abroad: {lead_time: express, customs: {held: 5 %, cost: 3.00 GBP}}}
```

`lead_time` may be a cross-border service: `premium` (5-10 days), `standard` (10-18), `economy` (20-45), `express`
(3-7), `line` (7-15), `post` (15-40). These presets come from trade pages and give directions only; each is a lognormal
law of which 5 % lie below the first day and 5 % above the last.

## Uncertain inputs

Any number, duration, share or amount of money may be `{low: 5 %, mode: 8 %, high: 20 %}`: a triangular law. `liverush
compare` draws it anew for every second replication, the same for all strategies, and keeps what comes of it apart from
chance; all other verbs use the mode, and `simulate` says so. Each end must be a value that the scenario could have.

## A catalogue in a table

`catalogue:` may be the path of a `.csv` (UTF-8, commas or semicolons) or `.xlsx` file, relative to the scenario file,
with one row a SKU. In a workbook the sheet called `catalogue` is read, otherwise the first one.

| column | |
|---|---|
| `listing` | required; rows with the same name are its variants |
| `variant` | name of the SKU; empty where the listing has only one |
| `shop`, `category`, `price`, `cost`, `salvage` | the listing's: in its first row, empty or the same in others |
| `share` | of the variant |
| `stock:<warehouse>` | units at the start, one column a warehouse |

`price` is required. Money is written `12.90 GBP`, or as a plain number under `price:GBP`, `cost:GBP`, `salvage:GBP`.
Bundles and shelf times need the YAML form. Errors name the cell: `catalogue.xlsx, sheet Sheet1, cell C7: ...`.
"""
_FUNCTION_NAMES = {
    parse_duration_us: "duration",
    parse_share: "share",
    parse_ppm: "share",
    parse_clock_min: "time of day",
}


def reference() -> str:
    """The page as Markdown."""
    parts = [f"\n## {title}\n\n{_text(part)}\n\n" + "\n".join(_table(part, path)) for title, part, path in _parts()]
    return INTRO + "\n".join(parts) + "\n"


def _parts() -> Iterator[tuple[str, type[Part], str]]:
    """Every part once, where it first stands, with a heading and its path."""
    seen: set[type[Part]] = set()
    queue: list[tuple[type[Part], str]] = [(Scenario, "")]
    shared: list[type[Part]] = []
    while queue:
        part, path = queue.pop(0)
        if part in seen:
            continue
        seen.add(part)
        if part in (Duration, Servers):
            shared.append(part)
        else:
            yield (f"`{path}`" if path else "The whole file"), part, path
        inside = []
        for key, info in fields_by_key(part).items():
            child = _part_of(info.annotation)
            if child is not None:
                inside.append((child, f"{path}.{key}".lstrip(".") + _brackets(info.annotation)))
        queue = inside + queue
    yield from ((part.__name__, part, "") for part in shared)


def _part_of(annotation: Any) -> type[Part] | None:
    found = part_in(annotation)
    if found is None and get_origin(annotation) is dict:
        found = part_in(get_args(annotation)[1])
    return found


def _brackets(annotation: Any) -> str:
    return {tuple: "[]", dict: ".<name>"}.get(get_origin(annotation), "")


def _text(part: type[BaseModel]) -> str:
    return inspect.getdoc(part) or ""


def _table(part: type[BaseModel], path: str) -> Iterator[str]:
    yield "| key | value | default | |"
    yield "|---|---|---|---|"
    for key, info in fields_by_key(part).items():
        where = re.sub(r"\[\]|<name>", "*", f"{path}.{key}".lstrip(".")).replace("*", ".*").replace("..", ".")
        source = SOURCES.get(where, "")
        about = "; ".join(
            text for text in (info.description or "", source if source not in (ASSUMED, NOTHING) else "") if text
        )
        yield f"| `{key}` | {_kind(info)} | {_default(info)} | {_cell(about)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _kind(info: FieldInfo) -> str:
    """What a value may be, in words."""
    for mark in info.metadata:
        if mark == NAME:
            return NAME
        name = _FUNCTION_NAMES.get(getattr(mark, "func", None))  # type: ignore[arg-type]
        if name is not None:
            return name
    return _cell(_words(info.annotation) + _limits(info))


def _words(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{word}`" for word in arguments)
    if origin is tuple:
        return f"list of {_words(arguments[0])}"
    if origin is dict:
        return f"mapping of names to {_words(arguments[1])}"
    if origin is Union or type(annotation).__name__ == "UnionType":
        return " or ".join(_words(each) for each in arguments if each is not type(None))
    if NAME in arguments:
        return NAME
    if arguments:  # Annotated
        names = (_FUNCTION_NAMES.get(getattr(mark, "func", None)) for mark in arguments[1:])  # type: ignore[arg-type]
        return next((name for name in names if name), _words(arguments[0]))
    simple = {
        Any: "value",
        str: "text",
        int: "whole number",
        float: "number",
        bool: "`true` or `false`",
        Money: "money",
    }
    return simple.get(annotation) or {"date": "date", "AwareDatetime": "moment"}.get(
        annotation.__name__, annotation.__name__
    )


def _limits(info: FieldInfo) -> str:
    signs = (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"), ("min_length", "at least"))
    found = [
        f"{sign} {plain_number(getattr(m, name))}" for m in info.metadata for name, sign in signs if hasattr(m, name)
    ]
    return f" ({', '.join(found)})" if found else ""


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    default = info.get_default(call_default_factory=True)
    if isinstance(default, BaseModel) or default in ((), {}, None, ""):
        return ""
    if isinstance(default, tuple) and all(isinstance(each, str | int) for each in default):
        return "`[" + ", ".join(map(str, default)) + "]`"
    if isinstance(default, dict | tuple):
        return f"`{_flow(default)}`"
    return f"`{_flow(default if isinstance(default, str) else field_text(info, default))}`"


def _flow(value: Any) -> str:
    """A raw default in YAML's flow style."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return str(value)


if __name__ == "__main__":
    import sys

    sys.stdout.write(reference())
