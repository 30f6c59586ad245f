"""A first scenario."""

from __future__ import annotations


def new_scenario(name: str = "my_show") -> str:
    """YAML text."""
    raise NotImplementedError
