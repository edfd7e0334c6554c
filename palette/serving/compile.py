"""Compiled plans: one function that reads tables in this process, one that waits for rows from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from palette.serving.analysis import analyze
from palette.serving.codegen import PlanCode
from palette.serving.plan import DslStep, LookupStep, Plan
from palette.serving.request import NO_CHECKS, Checks
from palette.serving.stages import LocalStage

if TYPE_CHECKING:
    from palette.online import LocalTable, RowLayout

__all__ = [
    "Levels",
    "Score",
    "check_plan",
    "compile_levels",
    "compile_plan",
    "computed_on",
    "known_columns",
    "levels_of",
    "numeric_columns",
    "output_types",
    "request_columns",
    "required_columns",
]

Score: TypeAlias = "Callable[[Mapping[str, Any], int], dict[str, Any]]"
Requests: TypeAlias = "tuple[tuple[str, Any], ...]"
Levels: TypeAlias = "Callable[[Mapping[str, Any], int], Generator[Requests, Sequence[Any], dict[str, Any]]]"


def compile_plan(
    plan: Plan, table: Callable[[str], LocalTable], *, status: bool = False, checks: Checks = NO_CHECKS
) -> Score:
    """Compile a plan to one function of a row and the time in microseconds.

    Parameters
    ----------
    plan : Plan
        What to compute.
    table : callable
        Returns the rows of a feature group; they are read at each call, so a live table may change.
    status : bool
        Whether ``<column>__status`` of each look-up is among the outputs: ``present``, ``null``, ``expired`` or
        ``missing``.
    checks : Checks
        What is checked of a row besides its values.

    Returns
    -------
    callable
        ``score(row, now)`` returns the plan's outputs; for a row that lacks a column that the plan reads it raises
        :class:`palette.errors.MissingColumnError`.

    Raises
    ------
    SnapshotError
        If a table lacks a feature, or holds it with another type.
    """
    if plan.groups:
        return _compile_lookups(plan, table, status=status, checks=checks)
    if checks.columns is not None:
        return _compile_steps(plan, checks)
    # The same for all stores and times; the self-test of a bundle and the first request share it.
    score: Score | None = vars(plan).get("_score")
    if score is None:
        score = vars(plan)["_score"] = _compile_steps(plan, NO_CHECKS)
    return score


def _compile_steps(plan: Plan, checks: Checks) -> Score:
    code = PlanCode(plan, checks)
    for step in plan.steps:
        if not isinstance(step, LookupStep):
            code.add(step)
    return code.function()


def _compile_lookups(plan: Plan, table: Callable[[str], LocalTable], *, status: bool, checks: Checks) -> Score:
    from palette.serving.lookup_code import LookupCode  # Plans without look-ups do without what stores import.

    code = PlanCode(plan, checks)
    lookups = LookupCode(code, status=status)
    for step in plan.steps:
        if isinstance(step, LookupStep):
            lookups.read_table(step, table(step.group.full_name))
        else:
            code.add(step)
    return code.function()


def compile_levels(
    plan: Plan, layout: Callable[[str], RowLayout], *, status: bool = False, checks: Checks = NO_CHECKS
) -> Levels:
    """Compile a plan whose rows are fetched from a store elsewhere, all that are known to be needed at once.

    Parameters
    ----------
    plan, status, checks
        As for :func:`compile_plan`.
    layout : callable
        Returns the layout of a feature group, which the rows that are sent have.

    Returns
    -------
    callable
        ``levels(row, now)`` is a generator. It yields, level by level, a tuple of (group, key), wants the packed rows
        of these sent in the same order, None where there is none, and returns the plan's outputs. Every row has the
        same number of levels.

    Raises
    ------
    SnapshotError
        If a group lacks a feature, or has it with another type.
    """
    from palette.serving.lookup_code import LookupCode

    code = PlanCode(plan, checks)
    lookups = LookupCode(code, status=status)
    for level in levels_of(plan):
        if isinstance(level, tuple):
            lookups.fetch(level, layout)
        else:
            code.add(level)
    return code.function()


def levels_of(plan: Plan) -> Iterator[tuple[LookupStep, ...] | DslStep | LocalStage]:
    """Yield the steps, look-ups that need nothing of each other together."""
    level: list[LookupStep] = []
    for step in plan.steps:
        if isinstance(step, LookupStep):
            if any(column in step.join_keys for before in level for column in before.columns):
                yield tuple(level)
                level = []
            level.append(step)
            continue
        if level:
            yield tuple(level)
            level = []
        yield step
    if level:
        yield tuple(level)


def check_plan(plan: Plan) -> None:
    """Raise what :func:`compile_plan` would raise about the plan itself, whatever the store."""
    analyze(plan)


def request_columns(plan: Plan) -> dict[str, str]:
    """Return the columns of a request row that a plan reads, with their Spark types; empty where unknown."""
    analysis = analyze(plan)
    return {**analysis.times, **analysis.requested}


def computed_on(plan: Plan) -> dict[str, str]:
    """Return those of the columns that something is computed or looked up from, without the time of a row."""
    return analyze(plan).requested


def numeric_columns(plan: Plan) -> set[str]:
    """Return those of the columns whose types are not known, but which stages need as numbers or vectors."""
    return analyze(plan).numeric


def required_columns(plan: Plan) -> tuple[str, ...]:
    """Return those of the columns that a request row must have; a value may be null."""
    return analyze(plan).required


def known_columns(plan: Plan) -> set[str]:
    """Return the columns that a request row may have: those that are read, and the others that fit saw."""
    return {*request_columns(plan), *plan.inputs}


def output_types(plan: Plan) -> dict[str, str]:
    """Return the columns of the answer with their Spark types; empty where unknown."""
    return analyze(plan).types
