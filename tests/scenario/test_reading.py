"""Files that nobody should have written, and YAML's surprises."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sim.errors import ScenarioError
from sim.scenario import load_scenario, scenario_from_text
from sim.scenario.reading.nodes import plain
from sim.scenario.reading.yaml_tree import MAX_NODES, read_yaml
from tests.scenario.helpers import CATALOGUE, HEAD, MINIMAL, PROGRAMME, load


def value(text: str) -> object:
    root, problems = read_yaml(text, "x.yaml")
    assert not problems
    return plain(root)


def refusal(path: Path) -> str:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    return str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.yaml").endswith("none.yaml: no such file")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "is a folder" in refusal(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    assert "is no regular file" in refusal(tmp_path / "pipe.yaml")


def test_a_hundred_megabytes_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    assert "too large; found 100,000,000 bytes; allowed: at most 5,000,000 bytes" in refusal(path)


def test_the_offset_of_a_byte_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    path = tmp_path / "bytes.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: show\n\xff\n")
    assert "bytes.yaml:2: not UTF-8 text; found byte 0xff at offset 14" in refusal(path)


def test_a_byte_order_mark_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "show.yaml"
    path.write_text("\ufeff" + MINIMAL, encoding="utf-8")
    assert load_scenario(path).name == "show"


def test_control_characters_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "show.yaml"
    path.write_bytes(b"name: a\x00b\n")
    assert "not valid YAML" in refusal(path)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "null\n"])
def test_an_empty_file_is_refused(text: str) -> None:
    with pytest.raises(ScenarioError, match="the file is empty"):
        scenario_from_text(text)


@pytest.mark.parametrize(("text", "found"), [("[1]", "a list"), ("show", "'show'"), ("7", "7")])
def test_anything_but_a_mapping_is_refused(text: str, found: str) -> None:
    with pytest.raises(ScenarioError, match=f"not a scenario; found {found}"):
        scenario_from_text(text)


def test_a_second_document_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"<text>:2: a second document begins"):
        scenario_from_text("name: a\n---\nname: b\n")


def test_a_bomb_of_aliases_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 40)]
    with pytest.raises(ScenarioError, match="too many values"):
        read_yaml("\n".join(lines), "bomb.yaml")


def test_an_alias_inside_itself_is_refused() -> None:
    with pytest.raises(ScenarioError, match="stands inside itself"):
        read_yaml("a: &a [*a]", "x.yaml")


def test_an_alias_of_nothing_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"not valid YAML|not defined"):
        read_yaml("a: *b", "x.yaml")


def test_deep_nesting_is_refused_and_breaks_no_stack() -> None:
    with pytest.raises(ScenarioError, match=r"nested too deeply|not valid YAML"):
        read_yaml("[" * 100_000, "x.yaml")


def test_too_many_values_are_refused() -> None:
    with pytest.raises(ScenarioError, match="too many values"):
        read_yaml("[" + "1," * (MAX_NODES + 1) + "]", "x.yaml")


@pytest.mark.parametrize("key", ["[a]", "{a: b}"])
def test_a_key_that_is_no_text_is_refused(key: str) -> None:
    with pytest.raises(ScenarioError, match="a key must be plain text"):
        read_yaml(f"? {key}\n: 1\n", "x.yaml")


@pytest.mark.parametrize(
    "word", ["on", "off", "yes", "no", "y", "n", "On", "OFF", "18:00", "1:30:00", "010", "0x1F", "0o7"]
)
def test_words_that_yaml_1_1_takes_for_something_else_stay_text(word: str) -> None:
    assert value(f"[{word}]") == [word]
    assert value(f"{{{word}: 1}}") == {word: 1}


@pytest.mark.parametrize("word", ["2026-11-20", ".nan", ".inf", "-.INF", "1e999", "=", "<", "1_", "9" * 40])
def test_what_is_no_usable_number_stays_text(word: str) -> None:
    assert value(f"[{word}]") == [word]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True),
        ("False", False),
        ("~", None),
        ("12", 12),
        ("-7", -7),
        ("1_000", 1000),
        ("0.5", 0.5),
        ("1e3", 1e3),
        ("'12'", "12"),
    ],
)
def test_plain_values_are_read_as_they_look(text: str, expected: object) -> None:
    assert value(text) == expected
    assert type(value(text)) is type(expected)


def test_a_merge_fills_in_only_what_is_absent() -> None:
    merged = value("a: &a {x: 1, y: 2}\nb: {y: 3, <<: *a}\nc: {<<: [*a, {x: 9, z: 4}]}\n")
    assert merged == {"a": {"x": 1, "y": 2}, "b": {"y": 3, "x": 1}, "c": {"x": 1, "y": 2, "z": 4}}


def test_a_merge_of_no_mapping_is_refused() -> None:
    with pytest.raises(ScenarioError, match="'<<' merges mappings"):
        read_yaml("a: {<<: 3}", "x.yaml")


def test_a_repeated_key_is_refused_with_both_lines() -> None:
    with pytest.raises(ScenarioError, match=r"show.yaml:18: seed: the key is given twice, first in line 17"):
        load(text=f"{HEAD}{CATALOGUE}{PROGRAMME}\nseed: 1\nseed: 2\n")


def test_more_than_a_hundred_problems_are_cut() -> None:
    text = MINIMAL + "".join(f"key{i}: 1\n" for i in range(150))
    with pytest.raises(ScenarioError) as caught:
        load(text=text)
    lines = str(caught.value).splitlines()
    assert len(lines) == 101
    assert lines[-1] == "show.yaml: and 50 more problems"


def test_the_minimal_scenario_loads() -> None:
    scenario = load()
    assert scenario.catalogue[0].price.minor == 1290
    assert scenario.programme.broadcasts[0].start_us == 3_600_000_000


def test_names_of_attributes_are_no_keys() -> None:
    with pytest.raises(ScenarioError, match=r"unknown key; did you mean 'horizon'\?"):
        load("horizon=3d", text=MINIMAL + "horizon_us: 3d\n")
