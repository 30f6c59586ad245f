import numpy as np
import pytest

from sim.demand.columns import distinct


@pytest.mark.parametrize("values", [[], [3], [5, 1, 5, -2, 1], list(range(9)) * 2])
def test_distinct_values_are_those_of_numpy(values: list[int]) -> None:
    found = distinct(np.array(values, np.int64))
    assert found.dtype == np.int64
    assert found.tolist() == np.unique(np.array(values, np.int64)).tolist()
