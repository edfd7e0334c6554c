"""Deep expressions in steps.

A function's Column often mentions an argument several times, and Spark copies the argument each time, so that the size
of a plan is exponential in the nesting. Parts of some depth therefore become columns of their own, which Spark computes
once; where nothing is gained, its optimiser puts the parts together again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dsl.compilers.bind import Binding, rebuild
from dsl.compilers.column import compile_columns
from dsl.refs import BasisRef
from dsl.syntax.nodes import Call, Node, Read, walk

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["Steps", "in_steps"]

DEPTH = 4
"""Nesting of a part: what people write is mostly no deeper, and then there is one step."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Expressions whose deep parts are columns of a DataFrame.

    Parameters
    ----------
    frame : DataFrame
        With the columns of the parts.
    exprs : dict of str to Node
        The expressions; they read the parts.
    bindings : dict of str to Binding
        Those given, and the parts'.
    parts : list of str
        The columns to drop in the end.
    """

    frame: DataFrame
    exprs: dict[str, Node]
    bindings: dict[str, Binding]
    parts: list[str]


def in_steps(frame: DataFrame, bound: Mapping[str, Node], bindings: Mapping[str, Binding], F: Any) -> Steps:
    """Compute the deep parts of bound expressions first.

    Parameters
    ----------
    frame : DataFrame
        The data.
    bound : mapping of str to Node
        Bound expressions.
    bindings : mapping of str to Binding
        Where references find their values.
    F : module
        ``pyspark.sql.functions``.
    """
    reads: dict[Node, Read] = {}

    def cut(node: Node) -> Node:
        if not isinstance(node, Call) or node.depth < DEPTH:
            return node
        return reads.setdefault(node, Read(BasisRef(f"__dsl_part_{len(reads)}"), node.dtype))

    cut_down = {output: rebuild(node, cut) for output, node in bound.items()}
    meaning: dict[Node, Node] = {read: node for node, read in reads.items()}
    readers = [*reads, *(node for node in cut_down.values() if node not in meaning)]
    shared = {part for node in readers for part in walk(node) if part in meaning}
    reads = {node: read for node, read in reads.items() if read in shared}
    known = dict(bindings)
    for step in _levels(reads):
        known |= {f"basis:{part}": Binding(part, node.dtype.spark) for part, node in step.items()}
        frame = frame.withColumns(compile_columns(step, known, F))
    exprs = {output: node if node in shared else meaning.get(node, node) for output, node in cut_down.items()}
    return Steps(frame, exprs, known, [str(read.ref).removeprefix("basis:") for read in reads.values()])


def _levels(reads: Mapping[Node, Read]) -> list[dict[str, Node]]:
    """Group parts, which come after those that they read, so that each group reads earlier ones only."""
    levels: list[dict[str, Node]] = []
    level_of: dict[Node, int] = {}
    for node, read in reads.items():
        level = level_of[read] = max((level_of[part] + 1 for part in walk(node) if part in level_of), default=0)
        if level == len(levels):
            levels.append({})
        levels[level][str(read.ref).removeprefix("basis:")] = node
    return levels
