"""Choosing by weights and the small whole-number laws."""

import numpy as np
import pytest

from sim.demand.choices import ALL, below, choice_table, geometric_weights
from sim.demand.streams import stream, uniform_u32


def test_options_are_picked_by_their_weights_within_the_group() -> None:
    table = choice_table([[1, 3], [5], [0.2, 0.0, 0.8]])
    uniform = np.array([0, ALL // 4 - 1, ALL // 4, ALL - 1], np.uint32)
    assert table.pick(0, uniform).tolist() == [0, 0, 1, 1]
    assert table.pick(1, uniform).tolist() == [0, 0, 0, 0]
    group = np.array([2, 0, 2, 1], np.uint8)
    assert table.pick(group, uniform).tolist() == [0, 0, 2, 0]


def test_an_option_of_weight_nothing_is_never_picked_not_even_at_the_ends() -> None:
    table = choice_table([[0.0, 0.1, 0.2, 0.0], [0.0, 1.0]])
    ends = np.array([0, ALL - 1], np.uint32)
    assert table.pick(0, ends).tolist() == [1, 2]
    assert table.pick(1, ends).tolist() == [1, 1]


@pytest.mark.parametrize("weights", [[], [0.0], [1.0, -0.5]])
def test_options_without_weight_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        choice_table([weights])


@pytest.mark.parametrize(("mean", "most"), [(1.0, 20), (1.3, 20), (7.5, 20), (19.0, 20), (3.0, 100)])
def test_geometric_numbers_have_the_mean_that_was_asked_for(mean: float, most: int) -> None:
    weights = np.array(geometric_weights(mean, most))
    assert weights.sum() == pytest.approx(1)
    assert weights @ np.arange(1, most + 1) == pytest.approx(mean, rel=1e-9)
    assert np.allclose(weights[1:-1], weights[:-2] * (1 - weights[0]))


def test_even_choices_cover_their_range() -> None:
    drawn = below(7, uniform_u32(stream(1, 0, "b"), 7000))
    assert set(drawn.tolist()) == set(range(7))
    assert below(7, np.array([0, ALL - 1], np.uint32)).tolist() == [0, 6]
