"""Shapes and types of the packages are checked while tests run."""

import numpy as np
import pytest
from beartype.roar import BeartypeCallHintViolation

from plasticity.core.names import printable
from plasticity.metrics.frontier import excess

CURVE = np.array([[[1.0, 0.0], [0.0, 1.0]]] * 3)


def test_a_size_that_is_not_the_other_arguments_is_refused() -> None:
    assert excess(np.zeros(3), np.zeros(3), CURVE).shape == (3,)
    for live, curve in (
        (np.zeros(2), CURVE),
        (np.zeros(3), CURVE[:2]),
        (np.zeros(3), CURVE[:, :1]),
    ):
        with pytest.raises(BeartypeCallHintViolation):
            excess(live, np.zeros(3), curve)


def test_a_type_is_refused() -> None:
    with pytest.raises(BeartypeCallHintViolation):
        printable(3)  # pyright: ignore[reportArgumentType]
