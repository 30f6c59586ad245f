"""Finished replications of a study that may be interrupted: one line each, kept until its run directory is whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import sim

Result = dict[str, Any]
FORMAT = 2


class Journal:
    """The file beside the run directories in which a study's progress is kept. Lines cut off by a kill are left out,
    and all of it where another version wrote it."""

    def __init__(self, out: Path, key: str, by: str = "replication") -> None:
        """`key`: what the results depend on. `by`: the name of what numbers them."""
        self._by = by
        self.path = out / f".progress-{key[:16]}.jsonl"
        self._head = {"format": FORMAT, "version": sim.__version__, "study": key}

    def read(self) -> dict[int, Result]:
        """The results that are there by their number."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except OSError:
            return {}
        found: dict[int, Result] = {}
        for number, line in enumerate(lines):
            try:
                value = json.loads(line)
            except ValueError:
                break
            if number == 0 and value != self._head:
                return {}
            if number:
                found[value[self._by]] = value
        return found

    def start(self, kept: dict[int, Result]) -> None:
        """Write the file anew with what is kept, so that a cut line does not spoil those behind it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(value) + "\n" for value in (self._head, *kept.values())]
        part = self.path.with_suffix(".part")  # a kill while it is written must not cost what is there
        part.write_text("".join(lines), encoding="utf-8")
        part.replace(self.path)

    def add(self, result: Result) -> None:
        """Keep one more."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(result) + "\n")

    def end(self) -> None:
        """The study is whole: forget its progress."""
        self.path.unlink(missing_ok=True)
