"""Columns under the names by which stages read them: another case, backticks, fields of structs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from palette.errors import DataError, nearest
from palette.serving.coercion import incoming_lines
from palette.serving.stages.base import Bind, BundledStage
from palette.serving.stages.registry import register

__all__ = ["ReadColumn"]


@register
@dataclass(frozen=True)
class ReadColumn(BundledStage):
    """Give a column the name by which a stage reads it, where that is not its own; Spark has no such stage.

    Parameters
    ----------
    inputs, outputs : tuple of str
        The column, and the name.
    fields : list of str
        The fields of a struct that lead to the value.
    dtype : str
        The Spark type of the value where it is a field; empty where unknown.
    optional : bool
        Whether the column need not be there, since the stage that reads it is left out then.
    of_numbers : bool
        Whether the stage that reads it takes numbers and vectors only.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    fields: list[str]
    dtype: str = ""
    optional: bool = False
    of_numbers: bool = False

    kind = "ReadColumn"
    spark_class = ""

    @classmethod
    def from_spark(cls, stage: Any) -> ReadColumn:
        """Raise DataError: no stage of Spark is one."""
        raise DataError(f"{stage.uid} is not a stage that reads a column")

    @property
    def numeric(self) -> bool:  # type: ignore[override]
        """Whether the column itself is one of numbers."""
        return self.of_numbers and not self.fields

    @property
    def optional_parts(self) -> tuple[ReadColumn, ...]:
        """The stage itself, where the one that reads the column is optional."""
        return (self,) if self.optional else ()

    def result_types(self, types: Sequence[str]) -> tuple[str, ...]:
        """The type of the column, or of the field."""
        return (self.dtype,) if self.fields else tuple(types)

    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the value; of a struct that is null it is null."""
        value = values[0]
        for field in self.fields:
            value = None if value is None else self._field(value, field)
        return (value,)

    def _field(self, value: Any, field: str) -> Any:
        if hasattr(value, "asDict"):
            value = value.asDict()
        if not isinstance(value, Mapping):
            raise DataError(f"column {self.inputs[0]!r}: expected a struct with field {field!r}, found {value!r:.80}")
        if field not in value:
            raise DataError(f"column {self.inputs[0]!r}: no field {field!r}{nearest(field, value)}")
        return value[field]

    def generate(self, values: Sequence[str], types: Sequence[str], outputs: Sequence[str], bind: Bind) -> list[str]:
        """Return an assignment, or a call and the conversion of a request's value."""
        if not self.fields:
            return [f"{outputs[0]} = {values[0]}"]
        name = f"column {'.'.join([*self.inputs, *self.fields])!r}"
        return [
            *super().generate(values, types, outputs, bind),
            *incoming_lines(outputs[0], self.dtype, name, bind, numeric=self.of_numbers),
        ]
