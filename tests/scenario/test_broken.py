"""Broken files: every one is refused with the errors that stand beside it. `python -m tests.scenario.test_broken`
writes them anew; read the difference before you commit it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.errors import ExitCode, ScenarioError
from sim.scenario import load_scenario

FOLDER = Path(__file__).parent / "broken"
FILES = sorted(FOLDER.glob("*.yaml"))


def told(path: Path) -> str:
    """The error's text with the folder left out."""
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    assert caught.value.exit_code == ExitCode.USAGE
    return str(caught.value).replace(f"{FOLDER}{'/' if '/' in str(FOLDER) else chr(92)}", "") + "\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_broken_file_is_refused_with_clear_errors(path: Path) -> None:
    assert told(path) == path.with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_error_names_the_file(path: Path) -> None:
    assert all(line.startswith(f"{path.name}:") for line in told(path).splitlines())


def test_there_are_ten_broken_files_or_more() -> None:
    assert len(FILES) >= 10


if __name__ == "__main__":
    for file in FILES:
        file.with_suffix(".txt").write_text(told(file), encoding="utf-8", newline="\n")
