"""Columns of a request row: those that it may leave out, and those that are known."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from palette.errors import UnknownColumnError, nearest
from palette.serving.steps import DslStep, LookupStep, Plan

__all__ = ["NO_CHECKS", "Checks", "ColumnCheck", "column_check", "skippable"]

ColumnCheck: TypeAlias = "Callable[[Mapping[str, Any]], None]"
SHOWN, LONGEST = 5, 80


@dataclass(frozen=True)
class Checks:
    """What is checked of a request besides its values.

    Parameters
    ----------
    columns : callable, optional
        Takes the row, and raises where it has unknown columns.
    """

    columns: ColumnCheck | None = None


NO_CHECKS = Checks()


def skippable(plan: Plan) -> set[int]:
    """Return the stages, by `id`, that are left out where a row lacks their input column.

    Spark leaves a StringIndexer out so, as that of a label at serving. One whose output a later step reads cannot be:
    Spark would refuse the frame at that step.
    """
    needed: set[str] = set()
    skipped: set[int] = set()
    for step in reversed(plan.steps):
        if isinstance(step, LookupStep):
            needed = needed.difference(step.columns).union(step.join_keys)
        elif isinstance(step, DslStep):
            read = {binding["column"] for binding in step.bindings.values()}
            needed = needed.difference(step.lambdas) | read
        else:
            others = needed.difference(step.outputs)
            parts = step.optional_parts
            skipped.update(id(one) for one in parts if needed.isdisjoint(one.outputs) and others.isdisjoint(one.inputs))
            needed = others.union(*(part.inputs for part in parts or (step,) if id(part) not in skipped))
    return skipped


def column_check(known: Collection[str]) -> ColumnCheck:
    """Return a check that raises :class:`palette.errors.UnknownColumnError` for rows with other columns than these.

    Examples
    --------
    >>> column_check({"r_id", "size"})({"rid": "r1", "size": 3})
    Traceback (most recent call last):
    palette.errors.UnknownColumnError: the row has unknown column 'rid' (did you mean 'r_id'?); leave it out
    """
    columns = frozenset(known)

    def check(row: Mapping[str, Any]) -> None:
        if not row.keys() <= columns:
            unknown = [name for name in row if name not in columns]
            parts = [f"{name!r:.{LONGEST}}" for name in unknown[:SHOWN]]
            near = [nearest(str(name)[:LONGEST], columns).removeprefix("; ") for name in unknown[:SHOWN]]
            named = [f"{part} ({hint})" if hint else part for part, hint in zip(parts, near, strict=True)]
            more = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
            plural = "" if len(unknown) == 1 else "s"
            raise UnknownColumnError(f"the row has unknown column{plural} {', '.join(named)}{more}; leave it out")

    return check
