"""The JSON Schema (Draft 2020-12) of scenario files, in the forms that people write: `15m`, `3 %`, `12.90 GBP`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from sim.scenario.parts.base import Duration, Servers
from sim.scenario.parts.carriage import SERVICE_DAYS, parse_lead_time
from sim.scenario.parts.system import GroupCommit
from sim.scenario.schema import Scenario
from sim.scenario.studies.uncertain import KEYS
from sim.scenario.units import Money, parse_clock_min, parse_duration_us, parse_ppm, parse_share

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_UNIT = r"\s*\d+(\.\d+)?\s*(us|ms|min|s|m|h|d|w)"
DURATION: JsonSchemaValue = {
    "description": "a duration, such as 15m, 2h 30m, 90s or 250ms",
    "anyOf": [{"type": "string", "pattern": f"^({_UNIT})+\\s*$"}, {"const": 0}],
}
SHARE: JsonSchemaValue = {
    "description": "a share, such as 3 % or 0.03",
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": 1},
        {"type": "string", "pattern": r"^\s*\d+(\.\d*)?\s*%\s*$"},
    ],
}
CLOCK: JsonSchemaValue = {
    "description": "a time of day, such as 18:00",
    "type": "string",
    "pattern": r"^\s*([01]?\d|2[0-4]):[0-5]\d\s*$",
}
MONEY: JsonSchemaValue = {"title": "Money", "type": "string", "pattern": r"^\s*-?\d+(\.\d+)?\s*[A-Z]{3}\s*$"}
UNCERTAIN: JsonSchemaValue = {
    "title": "Uncertain",
    "description": "an uncertain input, triangular: {low: 5 %, mode: 8 %, high: 20 %}",
    "type": "object",
    "properties": {key: {"type": ["number", "string"]} for key in KEYS},
    "required": list(KEYS),
    "additionalProperties": False,
}
#: Keys that are never uncertain.
_CERTAIN = ("seed", "max_rows")
_HUMAN: dict[Callable[[Any], Any], JsonSchemaValue] = {
    parse_duration_us: DURATION,
    parse_share: SHARE,
    parse_ppm: SHARE,
    parse_clock_min: CLOCK,
}


def json_schema() -> dict[str, Any]:
    """The JSON Schema of scenario files."""
    schema = Scenario.model_json_schema(by_alias=True, schema_generator=_Human)
    catalogue = schema["properties"]["catalogue"]
    listings = {key: catalogue.pop(key) for key in ("type", "items", "minItems")}
    table = {"type": "string", "pattern": r"\.([cC][sS][vV]|[xX][lL][sS][xX])$"}
    catalogue["description"] = "the listings, or the path of a CSV or XLSX file with one row a SKU"
    catalogue["anyOf"] = [listings, table]
    _allow_uncertain(schema)
    schema["$defs"]["Uncertain"] = UNCERTAIN
    return {"$schema": DIALECT, "title": "LiveRush scenario", **{k: v for k, v in schema.items() if k != "title"}}


def _allow_uncertain(schema: dict[str, Any]) -> None:
    """Let every number, duration, share and amount in the properties of parts be uncertain too."""
    for part in [schema, *schema["$defs"].values()]:
        for form in [part, *part.get("anyOf", [])]:
            for key, value in form.get("properties", {}).items():
                if key not in _CERTAIN and any(_is_measure(each) for each in value.get("anyOf", [value])):
                    form["properties"][key] = _with_uncertain(value)


def _is_measure(form: JsonSchemaValue) -> bool:
    measures = (*DURATION["anyOf"], *SHARE["anyOf"])
    known = form in measures or form.get("$ref") in ("#/$defs/Money", "#/$defs/Duration")
    return known or form.get("type") in ("integer", "number")


def _with_uncertain(value: JsonSchemaValue) -> JsonSchemaValue:
    reference = {"$ref": "#/$defs/Uncertain"}
    if "anyOf" in value:
        return value | {"anyOf": [*value["anyOf"], reference]}
    about = {key: value[key] for key in ("title", "description", "default") if key in value}
    rest = {key: each for key, each in value.items() if key not in about}
    return about | {"anyOf": [rest, reference]}


class _Human(GenerateJsonSchema):
    """Writes values that we parse ourselves in the form in which they are written."""

    def function_before_schema(self, schema: Any) -> JsonSchemaValue:
        if schema["function"]["function"] is parse_lead_time:
            return {"anyOf": [{"enum": list(SERVICE_DAYS)}, super().function_before_schema(schema)]}
        human = _HUMAN.get(schema["function"]["function"])
        return dict(human) if human is not None else super().function_before_schema(schema)

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        spelled_out = super().model_schema(schema)
        short = self._short_forms(schema["cls"], spelled_out)
        if schema["cls"] is Money:
            return MONEY | {"description": "money, such as 12.90 GBP"}
        if not short:
            return spelled_out
        about: JsonSchemaValue = {key: spelled_out.pop(key) for key in ("title", "description") if key in spelled_out}
        return about | {"anyOf": [*short, spelled_out]}

    def _short_forms(self, part: type[BaseModel], spelled_out: JsonSchemaValue) -> list[JsonSchemaValue]:
        """The other forms in which a part may be written."""
        if part is Duration:
            return list(DURATION["anyOf"])
        if part is GroupCommit:
            return [{"const": "group_commit"}]
        if part is Servers:
            items = spelled_out["properties"]["shifts"]["items"]
            return [{"type": "integer", "minimum": 0}, {"type": "array", "items": dict(items)}]
        return []

    def encode_default(self, dft: Any) -> Any:
        return {} if isinstance(dft, BaseModel) else super().encode_default(dft)
