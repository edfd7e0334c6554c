"""MLPipelineModel: one plan for DataFrames and single rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from pyspark.ml import Model
from pyspark.ml.param import Param, Params, TypeConverters

from dsl.row_mappings import check_frame
from dsl.stages.persistence import PersistentStage
from palette.errors import DataError, SchemaError
from palette.params import ScoresRows
from palette.paths import COPY_THERE, local_path
from palette.pipeline.deploy.deployment import deploy
from palette.pipeline.deploy.scoring_plan import local_plan, spark_step
from palette.pipeline.explain import explain_model
from palette.pipeline.persistence import PipelineReader, PipelineWriter
from palette.pipeline.planning.input_columns import added_columns, check_inputs, may_add_others
from palette.pipeline.planning.stage_columns import with_outputs
from palette.serving.bundle import write_bundle
from palette.serving.column_names import Names
from palette.serving.self_test import SelfTest
from palette.transformer import PaletteTransformer

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.ml.param import ParamMap
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

    from palette.pipeline.deploy.deployment import Deployment
    from palette.serving.plan import Plan
    from palette.store import FeatureStore

__all__ = ["MLPipelineModel"]


class MLPipelineModel(Model, PersistentStage, ScoresRows):
    """A fitted :class:`MLPipeline`.

    ``transform`` looks up the values known at each row's timestamp, in ``timestampCol``; after
    ``model.clear(model.timestampCol)`` the latest values, for batch inference.

    Attributes
    ----------
    stages : list of Transformer
        The look-ups and the fitted stages, in compute order.
    saved_at : str
        The directory that it was saved to or loaded from last; empty if there is none.

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
    pinnedTables: Param[str] = Param(
        Params._dummy(), "pinnedTables", "location of the tables that pins refers to", TypeConverters.toString
    )
    inputTypes: Param[dict[str, str]] = Param(
        Params._dummy(), "inputTypes", "column of the basis to its type, as fit saw it", dict
    )
    selfTest: Param[str] = Param(
        Params._dummy(), "selfTest", "JSON of a few rows and their answers, for bundles", TypeConverters.toString
    )
    localForms: Param[str] = Param(
        Params._dummy(), "localForms", "JSON of local forms recorded at fit, by uid", TypeConverters.toString
    )
    runtime: Param[dict[str, Any]] = Param(
        Params._dummy(), "runtime", "versions that fit ran on, as far as results depend on them", dict
    )
    ttls: Param[dict[str, dict[str, int | None]]] = Param(
        Params._dummy(), "ttls", "uid of a look-up to the ttl of each group, in microseconds, as fit saw it", dict
    )
    planned: Param[list[str]] = Param(
        Params._dummy(), "planned", "uids of the look-ups that the pipeline planned", TypeConverters.toListString
    )

    def __init__(self, stages: Sequence[Any] = ()) -> None:
        super().__init__()
        self._setDefault(pointInTime="event", keepFeatures=False, pins={}, pinnedTables="", inputTypes={}, planned=[])
        self._setDefault(selfTest="", localForms="", runtime={}, ttls={})
        self.stages = list(stages)
        self.saved_at = ""

    def getPins(self) -> dict[str, int]:
        """Return the table versions that fit read.

        ``store.training_set(basis, features, timestamp=..., version=model.getPins())`` rebuilds the data that it was
        fitted on. Saving the model protects these versions from ``vacuum``, under the name
        ``model:PATH``, until ``store.release`` of that name.
        """
        return dict(self.getOrDefault(self.pins))

    def getPinnedTables(self) -> str:
        """Return the location of the tables that the pins refer to; empty if fit read none."""
        return self.getOrDefault(self.pinnedTables)

    def pinsOf(self, store: FeatureStore) -> dict[str, int]:
        """Return the pins if they refer to the tables of ``store``, otherwise an empty dict."""
        tables = self.getPinnedTables()
        # A model saved by an earlier release lacks it; it was fitted with its own store.
        own = tables == store.tables.root if tables else self.has_store and self.getStoreUri() == store.uri
        return self.getPins() if own else {}

    def getSelfTest(self) -> str:
        """Return a few rows of the fit with their results, as JSON; empty if fit did not run the data."""
        return self.getOrDefault(self.selfTest)

    def getLocalForms(self) -> str:
        """Return, as JSON, the local forms of stages that depend on metadata of their input columns, by uid."""
        return self.getOrDefault(self.localForms)

    def getRuntime(self) -> dict[str, Any]:
        """Return the versions of ``spark`` and ``java`` that fit ran on."""
        return dict(self.getOrDefault(self.runtime))

    def names(self) -> Names:
        """Return a resolver of column names as Spark resolved them at fit, before the first stage."""
        types = self.getInputTypes()
        sensitive = bool(self.getRuntime().get("case_sensitive"))
        return Names(types, complete=bool(types), case_sensitive=sensitive)

    def getTtls(self) -> dict[str, dict[str, int | None]]:
        """Return, by the uid of a look-up, the ttl of each group as fit saw it, in microseconds; None is no ttl.

        ``transform`` and scoring use them, whatever ttl the groups have now. A model fitted by an earlier release has
        none, and its look-ups use the ttl of the groups.
        """
        return dict(self.getOrDefault(self.ttls))

    def getPlanned(self) -> list[str]:
        """Return the uids of the look-ups that the pipeline planned."""
        return list(self.getOrDefault(self.planned))

    def getKeepFeatures(self) -> bool:
        """Return whether looked-up values stay as columns."""
        return self.getOrDefault(self.keepFeatures)

    def setKeepFeatures(self, value: bool) -> Self:
        """Set whether looked-up values stay as columns."""
        return self._set(keepFeatures=value)

    def getInputTypes(self) -> dict[str, str]:
        """Return the columns of the basis that fit saw, with their types."""
        return dict(self.getOrDefault(self.inputTypes))

    def setStages(self, stages: Sequence[Any]) -> Self:
        """Set the fitted stages."""
        self.stages = list(stages)
        self.saved_at = ""
        self._invalidate()
        return self

    def copy(self, extra: ParamMap | None = None) -> Self:
        """Return a copy with copies of the stages; ``extra`` applies to each of them."""
        extra = extra or {}
        copy: Self = Params.copy(self, extra)
        return copy.setStages([stage.copy(extra) for stage in self.stages])

    @property
    def looked_up(self) -> dict[str, str]:
        """Column to expression of the look-ups that the pipeline planned."""
        planned = self.getOrDefault(self.planned)
        stages = [stage for stage in self.stages if stage.uid in planned]
        return {column: name for stage in stages for column, name in stage.getFeatures().items()}

    def runnable(self) -> list[Any]:
        """Return the stages; look-ups have this model's store and times, and the ttls of the fit."""
        return [self._runnable(stage) if isinstance(stage, PaletteTransformer) else stage for stage in self.stages]

    def _runnable(self, stage: PaletteTransformer) -> PaletteTransformer:
        following = stage.following(self) if _uses_model_store(stage) else stage
        ttls = self.getTtls().get(stage.uid)
        return following if ttls is None else following.with_ttls(ttls)

    def transformSchema(self, schema: StructType) -> StructType:
        """Return the schema that :meth:`transform` gives.

        Raises
        ------
        SchemaError, DslError
            If a column is missing, exists already, or has the wrong type.
        """
        from pyspark.sql.types import StructType

        self._check_time_of_lookups(schema)
        for stage in self.runnable():
            check_inputs(stage.uid, stage, schema.names)
            schema = with_outputs(stage, schema)
        dropped = set() if self.getKeepFeatures() else set(self.looked_up)
        return StructType([field for field in schema.fields if field.name not in dropped])

    def _check_time_of_lookups(self, schema: StructType) -> None:
        if any(_uses_model_store(stage) and not stage.isSet(stage.timestampCol) for stage in self.stages):
            self._check_time(schema)

    def _transform(self, dataset: DataFrame) -> DataFrame:
        check_frame(dataset, "dataset", DataError)
        self._check_time_of_lookups(dataset.schema)
        columns = dataset.columns
        for stage in self.runnable():
            check_inputs(stage.uid, stage, columns)
            dataset = stage.transform(dataset)
            # Dataset.columns takes longer the more columns there are.
            columns = dataset.columns if may_add_others(stage) else [*columns, *added_columns(stage)]
        return dataset if self.getKeepFeatures() else dataset.drop(*self.looked_up)

    def explain(self) -> str:
        """Return the steps of the model as a string, in compute order.

        Input columns with their types at fit; the time of the look-ups; the groups, with the table versions that fit
        read and their ttl; expressions and stages; and the output columns.

        Examples
        --------
        >>> from dsl import DSLModel
        >>> binding = {"column": "x", "type": "double"}
        >>> twice = DSLModel(lambdas={"y": "nVal('basis:x') * 2"}, bindings={"basis:x": binding})
        >>> print(MLPipelineModel([twice])._set(inputTypes={"x": "double"}).explain())
        basis
          input   x: double
          dsl     y = nVal('basis:x') * 2.0
          output  y
        """
        return explain_model(self)

    def row_plan(self) -> Plan:
        """Return the scoring plan of one row; Spark models score through their own ``predict``."""
        return local_plan(self, spark_step)

    def save_bundle(self, path: str | Path, *, self_test: bool = True) -> None:
        """Write a bundle for :meth:`palette.serving.LocalPipeline.load`, which needs no Spark.

        Parameters
        ----------
        path : str or Path
            A local directory, or its ``file:`` URI; an existing bundle there is replaced.
        self_test : bool
            Whether the bundle contains a few rows of the fit with their results: loading computes them again, and
            rejects a bundle whose results differ.

        Raises
        ------
        SchemaError
            If a stage has no local form; it is named, and nothing is written.
        DefinitionError
            If the path is not local; nothing is written.
        """
        path = local_path(path, "a bundle", COPY_THERE)

        def reject(stage: Any) -> Any:
            raise SchemaError(
                f"stage {stage.uid} ({type(stage).__name__}) has no local form; score with this model, or register "
                "a local form (palette.serving.stages)"
            )

        plan = local_plan(self, reject)
        test = self.getSelfTest() if self_test else ""
        write_bundle(plan, path, SelfTest.from_json(json.loads(test)) if test else None)

    def deploy(
        self,
        name: str,
        *,
        store: FeatureStore | str | None = None,
        stage: str = "shadow",
        training: DataFrame | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> Deployment:
        """Write the bundle into the store's model directory, and a new version of the model into the catalog.

        Parameters
        ----------
        name : str
            Name of the model: letters, digits, ``_``, ``-``, ``.``; at most 64.
        store : FeatureStore or str, optional
            Store to deploy to; by default the model's own.
        stage : {"shadow", "production"}
            In production it replaces the current version, which is retired.
        training : DataFrame, optional
            The basis that was passed to ``fit``; its statistics are computed in one pass and stored in the catalog.
        details : dict, optional
            Further details of this version, serializable as JSON.

        Returns
        -------
        Deployment
            Version, location of the bundle, and features with their importances.

        Raises
        ------
        DefinitionError
            If the name, the stage or the details are invalid; nothing is written.
        SchemaError
            If a stage has no local form; it is named, and nothing is written.
        """
        return deploy(self, name, store=store, stage=stage, training=training, details=details)

    def write(self) -> PipelineWriter:
        """Return a writer; saving also protects the pinned table versions from ``vacuum``."""
        return PipelineWriter(self, self.stages)

    @classmethod
    def read(cls) -> PipelineReader:
        """Return a reader of saved models."""
        return PipelineReader(cls)

    @classmethod
    def load(cls, path: str, store: FeatureStore | str | None = None) -> Self:
        """Read a saved model; ``store`` replaces the one that it was fitted with."""
        model: Self = cls.read().load(path)
        return model if store is None else model.setStore(store)


def _uses_model_store(stage: Any) -> bool:
    """Return whether a stage is a look-up in the model's store."""
    return isinstance(stage, PaletteTransformer) and not stage.has_store
