"""Models of ``xgboost.spark``, scored by the xgboost library itself: its boosters, without Spark.

What xgboost's workers do with a batch is done here with one row: the features are 32-bit floats, null and NaN are
missing values, and probabilities are made of the margins in 32 bits.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from palette.errors import DataError
from palette.serving.spark_files import SavedFiles
from palette.serving.stages.base import BundledStage, Sparsity
from palette.serving.stages.registry import register
from palette.serving.stages.sources import Data, FittedStage, Param, Source, named_columns, number
from palette.serving.stages.trees.booster import Booster, dense_row, sparse_row
from palette.serving.stages.vectors import Sparse, dense, incoming_vector

__all__ = ["SparkXGBClassifierModel", "SparkXGBRankerModel", "SparkXGBRegressorModel"]

NAN = math.nan


def _saved_booster(files: SavedFiles) -> str:
    try:
        parts = [part.read_text("utf-8") for part in sorted((files.path / "model").glob("part-*"))]
    except ValueError as error:
        raise DataError(f"{files.name}: its booster is not text, perhaps since Spark compressed it") from error
    # Long strings were cut into lines.
    return "".join(parts).replace("\n", "")


def _apart(stage: FittedStage) -> bool:
    return bool(stage.params.get("features_cols")) and not stage.params.get("enable_sparse_data_optim")


def _inputs(stage: FittedStage) -> tuple[str, ...]:
    features = tuple(stage.params["features_cols"]) if _apart(stage) else (stage.params["featuresCol"],)
    margin = stage.params.get("base_margin_col")
    return (*features, margin) if margin else features


def _rounds(stage: FittedStage) -> list[int] | None:
    rounds = stage.params.get("iteration_range")
    return None if rounds is None else [int(number) for number in rounds]


_SOURCE = Source(
    named_columns({"prediction": "predictionCol", "contributions": "pred_contrib_col"}),
    inputs=_inputs,
    booster=Data(lambda stage: bytes(stage.get_booster().save_raw("json")).decode(), saved=_saved_booster),
    missing=Param("missing", number),
    apart=_apart,
    sparse=lambda stage: bool(stage.params.get("enable_sparse_data_optim")),
    margin=lambda stage: bool(stage.params.get("base_margin_col")),
    rounds=_rounds,
)


@dataclass(frozen=True)
class _Boosted(BundledStage):
    """A booster and the Params of Spark's stage.

    Parameters
    ----------
    inputs : tuple of str
        The features, as one vector or array, or each in a column of its own; then the base margin, if there is one.
    outputs : tuple of str
        The columns that are added.
    gives : list of str
        What the outputs are.
    booster : str
        The model, as xgboost writes it in JSON.
    missing : float
        The number that means a missing value; NaN always does.
    apart : bool
        Whether each feature has its own column.
    sparse : bool
        Whether what a sparse vector leaves out is missing, as zeros are then.
    margin : bool
        Whether the last input is the base margin.
    rounds : list of int, optional
        The first round of trees that counts, and the one behind the last; those of early stopping if not given.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    gives: list[str]
    booster: str
    missing: float
    apart: bool
    sparse: bool
    margin: bool
    rounds: list[int] | None

    numeric = True

    source = _SOURCE
    # The last places of 32 bits.
    tolerance = 1e-6

    def __post_init__(self) -> None:
        """Give the booster to the library."""
        self.__dict__["_library"] = Booster(self.kind, self.booster, self.missing, self.rounds)

    @property
    def sparsity(self) -> Sparsity:
        """Columns that models add are dense."""
        return "own"

    @property
    def library(self) -> Booster:
        """The booster, in the library."""
        return self.__dict__["_library"]

    @property
    def output_types(self) -> tuple[str, ...]:
        """A double for the prediction, else vectors."""
        return tuple("double" if name == "prediction" else "vector" for name in self.gives)

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the columns.

        Raises
        ------
        DataError
            If the features are null, of another number than in training, or xgboost rejects them.
        """
        if not self.gives:
            return ()
        base = None
        if self.margin:
            base = NAN if values[-1] is None else values[-1]
            values = values[:-1]
        answers = self.answers(self._row(values), base)
        return tuple(answers[name] for name in self.gives)

    @abstractmethod
    def answers(self, row: Any, base: float | None) -> dict[str, Any]:
        """Return the columns by what they are, for features as xgboost takes them."""

    def _row(self, values: Sequence[Any]) -> Any:
        features: Any = values if self.apart else values[0]
        if not self.apart and features.__class__ is not list:
            features = self._vector(features)
            if self.sparse and features.__class__ is Sparse:
                return sparse_row(features)
            features = dense(features)
        try:
            return dense_row(features)
        except TypeError:
            return dense_row(self._numbers(features))

    def _vector(self, value: Any) -> Any:
        if value is None:
            raise DataError(f"{self.kind}: {self.inputs[0]} is null; fill what it is made from (nFill)")
        try:
            return incoming_vector(value, self.inputs[0])
        except TypeError as error:
            raise DataError(f"{self.kind}: {error}") from error

    def _numbers(self, features: Sequence[Any]) -> list[float]:
        for index, value in enumerate(features):
            if not isinstance(value, (int, float)) and not (self.apart and value is None):
                name = self.inputs[index] if self.apart else f"element {index} of {self.inputs[0]}"
                raise DataError(f"{self.kind}: {name} is {value!r:.80}, expected a number")
        return [NAN if value is None else value for value in features]


class _Single(_Boosted):
    """A model that gives one number."""

    def answers(self, row: Any, base: float | None) -> dict[str, Any]:
        """Return the prediction, and what each feature adds to it."""
        scores = self.library.scores(row, base, margin=False)
        if scores.shape != (1,):
            raise DataError(f"{self.kind}: the booster gives {scores.tolist()}, expected one number")
        (score,) = scores.tolist()
        # On its way from the worker to Spark a NaN becomes a null.
        answers: dict[str, Any] = {"prediction": None if score != score else score}
        if "contributions" in self.gives:
            answers["contributions"] = self.library.contributions(row, base, strict=False)[0].tolist()
        return answers


@register
@dataclass(frozen=True)
class SparkXGBRegressorModel(_Single):
    """The local form of ``xgboost.spark.SparkXGBRegressorModel``."""

    kind = "SparkXGBRegressorModel"
    spark_class = "xgboost.spark.estimator.SparkXGBRegressorModel"


@register
@dataclass(frozen=True)
class SparkXGBRankerModel(_Single):
    """The local form of ``xgboost.spark.SparkXGBRankerModel``."""

    kind = "SparkXGBRankerModel"
    spark_class = "xgboost.spark.estimator.SparkXGBRankerModel"


@register
@dataclass(frozen=True)
class SparkXGBClassifierModel(_Boosted):
    """The local form of ``xgboost.spark.SparkXGBClassifierModel``."""

    kind = "SparkXGBClassifierModel"
    spark_class = "xgboost.spark.estimator.SparkXGBClassifierModel"
    source = Source(
        {
            **_SOURCE,
            **named_columns(
                {
                    "raw": "rawPredictionCol",
                    "prediction": "predictionCol",
                    "probability": "probabilityCol",
                    "contributions": "pred_contrib_col",
                }
            ),
        }
    )

    @property
    def output_types(self) -> tuple[str, ...]:
        """Vectors, a double for the label, and contributions by class."""
        types = {"prediction": "double", "contributions": "array<array<double>>"}
        return tuple(types.get(name, "vector") for name in self.gives)

    def answers(self, row: Any, base: float | None) -> dict[str, Any]:
        """Return scores, label and probabilities, and what each feature adds to the scores."""
        from scipy.special import expit, softmax

        margins = self.library.scores(row, base, margin=True)
        if margins.ndim == 1:
            (margin,) = margins.tolist()
            late = expit(margins)
            raw, shares = [-margin, margin], [*(1.0 - late).tolist(), *late.tolist()]
            label = float(shares[1] > shares[0])
        else:
            likely = softmax(margins, axis=1)[0]
            raw, shares, label = margins[0].tolist(), likely.tolist(), float(likely.argmax())
        answers: dict[str, Any] = {"raw": raw, "probability": shares, "prediction": label}
        if "contributions" in self.gives:
            contributions = self.library.contributions(row, base, strict=True)[0].tolist()
            answers["contributions"] = [
                [None if value != value else value for value in added] for added in contributions
            ]
        return answers
