"""Where the look-ups of a pipeline stand: where their join keys first exist, in as few places as possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dsl.refs import FeatureRef
from palette.errors import PlanError

__all__ = ["StageNeeds", "place_lookups"]


@dataclass(frozen=True)
class StageNeeds:
    """What a stage takes and gives, as far as look-ups are concerned.

    Parameters
    ----------
    label : str
        Names the stage in errors.
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
    positions that serve all features are taken, and of these the earliest.

    Raises
    ------
    PlanError
        If stages wait for each other, a join key is derived after it is needed, or replaced between two stages
        that need one feature; the expression is named.

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
    """Refuse a feature that is looked up for one stage and would be stale for a later one."""
    for key in ref.join_keys:
        for maker in stages[user:later]:
            if key in maker.outputs:
                raise PlanError(
                    f"{stages[user].label} and {stages[later].label} both need {ref.name!r}, but {maker.label} "
                    f"replaces its join key {key!r} in between; give the new key another name"
                )


def _too_late(ref: FeatureRef, key: str, needed: int, derived: int, stages: Sequence[StageNeeds]) -> PlanError:
    taker, giver = stages[needed], stages[derived]
    if derived == needed:
        return PlanError(
            f"cycle: {taker.label} needs {ref.name!r}, whose join key {key!r} it derives itself; "
            "derive the key in a stage before it"
        )
    if _depends(derived, needed, stages):
        return PlanError(
            f"cycle: {taker.label} needs {ref.name!r}, whose join key {key!r} comes from {giver.label}, "
            f"which in turn needs what {taker.label} derives"
        )
    return PlanError(
        f"{taker.label} needs {ref.name!r}, whose join key {key!r} is only derived by {giver.label}; "
        f"put {giver.label} before it"
    )


def _depends(stage: int, on: int, stages: Sequence[StageNeeds]) -> bool:
    """Tell whether a stage reads, directly or through others, what stage ``on`` derives."""
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
