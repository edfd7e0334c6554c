"""Local forms of Spark ML stages: what they are, and where they are found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from palette.errors import DataError

__all__ = [
    "Bind",
    "LocalStage",
    "RowRejectedError",
    "SavedStage",
    "local_form",
    "register",
    "stage_from_json",
    "stage_to_json",
]


Bind: TypeAlias = Callable[[object, Hashable], str]


class RowRejectedError(DataError):
    """A row that Spark's ``handleInvalid="skip"`` would drop."""


class LocalStage(ABC):
    """The Python form of a fitted stage: same columns, same values as its ``transform``.

    Attributes
    ----------
    inputs, outputs : tuple of str
        Columns read and added.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @abstractmethod
    def compute(self, *values: Any) -> tuple[Any, ...]:
        """Return the values of the output columns for values of the input columns, both in order."""

    def generate(self, values: Sequence[str], types: Sequence[str], outputs: Sequence[str], bind: Bind) -> list[str]:
        """Return lines of Python that do what :meth:`compute` does.

        Parameters
        ----------
        values, outputs : sequence of str
            Names of the variables to read and to assign.
        types : sequence of str
            Spark types of the values; empty where unknown.
        bind : callable
            Returns the name of a constant, given its value and a key that tells it from others.
        """
        del types
        return [f"{', '.join(outputs)}, = {bind(self.compute, id(self))}({', '.join(values)})"]


class SavedStage(LocalStage):
    """A local stage that bundles can hold."""

    kind: ClassVar[str]

    @classmethod
    @abstractmethod
    def from_spark(cls, stage: Any) -> SavedStage:
        """Return the local form of a fitted Spark stage."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return the stage as JSON holds it."""

    @classmethod
    @abstractmethod
    def from_json(cls, plain: Mapping[str, Any]) -> SavedStage:
        """Return the stage that :meth:`to_json` wrote."""


_LOCAL: dict[str, type[SavedStage]] = {}


def register(cls: type[SavedStage]) -> type[SavedStage]:
    """Add a local form under its ``kind``, the name of the fitted Spark class."""
    if cls.kind in _LOCAL:
        raise DataError(f"stage {cls.kind!r} has a local form already")
    _LOCAL[cls.kind] = cls
    return cls


def local_form(stage: Any) -> SavedStage | None:
    """Return the local form of a fitted Spark stage, or None if there is none."""
    found = _LOCAL.get(type(stage).__name__)
    return None if found is None else found.from_spark(stage)


def stage_to_json(stage: LocalStage) -> dict[str, Any]:
    """Return a stage as JSON holds it, with its kind."""
    if not isinstance(stage, SavedStage):
        raise DataError(f"{type(stage).__name__} cannot be written to a bundle")
    return {"kind": stage.kind, **stage.to_json()}


def stage_from_json(plain: Mapping[str, Any]) -> SavedStage:
    """Return the stage that :func:`stage_to_json` wrote; only registered kinds are made."""
    if plain["kind"] not in _LOCAL:
        raise DataError(f"this process has no local form of stage {plain['kind']!r}; register it, or update palette")
    return _LOCAL[plain["kind"]].from_json(plain)
