"""A run directory as reports read it: summary, scenario, tables. Nothing here writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.arrays import Column
from sim.scenario.load import load_scenario
from sim.scenario.schema import Scenario

NONE = -1


@dataclass(frozen=True)
class Labels:
    """A column of text: `codes` index `names`, -1 where the column is null."""

    codes: npt.NDArray[np.int64]
    names: tuple[str, ...]

    def where(self, name: str) -> npt.NDArray[np.bool_]:
        """Rows that hold `name`."""
        code = self.names.index(name) if name in self.names else len(self.names)
        return np.equal(self.codes, code)


@dataclass(frozen=True)
class Run:
    """One run directory; files are read when asked for. Raises OSError, ValueError or ScenarioError."""

    directory: Path

    @cached_property
    def summary(self) -> dict[str, Any]:
        """`summary.json`. Raises ValueError where it is not one."""
        told = json.loads((self.directory / "summary.json").read_text(encoding="utf-8"))
        if not isinstance(told, dict):
            raise ValueError("summary.json holds no summary")
        if told.get("kind") == "load" and not isinstance(told.get("verdict"), dict):
            raise ValueError("summary.json holds no verdict")
        return told

    @property
    def metrics(self) -> dict[str, Any]:
        """The results of replication 0."""
        return dict(self.summary["metrics"])

    @property
    def currency(self) -> str:
        """The reporting currency."""
        return str(self.summary["currency"])

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario as run."""
        return load_scenario(self.directory / "scenario.yaml")

    @cached_property
    def timeline(self) -> dict[str, Column]:
        """`timeline.parquet`, numbers only."""
        return self.numbers("timeline")

    def numbers(self, table: str, columns: Sequence[str] | None = None) -> dict[str, Column]:
        """The columns of numbers of a table; null is -1 (times, counts) or NaN (floats)."""
        arrow = self._read(table, columns)
        return {name: _numbers(arrow[name]) for name in arrow.column_names if not _is_text(arrow[name].type)}

    def labels(self, table: str, column: str) -> Labels:
        """A column of text."""
        import pyarrow as pa

        array = self._read(table, [column])[column]
        if not pa.types.is_dictionary(array.type):
            array = array.dictionary_encode()
        array = array.unify_dictionaries().combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
        codes = array.indices.fill_null(NONE).to_numpy(zero_copy_only=False).astype(np.int64)
        return Labels(codes, tuple(array.dictionary.to_pylist()))

    def _read(self, table: str, columns: Sequence[str] | None) -> Any:
        import pyarrow.parquet as pq

        path, chosen = self.directory / f"{table}.parquet", None if columns is None else list(columns)
        return pq.read_table(path, columns=chosen, partitioning=None)


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _numbers(column: Any) -> Column:
    import pyarrow as pa

    if pa.types.is_boolean(column.type):
        column = column.fill_null(False)
    elif pa.types.is_floating(column.type):
        column = column.fill_null(float("nan"))
    elif column.null_count:
        column = column.cast(pa.int64()).fill_null(NONE)
    return np.asarray(column.to_numpy())
