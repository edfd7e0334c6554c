"""Evaluation of calls with plain values by both compilers, for `dsl.testing`."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from dsl.compilers.bind import Binding, bind
from dsl.compilers.column import compile_columns
from dsl.compilers.row import compile_row
from dsl.dtypes import BOOL, INT, NUM, STR, STRS, TS, DType
from dsl.refs import BasisRef
from dsl.registry import Function
from dsl.syntax.build import call, coerce, literal
from dsl.syntax.nodes import Literal, Node, Read

if TYPE_CHECKING:
    from pyspark.sql import Column, SparkSession

__all__ = ["Case", "as_type", "on_columns", "on_row", "same"]

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_GROUPS_PER_JOB = 50


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A call of a function with plain values.

    Parameters
    ----------
    function : Function
        The function.
    args : tuple
        Its arguments, constants among them.
    types : tuple of DType
        Their types.
    """

    function: Function
    args: tuple[Any, ...]
    types: tuple[DType, ...]

    def __str__(self) -> str:
        return f"{self.function.name}({', '.join(map(repr, self.args))})"


def same(left: Any, right: Any, ulps: int = 0) -> bool:
    """Return whether two values are equal in type and bit for bit; NaN equals only NaN, null only null.

    Parameters
    ----------
    left, right : object
        Plain values.
    ulps : int, default 0
        Units in the last place that two floats may differ by.

    Examples
    --------
    >>> same(math.nan, math.nan), same(0.0, -0.0), same(1, 1.0), same(None, math.nan)
    (True, False, False, False)
    >>> same(0.1 + 0.2, 0.3, ulps=1)
    True
    """
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        if math.isnan(left) or math.isnan(right):
            return math.isnan(left) and math.isnan(right)
        return abs(_ordinal(left) - _ordinal(right)) <= ulps and math.isinf(left) == math.isinf(right)
    if isinstance(left, list):
        return len(left) == len(right) and all(same(a, b, ulps) for a, b in zip(left, right, strict=True))
    return bool(left == right)


def on_row(cases: Sequence[Case]) -> list[Any]:
    """Compute calls by the row compiler, and assert that a plain call of the row body gives the same."""
    scorers: dict[Node, Any] = {}
    values = []
    for case in cases:
        node, inputs = _expression(case)
        if node not in scorers:
            scorers[node] = compile_row(node)
        value = scorers[node]({str(read.ref).removeprefix("basis:"): value for read, value in inputs.items()})
        direct = case.function.call(*(constant.plain for constant in _literals(case)))
        assert same(value, direct), f"{case}: inline returns {value!r}, row returns {direct!r}"
        values.append(value)
    return values


def on_columns(spark: SparkSession, cases: Sequence[Case], *, interpreted: bool = False) -> list[Any]:
    """Compute calls by the column compiler, many in one Spark job.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    cases : sequence of Case
        The calls, also of several functions.
    interpreted : bool, default False
        Evaluate without generated Java code, as constant folding and Spark Connect's local relations do.
    """
    groups: dict[Node, list[tuple[int, dict[Read, Any]]]] = {}
    for index, case in enumerate(cases):
        node, inputs = _expression(case)
        groups.setdefault(node, []).append((index, inputs))
    values: list[Any] = [None] * len(cases)
    batches = list(groups.items())
    with _engine(spark, interpreted=interpreted):
        for start in range(0, len(batches), _GROUPS_PER_JOB):
            batch = batches[start : start + _GROUPS_PER_JOB]
            results = _evaluate(spark, [(node, [inputs for _, inputs in calls]) for node, calls in batch])
            for (_, calls), column in zip(batch, results, strict=True):
                for (index, _), value in zip(calls, column, strict=True):
                    values[index] = value
    return values


def as_type(value: Any, dtype: DType) -> Literal | None:
    """Return the literal of a value in a type, or None if it cannot be."""
    node = coerce(literal(value), dtype)
    return node if isinstance(node, Literal) else None


def _expression(case: Case) -> tuple[Node, dict[Read, Any]]:
    """Return the call with its constants, and the values of its other arguments."""
    arguments: list[Node] = []
    inputs = {}
    parameters = case.function.parameters(len(case.args))
    for index, (parameter, constant) in enumerate(zip(parameters, _literals(case), strict=True)):
        if parameter.constant:
            arguments.append(constant)
        else:
            read = Read(BasisRef(f"x{index}"), constant.dtype)
            arguments.append(read)
            inputs[read] = constant.plain
    return call(case.function.name, *arguments), inputs


def _literals(case: Case) -> list[Literal]:
    """Return the arguments in the types of the case: integers may be numbers."""
    literals = []
    for value, dtype in zip(case.args, case.types, strict=True):
        constant = as_type(value, dtype)
        assert constant is not None, f"{case}: {value!r} is not {dtype}"
        literals.append(constant)
    return literals


def _evaluate(spark: SparkSession, batch: Sequence[tuple[Node, list[dict[Read, Any]]]]) -> list[list[Any]]:
    """Run a single job: each expression has its own input columns, each set of its inputs a row."""
    import pyarrow as pa
    from pyspark.sql import functions as F

    height = max(len(inputs) for _, inputs in batch)
    arrays: dict[str, Any] = {"n": pa.array(range(height), pa.int32())}
    times: dict[str, Column] = {}
    columns: list[Column] = []
    for group, (node, inputs) in enumerate(batch):
        bindings: dict[str, Binding] = {}
        for read in inputs[0]:
            source = f"g{group}_{len(bindings)}"
            arrays[source] = _array([row[read] for row in inputs] + [None] * (height - len(inputs)), read.dtype)
            if read.dtype is TS:
                times[source] = F.timestamp_micros(source)
            bindings[str(read.ref)] = Binding(source, read.dtype.spark)
        column = compile_columns(bind({"value": node}, bindings), bindings, F)["value"]
        columns.append((F.unix_micros(column) if node.dtype is TS else column).alias(f"r{group}"))
    # Without the shuffle Spark would compute a small local relation while planning, never by generated code.
    shuffled = spark.createDataFrame(pa.table(arrays)).repartition(2)
    frame = shuffled.select(*(times.get(name, F.col(name)).alias(name) for name in arrays))
    result = frame.select("n", *columns)
    for (node, _), field in zip(batch, result.schema.fields[1:], strict=True):
        declared = INT.spark if node.dtype is TS else node.dtype.spark
        actual = field.dataType.simpleString()
        assert actual == declared, f"{node}: the column is {actual}, declared {node.dtype}"
    rows = sorted(result.collect(), key=lambda row: row["n"])
    return [
        [_from_spark(row[group + 1], node.dtype) for row in rows[: len(inputs)]]
        for group, (node, inputs) in enumerate(batch)
    ]


def _array(values: list[Any], dtype: DType) -> Any:
    """Return a column of values. Times are microseconds, independent of the zones of process and session."""
    import pyarrow as pa

    types = {NUM: pa.float64(), INT: pa.int64(), STR: pa.string(), BOOL: pa.bool_(), TS: pa.int64()}
    types[STRS] = pa.list_(pa.string())
    micros = [(value - _EPOCH) // _MICROSECOND if isinstance(value, datetime) else value for value in values]
    return pa.array(micros, types.get(dtype) or pa.list_(pa.float64()))


def _from_spark(value: Any, dtype: DType) -> Any:
    return _EPOCH + value * _MICROSECOND if dtype is TS and value is not None else value


@contextmanager
def _engine(spark: SparkSession, *, interpreted: bool) -> Iterator[None]:
    settings = {
        "spark.sql.codegen.wholeStage": str(not interpreted).lower(),
        "spark.sql.codegen.factoryMode": "NO_CODEGEN" if interpreted else "CODEGEN_ONLY",
    }
    before = {name: spark.conf.get(name) for name in settings}
    for name, value in settings.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            spark.conf.set(name, value)


def _ordinal(number: float) -> int:
    """Return the rank of a float among all floats; the two zeros are distinct."""
    (bits,) = struct.unpack("<q", struct.pack("<d", number))
    return bits if bits >= 0 else -(bits & (2**63 - 1)) - 1
