"""Definition methods of FeatureStore: apply, plan, search."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from palette.definitions import Entity, FeatureGroup
from palette.display_list import Listing
from palette.errors import ArgumentError
from palette.store.apply import apply_definitions, apply_plan, flatten
from palette.store.base import StoreBase

if TYPE_CHECKING:
    from palette.catalog import Changes, Filters, SearchResult

__all__ = ["DefinitionMethods"]


class DefinitionMethods(StoreBase):
    """Definition methods of :class:`palette.FeatureStore`."""

    def apply(
        self,
        *definitions: Entity | FeatureGroup | str | Path | Iterable[Any] | Changes,
        allow_breaking: bool = False,
        prune: bool = False,
        remove: str | Sequence[str] = (),
        rename: Mapping[str, str] | None = None,
        drop_tables: bool = False,
    ) -> None:
        """Add, change or remove definitions, all or nothing; applying the same again changes nothing.

        Parameters
        ----------
        *definitions : Entity, FeatureGroup, list of them, path, or Changes
            A path is a YAML file or a folder of them. A plan that :meth:`plan` returned is carried out as it was shown,
            or rejected.
        allow_breaking : bool
            Whether features may disappear and types may change. Written tables follow, unless a type does not widen,
            or keys or event times change: then they must be rewritten.
        prune : bool
            Whether applied definitions that are not among these are removed; a breaking change.
        remove : str or sequence of str
            Names to remove: ``entity:group:feature``, ``entity:group``, or an entity without groups; a breaking change.
            The history stays in the catalog, and the column of a feature stays in the table.
        rename : mapping of str to str, optional
            ``entity:group`` or ``entity:group:feature`` to the new name of the group or feature; a breaking change,
            because models keep the old names. The table of a group is moved; Spark copies the values of a feature to a
            column of the new name. The definitions may contain the new form, and must do so where a source computes
            the feature.
        drop_tables : bool
            Whether the tables of removed groups are deleted afterwards, with all their versions.

        Raises
        ------
        DefinitionError
            If names clash, an entity is unknown, a change is breaking, or the catalog has changed since the plan.
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

        names = [remove] if isinstance(remove, str) else list(remove)
        if len(definitions) == 1 and isinstance(definitions[0], Changes):
            if options := _options_of_plan(prune, names, rename, drop_tables):
                raise ArgumentError(f"a plan is carried out as it was shown: give {options} to plan(), not to apply()")
            apply_plan(self, definitions[0], allow_breaking=allow_breaking)
            return
        items = list(flatten(definitions))
        if drop_tables or rename:
            plan = self.plan(items, prune=prune, remove=names, rename=rename, drop_tables=drop_tables)
            apply_plan(self, plan, allow_breaking=allow_breaking)
        else:
            apply_definitions(self, items, allow_breaking=allow_breaking, prune=prune, remove=names)

    def plan(
        self,
        *definitions: Entity | FeatureGroup | str | Path | Iterable[Any],
        prune: bool = False,
        remove: str | Sequence[str] = (),
        rename: Mapping[str, str] | None = None,
        drop_tables: bool = False,
    ) -> Changes:
        """Return what :meth:`apply` would change, which changes are breaking, and which models they affect.

        Parameters
        ----------
        *definitions : Entity, FeatureGroup, list of them, or path
            As for :meth:`apply`.
        prune : bool
            Whether applied definitions that are not among these would be removed.
        remove, rename, drop_tables
            As for :meth:`apply`.

        Returns
        -------
        Changes
            A plan to ``print``, and to give to :meth:`apply`.

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
        return self.catalog.definitions.plan(
            list(flatten(definitions)),
            prune=prune,
            remove=[remove] if isinstance(remove, str) else list(remove),
            rename=rename,
            drop_tables=drop_tables,
        )

    def search(self, text: str | None = None, *, limit: int = 50, **filters: Unpack[Filters]) -> Listing[SearchResult]:
        """Search features, best match first.

        Parameters
        ----------
        text : str, optional
            Words, or beginnings of words, of names, descriptions and tags. Features that match all of them are
            returned; words that occur nowhere are ignored. If no feature matches all words, those that match any are
            returned.
        limit : int
            Maximum number of features.
        entity, group, dtype, owner : str, optional
            Only features of these; a group is ``entity:group`` or its name.
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
            Only curated features, or only others.

        Returns
        -------
        list of SearchResult
            A REPL and notebooks show it as a table.

        Raises
        ------
        ArgumentError
            If a type, kind or time span is unknown, or a filter has another type.

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


def _options_of_plan(
    prune: bool, remove: Sequence[str], rename: Mapping[str, str] | None, drop_tables: bool
) -> str | None:
    """Return the first option that belongs to a plan, as it is written."""
    options = {"drop_tables=True": drop_tables, "rename=": rename, "prune=True": prune, "remove=": remove}
    return next((option for option, value in options.items() if value), None)
