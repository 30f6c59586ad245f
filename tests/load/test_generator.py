"""Locust as our child: it does what the plan says, whatever else it could be told."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from loadtests.generator import Generator
from loadtests.records import read_records
from loadtests.schedule import VIEW
from tests.load.made_schedules import even_schedule
from tests.load.running import LocustRun, plain_server

#: Each of these alone would end the replay early, keep it from beginning, or write into the user's folder.
CONFIGURED = "run-time = 1s\nprocesses = 2\ntags = smoke\ncsv = mine\nhtml = mine.html\n"


def test_the_users_own_configuration_of_locust_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, raw = tmp_path / "here", tmp_path / "raw"
    here.mkdir()
    raw.mkdir()
    (here / "locust.conf").write_text(CONFIGURED)
    (here / "pyproject.toml").write_text('[tool.locust]\ntags = ["smoke"]\n')
    (here / ".locust.conf").write_text("run-time = 1s\n")
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(here))
    monkeypatch.setenv("LOCUST_RUN_TIME", "1s")
    monkeypatch.setenv("LOCUST_CSV", "mine")
    even_schedule(100, 3, VIEW).write(raw / "schedule.npz")
    with plain_server() as (_process, port):
        (raw / "state.json").write_text(json.dumps({"url": f"http://127.0.0.1:{port}"}))
        paths = {"schedule": str(raw / "schedule.npz"), "state": str(raw / "state.json"), "folder": str(raw)}
        generator = Generator(raw, {**paths, "target": "tests.load.fakes:Plain"}, 1)
        try:
            generator.start()
            generator.begin(round((time.time() + 0.5) * 1e6))
            assert generator.wait(time.monotonic() + 60, lambda: None), generator.said()
        finally:
            generator.stop()
    assert len(read_records(raw)) == 300, generator.said()
    assert sorted(path.name for path in here.iterdir()) == [".locust.conf", "locust.conf", "pyproject.toml"]


def test_a_plan_that_cannot_be_played_ends_locust_at_once(tmp_path: Path) -> None:
    """Such as that of a run that is over, whose schedule is gone."""
    run = LocustRun(tmp_path / "raw", even_schedule(10, 1, VIEW), "http://127.0.0.1:9")
    (tmp_path / "raw" / "schedule.npz").unlink()
    assert run.end(timeout_s=60) == 1
    assert "worker 0 cannot begin" in run.log()
