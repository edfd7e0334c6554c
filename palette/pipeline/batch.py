"""What schedulers run: a training set as a table, and a night's worth of rows scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from palette.errors import DefinitionError
from palette.offline.frames import read_frame, write_frame
from palette.pipeline.model import MLPipelineModel

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

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
    """

    target: str
    rows: int
    columns: tuple[str, ...]
    versions: Mapping[str, int]

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
    return Written(target, write_frame(found, target, mode), tuple(found.columns), store.pins(found))


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
    scored = fitted.transform(read_frame(spark, basis))
    names = [field.name for field in scored.schema if not isinstance(field.dataType, VectorUDT)]
    scored = scored.select(*(keep or names))
    return Written(target, write_frame(scored, target, mode), tuple(scored.columns), {})


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
