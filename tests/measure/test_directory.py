"""A run directory is whole or not there, however the run ends."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sim.errors import UsageError
from sim.measure.directory import PREFIX, remove_stale, whole_directory, whole_file, write_whole


class _Stop(BaseException):
    """As an interrupt or SIGTERM."""


def _stopped_run(out: Path, error: type[BaseException]) -> None:
    with whole_directory(out, "show-1") as partial:
        (partial / "a.txt").write_text("half", encoding="utf-8")
        raise error


def _stopped_file(path: Path, error: BaseException) -> None:
    with whole_file(path) as partial:
        partial.write_text("ha", encoding="utf-8")
        raise error


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_directory_appears_under_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    with whole_directory(tmp_path, "show-1") as partial:
        (partial / "a.txt").write_text("a", encoding="utf-8")
        assert not (tmp_path / "show-1").exists()
    assert names(tmp_path) == ["show-1"]
    assert names(tmp_path / "show-1") == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt(), _Stop(), OSError(errno.EFBIG, "large", "other")])
def test_a_file_is_as_it_was_where_its_writing_fails(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a.txt"
    write_whole(path, "whole\n")
    with pytest.raises(type(error)) as caught:
        _stopped_file(path, error)
    assert path.read_bytes() == b"whole\n"
    assert names(tmp_path) == ["a.txt"]
    if isinstance(caught.value, OSError):
        assert caught.value.filename == str(path)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, _Stop, OSError])
def test_whatever_stops_a_run_nothing_is_left(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error):
        _stopped_run(tmp_path / "results" / "runs", error)
    assert names(tmp_path) == []


def test_a_failed_run_leaves_the_earlier_one_as_it_was(tmp_path: Path) -> None:
    with whole_directory(tmp_path, "show-1") as partial:
        (partial / "a.txt").write_text("old", encoding="utf-8")
    with pytest.raises(_Stop):
        _stopped_run(tmp_path, _Stop)
    assert (tmp_path / "show-1" / "a.txt").read_text(encoding="utf-8") == "old"
    assert names(tmp_path) == ["show-1"]


def test_the_same_run_again_replaces_its_directory(tmp_path: Path) -> None:
    for text, file in (("old", "a.txt"), ("new", "b.txt")):
        with whole_directory(tmp_path, "show-1") as partial:
            (partial / file).write_text(text, encoding="utf-8")
    assert names(tmp_path / "show-1") == ["b.txt"]
    assert names(tmp_path) == ["show-1"]


def test_an_interrupt_while_one_replaces_another_leaves_the_earlier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with whole_directory(tmp_path, "show-1") as partial:
        (partial / "a.txt").write_text("old", encoding="utf-8")
    rename = Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        if target.name == "show-1" and not self.name.endswith("-old"):
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), whole_directory(tmp_path, "show-1") as partial:
        (partial / "b.txt").write_text("new", encoding="utf-8")
    assert names(tmp_path) == ["show-1"]
    assert names(tmp_path / "show-1") == ["a.txt"]


def test_what_a_killed_process_was_about_to_replace_gets_its_name_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{PREFIX}show-1-01234567-old").mkdir()
    assert remove_stale(tmp_path) == [], "it was renamed just now"
    assert names(tmp_path) == [f"{PREFIX}show-1-01234567-old"]
    monkeypatch.setattr("sim.measure.directory._UNLOCKED_IS_STALE_S", -1)
    assert remove_stale(tmp_path) == []
    assert names(tmp_path) == ["show-1"]


def test_a_run_in_progress_is_not_cleaned_away(tmp_path: Path) -> None:
    with whole_directory(tmp_path, "show-1") as partial:
        assert remove_stale(tmp_path) == []
        assert partial.is_dir()


def test_what_a_killed_process_left_is_removed_by_the_next_run(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys\n"
        "from sim.measure.directory import whole_directory\n"
        "with whole_directory(pathlib.Path(sys.argv[1]), 'show-1') as partial:\n"
        "    (partial / 'half.txt').write_text('half')\n"
        "    os._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert [name.startswith(PREFIX) for name in names(tmp_path)] == [True]
    with whole_directory(tmp_path, "show-2"):
        pass
    assert names(tmp_path) == ["show-2"]


def test_a_partial_without_a_lock_is_removed_only_when_old(tmp_path: Path) -> None:
    young, old = tmp_path / f"{PREFIX}young", tmp_path / f"{PREFIX}old"
    young.mkdir()
    old.mkdir()
    os.utime(old, (time.time() - 7_200,) * 2)
    assert remove_stale(tmp_path) == [old]
    assert names(tmp_path) == [young.name]


def test_what_a_killed_process_left_of_a_file_is_removed_when_old_by_the_next_of_the_name(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys\n"
        "from sim.measure.directory import whole_file\n"
        "with whole_file(pathlib.Path(sys.argv[1])) as partial:\n"
        "    partial.write_text('half')\n"
        "    os._exit(9)\n"
    )
    path = tmp_path / "orders[1].csv"
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    (left,) = tmp_path.iterdir()
    others = [tmp_path / f"{PREFIX}orders[1].csv-mine", tmp_path / f"{PREFIX}orders1.csv-01234567"]
    for other in others:
        other.write_text("", encoding="utf-8")
        os.utime(other, (time.time() - 7_200,) * 2)
    write_whole(path, "whole")
    assert left.exists(), "another process may be at it"
    os.utime(left, (time.time() - 7_200,) * 2)
    write_whole(path, "whole")
    assert names(tmp_path) == sorted(file.name for file in (path, *others))


def test_a_file_in_the_way_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="is a file"), whole_directory(tmp_path / "runs", "show-1"):
        pass
