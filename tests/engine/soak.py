"""What the long runs found, kept in results/soak."""

from __future__ import annotations

import json
from typing import Any

from tests.paths import ROOT

_FOLDER = ROOT / "results" / "soak"


def write_result(name: str, facts: dict[str, Any]) -> None:
    """Write the facts of a run over those of the last."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    (_FOLDER / f"{name}.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
