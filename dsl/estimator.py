"""The Spark ML stages of the language: DSLEstimator computes the statistics of expressions, DSLModel applies them.

Both keep all their state in JSON Params and touch the DataFrame API only, so that they work, save and load on classic
Spark and on Spark Connect, alone and inside a plain ``pyspark.ml`` Pipeline.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any, Self

from pyspark import keyword_only
from pyspark.ml import Estimator, Model
from pyspark.ml.param import Param, Params
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DoubleType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from dsl.compilers.bind import Binding, bind, check_output, references
from dsl.compilers.column import compile_columns
from dsl.compilers.deep_expressions import in_steps
from dsl.compilers.row import compile_row
from dsl.dtypes import BOOL, INT, NUM, STR, STRS, TS, VEC, DType
from dsl.errors import DslError, DslTypeError, UnknownReferenceError, nearest
from dsl.fitting import fit_statistics, settle
from dsl.persistence import SavedStage
from dsl.refs import BasisRef, FeatureRef
from dsl.row_mappings import check_frame, to_mapping, to_mappings
from dsl.syntax.nodes import Node
from dsl.syntax.parser import parsed

__all__ = ["DSLEstimator", "DSLModel"]

_SPARK_TYPES: dict[DType, DataType] = {
    NUM: DoubleType(),
    INT: LongType(),
    STR: StringType(),
    BOOL: BooleanType(),
    TS: TimestampType(),
    VEC: ArrayType(DoubleType()),
    STRS: ArrayType(StringType()),
}


def _texts(lambdas: Any) -> dict[str, str]:
    """Return expressions as canonical texts, checked."""
    if not isinstance(lambdas, Mapping) or not all(isinstance(output, str) for output in lambdas):
        raise DslTypeError(f"lambdas: expected a dict of output column to expression, found {lambdas!r}")
    texts: dict[str, str] = {}
    for output, expr in lambdas.items():
        try:
            node = parsed(expr) if isinstance(expr, str) else expr
        except DslError as error:
            raise type(error)(f"lambdas[{output!r}]: {error.message}", error.position) from None
        if not isinstance(node, Node):
            raise DslTypeError(f"lambdas[{output!r}]: expected an expression, found {expr!r}")
        check_output(output, node)
        texts[output] = str(node)
    folded = Counter(output.casefold() for output in texts)
    twice = sorted(output for output in texts if folded[output.casefold()] > 1)
    if twice:
        raise DslTypeError(f"lambdas: output columns {twice} differ by case only; Spark takes them for one")
    return texts


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"expected a dict, found {value!r}")
    return dict(value)


class _Expressions(SavedStage):
    """What both stages share: the expressions, and what they do to a schema."""

    lambdas: Param[dict[str, str]] = Param(
        Params._dummy(), "lambdas", "canonical text of the expression of each output column", typeConverter=_texts
    )

    def getLambdas(self) -> dict[str, str]:
        """Return the canonical text of each output column's expression."""
        return dict(self.getOrDefault(self.lambdas))

    def nodes(self) -> dict[str, Node]:
        """Return the expression of each output column."""
        return {output: parsed(text) for output, text in self.getLambdas().items()}

    def _with_outputs(self, schema: StructType) -> StructType:
        """Return the schema with the output columns; one that exists already is replaced only by itself."""
        nodes = self.nodes()
        existing = {name.casefold(): name for name in schema.names}
        for output, node in nodes.items():
            present = existing.get(output.casefold())
            if present is not None and BasisRef(present) not in _basis_refs(node):
                raise DslError(
                    f"output column {output!r} exists already; choose another name, or let its expression read "
                    f"'basis:{present}' to replace it"
                )
        added = {output: StructField(output, _SPARK_TYPES[node.dtype]) for output, node in nodes.items()}
        replaced = {output.casefold(): field for output, field in added.items()}
        kept = [replaced.pop(field.name.casefold(), field) for field in schema.fields]
        return StructType([*kept, *replaced.values()])


class DSLEstimator(Estimator["DSLModel"], _Expressions):
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
        return self._set(lambdas=_texts(value))

    def transformSchema(self, schema: StructType) -> StructType:
        """Return the schema that the model's `transform` gives for `schema`.

        Raises
        ------
        DslError
            An input is missing or of a type that cannot be read, or an output exists already.
        """
        nodes = self.nodes()
        settle(nodes, _find_bindings(nodes, schema))
        return self._with_outputs(schema)

    def fit_bound(self, dataset: DataFrame, bindings: Mapping[str, Binding]) -> DSLModel:
        """Fit for callers that know where each reference's values are, whatever the columns' metadata says.

        Parameters
        ----------
        dataset : DataFrame
            Read once, and only if the expressions have statistics.
        bindings : mapping of str to Binding
            By canonical name of the reference; others than those needed may be there.
        """
        nodes = self.nodes()
        self._with_outputs(dataset.schema)
        statistics = fit_statistics(dataset, settle(nodes, bindings), bindings, F)
        needed = {str(ref): asdict(bindings[str(ref)]) for ref in references(nodes.values(), for_scoring=True)}
        model = DSLModel(lambdas=self.getLambdas(), bindings=needed, statistics=statistics)
        return self._copyValues(model)._resetUid(self.uid)

    def _fit(self, dataset: DataFrame) -> DSLModel:
        check_frame(dataset, "dataset", DslTypeError)
        return self.fit_bound(dataset, _find_bindings(self.nodes(), dataset.schema))


class DSLModel(Model, _Expressions):
    """Expressions with their columns and statistics settled; made by `DSLEstimator.fit`.

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
        Params._dummy(), "bindings", "column, type and default of each reference", typeConverter=_mapping
    )
    statistics: Param[dict[str, Any]] = Param(
        Params._dummy(), "statistics", "fitted constants by canonical text", typeConverter=_mapping
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
        """Return where each reference finds its value."""
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
            The input columns; a value may be None, but a column must be there, as for `transform`.

        Returns
        -------
        dict of str to value
            What `transform` adds: None, float, int, str, bool, naive UTC datetime or list of float.

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
            The rows; of a DataFrame of Spark `transform` computes them.
        errors : {"raise", "return"}
            Whether the first row that cannot be computed raises, or its error takes the place of its answer.
        """
        if errors not in ("raise", "return"):
            raise DslTypeError(f"errors: expected 'raise' or 'return', found {errors!r}")
        answers: list[Any] = []
        for row in to_mappings(rows, self._types(), DslTypeError):
            try:
                answers.append(self.score_instance(row))
            except DslError as error:
                if errors == "raise":
                    raise
                answers.append(error)
        return answers

    def _types(self) -> dict[str, str]:
        return {binding.column: binding.type for binding in self.getBindings().values()}

    def copy(self, extra: Mapping[Param[Any], Any] | None = None) -> Self:
        """Return a copy with the same uid and some Params changed."""
        that = super().copy(dict(extra or {}))
        that._scorer = None
        return that

    def set(self, param: Param[Any], value: Any) -> None:
        """Set one Param."""
        self._scorer = None
        super().set(param, value)

    def clear(self, param: Param[Any]) -> None:
        """Take a Param's value away."""
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
        steps = in_steps(dataset, bound, bindings, F)
        return steps.frame.withColumns(compile_columns(steps.exprs, steps.bindings, F)).drop(*steps.parts)

    def _bound(self, schema: StructType) -> tuple[dict[str, Node], dict[str, Binding]]:
        """Bind the expressions to the frozen columns, with the types that they have in this schema."""
        bindings, types = {}, _types(schema)
        for ref, binding in self.getBindings().items():
            if binding.column not in types:
                raise UnknownReferenceError(
                    f"column {binding.column!r}, which {ref!r} was fitted on, is missing"
                    f"{nearest(binding.column, schema.names)}"
                )
            bindings[ref] = replace(binding, type=types[binding.column])
        return bind(self.nodes(), bindings, self.getStatistics()), bindings


def _find_bindings(nodes: Mapping[str, Node], schema: StructType) -> dict[str, Binding]:
    """Find the columns of references: a basis column by its name, a feature by its column's metadata."""
    features: dict[str, Binding] = {}
    for field in schema.fields:
        feature = (field.metadata or {}).get("feature")
        if isinstance(feature, dict) and isinstance(feature.get("ref"), str):
            dtype, default = field.dataType.simpleString(), feature.get("default")
            if dtype.startswith("array<") and isinstance(default, str):
                default = json.loads(default)  # lists in Spark's metadata are of one type, so these come as text
            # A renamed copy keeps the metadata; either one will do.
            features.setdefault(feature["ref"], Binding(field.name, dtype, default))
    types = _types(schema)
    return {str(ref): _find(ref, features, types) for ref in references(nodes.values())}


def _types(schema: StructType) -> dict[str, str]:
    """Return the types of all columns by name; asking the schema for one takes longer the more there are."""
    types: dict[str, str] = {}
    for field in schema.fields:
        types.setdefault(field.name, field.dataType.simpleString())
    return types


def _find(ref: FeatureRef | BasisRef, features: Mapping[str, Binding], types: Mapping[str, str]) -> Binding:
    if isinstance(ref, BasisRef):
        if ref.column not in types:
            raise UnknownReferenceError(f"column {ref.column!r} is missing{nearest(ref.column, types)}")
        return Binding(ref.column, types[ref.column])
    if str(ref) not in features:
        raise UnknownReferenceError(
            f"no column holds feature {str(ref)!r}{nearest(str(ref), features)}; put a PaletteTransformer with it "
            "before this stage, or use MLPipeline"
        )
    return features[str(ref)]


def _basis_refs(node: Node) -> list[FeatureRef | BasisRef]:
    return references([node], for_scoring=True)
