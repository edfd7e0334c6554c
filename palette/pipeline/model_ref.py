"""References to saved pipelines: a directory, or a model of the catalog that was deployed from one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from palette.catalog.models.names import parse_model_name
from palette.errors import DataError, DefinitionError
from palette.paths import local_or_none
from palette.pipeline.deploy.deployment import RECORDED
from palette.pipeline.model import MLPipelineModel

if TYPE_CHECKING:
    from palette.store import FeatureStore

__all__ = ["SavedPipeline", "check_saved", "find_saved"]


class SavedPipeline(NamedTuple):
    """A reference to a saved pipeline.

    Parameters
    ----------
    path : str
        The directory that ``model.save`` wrote.
    uid : str, optional
        Uid of the model that was deployed, which must be there.
    label : str
        Name in messages.
    """

    path: str
    uid: str | None
    label: str

    def load(self, store: FeatureStore | None) -> MLPipelineModel:
        """Read the pipeline; ``store`` replaces the one that it was fitted with.

        Raises
        ------
        DefinitionError
            If there is no saved pipeline, or it is not the one that was deployed.
        """
        from pyspark.errors import AnalysisException

        try:
            model = MLPipelineModel.load(self.path, store=store)
        except AnalysisException as error:
            raise DefinitionError(f"no saved pipeline at {self.path!r}: {str(error).splitlines()[0]:.500}") from error
        except DataError as error:
            raise DefinitionError(str(error)) from error
        if self.uid not in (None, model.uid):
            raise DefinitionError(
                f"{self.label}: {self.path!r} contains another fit, {model.uid} instead of {self.uid}; "
                "save each version to its own directory, and deploy it from there"
            )
        return model


def find_saved(reference: str, store: FeatureStore | None = None) -> SavedPipeline:
    """Return the saved pipeline of a directory, or of ``model:NAME[@STAGE|@VERSION]`` in a store.

    Raises
    ------
    DefinitionError
        If it is a model and ``store`` is None, or the version was deployed without being saved.
    FeatureNotFoundError
        If there is no such model or version.

    Examples
    --------
    >>> find_saved("models/eta/3")
    SavedPipeline(path='models/eta/3', uid=None, label='models/eta/3')
    """
    named = parse_model_name(reference)
    if named is None:
        return SavedPipeline(reference, None, reference)
    if store is None:
        raise DefinitionError(f"{reference!r} is a model of a catalog: pass its store")
    record = store.model(named.name, named.stage, version=named.version)
    recorded = record.details.get(RECORDED, {})
    label = f"version {record.version} of model {record.name!r}"
    if not recorded.get("saved"):
        raise DefinitionError(
            f"{label} was deployed without being saved: call model.save(directory), and deploy it again"
        )
    return SavedPipeline(recorded["saved"], recorded["uid"], label)


def check_saved(saved: SavedPipeline) -> None:
    """Raise :class:`DefinitionError` if a local directory has no saved pipeline; needs no Spark."""
    path = local_or_none(saved.path)
    if path is not None and not (path / "metadata").is_dir():
        raise DefinitionError(
            f"no saved pipeline at {saved.path!r}: pass the directory written by model.save(path)"
            if saved.uid is None
            else f"{saved.label}: the pipeline that it was deployed from is no longer at {saved.path!r}"
        )
