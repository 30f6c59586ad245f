"""Small scenarios for the tests."""

from __future__ import annotations

from sim.scenario import Scenario, scenario_from_text

HEAD = """
name: show
start: 2026-11-20T18:00:00+00:00
"""
CATALOGUE = """
catalogue:
  - {name: lipstick, price: 12.90 GBP, stock: {main: 300}}
  - {name: serum, price: 29.00 GBP, stock: {main: 100}}
"""
PROGRAMME = """
programme:
  broadcasts:
    - name: live
      start: 1h
      length: 1h
      entries: [{at: 0, per_min: 100}, {at: 1h, per_min: 10}]
      pitches: [{listing: lipstick, at: 10m, length: 10m}]
"""
MINIMAL = HEAD + CATALOGUE + PROGRAMME


def load(*overrides: str, text: str = MINIMAL) -> Scenario:
    """The minimal scenario with overrides."""
    return scenario_from_text(text, "show.yaml", overrides)
