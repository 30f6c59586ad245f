"""Finds the target that `--target module:Class` names."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from loadtests.targets.base import Target
from sim.errors import UsageError


def load_target(name: str) -> Target:
    """Return a new target. Its module is looked for in the working directory too. Raises UsageError."""
    module, _, kind = name.partition(":")
    if not module or not kind:
        raise UsageError(f"--target {name!r}: write module:Class")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        found = getattr(importlib.import_module(module), kind)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"--target {name!r}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Target)):
        raise UsageError(f"--target {name!r} is no loadtests.targets.base.Target")
    return found()
