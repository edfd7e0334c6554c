"""Lineage of features, groups, tables and models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from palette.catalog.features.graph import Edge, Lineage, Node
from palette.catalog.features.origins import GroupTables, Origin, mentions, origins, same_table
from palette.errors import ArgumentError, NotFoundError, nearest

if TYPE_CHECKING:
    from palette.catalog.catalog import SqlCatalog
    from palette.catalog.models.versions import Use

__all__ = ["Edge", "Lineage", "Node", "lineage"]


def lineage(catalog: SqlCatalog, name: str, tables: str | None = None) -> Lineage:
    """Return what a subject is computed from, and what is computed from it.

    Parameters
    ----------
    catalog : SqlCatalog
        The catalog.
    name : str
        ``entity:group:feature`` (or an expression), ``entity:group``, a model, or a table that a source reads, for a
        file its path; with ``model:`` or ``table:`` before it where a model and a table have the same name. A removed
        feature or group is known as long as a model uses it.
    tables : str, optional
        Location of the groups' tables, to follow groups that are computed from other groups.

    Raises
    ------
    NotFoundError
        If nothing has that name; near names are offered.
    ArgumentError
        If a model and a table have that name.
    """
    search = _Search(catalog, tables)
    subject = search.subject(name)
    up, down = tuple(search.edges_up(subject)), tuple(search.edges_down(subject))
    return Lineage(subject, up, down, tuple(dict.fromkeys(search.notes)))


class _Search:
    def __init__(self, catalog: SqlCatalog, tables: str | None) -> None:
        self._catalog = catalog
        self._groups = catalog.definitions.groups()
        self._own = GroupTables(tables, self._groups)
        self.notes: list[str] = []

    def subject(self, name: str) -> Node:
        parts = name.removeprefix("@palette:").split(":")
        # First, because an entity may have the name table or model.
        if len(parts) in (2, 3, 4) and ":".join(parts[:2]) in self._groups:
            return self._feature(parts)
        kind, colon, rest = name.partition(":")
        if colon and kind == "model":
            return self._model(rest)
        if colon and kind == "table":
            return self._table(rest)
        tables = self._tables(name)
        if not tables and "/" not in name and len(parts) > 1:
            return self._feature(parts)
        is_model = bool(self._catalog.models.versions(name))
        if is_model and tables:
            raise ArgumentError(f"a model and a table have the name {name!r}: write model:{name} or table:{name}")
        return tables[0] if tables else self._model(name)

    def _feature(self, parts: list[str]) -> Node:
        group, name = ":".join(parts[:2]), ":".join(parts[:3])
        if len(parts) == 2:
            if group in self._groups or not self._removed([group]):
                self._catalog.definitions.group(group)
            return Node("group", group)
        if not self._has(name) and name not in self._removed([group]):
            self._catalog.definitions.group(group).feature(parts[2])
        return Node("feature", name)

    def _removed(self, groups: Iterable[str]) -> dict[str, str]:
        """Return the removed features of groups that models still use, with the group."""
        requested = set(groups)
        used = {name: name.rpartition(":")[0] for name in self._catalog.models.features_in_use()}
        return {name: group for name, group in used.items() if group in requested and not self._has(name)}

    def _has(self, feature: str) -> bool:
        group, _, name = feature.rpartition(":")
        return group in self._groups and name in self._groups[group].readable

    def _model(self, name: str) -> Node:
        if not self._catalog.models.versions(name):
            known = [
                *(node.name for node in self._origins()),
                *(model.name for model in self._catalog.models.versions()),
            ]
            raise NotFoundError(
                f"no model, and no table that a source reads, has the name {name!r}{nearest(name, known)}; "
                "features are ENTITY:GROUP:FEATURE"
            )
        return Node("model", name)

    def _table(self, name: str) -> Node:
        if nodes := self._tables(name):
            return nodes[0]
        known = (node.name for node in self._origins())
        raise NotFoundError(f"no source reads {name!r}{nearest(name, known)}")

    def _tables(self, name: str) -> list[Node]:
        groups = [group for group in self._groups.values() if mentions(group, name)]
        nodes = [Node(*origin) for group in groups for origin in origins(group)[0] if same_table(origin.name, name)]
        return list(dict.fromkeys(nodes))

    def _origins(self) -> list[Node]:
        nodes = [Node(*origin) for group in self._groups.values() for origin in origins(group)[0]]
        return list(dict.fromkeys(nodes))

    def edges_up(self, subject: Node) -> Iterator[Edge]:
        features: list[Node] = []
        if subject.kind == "model":
            for edge in self._uses(model=subject.name):
                features.append(edge.origin)
                yield edge
        elif subject.kind == "feature":
            features.append(subject)
        groups = [subject.name] if subject.kind == "group" else []
        for feature in features:
            if not self._has(feature.name):
                self._note_removed(feature.name)
                continue
            groups.append(group := feature.name.rpartition(":")[0])
            yield Edge(Node("group", group), feature)
        groups = list(dict.fromkeys(groups))
        for group in groups:
            if group not in self._groups:
                self._note_removed(group)
                continue
            read, unknown = origins(self._groups[group])
            self.notes += [unknown] if unknown else []
            for node in dict.fromkeys(map(self._node, read)):
                yield Edge(node, Node("group", group))
                # Groups that it reads are followed too: the loop reaches them.
                groups += [node.name] if node.kind == "group" and node.name not in groups else []

    def edges_down(self, subject: Node) -> Iterator[Edge]:
        if subject.kind == "model":
            return
        if subject.kind == "feature":
            for edge in self._readers(subject.name.rpartition(":")[0]):
                self.notes.append(f"{edge.result.name} reads the table of {edge.origin.name}, unknown which columns")
            yield from self._uses(features=[subject.name])
            return
        edges = [] if subject.kind == "group" else list(self._edges_to_groups(subject))
        yield from edges
        groups = [subject.name] if subject.kind == "group" else [edge.result.name for edge in edges]
        # The list grows while it is read: groups that read a group's table are followed too.
        for name in groups:
            for edge in self._readers(name):
                yield edge
                groups += [edge.result.name] if edge.result.name not in groups else []
        yield from self._edges_to_features(groups)

    def _edges_to_groups(self, origin: Node) -> Iterator[Edge]:
        """Yield the edges from a table, function, topic or service to the groups that read it."""
        unknown = 0
        for name, group in self._groups.items():
            if not mentions(group, origin.name):
                continue
            read, reason = origins(group)
            unknown += reason is not None
            if any(Node(*item) == origin for item in read):
                yield Edge(origin, Node("group", name))
        if unknown and origin.kind == "table":
            self.notes.append(f"feature groups whose tables are not known: {unknown}")

    def _edges_to_features(self, groups: list[str]) -> Iterator[Edge]:
        """Yield the edges from groups to their features, and from those to models."""
        applied = [name for name in groups if name in self._groups]
        features = {f"{name}:{feature}": name for name in applied for feature in self._groups[name].readable}
        for name, group_name in self._removed(groups).items():
            features[name] = group_name
            self._note_removed(name)
        uses = list(self._uses(features=features))
        declared = {f"{name}:{feature.name}" for name in applied for feature in self._groups[name].features}
        shown = declared | {use.origin.name for use in uses}
        for feature, group_name in features.items():
            if feature in shown:
                yield Edge(Node("group", group_name), Node("feature", feature))
        yield from uses

    def _node(self, origin: Origin) -> Node:
        """Return the node of an origin; the table of a feature group is that group."""
        group = self._own.group(origin.name) if origin.kind == "table" else None
        return Node(*origin) if group is None else Node("group", group)

    def _readers(self, name: str) -> Iterator[Edge]:
        """Yield the groups that read a group's table."""
        node = Node("group", name)
        for other, group in self._groups.items():
            if self._own.mentions(group, name) and node in map(self._node, origins(group)[0]):
                yield Edge(node, Node("group", other))

    def _note_removed(self, name: str) -> None:
        new_name = self._catalog.definitions.renamed_to(name)
        hint = "" if new_name is None else f": it was renamed to {new_name}"
        self.notes.append(f"{name} is not in the catalog any more{hint}")

    def _uses(self, **filters: Any) -> Iterator[Edge]:
        uses: dict[tuple[str, str], list[Use]] = {}
        for use in self._catalog.models.uses(**filters):
            uses.setdefault((use.feature, use.model), []).append(use)
        for (feature, model), versions in uses.items():
            yield Edge(Node("feature", feature), Node("model", model), _describe(versions))


def _describe(uses: list[Use]) -> str:
    """Return which versions use a feature, and its importance in the newest of them."""
    numbers = [use.version for use in uses]
    shown = ["..."] * (len(numbers) > 5) + [str(number) for number in numbers[-5:]]
    parts = [f"version{'s' * (len(numbers) > 1)} {', '.join(shown)}"]
    parts += [f"production {use.version}" for use in uses if use.stage == "production"]
    if uses[-1].importance is not None:
        parts.append(f"importance {uses[-1].importance:.3g}")
    return "; ".join(parts)
