"""A stock policy of the user's own, named `module:Class` in the scenario: found, made, and its errors told as theirs.

The class is made with the scenario; its `run(item)` is the SimPy process of one item (docs/own-policy.md).
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import sysconfig
import traceback
from collections.abc import Callable, Generator
from pathlib import Path
from types import ModuleType
from typing import Any

import simpy

import sim
from sim.errors import LiveRushError, UsageError
from sim.operations.replenishment import Item, Process
from sim.scenario.parts.stocking import is_own
from sim.scenario.schema import Scenario

Run = Callable[[Item], Process]


def own_policy(scenario: Scenario) -> Run:
    """The `run` of the scenario's own policy. Raises UsageError where there is none, or where making it fails."""
    name = scenario.stock.policy
    module, _, kind = name.partition(":")
    try:
        found = getattr(_module(module, scenario.origin.folder), kind, None)
        if found is None:
            raise UsageError(f"stock.policy {name}: {module} has no class {kind}")
        run = getattr(found(scenario), "run", None)
    except LiveRushError:
        raise
    except Exception as error:
        raise _told(name, error) from error
    if not callable(run):
        raise UsageError(f"stock.policy {name}: {kind} has no method run(item)")
    return lambda item: _guarded(name, run, item)


def check_own(scenario: Scenario) -> None:
    """Raise UsageError where the scenario names a policy of the user's that cannot be made."""
    if is_own(scenario.stock.policy):
        own_policy(scenario)


def _module(name: str, folder: str) -> ModuleType:
    """The module beside the scenario file, else on Python's path."""
    file = Path(folder, *name.split(".")).with_suffix(".py")
    if not folder or not file.is_file():
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not name.startswith(error.name):
                raise
            where = f"{folder} or " if folder else ""
            raise UsageError(f"stock.policy: no module {name!r} in {where}Python's path") from None
    known = f"liverush_own_{name}"
    stamp = f"{file}:{file.stat().st_mtime_ns}"
    if known in sys.modules and getattr(sys.modules[known], "__stamp__", None) == stamp:
        return sys.modules[known]
    spec = importlib.util.spec_from_file_location(known, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    module.__dict__["__stamp__"] = stamp
    spec.loader.exec_module(module)
    sys.modules[known] = module
    return module


def _guarded(name: str, run: Callable[[Item], Any], item: Item) -> Process:
    """The user's process; whatever it does wrong becomes one line with file and line."""
    try:
        process = run(item)
    except Exception as error:
        raise _told(name, error) from error
    if not inspect.isgenerator(process):
        raise UsageError(f"stock.policy {name}: run(item) yields nothing: write `yield item.review()` in it")
    try:
        event = next(process, None)
        while event is not None:
            if not isinstance(event, simpy.Event):
                raise TypeError(f"yield item.review(), item.threshold(level) or item.at(time_us), not {event!r}")
            value = yield event
            event = _send(process, value)
    except LiveRushError:
        raise
    except Exception as error:
        line = process.gi_frame.f_lineno if process.gi_frame is not None else None
        raise _told(name, error, Path(process.gi_code.co_filename).name, line) from error


def _send(process: Generator[Any, Any, Any], value: Any) -> Any:
    try:
        return process.send(value)
    except StopIteration:
        return None


def _told(name: str, error: Exception, file: str = "", line: int | None = None) -> UsageError:
    where = line_of_user(error) or (f"{file}:{line}" if line else "")
    words = " ".join(str(error).split())
    return UsageError(f"stock.policy {name}: {type(error).__name__}{f' in {where}' if where else ''}: {words}")


def line_of_user(error: BaseException) -> str:
    """`file:line` of the innermost step of an error that is neither in our code nor in a library's, else ''."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}:{error.lineno}"
    ours = (Path(sim.__file__).parent, *(Path(sysconfig.get_path(key)) for key in ("stdlib", "purelib", "platlib")))
    folders = [folder.resolve() for folder in ours]
    for step in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(step.filename)
        if not step.filename.startswith("<") and not any(folder in file.resolve().parents for folder in folders):
            return f"{file.name}:{step.lineno}"
    return ""
