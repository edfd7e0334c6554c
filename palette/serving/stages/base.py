"""Base classes of the local forms of Spark ML stages."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeAlias

from dsl.json_values import decode, encode
from palette.errors import DataError
from palette.serving.stages.sources import FittedStage, LiveStage, Source

if TYPE_CHECKING:
    from palette.serving.spark_files import SavedFiles

__all__ = ["Bind", "BundledStage", "LocalStage", "RowRejectedError", "Sparsity"]


Sparsity: TypeAlias = Literal["input", "smaller", "own"]
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
    tolerance : float
        How far numbers may be from Spark's on another processor, as a share of them.
    numeric : bool
        Whether all inputs are numbers or vectors: of a request whose types are not known, nothing else is accepted.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    # Spark's own figures change in the last places from one processor to another.
    tolerance: ClassVar[float] = 1e-9
    numeric: ClassVar[bool] = False

    def fitted_on(self, runtime: Mapping[str, Any]) -> Self:
        """Return the form for what the stage was fitted on: the versions ``spark`` and ``java``, where they matter."""
        del runtime
        return self

    @property
    def optional_parts(self) -> Sequence[LocalStage]:
        """Equivalent stages, one per column, if Spark leaves out a column whose input is missing.

        Labels are missing at serving.
        """
        return ()

    @property
    def reads_sparsity(self) -> bool:
        """Whether an implicit zero of a sparse vector counts differently from a stored one."""
        return False

    @property
    def sparsity(self) -> Sparsity:
        """Which output vectors of Spark's stage are sparse: those of sparse ``"input"``, or ``"smaller"`` that way.

        Or ``"own"``, where it is neither: then :meth:`compute_sparse` makes them.
        """
        return "input"

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
            Returns the name of a constant, given its value and a key of its own.
        """
        del types
        return [f"{', '.join(outputs)}, = {bind(self.compute, ('compute', id(self)))}({', '.join(values)})"]

    def compute_sparse(self, *values: Any) -> tuple[Any, ...]:
        """Return what :meth:`compute` returns, but vectors that are not stored in the ``"smaller"`` form as Spark's.

        By default what :meth:`compute` returns, which is right for a stage that keeps sparse vectors sparse and dense
        ones dense, and for one whose vectors are all dense.
        """
        return self.compute(*values)

    def generate_sparse(
        self, values: Sequence[str], types: Sequence[str], outputs: Sequence[str], bind: Bind
    ) -> list[str]:
        """Return lines of Python that do what :meth:`compute_sparse` does.

        They replace those of :meth:`generate` where a later stage has :attr:`reads_sparsity`.
        """
        if type(self).compute_sparse is LocalStage.compute_sparse:
            return self.generate(values, types, outputs, bind)
        sparse = bind(self.compute_sparse, ("compute_sparse", id(self)))
        return [f"{', '.join(outputs)}, = {sparse}({', '.join(values)})"]


class BundledStage(LocalStage):
    """A local stage that bundles can hold: a dataclass, the fields of which are JSON values.

    Attributes
    ----------
    kind : str
        The name of the fitted Spark class.
    spark_class : str
        The class that Spark writes into the metadata of a saved stage.
    source : Source
        The Param or fitted value that each field is read from; see :mod:`palette.serving.stages.sources`.
    """

    kind: ClassVar[str]
    spark_class: ClassVar[str]
    source: ClassVar[Source] = Source()

    @classmethod
    def from_fitted(cls, stage: FittedStage) -> Self:
        """Return the local form of a fitted stage, live or saved, by its :attr:`source`.

        Raises
        ------
        DataError
            If the class declares no source.
        """
        if not cls.source:
            raise DataError(f"{stage.name}: a saved {cls.kind} cannot be read without Spark; save a bundle instead")
        return cls(**cls.source.read(stage))

    @classmethod
    def from_spark(cls, stage: Any) -> Self:
        """Return the local form of a fitted Spark stage."""
        return cls.from_fitted(LiveStage(stage))

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
        return cls.from_fitted(saved)

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
