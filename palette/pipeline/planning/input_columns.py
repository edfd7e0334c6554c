"""Validation of the input columns that a stage's Params name."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from pyspark.ml import Estimator
from pyspark.ml.evaluation import Evaluator

from palette.errors import SchemaError, nearest
from palette.pipeline.planning.lookup_placement import StageNeeds
from palette.pipeline.planning.nested_stages import DSL
from palette.pipeline.planning.stage_columns import INPUTS, named_columns, output_columns
from palette.transformer import PaletteTransformer

__all__ = ["added_columns", "check_inputs", "input_params", "may_add_others"]

# Inputs that are neither vectors nor columns to transform.
OTHER_INPUTS = ("userCol", "itemCol", "itemsCol", "offsetCol")
# Inputs of an estimator next to its features; its model does not need them.
FIT_INPUTS = ("labelCol", "weightCol", "censorCol", "ratingCol", "validationIndicatorCol", "foldCol", "qid_col")
# Stages whose Params of these names are outputs.
FORMULAS = ("RFormula", "RFormulaModel")


def input_params(stage: Any) -> Iterator[tuple[str, str]]:
    """Yield each Param that names an input column of a stage, with the column.

    Examples
    --------
    >>> from palette import PaletteTransformer
    >>> list(input_params(PaletteTransformer()))
    []
    """
    if isinstance(stage, (*DSL, PaletteTransformer)) or type(stage).__name__ in FORMULAS:
        return
    yield from named_columns(stage, (*INPUTS, *OTHER_INPUTS))
    if isinstance(stage, (Estimator, Evaluator)):
        yield from named_columns(stage, FIT_INPUTS)


def check_inputs(label: str, stage: Any, columns: Collection[str], later: Sequence[StageNeeds] = ()) -> None:
    """Validate that the input columns of a stage exist.

    Parameters
    ----------
    label : str
        Name of the stage in messages.
    stage : Estimator or Transformer
        The stage; its Params name the columns.
    columns : collection of str
        The existing columns.
    later : sequence of StageNeeds
        The stages after it, one of which may add the missing column.

    Raises
    ------
    SchemaError
        If one is missing; the message names the Param and near columns.
    """
    known = set(columns)
    missing = [(param, column) for param, column in input_params(stage) if column not in known]
    if not missing:
        return
    folded = {name.casefold() for name in columns}
    for param, column in missing:
        plain = column.casefold().replace("`", "")
        if plain in folded or plain.partition(".")[0] in folded:
            # Another case, backticks, a field of a struct: Spark resolves it.
            continue
        producer = next((needs.label for needs in later if column in needs.outputs), None)
        remedy = f"; {producer} adds it: put that stage before" if producer else nearest(column, columns)
        raise SchemaError(
            f"{label}: there is no column {column!r}, which its {param} names{remedy} (columns: {', '.join(columns)})"
        )


def added_columns(stage: Any) -> tuple[str, ...]:
    """Return the columns that a stage adds: a Spark ML stage, a DSL stage or a look-up."""
    if isinstance(stage, DSL):
        return tuple(stage.getLambdas())
    return stage.output_columns if isinstance(stage, PaletteTransformer) else output_columns(stage)


def may_add_others(stage: Any) -> bool:
    """Return whether a stage may add or drop columns that its Params do not name, as SQLTransformer does."""
    module = type(stage).__module__
    if module.startswith(("dsl.", "palette.")):
        return False
    known = module.startswith(("pyspark.ml.", "xgboost.")) and type(stage).__name__ not in FORMULAS
    return not (known and output_columns(stage))
