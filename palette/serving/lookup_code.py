"""Code generation of look-ups: keys, reads of tables or of a store elsewhere, and the columns of packed rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dsl.compilers.coercion import reader
from dsl.dtypes import TS, reads
from palette.errors import SchemaError, SnapshotError
from palette.online import LocalTable, RowLayout
from palette.online.codec.conversion import feature_conversion
from palette.serving.codegen import PlanCode, Variable
from palette.serving.plan import LookupStep
from palette.times import to_datetime
from palette.types import INTEGERS, check_value

if TYPE_CHECKING:
    from palette.definitions import FeatureGroup

__all__ = ["LookupCode"]

MICROSECOND = timedelta(microseconds=1)
# Python classes of key values that need no check.
KEY_CLASSES = {"string": str, "boolean": bool}


class LookupCode:
    """Adds look-ups to the code of a plan.

    Parameters
    ----------
    code : PlanCode
        The code.
    status : bool
        Whether the status of each looked-up column is in the answer.
    """

    def __init__(self, code: PlanCode, *, status: bool) -> None:
        self._code = code
        self._scope = code.scope
        self._status = status
        # A ttl in microseconds to the variable that holds the earliest time that has not expired.
        self._horizons: dict[int, str] = {}

    def read_table(self, step: LookupStep, table: LocalTable) -> None:
        """Read the columns of one group from a table in this process."""
        self._check_time(step)
        row, key = self._scope.local(), self._step_key(step)
        get = self._scope.bind(table.get, ("get", table.name))
        self._code.lines.append(f"{row} = {get}({key})")
        self._unpack(step, row, table)

    def fetch(self, level: Sequence[LookupStep], layout: Callable[[str], RowLayout]) -> None:
        """Read the columns of several groups from a store elsewhere, in one round trip."""
        for step in level:
            self._check_time(step)
        keys = [self._step_key(step) for step in level]
        names = [self._scope.bind(step.group.full_name, ("group", step.group.full_name)) for step in level]
        rows = [self._scope.local() for _ in level]
        pairs = ", ".join(f"({name}, {key})" for name, key in zip(names, keys, strict=True))
        self._code.lines.append(f"{', '.join(rows)}, = yield ({pairs},)")
        for step, row in zip(level, rows, strict=True):
            self._unpack(step, row, layout(step.group.full_name))

    def _check_time(self, step: LookupStep) -> None:
        """Check the row's own time, if it has one: a store knows the values of one time."""
        column, check = step.timestamp, self._code.checks.time
        if column is None or check is None:
            return
        variable = self._code.columns.get(column)
        local, source = variable or ("", self._code.plan.inputs.get(column, ""))
        key = ("time of", column, local)
        if key in self._code.cached:
            return
        read = reader(TS, source if reads(TS, source) else TS.spark, f"column {column!r}")

        def check_time(value: Any, now: int) -> None:
            check(column, read(value), now)

        value = self._code.cached[key] = local or self._scope.local()
        lines = [f"{self._scope.bind(check_time, key)}({value}, now)"]
        if source != "date":
            lines = [f"if not ({check.passing(value, self._scope.bind)}): {lines[0]}"]
        if variable is None:
            name = self._scope.bind_column(column)
            lines = [f"if {name} in row:", f"    {value} = row[{name}]", *(f"    {line}" for line in lines)]
        self._code.lines += lines

    def _step_key(self, step: LookupStep) -> str:
        keys = [
            self._key(column, dtype, key)
            for column, (key, dtype) in zip(step.join_keys, step.entity.keys.items(), strict=True)
        ]
        return keys[0] if len(keys) == 1 else f"({', '.join(keys)})"

    def _key(self, column: str, dtype: str, key: str) -> str:
        code = self._code
        if column in code.columns:
            return code.columns[column].name
        cached = ("key", column, dtype)
        if cached not in code.cached:
            local = code.cached[cached] = self._scope.local()
            name = f"join key {column!r} (key {key!r})"
            # A wider integer is a key that no row has, as it is for the join.
            wide = "bigint" if dtype in INTEGERS else dtype
            convert = self._scope.bind(lambda value: check_value(value, wide, name), cached)
            guard = "{0} is not None"
            if dtype in KEY_CLASSES:
                guard += f" and {{0}}.__class__ is not {self._scope.bind(KEY_CLASSES[dtype], KEY_CLASSES[dtype])}"
            code.lines.append(f"{local} = {code.read_row(column)}")
            code.lines.append(f"if {guard.format(local)}: {local} = {convert}({local})")
        return code.cached[cached]

    def _unpack(self, step: LookupStep, row: str, layout: RowLayout) -> None:
        """Assign the columns of a look-up from a packed row; of expired and missing rows they are null."""
        group, lines = layout.group, self._code.lines
        positions = _positions(step, layout)
        # A model keeps the ttl that it was fitted with, whatever the store's definition is now.
        ttl = None if group.timestamp is None else step.group.ttl
        expired = "" if ttl is None else f"{row}[0] < {self._horizon(ttl)}"
        variables: dict[str, str] = {}
        for column, feature in step.columns.items():
            if feature not in variables:
                variables[feature] = self._scope.local()
            self._code.columns[column] = Variable(variables[feature], step.group.feature(feature).dtype)
        lines.append(f"if {row} is None{' or ' + expired if expired else ''}:")
        lines.append(f"    {' = '.join(variables.values())} = None")
        lines.append("else:")
        for feature, local in variables.items():
            position, convert = positions[feature]
            value = self._value(row, feature, position, group)
            if convert is not None:
                value = f"{self._scope.bind(convert, ('convert', group.full_name, feature))}({value})"
            lines.append(f"    {local} = {value}")
        if self._status:
            self._add_statuses(step, row, expired)

    def _add_statuses(self, step: LookupStep, row: str, expired: str) -> None:
        """Add the status of each column of a look-up."""
        missing, old, null, present = (
            self._scope.bind(status, ("status", status)) for status in ("missing", "expired", "null", "present")
        )
        absent, lines = self._scope.local(), self._code.lines
        lines.append(f"{absent} = {missing} if {row} is None else {null}")
        if expired:
            lines.append(f"if {row} is not None and {expired}: {absent} = {old}")
        for column in step.columns:
            local = self._code.statuses[f"{column}__status"] = self._scope.local()
            lines.append(f"{local} = {absent} if {self._code.columns[column].name} is None else {present}")

    def _value(self, row: str, feature: str, position: int, group: FeatureGroup) -> str:
        if feature == group.timestamp:
            return f"{self._scope.bind(to_datetime, 'to_datetime')}({row}[0])"
        if feature == group.created:
            return f"None if {row}[1] is None else {self._scope.bind(to_datetime, 'to_datetime')}({row}[1])"
        return f"{row}[{position}]"

    def _horizon(self, ttl: timedelta) -> str:
        age = ttl // MICROSECOND
        if age not in self._horizons:
            self._horizons[age] = self._scope.local()
            self._code.lines.append(f"{self._horizons[age]} = now - {self._scope.bind(age, ('age', age))}")
        return self._horizons[age]


def _positions(step: LookupStep, layout: RowLayout) -> dict[str, tuple[int, Callable[[Any], Any] | None]]:
    """Return the position of each feature in a packed row, and what converts it to the type that the plan knows."""
    name, entity, group = step.group.full_name, layout.entity, layout.group
    keys, known = list(entity.keys.values()), list(step.entity.keys.values())
    # All integers are one key, whatever their width.
    if [_widen(dtype) for dtype in keys] != [_widen(dtype) for dtype in known]:
        raise SnapshotError(f"{name}: the store has keys {entity.keys}, the model {step.entity.keys}")
    stored = {feature.name: (2 + index, feature.dtype) for index, feature in enumerate(group.features)}
    for index, column in enumerate((group.timestamp, group.created)):
        if column is not None:
            stored[column] = (index, "timestamp")
    positions = {}
    for feature in step.columns.values():
        expected = step.group.feature(feature).dtype
        try:
            position, dtype = stored[feature]
            positions[feature] = position, feature_conversion(name, feature, dtype, expected)
        except (KeyError, SchemaError):
            has = f"has it as {stored[feature][1]}" if feature in stored else "lacks it"
            raise SnapshotError(
                f"{name}: the model reads {feature!r} ({expected}), the store {has}; take a new snapshot"
            ) from None
    return positions


def _widen(dtype: str) -> str:
    return "bigint" if dtype in INTEGERS else dtype
