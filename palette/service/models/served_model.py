"""Served model: a loaded bundle with its store, and everything that is computed before the first request."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from palette.online import FeatureReader, LocalReader
from palette.service.metrics import Metrics, ModelMetrics
from palette.service.models.stores import Stores, TimedReader
from palette.service.settings import Settings
from palette.serving import LocalPipeline
from palette.serving.compile import known_columns, numeric_columns, output_types, required_columns
from palette.serving.executors import Options
from palette.serving.json_rows import Decoder, decoders_of
from palette.serving.plan import LookupStep, Plan
from palette.serving.request import Checks

__all__ = ["Model", "load_model"]


@dataclass(frozen=True)
class Model:
    """A loaded bundle with its store.

    Parameters
    ----------
    name, version : str
        Name in the service, and the shortened checksum of the bundle.
    path : str
        Directory of the bundle.
    loaded : datetime
        Time of loading, naive UTC.
    pipeline : LocalPipeline
        Pipeline whose answers have the status of each looked-up value.
    reader : FeatureReader, optional
        Store of the features; reads of a remote one are timed.
    remote : bool
        Whether the store is remote.
    columns, outputs : dict of str to str
        The columns of a request and of an answer, with their Spark types.
    required : tuple of str
        Columns that a request must have.
    known : frozenset of str
        Columns that a request may have.
    checks : Checks
        Checks of a row, its values apart.
    decoders : tuple
        Columns with the functions that decode their JSON values.
    metrics : ModelMetrics
        Metrics of its answers.
    statuses : tuple of str
        The keys of an answer that hold statuses.
    """

    name: str
    version: str
    path: str
    loaded: dt.datetime
    pipeline: LocalPipeline
    reader: FeatureReader | None
    remote: bool
    columns: dict[str, str]
    outputs: dict[str, str]
    required: tuple[str, ...]
    known: frozenset[str]
    checks: Checks
    decoders: tuple[tuple[str, Decoder], ...]
    metrics: ModelMetrics
    statuses: tuple[str, ...]

    def count_unknown(self, row: dict[str, Any]) -> None:
        """Count the columns of a row that the model does not know."""
        if not row.keys() <= self.known:
            self.metrics.unknown.inc(len(row.keys() - self.known))

    def describe(self) -> dict[str, Any]:
        """Return the answer of ``GET /v1/models/{name}``."""
        lookups = [step for step in self.pipeline.plan.steps if isinstance(step, LookupStep)]
        return {
            "name": self.name,
            "version": self.version,
            "loaded": self.loaded,
            "columns": self.columns,
            "required": self.required,
            "outputs": self.outputs,
            "features": {
                column: f"{step.group.full_name}:{feature}:{','.join(step.join_keys)}"
                for step in lookups
                for column, feature in step.columns.items()
            },
        }


def load_model(name: str, path: str, stores: Stores, settings: Settings, metrics: Metrics) -> Model:
    """Load a bundle, run its self-test, and compile it for the store.

    Raises
    ------
    DataError, DefinitionError, SnapshotError
        If it is incomplete, fails its self-test, or reads features that the store lacks.
    """
    pipeline = LocalPipeline.load(path)
    plan = pipeline.plan
    reader = stores.reader(plan, name)
    counts = metrics.model(name, plan)
    remote = reader is not None and not isinstance(reader, LocalReader)
    if reader is not None and remote:
        reader = TimedReader(reader, counts.level)
    # Where an output of the plan has the name of a status, the output wins and no statuses are counted.
    statuses = () if set(counts.statuses) & set(plan.outputs) else counts.statuses
    options = Options(
        settings.on_store_error, settings.budget, bool(statuses), settings.strict, settings.max_request_age
    )
    pipeline = LocalPipeline(plan, reader, **asdict(options))
    columns = pipeline.request_columns
    return Model(
        name=name,
        version=_version(path, plan),
        path=str(Path(path).absolute()),
        loaded=dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0),
        pipeline=pipeline,
        reader=reader,
        remote=remote,
        columns=columns,
        outputs=output_types(plan),
        required=required_columns(plan),
        known=frozenset(known_columns(plan)),
        checks=options.checks(plan, None if reader is None else reader.at),
        decoders=decoders_of(columns, numeric_columns(plan)),
        metrics=counts,
        statuses=statuses,
    )


def _version(path: str, plan: Plan) -> str:
    manifest = Path(path) / "bundle.json"
    content = manifest.read_bytes() if manifest.is_file() else json.dumps(plan.to_json()).encode()
    return hashlib.sha256(content).hexdigest()[:12]
