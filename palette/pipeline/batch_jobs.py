"""Batch jobs: write a training set, score a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from palette.catalog import named_columns
from palette.catalog.models.names import MODEL
from palette.columns import exact_column
from palette.definitions import widens
from palette.errors import DefinitionError
from palette.offline.files.dataframes import read_frame, write_frame
from palette.offline.observations import read_observation
from palette.pipeline.model_ref import find_saved
from palette.pipeline.null_errors import SPARK_ERRORS, raise_cause, stage_inputs
from palette.transformer import PaletteTransformer

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from palette.offline import Lookup
    from palette.pipeline.model import MLPipelineModel
    from palette.store import FeatureStore

__all__ = [
    "JobResult",
    "basis_types",
    "check_pinning",
    "model_types",
    "parse_features",
    "parse_versions",
    "score_table",
    "write_training_set",
]


@dataclass(frozen=True)
class JobResult:
    """Result of a job.

    Parameters
    ----------
    target : str
        Table or path that was written.
    rows : int
        Number of rows.
    columns : tuple of str
        All columns, in order.
    versions : dict of str to int
        Feature group to the table version that was read: pass it as ``version=`` to repeat the job exactly.
    missing : dict of str to float
        Feature to the share of rows without a value; NaN counts as no value.
    rows_read : int
        Number of rows of the basis; fewer are written if a stage skips rows (``handleInvalid``).
    pin : str, optional
        Name under which these versions are protected from ``vacuum``.
    """

    target: str
    rows: int
    columns: tuple[str, ...]
    versions: Mapping[str, int]
    missing: Mapping[str, float]
    rows_read: int
    pin: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        return asdict(self)


def write_training_set(
    spark: SparkSession,
    store: FeatureStore,
    basis: str,
    features: Mapping[str, str] | Sequence[str],
    target: str,
    *,
    timestamp: str | None = None,
    point_in_time: str = "event",
    version: Mapping[str, int] | None = None,
    status: bool = False,
    mode: str = "error",
    pin: str | None = None,
) -> JobResult:
    """Write the training set of a basis that is a table or file; see :meth:`palette.FeatureStore.training_set`.

    Parameters
    ----------
    spark : SparkSession
        The session.
    store : FeatureStore
        Store of the features.
    basis, target : str
        Tables or paths to read and write; see :func:`palette.offline.files.dataframes.read_frame`.
    features, timestamp, point_in_time, version, status
        As for ``training_set``.
    mode : {"error", "append", "overwrite"}
        What to do with existing rows at the target.
    pin : str, optional
        Name under which the table versions are pinned once the rows are written; ``store.release`` unpins them.

    Raises
    ------
    PaletteError
        If an argument is invalid or unknown; nothing is written then.
    """
    check_pinning(store, features, version, pin)
    rows_in, rows_read = _read(spark, basis, types=basis_types(store.lookups(features), timestamp))
    training_set = store.training_set(
        rows_in,
        features,
        timestamp=timestamp,
        point_in_time=point_in_time,
        version=version,
        status=status,
    )
    counted, missing = _counted(training_set, named_columns(features, store.group))
    rows = write_frame(counted, target, mode)
    versions = store.pins(training_set)
    if pin is not None:
        store.keep(pin, versions)
    return JobResult(target, rows, tuple(training_set.columns), versions, missing(), rows_read(), pin)


def check_pinning(
    store: FeatureStore,
    features: Mapping[str, str] | Sequence[str],
    version: Mapping[str, int] | None = None,
    pin: str | None = None,
) -> None:
    """Validate that versions belong to requested groups, and the name of a pin; needs no Spark.

    Raises
    ------
    DefinitionError
        If one is invalid.
    FeatureNotFoundError
        If a name is not in the catalog.
    """
    requested = {lookup.group.full_name for lookup in store.lookups(features)}
    for group in version or {}:
        if (name := store.group(group).full_name) not in requested:
            raise DefinitionError(
                f"version given for group {name}, but no feature of it is requested (requested: {', '.join(requested)})"
            )
    if pin is not None and (not pin.strip() or not pin.isprintable() or pin.startswith(MODEL)):
        raise DefinitionError(f"invalid pin name {pin!r}: it must not be empty, or start with {MODEL!r} (reserved)")


def score_table(
    spark: SparkSession,
    model: str,
    basis: str,
    target: str,
    *,
    store: FeatureStore | None = None,
    keep: Sequence[str] | None = None,
    mode: str = "error",
) -> JobResult:
    """Score the rows of a table or file by a saved model.

    Parameters
    ----------
    spark : SparkSession
        The session.
    model : str
        Directory written by ``MLPipelineModel.save``, or ``model:NAME[@STAGE|@VERSION]``, a model of ``store``.
    basis, target : str
        Tables or paths to read and write; see :func:`palette.offline.files.dataframes.read_frame`.
    store : FeatureStore, optional
        Store of the features, if it is not the one of the training, and of the named model.
    keep : sequence of str, optional
        Columns to write; by default all except vectors, which only Spark ML reads.
    mode : {"error", "append", "overwrite"}
        What to do with existing rows at the target.

    Raises
    ------
    PaletteError
        If an argument is invalid or unknown; nothing is written then.
    """
    from pyspark.ml.linalg import VectorUDT

    fitted = find_saved(model, store).load(store)
    dropped = set() if fitted.getKeepFeatures() else set(fitted.looked_up)
    looked_up = [stage.getFeatures() for stage in fitted.stages if isinstance(stage, PaletteTransformer)]
    rows_in, rows_read = _read(spark, basis, **model_types(fitted))
    scored = fitted.setKeepFeatures(True).transform(rows_in)
    vectors = {field.name for field in scored.schema if isinstance(field.dataType, VectorUDT)}
    names = [name for name in scored.columns if name not in vectors | dropped]
    counted, missing = _counted(scored, {column: name for features in looked_up for column, name in features.items()})
    scored = counted.select(*(keep or names))
    try:
        rows = write_frame(scored, target, mode)
    except SPARK_ERRORS as error:
        raise_cause(error, stage_inputs(fitted.runnable(), rows_in))
        raise
    return JobResult(target, rows, tuple(scored.columns), {}, missing(), rows_read())


def basis_types(lookups: Iterable[Lookup], timestamp: str | None = None) -> dict[str, str]:
    """Return the types that join keys and timestamps of a basis must have."""
    types = {} if timestamp is None else {timestamp: "timestamp"}
    for lookup in lookups:
        for column, dtype in zip(lookup.join_keys, lookup.schema.keys.values(), strict=True):
            if column not in types or widens(types[column], dtype):
                types[column] = dtype
    return types


def model_types(model: MLPipelineModel) -> dict[str, dict[str, str]]:
    """Return the types of the columns that a model reads from its basis."""
    stages = [stage for stage in model.runnable() if isinstance(stage, PaletteTransformer)]
    lookups = [lookup for stage in stages for lookup in stage.store.lookups(stage.getFeatures())]
    return {"types": basis_types(lookups, model.getTimestampCol()), "likely": model.getInputTypes()}


def _read(spark: SparkSession, source: str, **types: Any) -> tuple[DataFrame, Callable[[], int]]:
    """Return rows, and a function that returns their number once they were read."""
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    observation, rows = Observation(), read_frame(spark, source, **types)

    def number() -> int:
        count = read_observation(observation).get("rows")
        return rows.count() if count is None else int(count)

    return rows.observe(observation, F.count(F.lit(1)).alias("rows")), number


def _counted(rows: DataFrame, features: Mapping[str, str]) -> tuple[DataFrame, Callable[[], dict[str, float]]]:
    """Return rows that are counted when written, and a function that then returns the shares without a value."""
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    def lacks(column: str) -> Column:
        value = exact_column(column)
        is_float = rows.schema[column].dataType.simpleString() in ("double", "float")
        return F.count_if(value.isNull() | F.isnan(value) if is_float else value.isNull())

    observation = Observation()
    missing_counts = [lacks(column).alias(f"n{index}") for index, column in enumerate(features)]
    counted = rows.observe(observation, F.count(F.lit(1)).alias("rows"), *missing_counts)

    def missing() -> dict[str, float]:
        counts = read_observation(observation)
        rows = max(counts.get("rows", 0), 1)
        return {name: counts.get(f"n{index}", 0) / rows for index, name in enumerate(features.values())}

    return counted, missing


def parse_features(named: Sequence[str]) -> dict[str, str] | list[str]:
    """Parse features written as ``EXPRESSION`` or ``COLUMN=EXPRESSION``.

    Raises
    ------
    DefinitionError
        If one is invalid, or only some have a column.

    Examples
    --------
    >>> parse_features(["prep=restaurant:kitchen:prep:r_id"])
    {'prep': 'restaurant:kitchen:prep:r_id'}
    """
    pairs = [item.partition("=") for item in named]
    for item, (column, equals, expression) in zip(named, pairs, strict=True):
        if equals and not (column and expression):
            raise DefinitionError(f"{item!r}: expected EXPRESSION, or COLUMN=EXPRESSION")
    if not any(equals for _, equals, _ in pairs):
        return list(named)
    if not all(equals for _, equals, _ in pairs):
        raise DefinitionError("name a column for every feature (COLUMN=EXPRESSION), or for none")
    columns = [column for column, _, _ in pairs]
    if duplicate := next((column for column in columns if columns.count(column) > 1), None):
        raise DefinitionError(f"duplicate column {duplicate!r}")
    return {column: expression for column, _, expression in pairs}


def parse_versions(named: Sequence[str]) -> dict[str, int]:
    """Parse table versions written as ``ENTITY:GROUP=N``.

    Raises
    ------
    DefinitionError
        If one is invalid, or a group is a duplicate.

    Examples
    --------
    >>> parse_versions(["restaurant:kitchen=3"])
    {'restaurant:kitchen': 3}
    """
    versions: dict[str, int] = {}
    for item in named:
        group, _, number = item.rpartition("=")
        if not (group and number.isascii() and number.isdigit()):
            raise DefinitionError(f"{item!r}: expected ENTITY:GROUP=N, N the version of its table")
        if group in versions:
            raise DefinitionError(f"duplicate version of {group!r}")
        versions[group] = int(number)
    return versions
