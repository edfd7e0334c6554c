"""Trees as Python code: nested questions, each tree a block that assigns a variable."""

from __future__ import annotations

from collections.abc import Callable

from palette.serving.stages.base import Bind
from palette.serving.stages.trees.nodes import Trees

__all__ = ["GENERATED", "tree_lines"]

# Nodes of a model up to which code is generated: beyond, compiling it takes longer than a bundle should take to load.
GENERATED = 12_000


def tree_lines(
    trees: Trees, features: list[str], names: list[str], at_leaf: Callable[[int], str], bind: Bind
) -> list[str]:
    """Return lines that assign to one variable a tree what its leaf gives.

    Parameters
    ----------
    features : list of str
        Variables for the elements of the vector.
    names : list of str
        Variables to assign, one a tree.
    at_leaf : callable
        Returns, for a node that is a leaf, the name of what is assigned.
    bind : callable
        Returns the name of a constant.
    """
    lines: list[str] = []
    for root, name in zip(trees.roots, names, strict=True):
        waiting: list[tuple[int, int, str]] = [(root, 0, "")]
        while waiting:
            node, depth, before = waiting.pop()
            indent = " " * depth
            if before:
                lines.append(" " * (depth - 1) + before)
            if trees.feature[node] < 0:
                lines.append(f"{indent}{name} = {at_leaf(node)}")
                continue
            lines.append(f"{indent}if {_question(trees, node, features, bind)}:")
            waiting += [(trees.right[node], depth + 1, "else:"), (trees.left[node], depth + 1, "")]
    return lines


def _question(trees: Trees, node: int, features: list[str], bind: Bind) -> str:
    value = features[trees.feature[node]]
    if trees.choice[node] < 0:
        return f"{value} <= {bind(trees.threshold[node], ('threshold', trees.threshold[node]))}"
    way, *categories = trees.choices[trees.choice[node]]
    known = bind(frozenset(categories), ("categories", id(trees), node))
    return f"{value} {'in' if way == 1.0 else 'not in'} {known}"
