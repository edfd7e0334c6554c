"""The column compiler: a bound expression becomes one Spark Column, classic or Connect."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from dsl.compilers.bind import Binding
from dsl.dtypes import INT, LISTS, STRS, TS, VEC
from dsl.registry import Function, Nulls
from dsl.syntax.nodes import Call, Literal, Node, Read, Widen

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = ["compile_columns", "constant_arguments", "source_column", "statistic_columns"]

_EPOCH = datetime(1970, 1, 1)


def compile_columns(bound: Mapping[str, Node], bindings: Mapping[str, Binding], F: Any) -> dict[str, Column]:
    """Compile bound expressions to Columns.

    Parameters
    ----------
    bound : mapping of str to Node
        Expressions from `dsl.compilers.bind.bind`.
    bindings : mapping of str to Binding
        The bindings passed to `bind`.
    F : module
        ``pyspark.sql.functions``, for classic and Connect sessions.

    Returns
    -------
    dict of str to Column
        One Column for each output, in order.
    """
    compiler = _Compiler(bindings, F)
    columns = {output: compiler.column(node) for output, node in bound.items()}
    # The cast costs nothing: all lists have one type, whether or not Spark knows that no element is null.
    return {
        name: column.cast(bound[name].dtype.spark) if bound[name].dtype in LISTS else column
        for name, column in columns.items()
    }


class _Compiler:
    """Builds the Column of each distinct node once."""

    def __init__(self, bindings: Mapping[str, Binding], F: Any) -> None:
        self._bindings = bindings
        self._F = F
        self._columns: dict[Node, Column] = {}

    def column(self, node: Node) -> Column:
        if node not in self._columns:
            self._columns[node] = self._compile(node)
        return self._columns[node]

    def arguments(self, node: Call) -> list[Any]:
        """Return the arguments for a body: Columns, and plain values for constant parameters."""
        parameters = node.function.parameters(len(node.args))
        return [
            arg.plain if parameter.constant and isinstance(arg, Literal) else self.column(arg)
            for parameter, arg in zip(parameters, node.args, strict=True)
        ]

    def _compile(self, node: Node) -> Column:
        match node:
            case Literal():
                return _literal(node, self._F)
            case Read():
                return source_column(node, self._bindings[str(node.ref)], self._F)
            case Widen(arg):
                return self.column(arg).cast("double")
        assert isinstance(node, Call)
        assert isinstance(node.function, Function)
        arguments = self.arguments(node)
        if node.function.nulls is Nulls.PROPAGATE and any(argument is None for argument in arguments):
            return self._F.lit(None).cast(node.dtype.ddl)
        return node.function.column(self._F, *arguments)


def statistic_columns(statistic: Call, bindings: Mapping[str, Binding], F: Any) -> tuple[list[Column], dict[str, Any]]:
    """Compile the arguments of a bound statistic for `aggregate`: Columns, and constants by name."""
    compiler = _Compiler(bindings, F)
    pairs = zip(statistic.function.args, statistic.args, strict=True)
    return [compiler.column(arg) for parameter, arg in pairs if not parameter.constant], constant_arguments(statistic)


def constant_arguments(statistic: Call) -> dict[str, Any]:
    """Return the constant arguments of a statistic by name, for `aggregate` and `finish`."""
    pairs = zip(statistic.function.args, statistic.args, strict=True)
    return {arg.name: value.plain for arg, value in pairs if arg.constant and isinstance(value, Literal)}


def source_column(read: Read, binding: Binding, F: Any) -> Column:
    """Read a source column as the type of the expression, whatever the session's time zone."""
    escaped = binding.column.replace("`", "``")
    column = F.col(f"`{escaped}`")
    if binding.type == read.dtype.spark and read.dtype not in LISTS:
        return column
    if read.dtype is TS:
        return _utc(column, binding.type, F)
    if read.dtype is VEC:
        # A vector has no missing elements: with one it is missing itself.
        column = F.when(~F.exists(column, F.isnull), column)
    if read.dtype is STRS:
        column = F.array_compact(column)
    return column.cast(read.dtype.spark)


def _literal(node: Literal, F: Any) -> Column:
    value = node.value
    if value is None:
        return F.lit(None).cast(node.dtype.ddl)
    if node.dtype is TS:  # F.lit would read a naive time in the zone of this process
        return F.timestamp_micros(F.lit((value - _EPOCH) // timedelta(microseconds=1)).cast("bigint"))
    if node.dtype in LISTS:
        return F.array(*(F.lit(item) for item in value)).cast(node.dtype.spark)
    return F.lit(value).cast("bigint") if node.dtype is INT else F.lit(value)


def _utc(column: Column, source_type: str, F: Any) -> Column:
    """Read a date or a time without zone as UTC; a cast would use the session's zone, and its gaps."""
    if source_type == "date":
        return F.timestamp_seconds(F.unix_date(column).cast("bigint") * 86_400)
    date = (F.year(column), F.month(column), F.dayofmonth(column))
    second = F.date_part(F.lit("SECOND"), column)
    return F.make_timestamp_ltz(*date, F.hour(column), F.minute(column), second, F.lit("UTC"))
