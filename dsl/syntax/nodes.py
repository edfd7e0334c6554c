"""The typed tree of an expression; `dsl.syntax.build` makes and checks it, `dsl.syntax.printer` prints it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, TypeAlias

from dsl.dtypes import NUM, READERS, DType
from dsl.errors import DslError, DslTypeError, Position
from dsl.refs import BasisRef, FeatureRef
from dsl.registry import REGISTRY, Function, Macro, Statistic

__all__ = ["MAX_DEPTH", "MAX_NODES", "Call", "Literal", "Node", "Operand", "Read", "Widen", "walk"]

MAX_DEPTH = 100
"""Nesting that the compilers, Spark and Spark Connect all handle."""
MAX_NODES = 10_000
"""Nodes of one expression, shared ones counted as often as they occur."""

_READER_OF = {dtype: name for name, dtype in READERS.items()}


class Node:
    """An expression.

    Python's operators build larger ones; ``==`` compares the trees, ``eq(a, b)`` builds a comparison.

    Examples
    --------
    >>> from dsl import nVal
    >>> nVal("basis:x") * 2 + 1
    <nVal('basis:x') * 2.0 + 1.0>
    >>> (nVal("basis:x") + 1) == (nVal("basis:x") + 1)
    True
    """

    __slots__ = ()
    dtype: DType
    position: Position | None
    size: int
    depth: int

    # The builder and the printer import this module, so `dsl.syntax` sets both.
    _build: ClassVar[Callable[..., Node]]
    _to_text: ClassVar[Callable[[Node], str]]

    def __add__(self, other: Operand) -> Node:
        return Node._build("add", self, other)

    def __radd__(self, other: Operand) -> Node:
        return Node._build("add", other, self)

    def __sub__(self, other: Operand) -> Node:
        return Node._build("sub", self, other)

    def __rsub__(self, other: Operand) -> Node:
        return Node._build("sub", other, self)

    def __mul__(self, other: Operand) -> Node:
        return Node._build("mul", self, other)

    def __rmul__(self, other: Operand) -> Node:
        return Node._build("mul", other, self)

    def __truediv__(self, other: Operand) -> Node:
        return Node._build("div", self, other)

    def __rtruediv__(self, other: Operand) -> Node:
        return Node._build("div", other, self)

    def __mod__(self, other: Operand) -> Node:
        return Node._build("mod", self, other)

    def __rmod__(self, other: Operand) -> Node:
        return Node._build("mod", other, self)

    def __neg__(self) -> Node:
        return Node._build("neg", self)

    def __lt__(self, other: Operand) -> Node:
        return Node._build("lt", self, other)

    def __le__(self, other: Operand) -> Node:
        return Node._build("le", self, other)

    def __gt__(self, other: Operand) -> Node:
        return Node._build("gt", self, other)

    def __ge__(self, other: Operand) -> Node:
        return Node._build("ge", self, other)

    def __bool__(self) -> bool:
        raise DslTypeError(
            "an expression has no truth value in Python; write if_, and_, or_, not_ (and a < b < c as two comparisons)",
            self.position,
        )

    def __repr__(self) -> str:
        return f"<{self}>"

    def __str__(self) -> str:
        return Node._to_text(self)


class _Leaf(Node):
    """A node without arguments."""

    __slots__ = ()

    @property
    def size(self) -> int:  # type: ignore[override]
        """Number of nodes."""
        return 1

    @property
    def depth(self) -> int:  # type: ignore[override]
        """Nesting."""
        return 1


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Literal(_Leaf):
    """A constant. Lists are held as tuples, weights as tuples of pairs; `plain` gives the Python value.

    Parameters
    ----------
    value : object
        None, or a value of the type.
    dtype : DType
        Its type.
    """

    value: Any
    dtype: DType
    position: Position | None = field(default=None, kw_only=True)
    _hash: int | None = field(init=False, default=None)

    def __eq__(self, other: object) -> bool:
        # repr, and not the value: 0.0 and -0.0 are two literals, NaN is one.
        if not isinstance(other, Literal):
            return NotImplemented
        return self is other or (self.dtype is other.dtype and repr(self.value) == repr(other.value))

    def __hash__(self) -> int:
        if self._hash is None:
            object.__setattr__(self, "_hash", hash((self.dtype, repr(self.value))))
        return self._hash  # type: ignore[return-value]

    def __reduce__(self) -> tuple[Any, ...]:
        # Strings have another hash in another process.
        return partial(Literal, position=self.position), (self.value, self.dtype)

    @property
    def plain(self) -> Any:
        """The value as function bodies take it: weights as a dict, lists as a list."""
        if self.value is None:
            return None
        if self.dtype is DType.WEIGHTS:
            return dict(self.value)
        return list(self.value) if isinstance(self.value, tuple) else self.value


@dataclass(frozen=True, slots=True, repr=False)
class Read(_Leaf):
    """The value of a feature or basis column, read as a type.

    Parameters
    ----------
    ref : FeatureRef or BasisRef
        The name of the feature or column.
    dtype : DType
        The type that it is read as.
    """

    ref: FeatureRef | BasisRef
    dtype: DType
    position: Position | None = field(default=None, kw_only=True, compare=False)

    @property
    def reader(self) -> str:
        """The function that reads this type: ``nVal`` and so on."""
        return _READER_OF[self.dtype]


@dataclass(frozen=True, slots=True, repr=False)
class Widen(Node):
    """An integer expression where a number is expected. It is not printed: parsing adds it again."""

    arg: Node

    @property
    def dtype(self) -> DType:  # type: ignore[override]
        """Always a number."""
        return NUM

    @property
    def position(self) -> Position | None:  # type: ignore[override]
        """The position of the integer."""
        return self.arg.position

    @property
    def size(self) -> int:  # type: ignore[override]
        """Number of nodes."""
        return self.arg.size + 1

    @property
    def depth(self) -> int:  # type: ignore[override]
        """Nesting; that of the integer, which has a limit already."""
        return self.arg.depth


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Call(Node):
    """A function applied to arguments; built by `dsl.syntax.build.call`, which checks them.

    Parameters
    ----------
    function : Function, Statistic or Macro
        The signature of the function called.
    args : tuple of Node
        The arguments as written; trailing ones may be left out.
    dtype : DType
        The type of the value.
    """

    function: Function | Statistic | Macro
    args: tuple[Node, ...]
    dtype: DType
    position: Position | None = field(default=None, kw_only=True)
    name: str = field(init=False)
    size: int = field(init=False)
    depth: int = field(init=False)
    _hash: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.function.name)
        object.__setattr__(self, "size", 1 + sum(arg.size for arg in self.args))
        object.__setattr__(self, "depth", 1 + max((arg.depth for arg in self.args), default=0))
        if self.size > MAX_NODES or self.depth > MAX_DEPTH:
            raise DslError(
                f"{self.name}: the expression is too large (at most {MAX_NODES} nodes, nested {MAX_DEPTH} deep); "
                "compute a part of it in an earlier stage",
                self.position,
            )
        # Stored, because a hash that walks the tree would make every look-up of a subexpression cost its size.
        object.__setattr__(self, "_hash", hash((self.name, self.args, self.dtype)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Call):
            return NotImplemented
        return self is other or (
            self._hash == other._hash
            and self.name == other.name
            and self.dtype is other.dtype
            and self.args == other.args
        )

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        # By name: the process that reads it has its own functions, and other hashes of strings.
        return _call, (self.name, self.args, self.dtype, self.position)


Operand: TypeAlias = "Node | float | str | bool | datetime | list[Any] | None"


def walk(node: Node, *, into: Callable[[Node], bool] | None = None) -> Iterator[Node]:
    """Yield the distinct nodes of a tree, each after those that it refers to.

    Parameters
    ----------
    node : Node
        The root.
    into : callable, optional
        Returns whether to visit the arguments of a node.
    """
    seen: set[Node] = set()
    stack = [(node, False)]
    while stack:
        current, entered = stack.pop()
        if entered:
            yield current
        elif current not in seen:
            seen.add(current)
            stack.append((current, True))
            if into is None or into(current):
                args = (
                    current.args if isinstance(current, Call) else (current.arg,) if isinstance(current, Widen) else ()
                )
                stack.extend((arg, False) for arg in reversed(args))


def _call(name: str, args: tuple[Node, ...], dtype: DType, position: Position | None) -> Call:
    return Call(REGISTRY.get(name), args, dtype, position=position)
