"""The proof that a local form equals its Spark stage, for the stages here and for a user's own.

Needs pyspark; nothing that serves imports this module.
"""

from __future__ import annotations

import math
import struct
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F
from pyspark.sql import types as T

from palette.errors import DataError
from palette.online import LocalTable
from palette.serving.compile import compile_plan
from palette.serving.plan import Plan
from palette.serving.runtime import runtime_of
from palette.serving.spark_files import SavedFiles
from palette.serving.stages import (
    BundledStage,
    LocalStage,
    RowRejectedError,
    local_form,
    saved_form,
    stage_from_json,
    stage_to_json,
)
from palette.serving.stages.vectors import Sparse, dense, incoming_vector

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["assert_same_chain", "assert_same_stage", "ulps_between"]

ROW = "__palette_row"
# Rows that Spark must reject are tried one at a time: this many.
TRIED = 5
# Prefix of the columns with the indices of the elements that a vector stores.
STORED = "__palette_stored_"


def assert_same_stage(
    stage: Any, df: DataFrame, *, ulps: Mapping[str, int] | int = 0, saved: bool = True, untyped: bool = True
) -> None:
    """Prove that the local form of a fitted stage gives what its ``transform`` gives, on every row.

    Proved are the generated code and ``compute``, both after a way through JSON, and that the form read from the saved
    stage is the same. A row that Spark drops must raise :class:`RowRejectedError`, and one that Spark rejects
    :class:`DataError`.

    Parameters
    ----------
    stage : Transformer
        The fitted Spark stage.
    df : DataFrame
        What it transforms; dense and sparse vectors both reach the local form.
    ulps : int or mapping of str to int
        How far numbers may be from Spark's, in units of the last index; by output column, or for all. The sign of
        zero does not count.
    saved : bool
        Whether the form is also read from the saved stage.
    untyped : bool
        Whether the answers must be the same where the types of the columns are not known.

    Raises
    ------
    AssertionError
        At the first row that differs, with a message about it.
    """
    form = local_form(stage, df.schema)
    assert form is not None, f"{type(stage).__name__} has no local form"
    runtime = runtime_of(df.sparkSession)
    form = form.fitted_on(runtime)
    plain = stage_to_json(form)
    again = stage_from_json(plain)
    assert stage_to_json(again) == plain
    if saved:
        _assert_same_saved(stage, plain, runtime)
    rows = df.collect()
    _assert_same_rows(stage, df, rows, _local_answers(again, rows, df, untyped), ulps)


def assert_same_chain(model: Any, df: DataFrame, *, ulps: Mapping[str, int] | int = 0) -> None:
    """Prove that the local forms of a fitted pipeline, one after the other, give what its ``transform`` gives.

    :func:`assert_same_stage` gives a stage its vectors as they are in the DataFrame. Here they come from the stages
    before, and besides values it is proved that each vector is sparse exactly where Spark's is, and stores the same
    elements, since some stages skip what is not stored.

    Parameters
    ----------
    model : PipelineModel
        The fitted pipeline; every stage must have a local form.
    df : DataFrame
        What it transforms.
    ulps : int or mapping of str to int
        As for :func:`assert_same_stage`.

    Raises
    ------
    AssertionError
        At the first row that differs, with a message about it.

    Examples
    --------
    >>> from pyspark.ml import Pipeline
    >>> from pyspark.ml.feature import Normalizer, VectorAssembler
    >>> from palette import spark_session
    >>> df = spark_session(master="local[1]").createDataFrame([(0.0, float("nan")), (3.0, 4.0)], "x double, y double")
    >>> stages = [VectorAssembler(inputCols=["x", "y"], outputCol="v", handleInvalid="keep"),
    ...           Normalizer(inputCol="v", outputCol="w")]
    >>> assert_same_chain(Pipeline(stages=stages).fit(df), df)
    """
    forms, passed, runtime = [], df, runtime_of(df.sparkSession)
    for stage in model.stages:
        form = local_form(stage, passed.schema)
        assert form is not None, f"{type(stage).__name__} has no local form"
        forms.append(stage_from_json(stage_to_json(form.fitted_on(runtime))))
        passed = stage.transform(passed)
    types = dict(passed.dtypes)
    outputs = tuple(dict.fromkeys(column for form in forms for column in form.outputs))
    stored = _Stored(tuple(column for column in outputs if types[column] == "vector"))
    inputs = {column: types[column] for column in df.columns}
    score = compile_plan(Plan(tuple(forms), outputs, inputs, runtime), _no_table)
    exact = compile_plan(Plan((*forms, stored), (*outputs, *stored.outputs), inputs, runtime), _no_table)
    rows = df.collect()
    answers = [_answer(exact, row.asDict()) for row in rows]
    for row, answer in zip(rows, answers, strict=True):
        other = _answer(score, row.asDict())
        known = answer if isinstance(answer, DataError) else {column: answer[column] for column in outputs}
        assert _equal(known, other), f"row {row}: {known} with exact sparsity, {other} where only what reads it has it"
    _assert_same_rows(model, df, rows, answers, ulps)


class _Stored(LocalStage):
    """Returns the indices of the elements that vectors store."""

    reads_sparsity = True

    def __init__(self, vectors: tuple[str, ...]) -> None:
        self.inputs = vectors
        self.outputs = tuple(f"{STORED}{column}" for column in vectors)

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the indices of sparse vectors, and what is None of others."""
        return tuple(list(value.indices) if isinstance(value, Sparse) else None for value in values)


def _assert_same_rows(
    stage: Any, df: DataFrame, rows: Sequence[Any], answers: Sequence[Any], ulps: Mapping[str, int] | int
) -> None:
    """Compare answers with what a stage makes of rows; those that the local form rejects are tried one by one."""
    # Not df itself, so that Spark and the local form see the same rows in the same order.
    numbered = df.sparkSession.createDataFrame(
        [(*row, index) for index, row in enumerate(rows)],
        T.StructType([*df.schema.fields, T.StructField(ROW, T.IntegerType())]),
    )
    rejected = [
        index for index, answer in enumerate(answers) if isinstance(answer, DataError) and not _is_dropped(answer)
    ]
    accepted = numbered.filter(~F.col(ROW).isin(rejected)) if rejected else numbered
    for index in rejected[:TRIED]:
        _assert_rejected(stage, numbered.filter(F.col(ROW) == index), rows[index], answers[index])
    expected = {row[ROW]: row for row in stage.transform(accepted).collect()}
    for index, answer in enumerate(answers):
        if index not in expected:
            assert isinstance(answer, DataError), f"row {rows[index]}: Spark drops it, the local form gives {answer}"
            continue
        assert not isinstance(answer, DataError), (
            f"row {rows[index]}: Spark accepts it, the local form raises: {answer}"
        )
        for column, value in answer.items():
            if column.startswith(STORED):
                _assert_same_stored(column.removeprefix(STORED), value, expected[index], rows[index])
            else:
                allowed = ulps if isinstance(ulps, int) else ulps.get(column, 0)
                _assert_same(column, value, expected[index][column], allowed, rows[index])


def _assert_same_stored(column: str, actual: list[int] | None, answer: Any, row: Any) -> None:
    vector = answer[column]
    expected = [int(index) for index in vector.indices] if hasattr(vector, "indices") else None
    assert actual == expected, (
        f"column {column!r}: stored are {actual or 'all'}, in Spark {expected or 'all'}; row {row!r:.500}"
    )


def _is_dropped(answer: Any) -> bool:
    return isinstance(answer, RowRejectedError)


def _assert_same_saved(stage: Any, plain: Mapping[str, Any], runtime: Mapping[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "stage")
        stage.save(path)
        form = saved_form(SavedFiles(Path(path)))
        assert form is not None, f"{type(stage).__name__} cannot be read from a saved stage"
        form = form.fitted_on(runtime)
        assert stage_to_json(form) == plain, f"{stage_to_json(form)} was read from the saved stage, expected {plain}"


def _local_answers(form: BundledStage, rows: list[Any], df: DataFrame, untyped: bool) -> list[Any]:
    types = dict(df.dtypes)
    plan = Plan((form,), form.outputs, {column: types[column] for column in form.inputs})
    score = compile_plan(plan, _no_table)
    general = compile_plan(Plan((form,), form.outputs), _no_table) if untyped else score
    answers: list[Any] = []
    for row in rows:
        request = row.asDict()
        answer = _answer(score, request)
        # The same without types, through the general way, and with vectors turned from dense to sparse and back.
        turned = request if form.reads_sparsity else _turned(request)
        for other in (_answer(general, request), _answer(score, turned)):
            assert _equal(answer, other), f"row {row}: generated code gives {answer}, another way {other}"
        answers.append(answer)
    return answers


def _no_table(group: str) -> LocalTable:
    raise DataError(f"a stage reads no feature group: {group}")


def _answer(score: Any, request: Mapping[str, Any]) -> Any:
    try:
        return score(request, 0)
    except DataError as error:
        return error


def _turned(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with dense vectors made sparse, and the other way round."""
    turned = {}
    for column, value in request.items():
        if type(value).__name__ in ("DenseVector", "SparseVector"):
            vector = incoming_vector(value, column)
            if isinstance(vector, Sparse):
                value = dense(vector)
            else:
                nonzero = [index for index, element in enumerate(vector) if element != 0.0]
                value = Sparse(len(vector), nonzero, [vector[index] for index in nonzero])
        turned[column] = value
    return turned


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, DataError) or isinstance(other, DataError):
        return type(one) is type(other)
    return all(_distance(one[column], other[column]) == 0 for column in one)


def _assert_rejected(stage: Any, df: DataFrame, row: Any, answer: Any) -> None:
    try:
        stage.transform(df).collect()
    except Exception:  # noqa: BLE001 - Spark wraps what a stage raises in many classes
        return
    raise AssertionError(f"row {row}: Spark accepts it, the local form raises: {answer}")


def _assert_same(column: str, actual: Any, expected: Any, ulps: int, row: Any) -> None:
    if hasattr(expected, "toArray"):
        expected = [float(one) for one in expected.toArray()]
    distance = _distance(actual, expected)
    assert distance <= ulps, (
        f"column {column!r}: found {actual!r:.300}, Spark gives {expected!r:.300}, {distance} ulps apart; "
        f"row {row!r:.500}"
    )


def _distance(actual: Any, expected: Any) -> float:
    """Return how many units of the last index two values are apart; infinitely many if they differ otherwise."""
    if isinstance(expected, (list, tuple, Sparse)) and isinstance(actual, (list, tuple, Sparse)):
        if len(actual) != len(expected):
            return math.inf
        return max((_distance(one, other) for one, other in zip(actual, expected, strict=True)), default=0)
    if isinstance(expected, float) and isinstance(actual, float):
        return ulps_between(actual, expected)
    return 0 if type(actual) is type(expected) and actual == expected else math.inf


def ulps_between(one: float, other: float) -> float:
    """Return how many doubles lie between two; 0 for NaN and NaN, infinitely many for NaN and a number.

    Examples
    --------
    >>> ulps_between(1.0, 1.0 + 2**-52), ulps_between(0.0, -0.0)
    (1, 0)
    """
    if one == other or (one != one and other != other):
        return 0
    if one != one or other != other:
        return math.inf
    return abs(_ordinal(one) - _ordinal(other))


def _ordinal(value: float) -> int:
    (bits,) = struct.unpack("<q", struct.pack("<d", value))
    return bits if bits >= 0 else -(bits & 0x7FFF_FFFF_FFFF_FFFF)
