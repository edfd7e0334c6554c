"""The Params that both stages have: their expressions, and the schema that these produce."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from pyspark.ml.param import Param, Params
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DoubleType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from dsl.compilers.analysis import references
from dsl.compilers.bind import check_output
from dsl.dtypes import BOOL, INT, NUM, STR, STRS, TS, VEC, DType
from dsl.errors import DslError, DslTypeError
from dsl.refs import BasisRef
from dsl.stages.persistence import PersistentStage
from dsl.syntax.nodes import Node
from dsl.syntax.parser import parse_cached

__all__ = ["ExpressionStage", "to_texts"]

_SPARK_TYPES: dict[DType, DataType] = {
    NUM: DoubleType(),
    INT: LongType(),
    STR: StringType(),
    BOOL: BooleanType(),
    TS: TimestampType(),
    VEC: ArrayType(DoubleType()),
    STRS: ArrayType(StringType()),
}


def to_texts(lambdas: Any) -> dict[str, str]:
    """Return the canonical text of each expression, checked.

    Raises
    ------
    DslError
        An expression is invalid, or output columns differ by case only; the message names the output.
    """
    if not isinstance(lambdas, Mapping) or not all(isinstance(output, str) for output in lambdas):
        raise DslTypeError(f"lambdas: expected a dict of output column to expression, found {lambdas!r}")
    texts: dict[str, str] = {}
    for output, expr in lambdas.items():
        try:
            node = parse_cached(expr) if isinstance(expr, str) else expr
        except DslError as error:
            raise type(error)(f"lambdas[{output!r}]: {error.message}", error.position) from None
        if not isinstance(node, Node):
            raise DslTypeError(f"lambdas[{output!r}]: expected an expression, found {expr!r}")
        check_output(output, node)
        texts[output] = str(node)
    counts = Counter(output.casefold() for output in texts)
    duplicates = sorted(output for output in texts if counts[output.casefold()] > 1)
    if duplicates:
        raise DslTypeError(f"lambdas: output columns {duplicates} differ by case only; Spark treats them as the same")
    return texts


class ExpressionStage(PersistentStage):
    """A stage whose output columns are expressions."""

    lambdas: Param[dict[str, str]] = Param(
        Params._dummy(), "lambdas", "canonical text of the expression of each output column", typeConverter=to_texts
    )

    def getLambdas(self) -> dict[str, str]:
        """Return the canonical text of each output column's expression."""
        return dict(self.getOrDefault(self.lambdas))

    def nodes(self) -> dict[str, Node]:
        """Return the expression of each output column."""
        return {output: parse_cached(text) for output, text in self.getLambdas().items()}

    def _with_outputs(self, schema: StructType) -> StructType:
        """Return the schema with the output columns; an existing column is replaced only by an expression of it."""
        nodes = self.nodes()
        columns = {name.casefold(): name for name in schema.names}
        for output, node in nodes.items():
            existing = columns.get(output.casefold())
            if existing is not None and BasisRef(existing) not in references([node], for_scoring=True):
                raise DslError(
                    f"output column {output!r} exists already; choose another name, or let its expression read "
                    f"'basis:{existing}' to replace it"
                )
        outputs = {output.casefold(): StructField(output, _SPARK_TYPES[node.dtype]) for output, node in nodes.items()}
        fields = [outputs.pop(field.name.casefold(), field) for field in schema.fields]
        return StructType([*fields, *outputs.values()])
