"""A value as YAML text that reads back to the same value."""

from __future__ import annotations

import json
import re
from typing import Any

from sim.scenario.reading.yaml_tree import resolve

_PLAIN = re.compile(
    r"[A-Za-z][A-Za-z0-9_./+-]*( [A-Za-z0-9_./+%-]+)*\Z|\d+(\.\d+)?[a-z ]+[0-9a-z ]*\Z|\d+(\.\d+)? ([A-Z]{3}|%)\Z"
)
_WORDS = {"true", "false", "null", "nan", "inf", "yes", "no", "on", "off"}
#: What YAML refuses in a file, or takes for the end of a line.
_NOT_PRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


def scalar_text(value: Any) -> str:
    """A scalar or an empty collection, in quotes where YAML would take it for something else."""
    plain = isinstance(value, str) and _PLAIN.match(value) and value.lower() not in _WORDS
    if plain and isinstance(resolve(value), str):
        return str(value)
    text = json.dumps(value, ensure_ascii=False)
    return _NOT_PRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
