"""GroupSchema: a feature group together with its entity, and the columns that follow from both."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from palette.definitions.models import Entity, FeatureGroup
from palette.times import MICROSECOND

__all__ = ["GroupSchema"]


@dataclass(frozen=True)
class GroupSchema:
    """A feature group, its entity, and the columns of its rows.

    Parameters
    ----------
    entity : Entity
        Declares the key columns.
    group : FeatureGroup
        Declares the features, the columns of the times and the ttl.

    Examples
    --------
    >>> from palette import Entity, Feature, FeatureGroup
    >>> menu = FeatureGroup("menu", entity="shop", timestamp="at", ttl="1h", features=[Feature("dishes", "bigint")])
    >>> schema = GroupSchema(Entity("shop", keys={"id": "string"}), menu)
    >>> schema.name, schema.columns
    ('shop:menu', {'id': 'string', 'at': 'timestamp', 'dishes': 'bigint'})
    >>> schema.required, schema.identity(), schema.ttl_micros
    (('id', 'at'), ('id', 'at'), 3600000000)
    """

    entity: Entity
    group: FeatureGroup

    @property
    def name(self) -> str:
        """``entity:group``."""
        return self.group.full_name

    @property
    def keys(self) -> dict[str, str]:
        """Key columns with their types, in declared order."""
        return self.entity.keys

    @property
    def timestamp(self) -> str | None:
        """Column of the event time; None of a static group."""
        return self.group.timestamp

    @property
    def created(self) -> str | None:
        """Column of the time at which a row was written, if there is one."""
        return self.group.created

    @property
    def table(self) -> str | None:
        """The Delta table of others that the group reads, if it is one."""
        return self.group.table

    @cached_property
    def times(self) -> tuple[str, ...]:
        """The columns of times that the group has: event time, then created time."""
        return tuple(column for column in (self.timestamp, self.created) if column is not None)

    @cached_property
    def features(self) -> dict[str, str]:
        """Features with their types, in declared order."""
        return {feature.name: feature.dtype for feature in self.group.features}

    @cached_property
    def columns(self) -> dict[str, str]:
        """All columns of a stored row with their types: keys, times, features.

        Delta keeps statistics of the first columns only, and a merge or a look-up skips files by keys and times.
        """
        return {**self.keys, **dict.fromkeys(self.times, "timestamp"), **self.features}

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The columns that are never null in a stored row: keys and event time."""
        return (*self.keys, *([] if self.timestamp is None else [self.timestamp]))

    def identity(self, *, with_created: bool = True) -> tuple[str, ...]:
        """Return the columns that identify a row: keys, event time, and created time unless it is left out."""
        created = [self.created] if with_created and self.created is not None else []
        return (*self.required, *created)

    @cached_property
    def ttl_micros(self) -> int | None:
        """The ttl in microseconds, if there is one."""
        return None if self.group.ttl is None else self.group.ttl // MICROSECOND
