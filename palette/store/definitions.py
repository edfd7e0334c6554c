"""What a store says about its definitions; the catalog knows them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from palette.catalog.definitions.resolve import resolve
from palette.definitions import Entity, Feature, FeatureGroup, load_definitions
from palette.display_list import Listing
from palette.errors import ArgumentError
from palette.store.arguments import entity_name, group_name
from palette.store.base import StoreBase

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from palette.catalog import Changes, Filters, Found

__all__ = ["DefinitionDoors"]


class DefinitionDoors(StoreBase):
    """Definitions of a store."""

    def apply(
        self,
        *definitions: Entity | FeatureGroup | str | Path | Iterable[Any] | Changes,
        allow_breaking: bool = False,
        prune: bool = False,
        remove: str | Sequence[str] = (),
        rename: Mapping[str, str] | None = None,
        drop_tables: bool = False,
    ) -> None:
        """Add, change or remove definitions, all or none; applying the same again changes nothing.

        Parameters
        ----------
        *definitions : Entity, FeatureGroup, list of them, path, or what :meth:`plan` returned
            A path is a YAML file or a folder of them. A plan is carried out as it was shown, or refused.
        allow_breaking : bool
            Lets features disappear and types change. Written tables follow, unless a type does not widen, or keys or
            event times change: then they must be made anew.
        prune : bool
            Whether what is applied and not among the definitions is removed; that is a breaking change.
        remove : str or sequence of str
            What is removed: ``entity:group:feature``, ``entity:group``, or an entity without groups; a breaking change.
            Its history stays in the catalog, and so does the column of a feature in the table.
        rename : mapping of str to str, optional
            ``entity:group`` or ``entity:group:feature`` to the new name of the group or feature; a breaking change, for
            models keep the old names. The table of a group is moved; the values of a feature are copied to a column of
            the new name, by Spark. The new definition may be among the definitions, and has to be where a source fills
            the feature.
        drop_tables : bool
            Whether the tables of groups that are removed are deleted after that, with all their versions.

        Raises
        ------
        DefinitionError
            If names clash, an entity is unknown, a change breaks what is there, or the catalog has changed since
            the plan.
        FeatureNotFoundError
            If something to remove is not applied.

        Examples
        --------
        >>> import tempfile
        >>> from palette import Entity, Feature, FeatureGroup, FeatureStore
        >>> store = FeatureStore(tempfile.mkdtemp())
        >>> store.apply(Entity("restaurant", keys={"id": "string"}),
        ...             FeatureGroup("menu", "restaurant", [Feature("dishes", "bigint"), Feature("price", "double")]))
        >>> store.apply(remove="restaurant:menu:price", allow_breaking=True)
        >>> [feature.name for feature in store.group("restaurant:menu").features]
        ['dishes']
        """
        from palette.catalog import Changes

        plan = definitions[0] if len(definitions) == 1 and isinstance(definitions[0], Changes) else None
        given = [] if plan is not None else list(_flat(definitions))
        remove = _names(remove)
        if plan is not None and (drop_tables or rename):
            word = "drop_tables=True" if drop_tables else "rename="
            raise ArgumentError(f"a plan is carried out as it was shown: give {word} to plan(), not to apply()")
        if drop_tables or rename:
            plan = self.plan(given, prune=prune, remove=remove, rename=rename, drop_tables=drop_tables)
            prune, remove = False, []
        tables = self._tables_to_drop(plan, allow_breaking=allow_breaking)
        self._check_existing_tables(given if plan is None else plan.definitions)
        with self._renamed_tables(plan, allow_breaking=allow_breaking):
            wanted = given if plan is None else plan
            self.catalog.definitions.apply(wanted, allow_breaking=allow_breaking, prune=prune, remove=remove)
        self.online.refresh()
        for group in tables:
            from palette.offline.delta.drop import drop_table

            drop_table(self.tables, group, _delta_session)

    def _check_existing_tables(self, definitions: Iterable[Any]) -> None:
        """Refuse tables of others that do not suit their groups, if a Spark session is there to ask."""
        found = list(definitions)
        groups = [one for one in found if isinstance(one, FeatureGroup) and one.table is not None]
        if not groups or (sql := sys.modules.get("pyspark.sql")) is None:
            return
        spark = sql.SparkSession.getActiveSession()
        if spark is not None and "delta" in spark.conf.get("spark.sql.extensions", "").lower():
            entities = self.catalog.definitions.entities() | {one.name: one for one in found if isinstance(one, Entity)}
            for group in groups:
                if group.entity in entities:
                    self.tables.check_existing(spark, entities[group.entity], group)

    @contextmanager
    def _renamed_tables(self, plan: Changes | None, *, allow_breaking: bool) -> Iterator[None]:
        """Let tables follow the renames of a plan, while the catalog changes; no run works on them meanwhile."""
        with ExitStack() as stack:
            if plan is not None and plan.renames:
                from palette.offline.delta.rename import copied_column, moved_table

                if not allow_breaking:
                    plan.refuse_breaking()
                new = {one.full_name: one for one in plan.definitions if isinstance(one, FeatureGroup)}
                columns: dict[str, list[tuple[str, str]]] = {}
                for name in dict.fromkeys(one.before.full_name for one in plan.renames):
                    stack.enter_context(self.catalog.feeds.lock(name))
                for one in plan.renames:
                    if one.kind == "group":
                        stack.enter_context(moved_table(self.tables, one.before, new[one.new], _delta_session))
                    else:
                        columns.setdefault(one.before.full_name, []).append(one.names)
                for name, pairs in columns.items():
                    copied_column(self.tables, self.group(name), pairs, _delta_session)
            yield

    def _tables_to_drop(self, plan: Changes | None, *, allow_breaking: bool) -> list[FeatureGroup]:
        """Return the groups whose tables a plan drops, or refuse before anything is changed."""
        if plan is None or not plan.drop_tables:
            return []
        if not allow_breaking:
            plan.refuse_breaking()
        groups = [self.group(name) for kind, name in plan.dropped if kind == "group"]
        groups = [group for group in groups if group.table is None]
        if groups:
            from palette.offline.delta.drop import check_droppable

            for group in groups:
                check_droppable(self.tables, group)
        return groups

    def plan(
        self,
        *definitions: Entity | FeatureGroup | str | Path | Iterable[Any],
        prune: bool = False,
        remove: str | Sequence[str] = (),
        rename: Mapping[str, str] | None = None,
        drop_tables: bool = False,
    ) -> Changes:
        """Tell what :meth:`apply` would change, which of it breaks, and which models that hits.

        Parameters
        ----------
        *definitions : Entity, FeatureGroup, list of them, or path
            As for :meth:`apply`.
        prune : bool
            Whether what is applied and not among the definitions would be removed.
        remove, rename, drop_tables
            As for :meth:`apply`.

        Returns
        -------
        Changes
            ``print`` it; :meth:`apply` carries it out.

        Raises
        ------
        DefinitionError
            If names clash or an entity is unknown.
        FeatureNotFoundError
            If something to remove is not applied.

        Examples
        --------
        >>> import tempfile
        >>> from palette import Entity, Feature, FeatureGroup, FeatureStore
        >>> store = FeatureStore(tempfile.mkdtemp())
        >>> plan = store.plan(Entity("plane", keys={"tailnum": "string"}))
        >>> print(plan)
        + entity plane
            keys tailnum
        1 added, 0 changed, 0 removed; none breaking
        >>> store.apply(plan)
        """
        found = list(_flat(definitions))
        how: dict[str, Any] = {"prune": prune, "remove": _names(remove), "rename": rename, "drop_tables": drop_tables}
        return self.catalog.definitions.plan(found, **how)

    def search(self, text: str | None = None, *, limit: int = 50, **filters: Unpack[Filters]) -> Listing[Found]:
        """Find features, best first.

        Parameters
        ----------
        text : str, optional
            Words, or beginnings of words, of names, descriptions and tags. Features with all of them are found; a
            word that is nowhere is left out. Where none has all, those with any are found.
        limit : int
            How many at most.
        entity, group, dtype, owner : str, optional
            Only features of these; a group is ``entity:group`` or just its name.
        tag : str or list of str, optional
            Only features with this tag, or with all of these.
        kind : {"batch", "stream", "rpc"}, optional
            Only features with such a source.
        used_by : str, optional
            Only features that a version of this model uses.
        fresher_than : str, timedelta or datetime, optional
            Only features of groups with a watermark not older than this: :meth:`materialize` sets them, :meth:`write`
            does not.
        curated : bool, optional
            Only features that somebody vouches for, or only others.

        Returns
        -------
        list of Found
            Shown as a table by a REPL and by notebooks.

        Raises
        ------
        DefinitionError
            If a type, kind or span of time is unknown, or a filter is of another type.

        Examples
        --------
        >>> import tempfile
        >>> from palette import Entity, Feature, FeatureGroup, FeatureStore
        >>> store = FeatureStore(tempfile.mkdtemp())
        >>> store.apply(Entity("restaurant", keys={"restaurant_uuid": "string"}),
        ...             FeatureGroup("menu", entity="restaurant", features=[Feature("avgPrice", "double")]))
        >>> [found.expression for found in store.search("price", entity="restaurant")]
        ['restaurant:menu:avgPrice:restaurant_uuid']
        >>> store.search("price")
        feature                                   type    models  stars  description
        restaurant:menu:avgPrice:restaurant_uuid  double
        """
        from palette.catalog.features.search import COLUMNS

        return Listing(self.catalog.features.search(text, limit=limit, **filters), COLUMNS)

    def group(self, name: str | FeatureGroup) -> FeatureGroup:
        """Return a feature group by its full name ``entity:group``.

        Raises
        ------
        FeatureNotFoundError
            If there is none; near names are offered.
        """
        return self.catalog.definitions.group(group_name(name))

    def resolve_group(self, name: str | FeatureGroup) -> tuple[Entity, FeatureGroup]:
        """Return the entity and the feature group of the full name ``entity:group``."""
        group = self.group(name)
        return self.entity(group.entity), group

    def entity(self, name: str | Entity) -> Entity:
        """Return an entity, or raise :class:`FeatureNotFoundError` with near names."""
        return self.catalog.definitions.entity(entity_name(name))

    def feature(self, name: str) -> Feature:
        """Return the feature that an expression names.

        Raises
        ------
        FeatureNotFoundError
            If the entity, the group or the feature is not in the catalog; near names are offered.
        SchemaError
            If the number of join keys is not the entity's number of keys.

        Examples
        --------
        >>> import tempfile
        >>> from palette import Entity, Feature, FeatureGroup, FeatureStore
        >>> store = FeatureStore(tempfile.mkdtemp())
        >>> store.apply(Entity("route", keys={"origin": "string", "dest": "string"}),
        ...             FeatureGroup("trips", entity="route", features=[Feature("minutes", "double")]))
        >>> store.feature("route:trips:minutes:from,to").dtype
        'double'
        """
        return resolve(self.catalog, name).feature


def _delta_session() -> SparkSession:
    from palette.session import active_session, require_delta

    spark = active_session()
    require_delta(spark)
    return spark


def _names(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _flat(definitions: Sequence[Any]) -> Iterator[Entity | FeatureGroup]:
    # Together, so that what two files define is told with both.
    if paths := [one for one in definitions if isinstance(one, (str, Path))]:
        yield from load_definitions(*paths)
    for definition in definitions:
        if isinstance(definition, (Entity, FeatureGroup)):
            yield definition
        elif isinstance(definition, (list, tuple)):
            yield from _flat(definition)
        elif not isinstance(definition, (str, Path)):
            raise ArgumentError(f"expected Entity, FeatureGroup or a path, found {type(definition).__name__}")
