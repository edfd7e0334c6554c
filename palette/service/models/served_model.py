"""A model that is served: a bundle, prepared on a store, and all that is known of it beforehand."""

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
    """A bundle, prepared on a store.

    Parameters
    ----------
    name, version : str
        As the service calls it; the version is the bundle's checksum, shortened.
    path : str
        Where it was read.
    loaded : datetime
        When, naive UTC.
    pipeline : LocalPipeline
        Tells the status of each looked-up value.
    reader : FeatureReader, optional
        Where it reads, timed if it is elsewhere.
    remote : bool
        Whether that is elsewhere.
    columns, outputs : dict of str to str
        The columns of a request and of an answer, with their Spark types.
    required : tuple of str
        Those of a request that must be there.
    known : frozenset of str
        Those that a request may have.
    checks : Checks
        What is checked of a row besides its values.
    decoders : tuple
        What makes Python values of JSON's.
    metrics : ModelMetrics
        What counts its answers.
    statuses : tuple of str
        The entries of an answer that tell statuses.
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
        """Return what ``GET /v1/models`` tells."""
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
    """Read a bundle, check it by its own rows, and prepare it on the store.

    Raises
    ------
    DataError, DefinitionError, SnapshotError
        If it is not whole, answers otherwise than it should, or the store lacks what it reads.
    """
    pipeline = LocalPipeline.load(path)
    plan = pipeline.plan
    reader = stores.reader(plan, name)
    counts = metrics.model(name, plan)
    remote = reader is not None and not isinstance(reader, LocalReader)
    if reader is not None and remote:
        reader = TimedReader(reader, counts.level)
    # A plan that calls an output of its own so keeps it, and its values are not counted.
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
