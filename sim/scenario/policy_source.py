"""The source of a stock policy of the user's own: its file, and the modules of theirs that it imports.

Results depend on it, so it counts in fingerprints, and run directories keep it. Libraries and the standard library are
left out. Imports are read from the source: nothing but the packages around a module is run to find it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from importlib import util
from importlib.machinery import ModuleSpec
from pathlib import Path
from sysconfig import get_path
from typing import NamedTuple

from sim.scenario.parts.stocking import is_own
from sim.scenario.schema import Scenario

_LIBRARIES = {"site-packages", "dist-packages"}
_OURS = Path(__file__).resolve().parent.parent


class Source(NamedTuple):
    """A module and its file. `beside`: it lies beside the scenario file rather than on Python's path."""

    module: str
    file: Path
    beside: bool

    @property
    def path(self) -> Path:
        """Where it lies below the folder that its dotted name starts from."""
        inner = Path(*self.module.split("."))
        return inner / self.file.name if self.file.name == "__init__.py" else inner.with_suffix(self.file.suffix)


def policy_sources(scenario: Scenario) -> list[Source]:
    """The policy's own module first, then those of the user's that it imports; none for a policy of ours, or where
    its module is nowhere."""
    if not is_own(scenario.stock.policy):
        return []
    module = scenario.stock.policy.partition(":")[0]
    file = Path(scenario.origin.folder, *module.split(".")).with_suffix(".py")
    beside = bool(scenario.origin.folder) and file.is_file()
    found = file if beside else _file_of(_spec(module))
    if found is None:
        return []
    sources = {module: Source(module, found, beside)}
    waiting = [module]
    while waiting:
        name = waiting.pop(0)
        for other in _imports(name, sources[name].file, sources[name].file.stat().st_mtime_ns):
            own = _file_of(_spec(other)) if other not in sources and _is_theirs(other, module) else None
            if own is not None and own not in {each.file for each in sources.values()}:
                sources[other] = Source(other, own, beside=False)
                waiting.append(other)
    return list(sources.values())


@lru_cache(maxsize=256)
def _imports(module: str, file: Path, _changed_ns: int) -> tuple[str, ...]:
    """Names that may be modules which a file imports, with the packages around them."""
    if file.suffix != ".py":
        return ()
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return ()  # told where the policy is made
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    found: dict[str, None] = {}
    for name in _names(tree, package):
        parts = name.split(".")
        found |= dict.fromkeys(".".join(parts[:k]) for k in range(1, len(parts) + 1))
    return tuple(found)


def _names(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*filter(None, start), *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names if alias.name != "*")
            yield from ([base] if base else [])


def _is_theirs(name: str, policy: str) -> bool:
    """Whether a module is the user's: in the policy's own package, or neither in a library nor ours."""
    top = name.partition(".")[0]
    if top == policy.partition(".")[0]:
        return True
    spec = _spec(top)
    places = [] if spec is None else [spec.origin, *(spec.submodule_search_locations or ())]
    folders = [Path(place).resolve() for place in places if place and place not in ("built-in", "frozen")]
    standard = Path(get_path("stdlib")).resolve()
    return bool(folders) and not any(
        _LIBRARIES & set(each.parts) or standard in each.parents or each == _OURS or _OURS in each.parents
        for each in folders
    )


def _spec(name: str) -> ModuleSpec | None:
    try:
        return util.find_spec(name)
    except Exception:  # a package around it fails, or it is no module: told where the policy is made
        return None


def _file_of(spec: ModuleSpec | None) -> Path | None:
    file = None if spec is None or not spec.has_location or spec.origin is None else Path(spec.origin)
    return file if file is not None and file.is_file() else None
