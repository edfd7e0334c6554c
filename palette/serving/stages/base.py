"""Local forms of Spark ML stages: what they are, and where they are found."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

from dsl.constants import decode, encode
from palette.errors import DataError

if TYPE_CHECKING:
    from palette.serving.saved import SavedFiles

__all__ = [
    "Bind",
    "LocalStage",
    "RowRejectedError",
    "SavedStage",
    "local_form",
    "register",
    "registered",
    "saved_form",
    "schema_form",
    "stage_from_json",
    "stage_to_json",
]


Bind: TypeAlias = Callable[[object, Hashable], str]


class RowRejectedError(DataError):
    """A row that Spark's ``handleInvalid="skip"`` would drop."""


class LocalStage(ABC):
    """The Python form of a fitted stage: same columns, same values as its ``transform``.

    A value is what :mod:`palette.serving.stages.vectors` calls a vector, or plain Python: float, int, str, bool,
    datetime, list, None.

    Attributes
    ----------
    inputs, outputs : tuple of str
        Columns read and added.
    output_types : tuple of str
        Spark types of the outputs, as ``simpleString`` names them; empty where unknown.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def skips_absent(self) -> bool:
        """Whether Spark leaves the stage out where its input columns are not there, as labels are not at serving."""
        return False

    @property
    def output_types(self) -> tuple[str, ...]:
        """Spark types of the outputs: by default unknown."""
        return ("",) * len(self.outputs)

    def result_types(self, types: Sequence[str]) -> tuple[str, ...]:
        """Return Spark types of the outputs where the inputs have these types; empty where unknown."""
        del types
        return self.output_types

    @abstractmethod
    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the values of the output columns for values of the input columns, both in order."""

    def generate(self, values: Sequence[str], types: Sequence[str], outputs: Sequence[str], bind: Bind) -> list[str]:
        """Return lines of Python that do what :meth:`compute` does.

        Parameters
        ----------
        values, outputs : sequence of str
            Names of the variables to read and to assign. Further variables begin with the name of an output.
        types : sequence of str
            Spark types of the values; empty where unknown.
        bind : callable
            Returns the name of a constant, given its value and a key that tells it from others.
        """
        del types
        return [f"{', '.join(outputs)}, = {bind(self.compute, ('compute', id(self)))}({', '.join(values)})"]


class SavedStage(LocalStage):
    """A local stage that bundles can hold: a dataclass, the fields of which are JSON values.

    Attributes
    ----------
    kind : str
        The name of the fitted Spark class.
    spark_class : str
        The class that Spark writes into the metadata of a saved stage.
    """

    kind: ClassVar[str]
    spark_class: ClassVar[str]

    @classmethod
    @abstractmethod
    def from_spark(cls, stage: Any) -> Self:
        """Return the local form of a fitted Spark stage."""

    @classmethod
    def from_schema(cls, stage: Any, schema: Any) -> Self:
        """Return the local form of a fitted Spark stage that reads columns of a DataFrame with this schema.

        Only stages that look at the metadata of their input columns need it.
        """
        del schema
        return cls.from_spark(stage)

    @classmethod
    def from_saved(cls, saved: SavedFiles) -> Self:
        """Return the local form of a stage that Spark saved, without Spark.

        Raises
        ------
        DataError
            If this stage cannot be read that way.
        """
        raise DataError(f"{saved.name}: a saved {cls.kind} cannot be read without Spark; save a bundle instead")

    def to_json(self) -> dict[str, Any]:
        """Return the fields, floats that JSON lacks tagged."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {field.name: encode(_listed(getattr(self, field.name))) for field in fields}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """Return the stage that :meth:`to_json` wrote; unknown entries are left out, absent ones take defaults."""
        names = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
        values = {name: decode(value) for name, value in plain.items() if name in names}
        columns = {name: tuple(values[name]) for name in ("inputs", "outputs") if name in values}
        return cls(**(values | columns))


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


_LOCAL: dict[str, type[SavedStage]] = {}


def register(cls: type[SavedStage]) -> type[SavedStage]:
    """Add a local form under its ``kind``.

    Raises
    ------
    DataError
        If another class has it.
    """
    if cls.kind in _LOCAL:
        raise DataError(f"stage {cls.kind!r} has a local form already")
    _LOCAL[cls.kind] = cls
    return cls


def registered() -> dict[str, type[SavedStage]]:
    """Return all local forms by kind."""
    return dict(_LOCAL)


def local_form(stage: Any, schema: Any = None) -> SavedStage | None:
    """Return the local form of a fitted Spark stage, or None if there is none.

    Parameters
    ----------
    stage : Transformer
        The fitted stage.
    schema : StructType, optional
        Of a DataFrame that it transforms, for stages that look at the metadata of their input columns.
    """
    found = _LOCAL.get(type(stage).__name__)
    if found is None:
        return None
    return found.from_spark(stage) if schema is None else found.from_schema(stage, schema)


def schema_form(stage: Any, schema: Any) -> SavedStage | None:
    """Return the local form of a fitted Spark stage that looks at the metadata of its input columns; None of others."""
    found = _LOCAL.get(type(stage).__name__)
    if found is None or found.from_schema.__func__ is SavedStage.from_schema.__func__:  # type: ignore[attr-defined]
        return None
    return found.from_schema(stage, schema)


def saved_form(saved: SavedFiles) -> SavedStage | None:
    """Return the local form of a stage that Spark saved, or None if there is none."""
    found = next((cls for cls in _LOCAL.values() if cls.spark_class == saved.spark_class), None)
    return None if found is None else found.from_saved(saved)


def stage_to_json(stage: LocalStage) -> dict[str, Any]:
    """Return a stage as JSON holds it, with its kind.

    Raises
    ------
    DataError
        If bundles cannot hold it.
    """
    if not isinstance(stage, SavedStage):
        raise DataError(f"{type(stage).__name__} cannot be written to a bundle")
    return {"kind": stage.kind, **stage.to_json()}


def stage_from_json(plain: Mapping[str, Any]) -> SavedStage:
    """Return the stage that :func:`stage_to_json` wrote; only registered kinds are made.

    Raises
    ------
    DataError
        If the kind is unknown here.
    """
    if plain["kind"] not in _LOCAL:
        raise DataError(f"this process has no local form of stage {plain['kind']!r}; register it, or update palette")
    return _LOCAL[plain["kind"]].from_json(plain)
