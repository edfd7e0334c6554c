"""Finding features: words, filters, and what ranks them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from palette.catalog import fulltext, tables
from palette.catalog.writing import now
from palette.definitions.models import duration
from palette.definitions.types import canonical_type, utc
from palette.errors import DefinitionError, nearest

__all__ = ["Found", "search"]

KINDS = {"batch": "batch", "stream": "stream", "rpc": "rpc", "near real time": "stream"}
WEIGHED = 1000


@dataclass(frozen=True)
class Found:
    """A feature that was searched for.

    Parameters
    ----------
    expression : str
        ``entity:group:feature:keys``, with the entity's own key columns; put the basis's columns in their place.
    dtype, kind, owner, description : str
        As declared; the kind is ``batch``, ``stream``, ``rpc`` or empty.
    tags : tuple of str
        Those of the feature, its group and its entity.
    curated : bool
        Whether somebody vouches for it.
    deprecated : str, optional
        Why it should not be used any more.
    stars : float, optional
        The mean of people's ratings, 1 to 5.
    uses : int
        How many models use it.
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


def search(  # noqa: C901  one line a filter
    connection: sa.Connection,
    text: str | None,
    *,
    entity: str | None,
    group: str | None,
    dtype: str | None,
    kind: str | None,
    owner: str | None,
    tag: str | None,
    model: str | None,
    fresher_than: str | dt.timedelta | dt.datetime | None,
    curated: bool | None,
    limit: int,
) -> list[Found]:
    """Find features; see :meth:`palette.FeatureStore.search`."""
    if limit < 1:
        raise DefinitionError(f"limit: expected at least 1, found {limit}")
    feature = tables.features.c
    conditions: list[sa.ColumnElement[bool]] = []
    if entity is not None:
        conditions.append(feature.entity == entity)
    if group is not None:
        full = ":" in group or entity is None
        if full and ":" not in group:
            conditions.append(feature.group_name.endswith(f":{group}", autoescape=True))
        else:
            conditions.append(feature.group_name == (group if ":" in group else f"{entity}:{group}"))
    if dtype is not None:
        conditions.append(feature.dtype == canonical_type(dtype))
    if kind is not None:
        if kind not in KINDS:
            raise DefinitionError(f"unknown kind {kind!r}{nearest(kind, KINDS)} (kinds: {', '.join(KINDS)})")
        conditions.append(feature.kind == KINDS[kind])
    if owner is not None:
        conditions.append(feature.owner == owner)
    if curated is not None:
        conditions.append(feature.curated == curated)
    if tag is not None:
        conditions.append(feature.id.in_(sa.select(tables.tags.c.feature).where(tables.tags.c.tag == tag)))
    if model is not None:
        used = tables.model_features.c
        conditions.append(feature.name.in_(sa.select(used.feature).where(used.model == model)))
    if fresher_than is not None:
        mark = tables.watermarks.c
        fresh = sa.select(mark.group_name).where(mark.value >= _since(fresher_than))
        conditions.append(feature.group_name.in_(fresh))
    return [_found(row) for row in _rows(connection, text, conditions, limit)]


def _rows(
    connection: sa.Connection, text: str | None, conditions: list[sa.ColumnElement[bool]], limit: int
) -> list[Any]:
    feature = tables.features.c
    if text is None or not text.strip():
        order = (feature.curated.desc(), feature.uses.desc(), feature.name)
        return list(connection.execute(sa.select(tables.features).where(*conditions).order_by(*order).limit(limit)))
    wanted = list(dict.fromkeys(fulltext.words(text)))[:20]
    if not wanted:
        return []
    for every in (True, False) if len(wanted) > 1 else (True,):
        hit = fulltext.match(connection.dialect.name, wanted, every=every)
        texts = sa.select(hit.number.label("number"), hit.rank.label("rank")).where(hit.condition)
        if not conditions:
            # Of very many hits only those with the best texts are weighed.
            texts = texts.order_by(sa.desc("rank")).limit(max(WEIGHED, limit))
        hits = texts.cte("hits")
        # First the numbers of the best, then their rows: the sort carries little.
        worth = hits.c.rank * (
            1.0
            + sa.case((feature.curated, 0.5), else_=0.0)
            + 0.5 * feature.uses / (feature.uses + 10.0)
            + 0.1 * (sa.func.coalesce(feature.stars, 3.0) - 3.0)
        )
        worth = worth * sa.case((feature.deprecated.is_not(None), 0.02), else_=1.0)
        best = (
            sa.select(feature.id)
            .join_from(hits, tables.features, feature.id == hits.c.number)
            .where(*conditions)
            .order_by(worth.desc(), feature.name)
            .limit(limit)
        )
        numbers = list(connection.scalars(best))
        if numbers:
            rows = {row.id: row for row in _by_number(connection, numbers)}
            return [rows[number] for number in numbers]
    return []


def _by_number(connection: sa.Connection, numbers: list[int]) -> list[Any]:
    return list(connection.execute(sa.select(tables.features).where(tables.features.c.id.in_(numbers))))


def _found(row: Any) -> Found:
    return Found(
        expression=row.expression,
        dtype=row.dtype,
        kind=row.kind,
        owner=row.owner,
        description=row.description,
        tags=tuple(row.tag_list.split("\n")) if row.tag_list else (),
        curated=row.curated,
        deprecated=row.deprecated,
        stars=None if row.stars is None else float(row.stars),
        uses=row.uses,
    )


def _since(asked: str | dt.timedelta | dt.datetime) -> dt.datetime:
    if isinstance(asked, dt.datetime):
        return utc(asked)
    try:
        return now() - (duration(asked) if isinstance(asked, str) else asked)
    except ValueError as error:
        raise DefinitionError(f"fresher_than: {error}") from error
