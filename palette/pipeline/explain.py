"""Text form of a fitted pipeline: inputs, look-ups, expressions, stages and outputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dsl.estimator import DSLModel
from palette.definitions.base import duration_text
from palette.pipeline.planning.input_columns import added_columns, input_params
from palette.pipeline.planning.lookup_times import explain_times
from palette.pipeline.planning.nested_stages import flat_stages
from palette.transformer import PaletteTransformer

if TYPE_CHECKING:
    from palette.pipeline.model import MLPipelineModel

__all__ = ["explain_model"]


def explain_model(model: MLPipelineModel) -> str:
    """Return the steps of a model in compute order; see :meth:`palette.MLPipelineModel.explain`."""
    stages = list(flat_stages(model.runnable()))
    lookups = [stage for stage in stages if isinstance(stage, PaletteTransformer)]
    types = model.getInputTypes()
    lines = ["basis"]
    lines += [f"  input   {column}: {types.get(column, 'unknown')}" for column in _inputs(stages)]
    if lookups:
        lines += explain_times(lookups)
        lines.append("  time    single rows: the latest values in the store that is passed; ttl counts at now=")
    for stage in stages:
        lines += _lines(stage, model)
    dropped = set() if model.getKeepFeatures() else set(model.looked_up)
    outputs = dict.fromkeys(column for stage in stages for column in added_columns(stage) if column not in dropped)
    return "\n".join([*lines, f"  output  {', '.join(outputs)}"])


def _inputs(stages: list[Any]) -> list[str]:
    """Return the columns that are read and not added by an earlier stage."""
    read: dict[str, None] = {}
    added: set[str] = set()
    for stage in stages:
        read |= {column: None for column in _reads(stage) if column not in added}
        added |= set(added_columns(stage))
    return list(read)


def _reads(stage: Any) -> Iterator[str]:
    if isinstance(stage, PaletteTransformer):
        for lookup in stage.store.lookups(stage.getFeatures()):
            yield from lookup.join_keys
        if (time := stage.getTimestampCol()) is not None:
            yield time
    elif isinstance(stage, DSLModel):
        yield from (binding.column for binding in stage.getBindings().values())
    else:
        yield from (column for _, column in input_params(stage))


def _lines(stage: Any, model: MLPipelineModel) -> Iterator[str]:
    if isinstance(stage, PaletteTransformer):
        pins = model.getPins() if stage.shares_store(model) else {}
        for lookup in stage.store.lookups(stage.getFeatures()):
            group = lookup.group
            fitted = pins.get(group.full_name)
            known = f"fitted on version {fitted}" if fitted is not None else "the newest version"
            ttl = "no ttl" if group.ttl is None else f"ttl {duration_text(group.ttl)}"
            names = ", ".join(lookup.columns.values())
            yield f"  lookup  {', '.join(lookup.join_keys)} -> {group.full_name}: {names} ({known}, {ttl})"
    elif isinstance(stage, DSLModel):
        yield from (f"  dsl     {column} = {text}" for column, text in stage.getLambdas().items())
    else:
        inputs = ", ".join(column for _, column in input_params(stage))
        outputs = ", ".join(added_columns(stage))
        yield f"  stage   {type(stage).__name__}: {inputs or '?'} -> {outputs or stage.uid}"
