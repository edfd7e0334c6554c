"""Plans: the look-ups, expressions and stages that score one row, as data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from palette.errors import DataError
from palette.serving.stages import LocalStage, stage_from_json, stage_to_json

if TYPE_CHECKING:
    from palette.definitions import Entity, FeatureGroup, GroupSchema

__all__ = ["DslStep", "LookupStep", "Plan", "Step"]


@dataclass(frozen=True)
class LookupStep:
    """Read features of one group through one tuple of join keys.

    Parameters
    ----------
    entity, group : Entity and FeatureGroup
        What is read, as it was defined at fit.
    join_keys : tuple of str
        Columns that hold the key, in the order of the entity's keys.
    columns : dict of str to str
        Column to feature.
    timestamp : str, optional
        The column with each row's own time, where ``transform`` looks up what was known then.
    """

    entity: Entity
    group: FeatureGroup
    join_keys: tuple[str, ...]
    columns: dict[str, str]
    timestamp: str | None = None

    @property
    def schema(self) -> GroupSchema:
        """The entity and the group as one."""
        from palette.definitions import GroupSchema

        return GroupSchema(self.entity, self.group)

    def to_json(self) -> dict[str, Any]:
        """Return this step as JSON holds it."""
        from palette.definitions.yaml.documents import to_plain

        return {
            "entity": to_plain(self.entity),
            "group": to_plain(self.group),
            "join_keys": list(self.join_keys),
            "columns": self.columns,
            **({} if self.timestamp is None else {"timestamp": self.timestamp}),
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> LookupStep:
        """Return the step that :meth:`to_json` wrote."""
        from palette.definitions import Entity, FeatureGroup
        from palette.definitions.yaml.documents import from_plain

        entity, group = from_plain(plain["entity"], "entities"), from_plain(plain["group"], "feature_groups")
        if not isinstance(entity, Entity) or not isinstance(group, FeatureGroup):
            raise DataError("a look-up needs an entity and a feature group")
        return cls(entity, group, tuple(plain["join_keys"]), dict(plain["columns"]), plain.get("timestamp"))


@dataclass(frozen=True)
class DslStep:
    """Compute expressions.

    Parameters
    ----------
    lambdas : dict of str to str
        Column to the canonical form of its expression.
    bindings : dict of str to dict
        Reference to column, type and default, as :class:`dsl.DSLModel` keeps them.
    statistics : dict of str to JSON value
        Canonical form to fitted constant, non-finite floats tagged.
    """

    lambdas: dict[str, str]
    bindings: dict[str, Any]
    statistics: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return this step as JSON holds it."""
        return {"lambdas": self.lambdas, "bindings": self.bindings, "statistics": self.statistics}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> DslStep:
        """Return the step that :meth:`to_json` wrote."""
        return cls(dict(plain["lambdas"]), dict(plain["bindings"]), dict(plain["statistics"]))


Step: TypeAlias = "LookupStep | DslStep | LocalStage"
KINDS: dict[str, type[LookupStep] | type[DslStep]] = {"lookup": LookupStep, "dsl": DslStep}


@dataclass(frozen=True)
class Plan:
    """Steps in order, and the columns that come out.

    Parameters
    ----------
    steps : tuple
        In compute order.
    outputs : tuple of str
        Columns of the answer.
    inputs : dict of str to str
        Column of the request row to its type.
    runtime : dict of str to JSON value
        What the pipeline was fitted on, as far as answers depend on it: the versions ``spark`` and ``java``. What is
        absent counts as the newest.
    """

    steps: tuple[Step, ...]
    outputs: tuple[str, ...]
    inputs: dict[str, str] = field(default_factory=dict)
    runtime: dict[str, Any] = field(default_factory=dict)

    @property
    def groups(self) -> tuple[str, ...]:
        """Full names of the feature groups that are read."""
        names = (step.group.full_name for step in self.steps if isinstance(step, LookupStep))
        return tuple(dict.fromkeys(names))

    def older_than(self, name: str, *version: int) -> bool:
        """Return whether the pipeline was fitted on a release of ``spark`` or ``java`` before this one.

        Examples
        --------
        >>> Plan((), (), runtime={"spark": "4.0.1"}).older_than("spark", 4, 1), Plan((), ()).older_than("java", 19)
        (True, False)
        """
        numbers = [int(number) for number in re.findall(r"\d+", self.runtime.get(name, ""))]
        return bool(numbers) and tuple(numbers[: len(version)]) < version

    def definitions(self, group: str) -> tuple[Entity, FeatureGroup]:
        """Return the entity and the feature group of a full name, as they were at fit.

        Raises
        ------
        DataError
            If the plan does not read that group.
        """
        for step in self.steps:
            if isinstance(step, LookupStep) and step.group.full_name == group:
                return step.entity, step.group
        raise DataError(f"the plan reads {', '.join(self.groups) or 'no feature group'}, not {group!r}")

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON holds it."""
        steps = []
        for step in self.steps:
            if isinstance(step, LocalStage):
                steps.append({"step": "stage", **stage_to_json(step)})
            else:
                kind = next(name for name, cls in KINDS.items() if isinstance(step, cls))
                steps.append({"step": kind, **step.to_json()})
        return {"steps": steps, "outputs": list(self.outputs), "inputs": self.inputs, "runtime": self.runtime}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Plan:
        """Return the plan that :meth:`to_json` wrote.

        Raises
        ------
        DataError
            If a step is unknown: a newer release wrote it.
        """
        steps: list[Step] = []
        for step in plain["steps"]:
            if step["step"] == "stage":
                steps.append(stage_from_json(step))
            elif step["step"] in KINDS:
                steps.append(KINDS[step["step"]].from_json(step))
            else:
                raise DataError(f"unknown step {step['step']!r}: a newer release wrote this plan")
        return cls(tuple(steps), tuple(plain["outputs"]), dict(plain["inputs"]), dict(plain.get("runtime", {})))
