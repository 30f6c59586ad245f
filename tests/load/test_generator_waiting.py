"""Waiting for the generator's processes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtests import generator
from loadtests.generator import Generator


@pytest.fixture
def master(tmp_path: Path) -> Iterator[Generator]:
    """A master of two workers that waits for ever."""
    found = Generator(tmp_path, {}, 2)
    process = found._process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield found
    process.kill()
    process.wait()


def test_a_master_that_waits_for_a_worker_that_was_killed_is_not_waited_for(
    master: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generator, "LEAVE_S", 0.2)
    seen: list[int] = []

    def look() -> None:
        seen.append(1)
        if len(seen) <= 2:  # the other worker's, or of the killed one its scribe's
            (master.folder / f"worker-{len(seen) - 1}.json").write_text("{}")

    assert master.wait(time.monotonic() + 600, look)
    assert len(seen) > 2


def test_a_generator_that_does_not_end_in_time_overran(master: Generator) -> None:
    (master.folder / "worker-0.json").write_text("{}")
    assert not master.wait(time.monotonic() + 0.2, lambda: None)
