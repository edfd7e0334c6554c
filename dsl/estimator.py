"""The Spark ML stages of the language: DSLEstimator computes the statistics of expressions, DSLModel applies them.

Both keep all their state in JSON Params and touch the DataFrame API only, so that they work, save and load on classic
Spark and on Spark Connect, alone and inside a plain ``pyspark.ml`` Pipeline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any, Self

from pyspark import keyword_only
from pyspark.ml import Estimator, Model
from pyspark.ml.param import Param, Params
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from dsl.compilers.analysis import references
from dsl.compilers.bind import Binding, bind
from dsl.compilers.column import compile_columns
from dsl.compilers.deep_expressions import split_deep_expressions
from dsl.compilers.row import compile_row
from dsl.errors import DslError, DslTypeError, UnknownReferenceError, nearest
from dsl.row_mappings import check_frame, to_mapping, to_mappings
from dsl.stages.expressions import ExpressionStage, to_texts
from dsl.stages.schema_bindings import column_types, find_bindings
from dsl.stages.statistics import bind_statistics, fit_statistics
from dsl.syntax.nodes import Node

__all__ = ["DSLEstimator", "DSLModel"]


def _to_dict(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"expected a dict, found {value!r}")
    return dict(value)


class DSLEstimator(Estimator["DSLModel"], ExpressionStage):
    """Compute expressions over features and basis columns.

    Parameters
    ----------
    lambdas : dict of str to Node or str
        The expression of each output column.

    Examples
    --------
    >>> from dsl import nFill, nVal
    >>> estimator = DSLEstimator(lambdas={"size": nFill(nVal("basis:order_size"), 1), "city": "sVal('basis:city')"})
    >>> estimator.getLambdas()
    {'size': "nFill(nVal('basis:order_size'), 1.0)", 'city': "sVal('basis:city')"}
    """

    _input_kwargs: dict[str, Any]

    @keyword_only
    def __init__(self, *, lambdas: Mapping[str, Node | str] | None = None) -> None:
        kwargs = self._input_kwargs
        super().__init__()
        self.setParams(**kwargs)

    @keyword_only
    def setParams(self, *, lambdas: Mapping[str, Node | str] | None = None) -> Self:
        """Set Params by keyword; None leaves one as it is."""
        return self if lambdas is None else self.setLambdas(lambdas)

    def setLambdas(self, value: Mapping[str, Node | str]) -> Self:
        """Set the expression of each output column."""
        return self._set(lambdas=to_texts(value))

    def transformSchema(self, schema: StructType) -> StructType:
        """Return the schema that the model's `transform` gives for `schema`.

        Raises
        ------
        DslError
            An input is missing or of a type that cannot be read, or an output exists already.
        """
        nodes = self.nodes()
        bind_statistics(nodes, find_bindings(nodes, schema))
        return self._with_outputs(schema)

    def fit_bound(self, dataset: DataFrame, bindings: Mapping[str, Binding]) -> DSLModel:
        """Fit with given bindings, whatever the columns' metadata says.

        Parameters
        ----------
        dataset : DataFrame
            Read once, and only if the expressions have statistics.
        bindings : mapping of str to Binding
            By canonical name of the reference; it may have more than the expressions need.
        """
        nodes = self.nodes()
        self._with_outputs(dataset.schema)
        statistics = fit_statistics(dataset, bind_statistics(nodes, bindings), bindings, F)
        needed = {str(ref): asdict(bindings[str(ref)]) for ref in references(nodes.values(), for_scoring=True)}
        model = DSLModel(lambdas=self.getLambdas(), bindings=needed, statistics=statistics)
        return self._copyValues(model)._resetUid(self.uid)

    def _fit(self, dataset: DataFrame) -> DSLModel:
        check_frame(dataset, "dataset", DslTypeError)
        return self.fit_bound(dataset, find_bindings(self.nodes(), dataset.schema))


class DSLModel(Model, ExpressionStage):
    """Expressions bound to columns and fitted statistics; made by `DSLEstimator.fit`.

    Parameters
    ----------
    lambdas : dict of str to str
        The expression of each output column.
    bindings : dict of str to dict
        Column, type and default of each reference.
    statistics : dict of str to JSON value
        The fitted constants.
    """

    bindings: Param[dict[str, Any]] = Param(
        Params._dummy(), "bindings", "column, type and default of each reference", typeConverter=_to_dict
    )
    statistics: Param[dict[str, Any]] = Param(
        Params._dummy(), "statistics", "fitted constants by canonical text", typeConverter=_to_dict
    )
    _input_kwargs: dict[str, Any]
    _scorer: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None

    @keyword_only
    def __init__(
        self,
        *,
        lambdas: Mapping[str, Node | str] | None = None,
        bindings: Mapping[str, Any] | None = None,
        statistics: Mapping[str, Any] | None = None,
    ) -> None:
        kwargs = self._input_kwargs
        super().__init__()
        self._set(**{name: value for name, value in kwargs.items() if value is not None})

    def getBindings(self) -> dict[str, Binding]:
        """Return the binding of each reference."""
        return {ref: Binding(**binding) for ref, binding in self.getOrDefault(self.bindings).items()}

    def getStatistics(self) -> dict[str, Any]:
        """Return the fitted constants by canonical text, encoded for JSON."""
        return dict(self.getOrDefault(self.statistics))

    def transformSchema(self, schema: StructType) -> StructType:
        """Return the schema that `transform` gives for `schema`.

        Raises
        ------
        DslError
            An input is missing or of a type that cannot be read, or an output exists already.
        """
        self._bound(schema)
        return self._with_outputs(schema)

    def score_instance(self, row: Mapping[str, Any] | Any) -> dict[str, Any]:
        """Compute the output columns of one row in plain Python.

        Parameters
        ----------
        row : mapping of str to value, pyspark.sql.Row or pandas.Series
            The input columns; a value may be None, but no column may be missing, as for `transform`.

        Returns
        -------
        dict of str to value
            The columns that `transform` adds: None, float, int, str, bool, naive UTC datetime or list of float.

        Raises
        ------
        UnknownReferenceError
            If the row lacks a column that an expression reads.
        DslTypeError
            If a value has the wrong type.
        """
        if self._scorer is None:
            self._scorer = compile_row(self.nodes(), self.getBindings(), self.getStatistics(), required=True)
        if row.__class__ is not dict and not isinstance(row, Mapping):
            row = to_mapping(row, self._types(), DslTypeError)
        return self._scorer(row)

    scoreInstance = score_instance

    def score_instances(self, rows: Iterable[Mapping[str, Any]], *, errors: str = "raise") -> list[Any]:
        """Compute the output columns of rows, as `score_instance` does.

        Parameters
        ----------
        rows : iterable of mappings, or DataFrame of pandas, polars or Arrow
            The rows; for a Spark DataFrame use `transform`.
        errors : {"raise", "return"}
            Whether the first row that cannot be computed raises, or its error is returned in its position.
        """
        if errors not in ("raise", "return"):
            raise DslTypeError(f"errors: expected 'raise' or 'return', found {errors!r}")
        results: list[Any] = []
        for row in to_mappings(rows, self._types(), DslTypeError):
            try:
                results.append(self.score_instance(row))
            except DslError as error:
                if errors == "raise":
                    raise
                results.append(error)
        return results

    def _types(self) -> dict[str, str]:
        return {binding.column: binding.type for binding in self.getBindings().values()}

    def copy(self, extra: Mapping[Param[Any], Any] | None = None) -> Self:
        """Return a copy with the same uid and some Params changed."""
        duplicate = super().copy(dict(extra or {}))
        duplicate._scorer = None
        return duplicate

    def set(self, param: Param[Any], value: Any) -> None:
        """Set one Param."""
        self._scorer = None
        super().set(param, value)

    def clear(self, param: Param[Any]) -> None:
        """Remove a Param's value."""
        self._scorer = None
        super().clear(param)

    def _set(self, **kwargs: Any) -> Self:
        self._scorer = None
        return super()._set(**kwargs)

    def _transform(self, dataset: DataFrame) -> DataFrame:
        check_frame(dataset, "dataset", DslTypeError)
        self._with_outputs(dataset.schema)
        bound, bindings = self._bound(dataset.schema)
        if not bound:
            return dataset
        split = split_deep_expressions(dataset, bound, bindings, F)
        return split.frame.withColumns(compile_columns(split.exprs, split.bindings, F)).drop(*split.part_columns)

    def _bound(self, schema: StructType) -> tuple[dict[str, Node], dict[str, Binding]]:
        """Bind the expressions to the frozen columns, with the types that they have in this schema."""
        bindings, types = {}, column_types(schema)
        for ref, binding in self.getBindings().items():
            if binding.column not in types:
                raise UnknownReferenceError(
                    f"column {binding.column!r}, which {ref!r} was fitted on, is missing"
                    f"{nearest(binding.column, schema.names)}"
                )
            bindings[ref] = replace(binding, type=types[binding.column])
        return bind(self.nodes(), bindings, self.getStatistics()), bindings
