"""Look-ups of a join: one for each feature group and join key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from palette.definitions import Feature, FeatureGroup, GroupSchema

__all__ = ["Lookup", "ResolvedLookups"]


@dataclass(frozen=True)
class Lookup:
    """The features that are read from one feature group through one join key.

    Parameters
    ----------
    schema : GroupSchema
        The group and its entity.
    join_keys : tuple of str
        Columns of the basis, in the order of the entity's keys.
    columns : mapping of str to str
        Output column to the name of a feature of the group.

    Examples
    --------
    >>> from palette.definitions import Entity, Feature, FeatureGroup, GroupSchema
    >>> menu = FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "bigint")])
    >>> schema = GroupSchema(Entity("restaurant", keys={"id": "string"}), menu)
    >>> lookup = Lookup(schema, ("r_id",), {"n": "dishes"})
    >>> lookup.reference("dishes")
    'restaurant:menu:dishes:r_id'
    """

    schema: GroupSchema
    join_keys: tuple[str, ...]
    columns: Mapping[str, str]

    @property
    def group(self) -> FeatureGroup:
        """The feature group."""
        return self.schema.group

    def reference(self, feature: str) -> str:
        """Return the canonical expression of a feature that is read here."""
        return f"{self.schema.name}:{feature}:{','.join(self.join_keys)}"

    def metadata(self, feature: str, version: int) -> dict[str, Any]:
        """Return the metadata of an output column: expression, type and default of the feature, table version."""
        declared = self.group.feature(feature)
        default = declared.constant
        if isinstance(default, list):
            # As a JSON string: lists in Spark's metadata are of one type, and without nulls.
            default = json.dumps(default)
        origin = {"ref": self.reference(feature), "type": declared.dtype, "default": default}
        return {"feature": {**origin, "version": version}}


class ResolvedLookups(Sequence[Lookup]):
    """Look-ups with the order of their output columns.

    Parameters
    ----------
    lookups : iterable of Lookup
        Checked against the catalog: groups, features and the number of join keys.
    order : iterable of str, optional
        All output columns, in the order in which they are added; by default that of the look-ups.

    Examples
    --------
    >>> from palette.definitions import Entity, Feature, FeatureGroup, GroupSchema
    >>> menu = FeatureGroup("menu", entity="restaurant", features=[Feature("dishes", "bigint")])
    >>> schema = GroupSchema(Entity("restaurant", keys={"id": "string"}), menu)
    >>> lookups = ResolvedLookups([Lookup(schema, ("r_id",), {"n": "dishes", "m": "dishes"})], order=["m", "n"])
    >>> len(lookups), lookups.order, lookups.groups
    (1, ('m', 'n'), ('restaurant:menu',))
    """

    def __init__(self, lookups: Iterable[Lookup], order: Iterable[str] | None = None) -> None:
        self._lookups = tuple(lookups)
        columns = (column for lookup in self._lookups for column in lookup.columns) if order is None else order
        self.order = tuple(columns)

    def __getitem__(self, index: Any) -> Any:
        return self._lookups[index]

    def __iter__(self) -> Iterator[Lookup]:
        return iter(self._lookups)

    def __len__(self) -> int:
        return len(self._lookups)

    @property
    def features(self) -> dict[str, Feature]:
        """Output column to the declared feature, in order."""
        features = {
            column: lookup.group.feature(name) for lookup in self._lookups for column, name in lookup.columns.items()
        }
        return {column: features[column] for column in self.order}

    @property
    def groups(self) -> tuple[str, ...]:
        """Full names of the groups, each once."""
        return tuple(dict.fromkeys(lookup.schema.name for lookup in self._lookups))
