"""One record per function: both bodies, its types, its null rule and its examples.

A function of the language is a class with a docstring and two static methods: ``column(F, ...)`` builds a Spark Column,
``row(...)`` computes the same from plain Python values. Constant arguments reach both as plain Python values (a list
for ``STRINGS``, a dict for ``WEIGHTS``); the others are Columns, or Python values: ``float``, ``int`` within 64 bits,
``str``, ``bool``, naive UTC ``datetime``, ``list`` of ``float`` without nulls. Neither body may raise on data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from dsl.dtypes import DType, Var
from dsl.errors import DslTypeError

__all__ = ["DECLARED", "REQUIRED", "Arg", "Function", "Macro", "Nulls", "Signature", "Statistic"]


class Nulls(Enum):
    """Who deals with nulls: the framework (any null in, null out) or the function."""

    PROPAGATE = "propagate"
    HANDLED = "handled"


class _Absent(Enum):
    REQUIRED = "required"
    DECLARED = "declared"


REQUIRED = _Absent.REQUIRED
"""Default of an argument that must be given."""
DECLARED = _Absent.DECLARED
"""Default of a last argument that stands for the declared default of the feature read by the first one."""


@dataclass(frozen=True, slots=True)
class Arg:
    """One parameter of a function.

    Parameters
    ----------
    name : str
        As in the two bodies.
    dtype : DType or Var
        What it takes; parameters with the same variable take the same type.
    constant : bool, default False
        Whether it takes only a literal or a statistic.
    default : object, optional
        Value of an argument left out (trailing ones only), or `DECLARED`.
    repeated : bool, default False
        Whether it may be given several times. Several repeated parameters in a row repeat together, as the condition
        and the value of ``case`` do; the bodies take them as ``*args``. They are given at least once.
    check : callable, optional
        Called with a constant's value, never None; raises ValueError when it is a bad one.
    """

    name: str
    dtype: DType | Var
    constant: bool = False
    default: Any = REQUIRED
    repeated: bool = False
    check: Callable[[Any], object] | None = None

    @property
    def optional(self) -> bool:
        """Whether it can be left out."""
        return self.default is not REQUIRED


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signature:
    """What every registered function has.

    Parameters
    ----------
    name : str
        As people write it.
    args : tuple of Arg
        Its parameters.
    returns : DType or Var
        The type of its value.
    examples : sequence
        Pairs of arguments and value.
    doc : str
        Its docstring.
    family : str
        The module that defines it.
    """

    name: str
    args: tuple[Arg, ...]
    returns: DType | Var
    examples: Sequence[tuple[Any, Any]]
    doc: str
    family: str
    _repeated: tuple[Arg, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_repeated", tuple(arg for arg in self.args if arg.repeated))

    def parameters(self, count: int) -> tuple[Arg, ...]:
        """Return the parameter that each of `count` arguments belongs to.

        Raises
        ------
        DslTypeError
            The function does not take so many arguments.
        """
        if not self._repeated:
            required = sum(not arg.optional for arg in self.args)
            if required <= count <= len(self.args):
                return self.args[:count]
            raise self._wrong_count(count)
        first = self.args.index(self._repeated[0])
        before, after = self.args[:first], self.args[first + len(self._repeated) :]
        times, rest = divmod(count - len(before), len(self._repeated))
        required = sum(not arg.optional for arg in after)
        if times < 1 or not required <= rest <= len(after):
            raise self._wrong_count(count)
        return before + self._repeated * times + after[:rest]

    def missing(self, count: int) -> tuple[Arg, ...]:
        """Return the parameters left out, when `count` arguments are given."""
        given = self.parameters(count)
        return tuple(arg for arg in self.args if not arg.repeated and arg not in given)

    def _wrong_count(self, count: int) -> DslTypeError:
        return DslTypeError(f"{self.name}: expected {self.usage}, found {count} argument{'s' * (count != 1)}")

    @property
    def usage(self) -> str:
        """How it is called, for people: ``round(x, digits=0)``."""
        shown = []
        for arg in self.args:
            if arg.repeated:
                shown.append(f"{arg.name}...")
            elif arg.default is DECLARED:
                shown.append(f"{arg.name}=<declared>")
            else:
                shown.append(f"{arg.name}={arg.default!r}" if arg.optional else arg.name)
        return f"{self.name}({', '.join(shown)})"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Function(Signature):
    """A function of the language.

    Parameters
    ----------
    nulls : Nulls
        Its null rule.
    column, row : callable
        The two bodies.
    ulps : int
        How many units in the last place the two may differ.
    edges : mapping of str to sequence, optional
        Values worth trying, by parameter; they replace those of the parameter's type.
    inline : mapping of DType or None to str
        Python expressions that stand for a call of `row`, by the type of the function's variable (None: any type).
    """

    nulls: Nulls
    column: Callable[..., Any]
    row: Callable[..., Any]
    ulps: int = 0
    edges: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    inline: Mapping[DType | None, str] = field(default_factory=dict)

    def call(self, *args: Any) -> Any:
        """Compute the value for plain Python arguments, null rule and defaults included."""
        args += tuple(arg.default for arg in self.missing(len(args)))
        if self.nulls is Nulls.PROPAGATE and any(arg is None for arg in args):
            return None
        return self.row(*args)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Statistic(Signature):
    """A figure of the training data, frozen when an estimator is fitted.

    Parameters
    ----------
    aggregate : callable
        ``aggregate(F, x, **constants)`` returns one aggregate Column that skips null and NaN.
    finish : callable
        ``finish(value, **constants)`` makes the frozen constant out of the collected value.
    grouped : bool
        Whether there is one aggregate for each value of the first argument, a text; `finish` then takes a list of
        ``{"key": text or None, "value": ...}``.
    """

    aggregate: Callable[..., Any]
    finish: Callable[..., Any]
    grouped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Macro(Signature):
    """A function written in terms of others.

    Parameters
    ----------
    expand : callable
        Takes nodes (for constant parameters plain values, where they are literals) and returns a node.
    """

    expand: Callable[..., Any]
