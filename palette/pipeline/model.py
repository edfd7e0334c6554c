"""MLPipelineModel: the same plan for a DataFrame and for one row."""

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

    ``transform`` looks up what was known at each row's time, in ``timestampCol``; after
    ``model.clear(model.timestampCol)`` the latest values, as batch inference wants them.

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
        Params._dummy(), "pinnedTables", "where the tables are whose versions pins names", TypeConverters.toString
    )
    inputTypes: Param[dict[str, str]] = Param(
        Params._dummy(), "inputTypes", "column of the basis to its type, as fit saw it", dict
    )
    selfTest: Param[str] = Param(
        Params._dummy(), "selfTest", "JSON of a few rows and their answers, for bundles", TypeConverters.toString
    )
    localForms: Param[str] = Param(
        Params._dummy(), "localForms", "JSON of local forms that only fit could tell, by uid", TypeConverters.toString
    )
    runtime: Param[dict[str, Any]] = Param(
        Params._dummy(), "runtime", "what fit ran on, as far as answers depend on it", dict
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

        ``store.training_set(basis, features, timestamp=..., version=model.getPins())`` is what it was fitted on,
        whatever was written since. Saving the model keeps these versions from ``vacuum``, under the name
        ``model:PATH``, until ``store.release`` of that name.
        """
        return dict(self.getOrDefault(self.pins))

    def getPinnedTables(self) -> str:
        """Return where the tables are whose versions the pins name; empty if fit read none."""
        return self.getOrDefault(self.pinnedTables)

    def pinsOf(self, store: FeatureStore) -> dict[str, int]:
        """Return those of the pins that are versions of a store's tables: all, or none if fit read another's."""
        tables = self.getPinnedTables()
        # A model that an earlier release saved does not tell; it was fitted with its own store.
        own = tables == store.tables.root if tables else self.has_store and self.getStoreUri() == store.uri
        return self.getPins() if own else {}

    def getSelfTest(self) -> str:
        """Return a few rows that fit saw, with the answers for them, as JSON; empty if fit did not run the data."""
        return self.getOrDefault(self.selfTest)

    def getLocalForms(self) -> str:
        """Return, as JSON, the local forms of stages that took metadata of their input columns at fit, by uid."""
        return self.getOrDefault(self.localForms)

    def getRuntime(self) -> dict[str, Any]:
        """Return the versions that fit ran on, as far as answers depend on them: those of ``spark`` and ``java``."""
        return dict(self.getOrDefault(self.runtime))

    def names(self) -> Names:
        """Return what resolves names of columns as Spark did at fit, before the first stage."""
        types = self.getInputTypes()
        sensitive = bool(self.getRuntime().get("case_sensitive"))
        return Names(types, complete=bool(types), case_sensitive=sensitive)

    def getTtls(self) -> dict[str, dict[str, int | None]]:
        """Return, by the uid of a look-up, the ttl of each group as fit saw it, in microseconds; None is none.

        ``transform`` and scoring go by them, whatever the groups have now. A model that an earlier release fitted has
        none: of its look-ups the groups' own count.
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
        self._forget()
        return self

    def copy(self, extra: ParamMap | None = None) -> Self:
        """Return a copy with copies of the stages; ``extra`` reaches each of them."""
        extra = extra or {}
        that: Self = Params.copy(self, extra)
        return that.setStages([stage.copy(extra) for stage in self.stages])

    @property
    def looked_up(self) -> dict[str, str]:
        """Column to expression of the look-ups that the pipeline planned."""
        planned = self.getOrDefault(self.planned)
        stages = [stage for stage in self.stages if stage.uid in planned]
        return {column: name for stage in stages for column, name in stage.getFeatures().items()}

    def runnable(self) -> list[Any]:
        """Return the stages, the look-ups with this model's store and times, and the ttls that it was fitted with."""
        return [self._runnable(stage) if isinstance(stage, PaletteTransformer) else stage for stage in self.stages]

    def _runnable(self, stage: PaletteTransformer) -> PaletteTransformer:
        following = stage.following(self) if _follows(stage) else stage
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
        if any(_follows(stage) and not stage.isSet(stage.timestampCol) for stage in self.stages):
            self._check_time(schema)

    def _transform(self, dataset: DataFrame) -> DataFrame:
        check_frame(dataset, "dataset", DataError)
        self._check_time_of_lookups(dataset.schema)
        columns = dataset.columns
        for stage in self.runnable():
            check_inputs(stage.uid, stage, columns)
            dataset = stage.transform(dataset)
            # Asking Spark each time would take longer the more columns there are.
            columns = dataset.columns if may_add_others(stage) else [*columns, *added_columns(stage)]
        return dataset if self.getKeepFeatures() else dataset.drop(*self.looked_up)

    def explain(self) -> str:
        """Return what the model does as text, in compute order.

        What it reads of a row, with the types that fit saw; as of when features are looked up; the groups, with the
        table versions that fit read and their ttl; expressions and stages; and the columns that come out.

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
        """Return what is done to one row; Spark models answer through their own ``predict``."""
        return local_plan(self, spark_step)

    def save_bundle(self, path: str | Path, *, self_test: bool = True) -> None:
        """Write what scoring needs, for :meth:`palette.serving.LocalPipeline.load`, which needs no Spark.

        Parameters
        ----------
        path : str or Path
            A local directory, or its ``file:`` URI; an older bundle there is replaced.
        self_test : bool
            Whether the bundle holds a few rows that fit saw, those of their columns that the model reads, and the
            answers for them: loading computes them again and refuses a bundle that answers otherwise.

        Raises
        ------
        SchemaError
            If a stage has no local form; it is named, and nothing is written.
        DefinitionError
            If the path is not local; nothing is written.
        """
        path = local_path(path, "a bundle", COPY_THERE)

        def refuse(stage: Any) -> Any:
            raise SchemaError(
                f"stage {stage.uid} ({type(stage).__name__}) has no local form; score it with this model, or register "
                "a form for it (palette.serving.stages)"
            )

        plan = local_plan(self, refuse)
        tested = self.getSelfTest() if self_test else ""
        write_bundle(plan, path, SelfTest.from_json(json.loads(tested)) if tested else None)

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
            What the model is called: letters, digits, ``_``, ``-``, ``.``; at most 64.
        store : FeatureStore or str, optional
            Where; by default the model's own store.
        stage : {"shadow", "production"}
            In production it takes the place of the version there, which is retired.
        training : DataFrame, optional
            The basis that was given to ``fit``; its statistics are taken in one pass, and kept in the catalog.
        details : dict, optional
            What else is to be known of this version, as JSON holds it.

        Returns
        -------
        Deployment
            With the version, where the bundle is, and the features used with their importances.

        Raises
        ------
        DefinitionError
            If the name, the stage or the details cannot be taken; nothing is written.
        SchemaError
            If a stage has no local form; it is named, and nothing is written.
        """
        return deploy(self, name, store=store, stage=stage, training=training, details=details)

    def write(self) -> PipelineWriter:
        """Return a writer; saving also keeps the pinned table versions from ``vacuum``."""
        return PipelineWriter(self, self.stages)

    @classmethod
    def read(cls) -> PipelineReader:
        """Return a reader of saved models."""
        return PipelineReader(cls)

    @classmethod
    def load(cls, path: str, store: FeatureStore | str | None = None) -> Self:
        """Read a saved model; ``store`` takes the place of the one that it was fitted with."""
        model: Self = cls.read().load(path)
        return model if store is None else model.setStore(store)


def _follows(stage: Any) -> bool:
    """Tell whether a stage is a look-up in the model's store: fit left it none of its own."""
    return isinstance(stage, PaletteTransformer) and not stage.has_store
