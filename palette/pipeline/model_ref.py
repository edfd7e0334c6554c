"""Saved pipelines by their directories, or by the models of the catalog that were deployed from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from palette.catalog.models.names import parse_model_name
from palette.errors import DataError, DefinitionError
from palette.paths import local_or_none
from palette.pipeline.deploy.deployment import OURS
from palette.pipeline.model import MLPipelineModel

if TYPE_CHECKING:
    from palette.store import FeatureStore

__all__ = ["Saved", "check_saved", "find_saved"]


class Saved(NamedTuple):
    """A saved pipeline.

    Parameters
    ----------
    path : str
        The directory that ``model.save`` wrote.
    uid : str, optional
        The model that must be there: the one that was deployed.
    told : str
        What it was called by who asked.
    """

    path: str
    uid: str | None
    told: str

    def load(self, store: FeatureStore | None) -> MLPipelineModel:
        """Read it; ``store`` takes the place of the one that it was fitted with.

        Raises
        ------
        DefinitionError
            If no saved pipeline is there, or another one than was deployed.
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
                f"{self.told}: {self.path!r} holds another fit now, {model.uid} instead of {self.uid}; "
                "save each version to a directory of its own, and deploy it from there"
            )
        return model


def find_saved(text: str, store: FeatureStore | None = None) -> Saved:
    """Return the pipeline that a text names, a directory, or ``model:NAME[@STAGE|@VERSION]`` of a store.

    Raises
    ------
    DefinitionError
        If a model is named and no store is given, or its version was deployed from no directory.
    FeatureNotFoundError
        If there is no such model or version.

    Examples
    --------
    >>> find_saved("models/eta/3")
    Saved(path='models/eta/3', uid=None, told='models/eta/3')
    """
    named = parse_model_name(text)
    if named is None:
        return Saved(text, None, text)
    if store is None:
        raise DefinitionError(f"{text!r} is a model of a catalog: name its store")
    record = store.model(named.name, named.stage, version=named.version)
    ours = record.details.get(OURS, {})
    told = f"version {record.version} of model {record.name!r}"
    if not ours.get("saved"):
        raise DefinitionError(f"{told} was deployed unsaved: model.save(directory), and deploy it again")
    return Saved(ours["saved"], ours["uid"], told)


def check_saved(saved: Saved) -> None:
    """Raise :class:`DefinitionError` if a directory of this machine holds no saved pipeline; it needs no Spark."""
    path = local_or_none(saved.path)
    if path is not None and not (path / "metadata").is_dir():
        raise DefinitionError(
            f"no saved pipeline at {saved.path!r}: name the directory that model.save(path) wrote"
            if saved.uid is None
            else f"{saved.told}: the pipeline that it was deployed from is no longer at {saved.path!r}"
        )
