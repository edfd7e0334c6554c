"""What models share, beside what Spark gave."""

from __future__ import annotations

import math

import pytest

from palette.errors import DataError
from palette.serving.stages.linear.linear_models import LinearRegressionModel
from palette.serving.stages.models.base import softmax
from palette.serving.stages.vectors import Sparse

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([1.0, 2.0], [0.26894142136999516, 0.7310585786300049]),
        ([INF, 1.0], [1.0, 0.0]),
        ([INF, INF], [1.0, NAN]),
        ([-INF, INF], [NAN, 1.0]),
        ([NAN, INF], [NAN, 1.0]),
        ([NAN, 1.0], [NAN, NAN]),
        ([-INF, -INF], [NAN, NAN]),
        ([-INF, 0.0], [0.0, 1.0]),
        ([800.0, -800.0], [1.0, 0.0]),
    ],
)
def test_softmax(scores, expected):
    assert softmax(scores) == pytest.approx(expected, rel=1e-15, nan_ok=True)


@pytest.fixture
def model():
    return LinearRegressionModel(("v",), ("p",), 2, [2.0, 3.0], None, 0.5)


@pytest.mark.parametrize("vector", [[1.0, 4.0], (1, 4), Sparse(2, [0, 1], [1.0, 4.0])], ids=str)
def test_vectors_of_any_kind(model, vector):
    assert model.compute(vector) == (14.5,)


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (None, "v is null"),
        ([1.0], "v has 1 elements, the model knows 2"),
        ("ab", "expected a vector"),
        ((1.0, None), "expected a vector"),
    ],
    ids=str,
)
def test_refused(model, vector, message):
    with pytest.raises(DataError, match=message):
        model.compute(vector)
