"""OneVsRest: one classification for each label, of which the surest decides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from palette.errors import DataError
from palette.serving.spark_files import SavedFiles
from palette.serving.stages.base import BundledStage, Sparsity
from palette.serving.stages.models.base import Classifier, live_params
from palette.serving.stages.registry import local_form, register, saved_form, stage_from_json, stage_to_json

__all__ = ["OneVsRestModel"]


@register
@dataclass(frozen=True)
class OneVsRestModel(BundledStage):
    """The local form of ``pyspark.ml.classification.OneVsRestModel``.

    Parameters
    ----------
    inputs : tuple of str
        The features column.
    outputs : tuple of str
        The scores and the label, or one of them.
    gives : list of str
        What the outputs are: "raw", "prediction".
    models : list of dict
        The classification of each label against the others, as JSON holds it.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    gives: list[str]
    models: list[dict[str, Any]]

    kind = "OneVsRestModel"
    numeric = True
    spark_class = "org.apache.spark.ml.classification.OneVsRestModel"

    @classmethod
    def from_spark(cls, stage: Any) -> OneVsRestModel:
        """Return the local form of Spark's model.

        Raises
        ------
        DataError
            If its classifications have no local form.
        """
        return cls._of(live_params(stage), [(model.uid, local_form(model)) for model in stage.models])

    @classmethod
    def from_saved(cls, saved: SavedFiles) -> OneVsRestModel:
        """Return the local form of a saved model."""
        inside = [saved.inside(f"model_{label}") for label in range(saved.metadata["numClasses"])]
        return cls._of(saved.params, [(model.name, saved_form(model)) for model in inside])

    @classmethod
    def _of(cls, params: Mapping[str, Any], models: list[tuple[str, BundledStage | None]]) -> OneVsRestModel:
        for uid, model in models:
            if not isinstance(model, Classifier):
                raise DataError(f"OneVsRestModel: its classification {uid} has no local form")
        columns = {"raw": params.get("rawPredictionCol"), "prediction": params["predictionCol"]}
        gives = [name for name, column in columns.items() if column]
        return cls(
            (params["featuresCol"],),
            tuple(columns[name] for name in gives),
            gives,
            [stage_to_json(model) for _, model in models if model is not None],
        )

    @property
    def reads_sparsity(self) -> bool:
        """As the classifications do."""
        return any(model.reads_sparsity for model in self._classifiers)

    @property
    def sparsity(self) -> Sparsity:
        """Scores are dense."""
        return "own"

    @property
    def output_types(self) -> tuple[str, ...]:
        """A vector of scores, a double for the label."""
        return tuple("vector" if name == "raw" else "double" for name in self.gives)

    @cached_property
    def _classifiers(self) -> list[Any]:
        return [stage_from_json(model) for model in self.models]

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the score that each classification gives its label, and the label of the first greatest.

        Where all are NaN or minus infinity that is -1, as it is Spark's.
        """
        if not self.gives:
            return ()
        scores = [model.raw(model.features(values[0]))[1] for model in self._classifiers]
        label, greatest = -1, -math.inf
        for place, score in enumerate(scores):
            if score > greatest:
                label, greatest = place, score
        answers = {"raw": scores, "prediction": float(label)}
        return tuple(answers[name] for name in self.gives)
