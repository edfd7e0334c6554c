"""What a store says about its models; the catalog knows it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from palette.errors import DataError, FeatureNotFoundError

if TYPE_CHECKING:
    from palette.catalog.lineage import Lineage
    from palette.catalog.models import ModelRecord
    from palette.catalog.sql import SqlCatalog

__all__ = ["ModelDoors"]


class ModelDoors:
    """Models of a store.

    Attributes
    ----------
    catalog : SqlCatalog
        Where they are recorded.
    models_directory : str
        Where bundles are kept: ``<models_directory>/<name>/<checksum>``.
    """

    catalog: SqlCatalog
    models_directory: str

    def models(self, name: str | None = None, *, feature: str | None = None) -> list[ModelRecord]:
        """Return the versions of models, oldest first; of one name, or those that use ``entity:group:feature``."""
        return self.catalog.models(name, feature=feature)

    def promote(self, name: str, version: int, stage: str = "production") -> None:
        """Bring a version of a model into a stage: ``shadow``, ``production`` or ``retired``.

        In production it takes the place of the version there, which is retired in the same transaction.

        Raises
        ------
        FeatureNotFoundError, DefinitionError
            If there is no such model, version or stage.
        """
        self.catalog.promote(name, version, stage)

    def rollback(self, name: str) -> int:
        """Bring that version into production again that was there before the present one; return it.

        Raises
        ------
        FeatureNotFoundError, DefinitionError
            If there is no such model, or no other version was in production.
        """
        return self.catalog.rollback(name)

    def bundle(self, name: str, stage: str = "production") -> Path:
        """Return the directory of a model's newest bundle in a stage, for ``LocalPipeline.load`` or ``palette serve``.

        Raises
        ------
        FeatureNotFoundError
            If no version is in this stage.
        DataError
            If the version was recorded without a bundle.
        """
        found = [one for one in self.models(name) if one.stage == stage]
        if not found:
            raise FeatureNotFoundError(f"no version of a model {name!r} is in stage {stage!r}; deploy or promote one")
        if not found[-1].uri:
            raise DataError(f"version {found[-1].version} of model {name!r} was recorded without a bundle")
        return Path(found[-1].uri)

    def lineage(self, name: str) -> Lineage:
        """Tell where a feature, group, table or model comes from, and what comes from it.

        Parameters
        ----------
        name : str
            ``entity:group:feature``, ``entity:group``, a model, or a table that a source reads; with ``model:`` or
            ``table:`` before it where two are called alike.

        Raises
        ------
        FeatureNotFoundError
            If there is nothing of that name; near names are offered.
        """
        from palette.catalog.lineage import lineage

        return lineage(self.catalog, name)
