"""Signatures of functions: one record with both bodies, types, null rule and examples.

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
    """Whether the framework handles nulls (any null in, null out), or the function."""

    PROPAGATE = "propagate"
    HANDLED = "handled"


class _Absent(Enum):
    REQUIRED = "required"
    DECLARED = "declared"


REQUIRED = _Absent.REQUIRED
"""Default of an argument that must be given."""
DECLARED = _Absent.DECLARED
"""Default of a last argument: the declared default of the feature that the first argument reads."""


@dataclass(frozen=True, slots=True)
class Arg:
    """One parameter of a function.

    Parameters
    ----------
    name : str
        As in the two bodies.
    dtype : DType or Var
        Its type; parameters with the same variable have the same type.
    constant : bool, default False
        Whether it accepts only a literal or a statistic.
    default : object, optional
        Value of an omitted argument (trailing ones only), or `DECLARED`.
    repeated : bool, default False
        Whether it may occur several times, and at least once. Adjacent repeated parameters repeat together, as the
        condition and the value of ``case`` do; the bodies accept them as ``*args``.
    check : callable, optional
        Called with a constant's value, never None; raises ValueError if it is invalid.
    """

    name: str
    dtype: DType | Var
    constant: bool = False
    default: Any = REQUIRED
    repeated: bool = False
    check: Callable[[Any], object] | None = None

    @property
    def optional(self) -> bool:
        """Whether it can be omitted."""
        return self.default is not REQUIRED


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signature:
    """The common part of functions, statistics and macros.

    Parameters
    ----------
    name : str
        Name in expressions.
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
        """Return the parameter of each of `count` arguments.

        Raises
        ------
        DslTypeError
            The function does not accept that many arguments.
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
        """Return the omitted parameters of a call with `count` arguments."""
        if count == len(self.args) and not self._repeated:
            return ()
        present = self.parameters(count)
        return tuple(arg for arg in self.args if not arg.repeated and arg not in present)

    def _wrong_count(self, count: int) -> DslTypeError:
        return DslTypeError(f"{self.name}: expected {self.usage}, found {count} argument{'s' * (count != 1)}")

    @property
    def usage(self) -> str:
        """The call with its parameters, such as ``round(x, digits=0)``."""
        parameters = []
        for arg in self.args:
            if arg.repeated:
                parameters.append(f"{arg.name}...")
            elif arg.default is DECLARED:
                parameters.append(f"{arg.name}=<declared>")
            else:
                parameters.append(f"{arg.name}={arg.default!r}" if arg.optional else arg.name)
        return f"{self.name}({', '.join(parameters)})"


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
        Units in the last place that the two may differ by.
    edges : mapping of str to sequence, optional
        Values to test, by parameter; they replace those of the parameter's type.
    inline : mapping of DType or None to str
        Python expressions that replace a call of `row`, by the type of the function's variable (None: any type).
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
    """A statistic of the training data, computed when an estimator is fitted.

    Parameters
    ----------
    aggregate : callable
        ``aggregate(F, x, **constants)`` returns one aggregate Column that skips null and NaN.
    finish : callable
        ``finish(value, **constants)`` returns the constant for the collected value.
    grouped : bool
        Whether there is one aggregate for each value of the first argument, a string; the value that `finish` receives
        is then a list of ``{"key": string or None, "value": ...}``.
    """

    aggregate: Callable[..., Any]
    finish: Callable[..., Any]
    grouped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Macro(Signature):
    """A function defined by other functions.

    Parameters
    ----------
    expand : callable
        Returns the definition as a node, given nodes (plain values for literals of constant parameters).
    """

    expand: Callable[..., Any]
