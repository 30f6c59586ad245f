"""docs/tutorial.md: every command prints what it shows, and what it says of files and figures is so."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sim import cli
from tests.docs.tutorial import follow, missing
from tests.engine.process import environment
from tests.paths import DOCS

PAGE = (DOCS / "tutorial.md").read_text(encoding="utf-8")
#: What makes the commands quicker here; the results are the same.
QUICK = {
    "simulate": ["--no-figures"],
    "compare": ["--no-figures", "--workers", "1"],
    "optimise": ["--no-figures", "--workers", "1"],
}


def words_of(command: str) -> list[str]:
    """The words of a command, `*` put in as a shell does in the working directory."""
    program, *words = shlex.split(command.replace("\\\n", " "))
    assert program == "liverush"
    return [str(found) for word in words for found in (sorted(Path().glob(word)) if "*" in word else [word])]


def expected_code(command: str, seen: list[str]) -> int:
    """2 of the first command, which meets the page's mistake; 0 of all others."""
    seen.append(command)
    return 2 if len(seen) == 1 else 0


def test_every_command_prints_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    seen: list[str] = []

    def run(command: str) -> str:
        words = words_of(command)
        code = cli.run([*words, *QUICK.get(words[0], [])])
        told = capsys.readouterr()
        assert code == expected_code(command, seen), told.err
        return told.out + told.err

    for step, printed in follow(PAGE, tmp_path, run):
        assert not missing(step.shown, printed), f"{step.command}\nprints something else now:\n{printed}"
    assert len(seen) == 12


@pytest.mark.soak
def test_the_commands_draw_the_figures_that_the_page_points_to(tmp_path: Path) -> None:
    def run(command: str) -> str:
        whole = ["bash", "-c", command.replace("liverush", f"{sys.executable} -m sim.cli", 1)]
        done = subprocess.run(whole, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    for step, printed in follow(PAGE, tmp_path, run):
        assert not missing(step.shown, printed), f"{step.command}\nprints something else now:\n{printed}"
    drawn = {path.name for path in tmp_path.rglob("*") if path.suffix in (".png", ".html", ".xlsx")}
    named = set(re.findall(r"`([\w-]+\.(?:png|html|xlsx))`", PAGE))
    assert named
    assert named <= drawn


@pytest.mark.parametrize(
    ("shown", "printed", "absent"),
    [
        ("a\nb\n", "a\nb\n", []),
        ("a\n", "a\nb\n", ["b"]),
        ("a\n...\n", "a\nb\n", []),
        ("...\nb\n...\n", "a\nb\nc\n", []),
        ("...\nb\n", "a\nb\nc\n", ["c"]),
        ("...\nc\n...\nb\n...\n", "a\nb\nc\n", ["b"]),
        ("...\na\nc\n...\n", "a\nb\nc\n", ["a", "c"]),
        ("b\n...\n", "a\nb\n", ["b"]),
    ],
)
def test_a_line_that_is_not_printed_is_noticed(shown: str, printed: str, absent: list[str]) -> None:
    assert missing(shown, printed) == absent
