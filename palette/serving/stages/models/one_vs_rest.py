"""OneVsRest: one classification for each label, of which the surest decides."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from palette.errors import DataError
from palette.serving.spark_files import SavedFiles
from palette.serving.stages.base import BundledStage, Sparsity
from palette.serving.stages.models.base import Classifier
from palette.serving.stages.registry import local_form, register, saved_form, stage_from_json, stage_to_json
from palette.serving.stages.sources import Data, Param, Source, as_tuple, named_columns

__all__ = ["OneVsRestModel"]


def _model_json(uid: str, model: BundledStage | None) -> dict[str, Any]:
    if not isinstance(model, Classifier):
        raise DataError(f"OneVsRestModel: its classification {uid} has no local form")
    return stage_to_json(model)


def _saved_models(files: SavedFiles) -> list[dict[str, Any]]:
    inner = [files.inside(f"model_{label}") for label in range(files.metadata["numClasses"])]
    return [_model_json(model.name, saved_form(model)) for model in inner]


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
    source = Source(
        named_columns({"raw": "rawPredictionCol", "prediction": "predictionCol"}),
        inputs=Param("featuresCol", as_tuple),
        models=Data(
            lambda stage: [_model_json(model.uid, local_form(model)) for model in stage.models], saved=_saved_models
        ),
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
        for index, score in enumerate(scores):
            if score > greatest:
                label, greatest = index, score
        answers = {"raw": scores, "prediction": float(label)}
        return tuple(answers[name] for name in self.gives)
