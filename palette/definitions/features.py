"""Feature: one value of an entity, with its type."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from typing import Any

from pydantic import field_serializer, field_validator, model_validator

from dsl.json_values import encode
from palette.definitions.base import Definition, Description, Label, Tags, validate_column
from palette.times import utc
from palette.types import canonical_type, check_value

__all__ = ["Feature"]


class Feature(Definition):
    """One value of an entity.

    Parameters
    ----------
    name : str
        Matches ``[A-Za-z_][A-Za-z0-9_]*``.
    dtype : str
        See :func:`palette.types.canonical_type`.
    default : optional
        Value that one-argument ``nFill(x)`` (``iFill``, ``sFill``, ...) fills with; nothing else uses it: ``nVal`` of a
        missing value is null.
    description, owner : str
        For people.
    tags : sequence of str
        For search.

    Raises
    ------
    DefinitionError
        If the name, the type, or the default's type is wrong.

    Examples
    --------
    >>> Feature("prep_time", "double", default=15)
    Feature('prep_time', 'double', default=15.0)
    """

    name: str
    dtype: str
    default: Any = None
    description: Description = ""
    owner: Label = ""
    tags: Tags = ()

    def __init__(self, /, name: str, dtype: str, default: Any = None, **data: Any) -> None:
        super().__init__(name=name, dtype=dtype, default=default, **data)

    def __repr__(self) -> str:
        default = "" if self.default is None else f", default={self.default!r}"
        return f"Feature({self.name!r}, {self.dtype!r}{default})"

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        return validate_column(name, "name")

    @field_validator("dtype")
    @classmethod
    def _dtype(cls, dtype: str) -> str:
        return canonical_type(dtype)

    @model_validator(mode="before")
    @classmethod
    def _default(cls, data: Any) -> Any:
        default = data.get("default") if isinstance(data, dict) else None
        if default is None or not isinstance(data.get("dtype"), str):
            return data
        try:
            return {**data, "default": _typed(default, canonical_type(data["dtype"]))}
        except ArithmeticError as error:
            raise ValueError(f"default: {default!r:.80} is not a {data['dtype']}") from error

    @field_serializer("default")
    def _plain_default(self, default: Any) -> Any:
        # JSON cannot represent these; _default reads the strings back.
        if isinstance(default, dt.date):
            return default.isoformat()
        if isinstance(default, float) and not math.isfinite(default):
            return "NaN" if math.isnan(default) else "Infinity" if default > 0 else "-Infinity"
        return str(default) if isinstance(default, decimal.Decimal) else default

    @property
    def constant(self) -> Any:
        """The default as JSON stores it and the DSL reads it: a decimal as a number, a date as its midnight UTC."""
        default = self.default
        if isinstance(default, decimal.Decimal):
            return float(default)
        return encode(utc(default) if isinstance(default, dt.date) else default)


def _typed(default: Any, dtype: str) -> Any:
    if isinstance(default, str) and dtype == "timestamp":
        default = dt.datetime.fromisoformat(default)
    elif isinstance(default, str) and dtype == "date":
        default = dt.date.fromisoformat(default)
    elif isinstance(default, str) and dtype.startswith("decimal"):
        default = decimal.Decimal(default)
    elif default in ("NaN", "Infinity", "-Infinity") and dtype in ("float", "double"):
        default = float(default)
    return check_value(default, dtype, "default")
