"""Traces made ahead: while one worker compiles the kernels, the others make the traces that will be wanted next.

They lie in a folder of this machine until they are taken, for the worker that wants a trace need not be its maker.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sim.demand.trace import Trace
from sim.operations.simulate import will_compile
from sim.scenario.schema import Scenario

_MOST_BYTES = 2 << 30
Say = Callable[[str], object]


def compiles(scenario: Scenario, runs: int, cluster: str | None, say: Say) -> bool:
    """Whether `runs` like this one will first compile on this machine, which is then said."""
    if cluster is not None or not will_compile(scenario, runs):
        return False
    say("compiling the kernels, once; it takes about 20 s")
    return True


@dataclass(frozen=True)
class Ahead:
    """The folder. A trace is known by its replication and its scenario's `demand_key`."""

    folder: Path

    def wants(self, replication: int, key: str) -> bool:
        """Whether there is room for a trace, and it is not there."""
        used = sum(file.stat().st_size for file in self.folder.glob("*.trace"))
        return used < _MOST_BYTES and not self._path(replication, key).exists()

    def keep(self, trace: Trace, replication: int, key: str) -> None:
        """Keep a trace. Raises OSError."""
        path = self._path(replication, key)
        part = path.with_suffix(".part")
        part.write_bytes(pickle.dumps(trace, pickle.HIGHEST_PROTOCOL))
        part.replace(path)

    def take(self, replication: int, key: str) -> Trace | None:
        """The trace, which is kept no longer; None where nobody made it."""
        path = self._path(replication, key)
        try:
            packed = path.read_bytes()
        except FileNotFoundError:
            return None
        path.unlink(missing_ok=True)
        trace: Trace = pickle.loads(packed)
        return trace

    def _path(self, replication: int, key: str) -> Path:
        return self.folder / f"{replication}-{key[:16]}.trace"


@contextmanager
def ahead() -> Iterator[Ahead]:
    """A folder for as long as it is used."""
    with tempfile.TemporaryDirectory(prefix="liverush-", ignore_cleanup_errors=True) as name:
        yield Ahead(Path(name))
