"""Lineage: what a feature, a group, a table or a model comes from, and what comes from it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from palette.catalog.origins import mentions, origins, same_table
from palette.errors import DefinitionError, FeatureNotFoundError, nearest
from palette.terminal import printable

if TYPE_CHECKING:
    from palette.catalog.sql import SqlCatalog

__all__ = ["Edge", "Lineage", "Node", "lineage"]

SHAPES = {"table": "cylinder", "feature": "ellipse", "model": "hexagon"}


class Node(NamedTuple):
    """A table, function, topic or service, a group, a feature, or a model."""

    kind: str
    name: str


@dataclass(frozen=True)
class Edge:
    """What comes from what.

    Parameters
    ----------
    origin, result : Node
        ``result`` is computed from ``origin``.
    about : str
        Of a model: which of its versions use the feature, and how much it matters to the newest.
    """

    origin: Node
    result: Node
    about: str = ""


@dataclass(frozen=True)
class Lineage:
    """Where one thing comes from, and what comes from it.

    Parameters
    ----------
    subject : Node
        Whose lineage this is.
    up, down : tuple of Edge
        What it comes from, and what comes from it.
    notes : tuple of str
        What is not known.

    Examples
    --------
    >>> group, feature = Node("group", "restaurant:menu"), Node("feature", "restaurant:menu:dishes")
    >>> print(Lineage(group, up=(Edge(Node("table", "orders"), group),), down=(Edge(group, feature),)))
    group restaurant:menu
    comes from
    └─ table orders
    goes into
    └─ feature restaurant:menu:dishes
    """

    subject: Node
    up: tuple[Edge, ...] = ()
    down: tuple[Edge, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        lines = [printable(" ".join(self.subject))]
        for title, tree in (
            ("comes from", _children((edge.result, edge.origin, edge.about) for edge in self.up)),
            ("goes into", _children((edge.origin, edge.result, edge.about) for edge in self.down)),
        ):
            if self.subject in tree:
                lines += [title, *_branches(tree, self.subject, "")]
        lines += ["nothing is known of where it comes from, or goes"] if len(lines) == 1 else []
        return "\n".join(lines + [printable(f"({note})") for note in self.notes])

    @property
    def nodes(self) -> list[Node]:
        """All things that are in it."""
        edges = (*self.up, *self.down)
        return list(dict.fromkeys([self.subject, *(node for edge in edges for node in (edge.origin, edge.result))]))

    def to_json(self) -> str:
        """Return it as JSON: the things, and edges from origin to result by their places in that list."""
        places = {node: place for place, node in enumerate(self.nodes)}
        edges = [
            {"from": places[edge.origin], "to": places[edge.result], "about": edge.about}
            for edge in (*self.up, *self.down)
        ]
        plain: dict[str, Any] = {"subject": self.subject._asdict(), "nodes": [node._asdict() for node in places]}
        return json.dumps(plain | {"edges": edges, "notes": list(self.notes)}, ensure_ascii=False)

    def to_dot(self) -> str:
        """Return it as a graph for Graphviz."""
        places = {node: place for place, node in enumerate(self.nodes)}
        lines = ["digraph lineage {", "  rankdir=LR;"]
        for node, place in places.items():
            style = ", style=bold" if node == self.subject else ""
            label = f"{_dot(node.kind)}\\n{_dot(node.name)}"
            lines.append(f'  n{place} [label="{label}", shape={SHAPES.get(node.kind, "box")}{style}];')
        for edge in (*self.up, *self.down):
            label = f' [label="{_dot(edge.about)}"]' if edge.about else ""
            lines.append(f"  n{places[edge.origin]} -> n{places[edge.result]}{label};")
        return "\n".join([*lines, "}"])


def lineage(catalog: SqlCatalog, name: str) -> Lineage:
    """Tell where a thing comes from, and what comes from it.

    Parameters
    ----------
    catalog : SqlCatalog
        Who knows.
    name : str
        ``entity:group:feature`` (or a whole expression), ``entity:group``, a model, or a table that a source reads;
        with ``model:`` or ``table:`` before it where two are called alike.

    Raises
    ------
    FeatureNotFoundError
        If there is nothing of that name; near names are offered.
    DefinitionError
        If a model and a table are called so.
    """
    search = _Search(catalog)
    subject = search.subject(name)
    up, down = tuple(search.edges_up(subject)), tuple(search.edges_down(subject))
    return Lineage(subject, up, down, tuple(dict.fromkeys(search.notes)))


class _Search:
    def __init__(self, catalog: SqlCatalog) -> None:
        self._catalog = catalog
        self._groups = catalog.groups()
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
        is_model = bool(self._catalog.models(name))
        if is_model and tables:
            raise DefinitionError(f"a model and a table are called {name!r}: write model:{name} or table:{name}")
        return tables[0] if tables else self._model(name)

    def _feature(self, parts: list[str]) -> Node:
        group = self._catalog.group(":".join(parts[:2]))
        if len(parts) == 2:
            return Node("group", group.full_name)
        group.feature(parts[2])
        return Node("feature", ":".join(parts[:3]))

    def _model(self, name: str) -> Node:
        if not self._catalog.models(name):
            known = [*(node.name for node in self._origins()), *(one.name for one in self._catalog.models())]
            raise FeatureNotFoundError(
                f"no model, and no table that a source reads, is called {name!r}{nearest(name, known)}; "
                "features are ENTITY:GROUP:FEATURE"
            )
        return Node("model", name)

    def _table(self, name: str) -> Node:
        if found := self._tables(name):
            return found[0]
        known = (node.name for node in self._origins())
        raise FeatureNotFoundError(f"no source reads {name!r}{nearest(name, known)}")

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
            group = feature.name.rpartition(":")[0]
            if group not in self._groups:
                self.notes.append(f"{feature.name} is not in the catalog any more")
                continue
            groups.append(group)
            yield Edge(Node("group", group), feature)
        for group in dict.fromkeys(groups):
            found, missing = origins(self._groups[group])
            self.notes += [missing] if missing else []
            yield from (Edge(Node(*origin), Node("group", group)) for origin in found)

    def edges_down(self, subject: Node) -> Iterator[Edge]:
        if subject.kind == "model":
            return
        if subject.kind == "feature":
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
        features = {f"{name}:{feature}": name for name in groups for feature in self._groups[name].readable}
        uses = list(self._uses(features=features))
        declared = {f"{name}:{feature.name}" for name in groups for feature in self._groups[name].features}
        shown = declared | {use.origin.name for use in uses}
        yield from (Edge(Node("group", name), Node("feature", one)) for one, name in features.items() if one in shown)
        yield from uses

    def _uses(self, **asked: Any) -> Iterator[Edge]:
        found: dict[tuple[str, str], list[Any]] = {}
        for use in self._catalog.uses(**asked):
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


def _children(pairs: Iterable[tuple[Node, Node, str]]) -> dict[Node, list[tuple[Node, str]]]:
    tree: dict[Node, list[tuple[Node, str]]] = {}
    for parent, child, about in pairs:
        tree.setdefault(parent, []).append((child, about))
    return tree


def _branches(tree: dict[Node, list[tuple[Node, str]]], node: Node, indent: str) -> Iterator[str]:
    children = tree.get(node, [])
    for place, (child, about) in enumerate(children):
        last = place == len(children) - 1
        yield printable(f"{indent}{'└─' if last else '├─'} {' '.join(child)}{f'  ({about})' if about else ''}")
        yield from _branches(tree, child, indent + ("   " if last else "│  "))


def _dot(text: str) -> str:
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')
