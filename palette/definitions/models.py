"""Entity, Feature and FeatureGroup: what exists, said once."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import re
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_serializer, field_validator, model_validator

from dsl.constants import encode
from palette.definitions.sources import Source
from palette.definitions.types import KEY_TYPES, canonical_type, check_value, utc
from palette.errors import DefinitionError, FeatureNotFoundError, nearest

__all__ = ["Entity", "Feature", "FeatureGroup", "duration"]

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
RESERVED = ("palette", "basis")
DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|m|h|d|w)")
UNITS = {
    "us": "microseconds",
    "ms": "milliseconds",
    "s": "seconds",
    "m": "minutes",
    "h": "hours",
    "d": "days",
    "w": "weeks",
}


def duration(text: str) -> timedelta:
    """Return the time span that a text like ``"30d"``, ``"12h"`` or ``"15m"`` means.

    Raises
    ------
    ValueError
        If the text is no number with one of the units us, ms, s, m, h, d, w.

    Examples
    --------
    >>> duration("36h")
    datetime.timedelta(days=1, seconds=43200)
    """
    if not (match := DURATION.fullmatch(text.strip())):
        raise ValueError(f"{text!r} is no duration (write 30d, 12h, 15m, 45s)")
    return timedelta(**{UNITS[match[2]]: float(match[1])})


class _Definition(BaseModel):
    """A frozen model whose faults are reported as :class:`DefinitionError`."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            kind, name = type(self).__name__, data.get("name", "?")
            faults = "; ".join(_fault(fault) for fault in error.errors())
            raise DefinitionError(f"{kind} {name!r}: {faults}") from error


def _fault(fault: Any) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    text = fault["msg"].removeprefix("Value error, ")
    return f"{where}: {text}" if where else text


def _checked_name(name: str, what: str = "name") -> str:
    if not NAME.fullmatch(name):
        raise ValueError(f"{what} {name!r} must match [A-Za-z_][A-Za-z0-9_]*")
    return name


def _unique(names: list[str], what: str) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if (other := seen.get(name.lower())) is not None:
            same = f"{name!r} stands twice" if other == name else f"{other!r} and {name!r} differ only by case"
            raise ValueError(f"{what} {same}")
        seen[name.lower()] = name


class Entity(_Definition):
    """A thing that features describe: a restaurant, a courier, a plane.

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
    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()

    def __init__(self, name: str, keys: dict[str, str], **data: Any) -> None:
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
        return _checked_name(name)

    @field_validator("keys")
    @classmethod
    def _keys(cls, keys: dict[str, str]) -> dict[str, str]:
        if not keys:
            raise ValueError("an entity has at least one key column")
        _unique([_checked_name(column, "key column") for column in keys], "key column")
        types = {column: canonical_type(dtype) for column, dtype in keys.items()}
        for column, dtype in types.items():
            if dtype not in KEY_TYPES:
                raise ValueError(f"key column {column!r} cannot be {dtype} (key types: {', '.join(KEY_TYPES)})")
        return types


class Feature(_Definition):
    """One value of an entity.

    Parameters
    ----------
    name : str
        Matches ``[A-Za-z_][A-Za-z0-9_]*``.
    dtype : str
        See :func:`palette.definitions.types.canonical_type`.
    default : optional
        What one-argument ``nFill(x)`` fills with; it acts nowhere else.
    description, owner : str
        For people.
    tags : sequence of str
        For search.

    Raises
    ------
    DefinitionError
        If the name, the type, or the default's type is wrong.

    Examples
    --------
    >>> Feature("prep_time", "double", default=15)
    Feature('prep_time', 'double', default=15.0)
    """

    name: str
    dtype: str
    default: Any = None
    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()

    def __init__(self, name: str, dtype: str, default: Any = None, **data: Any) -> None:
        super().__init__(name=name, dtype=dtype, default=default, **data)

    def __repr__(self) -> str:
        default = "" if self.default is None else f", default={self.default!r}"
        return f"Feature({self.name!r}, {self.dtype!r}{default})"

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        return _checked_name(name)

    @field_validator("dtype")
    @classmethod
    def _dtype(cls, dtype: str) -> str:
        return canonical_type(dtype)

    @model_validator(mode="before")
    @classmethod
    def _default(cls, data: dict[str, Any]) -> dict[str, Any]:
        default = data.get("default")
        if default is None or not isinstance(data.get("dtype"), str):
            return data
        dtype = canonical_type(data["dtype"])
        if isinstance(default, str) and dtype == "timestamp":
            default = dt.datetime.fromisoformat(default)
        elif isinstance(default, str) and dtype == "date":
            default = dt.date.fromisoformat(default)
        elif isinstance(default, str) and dtype.startswith("decimal"):
            default = decimal.Decimal(default)
        elif default in ("NaN", "Infinity", "-Infinity") and dtype in ("float", "double"):
            default = float(default)
        return {**data, "default": check_value(default, dtype, "default")}

    @field_serializer("default")
    def _plain_default(self, default: Any) -> Any:
        # JSON has no words for these; _default reads the strings back.
        if isinstance(default, dt.date):
            return default.isoformat()
        if isinstance(default, float) and not math.isfinite(default):
            return "NaN" if math.isnan(default) else "Infinity" if default > 0 else "-Infinity"
        return str(default) if isinstance(default, decimal.Decimal) else default

    @property
    def constant(self) -> Any:
        """The default as JSON holds it and the DSL takes it: a decimal is a number, a date its midnight UTC."""
        default = self.default
        if isinstance(default, decimal.Decimal):
            return float(default)
        return encode(utc(default) if isinstance(default, dt.date) else default)


class FeatureGroup(_Definition):
    """Features that are computed and read together, with the rule of their time.

    Parameters
    ----------
    name : str
        Matches ``[A-Za-z_][A-Za-z0-9_]*``.
    entity : str or Entity
        Whose features these are.
    features : sequence of Feature
        In the order in which ties are compared.
    timestamp : str, optional
        Column with the event time, UTC. Without it the group is *static*: one row per key, always valid.
    created : str, optional
        Column with the time at which a row was written; stamped at ``write`` where absent.
    ttl : timedelta or str, optional
        A value older than this, by event time, is null. ``"30d"`` is taken as well.
    source : BatchSource, StreamSource or RPCSource, optional
        What fills the group.
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
    features: tuple[Feature, ...]
    timestamp: str | None = None
    created: str | None = None
    ttl: timedelta | None = None
    source: Source | None = None
    description: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()

    def __init__(self, name: str, entity: str | Entity, features: Any = (), **data: Any) -> None:
        entity = entity.name if isinstance(entity, Entity) else entity
        features = [Feature(**one) if isinstance(one, dict) else one for one in features]
        super().__init__(name=name, entity=entity, features=features, **data)

    @field_validator("name", "timestamp", "created")
    @classmethod
    def _name(cls, name: str | None) -> str | None:
        return None if name is None else _checked_name(name)

    @field_validator("ttl", mode="before")
    @classmethod
    def _ttl(cls, ttl: Any) -> Any:
        return duration(ttl) if isinstance(ttl, str) else ttl

    @field_serializer("ttl")
    def _plain_ttl(self, ttl: timedelta | None) -> str | None:
        if ttl is None:
            return None
        unit = next(unit for unit in reversed(UNITS) if not ttl % timedelta(**{UNITS[unit]: 1}))
        return f"{ttl // timedelta(**{UNITS[unit]: 1})}{unit}"

    @model_validator(mode="after")
    def _consistent(self) -> FeatureGroup:
        if not self.features:
            raise ValueError("a feature group has at least one feature")
        times = [column for column in (self.timestamp, self.created) if column is not None]
        _unique(times + [feature.name for feature in self.features], "column")
        if self.ttl is not None and self.timestamp is None:
            raise ValueError("a group without timestamp is static and cannot have a ttl")
        if self.ttl is not None and self.ttl <= timedelta(0):
            raise ValueError(f"ttl must be positive, found {self.ttl}")
        return self

    @property
    def full_name(self) -> str:
        """``entity:name``."""
        return f"{self.entity}:{self.name}"

    @property
    def readable(self) -> dict[str, str]:
        """Name to type of all that can be read: the features, then the timestamp and created columns."""
        columns = {feature.name: feature.dtype for feature in self.features}
        return columns | {column: "timestamp" for column in (self.timestamp, self.created) if column is not None}

    def feature(self, name: str) -> Feature:
        """Return the feature of this name; the timestamp and created columns count as features.

        Raises
        ------
        FeatureNotFoundError
            If there is none; near names are offered.
        """
        for feature in self.features:
            if feature.name == name:
                return feature
        if name in self.readable:
            return Feature(name, "timestamp")
        raise FeatureNotFoundError(
            f"feature group {self.full_name!r} has no feature {name!r}{nearest(name, self.readable)} "
            f"(it has {', '.join(self.readable)})"
        )
