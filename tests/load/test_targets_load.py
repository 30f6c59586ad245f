"""`liverush load` as a whole on targets of others: the shop of the page over HTTPS, and a broken engine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from sim.cli.loading import load
from tests.load.test_targets_page import PAGE, TOKEN, certificate, my_shop, shop
from tests.paths import ROOT

__all__ = ["certificate", "my_shop"]  # fixtures

SHORT = ["minimal", "--for", "60s", "--speed", "20", "--tail", "1s", "--no-figures", "--json"]


def loaded(folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code of a run, and its summary."""
    command = [sys.executable, "-m", "sim.cli", "load", *SHORT, "--out", str(folder / "runs"), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.usefixtures("my_shop")
def test_the_shop_on_the_page_gets_its_verdict_and_its_secret_is_in_no_file(
    tmp_path: Path, certificate: tuple[Path, Path, Path]
) -> None:
    with shop(tmp_path, certificate) as url:
        target = ["--target", "my_shop:MyShop", "--url", url, "--ca-file", str(certificate[0])]
        code, summary = loaded(tmp_path, *target, "--secret", "SHOP_TOKEN")
    assert code in (0, 4)  # 4: this machine is too busy to measure on
    assert summary["verdict"]["audit"] == "clean"
    assert summary["audit"]["checked"]["O1"] > 0
    assert "T1" in summary["audit"]["unseen"]
    written = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert len(written) > 10
    assert [path.name for path in written if TOKEN.encode() in path.read_bytes()] == []


def test_an_engine_with_a_planted_fault_exits_with_3(tmp_path: Path) -> None:
    target = ["--target", "tests.load.broken:BrokenEngine", "--target-option", "fault=double_capture"]
    code, summary = loaded(tmp_path, *target)
    assert code == 3
    (finding,) = summary["audit"]["findings"]
    assert finding["rule"] == "P1"
    assert "again" in finding["ids"]


def test_every_option_on_the_page_is_one_of_the_verb() -> None:
    known = {name for option in load.params if isinstance(option, click.Option) for name in option.opts}
    said = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE.read_text(encoding="utf-8")))
    assert said - known == set()
