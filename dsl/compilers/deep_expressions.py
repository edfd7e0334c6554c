"""Deep expressions split into parts that are columns.

A function's Column often mentions an argument several times, and Spark copies the argument each time, so that the size
of a plan is exponential in the nesting. Parts of some depth therefore become columns of their own, which Spark computes
once; where that gains nothing, its optimizer merges the parts again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dsl.compilers.analysis import replace_nodes
from dsl.compilers.bind import Binding
from dsl.compilers.column import compile_columns
from dsl.refs import BasisRef
from dsl.syntax.nodes import Call, Node, Read, walk

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["SplitExpressions", "split_deep_expressions"]

DEPTH = 4
"""Nesting of a part: most expressions are no deeper, and then nothing is split."""


@dataclass(frozen=True, slots=True)
class SplitExpressions:
    """Expressions whose deep parts are columns of a DataFrame.

    Parameters
    ----------
    frame : DataFrame
        With the columns of the parts.
    exprs : dict of str to Node
        The expressions; they read the parts.
    bindings : dict of str to Binding
        The given ones and those of the parts.
    part_columns : list of str
        The columns to drop in the end.
    """

    frame: DataFrame
    exprs: dict[str, Node]
    bindings: dict[str, Binding]
    part_columns: list[str]


def split_deep_expressions(
    frame: DataFrame, bound: Mapping[str, Node], bindings: Mapping[str, Binding], F: Any
) -> SplitExpressions:
    """Compute the deep parts of bound expressions first.

    Parameters
    ----------
    frame : DataFrame
        The data.
    bound : mapping of str to Node
        Bound expressions.
    bindings : mapping of str to Binding
        By canonical name of the reference.
    F : module
        ``pyspark.sql.functions``.
    """
    read_by_part: dict[Node, Read] = {}

    def replace_part(node: Node) -> Node:
        if not isinstance(node, Call) or node.depth < DEPTH:
            return node
        return read_by_part.setdefault(node, Read(BasisRef(f"__dsl_part_{len(read_by_part)}"), node.dtype))

    shallow = {output: replace_nodes(node, replace_part) for output, node in bound.items()}
    part_by_read: dict[Node, Node] = {read: part for part, read in read_by_part.items()}
    # An output that is a part itself needs no column of its own, unless another expression reads it.
    readers = [*read_by_part, *(node for node in shallow.values() if node not in part_by_read)]
    reads_in_use = {node for reader in readers for node in walk(reader) if node in part_by_read}
    read_by_part = {part: read for part, read in read_by_part.items() if read in reads_in_use}
    all_bindings = dict(bindings)
    for parts in _levels(read_by_part):
        all_bindings |= {f"basis:{column}": Binding(column, part.dtype.spark) for column, part in parts.items()}
        frame = frame.withColumns(compile_columns(parts, all_bindings, F))
    exprs = {output: node if node in reads_in_use else part_by_read.get(node, node) for output, node in shallow.items()}
    return SplitExpressions(frame, exprs, all_bindings, [_column(read) for read in read_by_part.values()])


def _levels(read_by_part: Mapping[Node, Read]) -> list[dict[str, Node]]:
    """Group parts by column so that each group reads earlier ones only; a part comes after those that it reads."""
    levels: list[dict[str, Node]] = []
    level_by_read: dict[Node, int] = {}
    for part, read in read_by_part.items():
        level = max((level_by_read[node] + 1 for node in walk(part) if node in level_by_read), default=0)
        level_by_read[read] = level
        if level == len(levels):
            levels.append({})
        levels[level][_column(read)] = part
    return levels


def _column(read: Read) -> str:
    return str(read.ref).removeprefix("basis:")
