"""Deploying a model: its bundle into the store's directory, what it uses and was trained on into the catalog."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palette.catalog.models.names import NAME
from palette.errors import DataError, DefinitionError
from palette.pipeline.deploy.feature_tracing import Tracer, feature_of
from palette.pipeline.deploy.importances import importances, weights_of
from palette.pipeline.deploy.training_profile import Profile, profile
from palette.pipeline.planning.nested_stages import flat_stages
from palette.serving.bundle import MANIFEST, read_bundle
from palette.store import FeatureStore
from palette.transformer import PaletteTransformer

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.pipeline.model import MLPipelineModel

__all__ = ["Deployment", "check_deployment", "deploy"]

# In the details of a version: what is recorded of itself, beside what its owner says.
OURS = "deployment"
STAGES = ("shadow", "production")


@dataclass(frozen=True)
class Deployment:
    """A version of a model, as it was deployed.

    Parameters
    ----------
    name : str
        The model.
    version : int
        Counted by the catalog.
    stage : str
        ``shadow`` or ``production``.
    uri : str
        The directory of the bundle, for ``LocalPipeline.load`` and ``palette serve``.
    features : dict of str to float or None
        ``entity:group:feature`` to importance; None where it is not known.
    """

    name: str
    version: int
    stage: str
    uri: str
    features: Mapping[str, float | None]


def deploy(
    model: MLPipelineModel,
    name: str,
    *,
    store: FeatureStore | str | None = None,
    stage: str = "shadow",
    training: DataFrame | None = None,
    details: Mapping[str, Any] | None = None,
) -> Deployment:
    """Deploy a model; see :meth:`palette.MLPipelineModel.deploy`."""
    from palette.catalog.models.versions import ModelRecord

    check_deployment(name, stage, details)
    if store is None and not model.has_store:
        raise DefinitionError(f"{model.uid} has no feature store; say with store= where to deploy it")
    store = model.store if store is None else store if isinstance(store, FeatureStore) else FeatureStore.open(store)
    stages = list(flat_stages(model.runnable()))
    with _workshop(Path(store.models_directory) / name) as workshop:
        bundle = workshop / "bundle"
        model.save_bundle(bundle)
        # Read as the service will: a bundle that answers otherwise is not deployed.
        plan = read_bundle(bundle)
        weights = weights_of(stages)
        seen = Profile(None, {}, None) if training is None else profile(model, plan, training, weights)
        found = importances(weights, Tracer(model, seen.sizes), seen.deviations)
        path = _placed(bundle, workshop.parent)
    lookups = [one for one in stages if isinstance(one, PaletteTransformer)]
    used = sorted({feature_of(expression) for one in lookups for expression in one.getFeatures().values()})
    features = {feature: found.values.get(feature) for feature in used}
    inputs = {one.removeprefix("basis:"): value for one, value in found.values.items() if one.startswith("basis:")}
    pins = model.getPins()
    ours = {"uid": model.uid, "bundle": path.name, "importances": found.kind, "inputs": inputs, "pins": pins}
    if model.saved_at:
        ours["saved"] = model.saved_at
    record = ModelRecord(name, features, stage=stage, uri=str(path), details={**(details or {}), OURS: ours})
    version = store.catalog.models.record(record, statistics=seen.content, pins=model.pinsOf(store))
    return Deployment(name, version, stage, str(path), features)


def check_deployment(name: str, stage: str = "shadow", details: Mapping[str, Any] | None = None) -> None:
    """Raise :class:`DefinitionError` unless a model can be recorded so."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise DefinitionError(f"{name!r} cannot name a model: letters, digits, '_', '-', '.', at most 64")
    if stage not in STAGES:
        raise DefinitionError(f"a model is deployed to {' or '.join(STAGES)}, not to {stage!r}")
    if OURS in (details or {}):
        raise DefinitionError(f"details: {OURS!r} is what is recorded by itself; choose another word")
    try:
        json.dumps(dict(details or {}), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DefinitionError(f"details: JSON cannot hold them: {error}") from None


@contextlib.contextmanager
def _workshop(home: Path) -> Iterator[Path]:
    """Give an empty directory beside the bundles of a model, which is gone afterwards."""
    home.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=".new.", dir=home))
    try:
        yield workshop
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
        for empty in (home, home.parent):
            # What was made for nothing.
            with contextlib.suppress(OSError):
                empty.rmdir()


def _placed(bundle: Path, home: Path) -> Path:
    """Move a whole bundle to the directory that is called like its checksum; return that."""
    path = home / hashlib.sha256((bundle / MANIFEST).read_bytes()).hexdigest()
    with contextlib.suppress(DataError):
        read_bundle(path)
        # The same bundle was deployed before.
        return path
    if path.exists():
        # Damaged since. It is moved aside whole, into what is cleared away.
        path.rename(bundle.with_name("damaged"))
    try:
        bundle.rename(path)
    except OSError:
        # Another process that deployed the same may have come first.
        read_bundle(path)
    return path
