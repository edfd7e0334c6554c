"""Self-tests: rows with the answers that Spark gave at fit time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dsl.errors import DslError
from dsl.json_values import decode, encode
from palette.errors import DataError
from palette.serving.compile import compile_plan
from palette.serving.plan import LookupStep, Plan
from palette.serving.stages import LocalStage
from palette.serving.stages.vectors import Sparse

if TYPE_CHECKING:
    from palette.online import LocalTable

__all__ = ["SelfTest", "without_lookups"]

TOLERANCE = LocalStage.tolerance


@dataclass(frozen=True)
class SelfTest:
    """A few requests with their answers.

    Parameters
    ----------
    types : dict of str to str
        The Spark types of the columns of a request, looked-up ones among them.
    requests, answers : list of dict
        Columns to plain Python values.
    """

    types: dict[str, str]
    requests: list[dict[str, Any]]
    answers: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """Return the rows as JSON holds them."""
        return {"types": self.types, "requests": _encode_rows(self.requests), "answers": _encode_rows(self.answers)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> SelfTest:
        """Return what :meth:`to_json` wrote."""
        return cls(plain["types"], _decode_rows(plain["requests"]), _decode_rows(plain["answers"]))

    def check(self, plan: Plan, name: str) -> None:
        """Compute the rows again.

        Raises
        ------
        DataError
            If an answer differs; ``name`` is in the message.
        """
        score = compile_plan(without_lookups(plan, self.types), _no_table)
        tolerance = max([TOLERANCE, *(step.tolerance for step in plan.steps if isinstance(step, LocalStage))])
        for request, answer in zip(self.requests, self.answers, strict=True):
            try:
                result = score(request, 0)
            except (DataError, DslError) as error:
                raise DataError(f"{name!r} fails its self-test: {error}") from error
            for column, value in result.items():
                if column in answer and not same(value, answer[column], tolerance):
                    raise DataError(
                        f"{name!r} fails its self-test: {column!r} is {value!r:.100} here, and when it was fitted "
                        f"{answer[column]!r:.100}; save the bundle again with the release that loads it"
                    )


def without_lookups(plan: Plan, types: Mapping[str, str]) -> Plan:
    """Return a plan that takes what it would look up from the row."""
    if not plan.groups and types.items() <= plan.inputs.items():
        return plan
    steps = tuple(step for step in plan.steps if not isinstance(step, LookupStep))
    looked_up = {column for step in plan.steps if isinstance(step, LookupStep) for column in step.columns}
    outputs = tuple(column for column in plan.outputs if column not in looked_up)
    return Plan(steps, outputs, {**plan.inputs, **types}, plan.runtime)


def same(one: Any, other: Any, tolerance: float = TOLERANCE) -> bool:
    """Return whether two values are equal, numbers up to a share of them, by default a billionth.

    Examples
    --------
    >>> same([1.0, float("nan")], [1.0 + 1e-12, float("nan")]), same(1.0, None)
    (True, False)
    """
    if isinstance(one, (list, tuple, Sparse)) and isinstance(other, (list, tuple, Sparse)):
        return len(one) == len(other) and all(same(a, b, tolerance) for a, b in zip(one, other, strict=True))
    if isinstance(one, float) and isinstance(other, float):
        return (one != one and other != other) or math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance)
    return bool(one == other)


def _encode_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: _encode(value) for name, value in row.items()} for row in rows]


def _decode_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: _decode(value) for name, value in row.items()} for row in rows]


def _encode(value: Any) -> Any:
    if isinstance(value, Sparse):
        return {"sparse": [value.size, value.indices, encode(value.values)]}
    return encode(value)


def _decode(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {"sparse"}:
        size, indices, values = value["sparse"]
        return Sparse(size, indices, decode(values))
    return decode(value)


def _no_table(group: str) -> LocalTable:
    raise DataError(f"a self-test reads no feature group, not {group}")
