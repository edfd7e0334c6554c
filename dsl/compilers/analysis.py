"""Analysis of expressions: their references, statistics and macros, and the replacement of nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeGuard

from dsl.errors import DslError, DslTypeError
from dsl.refs import BasisRef, FeatureRef
from dsl.registry import Macro, Statistic
from dsl.syntax.build import call, coerce
from dsl.syntax.nodes import Call, Literal, Node, Read, Widen, walk

__all__ = [
    "expand",
    "expansion",
    "is_macro",
    "is_statistic",
    "references",
    "replace_nodes",
    "statistic_calls",
    "widen",
    "with_args",
]


def expand(node: Node) -> Node:
    """Replace the macros of an expression, and those that they expand to, by their definitions."""
    return replace_nodes(node, lambda part: expand(expansion(part)) if is_macro(part) else part)


def references(exprs: Iterable[Node], *, for_scoring: bool = False) -> list[FeatureRef | BasisRef]:
    """Return the distinct references of expressions, in order.

    Parameters
    ----------
    exprs : iterable of Node
        The expressions.
    for_scoring : bool, default False
        Leave out references that only statistics have: a fitted model does not need them.

    Examples
    --------
    >>> from dsl import parse
    >>> [str(ref) for ref in references([parse("nVal('basis:b') + nVal('basis:a') * nVal('basis:b')")])]
    ['basis:b', 'basis:a']
    """
    refs: dict[FeatureRef | BasisRef, None] = {}
    for node in exprs:
        parts = walk(expand(node), into=lambda part: not (for_scoring and is_statistic(part)))
        refs.update(dict.fromkeys(part.ref for part in parts if isinstance(part, Read)))
    return list(refs)


def statistic_calls(exprs: Iterable[Node]) -> list[Call]:
    """Return the distinct statistics that expressions need, in order.

    Raises
    ------
    DslError
        A statistic is an argument of another one: that would take a second pass over the data. Or its argument is a
        constant: mostly the name of a string column, which has to be read by sVal('...').
    """
    calls: dict[Call, None] = {}
    for node in exprs:
        for part in walk(expand(node)):
            if is_statistic(part):
                inner = next((deep for arg in part.args for deep in walk(arg) if deep in calls), None)
                if inner is not None:
                    raise DslError(
                        f"{part.name}: {inner} is a statistic inside another one; compute it in an earlier stage",
                        part.position,
                    )
                if not any(isinstance(deep, Read) for deep in walk(part.args[0])):
                    raise DslTypeError(
                        f"{part.name}: {part.args[0]} is a constant, there is nothing to learn from it; "
                        "a string column is read by sVal('basis:column')",
                        part.position,
                    )
                calls[part] = None
    return list(calls)


def replace_nodes(node: Node, change: Callable[[Node], Node]) -> Node:
    """Apply `change` to every distinct node, from the leaves up."""
    replaced: dict[Node, Node] = {}
    for part in walk(node):
        fresh = part
        if isinstance(part, Call):
            fresh = with_args(part, [replaced[arg] for arg in part.args])
        elif isinstance(part, Widen):
            fresh = widen(part, replaced[part.arg])
        replaced[part] = change(fresh)
    return replaced[node]


def expansion(node: Call) -> Node:
    """Return the definition of a macro for the arguments of its call."""
    macro = node.function
    assert isinstance(macro, Macro)
    args = [
        arg.plain if parameter.constant and isinstance(arg, Literal) else arg
        for parameter, arg in zip(macro.parameters(len(node.args)), node.args, strict=True)
    ]
    definition = macro.expand(*args, *(arg.default for arg in macro.missing(len(args))))
    result = coerce(definition, node.dtype)
    if result is None:
        raise DslTypeError(f"{node.name}: expands to {definition.dtype}, not to {node.dtype}", node.position)
    return result


def with_args(node: Call, args: list[Node]) -> Node:
    """Return the call with other arguments, checked again; the node itself where they are the same."""
    if all(new is old for new, old in zip(args, node.args, strict=True)):
        return node
    return call(node.name, *args, position=node.position)


def widen(node: Widen, arg: Node) -> Node:
    """Return the integer with other arguments, widened; the node itself where they are the same."""
    if arg is node.arg:
        return node
    wide = coerce(arg, node.dtype)
    assert wide is not None, "an integer stays one when its parts are replaced"
    return wide


def is_statistic(node: Node) -> TypeGuard[Call]:
    """Return whether a node is the call of a statistic."""
    return isinstance(node, Call) and isinstance(node.function, Statistic)


def is_macro(node: Node) -> TypeGuard[Call]:
    """Return whether a node is the call of a macro."""
    return isinstance(node, Call) and isinstance(node.function, Macro)
