"""What schedulers run: a training set as a table, and a night's worth of rows scored."""

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
    "Written",
    "basis_types",
    "check_pinning",
    "features_of",
    "model_types",
    "score_table",
    "versions_of",
    "write_training_set",
]


@dataclass(frozen=True)
class Written:
    """What a job wrote.

    Parameters
    ----------
    target : str
        Where.
    rows : int
        How many.
    columns : tuple of str
        All columns, in order.
    versions : dict of str to int
        Feature group to the table version that was read: what ``version=`` takes to do it again exactly.
    missing : dict of str to float
        Feature to the share of rows for which no value was found; a NaN is none.
    rows_read : int
        How many rows the basis has; fewer are written where a stage skips rows (``handleInvalid``).
    pin : str, optional
        The name under which these versions are kept from ``vacuum``.
    """

    target: str
    rows: int
    columns: tuple[str, ...]
    versions: Mapping[str, int]
    missing: Mapping[str, float]
    rows_read: int
    pin: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what JSON holds."""
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
) -> Written:
    """Write the training set of a basis that is a table or file; see :meth:`palette.FeatureStore.training_set`.

    Parameters
    ----------
    spark : SparkSession
        Does it.
    store : FeatureStore
        Has the features.
    basis, target : str
        Where rows are read and written; see :func:`palette.offline.files.dataframes.read_frame`.
    features, timestamp, point_in_time, version, status
        As there.
    mode : {"error", "append", "overwrite"}
        What becomes of rows at the target.
    pin : str, optional
        Keeps the table versions that were read under this name, when the rows are written; ``store.release`` drops it.

    Raises
    ------
    PaletteError
        If something is unknown or does not suit; nothing is written then.
    """
    check_pinning(store, features, version, pin)
    rows_in, rows_read = _read(spark, basis, types=basis_types(store.lookups(features), timestamp))
    found = store.training_set(
        rows_in,
        features,
        timestamp=timestamp,
        point_in_time=point_in_time,
        version=version,
        status=status,
    )
    counted, missing = _counted(found, named_columns(features, store.group))
    rows = write_frame(counted, target, mode)
    versions = store.pins(found)
    if pin is not None:
        store.keep(pin, versions)
    return Written(target, rows, tuple(found.columns), versions, missing(), rows_read(), pin)


def check_pinning(
    store: FeatureStore,
    features: Mapping[str, str] | Sequence[str],
    version: Mapping[str, int] | None = None,
    pin: str | None = None,
) -> None:
    """Refuse versions of groups that are not asked, and names of pins that are not one's own; it needs no Spark.

    Raises
    ------
    DefinitionError
        If there is such a one.
    FeatureNotFoundError
        If a name is not in the catalog.
    """
    asked = {lookup.group.full_name for lookup in store.lookups(features)}
    for group in version or {}:
        if (name := store.group(group).full_name) not in asked:
            raise DefinitionError(f"a version of {name} is named, and no feature of it: asked is {', '.join(asked)}")
    if pin is not None and (not pin.strip() or not pin.isprintable() or pin.startswith(MODEL)):
        raise DefinitionError(f"{pin!r} cannot name a pin: expected a text, and {MODEL}... is for those of models")


def score_table(
    spark: SparkSession,
    model: str,
    basis: str,
    target: str,
    *,
    store: FeatureStore | None = None,
    keep: Sequence[str] | None = None,
    mode: str = "error",
) -> Written:
    """Score the rows of a table or file by a saved model.

    Parameters
    ----------
    spark : SparkSession
        Does it.
    model : str
        The directory that ``MLPipelineModel.save`` wrote; or ``model:NAME[@STAGE|@VERSION]``, a model of ``store``.
    basis, target : str
        Where rows are read and written; see :func:`palette.offline.files.dataframes.read_frame`.
    store : FeatureStore, optional
        Where features are read, if not where the model was trained; and whose models are named.
    keep : sequence of str, optional
        The columns to write; by default all but vectors, which only Spark ML reads.
    mode : {"error", "append", "overwrite"}
        What becomes of rows at the target.

    Raises
    ------
    PaletteError
        If something is unknown or does not suit; nothing is written then.
    """
    from pyspark.ml.linalg import VectorUDT

    fitted = find_saved(model, store).load(store)
    dropped = set() if fitted.getKeepFeatures() else set(fitted.looked_up)
    looked_up = [stage.getFeatures() for stage in fitted.stages if isinstance(stage, PaletteTransformer)]
    rows_in, rows_read = _read(spark, basis, **model_types(fitted))
    scored = fitted.setKeepFeatures(True).transform(rows_in)
    vectors = {field.name for field in scored.schema if isinstance(field.dataType, VectorUDT)}
    names = [name for name in scored.columns if name not in vectors | dropped]
    counted, missing = _counted(scored, {column: name for some in looked_up for column, name in some.items()})
    scored = counted.select(*(keep or names))
    try:
        rows = write_frame(scored, target, mode)
    except SPARK_ERRORS as error:
        raise_cause(error, stage_inputs(fitted.runnable(), rows_in))
        raise
    return Written(target, rows, tuple(scored.columns), {}, missing(), rows_read())


def basis_types(lookups: Iterable[Lookup], timestamp: str | None = None) -> dict[str, str]:
    """Return the types that columns of a basis must have: those of the keys that they are joined to, and of times."""
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
    """Return rows, and what tells their number once they were read."""
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    seen, rows = Observation(), read_frame(spark, source, **types)

    def number() -> int:
        found = read_observation(seen).get("rows")
        return rows.count() if found is None else int(found)

    return rows.observe(seen, F.count(F.lit(1)).alias("rows")), number


def _counted(rows: DataFrame, features: Mapping[str, str]) -> tuple[DataFrame, Callable[[], dict[str, float]]]:
    """Return rows that are counted when they are written, and what then tells the share without a value."""
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    def lacks(column: str) -> Column:
        value = exact_column(column)
        is_float = rows.schema[column].dataType.simpleString() in ("double", "float")
        return F.count_if(value.isNull() | F.isnan(value) if is_float else value.isNull())

    seen = Observation()
    counts = [lacks(column).alias(f"n{place}") for place, column in enumerate(features)]
    counted = rows.observe(seen, F.count(F.lit(1)).alias("rows"), *counts)

    def missing() -> dict[str, float]:
        found = read_observation(seen)
        rows = max(found.get("rows", 0), 1)
        return {name: found.get(f"n{place}", 0) / rows for place, name in enumerate(features.values())}

    return counted, missing


def features_of(named: Sequence[str]) -> dict[str, str] | list[str]:
    """Return features as ``training_set`` takes them, of texts ``EXPRESSION`` or ``COLUMN=EXPRESSION``.

    Raises
    ------
    DefinitionError
        If a text is neither, or some have a column and others have not.

    Examples
    --------
    >>> features_of(["prep=restaurant:kitchen:prep:r_id"])
    {'prep': 'restaurant:kitchen:prep:r_id'}
    """
    pairs = [text.partition("=") for text in named]
    for text, (column, equals, expression) in zip(named, pairs, strict=True):
        if equals and not (column and expression):
            raise DefinitionError(f"{text!r}: expected EXPRESSION, or COLUMN=EXPRESSION")
    if not any(equals for _, equals, _ in pairs):
        return list(named)
    if not all(equals for _, equals, _ in pairs):
        raise DefinitionError("name a column for every feature (COLUMN=EXPRESSION), or for none")
    columns = [column for column, _, _ in pairs]
    if twice := next((column for column in columns if columns.count(column) > 1), None):
        raise DefinitionError(f"two features for the column {twice!r}")
    return {column: expression for column, _, expression in pairs}


def versions_of(named: Sequence[str]) -> dict[str, int]:
    """Return table versions as ``training_set`` takes them, of texts ``ENTITY:GROUP=N``.

    Raises
    ------
    DefinitionError
        If a text is none, or a group has two.

    Examples
    --------
    >>> versions_of(["restaurant:kitchen=3"])
    {'restaurant:kitchen': 3}
    """
    found: dict[str, int] = {}
    for text in named:
        group, _, number = text.rpartition("=")
        if not (group and number.isascii() and number.isdigit()):
            raise DefinitionError(f"{text!r}: expected ENTITY:GROUP=N, N the version of its table")
        if group in found:
            raise DefinitionError(f"two versions of {group!r}")
        found[group] = int(number)
    return found
