"""What a store says about its models; the catalog knows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palette.definitions import FeatureGroup
from palette.display_list import Listing
from palette.errors import ArgumentError, DataError, NotFoundError, nearest
from palette.store.arguments import check_name, check_version
from palette.store.base import StoreBase

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.catalog.features.lineage import Lineage
    from palette.catalog.models.versions import ModelRecord
    from palette.pipeline.deploy.deployment import Deployment
    from palette.pipeline.model import MLPipelineModel

__all__ = ["ModelDoors"]

MODEL = "the name of a model"
THING = "the name of a feature, group, model or table"
# What people see of a version in a table.
COLUMNS: dict[str, Callable[[ModelRecord], object]] = {
    "model": lambda one: one.name,
    "version": lambda one: one.version,
    "stage": lambda one: one.stage,
    "features": lambda one: len(one.features),
    "by": lambda one: one.who,
    "at": lambda one: one.at,
    "bundle": lambda one: one.uri,
}


class ModelDoors(StoreBase):
    """Models of a store."""

    def deploy(
        self,
        model: MLPipelineModel,
        name: str,
        *,
        stage: str = "shadow",
        training: DataFrame | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> Deployment:
        """Deploy a fitted pipeline to this store; see :meth:`palette.MLPipelineModel.deploy`.

        Parameters
        ----------
        model : MLPipelineModel
            What ``MLPipeline(...).fit`` returned, or ``MLPipelineModel.load``.
        name : str
            What the model is called: letters, digits, ``_``, ``-``, ``.``; at most 64.
        stage : {"shadow", "production"}
            In production it takes the place of the version there, which is retired.
        training : DataFrame, optional
            The basis that was given to ``fit``; its statistics are kept in the catalog.
        details : dict, optional
            What else is to be known of this version, as JSON holds it.

        Returns
        -------
        Deployment
            With the version, where the bundle is, and the features used with their importances.

        Raises
        ------
        ArgumentError
            If it is no fitted :class:`palette.MLPipeline`, or the name, stage or details cannot be taken.
        SchemaError
            If a stage has no local form; nothing is written.
        """
        if not hasattr(model, "deploy"):
            raise ArgumentError(
                f"a {type(model).__name__} cannot be deployed: fit its stages as an MLPipeline(*stages, store=...)"
            )
        found: Any = self
        return model.deploy(name, store=found, stage=stage, training=training, details=details)

    def models(self, name: str | None = None, *, feature: str | None = None) -> Listing[ModelRecord]:
        """Return the versions of models, oldest first; of one name, or those that use ``entity:group:feature``.

        A REPL and notebooks show them as a table.

        Examples
        --------
        >>> import tempfile
        >>> from palette import FeatureStore
        >>> from palette.catalog import ModelRecord
        >>> store = FeatureStore(tempfile.mkdtemp())
        >>> _ = store.catalog.models.record(ModelRecord("eta", {"restaurant:menu:price": 0.7}), who="ada")
        >>> [(one.name, one.version) for one in store.models()]
        [('eta', 1)]
        """
        name = None if name is None else check_name(name, MODEL)
        return Listing(self.catalog.models.versions(name, feature=feature), COLUMNS)

    def promote(self, name: str, version: int, stage: str = "production") -> None:
        """Bring a version of a model into a stage: ``shadow``, ``production`` or ``retired``.

        In production it takes the place of the version there, which is retired in the same transaction.

        Raises
        ------
        NotFoundError, ArgumentError
            If there is no such model, version or stage.
        """
        self.catalog.models.promote(check_name(name, MODEL), check_version(version), check_name(stage, "a stage"))

    def rollback(self, name: str) -> int:
        """Bring that version into production again that was there before the present one; return it.

        Raises
        ------
        NotFoundError, ArgumentError
            If there is no such model, or no other version was in production.
        """
        return self.catalog.models.rollback(check_name(name, MODEL))

    def model(self, name: str, stage: str = "production", *, version: int | None = None) -> ModelRecord:
        """Return a version of a model: the newest in a stage, or the one of that number.

        Parameters
        ----------
        name : str
            The model.
        stage : {"production", "shadow", "retired"}
            Counts without ``version``.
        version : int, optional
            That version, in whatever stage it is.

        Raises
        ------
        NotFoundError
            If there is no such version, or none in this stage.
        """
        versions = self.models(check_name(name, MODEL))
        version = None if version is None else check_version(version)
        if not versions:
            raise NotFoundError(f"no model {name!r}{nearest(name, {one.name for one in self.models()})}")
        found = [one for one in versions if (one.stage == stage if version is None else one.version == version)]
        if not found and version is not None:
            known = ", ".join(str(one.version) for one in versions)
            raise NotFoundError(f"no version {version} of model {name!r}, there are: {known:.200}")
        if not found:
            raise NotFoundError(f"no version of a model {name!r} is in stage {stage!r}; deploy or promote one")
        return found[-1]

    def bundle(self, name: str, stage: str = "production", *, version: int | None = None) -> Path:
        """Return the directory of the bundle of such a version, for ``LocalPipeline.load`` or ``palette serve``.

        Raises
        ------
        NotFoundError
            If there is no such version, or none in this stage.
        DataError
            If the version was recorded without a bundle.
        """
        found = self.model(name, stage, version=version)
        if not found.uri:
            raise DataError(f"version {found.version} of model {name!r} was recorded without a bundle")
        return Path(found.uri)

    def lineage(self, name: str | FeatureGroup) -> Lineage:
        """Tell where a feature, group, table or model comes from, and what comes from it.

        Parameters
        ----------
        name : str or FeatureGroup
            ``entity:group:feature``, ``entity:group``, a model, or a table that a source reads; with ``model:`` or
            ``table:`` before it where two are called alike.

        Raises
        ------
        NotFoundError
            If there is nothing of that name; near names are offered.
        """
        from palette.catalog.features.lineage import lineage

        if isinstance(name, FeatureGroup):
            name = name.full_name
        return lineage(self.catalog, check_name(name, THING), self._tables_root)
