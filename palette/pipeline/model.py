"""MLPipelineModel: the same plan for a DataFrame and for one row."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyspark.ml import Model
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.util import MLReadable, MLWritable

from palette.errors import SchemaError
from palette.pipeline.persistence import PipelineReader, PipelineWriter
from palette.pipeline.scoring import local_plan, spark_step
from palette.serving.local import LocalPipeline
from palette.transformer import HasStore, PaletteTransformer

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.ml.param import ParamMap
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

    from palette.online import OnlineReader
    from palette.store import FeatureStore

__all__ = ["MLPipelineModel", "is_planned"]


def is_planned(stage: Any) -> bool:
    """Tell whether a stage is a look-up that :class:`MLPipeline` planned: its columns are called as it reads them."""
    return isinstance(stage, PaletteTransformer) and all(column == name for column, name in stage.getFeatures().items())


class MLPipelineModel(Model, HasStore, MLReadable, MLWritable):
    """A fitted :class:`MLPipeline`.

    Attributes
    ----------
    stages : list of Transformer
        The look-ups and the fitted stages, in compute order.

    Examples
    --------
    >>> MLPipelineModel().stages
    []
    """

    keepFeatures: Param[bool] = Param(
        Params._dummy(), "keepFeatures", "whether looked-up values stay as columns", TypeConverters.toBoolean
    )
    pins: Param[dict[str, int]] = Param(
        Params._dummy(), "pins", "feature group to the table version that fit read", dict
    )
    inputTypes: Param[dict[str, str]] = Param(
        Params._dummy(), "inputTypes", "column of the basis to its type, as fit saw it", dict
    )
    formatVersion: Param[int] = Param(
        Params._dummy(), "formatVersion", "format in which this model is saved", TypeConverters.toInt
    )

    def __init__(self, stages: list[Any] | None = None) -> None:
        super().__init__()
        self._setDefault(pointInTime="event", keepFeatures=False, pins={}, inputTypes={}, formatVersion=1)
        self.stages = list(stages or [])
        self._local: LocalPipeline | None = None

    def getPins(self) -> dict[str, int]:
        """Return the table versions that fit read, as ``training_set(version=...)`` takes them."""
        return dict(self.getOrDefault(self.pins))

    def getKeepFeatures(self) -> bool:
        """Return whether looked-up values stay as columns."""
        return self.getOrDefault(self.keepFeatures)

    def getInputTypes(self) -> dict[str, str]:
        """Return the columns of the basis that fit saw, with their types."""
        return dict(self.getOrDefault(self.inputTypes))

    def setStages(self, stages: list[Any]) -> MLPipelineModel:
        """Set the fitted stages."""
        self.stages = list(stages)
        self._local = None
        return self

    def copy(self, extra: ParamMap | None = None) -> MLPipelineModel:
        """Return a copy with copies of the stages; ``extra`` reaches each of them."""
        extra = extra or {}
        that: MLPipelineModel = Params.copy(self, extra)
        return that.setStages([stage.copy(extra) for stage in self.stages])

    @property
    def looked_up(self) -> dict[str, str]:
        """Intermediate column to expression of the planned look-ups."""
        return {
            column: name for stage in self.stages if is_planned(stage) for column, name in stage.getFeatures().items()
        }

    def transformSchema(self, schema: StructType) -> StructType:
        """Return the schema that :meth:`transform` gives, as far as the stages tell it without data."""
        from pyspark.sql.types import StructType

        for stage in self._runnable():
            if hasattr(stage, "transformSchema"):
                schema = stage.transformSchema(schema)
        dropped = set() if self.getKeepFeatures() else set(self.looked_up)
        return StructType([field for field in schema.fields if field.name not in dropped])

    def _runnable(self) -> list[Any]:
        """Return the stages, the planned look-ups with this model's store and times."""
        stages = []
        for stage in self.stages:
            if is_planned(stage):
                stage = PaletteTransformer(
                    store=self.store,
                    features=stage.getFeatures(),
                    timestampCol=self.getTimestampCol(),
                    pointInTime=self.getPointInTime(),
                )
            stages.append(stage)
        return stages

    def _transform(self, dataset: DataFrame) -> DataFrame:
        for stage in self._runnable():
            dataset = stage.transform(dataset)
        return dataset if self.getKeepFeatures() else dataset.drop(*self.looked_up)

    def score_instance(
        self, row: Mapping[str, Any], store: OnlineReader | FeatureStore | None = None, now: dt.datetime | None = None
    ) -> dict[str, Any]:
        """Score one row: the columns that :meth:`transform` adds, as plain Python values.

        Parameters
        ----------
        row : mapping
            The columns of the basis; a missing one is null.
        store : Snapshot or online store, optional
            Where features are read; default the online store of this model's feature store.
        now : datetime, optional
            The moment at which ttl counts, naive UTC; default this moment.

        Returns
        -------
        dict of str to value
            Timestamps as naive UTC datetimes, vectors as lists of float.

        Raises
        ------
        DataError
            If a value of the row has the wrong type.
        SnapshotError
            If the snapshot lacks a group, or ``now`` is before its time.
        """
        local = self._local
        if local is None:
            local = self._local = LocalPipeline(local_plan(self, spark_step), None)
        return local.score_instance(row, store=store if store is not None else self._own_online(), now=now)

    scoreInstance = score_instance

    def _own_online(self) -> Any:
        return self.store if self.looked_up else None

    def save_bundle(self, path: str | Path) -> None:
        """Write what scoring needs, for :meth:`palette.serving.LocalPipeline.load`, which needs no Spark.

        Raises
        ------
        SchemaError
            If a stage has no local form; it is named, and nothing is written.
        """

        def refuse(stage: Any) -> Any:
            raise SchemaError(f"stage {stage.uid} ({type(stage).__name__}) has no local form; score it with this model")

        LocalPipeline(local_plan(self, refuse), None).save(path)

    def write(self) -> PipelineWriter:
        """Return a writer; saving also keeps the pinned table versions from vacuum."""
        return PipelineWriter(self, self.stages)

    @classmethod
    def read(cls) -> PipelineReader:
        """Return a reader of saved models."""
        return PipelineReader(cls)

    @classmethod
    def load(cls, path: str, store: FeatureStore | str | None = None) -> MLPipelineModel:
        """Read a saved model; ``store`` takes the place of the one that it was fitted with."""
        model: MLPipelineModel = cls.read().load(path)
        return model if store is None else model.setStore(store)
