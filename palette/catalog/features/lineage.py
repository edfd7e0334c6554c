"""Lineage: what a feature, a group, a table or a model comes from, and what comes from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from palette.catalog.features.graph import Edge, Lineage, Node
from palette.catalog.features.origins import GroupTables, Origin, mentions, origins, same_table
from palette.errors import ArgumentError, NotFoundError, nearest

if TYPE_CHECKING:
    from palette.catalog.catalog import SqlCatalog

__all__ = ["Edge", "Lineage", "Node", "lineage"]


def lineage(catalog: SqlCatalog, name: str, tables: str | None = None) -> Lineage:
    """Tell where a thing comes from, and what comes from it.

    Parameters
    ----------
    catalog : SqlCatalog
        Who knows.
    name : str
        ``entity:group:feature`` (or a whole expression), ``entity:group``, a model, or a table that a source reads,
        of a file its path; with ``model:`` or ``table:`` before it where two are called alike. A feature or group that
        is removed is known as long as a model uses it.
    tables : str, optional
        Where the tables of the groups are, to follow groups that are computed from other groups.

    Raises
    ------
    NotFoundError
        If there is nothing of that name; near names are offered.
    ArgumentError
        If a model and a table are called so.
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
        # First, for an entity may be called table or model.
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
            raise ArgumentError(f"a model and a table are called {name!r}: write model:{name} or table:{name}")
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
        """Return the features that models use and these groups do not have any more, with the group."""
        wanted = set(groups)
        found = {name: name.rpartition(":")[0] for name in self._catalog.models.features_in_use()}
        return {name: group for name, group in found.items() if group in wanted and not self._has(name)}

    def _has(self, feature: str) -> bool:
        group, _, name = feature.rpartition(":")
        return group in self._groups and name in self._groups[group].readable

    def _model(self, name: str) -> Node:
        if not self._catalog.models.versions(name):
            known = [*(node.name for node in self._origins()), *(one.name for one in self._catalog.models.versions())]
            raise NotFoundError(
                f"no model, and no table that a source reads, is called {name!r}{nearest(name, known)}; "
                "features are ENTITY:GROUP:FEATURE"
            )
        return Node("model", name)

    def _table(self, name: str) -> Node:
        if found := self._tables(name):
            return found[0]
        known = (node.name for node in self._origins())
        raise NotFoundError(f"no source reads {name!r}{nearest(name, known)}")

    def _tables(self, name: str) -> list[Node]:
        groups = [group for group in self._groups.values() if mentions(group, name)]
        found = [Node(*origin) for group in groups for origin in origins(group)[0] if same_table(origin.name, name)]
        return list(dict.fromkeys(found))

    def _origins(self) -> list[Node]:
        found = [Node(*origin) for group in self._groups.values() for origin in origins(group)[0]]
        return list(dict.fromkeys(found))

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
            found, missing = origins(self._groups[group])
            self.notes += [missing] if missing else []
            for node in dict.fromkeys(map(self._node, found)):
                yield Edge(node, Node("group", group))
                # A group that is read is followed in its turn.
                groups += [node.name] if node.kind == "group" and node.name not in groups else []

    def edges_down(self, subject: Node) -> Iterator[Edge]:
        if subject.kind == "model":
            return
        if subject.kind == "feature":
            for edge in self._readers(subject.name.rpartition(":")[0]):
                told = f"{edge.result.name} reads the table of {edge.origin.name}; which columns of it is not known"
                self.notes.append(told)
            yield from self._uses(features=[subject.name])
            return
        groups = [subject.name] if subject.kind == "group" else []
        if not groups:
            unknown = 0
            for name, group in self._groups.items():
                if not mentions(group, subject.name):
                    continue
                found, missing = origins(group)
                unknown += missing is not None
                if any(Node(*origin) == subject for origin in found):
                    groups.append(name)
                    yield Edge(subject, Node("group", name))
            if unknown and subject.kind == "table":
                self.notes.append(f"feature groups of which it is not known what tables they read: {unknown}")
        for name in groups:
            for edge in self._readers(name):
                yield edge
                groups += [edge.result.name] if edge.result.name not in groups else []
        there = [name for name in groups if name in self._groups]
        features = {f"{name}:{feature}": name for name in there for feature in self._groups[name].readable}
        for name, group_name in self._removed(groups).items():
            features[name] = group_name
            self._note_removed(name)
        uses = list(self._uses(features=features))
        declared = {f"{name}:{feature.name}" for name in there for feature in self._groups[name].features}
        shown = declared | {use.origin.name for use in uses}
        yield from (Edge(Node("group", name), Node("feature", one)) for one, name in features.items() if one in shown)
        yield from uses

    def _node(self, origin: Origin) -> Node:
        """Return what is read; a table of a feature group is that group."""
        group = self._own.group(origin.name) if origin.kind == "table" else None
        return Node(*origin) if group is None else Node("group", group)

    def _readers(self, name: str) -> Iterator[Edge]:
        """Yield the groups that read a group's table."""
        node = Node("group", name)
        for other, group in self._groups.items():
            if self._own.mentions(group, name) and node in map(self._node, origins(group)[0]):
                yield Edge(node, Node("group", other))

    def _note_removed(self, name: str) -> None:
        now_called = self._catalog.definitions.renamed_to(name)
        told = "" if now_called is None else f": it is called {now_called} now"
        self.notes.append(f"{name} is not in the catalog any more{told}")

    def _uses(self, **asked: Any) -> Iterator[Edge]:
        found: dict[tuple[str, str], list[Any]] = {}
        for use in self._catalog.models.uses(**asked):
            found.setdefault((use.feature, use.model), []).append(use)
        for (feature, model), uses in found.items():
            yield Edge(Node("feature", feature), Node("model", model), _about(uses))


def _about(uses: list[Any]) -> str:
    """Tell which versions use a feature, and how much it matters to the newest of them."""
    numbers = [use.version for use in uses]
    shown = ["..."] * (len(numbers) > 5) + [str(number) for number in numbers[-5:]]
    told = [f"version{'s' * (len(numbers) > 1)} {', '.join(shown)}"]
    told += [f"production {use.version}" for use in uses if use.stage == "production"]
    if uses[-1].importance is not None:
        told.append(f"importance {uses[-1].importance:.3g}")
    return "; ".join(told)
