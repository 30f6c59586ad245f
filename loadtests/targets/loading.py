"""Finding the class that `--target module:Class` names: among what is installed, then in the current folder."""

from __future__ import annotations

import importlib
import os
import sys

from loadtests.targets.base import Target
from sim.errors import UsageError


def load_target(name: str) -> Target:
    """A new target of the class that is named. Raises UsageError in one line for whatever is wrong with it."""
    module_name, colon, class_name = name.partition(":")
    if not colon or not module_name or not class_name:
        raise UsageError(f"--target {name!r}: write module:Class, such as my_shop:MyShop")
    found = getattr(_module(name, module_name), class_name, None)
    if found is None:
        raise UsageError(f"--target {name}: {module_name} has no {class_name}")
    if not (isinstance(found, type) and issubclass(found, Target)):
        raise UsageError(f"--target {name}: {class_name} is not derived from loadtests.targets.base.Target")
    missing = [step for step in ("place", *sorted(found.steps)) if not _written(found, step)]
    if missing:
        raise UsageError(f"--target {name}: {class_name} does not write {missing[0]}")
    try:
        return found()
    except TypeError as error:
        raise UsageError(f"--target {name}: {class_name} cannot be made without arguments: {error}") from error
    except (Exception, SystemExit) as error:
        raise UsageError(f"--target {name}: {class_name} cannot be made: {type(error).__name__}: {error}") from error


def _module(name: str, module_name: str) -> object:
    """Import a module with the current folder searched too: that is where people write theirs."""
    here = os.getcwd()
    if here not in sys.path:
        sys.path.append(here)  # last: a file there must not stand in for a library
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise UsageError(f"--target {name}: no module {module_name} in {here}") from error
        raise UsageError(f"--target {name}: {module_name} needs {error.name}, which is not installed") from error
    except (Exception, SystemExit) as error:  # a module that is a script may end the process
        raise UsageError(f"--target {name}: {module_name} fails: {type(error).__name__}: {error}") from error


#: Steps whose method has another name.
_METHODS = {"follow": "paid_since", "shelf": "put_on_shelf", "return": "give_back"}


def _written(found: type[Target], step: str) -> bool:
    method = _METHODS.get(step, step)
    base = Target.__dict__.get(method)
    return base is not None and (getattr(found, method) is not base or step in _MADE_OF_OTHERS)


#: Steps that the base does by means of others.
_MADE_OF_OTHERS = frozenset({"refresh"})
