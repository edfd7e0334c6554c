"""Placement of the look-ups of a pipeline: after their join keys exist, at as few positions as possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dsl.refs import FeatureRef
from palette.errors import PlanError

__all__ = ["StageNeeds", "place_lookups"]


@dataclass(frozen=True)
class StageNeeds:
    """Inputs and outputs of a stage, as far as look-ups need them.

    Parameters
    ----------
    label : str
        Name of the stage in messages.
    features : tuple of FeatureRef
        Features that must have been looked up before it.
    columns : tuple of str
        Columns that it reads.
    outputs : tuple of str
        Columns that it adds.
    """

    label: str
    features: tuple[FeatureRef, ...] = ()
    columns: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


def place_lookups(stages: Sequence[StageNeeds]) -> dict[int, tuple[FeatureRef, ...]]:
    """Return the features to look up before each stage, by the stage's position.

    A feature can be looked up from where its join keys exist until the first stage that needs it; the fewest
    positions that serve all features are chosen, and of these the earliest.

    Raises
    ------
    PlanError
        If stages depend on each other, a join key is derived after it is needed, or replaced between two stages
        that need the same feature; the message names the expression.

    Examples
    --------
    >>> from dsl.refs import parse_ref
    >>> lat, meals, busy = (parse_ref(f"restaurant:fg:{name}") for name in ("lat:r_id", "n_meal:r_id", "n_busy:region"))
    >>> plan = place_lookups([StageNeeds("dsl1", (lat,), outputs=("region",)), StageNeeds("dsl2", (meals, busy))])
    >>> {position: [ref.feature for ref in refs] for position, refs in plan.items()}
    {0: ['lat', 'n_meal'], 1: ['n_busy']}
    """
    spans: dict[FeatureRef, tuple[int, int]] = {}
    for position, stage in enumerate(stages):
        for ref in stage.features:
            if ref not in spans:
                spans[ref] = (_first_possible(ref, position, stages), position)
            else:
                _check_same_keys(ref, spans[ref][1], position, stages)
    chosen: list[int] = []
    for first, last in sorted(spans.values(), key=lambda span: span[1]):
        if not any(first <= position <= last for position in chosen):
            chosen.append(last)
    shared: dict[int, list[FeatureRef]] = {}
    for ref, (first, _) in spans.items():
        shared.setdefault(min(position for position in chosen if position >= first), []).append(ref)
    placed = {max(spans[ref][0] for ref in refs): tuple(refs) for refs in shared.values()}
    return dict(sorted(placed.items()))


def _first_possible(ref: FeatureRef, needed: int, stages: Sequence[StageNeeds]) -> int:
    """Return the first position at which all join keys exist; those that no stage derives are basis columns."""
    first = 0
    for key in ref.join_keys:
        deriving = [position for position, stage in enumerate(stages) if key in stage.outputs]
        before = [position for position in deriving if position < needed]
        if before:
            first = max(first, before[-1] + 1)
        elif deriving and key not in stages[deriving[0]].columns:  # else it replaces the column of the basis
            raise _too_late(ref, key, needed, deriving[0], stages)
    return first


def _check_same_keys(ref: FeatureRef, user: int, later: int, stages: Sequence[StageNeeds]) -> None:
    """Validate that the join keys of a feature do not change between two stages that need it."""
    for key in ref.join_keys:
        for stage in stages[user:later]:
            if key in stage.outputs:
                raise PlanError(
                    f"{stages[user].label} and {stages[later].label} both need {ref.name!r}, but {stage.label} "
                    f"replaces its join key {key!r} in between; give the new key another name"
                )


def _too_late(ref: FeatureRef, key: str, needed: int, derived: int, stages: Sequence[StageNeeds]) -> PlanError:
    consumer, producer = stages[needed], stages[derived]
    if derived == needed:
        return PlanError(
            f"cycle: {consumer.label} needs {ref.name!r}, whose join key {key!r} it derives itself; "
            "derive the key in a stage before it"
        )
    if _depends(derived, needed, stages):
        return PlanError(
            f"cycle: {consumer.label} needs {ref.name!r}, whose join key {key!r} comes from {producer.label}, "
            f"which needs columns that {consumer.label} derives"
        )
    return PlanError(
        f"{consumer.label} needs {ref.name!r}, whose join key {key!r} is only derived by {producer.label}; "
        f"put {producer.label} before it"
    )


def _depends(stage: int, on: int, stages: Sequence[StageNeeds]) -> bool:
    """Return whether a stage reads, directly or indirectly, columns that stage ``on`` derives."""
    waiting, seen = [stage], set()
    while waiting:
        current = waiting.pop()
        if current == on:
            return True
        if current in seen:
            continue
        seen.add(current)
        reads = {*stages[current].columns, *(key for ref in stages[current].features for key in ref.join_keys)}
        waiting.extend(other for other, needs in enumerate(stages) if reads & set(needs.outputs))
    return False
