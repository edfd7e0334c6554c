"""Search of features by words and filters."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypedDict, Unpack

import sqlalchemy as sa

from palette.catalog import tables
from palette.catalog.definitions.serialize import parse_json
from palette.catalog.definitions.write import now
from palette.catalog.features import fulltext
from palette.definitions import duration
from palette.errors import ArgumentError, DefinitionError, nearest
from palette.times import utc
from palette.types import canonical_type

__all__ = ["COLUMNS", "Filters", "SearchResult", "describe", "search"]

KINDS = {"batch": "batch", "stream": "stream", "rpc": "rpc", "near real time": "stream"}
# Types that filters accept, where not only strings.
FILTER_TYPES: dict[str, dict[type, str]] = {
    "fresher_than": {str: 'a time span such as "2h"', dt.timedelta: "a timedelta", dt.datetime: "a datetime"},
    "curated": {bool: "a bool"},
}
MAX_WORDS = 20
FEATURE = tables.features.c


@dataclass(frozen=True)
class SearchResult:
    """A search result.

    Parameters
    ----------
    expression : str
        ``entity:group:feature:keys`` with the key columns of the entity, to be replaced by columns of the basis.
    dtype, kind, owner, description : str
        As declared; the kind is ``batch``, ``stream``, ``rpc`` or empty.
    tags : tuple of str
        Tags of the feature, its group and its entity.
    curated : bool
        Whether it is marked as curated.
    deprecated : str, optional
        Reason of its deprecation.
    stars : float, optional
        Mean rating, 1 to 5.
    uses : int
        Number of models that use it.
    """

    expression: str
    dtype: str
    kind: str
    owner: str
    description: str
    tags: tuple[str, ...]
    curated: bool
    deprecated: str | None
    stars: float | None
    uses: int


COLUMNS: dict[str, Callable[[SearchResult], object]] = {
    "feature": lambda feature: feature.expression,
    "type": lambda feature: feature.dtype,
    "models": lambda feature: feature.uses or None,
    "stars": lambda feature: feature.stars,
    "description": lambda feature: f"{_format_marks(feature)}{feature.description}".strip(),
}


def _format_marks(feature: SearchResult) -> str:
    marks = ["curated"] if feature.curated else []
    marks += [f"deprecated: {feature.deprecated}"] if feature.deprecated is not None else []
    return "".join(f"[{mark}] " for mark in marks)


RESULT = tuple(FEATURE[field.name] for field in fields(SearchResult))


class Filters(TypedDict, total=False):
    """Filters of :meth:`palette.FeatureStore.search`; None does not filter."""

    entity: str | None
    group: str | None
    dtype: str | None
    kind: str | None
    owner: str | None
    tag: str | Sequence[str] | None
    used_by: str | None
    fresher_than: str | dt.timedelta | dt.datetime | None
    curated: bool | None


def search(
    connection: sa.Connection, text: str | None, *, limit: int = 50, **filters: Unpack[Filters]
) -> list[SearchResult]:
    """Return the features that match, best first; see :meth:`palette.FeatureStore.search`."""
    if text is not None and not isinstance(text, str):
        raise ArgumentError(f"expected words to search for, found {type(text).__name__} {text!r:.80}")
    if not isinstance(limit, int):
        raise ArgumentError(f"limit: expected a number, found {type(limit).__name__} {limit!r:.80}")
    if limit < 1:
        raise ArgumentError(f"limit: expected at least 1, found {limit}")
    conditions = _conditions(filters)
    if text is None or not text.strip():
        return _best(connection, tables.features, conditions, FEATURE.worth, limit)
    for words, every in _queries(connection, text):
        match = fulltext.match(connection.dialect.name, words, every=every)
        score = match.rank * FEATURE.worth
        if features := _best(connection, match.source, [match.condition, *conditions], score, limit):
            return features
    return []


def describe(connection: sa.Connection, name: str) -> SearchResult | None:
    """Return the feature ``entity:group:feature`` as a search result, or None."""
    row = connection.execute(sa.select(*RESULT).where(FEATURE.name == name)).mappings().one_or_none()
    return None if row is None else _to_result(row)


def _queries(connection: sa.Connection, text: str) -> Iterator[tuple[list[str], bool]]:
    """Yield words, and whether all must match: all words; all words that occur; last, as the costliest, any word."""
    words = list(dict.fromkeys(fulltext.words(text, query=True)))[:MAX_WORDS]
    if words:
        yield words, True
    if len(words) > 1 and (known := _occurring(connection, words)):
        if known != words:
            yield known, True
        yield known, False


def _occurring(connection: sa.Connection, words: list[str]) -> list[str]:
    matches = [fulltext.match(connection.dialect.name, [word], every=True) for word in words]
    exists = (sa.exists().select_from(match.source).where(match.condition) for match in matches)
    return list(itertools.compress(words, connection.execute(sa.select(*exists)).one()))


def _best(
    connection: sa.Connection,
    source: sa.FromClause,
    conditions: list[sa.ColumnElement[bool]],
    score: sa.ColumnElement[float],
    limit: int,
) -> list[SearchResult]:
    # First the ids of the best, then their rows, so that the sort carries little.
    best = (
        sa.select(FEATURE.id, score.label("score"))
        .select_from(source)
        .where(*conditions)
        .order_by(sa.desc("score"), FEATURE.name)
        .limit(limit)
        .subquery()
    )
    rows = sa.select(*RESULT)
    rows = rows.join_from(best, tables.features, FEATURE.id == best.c.id).order_by(best.c.score.desc(), FEATURE.name)
    return [_to_result(row) for row in connection.execute(rows).mappings()]


def _to_result(row: sa.RowMapping) -> SearchResult:
    return SearchResult(**{**row, "tags": tuple(parse_json(row["tags"], list))})


def _conditions(filters: Mapping[str, Any]) -> list[sa.ColumnElement[bool]]:
    for name in filters:
        if name not in FILTERS:
            raise TypeError(f"search: unknown filter {name!r}{nearest(name, FILTERS)} (filters: {', '.join(FILTERS)})")
    return [FILTERS[name](_validate(name, value)) for name, value in filters.items() if value is not None]


def _validate(name: str, value: Any) -> Any:
    """Return the value of a filter, for tags a list; raise :class:`ArgumentError` if it has another type."""
    if name == "tag" and not isinstance(value, str):
        if isinstance(value, (list, tuple, set, frozenset)) and all(isinstance(tag, str) for tag in value):
            return list(value)
        raise ArgumentError(f"tag: expected a string or a list of strings, found {value!r:.80}")
    if name == "tag":
        return [value]
    types = FILTER_TYPES.get(name, {str: "a string"})
    if not isinstance(value, tuple(types)):
        raise ArgumentError(f"{name}: expected {' or '.join(types.values())}, found {value!r:.80}")
    return value


def _in_group(name: str) -> sa.ColumnElement[bool]:
    if ":" in name:
        return FEATURE.group_name == name
    group = tables.groups.c
    return FEATURE.group_name.in_(sa.select(group.name).where(group.name == group.entity + f":{name}"))


def _has_dtype(dtype: str) -> sa.ColumnElement[bool]:
    try:
        return FEATURE.dtype == canonical_type(dtype)
    except DefinitionError as error:
        raise ArgumentError(f"dtype: {error}") from None


def _has_kind(kind: str) -> sa.ColumnElement[bool]:
    if kind not in KINDS:
        raise ArgumentError(f"unknown kind {kind!r}{nearest(kind, KINDS)} (kinds: {', '.join(KINDS)})")
    return FEATURE.kind == KINDS[kind]


def _has_tags(tags: Sequence[str]) -> sa.ColumnElement[bool]:
    column = tables.tags.c
    return sa.and_(sa.true(), *(FEATURE.id.in_(sa.select(column.feature).where(column.tag == tag)) for tag in tags))


def _used_by(model: str) -> sa.ColumnElement[bool]:
    use = tables.model_features.c
    return FEATURE.name.in_(sa.select(use.feature).where(use.model == model))


def _fresher_than(time: str | dt.timedelta | dt.datetime) -> sa.ColumnElement[bool]:
    state = tables.feed_states.c
    fresh = sa.select(state.group_name).where(state.watermark >= _to_datetime(time))
    return FEATURE.group_name.in_(fresh)


FILTERS: dict[str, Callable[[Any], sa.ColumnElement[bool]]] = {
    "entity": lambda entity: FEATURE.entity == entity,
    "group": _in_group,
    "dtype": _has_dtype,
    "kind": _has_kind,
    "owner": lambda owner: FEATURE.owner == owner,
    "tag": _has_tags,
    "used_by": _used_by,
    "fresher_than": _fresher_than,
    "curated": lambda curated: FEATURE.curated == curated,
}


def _to_datetime(time: str | dt.timedelta | dt.datetime) -> dt.datetime:
    if isinstance(time, dt.datetime):
        return utc(time)
    try:
        return now() - (duration(time) if isinstance(time, str) else time)
    except (ValueError, OverflowError) as error:
        raise ArgumentError(f"fresher_than: {error}") from None
