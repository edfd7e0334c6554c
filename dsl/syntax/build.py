"""Making the tree: plain values become literals, texts become feature reads, and every call is checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import reduce
from typing import Any, TypeAlias

from dsl.compilers.coercion import naive_utc
from dsl.dtypes import ANY, BOOL, INT, LISTS, NUM, READERS, STR, STRS, TS, VEC, DType, Var, unify
from dsl.errors import DslError, DslTypeError, Position, RefError
from dsl.refs import parse_ref
from dsl.registry import DECLARED, REGISTRY, Arg, Function, Macro, Statistic
from dsl.syntax.nodes import Call, Literal, Node, Read, Widen

__all__ = ["call", "coerce", "literal", "read"]

_Entry: TypeAlias = "Function | Statistic | Macro"
_INT64 = range(-(2**63), 2**63)
# What of a list does what the function does of a single value.
_OF_LISTS = {
    ("minimum", VEC): "vectorMin",
    ("maximum", VEC): "vectorMax",
    ("mean", VEC): "vectorMean",
    **{(name, dtype): "size" for name in ("length", "count") for dtype in LISTS},
    ("contains", STRS): "includes",
}


def literal(value: Any, position: Position | None = None) -> Literal:
    """Make the literal of a Python value.

    Examples
    --------
    >>> literal(2), literal([1, 2.5]), literal(["a"]), literal(None).dtype
    (<2>, <[1.0, 2.5]>, <['a']>, <DType.NULL: 'null'>)
    """
    if type(value).__module__ == "numpy":
        value = value.tolist()
    match value:
        case None:
            return Literal(None, DType.NULL, position=position)
        case bool():
            return Literal(value, BOOL, position=position)
        case int():
            if value not in _INT64:
                raise DslTypeError(
                    "an integer literal must fit into 64 bits; write a number, with a point or an exponent", position
                )
            return Literal(int(value), INT, position=position)
        case float():
            return Literal(float(value), NUM, position=position)
        case str():
            return Literal(_checked_text(value, position), STR, position=position)
        case datetime():
            return Literal(naive_utc(value), TS, position=position)
        case date():
            return Literal(datetime(value.year, value.month, value.day), TS, position=position)
        case list() | tuple():
            return _list_literal(value, position)
        case Mapping():
            return _map_literal(value, position)
    raise DslTypeError(f"{value!r} of type {type(value).__name__} is no literal of the language", position)


def read(reader: str, name: Any, position: Position | None = None) -> Read:
    """Read a feature or basis column with one of `READERS`.

    Examples
    --------
    >>> read("nVal", "@basis:order_size")
    <nVal('basis:order_size')>
    """
    text = name.value if isinstance(name, Literal) else name
    where = name.position if isinstance(name, Node) else position
    if not isinstance(text, str):
        raise DslTypeError(f"{reader}: expected the name of a feature or basis column in quotes", where or position)
    try:
        return Read(parse_ref(text), READERS[reader], position=position)
    except RefError as error:
        raise RefError(f"{reader}: {error.message}", where) from None


def call(name: str, /, *values: Any, position: Position | None = None, **named: Any) -> Node:
    """Apply a function to nodes and plain values, checking everything.

    Parameters
    ----------
    name : str
        A registered function, or a reader such as ``nVal``.
    *values : Node or plain value
        A plain text where a parameter is no string is the name of a feature, read with the parameter's type.
    position : Position, optional
        Where the call stands in the text.
    **named
        Arguments by name.

    Raises
    ------
    DslError
        The function is unknown, or an argument does not fit.

    Examples
    --------
    >>> call("add", 1, 2.5)
    <1.0 + 2.5>
    """
    if name in READERS:
        if len(values) != 1 or named:
            raise DslTypeError(f"{name}: expected {name}('entity:group:feature:key' or 'basis:column')", position)
        return read(name, values[0], position)
    if name in ("and", "or") and len(values) > 2:
        return reduce(lambda left, right: call(name, left, right, position=position), values)
    try:
        function = REGISTRY.get(name)
        values = _with_named(function, values, named)
        parameters = function.parameters(len(values))
    except DslError as error:
        raise type(error)(error.message, position) from None
    args = [_node(function, parameter, value, position) for parameter, value in zip(parameters, values, strict=True)]
    bound = _bind_variables(function, parameters, args)
    fitted = tuple(_fit(function, p, arg, bound) for p, arg in zip(parameters, args, strict=True))
    if name == "neg" and isinstance(fitted[0], Literal) and fitted[0].value is not None and fitted[0].value != -(2**63):
        return Literal(-fitted[0].value, fitted[0].dtype, position=position)
    returns = bound[function.returns] if isinstance(function.returns, Var) else function.returns
    return Call(name, fitted, returns, position=position)


def _checked_text(text: str, position: Position | None) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DslTypeError(f"text {text!r} holds half a surrogate pair, which no column can hold", position) from None
    return str(text)


def _list_literal(values: Any, position: Position | None) -> Literal:
    items = [literal(value, position) for value in values]
    if all(item.dtype in (NUM, INT) for item in items):
        return Literal(tuple(float(item.value) for item in items), VEC, position=position)
    if all(item.dtype is STR for item in items):
        return Literal(tuple(item.value for item in items), DType.STRINGS, position=position)
    raise DslTypeError("a list literal holds numbers only, or texts only", position)


def _map_literal(values: Mapping[Any, Any], position: Position | None) -> Literal:
    pairs = [(literal(key, position), literal(weight, position)) for key, weight in values.items()]
    if all(key.dtype is STR and weight.dtype in (NUM, INT) for key, weight in pairs):
        weights = tuple((key.value, float(weight.value)) for key, weight in pairs)
        return Literal(weights, DType.WEIGHTS, position=position)
    raise DslTypeError("a map literal takes texts to numbers", position)


def _with_named(function: _Entry, values: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    if not named:
        return values
    remaining = [arg for arg in function.args if not arg.repeated][len(values) :]
    unknown = named.keys() - {arg.name for arg in remaining}
    if unknown or any(arg.repeated for arg in function.args):
        raise DslTypeError(f"{function.name}: cannot take {sorted(unknown or named)} by name in {function.usage}")
    filled = list(values)
    for arg in remaining:
        if named.keys().isdisjoint(later.name for later in remaining[remaining.index(arg) :]):
            break
        value = named.get(arg.name, arg.default)
        if arg.name not in named and (not arg.optional or value is DECLARED):
            raise DslTypeError(f"{function.name}: argument {arg.name!r} is missing in {function.usage}")
        filled.append(value)
    return tuple(filled)


def _node(function: _Entry, parameter: Arg, value: Any, position: Position | None) -> Node:
    """Make a node of an argument; a text in a place that takes no text is the name of a feature."""
    node = value if isinstance(value, Node) else literal(value, position)
    if not (isinstance(node, Literal) and node.dtype is STR) or parameter.constant:
        return node
    takes = parameter.dtype
    if takes is STR or (isinstance(takes, Var) and STR in takes.allowed):
        return node
    wanted = takes.fallback if isinstance(takes, Var) else takes
    try:
        return Read(parse_ref(node.value), wanted, position=node.position)
    except RefError as error:
        raise DslTypeError(
            f"{function.name}: argument {parameter.name!r} must be {_said(takes)}, or the name of a feature: "
            f"{error.message}",
            node.position or position,
        ) from error


def _bind_variables(function: _Entry, parameters: tuple[Arg, ...], args: list[Node]) -> dict[Var, DType]:
    """Find the type of each variable."""
    bound = {p.dtype: DType.NULL for p in function.args if isinstance(p.dtype, Var)}
    for parameter, arg in zip(parameters, args, strict=True):
        variable = parameter.dtype
        if not isinstance(variable, Var):
            continue
        if arg.dtype not in variable.allowed and arg.dtype is not DType.NULL:
            raise _mismatch(function, parameter, arg, _said(variable))
        joined = unify(bound[variable], arg.dtype)
        if joined is None:
            raise _mismatch(function, parameter, arg, f"{bound[variable]}, as the arguments before it", args)
        bound[variable] = joined
    return {variable: variable.fallback if dtype is DType.NULL else dtype for variable, dtype in bound.items()}


def _fit(function: _Entry, parameter: Arg, arg: Node, bound: dict[Var, DType]) -> Node:
    """Coerce an argument to its parameter's type and check constants."""
    wanted = bound[parameter.dtype] if isinstance(parameter.dtype, Var) else parameter.dtype
    fitted = coerce(arg, wanted)
    if fitted is None:
        raise _mismatch(function, parameter, arg, str(wanted))
    if not parameter.constant:
        return fitted
    if isinstance(fitted, Literal):
        if parameter.check is not None and fitted.value is not None:
            try:
                parameter.check(fitted.plain)
            except ValueError as error:
                raise DslTypeError(f"{function.name}: argument {parameter.name!r} {error}", arg.position) from None
    elif not (isinstance(fitted, Call) and isinstance(fitted.function, Statistic)):
        raise DslTypeError(
            f"{function.name}: argument {parameter.name!r} must be a constant: a literal, or a statistic like mean(x)",
            arg.position,
        )
    return fitted


def coerce(node: Node, wanted: DType) -> Node | None:
    """Return the node as `wanted` type, or None where it cannot be: integers widen, null is of every type."""
    if node.dtype is wanted:
        return node
    if isinstance(node, Literal):
        if node.value is None and node.dtype is DType.NULL:
            return Literal(None, wanted, position=node.position)
        if node.dtype is INT and wanted is NUM:
            return Literal(float(node.value), NUM, position=node.position)
        if node.value == () and {node.dtype, wanted} <= {VEC, DType.STRINGS, DType.WEIGHTS}:
            return Literal((), wanted, position=node.position)
    if node.dtype is INT and wanted is NUM:
        return Widen(node)
    return None


def _mismatch(function: _Entry, parameter: Arg, arg: Node, expected: str, others: Sequence[Node] = ()) -> DslTypeError:
    hint = next((_reading_hint(node) for node in (arg, *others) if _reading_hint(node)), "")
    if other := _OF_LISTS.get((function.name, arg.dtype)):
        hint = f"; of the elements of {arg.dtype} tells {other}(...)"
    return DslTypeError(
        f"{function.name}: argument {parameter.name!r} must be {expected}, found {arg.dtype} {arg}{hint}", arg.position
    )


def _reading_hint(node: Node) -> str:
    if not (isinstance(node, Literal) and node.dtype is STR):
        return ""
    try:
        return f"; to read the feature, write for example nVal('{parse_ref(node.value)}')"
    except RefError:
        return ""


def _said(dtype: DType | Var) -> str:
    if isinstance(dtype, DType):
        return str(dtype)
    return "of any type" if dtype.allowed == ANY.allowed else " or ".join(sorted(dtype.allowed))
