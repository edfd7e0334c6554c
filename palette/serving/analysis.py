"""Analysis of a plan: the columns that it reads and computes with their types, done once for each plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dsl.dtypes import TS
from palette.serving.plan import DslStep, LookupStep, Plan
from palette.serving.stages import LocalStage

if TYPE_CHECKING:
    from collections.abc import Hashable

    from dsl.compilers.bind import Binding
    from dsl.syntax.nodes import Node, Read

__all__ = ["Analysis", "Expressions", "analyze"]


class Expressions(NamedTuple):
    """The expressions of a step, parsed and bound.

    Parameters
    ----------
    nodes : mapping of str to Node
        Column to its expression.
    bindings : mapping of str to Binding
        Reference to what it reads.
    reads : list of Read
        The distinct reads.
    """

    nodes: Mapping[str, Node]
    bindings: Mapping[str, Binding]
    reads: list[Read]


class Analysis(NamedTuple):
    """What is known of a plan before code is generated.

    Parameters
    ----------
    requested : dict of str to str
        Columns of a request that something is computed or looked up from, with their Spark types; empty where unknown.
    times : dict of str to str
        Columns with the time of a row, with their Spark types.
    required : tuple of str
        Columns that a request must have.
    numeric : set of str
        Requested columns of unknown type that must be numbers or vectors.
    types : dict of str to str
        Outputs of the plan with their Spark types; empty where unknown.
    expressions : dict of int to Expressions
        By ``id`` of a :class:`palette.serving.plan.DslStep`.
    optional : set of int
        ``id`` of each stage that is skipped where a row lacks its input column.
    sparse : set of int
        ``id`` of each stage whose vectors must be sparse exactly where Spark's are.
    """

    requested: dict[str, str]
    times: dict[str, str]
    required: tuple[str, ...]
    numeric: set[str]
    types: dict[str, str]
    expressions: dict[int, Expressions]
    optional: set[int]
    sparse: set[int]


def analyze(plan: Plan) -> Analysis:
    """Return the analysis of a plan, which keeps it.

    Raises
    ------
    DslError, DataError
        If an expression or a stage cannot be computed on the columns that it reads.
    """
    known: Analysis | None = vars(plan).get("_analysis")
    if known is None:
        known = vars(plan)["_analysis"] = _Walk(plan).analysis()
    return known


class _Walk:
    """A walk over the steps of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._optional = optional_stages(plan)
        self._requested: dict[str, str] = {}
        self._required: dict[str, None] = {}
        self._times: dict[str, str] = {}
        self._numeric: set[str] = set()
        self._columns: dict[str, str] = {}
        self._expressions: dict[int, Expressions] = {}
        self._read: set[Hashable] = set()

    def analysis(self) -> Analysis:
        for step in self._plan.steps:
            if isinstance(step, LookupStep):
                self._look_up(step)
            elif isinstance(step, DslStep):
                self._compute(step)
            else:
                self._apply(step)
        types = {column: self._columns[column] for column in self._plan.outputs}
        sparse = sparse_stages(self._plan.steps)
        return Analysis(
            self._requested,
            self._times,
            tuple(self._required),
            self._numeric,
            types,
            self._expressions,
            self._optional,
            sparse,
        )

    def _request(self, column: str, dtype: str) -> None:
        self._requested.setdefault(column, dtype)
        self._required.setdefault(column)

    def _look_up(self, step: LookupStep) -> None:
        if step.timestamp is not None and step.timestamp not in self._columns:
            self._times[step.timestamp] = self._plan.inputs.get(step.timestamp) or TS.spark
        for column, dtype in zip(step.join_keys, step.entity.keys.values(), strict=True):
            if column not in self._columns:
                self._request(column, dtype)
        for column, feature in step.columns.items():
            self._columns[column] = step.group.feature(feature).dtype

    def _compute(self, step: DslStep) -> None:
        # Imported here: plans without expressions do without the language.
        from dsl.compilers.bind import Binding, bind
        from dsl.compilers.row import distinct_reads
        from dsl.syntax.parser import parse_cached

        bindings = {name: Binding(**binding) for name, binding in step.bindings.items()}
        nodes = bind({column: parse_cached(text) for column, text in step.lambdas.items()}, bindings, step.statistics)
        reads = distinct_reads(nodes)
        self._expressions[id(step)] = Expressions(nodes, bindings, reads)
        for read in reads:
            binding = bindings[str(read.ref)]
            if binding.column not in self._columns:
                self._request(binding.column, binding.type)
        for column, node in nodes.items():
            self._columns[column] = node.dtype.spark

    def _apply(self, stage: LocalStage) -> None:
        parts = stage.optional_parts
        if not any(id(part) in self._optional for part in parts):
            parts = (stage,)
        outputs: dict[str, str] = {}
        for part in parts:
            types = [self._input(part, column) for column in part.inputs]
            outputs |= zip(part.outputs, part.result_types(types), strict=True)
        self._columns |= outputs

    def _input(self, stage: LocalStage, column: str) -> str:
        if column in self._columns:
            return self._columns[column]
        dtype = self._plan.inputs.get(column, "")
        numeric = stage.numeric and not dtype
        if numeric:
            self._numeric.add(column)
        # A value that was read and converted before is not read again.
        read = (column, numeric)
        if read not in self._read:
            self._read.add(read)
            self._requested.setdefault(column, dtype)
            if id(stage) not in self._optional:
                self._required.setdefault(column)
        return dtype


def optional_stages(plan: Plan) -> set[int]:
    """Return the ``id`` of each stage that is skipped where a row lacks its input column.

    Spark skips a StringIndexer in this way, as that of a label at serving. A stage whose output a later step reads
    cannot be skipped: Spark would reject the frame at that step.
    """
    needed: set[str] = set()
    optional: set[int] = set()
    for step in reversed(plan.steps):
        if isinstance(step, LookupStep):
            needed = needed.difference(step.columns).union(step.join_keys)
        elif isinstance(step, DslStep):
            read = {binding["column"] for binding in step.bindings.values()}
            needed = needed.difference(step.lambdas) | read
        else:
            others = needed.difference(step.outputs)
            parts = step.optional_parts
            optional.update(
                id(part) for part in parts if needed.isdisjoint(part.outputs) and others.isdisjoint(part.inputs)
            )
            needed = others.union(*(part.inputs for part in parts or (step,) if id(part) not in optional))
    return optional


def sparse_stages(steps: Sequence[object]) -> set[int]:
    """Return the ``id`` of each stage whose vectors must be sparse exactly where Spark's are.

    They are those whose output reaches a stage with ``reads_sparsity``, directly or through stages whose output is as
    sparse as their input; all others may make lists, which are faster.
    """
    read: set[str] = set()
    sparse = set()
    for step in reversed(steps):
        if not isinstance(step, LocalStage):
            continue
        if not read.isdisjoint(step.outputs):
            sparse.add(id(step))
        if step.reads_sparsity or (id(step) in sparse and step.sparsity == "input"):
            read = read.difference(step.outputs).union(step.inputs)
        else:
            read = read.difference(step.outputs)
    return sparse
