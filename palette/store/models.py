"""Model methods of FeatureStore: deploy, promote, look-up, lineage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from palette.definitions import FeatureGroup
from palette.display_list import Listing
from palette.errors import ArgumentError, DataError, NotFoundError, nearest
from palette.store.arguments import check_name, check_version
from palette.store.base import StoreBase

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.catalog.features.lineage import Lineage
    from palette.catalog.models.versions import ModelRecord

__all__ = ["FittedPipeline", "ModelMethods"]

MODEL = "the name of a model"
SUBJECT = "the name of a feature, group, model or table"
COLUMNS: dict[str, Callable[[ModelRecord], object]] = {
    "model": lambda model: model.name,
    "version": lambda model: model.version,
    "stage": lambda model: model.stage,
    "features": lambda model: len(model.features),
    "by": lambda model: model.who,
    "at": lambda model: model.at,
    "bundle": lambda model: model.uri,
}
Deployment = TypeVar("Deployment", covariant=True)


@runtime_checkable
class FittedPipeline(Protocol[Deployment]):
    """A fitted pipeline that deploys itself to a store, as :class:`palette.MLPipelineModel` does."""

    def deploy(
        self,
        name: str,
        *,
        store: Any = None,
        stage: str = "shadow",
        training: DataFrame | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> Deployment:
        """Write the bundle, record the version in the store's catalog, and return both."""
        ...


class ModelMethods(StoreBase):
    """Model methods of :class:`palette.FeatureStore`."""

    def deploy(
        self,
        model: FittedPipeline[Deployment],
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
            Returned by ``MLPipeline(...).fit`` or ``MLPipelineModel.load``.
        name : str
            Name of the model: letters, digits, ``_``, ``-``, ``.``; at most 64.
        stage : {"shadow", "production"}
            In production it replaces the current version, which is retired.
        training : DataFrame, optional
            The basis that was given to ``fit``; its statistics are stored in the catalog.
        details : dict, optional
            Further details of this version, as JSON values.

        Returns
        -------
        Deployment
            The version, the path of the bundle, and the features with their importances.

        Raises
        ------
        ArgumentError
            If the model is not a fitted :class:`palette.MLPipeline`.
        DefinitionError
            If the name, stage or details are invalid.
        SchemaError
            If a stage has no local form; nothing is written.
        """
        if not isinstance(model, FittedPipeline):
            raise ArgumentError(
                f"a {type(model).__name__} cannot be deployed: fit its stages as an MLPipeline(*stages, store=...)"
            )
        return model.deploy(name, store=self, stage=stage, training=training, details=details)

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
        >>> [(model.name, model.version) for model in store.models()]
        [('eta', 1)]
        """
        name = None if name is None else check_name(name, MODEL)
        return Listing(self.catalog.models.versions(name, feature=feature), COLUMNS)

    def promote(self, name: str, version: int, stage: str = "production") -> None:
        """Move a version of a model into a stage: ``shadow``, ``production`` or ``retired``.

        In production it replaces the current version, which is retired in the same transaction.

        Raises
        ------
        NotFoundError, ArgumentError
            If there is no such model, version or stage.
        """
        self.catalog.models.promote(check_name(name, MODEL), check_version(version), check_name(stage, "a stage"))

    def rollback(self, name: str) -> int:
        """Move the previous version back into production; return it.

        Raises
        ------
        NotFoundError
            If there is no such model, or no other version was in production.
        """
        return self.catalog.models.rollback(check_name(name, MODEL))

    def model(self, name: str, stage: str = "production", *, version: int | None = None) -> ModelRecord:
        """Return a version of a model: the newest in a stage, or the one of that number.

        Parameters
        ----------
        name : str
            Name of the model.
        stage : {"production", "shadow", "retired"}
            Ignored if ``version`` is given.
        version : int, optional
            Number of the version, in any stage.

        Raises
        ------
        NotFoundError
            If there is no such version, or no version in this stage.
        """
        versions = self.models(check_name(name, MODEL))
        version = None if version is None else check_version(version)
        if not versions:
            raise NotFoundError(f"no model {name!r}{nearest(name, {model.name for model in self.models()})}")
        if version is not None:
            for model in versions:
                if model.version == version:
                    return model
            known = ", ".join(str(model.version) for model in versions)
            raise NotFoundError(f"no version {version} of model {name!r} (versions: {known:.200})")
        for model in reversed(versions):
            if model.stage == stage:
                return model
        raise NotFoundError(f"no version of model {name!r} is in stage {stage!r}; deploy or promote one")

    def bundle(self, name: str, stage: str = "production", *, version: int | None = None) -> Path:
        """Return the directory of the bundle of a version, for ``LocalPipeline.load`` or ``palette serve``.

        Parameters
        ----------
        name, stage, version
            As in :meth:`model`.

        Raises
        ------
        NotFoundError
            If there is no such version, or no version in this stage.
        DataError
            If the version was recorded without a bundle.
        """
        model = self.model(name, stage, version=version)
        if not model.uri:
            raise DataError(f"version {model.version} of model {name!r} was recorded without a bundle")
        return Path(model.uri)

    def lineage(self, name: str | FeatureGroup) -> Lineage:
        """Return what a feature, group, table or model is computed from, and what is computed from it.

        Parameters
        ----------
        name : str or FeatureGroup
            ``entity:group:feature``, ``entity:group``, a model, or a table that a source reads; with ``model:`` or
            ``table:`` before it where a model and a table have the same name.

        Raises
        ------
        NotFoundError
            If nothing has that name; near names are offered.
        """
        from palette.catalog.features.lineage import lineage

        if isinstance(name, FeatureGroup):
            name = name.full_name
        return lineage(self.catalog, check_name(name, SUBJECT), self._tables_root)
