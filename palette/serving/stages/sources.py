"""Sources of fields: the Params and fitted values of a stage, live in Spark or in the files that it saved.

A local form declares where each of its fields comes from, once for both::

    source = Source(COLUMNS, degree=Param("degree", int), idf=Data("idf", elements))

An entry is called with the fitted stage, a :class:`LiveStage` or :class:`palette.serving.spark_files.SavedFiles`; an
ordinary function of it will do where a field comes from several.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from palette.serving.spark_files import SavedFiles, vector

__all__ = [
    "COLUMNS",
    "MANY_TO_ONE",
    "Data",
    "FittedStage",
    "LiveStage",
    "Param",
    "Source",
    "as_tuple",
    "elements",
    "named_columns",
    "number",
]


class LiveStage:
    """A fitted stage of a running Spark, read as a saved one is.

    Parameters
    ----------
    stage : Transformer
        The stage.

    Attributes
    ----------
    name : str
        The stage's uid.
    params : dict
        Param to value: what is set, else the default.
    """

    def __init__(self, stage: Any) -> None:
        self._stage = stage
        self._values: dict[Data, Any] = {}
        self.name: str = stage.uid
        self.params: dict[str, Any] = {
            param.name: _plain(stage.getOrDefault(param)) for param in stage.params if stage.isDefined(param)
        }

    def read(self, data: Data) -> Any:
        """Return a fitted value, as :meth:`palette.serving.spark_files.SavedFiles.read` does."""
        if data not in self._values:
            live = data.live
            self._values[data] = live(self._stage) if callable(live) else _plain(getattr(self._stage, live))
        return self._values[data]


FittedStage: TypeAlias = "LiveStage | SavedFiles"
Reader: TypeAlias = Callable[[FittedStage], Any]


class Param:
    """The value of a Param.

    Parameters
    ----------
    name : str
        The Param.
    convert : callable, optional
        Turns its value into that of the field.
    """

    def __init__(self, name: str, convert: Callable[[Any], Any] | None = None) -> None:
        self._name = name
        self._convert = convert

    def __call__(self, stage: FittedStage) -> Any:
        """Return the value of the field."""
        value = stage.params[self._name]
        return value if self._convert is None else self._convert(value)


class Data:
    """A fitted value: an attribute of a live stage, and a column of the data of a saved one.

    Vectors and matrices have the form that Spark saves, ``{"type": ..., "values": ...}``, live ones too.

    Parameters
    ----------
    live : str or callable
        The attribute, or a function of the live stage.
    convert : callable, optional
        Turns the value into that of the field.
    saved : str or callable, optional
        The column of the only row of data, or a function of the :class:`palette.serving.spark_files.SavedFiles`; by
        default the column is called as the attribute.
    """

    def __init__(
        self,
        live: str | Callable[[Any], Any],
        convert: Callable[[Any], Any] | None = None,
        saved: str | Callable[[SavedFiles], Any] | None = None,
    ) -> None:
        self.live = live
        self.saved = live if saved is None else saved
        self._convert = convert

    def __call__(self, stage: FittedStage) -> Any:
        """Return the value of the field."""
        value = stage.read(self)
        return value if self._convert is None else self._convert(value)


class Source(dict[str, Reader]):
    """Fields of a local form to what reads them; those of base classes are inherited.

    Examples
    --------
    >>> sorted(Source(COLUMNS, degree=Param("degree")))
    ['degree', 'inputs', 'outputs']
    """

    def __init__(self, inherited: Mapping[str, Reader] = {}, /, **fields: Reader) -> None:
        super().__init__(inherited, **fields)

    def read(self, stage: FittedStage) -> dict[str, Any]:
        """Return the fields of a fitted stage."""
        return {field: reader(stage) for field, reader in self.items()}


def as_tuple(column: str) -> tuple[str, ...]:
    """Return one column as a tuple; an empty name is no column."""
    return (column,) if column else ()


def _one_or_several(param: str) -> Reader:
    return lambda stage: tuple(stage.params[f"{param}s"]) if stage.params.get("inputCols") else (stage.params[param],)


# One column to one, or several to as many.
COLUMNS = Source(inputs=_one_or_several("inputCol"), outputs=_one_or_several("outputCol"))
MANY_TO_ONE = Source(inputs=Param("inputCols", tuple), outputs=Param("outputCol", as_tuple))


def named_columns(params: Mapping[str, str]) -> Source:
    """Return the source of ``outputs`` and ``gives`` of a stage that adds a column for each Param that is not empty.

    Parameters
    ----------
    params : mapping of str to str
        What a column gives, such as ``"prediction"``, to the Param that has its name.

    Examples
    --------
    >>> class Fitted:
    ...     params = {"rawPredictionCol": "", "predictionCol": "label"}
    >>> named_columns({"raw": "rawPredictionCol", "prediction": "predictionCol"}).read(Fitted)
    {'outputs': ('label',), 'gives': ['prediction']}
    """
    return Source(
        outputs=lambda stage: tuple(stage.params[param] for param in params.values() if stage.params.get(param)),
        gives=lambda stage: [name for name, param in params.items() if stage.params.get(param)],
    )


def number(value: Any) -> float:
    """Return a number as saved Params hold it: infinities and NaN are strings there.

    Examples
    --------
    >>> number(1), number("-Inf")
    (1.0, -inf)
    """
    return float(value)


def elements(value: Any) -> list[float]:
    """Return the elements of a vector, or of a list of numbers.

    Examples
    --------
    >>> elements({"type": 0, "size": 3, "indices": [1], "values": [2.0]}), elements([1, 2])
    ([0.0, 2.0, 0.0], [1.0, 2.0])
    """
    return [float(element) for element in (vector(value) if isinstance(value, Mapping) else value)]


def _plain(value: Any) -> Any:
    """Return a vector or a matrix of pyspark's in the form that Spark saves, any other value as it is."""
    if not hasattr(value, "toArray"):
        return value
    if hasattr(value, "numRows"):
        plain = {"type": 1, "numRows": value.numRows, "numCols": value.numCols, "values": value.values.tolist()}
        plain["isTransposed"] = bool(value.isTransposed)
        if hasattr(value, "colPtrs"):
            plain |= {"type": 0, "colPtrs": value.colPtrs.tolist(), "rowIndices": value.rowIndices.tolist()}
        return plain
    if hasattr(value, "indices"):
        return {"type": 0, "size": int(value.size), "indices": value.indices.tolist(), "values": value.values.tolist()}
    return {"type": 1, "values": value.values.tolist()}
