"""Between tree and compilers: everything that depends on the columns at hand and on fitted statistics is settled.

A bound tree has no macros, no statistics, no arguments left out and no reads that its source cannot answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeGuard

from dsl.dtypes import READERS, STRS, TS, DType, reads
from dsl.errors import DslError, DslTypeError, UnknownReferenceError, nearest
from dsl.json_values import decode
from dsl.refs import BasisRef, FeatureRef
from dsl.registry import DECLARED, Macro, Statistic
from dsl.syntax.build import call, coerce, literal
from dsl.syntax.nodes import Call, Literal, Node, Read, Widen, walk

__all__ = [
    "MAX_ENTRIES",
    "Binding",
    "bind",
    "bound_statistic",
    "check_output",
    "expand",
    "frozen",
    "rebuild",
    "references",
    "statistic_calls",
    "too_many_entries",
]

MAX_ENTRIES = 10_000
"""Entries of a statistic that is a list or a map."""


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a reference finds its value.

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
    """Settle expressions for the columns at hand.

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
        A source type cannot be read as asked, or a default is wanted that no feature declares.

    Examples
    --------
    >>> from dsl import nFill, nVal
    >>> bind({"y": nFill(nVal("basis:x"), -1)}, {"basis:x": Binding("x", "int")})
    {'y': <nFill(nVal('basis:x'), -1.0)>}
    """
    binder = _Binder(bindings, statistics or {})
    bound = {}
    for output, node in exprs.items():
        # Statistics go first: what only they refer to needs no binding.
        bound[output] = rebuild(rebuild(expand(node), binder.freeze), binder.settle)
        check_output(output, node)
    return bound


def check_output(output: str, node: Node) -> None:
    """Refuse an expression that cannot fill a column: a bare null, or what only constants can be."""
    is_constant = node.dtype is STRS and not isinstance(node, Read)
    if node.dtype is DType.NULL or node.dtype.only_constant or is_constant:
        raise DslTypeError(f"output {output!r} is of type {node.dtype}, which no column has", node.position)


def expand(node: Node) -> Node:
    """Write out the macros of an expression, and of what they expand to."""
    return rebuild(node, _expand_macro)


def references(exprs: Iterable[Node], *, for_scoring: bool = False) -> list[FeatureRef | BasisRef]:
    """Return what expressions refer to, each once, in order.

    Parameters
    ----------
    exprs : iterable of Node
        The expressions.
    for_scoring : bool, default False
        Leave out what only statistics refer to: a fitted model does not need it.

    Examples
    --------
    >>> from dsl import parse
    >>> [str(ref) for ref in references([parse("nVal('basis:b') + nVal('basis:a') * nVal('basis:b')")])]
    ['basis:b', 'basis:a']
    """
    found: dict[FeatureRef | BasisRef, None] = {}
    for node in exprs:
        whole = rebuild(expand(node), _forget_statistic) if for_scoring else expand(node)
        found.update(dict.fromkeys(part.ref for part in walk(whole) if isinstance(part, Read)))
    return list(found)


def statistic_calls(exprs: Iterable[Node]) -> list[Call]:
    """Return the statistics that expressions need, each once, in order.

    Raises
    ------
    DslError
        A statistic stands inside another one: that would take a second pass over the data. Or it is one of a
        constant: mostly the name of a text column, which has to be read by sVal('...').
    """
    found: dict[Call, None] = {}
    for node in exprs:
        for part in walk(expand(node)):
            if _is_statistic(part):
                inner = next((deep for arg in part.args for deep in walk(arg) if deep in found), None)
                if inner is not None:
                    raise DslError(
                        f"{part.name}: statistic {inner} stands inside another one; compute it in an earlier stage",
                        part.position,
                    )
                if not any(isinstance(deep, Read) for deep in walk(part.args[0])):
                    raise DslTypeError(
                        f"{part.name}: {part.args[0]} is a constant, there is nothing to learn from it; "
                        "a text column is read by sVal('basis:column')",
                        part.position,
                    )
                found[part] = None
    return list(found)


def bound_statistic(statistic: Call, bindings: Mapping[str, Binding]) -> Call:
    """Settle the arguments of a statistic, to compute it."""
    bound = rebuild(statistic, _Binder(bindings, {}).settle)
    assert isinstance(bound, Call)
    return bound


def frozen(call: Call, value: Any) -> Literal:
    """Make the literal of a statistic's value, plain or encoded for JSON."""
    constant = coerce(literal(decode(value)), call.dtype)
    if not isinstance(constant, Literal):
        raise DslTypeError(f"statistic {call} gave {value!r}, which is not {call.dtype}", call.position)
    if isinstance(constant.value, tuple) and len(constant.value) > MAX_ENTRIES:
        raise too_many_entries(call, len(constant.value))
    return constant


def too_many_entries(call: Call, count: int) -> DslError:
    """Make the error of a statistic that would be too large to keep."""
    return DslError(
        f"statistic {call} has {count} entries or more, and at most {MAX_ENTRIES} are kept; use hashBucket for texts "
        "of many values, or group the rare ones first",
        call.position,
    )


class _Binder:
    """What `bind` does to one node whose parts are done."""

    def __init__(self, bindings: Mapping[str, Binding], statistics: Mapping[str, Any]) -> None:
        self._bindings = bindings
        self._statistics = statistics

    def freeze(self, node: Node) -> Node:
        """Replace a statistic by its value."""
        if not _is_statistic(node):
            return node
        text = str(node)
        if text not in self._statistics:
            raise DslError(f"statistic {text} is not known before fit()", node.position)
        return frozen(node, self._statistics[text])

    def settle(self, node: Node) -> Node:
        """Check a read against its source, and complete a call."""
        if isinstance(node, Call):
            return self._completed(node)
        if isinstance(node, Read):
            source = self._binding(node).type
            if not reads(node.dtype, source):
                raise DslTypeError(_wrong_source(node, source), node.position)
        return node

    def _completed(self, node: Call) -> Node:
        """Add the arguments left out, with their defaults."""
        missing = node.function.missing(len(node.args))
        if not missing:
            return node
        defaults = [self._declared(node) if arg.default is DECLARED else arg.default for arg in missing]
        return call(node.name, *node.args, *defaults, position=node.position)

    def _declared(self, node: Call) -> Any:
        read = node.args[0].arg if isinstance(node.args[0], Widen) else node.args[0]
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


def rebuild(node: Node, change: Callable[[Node], Node]) -> Node:
    """Apply `change` to every distinct node, from the leaves up."""
    done: dict[Node, Node] = {}
    for part in walk(node):
        fresh = part
        if isinstance(part, Call):
            args = [done[arg] for arg in part.args]
            if any(new is not old for new, old in zip(args, part.args, strict=True)):
                fresh = call(part.name, *args, position=part.position)
        elif isinstance(part, Widen):
            fresh = _widened(done[part.arg], part)
        done[part] = change(fresh)
    return done[node]


def _widened(arg: Node, whole: Widen) -> Node:
    if arg is whole.arg:
        return whole
    wide = coerce(arg, whole.dtype)
    assert wide is not None, "an integer stays one when it is rebuilt"
    return wide


def _expand_macro(node: Node) -> Node:
    if not (isinstance(node, Call) and isinstance(node.function, Macro)):
        return node
    macro = node.function
    args = [
        arg.plain if parameter.constant and isinstance(arg, Literal) else arg
        for parameter, arg in zip(macro.parameters(len(node.args)), node.args, strict=True)
    ]
    written_out = macro.expand(*args, *(arg.default for arg in macro.missing(len(args))))
    result = coerce(expand(written_out), node.dtype)
    if result is None:
        raise DslTypeError(f"{node.name}: expands to {written_out.dtype}, not to {node.dtype}", node.position)
    return result


def _forget_statistic(node: Node) -> Node:
    return Literal(None, node.dtype) if _is_statistic(node) else node


def _is_statistic(node: Node) -> TypeGuard[Call]:
    return isinstance(node, Call) and isinstance(node.function, Statistic)


def _wrong_source(node: Read, source: str) -> str:
    fitting = [name for name, dtype in READERS.items() if reads(dtype, source)]
    remedy = f"read it with {' or '.join(fitting)}" if fitting else "cast it in an earlier stage"
    if source.startswith(("struct<", "map<")):
        column = str(node.ref).split(":")[-1 if isinstance(node.ref, BasisRef) else 2]
        part = f"{column}.field" if source.startswith("struct<") else f"{column}['key']"
        remedy = f"make columns of its parts before: df.selectExpr('*', \"{part} AS {column}_part\")"
    return f"{node.reader}: {str(node.ref)!r} is {source}, which cannot be read as {node.dtype}; {remedy}"
