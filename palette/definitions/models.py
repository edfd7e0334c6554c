"""Entity and FeatureGroup."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any

from pydantic import field_validator, model_validator

from palette.definitions.base import (
    Definition,
    Description,
    Label,
    Span,
    Tags,
    check_unique,
    validate_column,
    validate_name,
)
from palette.definitions.features import Feature
from palette.definitions.sources import BatchSource, Source, parse_source
from palette.errors import DefinitionError, FeatureNotFoundError, nearest
from palette.paths import has_scheme
from palette.types import KEY_TYPES, canonical_type

__all__ = ["Entity", "FeatureGroup"]

RESERVED = ("palette", "basis")
TABLE_NAME = re.compile(r"\w+(\.\w+){1,2}", re.ASCII)


class Entity(Definition):
    """A thing described by features: a restaurant, a courier, a plane.

    Parameters
    ----------
    name : str
        Matches ``[A-Za-z_][A-Za-z0-9_]*``; ``palette`` and ``basis`` are reserved.
    keys : dict of str to str
        Key column to type, in order; several for a composite key.
    description, owner : str
        For people.
    tags : sequence of str
        For search.

    Raises
    ------
    DefinitionError
        If a name or a type is wrong.

    Examples
    --------
    >>> Entity("restaurant", keys={"restaurant_uuid": "string"}).keys
    {'restaurant_uuid': 'string'}
    """

    name: str
    keys: dict[str, str]
    description: Description = ""
    owner: Label = ""
    tags: Tags = ()

    def __init__(self, /, name: str, keys: dict[str, str], **data: Any) -> None:
        super().__init__(name=name, keys=keys, **data)

    def __eq__(self, other: object) -> bool:
        # The order of a composite key is part of what it is; dicts compare without order.
        return super().__eq__(other) and isinstance(other, Entity) and list(self.keys) == list(other.keys)

    def __hash__(self) -> int:
        return hash(self.name)

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        if name in RESERVED:
            raise ValueError(f"{name!r} is reserved")
        return validate_name(name)

    @field_validator("keys")
    @classmethod
    def _keys(cls, keys: dict[str, str]) -> dict[str, str]:
        if not keys:
            raise ValueError("an entity needs at least one key column")
        check_unique([validate_column(column, "key column") for column in keys], "key column")
        types = {column: canonical_type(dtype) for column, dtype in keys.items()}
        for column, dtype in types.items():
            if dtype not in KEY_TYPES:
                raise ValueError(f"key column {column!r} cannot be {dtype} (key types: {', '.join(KEY_TYPES)})")
        return types


class FeatureGroup(Definition):
    """Features that are computed and read together, and their timestamps.

    Parameters
    ----------
    name : str
        Matches ``[A-Za-z_][A-Za-z0-9_]*``.
    entity : str or Entity
        The entity that the features describe.
    features : sequence of Feature
        In the order in which ties are compared. Features that the aggregates of the source compute may be left out; one
        that is declared may add a description, tags or a default.
    timestamp : str, optional
        Column with the event time, UTC. Without it the group is *static*: one row per key, always valid.
    created : str, optional
        Column with the time at which a row was written; stamped at ``write`` where absent.
    ttl : timedelta or str, optional
        A value older than this, by event time, is null. ``"30d"`` works as well.
    source : BatchSource, StreamSource or RPCSource, optional
        Source of the rows.
    table : str, optional
        An existing Delta table that others write: ``"schema.table"`` or ``"catalog.schema.table"`` of the
        metastore, an absolute path, or a URI such as ``"s3a://bucket/path"``. Its columns have the names of
        the keys, times and features; it may have more. It is read, and never written, compacted, vacuumed or deleted.
    description, owner : str
        For people.
    tags : sequence of str
        For search.

    Raises
    ------
    DefinitionError
        If names clash, a type is wrong, or a static group has a ttl.

    Examples
    --------
    >>> group = FeatureGroup("order_history", entity="restaurant", timestamp="event_timestamp", ttl="30d",
    ...                      features=[Feature("prep_time", "double")])
    >>> group.full_name, group.ttl, group.feature("prep_time").dtype
    ('restaurant:order_history', datetime.timedelta(days=30), 'double')
    """

    name: str
    entity: str
    features: tuple[Feature, ...] = ()
    timestamp: str | None = None
    created: str | None = None
    ttl: Span | None = None
    source: Source | None = None
    table: str | None = None
    description: Description = ""
    owner: Label = ""
    tags: Tags = ()

    def __init__(self, /, name: str, entity: str | Entity, features: Any = (), **data: Any) -> None:
        entity = entity.name if isinstance(entity, Entity) else entity
        if isinstance(features, Feature):
            raise DefinitionError(f"FeatureGroup {name!r:.200}: features: found one Feature, put it into a list")
        try:
            if "source" in data:
                data["source"] = parse_source(data["source"])
            if isinstance(features, (list, tuple)):
                features = _features(features, data.get("source"))
        except DefinitionError as error:
            raise DefinitionError(f"FeatureGroup {name!r:.200}: {error}") from None
        super().__init__(name=name, entity=entity, features=features, **data)

    @field_validator("name", "entity")
    @classmethod
    def _name(cls, name: str) -> str:
        return validate_name(name)

    @field_validator("timestamp", "created")
    @classmethod
    def _time(cls, name: str | None) -> str | None:
        return None if name is None else validate_column(name)

    @field_validator("table")
    @classmethod
    def _table(cls, table: str | None) -> str | None:
        if table is None or TABLE_NAME.fullmatch(table):
            return table
        if table.startswith("/") or has_scheme(table):
            return table.rstrip("/") or table
        raise ValueError(f"{table!r:.200} is neither schema.table nor an absolute path or URI")

    @model_validator(mode="after")
    def _consistent(self) -> FeatureGroup:
        if not self.features:
            raise ValueError("a feature group needs at least one feature")
        times = [column for column in (self.timestamp, self.created) if column is not None]
        check_unique(times + [feature.name for feature in self.features], "column")
        if self.ttl is not None and self.timestamp is None:
            raise ValueError("a group without timestamp is static and cannot have a ttl")
        if self.ttl is not None and self.ttl <= timedelta(0):
            raise ValueError(f"ttl must be positive, found {self.ttl}")
        if self.table is not None and self.source is not None:
            raise ValueError("an existing table is written by others: declare a table or a source, not both")
        if isinstance(self.source, BatchSource) and self.source.aggregates:
            self._check_aggregates(self.source)
        return self

    def _check_aggregates(self, source: BatchSource) -> None:
        if self.timestamp is None:
            raise ValueError(
                "aggregates are stamped with the end of their window: name that column, timestamp='window_end'"
            )
        computed = {feature.name: feature.dtype for feature in source.features()}
        for feature in self.features:
            if (dtype := computed.get(feature.name)) is None:
                raise ValueError(
                    f"{feature.name!r} is not a feature that the aggregates of the source compute"
                    f"{nearest(feature.name, computed)} (they compute {', '.join(computed)})"
                )
            if dtype != feature.dtype:
                raise ValueError(
                    f"{feature.name!r} is {feature.dtype}, but the source computes {dtype}: leave the type out"
                )

    @property
    def full_name(self) -> str:
        """``entity:name``."""
        return f"{self.entity}:{self.name}"

    @property
    def readable(self) -> dict[str, str]:
        """Type of every readable column: the features, then the timestamp and created columns."""
        columns = {feature.name: feature.dtype for feature in self.features}
        return columns | {column: "timestamp" for column in (self.timestamp, self.created) if column is not None}

    @cached_property
    def _by_name(self) -> dict[str, Feature]:
        return {feature.name: feature for feature in self.features}

    def feature(self, name: str) -> Feature:
        """Return the feature of this name; the timestamp and created columns count as features.

        Raises
        ------
        FeatureNotFoundError
            If it does not exist; near names are offered.
        """
        if (feature := self._by_name.get(name)) is not None:
            return feature
        if name in self.readable:
            return Feature(name, "timestamp")
        raise FeatureNotFoundError(
            f"feature group {self.full_name!r} has no feature {name!r}{nearest(name, self.readable)} "
            f"(it has {', '.join(self.readable)})"
        )


def _features(declared: Sequence[Any], source: Any) -> list[Any]:
    """Return the declared features, completed by those that the aggregates of the source compute."""
    computed = source.features() if isinstance(source, BatchSource) else ()
    types = {feature.name: feature.dtype for feature in computed}
    parsed = [_feature(item, types) for item in declared]
    if types.keys() <= {item.name for item in parsed if isinstance(item, Feature)}:
        return parsed
    # Only some are declared: then the order is that of the aggregates.
    merged: list[Any] = []
    for feature in computed:
        matches = [i for i, item in enumerate(parsed) if isinstance(item, Feature) and item.name == feature.name]
        merged.append(parsed.pop(matches[0]) if matches else feature)
    return merged + parsed


def _feature(declared: Any, types: dict[str, str]) -> Any:
    if not isinstance(declared, dict):
        return declared
    dtype = types.get(str(declared.get("name")))
    return Feature.of(declared if dtype is None else {"dtype": dtype, **declared})
