"""Shapes for plain Locust. Importing Locust patches the process, so what they say is asked in another one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.generator import among_processes
from tests.paths import ROOT

ASK = """
import json, sys
from loadtests.shapes import choose_shape
from sim.errors import UsageError
told = []
for text in json.loads(sys.argv[1]):
    try:
        shape = choose_shape(text)
        told.append([shape.users_at(second) for second in json.loads(sys.argv[2])])
    except UsageError as error:
        told.append(str(error))
print(json.dumps(told))
"""


def ask(texts: list[str], seconds: list[int]) -> list[list[float | None] | str]:
    arguments = [sys.executable, "-c", ASK, json.dumps(texts), json.dumps(seconds)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    told: list[list[float | None] | str] = json.loads(done.stdout)
    return told


def test_each_shape_has_the_users_that_its_name_says_and_an_end() -> None:
    texts = [
        "step:users=10,every=10s,steps=3",
        "ramp:users=100,over=20s,hold=9s",
        "spike:base=5,users=50,at=10s,width=10s,after=9s",
        "soak:users=20,over=10s,hold=1m 30s",
        "burst:users=80,within=5s,after=20s",
    ]
    step, ramp, spike, soak, burst = ask(texts, [0, 5, 10, 15, 20, 28, 30, 200])
    assert step == [10, 10, 20, 20, 30, 30, None, None]
    assert ramp == [1, 25, 50, 75, 100, 100, None, None]
    assert spike == [5, 5, 50, 50, 5, 5, None, None]
    assert soak == [1, 10, 20, 20, 20, 20, 20, None]
    assert burst == [80, 80, 80, 80, 80, None, None, None]


@pytest.fixture(scope="module")
def complaints() -> list[list[float | None] | str]:
    return ask(["wave", "ramp:users", "ramp:users=x", "ramp:people=3", "step:every=0"], [0])


def test_a_wrong_shape_is_told_in_one_line(complaints: list[str]) -> None:
    said = ["no shape 'wave'", "write key=value", "'x' is no number", "has no 'people'", "every=0 is too small"]
    assert [part in complaint for part, complaint in zip(said, complaints, strict=True)] == [True] * 5


BURST = """
import time, gevent, os
from locust import User, events, task
from loadtests.barrier import Barrier

class Waiting(User):
    host = "-"
    @task
    def go(self):
        gevent.sleep(0.2 * (id(self) % 7) / 7)
        barrier.wait()
        with open(os.environ["TOLD"], "a") as file:
            file.write(f"{time.time()}\\n")
        gevent.event.Event().wait()

def init(environment, **_):
    global barrier
    barrier = Barrier(environment.runner, 40, 20)

events.init.add_listener(init)
"""


@pytest.mark.parametrize("processes", [0, 2])
def test_a_barrier_lets_all_users_of_all_processes_go_at_one_instant(tmp_path: Path, processes: int) -> None:
    (tmp_path / "burst.py").write_text(BURST)
    told = tmp_path / "told"
    arguments = [sys.executable, "-m", "locust", "-f", str(tmp_path / "burst.py"), "--headless", "--only-summary"]
    arguments += ["-u", "40", "-r", "40", "-t", "3s", *(among_processes(processes) if processes else [])]
    environment = {**os.environ, "TOLD": str(told), "PYTHONPATH": str(ROOT)}
    with (tmp_path / "log").open("wb") as log:
        done = subprocess.run(arguments, env=environment, stdout=log, stderr=log, timeout=60)
    assert done.returncode == 0, (tmp_path / "log").read_text()
    times = [float(line) for line in told.read_text().split()]
    assert len(times) == 40
    assert max(times) - min(times) < 0.5
