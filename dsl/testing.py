"""Proof that a function computes the same in Spark and in plain Python: for the language's own ones, and for yours.

Needs ``pip install hypothesis`` besides Spark. Nothing is mocked: the column body runs in Spark, compiled and
interpreted, on the examples, on the product of nasty values of each parameter, and on random ones, many in one job.
"""

from __future__ import annotations

import itertools
import math
import random
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from dsl.bind import Binding, bind
from dsl.build import call, coerce, literal
from dsl.column import compile_columns
from dsl.dtypes import BOOL, INT, NUM, STR, TS, VEC, DType, Var, unify
from dsl.nodes import Literal, Node, Read
from dsl.refs import BasisRef
from dsl.registry import REGISTRY, Arg, Function
from dsl.row import compile_row

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy
    from pyspark.sql import Column, SparkSession

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
_GROUPS_A_JOB = 50

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
    VEC: (None, [], [0.0], [-0.0], [3.0, 4.0], [1.0, -2.0, 0.5], [1e308, 1e308], [_INF, 1.0], [_NAN, 1.0]),
    DType.STRINGS: (None, [], ["a"], ["b", "a", "ß", ""]),
    DType.WEIGHTS: (None, {}, {"a": 1.0, "b": -0.0}, {"": _NAN, "ß": _INF}),
}
"""Values worth trying, by type."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A call of a function with plain values.

    Parameters
    ----------
    function : Function
        The function.
    args : tuple
        Its arguments, constants among them.
    types : tuple of DType
        Their types.
    """

    function: Function
    args: tuple[Any, ...]
    types: tuple[DType, ...]

    def __str__(self) -> str:
        return f"{self.function.name}({', '.join(map(repr, self.args))})"


def check_function(name: str, spark: SparkSession, *, random_rows: int = 100, limit: int = 3000) -> None:
    """Prove that the bodies of a function agree, or say where they do not.

    Parameters
    ----------
    name : str
        A registered function.
    spark : SparkSession
        Classic or Connect.
    random_rows : int, default 100
        Random argument tuples for each type that the function takes.
    limit : int, default 3000
        Argument tuples taken from the product of edges, for each type.

    Raises
    ------
    AssertionError
        Row, column and expected value differ somewhere; the message lists up to ten such calls.

    Examples
    --------
    >>> from palette import spark_session
    >>> check_function("nFill", spark_session(master="local[1]"))
    """
    function = REGISTRY.get(name)
    if not isinstance(function, Function):
        raise TypeError(f"{name}: only functions have two bodies; statistics and macros have none to compare")
    failures = [
        f"example {case}: expected {expected!r}, row {on_row([case])[0]!r}"
        for case, expected in examples(function)
        if not same(on_row([case])[0], expected, function.ulps)
    ]
    tried = [*(case for case, _ in examples(function)), *cases(function, random_rows=random_rows, limit=limit)]
    for interpreted in (False, True):
        failures += differences(tried, spark, interpreted=interpreted)
    if failures:
        shown = "\n".join(failures[:10])
        raise AssertionError(f"{name}: {len(failures)} differences, such as\n{shown}")


def same(one: Any, other: Any, ulps: int = 0) -> bool:
    """Tell whether two values are equal: in type, bit for bit; NaN equals NaN and null equals null alone.

    Parameters
    ----------
    one, other : object
        Plain values.
    ulps : int, default 0
        Units in the last place that two floats may differ.

    Examples
    --------
    >>> same(math.nan, math.nan), same(0.0, -0.0), same(1, 1.0), same(None, math.nan)
    (True, False, False, False)
    >>> same(0.1 + 0.2, 0.3, ulps=1)
    True
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        return abs(_ordinal(one) - _ordinal(other)) <= ulps and math.isinf(one) == math.isinf(other)
    if isinstance(one, list):
        return len(one) == len(other) and all(same(a, b, ulps) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def examples(function: Function) -> list[tuple[Case, Any]]:
    """Return the calls that a function was registered with, and what they should give."""
    found = []
    for args, expected in function.examples:
        parameters = function.parameters(len(args))
        variables: dict[Var, DType] = {}
        for parameter, value in zip(parameters, args, strict=True):
            if isinstance(parameter.dtype, Var):
                own = literal(value).dtype
                variables[parameter.dtype] = unify(variables.get(parameter.dtype, own), own) or own
        variables = {var: var.fallback if dtype is DType.NULL else dtype for var, dtype in variables.items()}
        found.append((_case(function, parameters, args, variables), expected))
    return found


def cases(function: Function, *, random_rows: int = 100, limit: int = 3000) -> list[Case]:
    """Return calls worth trying: the product of edges and random values, for every type that the function takes."""
    variables = list({arg.dtype: None for arg in function.args if isinstance(arg.dtype, Var)})
    found = []
    for chosen in itertools.product(*(sorted(variable.allowed) for variable in variables)):
        types = dict(zip(variables, chosen, strict=True))
        for parameters in _shapes(function):
            edges = [_edges(function, parameter, types) for parameter in parameters]
            rows = _sampled(edges, limit)
            if random_rows:
                rows += _random_rows(edges, [_type(p, types) for p in parameters], parameters, random_rows)
            found += [_case(function, parameters, args, types) for args in rows]
    return found


def differences(tried: Sequence[Case], spark: SparkSession, *, interpreted: bool = False) -> list[str]:
    """Run calls on both sides and describe those whose values differ."""
    pairs = zip(tried, on_row(tried), on_columns(spark, tried, interpreted=interpreted), strict=True)
    engine = "interpreted" if interpreted else "compiled"
    return [
        f"{case}: row {row!r}, column {column!r} ({engine})"
        for case, row, column in pairs
        if not same(row, column, case.function.ulps)
    ]


def on_row(tried: Sequence[Case]) -> list[Any]:
    """Compute calls by the row compiler, and see that it agrees with a plain call of the row body."""
    scorers: dict[Node, Any] = {}
    values = []
    for case in tried:
        node, inputs = _expression(case)
        if node not in scorers:
            scorers[node] = compile_row(node)
        value = scorers[node]({str(read.ref).removeprefix("basis:"): value for read, value in inputs.items()})
        direct = case.function.call(*(constant.plain for constant in _literals(case)))
        assert same(value, direct), f"{case}: inline gives {value!r}, row gives {direct!r}"
        values.append(value)
    return values


def on_columns(spark: SparkSession, tried: Sequence[Case], *, interpreted: bool = False) -> list[Any]:
    """Compute calls by the column compiler, many in one Spark job.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect.
    tried : sequence of Case
        The calls; they may be of several functions.
    interpreted : bool, default False
        Evaluate without generated Java code, as constant folding and Spark Connect's local relations do.
    """
    groups: dict[Node, list[tuple[int, dict[Read, Any]]]] = {}
    for number, case in enumerate(tried):
        node, inputs = _expression(case)
        groups.setdefault(node, []).append((number, inputs))
    values: list[Any] = [None] * len(tried)
    waiting = list(groups.items())
    with _engine(spark, interpreted=interpreted):
        for start in range(0, len(waiting), _GROUPS_A_JOB):
            batch = waiting[start : start + _GROUPS_A_JOB]
            results = _evaluated(spark, [(node, [inputs for _, inputs in calls]) for node, calls in batch])
            for (_, calls), column in zip(batch, results, strict=True):
                for (number, _), value in zip(calls, column, strict=True):
                    values[number] = value
    return values


def strategy(dtype: DType) -> SearchStrategy[Any]:
    """Return a hypothesis strategy for the values of a type, null included."""
    from hypothesis import strategies as st

    number = st.floats(width=64)
    text = st.text(max_size=12)
    by_type: dict[DType, SearchStrategy[Any]] = {
        NUM: st.one_of(number, st.integers(-1000, 1000).map(float), st.floats(-1e6, 1e6)),
        INT: st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-1000, 1000)),
        STR: st.one_of(text, st.sampled_from([edge for edge in EDGES[STR] if edge])),
        BOOL: st.booleans(),
        TS: st.datetimes(),
        VEC: st.lists(number, max_size=5),
        DType.STRINGS: st.lists(text, max_size=4),
        DType.WEIGHTS: st.dictionaries(text, number, max_size=4),
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
    wanted = _type(parameter, variables)
    edges = function.edges.get(parameter.name, EDGES[wanted])
    fitting = [value for value in edges if _as_type(value, wanted) is not None]
    return [value for value in fitting if not parameter.constant or _accepted(parameter, value)]


def _as_type(value: Any, wanted: DType) -> Literal | None:
    node = coerce(literal(value), wanted)
    return node if isinstance(node, Literal) else None


def _accepted(parameter: Arg, value: Any) -> bool:
    try:
        if parameter.check is not None and value is not None:
            parameter.check(value)
    except ValueError:
        return False
    return True


def _sampled(edges: Sequence[Sequence[Any]], limit: int) -> list[tuple[Any, ...]]:
    """Return the product of edges, or `limit` of it, always the same."""
    total = math.prod(map(len, edges))
    if total <= limit:
        return list(itertools.product(*edges))
    chosen = []
    for number in random.Random(0).sample(range(total), limit):  # noqa: S311  (no secret)
        row = []
        for values in edges:
            number, index = divmod(number, len(values))
            row.append(values[index])
        chosen.append(tuple(row))
    return chosen


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

    # Hypothesis draws and Spark computes later, all rows in one job.
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


def _expression(case: Case) -> tuple[Node, dict[Read, Any]]:
    """Return the call with its constants in place, and the values of its other arguments."""
    arguments: list[Node] = []
    inputs = {}
    parameters = case.function.parameters(len(case.args))
    for number, (parameter, constant) in enumerate(zip(parameters, _literals(case), strict=True)):
        if parameter.constant:
            arguments.append(constant)
        else:
            read = Read(BasisRef(f"x{number}"), constant.dtype)
            arguments.append(read)
            inputs[read] = constant.plain
    return call(case.function.name, *arguments), inputs


def _literals(case: Case) -> list[Literal]:
    """Return the arguments in the types of the case: an integer may stand for a number."""
    literals = []
    for value, dtype in zip(case.args, case.types, strict=True):
        constant = _as_type(value, dtype)
        assert constant is not None, f"{case}: {value!r} is not {dtype}"
        literals.append(constant)
    return literals


def _evaluated(spark: SparkSession, batch: Sequence[tuple[Node, list[dict[Read, Any]]]]) -> list[list[Any]]:
    """Run one job: each expression has its own input columns, each set of its inputs a row."""
    import pyarrow as pa
    from pyspark.sql import functions as F

    height = max(len(inputs) for _, inputs in batch)
    arrays: dict[str, Any] = {"n": pa.array(range(height), pa.int32())}
    times: dict[str, Column] = {}
    columns: list[Column] = []
    for group, (node, inputs) in enumerate(batch):
        bindings: dict[str, Binding] = {}
        for read in inputs[0]:
            source = f"g{group}_{len(bindings)}"
            values = [_to_spark(row[read]) for row in inputs] + [None] * (height - len(inputs))
            arrays[source] = pa.array(values, _ARROW_TYPES[read.dtype]())
            if read.dtype is TS:
                times[source] = F.timestamp_micros(source)
            bindings[str(read.ref)] = Binding(source, read.dtype.spark)
        column = compile_columns(bind({"value": node}, bindings), bindings, F)["value"]
        columns.append((F.unix_micros(column) if node.dtype is TS else column).alias(f"r{group}"))
    # Without the shuffle Spark would compute a small local relation while planning, never by generated code.
    shuffled = spark.createDataFrame(pa.table(arrays)).repartition(2)
    frame = shuffled.select(*(times.get(name, F.col(name)).alias(name) for name in arrays))
    result = frame.select("n", *columns)
    for (node, _), field in zip(batch, result.schema.fields[1:], strict=True):
        wanted = INT.spark if node.dtype is TS else node.dtype.spark
        found = field.dataType.simpleString()
        assert found == wanted, f"{node}: the column is {found}, declared {node.dtype}"
    rows = sorted(result.collect(), key=lambda row: row["n"])
    return [
        [_from_spark(row[group + 1], node.dtype) for row in rows[: len(inputs)]]
        for group, (node, inputs) in enumerate(batch)
    ]


def _arrow(name: str) -> Callable[[], Any]:
    def build() -> Any:
        import pyarrow as pa

        return pa.list_(pa.float64()) if name == "list" else getattr(pa, name)()

    return build


# Times travel as microseconds: a naive datetime would pass through the zones of process and session.
_ARROW_TYPES = {
    NUM: _arrow("float64"),
    INT: _arrow("int64"),
    STR: _arrow("string"),
    BOOL: _arrow("bool_"),
    TS: _arrow("int64"),
    VEC: _arrow("list"),
}


def _to_spark(value: Any) -> Any:
    return (value - _EPOCH) // _MICROSECOND if isinstance(value, datetime) else value


def _from_spark(value: Any, dtype: DType) -> Any:
    return _EPOCH + value * _MICROSECOND if dtype is TS and value is not None else value


@contextmanager
def _engine(spark: SparkSession, *, interpreted: bool) -> Iterator[None]:
    wanted = {
        "spark.sql.codegen.wholeStage": str(not interpreted).lower(),
        "spark.sql.codegen.factoryMode": "NO_CODEGEN" if interpreted else "CODEGEN_ONLY",
    }
    before = {name: spark.conf.get(name, None) for name in wanted}
    for name, value in wanted.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                spark.conf.unset(name)
            else:
                spark.conf.set(name, value)


def _ordinal(number: float) -> int:
    """Number the floats in order, the two zeros apart."""
    (bits,) = struct.unpack("<q", struct.pack("<d", number))
    return bits if bits >= 0 else -(bits & (2**63 - 1)) - 1
