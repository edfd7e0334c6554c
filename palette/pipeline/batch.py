"""What schedulers run: a training set as a table, and a night's worth of rows scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from palette.catalog import named_columns
from palette.errors import DefinitionError
from palette.offline.checks import quoted
from palette.offline.frames import read_frame, write_frame
from palette.offline.observing import observed
from palette.pipeline.model import MLPipelineModel
from palette.transformer import PaletteTransformer

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from palette.store import FeatureStore

__all__ = ["Written", "features_of", "score_table", "write_training_set"]


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
    """

    target: str
    rows: int
    columns: tuple[str, ...]
    versions: Mapping[str, int]
    missing: Mapping[str, float]

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
) -> Written:
    """Write the training set of a basis that is a table or file; see :meth:`palette.FeatureStore.training_set`.

    Parameters
    ----------
    spark : SparkSession
        Does it.
    store : FeatureStore
        Has the features.
    basis, target : str
        Where rows are read and written; see :func:`palette.offline.frames.read_frame`.
    features, timestamp, point_in_time, version, status
        As there.
    mode : {"error", "append", "overwrite"}
        What becomes of rows at the target.

    Raises
    ------
    PaletteError
        If something is unknown or does not suit; nothing is written then.
    """
    found = store.training_set(
        read_frame(spark, basis),
        features,
        timestamp=timestamp,
        point_in_time=point_in_time,
        version=version,
        status=status,
    )
    counted, missing = _counted(found, named_columns(features))
    rows = write_frame(counted, target, mode)
    return Written(target, rows, tuple(found.columns), store.pins(found), missing())


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
        The directory that ``MLPipelineModel.save`` wrote.
    basis, target : str
        Where rows are read and written; see :func:`palette.offline.frames.read_frame`.
    store : FeatureStore, optional
        Where features are read, if not where the model was trained.
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

    fitted = MLPipelineModel.load(model, store=store)
    dropped = set() if fitted.getKeepFeatures() else set(fitted.looked_up)
    looked_up = [stage.getFeatures() for stage in fitted.stages if isinstance(stage, PaletteTransformer)]
    scored = fitted.setKeepFeatures(True).transform(read_frame(spark, basis))
    vectors = {field.name for field in scored.schema if isinstance(field.dataType, VectorUDT)}
    names = [name for name in scored.columns if name not in vectors | dropped]
    counted, missing = _counted(scored, {column: name for some in looked_up for column, name in some.items()})
    scored = counted.select(*(keep or names))
    rows = write_frame(scored, target, mode)
    return Written(target, rows, tuple(scored.columns), {}, missing())


def _counted(rows: DataFrame, features: Mapping[str, str]) -> tuple[DataFrame, Callable[[], dict[str, float]]]:
    """Return rows that are counted when they are written, and what then tells the share without a value."""
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    def lacks(column: str) -> Column:
        value = quoted(column)
        is_float = rows.schema[column].dataType.simpleString() in ("double", "float")
        return F.count_if(value.isNull() | F.isnan(value) if is_float else value.isNull())

    seen = Observation()
    counts = [lacks(column).alias(f"n{place}") for place, column in enumerate(features)]
    counted = rows.observe(seen, F.count(F.lit(1)).alias("rows"), *counts)

    def missing() -> dict[str, float]:
        found = observed(seen)
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
