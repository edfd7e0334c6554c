"""Columns that a stage's Params name, checked before Spark looks for them."""

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

# What stages read that is no vector and no column to change.
OTHER_INPUTS = ("userCol", "itemCol", "itemsCol", "offsetCol")
# What an algorithm reads to learn, beside its features; a model does without.
FIT_INPUTS = ("labelCol", "weightCol", "censorCol", "ratingCol", "validationIndicatorCol", "foldCol", "qid_col")
# Stages whose Params of these names are what they make.
FORMULAS = ("RFormula", "RFormulaModel")


def input_params(stage: Any) -> Iterator[tuple[str, str]]:
    """Yield the Params that name columns which a stage reads, and the columns.

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
    """Refuse a stage that names columns which are not there.

    Parameters
    ----------
    label : str
        What the stage is called.
    stage : Estimator or Transformer
        Its Params say what it reads; to learn, and else to transform.
    columns : collection of str
        The columns at hand.
    later : sequence of StageNeeds
        The stages behind it, one of which may make what is missing.

    Raises
    ------
    SchemaError
        If one is missing; the Param and near columns are named.
    """
    known = set(columns)
    missing = [(param, column) for param, column in input_params(stage) if column not in known]
    if not missing:
        return
    folded = {name.casefold() for name in columns}
    for param, column in missing:
        plain = column.casefold().replace("`", "")
        if plain in folded or plain.partition(".")[0] in folded:
            # Another case, backticks, a field of a struct: as Spark resolves it.
            continue
        maker = next((needs.label for needs in later if column in needs.outputs), None)
        remedy = f"; {maker} makes it: put that before" if maker else nearest(column, columns)
        raise SchemaError(
            f"{label}: there is no column {column!r}, which its {param} names{remedy} (there are {', '.join(columns)})"
        )


def added_columns(stage: Any) -> tuple[str, ...]:
    """Return the columns that a stage adds: of Spark ML, of the DSL, or looked up."""
    if isinstance(stage, DSL):
        return tuple(stage.getLambdas())
    return stage.output_columns if isinstance(stage, PaletteTransformer) else output_columns(stage)


def may_add_others(stage: Any) -> bool:
    """Tell whether a stage may add or drop columns that its Params do not name, as SQLTransformer does."""
    module = type(stage).__module__
    if module.startswith(("dsl.", "palette.")):
        return False
    known = module.startswith(("pyspark.ml.", "xgboost.")) and type(stage).__name__ not in FORMULAS
    return not (known and output_columns(stage))
