"""The generator of the scoring function: a whole plan becomes one Python function of a row and a moment.

No DataFrame, no dictionary between steps: a column is a local variable. What comes from the plan (names, times,
tables) is bound in a table of constants, so that the source holds generated identifiers only.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from dsl.compilers.coercion import reader, reading_lines
from dsl.compilers.generated import define
from dsl.compilers.missing_columns import required_lines
from dsl.dtypes import LISTS, TS, reads
from palette.errors import MissingColumnError, SchemaError, SnapshotError
from palette.online import LocalTable, RowLayout
from palette.online.codec.conversion import feature_conversion
from palette.serving.coercion import incoming_lines
from palette.serving.plan import DslStep, LookupStep, Plan, sparse_steps
from palette.serving.request import NO_CHECKS, Checks, skippable
from palette.serving.stages import LocalStage
from palette.serving.stages.vectors import compressed, narrow
from palette.times import to_datetime
from palette.types import INTEGERS, check_value

if TYPE_CHECKING:
    from dsl.compilers.bind import Binding
    from dsl.syntax.nodes import Node, Read
    from palette.definitions import FeatureGroup

__all__ = ["PlanCode"]

MICROSECOND = timedelta(microseconds=1)
# Python classes of key values that need no check.
KEY_CLASSES = {"string": str, "boolean": bool}


class PlanCode:
    """Lines, constants, and the local variable and Spark type of each column."""

    def __init__(self, plan: Plan, checks: Checks = NO_CHECKS, *, status: bool = False) -> None:
        self._plan = plan
        self._checks = checks
        # The stages whose vectors are sparse exactly where Spark's are, and the variables that hold these.
        self._sparse = sparse_steps(plan.steps)
        self._stored: set[str] = set()
        self._with_status = status
        self._statuses: dict[str, str] = {}
        self._skippable = skippable(plan)
        # Columns of the row to their types, those of its own time apart; and those that must be there to the variables
        # that hold them as they came. Numeric are those of unknown type that must be numbers or vectors.
        self.requested: dict[str, str] = {}
        self.times: dict[str, str] = {}
        self.numeric: set[str] = set()
        self._reads: dict[str, str] = {}
        # Variables that are null where a stage is left out, to what tells that it is not.
        self._there: dict[str, str] = {}
        self._lines: list[str] = []
        self._constants: dict[str, Any] = {}
        self._names: dict[Hashable, str] = {}
        self._columns: dict[str, tuple[str, str]] = {}
        self._raw: dict[Hashable, str] = {}
        self._horizons: dict[int, str] = {}
        self._locals = 0
        self._computed = 0

    def add(self, step: DslStep | LocalStage) -> None:
        """Add a step that reads no store."""
        if isinstance(step, DslStep):
            self.compute(step)
        else:
            self.apply(step)

    def read_table(self, step: LookupStep, table: LocalTable) -> None:
        """Read the columns of one group from a table in this process."""
        self._check_time(step)
        row, key = self._local(), self._key_of(step)
        self._lines.append(f"{row} = {self._constant(table.get, ('get', table.name))}({key})")
        self._unpack(step, row, table)

    def fetch(self, level: Sequence[LookupStep], layout: Callable[[str], RowLayout]) -> None:
        """Read the columns of several groups from a store elsewhere, in one round trip."""
        for step in level:
            self._check_time(step)
        keys = [self._key_of(step) for step in level]
        names = [self._constant(step.group.full_name, ("group", step.group.full_name)) for step in level]
        rows = [self._local() for _ in level]
        pairs = ", ".join(f"({name}, {key})" for name, key in zip(names, keys, strict=True))
        self._lines.append(f"{', '.join(rows)}, = yield ({pairs},)")
        for step, row in zip(level, rows, strict=True):
            self._unpack(step, row, layout(step.group.full_name))

    def _check_time(self, step: LookupStep) -> None:
        """Check the row's own time, if it has one: a store knows the values of one time."""
        column = step.timestamp
        if column is None:
            return
        derived = column in self._columns
        local, source = self._columns[column] if derived else ("", self._plan.inputs.get(column, ""))
        if not derived:
            self.times[column] = source or TS.spark
        check, known = self._checks.time, ("time of", column, local)
        if check is None or known in self._names:
            return
        read = reader(TS, source if reads(TS, source) else TS.spark, f"column {column!r}")

        def checked(value: Any, now: int) -> None:
            check(column, read(value), now)

        value = local or self._local()
        lines = [f"{self._constant(checked, known)}({value}, now)"]
        if source != "date":
            lines = [f"if not ({check.passing(value, self._constant)}): {lines[0]}"]
        if not derived:
            name = self._name(column)
            lines = [f"if {name} in row:", f"    {value} = row[{name}]", *(f"    {line}" for line in lines)]
        self._lines += lines

    def _key_of(self, step: LookupStep) -> str:
        keys = [
            self._key(column, dtype, key)
            for column, (key, dtype) in zip(step.join_keys, step.entity.keys.items(), strict=True)
        ]
        return keys[0] if len(keys) == 1 else f"({', '.join(keys)})"

    def _unpack(self, step: LookupStep, row: str, layout: RowLayout) -> None:
        """Read the columns of a look-up from a packed row of a layout; of expired and missing ones they are null."""
        group = layout.group
        reads = _reads(step, layout)
        # A model keeps the ttl that it was fitted with, whatever the store's definition is now.
        ttl = None if group.timestamp is None else step.group.ttl
        expired = "" if ttl is None else f"{row}[0] < {self._horizon(ttl)}"
        found: dict[str, str] = {}
        for column, feature in step.columns.items():
            if feature not in found:
                found[feature] = self._local()
            self._columns[column] = (found[feature], step.group.feature(feature).dtype)
        self._lines.append(f"if {row} is None{' or ' + expired if expired else ''}:")
        self._lines.append(f"    {' = '.join(found.values())} = None")
        self._lines.append("else:")
        for feature, local in found.items():
            position, convert = reads[feature]
            value = self._value(row, feature, position, group)
            if convert is not None:
                value = f"{self._constant(convert, ('convert', group.full_name, feature))}({value})"
            self._lines.append(f"    {local} = {value}")
        if self._with_status:
            self._tell(step, row, expired)

    def _tell(self, step: LookupStep, row: str, expired: str) -> None:
        """Add the status of each column of a look-up."""
        missing, old, null, present = (
            self._constant(one, ("status", one)) for one in ("missing", "expired", "null", "present")
        )
        absent = self._local()
        self._lines.append(f"{absent} = {missing} if {row} is None else {null}")
        if expired:
            self._lines.append(f"if {row} is not None and {expired}: {absent} = {old}")
        for column in step.columns:
            local = self._statuses[f"{column}__status"] = self._local()
            self._lines.append(f"{local} = {absent} if {self._columns[column][0]} is None else {present}")

    def _value(self, row: str, feature: str, position: int, group: FeatureGroup) -> str:
        if feature == group.timestamp:
            return f"{self._constant(to_datetime, 'to_datetime')}({row}[0])"
        if feature == group.created:
            return f"None if {row}[1] is None else {self._constant(to_datetime, 'to_datetime')}({row}[1])"
        return f"{row}[{position}]"

    def _horizon(self, ttl: timedelta) -> str:
        age = ttl // MICROSECOND
        if age not in self._horizons:
            self._horizons[age] = self._local()
            self._lines.append(f"{self._horizons[age]} = now - {self._constant(age, ('age', age))}")
        return self._horizons[age]

    def _key(self, column: str, dtype: str, key: str) -> str:
        if column in self._columns:
            return self._columns[column][0]
        known = ("key", column, dtype)
        if known not in self._raw:
            local = self._raw[known] = self._local()
            name = f"join key {column!r} (key {key!r})"
            # A wider integer is a key that no row has, as it is for the join.
            wide = "bigint" if dtype in INTEGERS else dtype
            convert = self._constant(lambda value: check_value(value, wide, name), known)
            guard = "{0} is not None"
            if dtype in KEY_CLASSES:
                guard += f" and {{0}}.__class__ is not {self._constant(KEY_CLASSES[dtype], KEY_CLASSES[dtype])}"
            self._lines.append(f"{local} = {self._read_row(column, dtype)}")
            self._lines.append(f"if {guard.format(local)}: {local} = {convert}({local})")
        return self._raw[known]

    def compute(self, step: DslStep) -> None:
        """Compute expressions; all of a step see the columns as they were before it."""
        # Here, not above: plans without expressions do without the language.
        from dsl.compilers.bind import Binding, bind
        from dsl.compilers.row import distinct_reads, generate
        from dsl.syntax.parser import parse_cached

        bindings = {name: Binding(**binding) for name, binding in step.bindings.items()}
        nodes: dict[str, Node] = {column: parse_cached(text) for column, text in step.lambdas.items()}
        bound = bind(nodes, bindings, step.statistics)
        inputs = {read: self._read(read, bindings[str(read.ref)]) for read in distinct_reads(bound)}
        self._computed += 1
        program = generate(bound, inputs, prefix=f"s{self._computed}_")
        self._lines += program.lines
        self._constants |= program.constants
        for column, node in bound.items():
            self._columns[column] = (program.outputs[column], node.dtype.spark)

    def _read(self, read: Read, binding: Binding) -> str:
        """Return the variable that holds a read; values of stores and of earlier steps need no check.

        But for lists: a vector with a missing element is missing itself, and a store keeps it as it came.
        """
        known: tuple[object, ...] = ("read", read.dtype, binding.column, binding.type)
        trusted = binding.column in self._columns
        if trusted:
            atom, source = self._columns[binding.column]
            if source == read.dtype.spark and read.dtype not in LISTS:
                return atom
            known = (*known, atom)
        else:
            atom, source = self._read_row(binding.column, binding.type), binding.type
        if known not in self._raw:
            local = self._raw[known] = self._local()
            self._lines.append(f"{local} = {atom}")
            self._lines += reading_lines(local, read.dtype, source, str(read.ref), self._constant, trusted=trusted)
        return self._raw[known]

    def apply(self, stage: LocalStage) -> None:
        """Apply a stage to the variables of its input columns."""
        parts: Sequence[LocalStage] = stage.optional_parts
        if not any(id(part) in self._skippable for part in parts):
            parts = (stage,)
        made = [self._apply(part) for part in parts]
        for columns in made:
            self._columns |= columns

    def _apply(self, stage: LocalStage) -> dict[str, tuple[str, str]]:
        """Return the variables and types of a stage's outputs; of one that is left out they are null."""
        there = self._condition(stage) if id(stage) in self._skippable else ""
        sparse = id(stage) in self._sparse
        before, self._lines = self._lines, []
        inputs = [self._input(column, optional=bool(there), numeric=stage.numeric) for column in stage.inputs]
        outputs = [self._local() for _ in stage.outputs]
        values, types = [value for value, _ in inputs], [dtype for _, dtype in inputs]
        if not sparse and not stage.reads_sparsity:
            values = [self._narrowed(value) for value in values]
        generated = (stage.generate_sparse if sparse else stage.generate)(values, types, outputs, self._constant)
        made = stage.result_types(types)
        vectors = [local for local, dtype in zip(outputs, made, strict=True) if dtype == "vector"]
        lines = [*self._lines, *generated, *self._stored_lines(stage, values, vectors)]
        if there:
            self._there |= dict.fromkeys(outputs, there)
            lines = [f"if {there}:", *(f"    {line}" for line in lines), "else:", f"    {' = '.join(outputs)} = None"]
        before += lines
        self._lines = before
        return dict(zip(stage.outputs, zip(outputs, made, strict=True), strict=True))

    def _stored_lines(self, stage: LocalStage, values: Sequence[str], vectors: Sequence[str]) -> list[str]:
        """Return lines that make the output vectors of a stage sparse exactly where Spark's are, if that is read."""
        if id(stage) not in self._sparse:
            # What reads a sparse vector may make one, which others need not see.
            return [] if self._stored.isdisjoint(values) else self._each(narrow, "narrow", vectors)
        self._stored.update(vectors)
        if stage.sparsity != "smaller":
            return []
        old = self._plan.older_than("spark", 4, 1)
        return self._each(partial(compressed, overhead=1.5) if old else compressed, "compressed", vectors)

    def _each(self, function: Callable[[Any], Any], key: str, variables: Sequence[str]) -> list[str]:
        return [f"{local} = {self._constant(function, key)}({local})" for local in variables]

    def _narrowed(self, local: str) -> str:
        """Return the variable of a vector that is a list unless it is wide."""
        if local not in self._stored:
            return local
        if ("narrow", local) not in self._raw:
            self._raw["narrow", local] = self._local()
            self._lines.append(f"{self._raw['narrow', local]} = {self._constant(narrow, 'narrow')}({local})")
        return self._raw["narrow", local]

    def _condition(self, stage: LocalStage) -> str:
        """Return what tells whether the one input column of a stage is there; empty if it always is."""
        (column,) = stage.inputs
        if column in self._columns:
            return self._there.get(self._columns[column][0], "")
        return f"{self._name(column)} in row"

    def _input(self, column: str, *, optional: bool, numeric: bool) -> tuple[str, str]:
        """Return the variable of a column and its Spark type."""
        if column in self._columns:
            return self._columns[column]
        source = self._plan.inputs.get(column, "")
        numeric = numeric and not source
        if numeric:
            self.numeric.add(column)
        known = ("column", column, source, numeric)
        if known not in self._raw:
            local = self._raw[known] = self._local()
            if optional:
                self.requested.setdefault(column, source)
            value = f"row[{self._name(column)}]" if optional else self._read_row(column, source)
            self._lines.append(f"{local} = {value}")
            self._lines += incoming_lines(local, source, f"column {column!r}", self._constant, numeric=numeric)
        return self._raw[known], source

    @property
    def types(self) -> dict[str, str]:
        """The outputs with their Spark types."""
        return {column: self._columns[column][1] for column in self._plan.outputs}

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that a row must have."""
        return tuple(self._reads)

    def function(self) -> Callable[[Mapping[str, Any], int], Any]:
        """Return the generated function."""
        pairs = [f"{self._name(column)}: {self._own(column)}" for column in self._plan.outputs]
        pairs += [f"{self._name(column)}: {local}" for column, local in self._statuses.items()]
        first = required_lines(self._reads, MissingColumnError, self._constant, {**self.requested, **self.times})
        if self._checks.columns is not None:
            first = [f"{self._constant(self._checks.columns, 'columns')}(row)", *first]
        return define(
            "score", ["row", "now"], [*first, *self._lines, f"return {{{', '.join(pairs)}}}"], self._constants
        )

    def _own(self, column: str) -> str:
        """Return a value that the caller may change: an array may be the store's."""
        atom, source = self._columns[column]
        if atom in self._stored:
            return f"{self._constant(narrow, 'narrow')}({atom})"
        return f"None if {atom} is None else [*{atom}]" if source.startswith("array") else atom

    def _name(self, column: str) -> str:
        # A key of its own kind: a column may be called like anything else that is bound here.
        return self._constant(column, ("column", column))

    def _read_row(self, column: str, dtype: str) -> str:
        """Return the variable that holds a column of the row as it came; a row without it is refused."""
        self.requested.setdefault(column, dtype)
        if column not in self._reads:
            self._reads[column] = self._local()
        return self._reads[column]

    def _constant(self, value: object, key: Hashable) -> str:
        if key not in self._names:
            self._names[key] = f"c{len(self._names)}"
            self._constants[self._names[key]] = value
        return self._names[key]

    def _local(self) -> str:
        self._locals += 1
        return f"x{self._locals - 1}"


def _reads(step: LookupStep, layout: RowLayout) -> dict[str, tuple[int, Callable[[Any], Any] | None]]:
    """Return where a packed row holds each feature, and what makes it a value of the type that the plan knows."""
    name, entity, group = step.group.full_name, layout.entity, layout.group
    keys, known = list(entity.keys.values()), list(step.entity.keys.values())
    # All integers are one key, whatever their width.
    if [_width(dtype) for dtype in keys] != [_width(dtype) for dtype in known]:
        raise SnapshotError(f"{name}: the store has keys {entity.keys}, the model {step.entity.keys}")
    held = {feature.name: (2 + at, feature.dtype) for at, feature in enumerate(group.features)}
    for position, column in enumerate((group.timestamp, group.created)):
        if column is not None:
            held[column] = (position, "timestamp")
    reads = {}
    for feature in step.columns.values():
        wanted = step.group.feature(feature).dtype
        try:
            position, found = held[feature]
            reads[feature] = position, feature_conversion(name, feature, found, wanted)
        except (KeyError, SchemaError):
            has = f"has it as {held[feature][1]}" if feature in held else "lacks it"
            raise SnapshotError(
                f"{name}: the model reads {feature!r} ({wanted}), the store {has}; take a new snapshot"
            ) from None
    return reads


def _width(dtype: str) -> str:
    return "bigint" if dtype in INTEGERS else dtype
