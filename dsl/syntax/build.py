"""Construction of the tree: plain values become literals, feature names become reads, and every call is checked."""

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

_Callee: TypeAlias = "Function | Statistic | Macro"
_INT64 = range(-(2**63), 2**63)
# The function of lists for a function of single values.
_LIST_FUNCTIONS = {
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
                    "an integer literal must fit 64 bits; for a number write a point or an exponent", position
                )
            return Literal(int(value), INT, position=position)
        case float():
            return Literal(float(value), NUM, position=position)
        case str():
            return Literal(_check_string(value, position), STR, position=position)
        case datetime():
            return Literal(naive_utc(value), TS, position=position)
        case date():
            return Literal(datetime(value.year, value.month, value.day), TS, position=position)
        case list() | tuple():
            return _list_literal(value, position)
        case Mapping():
            return _map_literal(value, position)
    raise DslTypeError(f"{value!r} of type {type(value).__name__} cannot be a literal", position)


def read(reader: str, name: Any, position: Position | None = None) -> Read:
    """Read a feature or basis column with one of `READERS`.

    Examples
    --------
    >>> read("nVal", "@basis:order_size")
    <nVal('basis:order_size')>
    """
    plain_name = name.value if isinstance(name, Literal) else name
    name_position = name.position if isinstance(name, Node) else position
    if not isinstance(plain_name, str):
        message = f"{reader}: expected the name of a feature or basis column in quotes"
        raise DslTypeError(message, name_position or position)
    try:
        return Read(parse_ref(plain_name), READERS[reader], position=position)
    except RefError as error:
        raise RefError(f"{reader}: {error.message}", name_position) from None


def call(name: str, /, *values: Any, position: Position | None = None, **named: Any) -> Node:
    """Apply a function to nodes and plain values, with all checks.

    Parameters
    ----------
    name : str
        A registered function, or a reader such as ``nVal``.
    *values : Node or plain value
        A string for a parameter of another type is the name of a feature, read with the parameter's type.
    position : Position, optional
        The range of the call in the text.
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
    return Call(function, fitted, returns, position=position)


def _check_string(value: str, position: Position | None) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise DslTypeError(
            f"string {value!r} contains an unpaired surrogate, which no column can hold", position
        ) from None
    return str(value)


def _list_literal(values: Any, position: Position | None) -> Literal:
    items = [literal(value, position) for value in values]
    if all(item.dtype in (NUM, INT) for item in items):
        return Literal(tuple(float(item.value) for item in items), VEC, position=position)
    if all(item.dtype is STR for item in items):
        return Literal(tuple(item.value for item in items), DType.STRINGS, position=position)
    raise DslTypeError("a list literal has numbers only, or strings only", position)


def _map_literal(values: Mapping[Any, Any], position: Position | None) -> Literal:
    pairs = [(literal(key, position), literal(weight, position)) for key, weight in values.items()]
    if all(key.dtype is STR and weight.dtype in (NUM, INT) for key, weight in pairs):
        weights = tuple((key.value, float(weight.value)) for key, weight in pairs)
        return Literal(weights, DType.WEIGHTS, position=position)
    raise DslTypeError("a map literal maps strings to numbers", position)


def _with_named(function: _Callee, values: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    if not named:
        return values
    remaining = [arg for arg in function.args if not arg.repeated][len(values) :]
    unknown = named.keys() - {arg.name for arg in remaining}
    if unknown or any(arg.repeated for arg in function.args):
        raise DslTypeError(f"{function.name}: cannot pass {sorted(unknown or named)} by name to {function.usage}")
    filled = list(values)
    for arg in remaining:
        if named.keys().isdisjoint(later.name for later in remaining[remaining.index(arg) :]):
            break
        value = named.get(arg.name, arg.default)
        if arg.name not in named and (not arg.optional or value is DECLARED):
            raise DslTypeError(f"{function.name}: argument {arg.name!r} of {function.usage} is missing")
        filled.append(value)
    return tuple(filled)


def _node(function: _Callee, parameter: Arg, value: Any, position: Position | None) -> Node:
    """Return the node of an argument; a string for a parameter of another type is the name of a feature."""
    node = value if isinstance(value, Node) else literal(value, position)
    if not (isinstance(node, Literal) and node.dtype is STR) or parameter.constant:
        return node
    dtype = parameter.dtype
    if dtype is STR or (isinstance(dtype, Var) and STR in dtype.allowed):
        return node
    try:
        return Read(parse_ref(node.value), dtype.fallback if isinstance(dtype, Var) else dtype, position=node.position)
    except RefError as error:
        raise DslTypeError(
            f"{function.name}: argument {parameter.name!r} must be {_describe(dtype)}, or the name of a feature: "
            f"{error.message}",
            node.position or position,
        ) from error


def _bind_variables(function: _Callee, parameters: tuple[Arg, ...], args: list[Node]) -> dict[Var, DType]:
    """Return the type of each variable."""
    bound = {p.dtype: DType.NULL for p in function.args if isinstance(p.dtype, Var)}
    for parameter, arg in zip(parameters, args, strict=True):
        variable = parameter.dtype
        if not isinstance(variable, Var):
            continue
        if arg.dtype not in variable.allowed and arg.dtype is not DType.NULL:
            raise _mismatch(function, parameter, arg, _describe(variable))
        common = unify(bound[variable], arg.dtype)
        if common is None:
            raise _mismatch(function, parameter, arg, f"{bound[variable]}, as the arguments before it", args)
        bound[variable] = common
    return {variable: variable.fallback if dtype is DType.NULL else dtype for variable, dtype in bound.items()}


def _fit(function: _Callee, parameter: Arg, arg: Node, bound: dict[Var, DType]) -> Node:
    """Coerce an argument to its parameter's type and check constants."""
    dtype = bound[parameter.dtype] if isinstance(parameter.dtype, Var) else parameter.dtype
    node = coerce(arg, dtype)
    if node is None:
        raise _mismatch(function, parameter, arg, str(dtype))
    if not parameter.constant:
        return node
    if isinstance(node, Literal):
        if parameter.check is not None and node.value is not None:
            try:
                parameter.check(node.plain)
            except ValueError as error:
                raise DslTypeError(f"{function.name}: argument {parameter.name!r} {error}", arg.position) from None
    elif not (isinstance(node, Call) and isinstance(node.function, Statistic)):
        raise DslTypeError(
            f"{function.name}: argument {parameter.name!r} must be a constant: a literal, or a statistic like mean(x)",
            arg.position,
        )
    return node


def coerce(node: Node, dtype: DType) -> Node | None:
    """Return the node as another type, or None if it cannot be: integers widen, null is of every type."""
    if node.dtype is dtype:
        return node
    if isinstance(node, Literal):
        if node.value is None and node.dtype is DType.NULL:
            return Literal(None, dtype, position=node.position)
        if node.dtype is INT and dtype is NUM:
            return Literal(float(node.value), NUM, position=node.position)
        if node.value == () and {node.dtype, dtype} <= {VEC, DType.STRINGS, DType.WEIGHTS}:
            return Literal((), dtype, position=node.position)
    if node.dtype is INT and dtype is NUM:
        return Widen(node)
    return None


def _mismatch(function: _Callee, parameter: Arg, arg: Node, expected: str, others: Sequence[Node] = ()) -> DslTypeError:
    hint = next((_reading_hint(node) for node in (arg, *others) if _reading_hint(node)), "")
    if list_function := _LIST_FUNCTIONS.get((function.name, arg.dtype)):
        hint = f"; for the elements of {arg.dtype} use {list_function}(...)"
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


def _describe(dtype: DType | Var) -> str:
    if isinstance(dtype, DType):
        return str(dtype)
    return "of any type" if dtype.allowed == ANY.allowed else " or ".join(sorted(dtype.allowed))
