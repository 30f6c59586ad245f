"""Catalogue files."""

from __future__ import annotations

from pathlib import Path as FilePath

from sim.scenario.nodes import Node, Place


def read_catalogue(name: str, folder: FilePath, place: Place) -> Node:
    raise NotImplementedError
