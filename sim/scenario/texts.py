"""Small texts of the command line taken apart: `one|other`, `KEY=VALUE,KEY=VALUE`, `100:1000:100`."""

from __future__ import annotations

from sim.scenario.reading.nodes import Scalar


def split(text: str, at: str) -> list[str]:
    """The parts between the characters `at` that stand outside brackets and quotes; empty ones are left out."""
    parts, start, depth, quote = [], 0, 0, ""
    for i, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "{[(":
            depth += 1
        elif char in "}])":
            depth -= 1
        elif char == at and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [part for part in [*parts, text[start:]] if part.strip()]


def scalar(text: str) -> Scalar:
    """A number where the text is one, otherwise the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
