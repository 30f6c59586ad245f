"""Progress of a replay, for people: what its workers tell each second, added up and shown in a line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Tail:
    """A growing file of JSON lines, read from where the last reading ended."""

    path: Path
    offset: int = 0

    def lines(self) -> list[dict[str, float]]:
        """What was added since the last call, whole lines only."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self.offset)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self.offset += len(whole)
        return [json.loads(line) for line in whole.splitlines() if line.strip()]


class Progress:
    """Adds up the workers' seconds; `show` gets a line whenever there is something new."""

    def __init__(self, folder: Path, workers: int, length_s: float, show: Callable[[str], None]) -> None:
        self._tails = [Tail(folder / f"progress-{worker}.jsonl") for worker in range(workers)]
        self._latest: list[dict[str, float]] = [{} for _ in range(workers)]
        self._length_s = length_s
        self._show = show

    def poll(self) -> None:
        """Look for news and show them."""
        news = False
        for worker, tail in enumerate(self._tails):
            for told in tail.lines():
                self._latest[worker] = told
                news = True
        if news:
            self._show(self._line())

    def _line(self) -> str:
        told = [latest for latest in self._latest if latest]
        second = max(latest.get("second", 0) for latest in told)

        def total(name: str) -> float:
            return sum(latest.get(name, 0) for latest in told)

        def worst(name: str) -> float:
            return max(latest.get(name) or 0 for latest in told)

        return (
            f"{second:4.0f} s of {self._length_s:.0f} s   offered {total('offered'):6.0f}/s   "
            f"sent {total('achieved'):6.0f}/s   in flight {total('in_flight'):5.0f}   "
            f"checkout p99 {_ms(worst('checkout_p99_us'))}   lag p99 {_ms(worst('lag_p99_us'))}   "
            f"sold out {total('refused'):5.0f}   errors {total('errors'):4.0f}"
        )


def _ms(us: float) -> str:
    return f"{us / 1000:7.1f} ms"
