"""Proof that a function computes the same in Spark and in plain Python, for built-in and user functions.

Needs ``pip install hypothesis`` and Spark. Nothing is mocked: the column body runs in Spark, compiled and
interpreted, on the examples, on the product of edge values of each parameter, and on random ones, many in one job.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from dsl.dtypes import BOOL, INT, NUM, STR, TS, VEC, DType, Var, unify
from dsl.evaluate import Case, as_type, on_columns, on_row, same
from dsl.registry import REGISTRY, Arg, Function
from dsl.syntax.build import literal

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy
    from pyspark.sql import SparkSession

__all__ = [
    "EDGES",
    "Case",
    "cases",
    "check_function",
    "differences",
    "examples",
    "on_columns",
    "on_row",
    "same",
    "strategy",
]

_NAN, _INF = math.nan, math.inf
_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)

EDGES: Mapping[DType, Sequence[Any]] = {
    NUM: (None, 0.0, -0.0, 0.5, -1.5, 2.5, 1.005, 7.0, 2.0**53, -(2.0**63), 1e308, 5e-324, _INF, -_INF, _NAN),
    INT: (None, 0, 1, -1, 7, -5, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)),
    STR: (
        *(None, "", " ", "a", "A", "ab", "b", " a b ", "\t", "\n", "\u00a0x", "1", "-1.5", "1e5", "1_0", "NaN", "true"),
        *("ß", "İ", "ΑΣ", "ǅ", "é", "e\u0301", "😀", "\uffff", "%", "a.b", "\\", "'", "0"),
    ),
    BOOL: (None, True, False),
    TS: (
        None,
        _EPOCH,
        _EPOCH - _MICROSECOND,
        datetime(1900, 1, 1),
        datetime(2000, 2, 29, 12),
        datetime(2024, 3, 10, 2, 30),  # does not exist in New York
        datetime(2024, 11, 3, 1, 30),  # occurs twice there
        datetime(2024, 12, 31, 23, 59, 59, 999999),
        datetime(1, 1, 1),
        datetime(9999, 12, 31, 23, 59, 59, 999999),
    ),
    VEC: (
        None,
        [],
        [0.0],
        [-0.0],
        [3.0, 4.0],
        [1.0, -2.0, 0.5],
        [1e308, 1e308],
        [_INF, 1.0],
        [_NAN, 1.0],
        [0.0, -0.0],
        [-0.0, 0.0],
    ),
    DType.STRINGS: (None, [], ["a"], ["b", "a", "ß", ""]),
    DType.WEIGHTS: (None, {}, {"a": 1.0, "b": -0.0}, {"": _NAN, "ß": _INF}),
}
"""Values to test, by type."""


def check_function(name: str, spark: SparkSession, *, random_rows: int = 100, limit: int = 3000) -> None:
    """Prove that the bodies of a function agree, or report where they differ.

    Parameters
    ----------
    name : str
        A registered function.
    spark : SparkSession
        Classic or Connect.
    random_rows : int, default 100
        Random argument tuples for each type that the function accepts.
    limit : int, default 3000
        Argument tuples from the product of edges, for each type.

    Raises
    ------
    AssertionError
        Row, column and expected value differ; the message lists up to ten such calls.

    Examples
    --------
    >>> from palette import spark_session
    >>> check_function("nFill", spark_session(master="local[1]"))
    """
    function = REGISTRY.get(name)
    if not isinstance(function, Function):
        raise TypeError(f"{name}: only functions have two bodies to compare, not statistics and macros")
    failures = [
        f"example {case}: expected {expected!r}, row {on_row([case])[0]!r}"
        for case, expected in examples(function)
        if not same(on_row([case])[0], expected, function.ulps)
    ]
    calls = [*(case for case, _ in examples(function)), *cases(function, random_rows=random_rows, limit=limit)]
    for interpreted in (False, True):
        failures += differences(calls, spark, interpreted=interpreted)
    if failures:
        first = "\n".join(failures[:10])
        raise AssertionError(f"{name}: {len(failures)} differences, such as\n{first}")


def examples(function: Function) -> list[tuple[Case, Any]]:
    """Return the calls that a function was registered with, and their expected values."""
    calls = []
    for args, expected in function.examples:
        parameters = function.parameters(len(args))
        variables: dict[Var, DType] = {}
        for parameter, value in zip(parameters, args, strict=True):
            if isinstance(parameter.dtype, Var):
                own = literal(value).dtype
                variables[parameter.dtype] = unify(variables.get(parameter.dtype, own), own) or own
        variables = {var: var.fallback if dtype is DType.NULL else dtype for var, dtype in variables.items()}
        calls.append((_case(function, parameters, args, variables), expected))
    return calls


def cases(function: Function, *, random_rows: int = 100, limit: int = 3000) -> list[Case]:
    """Return calls to test: the product of edges and random values, for every type that the function accepts."""
    variables = list({arg.dtype: None for arg in function.args if isinstance(arg.dtype, Var)})
    calls = []
    for chosen in itertools.product(*(sorted(variable.allowed) for variable in variables)):
        types = dict(zip(variables, chosen, strict=True))
        for parameters in _shapes(function):
            edges = [_edges(function, parameter, types) for parameter in parameters]
            rows = _sample(edges, limit)
            if random_rows:
                rows += _random_rows(edges, [_type(p, types) for p in parameters], parameters, random_rows)
            calls += [_case(function, parameters, args, types) for args in rows]
    return calls


def differences(calls: Sequence[Case], spark: SparkSession, *, interpreted: bool = False) -> list[str]:
    """Run calls on both sides and describe those whose values differ."""
    pairs = zip(calls, on_row(calls), on_columns(spark, calls, interpreted=interpreted), strict=True)
    engine = "interpreted" if interpreted else "compiled"
    return [
        f"{case}: row {row!r}, column {column!r} ({engine})"
        for case, row, column in pairs
        if not same(row, column, case.function.ulps)
    ]


def strategy(dtype: DType) -> SearchStrategy[Any]:
    """Return a hypothesis strategy for the values of a type, null included."""
    from hypothesis import strategies as st

    numbers = st.floats(width=64)
    strings = st.text(max_size=12)
    by_type: dict[DType, SearchStrategy[Any]] = {
        NUM: st.one_of(numbers, st.integers(-1000, 1000).map(float), st.floats(-1e6, 1e6)),
        INT: st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-1000, 1000)),
        STR: st.one_of(strings, st.sampled_from([edge for edge in EDGES[STR] if edge])),
        BOOL: st.booleans(),
        TS: st.datetimes(),
        VEC: st.lists(numbers, max_size=5),
        DType.STRINGS: st.lists(strings, max_size=4),
        DType.WEIGHTS: st.dictionaries(strings, numbers, max_size=4),
    }
    return st.one_of(st.none(), by_type[dtype])


def _case(function: Function, parameters: Sequence[Arg], args: tuple[Any, ...], variables: Mapping[Var, DType]) -> Case:
    return Case(function, args, tuple(_type(parameter, variables) for parameter in parameters))


def _type(parameter: Arg, variables: Mapping[Var, DType]) -> DType:
    return variables[parameter.dtype] if isinstance(parameter.dtype, Var) else parameter.dtype


def _shapes(function: Function) -> Iterator[tuple[Arg, ...]]:
    """Yield the full parameter list; repeated parameters once and twice."""
    repeated = tuple(arg for arg in function.args if arg.repeated)
    for times in (1, 2) if repeated else (0,):
        yield function.parameters(len(function.args) + len(repeated) * (times - 1) if repeated else len(function.args))


def _edges(function: Function, parameter: Arg, variables: Mapping[Var, DType]) -> list[Any]:
    dtype = _type(parameter, variables)
    edges = function.edges.get(parameter.name, EDGES[dtype])
    values = [value for value in edges if as_type(value, dtype) is not None]
    return [value for value in values if not parameter.constant or _accepts(parameter, value)]


def _accepts(parameter: Arg, value: Any) -> bool:
    try:
        if parameter.check is not None and value is not None:
            parameter.check(value)
    except ValueError:
        return False
    return True


def _sample(edges: Sequence[Sequence[Any]], limit: int) -> list[tuple[Any, ...]]:
    """Return the product of edges, or a fixed sample of `limit` from it."""
    total = math.prod(map(len, edges))
    if total <= limit:
        return list(itertools.product(*edges))
    rows = []
    for rank in random.Random(0).sample(range(total), limit):  # noqa: S311  (no secret)
        row = []
        for values in edges:
            rank, index = divmod(rank, len(values))
            row.append(values[index])
        rows.append(tuple(row))
    return rows


def _random_rows(
    edges: Sequence[Sequence[Any]], types: Sequence[DType], parameters: Sequence[Arg], count: int
) -> list[tuple[Any, ...]]:
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st

    batch = 20
    drawn: list[tuple[Any, ...]] = []
    values = [
        st.sampled_from(edge) if parameter.constant else st.one_of(st.sampled_from(edge), strategy(dtype))
        for edge, dtype, parameter in zip(edges, types, parameters, strict=True)
    ]

    # Hypothesis draws now; Spark computes all rows later, in a single job.
    @settings(
        max_examples=-(-count // batch),
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.tuples(*values), min_size=batch, max_size=batch))
    def draw(rows: list[tuple[Any, ...]]) -> None:
        drawn.extend(rows)

    draw()
    return drawn[:count]
