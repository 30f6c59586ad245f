"""Studies on a Dask cluster: a scheduler and two workers on loopback, one of which is killed."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.experiments.test_compare import TEXT
from tests.paths import ROOT

if importlib.util.find_spec("distributed") is None:
    pytest.skip("needs the extra 'cluster' (dask, distributed)", allow_module_level=True)

#: In a process of its own: what these libraries warn of is not ours to make an error.
PROGRAM = """
import json, os, signal, subprocess, sys, threading
from pathlib import Path
from distributed import LocalCluster
from sim.experiments.compare import Plan, compare
from sim.scenario.studies.study import load_study

def main(kill):
    settings = dict(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50)
    with LocalCluster(**settings) as cluster:
        def tell(done, of):
            if kill and done == 2:
                os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
        study = load_study("tiny.yaml")
        here = compare(study, Plan(replications=6, workers=1), Path("here"))
        there = compare(study, Plan(replications=6, cluster=cluster.scheduler_address), Path("there"), tell=tell)
        print(json.dumps(here.summary == there.summary))

if __name__ == "__main__":
    main(sys.argv[1] == "kill")
"""


@pytest.mark.parametrize("what", ["keep", "kill"])
def test_a_cluster_comes_to_the_same_even_where_a_worker_is_killed(tmp_path: Path, what: str) -> None:
    (tmp_path / "tiny.yaml").write_text(TEXT, encoding="utf-8")
    (tmp_path / "study.py").write_text(PROGRAM, encoding="utf-8")
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "study.py", what]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert process.returncode == 0, err
    assert json.loads(out.strip().splitlines()[-1]) is True
