"""Deployment of a model: its bundle in the store's directory, its features and statistics in the catalog."""

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
from palette.pipeline.deploy.feature_tracing import Tracer, feature_name
from palette.pipeline.deploy.importances import importances, model_weights
from palette.pipeline.deploy.training_profile import Profile, profile
from palette.pipeline.planning.nested_stages import flat_stages
from palette.serving.bundle import MANIFEST, read_bundle
from palette.store import FeatureStore
from palette.transformer import PaletteTransformer

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from palette.pipeline.model import MLPipelineModel

__all__ = ["Deployment", "check_deployment", "deploy"]

# Key in the details of a version under which palette records its own.
RECORDED = "deployment"
STAGES = ("shadow", "production")


@dataclass(frozen=True)
class Deployment:
    """A deployed version of a model.

    Parameters
    ----------
    name : str
        Name of the model.
    version : int
        Number of the version in the catalog.
    stage : str
        ``shadow`` or ``production``.
    uri : str
        The directory of the bundle, for ``LocalPipeline.load`` and ``palette serve``.
    features : dict of str to float or None
        ``entity:group:feature`` to importance; None if it is not known.
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
        raise DefinitionError(f"{model.uid} has no feature store; pass store=")
    store = model.store if store is None else store if isinstance(store, FeatureStore) else FeatureStore.open(store)
    stages = list(flat_stages(model.runnable()))
    with _temporary_directory(Path(store.models_directory) / name) as directory:
        bundle = directory / "bundle"
        model.save_bundle(bundle)
        # Read as the service reads it: a bundle that fails its self-test is not deployed.
        plan = read_bundle(bundle)
        weights = model_weights(stages)
        training_profile = Profile(None, {}, None) if training is None else profile(model, plan, training, weights)
        ranked = importances(weights, Tracer(model, training_profile.sizes), training_profile.deviations)
        path = _move_into_place(bundle, directory.parent)
    lookups = [stage for stage in stages if isinstance(stage, PaletteTransformer)]
    used = sorted({feature_name(expression) for lookup in lookups for expression in lookup.getFeatures().values()})
    features = {feature: ranked.values.get(feature) for feature in used}
    inputs = {name.removeprefix("basis:"): value for name, value in ranked.values.items() if name.startswith("basis:")}
    pins = model.getPins()
    recorded = {"uid": model.uid, "bundle": path.name, "importances": ranked.kind, "inputs": inputs, "pins": pins}
    if model.saved_at:
        recorded["saved"] = model.saved_at
    record = ModelRecord(name, features, stage=stage, uri=str(path), details={**(details or {}), RECORDED: recorded})
    version = store.catalog.models.record(record, statistics=training_profile.content, pins=model.pinsOf(store))
    return Deployment(name, version, stage, str(path), features)


def check_deployment(name: str, stage: str = "shadow", details: Mapping[str, Any] | None = None) -> None:
    """Raise :class:`DefinitionError` unless a model can be recorded with these arguments."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise DefinitionError(f"{name!r} cannot name a model: letters, digits, '_', '-', '.', at most 64")
    if stage not in STAGES:
        raise DefinitionError(f"a model is deployed to {' or '.join(STAGES)}, not to {stage!r}")
    if RECORDED in (details or {}):
        raise DefinitionError(f"details: the key {RECORDED!r} is reserved; choose another one")
    try:
        json.dumps(dict(details or {}), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DefinitionError(f"details: not serializable as JSON: {error}") from None


@contextlib.contextmanager
def _temporary_directory(home: Path) -> Iterator[Path]:
    """Yield an empty directory next to the bundles of a model, and delete it afterwards."""
    home.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix=".new.", dir=home))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        for empty in (home, home.parent):
            # Created above, and still empty.
            with contextlib.suppress(OSError):
                empty.rmdir()


def _move_into_place(bundle: Path, home: Path) -> Path:
    """Move a complete bundle to the directory named after its checksum; return that directory."""
    path = home / hashlib.sha256((bundle / MANIFEST).read_bytes()).hexdigest()
    with contextlib.suppress(DataError):
        read_bundle(path)
        # The same bundle was deployed before.
        return path
    if path.exists():
        # It was damaged since. It is moved into the temporary directory, which is deleted.
        path.rename(bundle.with_name("damaged"))
    try:
        bundle.rename(path)
    except OSError:
        # Another process may have deployed the same bundle first.
        read_bundle(path)
    return path
