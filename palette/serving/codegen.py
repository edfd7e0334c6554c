"""Code generation: a complete plan becomes one Python function of a row and a time.

There is no DataFrame and no dictionary between steps: a column is a local variable. What comes from the plan (names,
times, tables) is bound in a table of constants, so that the source holds generated identifiers only. Look-ups are in
:mod:`palette.serving.lookup_code`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from dsl.compilers.coercion import reading_lines
from dsl.compilers.generated import define
from dsl.compilers.missing_columns import required_lines
from dsl.dtypes import LISTS
from palette.errors import MissingColumnError
from palette.serving.analysis import analyze
from palette.serving.coercion import incoming_lines
from palette.serving.plan import DslStep, Plan
from palette.serving.request import NO_CHECKS, Checks
from palette.serving.stages import LocalStage
from palette.serving.stages.vectors import compressed, narrow

if TYPE_CHECKING:
    from dsl.compilers.bind import Binding
    from dsl.syntax.nodes import Read

__all__ = ["PlanCode", "Scope", "Variable"]


class Variable(NamedTuple):
    """A local variable that holds a column, and its Spark type; empty where unknown."""

    name: str
    dtype: str


class Scope:
    """Identifiers of generated code: local variables, and constants by their keys."""

    def __init__(self) -> None:
        self.constants: dict[str, Any] = {}
        self._names: dict[Hashable, str] = {}
        self._locals = 0

    def local(self) -> str:
        """Return the name of a new local variable."""
        self._locals += 1
        return f"x{self._locals - 1}"

    def bind(self, value: object, key: Hashable) -> str:
        """Return the name of a constant; the first value with a key is the constant."""
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = f"c{len(self._names)}"
            self.constants[name] = value
        return name

    def bind_column(self, column: str) -> str:
        """Return the name of the constant that holds a column's name, which may be equal to any other key."""
        return self.bind(column, ("column", column))


class PlanCode:
    """The lines of a scoring function, step by step.

    Parameters
    ----------
    plan : Plan
        What to compute.
    checks : Checks
        What is checked of a row besides its values.

    Attributes
    ----------
    scope : Scope
        Identifiers of the lines.
    lines : list of str
        The lines of the steps that were added.
    columns : dict of str to Variable
        The columns that steps computed.
    statuses : dict of str to str
        Further entries of the answer, with the variables that hold them.
    cached : dict
        Variables that hold a value of the row that was read, checked or converted before.
    """

    def __init__(self, plan: Plan, checks: Checks = NO_CHECKS) -> None:
        self.plan = plan
        self.checks = checks
        self.scope = Scope()
        self.lines: list[str] = []
        self.columns: dict[str, Variable] = {}
        self.statuses: dict[str, str] = {}
        self.cached: dict[Hashable, str] = {}
        self._analysis = analyze(plan)
        # Columns that a row must have, and the variables that hold them as they came.
        self._required: dict[str, str] = {}
        # Variables whose vectors are sparse exactly where Spark's are.
        self._sparse: set[str] = set()
        # Variables that are null where a stage is skipped, and the condition under which it is not.
        self._conditions: dict[str, str] = {}
        self._expressions = 0

    def add(self, step: DslStep | LocalStage) -> None:
        """Add a step that reads no store."""
        if isinstance(step, DslStep):
            self._compute(step)
        else:
            self._apply(step)

    def read_row(self, column: str) -> str:
        """Return the variable that holds a column of the row as it came; a row without it is rejected."""
        if column not in self._required:
            self._required[column] = self.scope.local()
        return self._required[column]

    def _compute(self, step: DslStep) -> None:
        """Compute expressions; all of a step see the columns as they were before it."""
        from dsl.compilers.row import generate

        nodes, bindings, reads = self._analysis.expressions[id(step)]
        inputs = {read: self._read(read, bindings[str(read.ref)]) for read in reads}
        self._expressions += 1
        program = generate(nodes, inputs, prefix=f"s{self._expressions}_")
        self.lines += program.lines
        self.scope.constants |= program.constants
        for column, node in nodes.items():
            self.columns[column] = Variable(program.outputs[column], node.dtype.spark)

    def _read(self, read: Read, binding: Binding) -> str:
        """Return the variable that holds a read; values of stores and of earlier steps need no check.

        Lists are the exception: a vector with a missing element is missing itself, and a store has it as it came.
        """
        key: tuple[object, ...] = ("read", read.dtype, binding.column, binding.type)
        variable = self.columns.get(binding.column)
        if variable is not None:
            value, source = variable
            if source == read.dtype.spark and read.dtype not in LISTS:
                return value
            key = (*key, value)
        else:
            value, source = self.read_row(binding.column), binding.type
        if key not in self.cached:
            local = self.cached[key] = self.scope.local()
            trusted = variable is not None
            self.lines.append(f"{local} = {value}")
            self.lines += reading_lines(local, read.dtype, source, str(read.ref), self.scope.bind, trusted=trusted)
        return self.cached[key]

    def _apply(self, stage: LocalStage) -> None:
        """Apply a stage to the variables of its input columns."""
        parts: Sequence[LocalStage] = stage.optional_parts
        if not any(id(part) in self._analysis.optional for part in parts):
            parts = (stage,)
        outputs = [self._apply_part(part) for part in parts]
        for columns in outputs:
            self.columns |= columns

    def _apply_part(self, stage: LocalStage) -> dict[str, Variable]:
        """Return the outputs of a stage; of one that is skipped they are null."""
        condition = self._condition(stage) if id(stage) in self._analysis.optional else ""
        sparse = id(stage) in self._analysis.sparse
        before, self.lines = self.lines, []
        inputs = [self._input(column, optional=bool(condition), numeric=stage.numeric) for column in stage.inputs]
        outputs = [self.scope.local() for _ in stage.outputs]
        values, types = [value for value, _ in inputs], [dtype for _, dtype in inputs]
        if not sparse and not stage.reads_sparsity:
            values = [self._narrow(value) for value in values]
        generated = (stage.generate_sparse if sparse else stage.generate)(values, types, outputs, self.scope.bind)
        result_types = stage.result_types(types)
        vectors = [local for local, dtype in zip(outputs, result_types, strict=True) if dtype == "vector"]
        lines = [*self.lines, *generated, *self._sparsity_lines(stage, values, vectors)]
        if condition:
            self._conditions |= dict.fromkeys(outputs, condition)
            skipped = f"    {' = '.join(outputs)} = None"
            lines = [f"if {condition}:", *(f"    {line}" for line in lines), "else:", skipped]
        before += lines
        self.lines = before
        return dict(zip(stage.outputs, map(Variable, outputs, result_types), strict=True))

    def _sparsity_lines(self, stage: LocalStage, values: Sequence[str], vectors: Sequence[str]) -> list[str]:
        """Return lines that make the output vectors of a stage sparse exactly where Spark's are, if that is read."""
        if id(stage) not in self._analysis.sparse:
            # What reads a sparse vector may make one, which others need not see.
            return [] if self._sparse.isdisjoint(values) else self._map(narrow, "narrow", vectors)
        self._sparse.update(vectors)
        if stage.sparsity != "smaller":
            return []
        old = self.plan.older_than("spark", 4, 1)
        return self._map(partial(compressed, overhead=1.5) if old else compressed, "compressed", vectors)

    def _map(self, function: Callable[[Any], Any], key: str, variables: Sequence[str]) -> list[str]:
        return [f"{local} = {self.scope.bind(function, key)}({local})" for local in variables]

    def _narrow(self, local: str) -> str:
        """Return the variable of a vector that is a list unless it is wide."""
        if local not in self._sparse:
            return local
        if ("narrow", local) not in self.cached:
            self.cached["narrow", local] = self.scope.local()
            self.lines.append(f"{self.cached['narrow', local]} = {self.scope.bind(narrow, 'narrow')}({local})")
        return self.cached["narrow", local]

    def _condition(self, stage: LocalStage) -> str:
        """Return the condition under which the one input column of a stage is there; empty if it always is."""
        (column,) = stage.inputs
        if column in self.columns:
            return self._conditions.get(self.columns[column].name, "")
        return f"{self.scope.bind_column(column)} in row"

    def _input(self, column: str, *, optional: bool, numeric: bool) -> Variable:
        """Return the variable of a column and its Spark type."""
        if column in self.columns:
            return self.columns[column]
        source = self.plan.inputs.get(column, "")
        numeric = numeric and not source
        key = ("input", column, source, numeric)
        if key not in self.cached:
            local = self.cached[key] = self.scope.local()
            value = f"row[{self.scope.bind_column(column)}]" if optional else self.read_row(column)
            self.lines.append(f"{local} = {value}")
            self.lines += incoming_lines(local, source, f"column {column!r}", self.scope.bind, numeric=numeric)
        return Variable(self.cached[key], source)

    def function(self) -> Callable[[Mapping[str, Any], int], Any]:
        """Return the generated function."""
        scope, known = self.scope, {**self._analysis.requested, **self._analysis.times}
        pairs = [f"{scope.bind_column(column)}: {self._answer(column)}" for column in self.plan.outputs]
        pairs += [f"{scope.bind_column(column)}: {local}" for column, local in self.statuses.items()]
        first = required_lines(self._required, MissingColumnError, scope.bind, known)
        if self.checks.columns is not None:
            first = [f"{scope.bind(self.checks.columns, 'columns')}(row)", *first]
        return define("score", ["row", "now"], [*first, *self.lines, f"return {{{', '.join(pairs)}}}"], scope.constants)

    def _answer(self, column: str) -> str:
        """Return a value that the caller may change: an array may be the store's."""
        value, dtype = self.columns[column]
        if value in self._sparse:
            return f"{self.scope.bind(narrow, 'narrow')}({value})"
        return f"None if {value} is None else [*{value}]" if dtype.startswith("array") else value
