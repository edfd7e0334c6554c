"""Lineage as a tree for people, as JSON, and as a graph for Graphviz."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from palette.terminal import printable

__all__ = ["Edge", "Lineage", "Node"]

SHAPES = {"table": "cylinder", "feature": "ellipse", "model": "hexagon"}


class Node(NamedTuple):
    """A table, function, topic or service, a group, a feature, or a model."""

    kind: str
    name: str


@dataclass(frozen=True)
class Edge:
    """One thing computed from another.

    Parameters
    ----------
    origin, result : Node
        ``result`` is computed from ``origin``.
    about : str
        For a model: the versions that use the feature, and its importance in the newest.
    """

    origin: Node
    result: Node
    about: str = ""


@dataclass(frozen=True)
class Lineage:
    """What a subject is computed from, and what is computed from it.

    Parameters
    ----------
    subject : Node
        The subject.
    up, down : tuple of Edge
        Edges to its origins, and to its results.
    notes : tuple of str
        Remarks about unknown edges.

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
                lines += [title, *_branches(tree, self.subject)]
        lines += ["no origins and no results are known"] if len(lines) == 1 else []
        return "\n".join(lines + [printable(f"({note})") for note in self.notes])

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Print the tree in notebooks."""
        printer.text(str(self))

    @property
    def nodes(self) -> list[Node]:
        """All nodes."""
        edges = (*self.up, *self.down)
        return list(dict.fromkeys([self.subject, *(node for edge in edges for node in (edge.origin, edge.result))]))

    def to_json(self) -> str:
        """Return it as JSON: the nodes, and edges from origin to result by their indices in that list."""
        indices = {node: index for index, node in enumerate(self.nodes)}
        edges = [
            {"from": indices[edge.origin], "to": indices[edge.result], "about": edge.about}
            for edge in (*self.up, *self.down)
        ]
        plain: dict[str, Any] = {"subject": self.subject._asdict(), "nodes": [node._asdict() for node in indices]}
        return json.dumps(plain | {"edges": edges, "notes": list(self.notes)}, ensure_ascii=False)

    def to_dot(self) -> str:
        """Return it as a graph for Graphviz."""
        indices = {node: index for index, node in enumerate(self.nodes)}
        lines = ["digraph lineage {", "  rankdir=LR;"]
        for node, index in indices.items():
            style = ", style=bold" if node == self.subject else ""
            label = f"{_dot(node.kind)}\\n{_dot(node.name)}"
            lines.append(f'  n{index} [label="{label}", shape={SHAPES.get(node.kind, "box")}{style}];')
        for edge in (*self.up, *self.down):
            label = f' [label="{_dot(edge.about)}"]' if edge.about else ""
            lines.append(f"  n{indices[edge.origin]} -> n{indices[edge.result]}{label};")
        return "\n".join([*lines, "}"])


def _children(pairs: Iterable[tuple[Node, Node, str]]) -> dict[Node, list[tuple[Node, str]]]:
    tree: dict[Node, list[tuple[Node, str]]] = {}
    for parent, child, about in pairs:
        tree.setdefault(parent, []).append((child, about))
    return tree


def _branches(
    tree: dict[Node, list[tuple[Node, str]]], node: Node, indent: str = "", above: tuple[Node, ...] = ()
) -> Iterator[str]:
    children, above = tree.get(node, []), (*above, node)
    for index, (child, about) in enumerate(children):
        last = index == len(children) - 1
        yield printable(f"{indent}{'└─' if last else '├─'} {' '.join(child)}{f'  ({about})' if about else ''}")
        # Groups may read each other's tables.
        if child not in above:
            yield from _branches(tree, child, indent + ("   " if last else "│  "), above)


def _dot(text: str) -> str:
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')
