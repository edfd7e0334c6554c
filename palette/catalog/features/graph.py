"""The forms of a lineage: a tree for people, JSON for machines, a graph for Graphviz."""

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
                lines += [title, *_branches(tree, self.subject)]
        lines += ["nothing is known of where it comes from, or goes"] if len(lines) == 1 else []
        return "\n".join(lines + [printable(f"({note})") for note in self.notes])

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Show it in notebooks as for people."""
        printer.text(str(self))

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


def _children(pairs: Iterable[tuple[Node, Node, str]]) -> dict[Node, list[tuple[Node, str]]]:
    tree: dict[Node, list[tuple[Node, str]]] = {}
    for parent, child, about in pairs:
        tree.setdefault(parent, []).append((child, about))
    return tree


def _branches(
    tree: dict[Node, list[tuple[Node, str]]], node: Node, indent: str = "", above: tuple[Node, ...] = ()
) -> Iterator[str]:
    children, above = tree.get(node, []), (*above, node)
    for place, (child, about) in enumerate(children):
        last = place == len(children) - 1
        yield printable(f"{indent}{'└─' if last else '├─'} {' '.join(child)}{f'  ({about})' if about else ''}")
        # Groups may read each other's tables.
        if child not in above:
            yield from _branches(tree, child, indent + ("   " if last else "│  "), above)


def _dot(text: str) -> str:
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')
