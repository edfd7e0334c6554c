"""Binding: expressions completed for the columns at hand and for fitted statistics.

A bound tree has no macros, no statistics, no omitted arguments and no reads of a type that their source does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dsl.compilers.analysis import expand, expansion, is_macro, is_statistic, widen, with_args
from dsl.dtypes import READERS, STRS, TS, DType, reads
from dsl.errors import DslError, DslTypeError, UnknownReferenceError, nearest
from dsl.json_values import decode
from dsl.refs import BasisRef
from dsl.registry import DECLARED, Macro, Statistic
from dsl.syntax.build import call, coerce, literal
from dsl.syntax.nodes import Call, Literal, Node, Read, Widen, walk

__all__ = [
    "MAX_ENTRIES",
    "Binding",
    "bind",
    "bind_statistic",
    "check_output",
    "to_constant",
    "too_many_entries",
]

MAX_ENTRIES = 10_000
"""Entries of a statistic that is a list or a map."""


@dataclass(frozen=True, slots=True)
class Binding:
    """The source of a reference's values.

    Parameters
    ----------
    column : str
        The column, or the key of a row.
    type : str
        Its type in Spark's simple form, such as ``"double"``.
    default : JSON value, optional
        The feature's declared default, for the fill functions of one argument.

    Examples
    --------
    >>> Binding("prep_time", "double", 15.0)
    Binding(column='prep_time', type='double', default=15.0)
    """

    column: str
    type: str
    default: Any = None


def bind(
    exprs: Mapping[str, Node], bindings: Mapping[str, Binding], statistics: Mapping[str, Any] | None = None
) -> dict[str, Node]:
    """Bind expressions to the columns at hand.

    Parameters
    ----------
    exprs : mapping of str to Node
        The expressions by output name.
    bindings : mapping of str to Binding
        By canonical name of the reference.
    statistics : mapping of str to constant, optional
        By canonical text of the statistic's call.

    Returns
    -------
    dict of str to Node
        Bound expressions, for `dsl.compilers.column` and `dsl.compilers.row`.

    Raises
    ------
    UnknownReferenceError
        A reference has no binding.
    DslTypeError
        A source cannot be read as the expression's type, or a required default is not declared.

    Examples
    --------
    >>> from dsl import nFill, nVal
    >>> bind({"y": nFill(nVal("basis:x"), -1)}, {"basis:x": Binding("x", "int")})
    {'y': <nFill(nVal('basis:x'), -1.0)>}
    """
    binder = _Binder(bindings, statistics or {})
    bound = {}
    for output, node in exprs.items():
        bound[output] = binder.bind(node)
        check_output(output, node)
    return bound


def check_output(output: str, node: Node) -> None:
    """Reject an expression that cannot fill a column: a bare null, or a type of constants only."""
    is_constant = node.dtype is STRS and not isinstance(node, Read)
    if node.dtype is DType.NULL or node.dtype.only_constant or is_constant:
        raise DslTypeError(f"output {output!r} is of type {node.dtype}, which no column has", node.position)


def bind_statistic(statistic: Call, bindings: Mapping[str, Binding]) -> Call:
    """Bind the arguments of a statistic, to compute it."""
    binder = _Binder(bindings, {})
    bound = binder.complete(statistic, [binder.bind(arg) for arg in statistic.args])
    assert isinstance(bound, Call)
    return bound


def to_constant(statistic: Call, value: Any) -> Literal:
    """Make the literal of a statistic's value, plain or encoded for JSON."""
    constant = coerce(literal(decode(value)), statistic.dtype)
    if not isinstance(constant, Literal):
        raise DslTypeError(f"statistic {statistic} gave {value!r}, which is not {statistic.dtype}", statistic.position)
    if isinstance(constant.value, tuple) and len(constant.value) > MAX_ENTRIES:
        raise too_many_entries(statistic, len(constant.value))
    return constant


def too_many_entries(statistic: Call, count: int) -> DslError:
    """Return the error for a statistic that is too large to store."""
    return DslError(
        f"statistic {statistic} has {count} entries or more, and at most {MAX_ENTRIES} are stored; use hashBucket for "
        "strings of many values, or group the rare ones first",
        statistic.position,
    )


class _Binder:
    """Binds each distinct node once, in one walk."""

    def __init__(self, bindings: Mapping[str, Binding], statistics: Mapping[str, Any]) -> None:
        self._bindings = bindings
        self._statistics = statistics
        self._bound: dict[Node, Node] = {}

    def bind(self, node: Node) -> Node:
        """Return the bound expression."""
        for part in walk(node, into=self._enters):
            if part not in self._bound:
                self._bound[part] = self._bind(part)
        return self._bound[node]

    def _enters(self, node: Node) -> bool:
        # What only a statistic refers to needs no binding; a macro is bound by its expansion.
        return node not in self._bound and not is_statistic(node) and not is_macro(node)

    def _bind(self, node: Node) -> Node:
        """Bind a node whose arguments are bound."""
        match node:
            case Read():
                return self._check_source(node)
            case Widen(arg):
                return widen(node, self._bound[arg])
            case Call(function=Statistic()):
                return self._constant(node)
            case Call(function=Macro()):
                return self.bind(expansion(node))
            case Call():
                return self.complete(node, [self._bound[arg] for arg in node.args])
        return node

    def complete(self, node: Call, args: list[Node]) -> Node:
        """Return a call with bound arguments, and with the defaults of omitted ones."""
        missing = node.function.missing(len(args))
        if not missing:
            return with_args(node, args)
        defaults = [self._declared_default(node, args[0]) if p.default is DECLARED else p.default for p in missing]
        return call(node.name, *args, *defaults, position=node.position)

    def _check_source(self, node: Read) -> Read:
        source = self._binding(node).type
        if not reads(node.dtype, source):
            raise DslTypeError(_wrong_source(node, source), node.position)
        return node

    def _constant(self, node: Call) -> Literal:
        statistic = expand(node)
        text = str(statistic)
        if text not in self._statistics:
            raise DslError(f"statistic {text} is not known before fit()", node.position)
        assert isinstance(statistic, Call)
        return to_constant(statistic, self._statistics[text])

    def _declared_default(self, node: Call, arg: Node) -> Any:
        read = arg.arg if isinstance(arg, Widen) else arg
        default = self._binding(read).default if isinstance(read, Read) else None
        if default is None:
            raise DslTypeError(
                f"{node.name}: {read} has no declared default; declare one on the feature, or give it: "
                f"{node.name}({read}, value)",
                node.position,
            )
        return datetime.fromisoformat(default) if node.dtype is TS and isinstance(default, str) else decode(default)

    def _binding(self, node: Read) -> Binding:
        name = str(node.ref)
        if name not in self._bindings:
            raise UnknownReferenceError(f"{name!r} is not in the data{nearest(name, self._bindings)}", node.position)
        return self._bindings[name]


def _wrong_source(node: Read, source: str) -> str:
    readers = [name for name, dtype in READERS.items() if reads(dtype, source)]
    remedy = f"read it with {' or '.join(readers)}" if readers else "cast it in an earlier stage"
    if source.startswith(("struct<", "map<")):
        column = str(node.ref).split(":")[-1 if isinstance(node.ref, BasisRef) else 2]
        part = f"{column}.field" if source.startswith("struct<") else f"{column}['key']"
        remedy = f"make columns of its parts before: df.selectExpr('*', \"{part} AS {column}_part\")"
    return f"{node.reader}: {str(node.ref)!r} is {source}, which cannot be read as {node.dtype}; {remedy}"
