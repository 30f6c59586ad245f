"""`scipy.special`, without what it loads and nobody here uses.

Its array layer asks numpy for every submodule there is, the Fortran tools and those for tests among them: a third of
what it takes to load. These two are loaded when somebody uses them, which here nobody does.
"""

from __future__ import annotations

import importlib.util
import sys

import numpy as np


def _load_lazily(name: str) -> None:
    """Put a numpy submodule into place that is loaded at its first use; one that is loaded stays as it is."""
    full_name = f"numpy.{name}"
    spec = None if full_name in sys.modules else importlib.util.find_spec(full_name)
    if spec is None or spec.loader is None:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[full_name] = module
    spec.loader.exec_module(module)
    setattr(np, name, module)


for _name in ("f2py", "testing"):
    _load_lazily(_name)

from scipy import special  # noqa: E402 - after what it would load

__all__ = ["special"]
